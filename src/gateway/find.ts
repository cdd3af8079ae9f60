import type { GatewayRequest } from "../core/http/messages.ts";
import type { Counted } from "../store/limit.ts";
import type { Ask, SharedLimits } from "../store/shared-limits.ts";
import type { GatewayRoute } from "./gateway-route.ts";
import type { Handling } from "./handling.ts";
import type { RateLimit } from "./rate-limit.ts";
import type { RequestEnd } from "./request-end.ts";
import type { Match } from "./router.ts";
import type { Via } from "./via.ts";

/** The route of a request that may go on. */
export interface Found {
	readonly route: GatewayRoute;
	readonly params: Readonly<Record<string, string>>;
	readonly via: ReturnType<Via>;
	/** Whether another turn of the loop may have begun. */
	readonly waited: boolean;
}

/** Counts a request to the limits of the gateway and of its route, in this process. Throws if it may not go on. */
export function find(
	request: GatewayRequest,
	handling: Handling,
	end: RequestEnd,
): Found {
	const { rateLimit } = handling;
	const count = (limit: RateLimit, params: Found["params"]) => {
		const keys = limit.keysOf(request, params);
		noteQuota(limit, limit.holder.local.count(keys, request.arrivedMs), end);
	};
	if (rateLimit) count(rateLimit, {});
	const { target: route, params } = locate(request, handling);
	noteRoute(route, end);
	const via = handling.via(request.headers);
	if (route.rateLimit) count(route.rateLimit, params);
	return { route, params, via, waited: false };
}

/** Counts a request that needs no route to the limit of the gateway. Throws if it may not go on. */
export async function count(
	request: GatewayRequest,
	{ rateLimit: limit, shared }: Handling,
	end: RequestEnd,
): Promise<void> {
	if (limit === null) return;
	const { holder } = limit;
	const keys = limit.keysOf(request, {});
	const counted = shared
		? (await shared.count([{ holder, keys }]))[0]
		: holder.local.count(keys, request.arrivedMs);
	noteQuota(limit, counted, end);
}

/**
 * The same with limits that processes share, and all limits in one round trip. What a request is refused for comes in the same order: first the gateway's limit,
 * then that no route matches, last the route's limit.
 */
export async function findShared(
	shared: SharedLimits,
	request: GatewayRequest,
	handling: Handling,
	end: RequestEnd,
): Promise<Found> {
	const { rateLimit } = handling;
	const asks: Ask[] = [];
	const ask = (limit: RateLimit, params: Found["params"]) => {
		const keys = limit.keysOf(request, params);
		asks.push({ holder: limit.holder, keys });
	};
	if (rateLimit) ask(rateLimit, {});
	let match: Match<GatewayRoute> | null = null;
	let via: Found["via"] | null = null;
	let failure: { readonly thrown: unknown } | null = null;
	try {
		match = locate(request, handling);
		via = handling.via(request.headers);
		if (match.target.rateLimit) ask(match.target.rateLimit, match.params);
	} catch (thrown) {
		failure = { thrown };
	}
	const waited = asks.length > 0;
	const counted = waited ? await shared.count(asks) : [];
	let at = 0;
	if (rateLimit) noteQuota(rateLimit, counted[at++], end);
	if (match !== null) noteRoute(match.target, end);
	if (failure !== null) throw failure.thrown;
	const { target: route, params } = match as Match<GatewayRoute>;
	if (route.rateLimit) noteQuota(route.rateLimit, counted[at], end);
	return { route, params, via: via as Found["via"], waited };
}

function locate(
	{ method, target }: GatewayRequest,
	handling: Handling,
): Match<GatewayRoute> {
	return handling.route(method, target);
}

export function noteRoute({ plan }: GatewayRoute, end: RequestEnd): void {
	end.route = plan.key;
	if (end.trail !== null) end.trail.route = plan.key;
}

/** Notes what is left of a limit, for the answer's header. Throws if nothing is left. */
export function noteQuota(
	limit: RateLimit,
	counted: Counted | undefined,
	end: RequestEnd,
): void {
	if (counted === undefined) return;
	const quota = limit.quotaOf(counted);
	end.quotas = [...(end.quotas ?? []), quota];
	if (quota.refusal !== null) throw quota.refusal;
}
