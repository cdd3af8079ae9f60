import { onlyHeaderOf } from "../core/http/headers.ts";
import type { GatewayRequest, GatewayResponse } from "../core/http/messages.ts";
import { refused } from "./refuse.ts";

/**
 * Answers each request of plain HTTP with where it is to be made instead (RFC 9110, 15.4.9). A client that named no port has
 * found this one by the usual number, and finds the other one by its usual number, too, whatever stands between.
 */
export function redirectTo(port: number) {
	return async ({
		target,
		headers,
	}: GatewayRequest): Promise<GatewayResponse> => {
		const host = onlyHeaderOf(headers, "host");
		// HTTP/1.0 may name no host.
		if (host === null) throw refused(400, "headers.host", "is missing");
		const named = /^(.*):\d*$/.exec(host)?.[1];
		const authority = named === undefined ? host : `${named}:${port}`;
		const location = `https://${authority}${target}`;
		return {
			status: 308,
			headers: ["location", location, "cache-control", "no-store"],
			body: null,
		};
	};
}
