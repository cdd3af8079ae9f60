import type { AuthConfig, CorsConfig } from "../config/config.ts";
import { writesSurely } from "../config/graph.ts";
import { GatewayError } from "../core/errors.ts";
import { allHeadersOf, onlyHeaderOf } from "../core/http/headers.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import { isSafe } from "../core/http/method.ts";
import { isOfHost, originsOf } from "../core/http/origin.ts";
import type { RoutePlan } from "../plan/plan.ts";
import { wantsJob } from "./job-route.ts";

/** Throws `foreign_origin` if a page of somebody else's may have caused the request. */
export type RefuseForgery = (request: GatewayRequest) => void;

/**
 * Whether a browser sends these credentials by itself, also with requests that pages of other sites cause: cookies, the
 * password that its user has given once, its certificate.
 */
export function isAmbient(auth: AuthConfig): boolean {
	switch (auth.kind) {
		case "basic":
		case "mtls":
			return true;
		case "jwt":
			return auth.from.in === "cookie";
		case "keys":
			return false;
	}
}

/**
 * Refuses a request that comes from a page that may not send its user's credentials. Browsers name the page in
 * `Origin`, or say in `Sec-Fetch-Site` that it is another's. Programs say neither, and pass.
 */
export function createForgeryRefusal(cors: CorsConfig | null): RefuseForgery {
	const allows = originsOf(cors?.credentials ? cors.origins : []);
	return ({ headers }) => {
		if (allHeadersOf(headers, "origin").length > 0) {
			const origin = onlyHeaderOf(headers, "origin") ?? "";
			const host = onlyHeaderOf(headers, "host") ?? "";
			if (isOfHost(origin, host) || allows(origin)) return;
			throw foreign("its `Origin` is neither this host nor allowed by `cors`");
		}
		const sites = allHeadersOf(headers, "sec-fetch-site");
		if (sites.every((site) => site === "same-origin" || site === "none")) {
			return;
		}
		throw foreign("its `Sec-Fetch-Site` says that another page caused it");
	};
}

/**
 * Tells which requests to a route are no mere reading. A function may write, too, but most do not, and a link to a route that reads must go on working. A job is one: it takes a place among those that wait, and a user's name
 * stands on it. So is a WebSocket of a channel: no browser asks before it opens one, and what it hears is the user's.
 */
export function mayWriteOf(
	route: RoutePlan,
): (request: GatewayRequest) => boolean {
	const { job, listen } = route;
	const always = route.steps.some(writesSurely);
	return ({ method, headers, upgradable }) =>
		always ||
		!isSafe(method) ||
		(job !== null && wantsJob(job, headers)) ||
		(listen !== null && upgradable === true);
}

function foreign(why: string): GatewayError {
	return new GatewayError(
		"foreign_origin",
		`the credentials are such as a browser sends by itself, and ${why}`,
	);
}
