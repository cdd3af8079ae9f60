import type { CorsConfig } from "../config/config.ts";
import { allRead } from "../core/all-read.ts";
import {
	type HeaderList,
	headerOf,
	namesIn,
	onlyHeaderOf,
} from "../core/http/headers.ts";
import type { GatewayResponse } from "../core/http/messages.ts";
import { originsOf } from "../core/http/origin.ts";

/**
 * Tells browsers which pages of other origins may read an answer (Fetch standard, 3.3, CORS protocol). It lives in the
 * server and not in the gateway. A page must be able to read the server's own answers too: 408, 413, 431, 503.
 */
export interface Cors {
	/** The answer to a preflight that asks only for allowed things; null for every other request. */
	preflight(request: Asking): GatewayResponse | null;
	/** The fields that are added to an answer to this request, also to a preflight's. */
	fieldsFor(request: Asking): HeaderList;
	/** Whether only CORS may write this field: browsers refuse a field that comes twice. */
	owns(name: string): boolean;
}

interface Asking {
	readonly method: string;
	readonly headers: HeaderList;
}

/** The fields that pages may read besides those of any answer. The first two say whether it is whole. */
const exposed =
	"sluice-complete, sluice-missing, x-request-id, retry-after, ratelimit, ratelimit-policy, www-authenticate";

/** All lists are put together once, at start. */
export function createCors(config: CorsConfig): Cors {
	const { credentials, maxAgeMs, ...lists } = config;
	const { origins, methods, headers, expose, ...unread } = lists;
	allRead(unread);
	const anyOrigin = origins.includes("*");
	const matches = originsOf(origins);
	const readable = [exposed, ...expose.map((name) => name.toLowerCase())].join(
		", ",
	);
	const allowedMethods = new Set(methods);
	const names = new Set(headers.map((name) => name.toLowerCase()));
	const permission = [
		...["access-control-allow-methods", methods.join(", ")],
		...["access-control-allow-headers", [...names].join(", ")],
		...["access-control-max-age", String(Math.floor(maxAgeMs / 1000))],
	];
	const withCredentials = credentials
		? ["access-control-allow-credentials", "true"]
		: [];

	const isAllowed = (origin: string | null): origin is string =>
		origin !== null && matches(origin);

	function isPermitted({ method, headers }: Asking): boolean {
		if (method !== "OPTIONS") return false;
		const wanted = headerOf(headers, "access-control-request-method");
		if (wanted === null || !allowedMethods.has(wanted)) return false;
		if (!isAllowed(onlyHeaderOf(headers, "origin"))) return false;
		return namesIn(headers, "access-control-request-headers").every((name) =>
			names.has(name),
		);
	}

	return {
		preflight: (request) => (isPermitted(request) ? permitted : null),
		fieldsFor(request) {
			const vary = varyOf(request.method);
			const origin = onlyHeaderOf(request.headers, "origin");
			if (!isAllowed(origin)) return vary;
			return [
				...vary,
				...["access-control-allow-origin", anyOrigin ? "*" : origin],
				...["access-control-expose-headers", readable],
				...withCredentials,
				...(isPermitted(request) ? permission : []),
			];
		},
		owns: (name) => name.toLowerCase().startsWith("access-control-"),
	};
}

const permitted: GatewayResponse = { status: 204, headers: [], body: null };

/** Without it a cache would give one origin's answer, or one without permission, to another origin. */
function varyOf(method: string): HeaderList {
	return method === "OPTIONS"
		? [
				"vary",
				"origin, access-control-request-method, access-control-request-headers",
			]
		: ["vary", "origin"];
}
