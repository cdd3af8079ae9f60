import crypto from "node:crypto";
import { allHeadersOf, headerOf } from "../core/http/headers.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import { pathOf } from "../core/http/path.ts";
import { printJson } from "../core/json.ts";
import { identityWith } from "../plan/identity-parts.ts";
import type { WatchedBy } from "../plan/watched.ts";
import type { RequestValues } from "../run/request.ts";

/**
 * A text that is equal for all clients who share a run of one route. It is a hash, so that nothing keeps their
 * credentials.
 */
export function watchKeyOf(
	{ ip, path, way, credentials }: WatchedBy,
	request: GatewayRequest,
	{ params, query, headers, cookies, auth = {} }: RequestValues,
): string {
	const asked = [
		...[params, query, headers, cookies],
		ip || way ? request.ip : null,
		path ? pathOf(request.target) : null,
		way ? [headerOf(request.headers, "host"), request.scheme ?? null] : null,
		credentials ? allHeadersOf(request.headers, "authorization") : null,
	];
	const text = JSON.stringify(asked, withDigits) + printJson(auth);
	return crypto.hash("sha256", text, "base64url");
}

/**
 * The values for a run that clients share. Of who asks it gets only what tells this watch from others, so that it cannot
 * show more.
 */
export function valuesOfWatch(
	{ auth: parts }: WatchedBy,
	values: RequestValues,
): RequestValues {
	const { auth, ...others } = values;
	if (auth === undefined) return values;
	return { ...others, auth: identityWith(auth, parts) };
}

/** A declared field has one type, so no text is taken for a number. */
function withDigits(_: string, value: unknown): unknown {
	return typeof value === "bigint" ? String(value) : value;
}
