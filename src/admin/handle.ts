import { createHash, timingSafeEqual } from "node:crypto";
import { GatewayError } from "../core/errors.ts";
import { headerOf } from "../core/http/headers.ts";
import type { GatewayRequest, GatewayResponse } from "../core/http/messages.ts";
import { pathOf } from "../core/http/path.ts";
import { problemResponse, unsniffed } from "../core/http/problem.ts";

/** What stands at one path of the admin server. It is made when it is asked for. */
export type Page = (request: GatewayRequest) => {
	readonly status: number;
	readonly type: string;
	readonly body: string;
};

/** Whether a request brings the token. */
type Allows = (request: GatewayRequest) => boolean;

/**
 * Answers for the pages. A reading request needs the token if there is one. Any other always needs it, because a page
 * of another origin can send it. No answer may be kept, read by another origin, or run or framed by a page.
 */
export function createAdminHandle(
	pages: ReadonlyMap<string, Page>,
	token: string | null,
): (request: GatewayRequest) => Promise<GatewayResponse> {
	const allows: Allows = token === null ? () => false : bringing(token);
	const answer = (request: GatewayRequest): GatewayResponse => {
		const { method } = request;
		const reads = method === "GET" || method === "HEAD";
		if ((token !== null || !reads) && !allows(request)) throw unauthorized();
		const page = pages.get(pathOf(request.target));
		if (page === undefined) {
			throw new GatewayError("route_not_found", "no page of the admin server");
		}
		if (!reads) {
			const allow = ["GET", "HEAD"];
			throw new GatewayError("method_not_allowed", "it is read", { allow });
		}
		const { status, type, body } = page(request);
		request.memory.keepAnswer(2 * body.length);
		const headers = ["content-type", type, ...unsniffed];
		return { status, headers, body: method === "HEAD" ? null : body };
	};
	return async (request) => {
		try {
			return guarded(answer(request));
		} catch (thrown) {
			if (!(thrown instanceof GatewayError)) throw thrown;
			const response = guarded(problemResponse(thrown, request.id));
			if (thrown.code !== "unauthorized") return response;
			const headers = [...response.headers, "www-authenticate", "Bearer"];
			return { ...response, headers };
		}
	};
}

function guarded(response: GatewayResponse): GatewayResponse {
	const named = response.headers.filter(
		(_, at, all) => all[at - (at % 2)] !== "cache-control",
	);
	return { ...response, headers: [...named, ...guards] };
}

const guards = [
	...["cache-control", "no-store"],
	...["content-security-policy", "default-src 'none'; frame-ancestors 'none'"],
	...["cross-origin-resource-policy", "same-origin"],
	...["referrer-policy", "no-referrer"],
];

function unauthorized(): GatewayError {
	return new GatewayError("unauthorized", "without the admin server's token");
}

/** Compares digests, which have one length: the time tells nothing about the token. */
function bringing(token: string): Allows {
	const wanted = digestOf(token);
	return ({ headers }) => {
		const [, given] =
			/^Bearer +(\S+)$/i.exec(headerOf(headers, "authorization") ?? "") ?? [];
		return given !== undefined && timingSafeEqual(digestOf(given), wanted);
	};
}

function digestOf(text: string): Buffer {
	return createHash("sha256").update(text).digest();
}
