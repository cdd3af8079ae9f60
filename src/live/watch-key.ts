import crypto from "node:crypto";
import { headerOf } from "../core/http/headers.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import { pathOf } from "../core/http/path.ts";
import type { WatchedBy } from "../plan/watched.ts";
import type { RequestValues } from "../run/request.ts";

/**
 * A text that is equal for all clients who share a run of one route. It is a hash, so that nothing keeps their
 * credentials.
 */
export function watchKeyOf(
	{ ip, path, way }: WatchedBy,
	request: GatewayRequest,
	{ params, query, headers, cookies }: RequestValues,
): string {
	const asked = [
		...[params, query, headers, cookies],
		ip || way ? request.ip : null,
		path ? pathOf(request.target) : null,
		way ? [headerOf(request.headers, "host"), request.scheme ?? null] : null,
	];
	return crypto.hash("sha256", JSON.stringify(asked, withDigits), "base64url");
}

/** A declared field has one type, so no text is taken for a number. */
function withDigits(_: string, value: unknown): unknown {
	return typeof value === "bigint" ? String(value) : value;
}
