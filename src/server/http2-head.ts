import type { GatewayError } from "../core/errors.ts";
import { isKnownMethod, unknownMethod } from "../core/http/known-methods.ts";
import {
	type HeadLimits,
	headFault,
	refused,
	targetFault,
	tooManyBytes,
	tooManyFields,
} from "./refuse.ts";
import { connectRefused } from "./server-answers.ts";

/** The head of a request of HTTP/2, in the words of HTTP/1.1. */
export interface Http2Head {
	readonly method: string;
	readonly url: string;
	/** Names and values in turn. `host` comes first. */
	readonly rawHeaders: string[];
	/** The reason to refuse it; null if there is none. */
	readonly refusal: GatewayError | null;
	/** Whether the client sends its body when it hears that it is wanted. */
	readonly asksFirst: boolean;
}

/**
 * Reads the fields of a head, as nghttp2 let them through. It has refused names in capitals, fields of a connection, and
 * pseudo-fields that are unknown, doubled, missing or behind others (RFC 9113, 8.2 and 8.3).
 */
export function headOf(
	fields: readonly string[],
	limits: HeadLimits,
): Http2Head {
	const pseudo = new Map<string, string>();
	const rawHeaders: string[] = [];
	const crumbs: string[] = [];
	for (let at = 0; at < fields.length; at += 2) {
		const name = fields[at] ?? "";
		const value = fields[at + 1] ?? "";
		if (name.startsWith(":")) pseudo.set(name, value);
		// A client may cut it into pieces (RFC 9113, 8.2.3).
		else if (name === "cookie") crumbs.push(value);
		else rawHeaders.push(name, value);
	}
	if (crumbs.length > 0) rawHeaders.push("cookie", crumbs.join("; "));
	const authority = pseudo.get(":authority");
	const fault = authorityFault(authority, rawHeaders);
	if (authority !== undefined) setHost(authority, rawHeaders);
	const method = pseudo.get(":method") ?? "";
	const url = pseudo.get(":path") ?? "";
	const expects = valueOf(rawHeaders, "expect");
	return {
		...{ method, url, rawHeaders },
		asksFirst: expects?.toLowerCase() === "100-continue",
		refusal:
			methodFault(method) ??
			lengthFault(fields, limits) ??
			fault ??
			schemeFault(pseudo.get(":scheme")) ??
			headFault(rawHeaders, "1.1") ??
			expectationFault(expects) ??
			(url === "*" && method === "OPTIONS" ? null : targetFault(url)),
	};
}

/** As over HTTP/1.1, where the parser knows only some. */
function methodFault(method: string): GatewayError | null {
	if (method === "CONNECT") return connectRefused();
	return isKnownMethod(method) ? null : unknownMethod();
}

/** RFC 9113, 8.3.1: whoever has both must name the same. */
function authorityFault(
	authority: string | undefined,
	rawHeaders: readonly string[],
): GatewayError | null {
	const host = valueOf(rawHeaders, "host");
	if (authority === undefined || host === null) return null;
	return host.toLowerCase() === authority.toLowerCase()
		? null
		: refused(400, "headers.host", "is another one than `:authority`");
}

function setHost(authority: string, rawHeaders: string[]): void {
	const at = rawHeaders.indexOf("host");
	// A value may be the word, too.
	if (valueOf(rawHeaders, "host") !== null && at % 2 === 0) {
		// A second one is a fault that is found later.
		rawHeaders.splice(at, 2);
	}
	rawHeaders.unshift("host", authority);
}

function valueOf(rawHeaders: readonly string[], wanted: string): string | null {
	for (let at = 0; at < rawHeaders.length; at += 2) {
		if (rawHeaders[at] === wanted) return rawHeaders[at + 1] ?? "";
	}
	return null;
}

function schemeFault(scheme: string | undefined): GatewayError | null {
	return scheme === "https"
		? null
		: refused(400, "target", "has another scheme than `https`");
}

function expectationFault(expects: string | null): GatewayError | null {
	return expects === null || expects.toLowerCase() === "100-continue"
		? null
		: refused(417, "headers.expect", "is not `100-continue`");
}

/** Pseudo-fields are what is the first line elsewhere, and are not counted as fields. */
function lengthFault(
	fields: readonly string[],
	{ headerFieldsMax, headerBytesMax }: HeadLimits,
): GatewayError | null {
	let count = 0;
	let bytes = 0;
	for (let at = 0; at < fields.length; at += 2) {
		const name = fields[at] ?? "";
		if (!name.startsWith(":")) count++;
		bytes += name.length + (fields[at + 1] ?? "").length;
	}
	if (count > headerFieldsMax) return tooManyFields(headerFieldsMax);
	return bytes > headerBytesMax ? tooManyBytes() : null;
}
