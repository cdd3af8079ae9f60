import { confirmsEtag, namesEtag } from "../../core/http/etag.ts";
import { fieldsConfirmed } from "../../core/http/fields.ts";
import {
	eachHeader,
	type HeaderList,
	headerOf,
	headersWithout,
} from "../../core/http/headers.ts";
import type { UpstreamResponse } from "../../core/http/messages.ts";
import type { Condition } from "./condition.ts";
import type { Judged } from "./rules.ts";

/** The fields that ask whether an answer still holds (RFC 9111, 4.3.1); none if it has no validator. */
export function conditionsOf(headers: HeaderList): string[] {
	const etag = headerOf(headers, "etag");
	if (etag !== null) return ["if-none-match", etag];
	const modified = headerOf(headers, "last-modified");
	return modified === null ? [] : ["if-modified-since", modified];
}

/**
 * The same fields for a client that has a copy of its own. Its tags are asked about too, so that the upstream need not
 * send what the client has (RFC 9111, 4.3.1).
 */
export function conditionsFor(
	client: Condition | null,
	headers: HeaderList,
): string[] {
	const [name = "", value = "", ...none] = conditionsOf(headers);
	if (name === "") return none;
	const etags = client?.etags?.trim() ?? "*";
	const joined = name === "if-none-match" && etags !== "*" && etags !== "";
	return [
		name,
		joined && !namesEtag(etags, value) ? `${value}, ${etags}` : value,
	];
}

/** The answer that a 304 is about: the kept one, the client's copy, or none that anybody has. */
export function subjectOf(
	headers: HeaderList,
	kept: HeaderList,
	client: Condition | null,
): "kept" | "copy" | "other" {
	const etag = headerOf(headers, "etag");
	const keptEtag = headerOf(kept, "etag");
	const etags = client?.etags ?? null;
	if (etags !== null && etag === null && keptEtag !== null) {
		// Two tags may have been asked about, and nothing tells which of them the 304 is about.
		return namesEtag(etags, keptEtag) ? "kept" : "other";
	}
	if (confirms(headers, kept)) return "kept";
	return etags !== null && etag !== null && namesEtag(etags, etag)
		? "copy"
		: "other";
}

/** RFC 9111, 4.3.4: whether a 304 is about the answer that was asked about. */
export function confirms(headers: HeaderList, kept: HeaderList): boolean {
	const etag = headerOf(headers, "etag");
	if (etag !== null) {
		return confirmsEtag(etag, headerOf(kept, "etag") ?? "");
	}
	const modified = headerOf(headers, "last-modified");
	return modified === null || modified === headerOf(kept, "last-modified");
}

/** RFC 9111, 4.3.4: a confirmed answer with the newer fields. The old `Age` goes: it counted from another time. */
export function freshened(
	{ status, headers, body }: UpstreamResponse,
	newer: HeaderList,
): UpstreamResponse {
	const news = fieldsConfirmed(newer);
	const replaced = new Set(["age"]);
	eachHeader(news, (name) => replaced.add(name.toLowerCase()));
	const old = headersWithout(headers, (name) => replaced.has(name));
	return { status, headers: [...old, ...news], body };
}

/** RFC 9111, 4.3.5: whether the answer to HEAD shows that a kept answer to GET is old. */
export function outdates(
	{ status, headers }: Judged,
	kept: HeaderList,
): boolean {
	if (status !== 200) return false;
	return differIn(["etag", "last-modified", "content-length"], headers, kept);
}

/** Whether two answers, parts or wholes, cannot be of the same whole. */
export function areOfOthers(some: HeaderList, others: HeaderList): boolean {
	return differIn(["etag", "last-modified"], some, others);
}

function differIn(
	names: readonly string[],
	some: HeaderList,
	others: HeaderList,
): boolean {
	return names.some((name) => {
		const [one, other] = [some, others].map((list) => headerOf(list, name));
		return one !== null && other !== null && one !== other;
	});
}
