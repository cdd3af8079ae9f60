import type { CorsConfig } from "../config/config.ts";
import { GatewayError } from "../core/errors.ts";
import { headerOf, onlyHeaderOf } from "../core/http/headers.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import { isOfHost, originsOf } from "../core/http/origin.ts";

/** Throws `foreign_origin` if the request comes from a page that may not open a WebSocket here. */
export type RefusePage = (request: GatewayRequest) => void;

/**
 * No browser asks before a page opens a WebSocket, and it sends the cookies of its user along. So pages of other origins may
 * only open one if `cors` lets them read answers, and if the answer is one user's, only if `cors` lets them send credentials.
 * Programs send no origin, and pass.
 */
export function createPageRefusal(
	cors: CorsConfig | null,
	personal: boolean,
): RefusePage {
	const mayRead = cors !== null && (cors.credentials || !personal);
	const allows = originsOf(mayRead ? cors.origins : []);
	return ({ headers }) => {
		const given = headerOf(headers, "origin");
		if (given === null) return;
		const origin = onlyHeaderOf(headers, "origin") ?? "";
		const host = onlyHeaderOf(headers, "host") ?? "";
		if (isOfHost(origin, host) || allows(origin)) return;
		const message = "a page of another origin asked for a WebSocket";
		throw new GatewayError("foreign_origin", message);
	};
}
