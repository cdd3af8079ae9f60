import { type HeaderList, headerOf } from "../../core/http/headers.ts";
import type { UpstreamResponse } from "../../core/http/messages.ts";
import type { Judged } from "./rules.ts";

/** The fields that ask whether an answer still holds (RFC 9111, 4.3.1); none if it has no validator. */
export function conditionsOf(headers: HeaderList): string[] {
	const etag = headerOf(headers, "etag");
	if (etag !== null) return ["if-none-match", etag];
	const modified = headerOf(headers, "last-modified");
	return modified === null ? [] : ["if-modified-since", modified];
}

/** RFC 9111, 4.3.4: whether a 304 is about the answer that was asked about. */
export function confirms(headers: HeaderList, kept: HeaderList): boolean {
	const etag = headerOf(headers, "etag");
	if (etag !== null) {
		const ours = headerOf(kept, "etag");
		return etag.startsWith("W/")
			? weak(etag) === weak(ours ?? "")
			: etag === ours;
	}
	const modified = headerOf(headers, "last-modified");
	return modified === null || modified === headerOf(kept, "last-modified");
}

function weak(etag: string): string {
	return etag.replace(/^W\//, "");
}

/** Fields of the body, which stays the old one, and of the one connection (RFC 9111, 3.2). */
const notFreshened: ReadonlySet<string> = new Set([
	"connection",
	"content-encoding",
	"content-length",
	"content-range",
	"content-type",
	"keep-alive",
	"proxy-authenticate",
	"trailer",
	"transfer-encoding",
	"upgrade",
]);

/** RFC 9111, 4.3.4: a confirmed answer with the newer fields. The old `Age` goes: it counted from another time. */
export function freshened(
	{ status, headers, body }: UpstreamResponse,
	newer: HeaderList,
): UpstreamResponse {
	const news: string[] = [];
	const replaced = new Set(["age"]);
	for (let at = 0; at < newer.length; at += 2) {
		const name = (newer[at] ?? "").toLowerCase();
		if (notFreshened.has(name)) continue;
		replaced.add(name);
		news.push(name, newer[at + 1] ?? "");
	}
	const old: string[] = [];
	for (let at = 0; at < headers.length; at += 2) {
		const name = headers[at] ?? "";
		if (!replaced.has(name.toLowerCase()))
			old.push(name, headers[at + 1] ?? "");
	}
	return { status, headers: [...old, ...news], body };
}

/** RFC 9111, 4.3.5: whether the answer to HEAD shows that a kept answer to GET is old. */
export function outdates(
	{ status, headers }: Judged,
	kept: HeaderList,
): boolean {
	if (status !== 200) return false;
	return ["etag", "last-modified", "content-length"].some((name) => {
		const [now, then] = [headers, kept].map((list) => headerOf(list, name));
		return now !== null && then !== null && now !== then;
	});
}
