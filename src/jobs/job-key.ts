import crypto from "node:crypto";
import { GatewayError } from "../core/errors.ts";
import { allHeadersOf, type HeaderList } from "../core/http/headers.ts";
import type { JobKey, StoredRequest } from "./job.ts";

const lengthMax = 255;

const words = `is a text of 1 to ${lengthMax} visible ASCII characters, best in quotes`;

/**
 * The key by which a client asks for one job more than once (`Idempotency-Key`, draft-ietf-httpapi-idempotency-key-header-07):
 * a text in quotes, as the draft has it, or the bare text that many clients send. Null without one. It belongs to a route and
 * an owner. Throws `request_invalid`.
 */
export function keyOf(
	headers: HeaderList,
	{ route, owner }: { readonly route: string; readonly owner: string | null },
	request: StoredRequest,
): JobKey | null {
	const [written, second] = allHeadersOf(headers, "idempotency-key");
	if (written === undefined) return null;
	const key = second === undefined ? textOf(written.trim()) : null;
	if (key === null || key.length === 0 || key.length > lengthMax) {
		const errors = [{ at: "headers.idempotency-key", message: words }];
		throw new GatewayError("request_invalid", `the key ${words}`, { errors });
	}
	return {
		text: digestOf([route, owner, key]),
		fingerprint: fingerprintOf(request),
	};
}

function textOf(written: string): string | null {
	const [, quoted] = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/.exec(written) ?? [];
	if (quoted !== undefined) return quoted.replaceAll(/\\(.)/g, "$1");
	return /^[!#-~]+$/.test(written) ? written : null;
}

/** The trace is another one each time. */
function fingerprintOf({ method, target, headers, body }: StoredRequest) {
	const fields: string[][] = [];
	for (let at = 0; at < headers.length; at += 2) {
		const name = (headers[at] ?? "").toLowerCase();
		if (/^(?:traceparent|tracestate|via)$/.test(name)) continue;
		fields.push([name, headers[at + 1] ?? ""]);
	}
	const content = crypto.hash("sha256", body, "hex");
	return digestOf([method, target, fields, content]);
}

function digestOf(value: unknown): string {
	return crypto.hash("sha256", JSON.stringify(value), "base64url");
}
