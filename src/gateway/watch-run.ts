import { randomUUID } from "node:crypto";
import { asGatewayError, type GatewayError } from "../core/errors.ts";
import type { Events } from "../core/events.ts";
import { headersWithout } from "../core/http/headers.ts";
import type { GatewayRequest, GatewayResponse } from "../core/http/messages.ts";
import { pathOf } from "../core/http/path.ts";
import { type Memory, RequestMemory } from "../core/memory.ts";
import type { WatchSource } from "../live/watch.ts";
import type { WatchedBy } from "../plan/watched.ts";
import { type ComposedRoute, compose } from "../run/compose.ts";
import type { RequestValues } from "../run/request.ts";
import type { Load, Made, RunResult } from "../run/run.ts";
import type { Clock } from "../tasks/clock.ts";
import type { Scope } from "../tasks/scope.ts";
import type { Overload } from "./overload.ts";
import type { RequestEnd } from "./request-end.ts";
import type { Via } from "./via.ts";

/** What a run for those who watch needs of its gateway. */
export interface WatchRunMeans {
	readonly clock: Clock;
	readonly memory: Memory;
	readonly events: Events;
	readonly overload: Overload | null;
	readonly load: Load;
	readonly via: Via;
	/** Answers a request, also if `answer` rejects, and tells of its end. */
	readonly report: (
		request: GatewayRequest,
		scope: Scope,
		answer: (end: RequestEnd) => Promise<GatewayResponse>,
	) => Promise<GatewayResponse>;
}

/**
 * Carries out a live route for all who watch what a client asks. Each run is a request of the gateway's own, with an id, a
 * deadline and a place among the requests in progress. Of the client it knows what tells this watch from others.
 */
export function createWatchRun(
	route: ComposedRoute,
	{ way, credentials }: WatchedBy,
	{ target, headers, scheme = null }: GatewayRequest,
	values: RequestValues,
	means: WatchRunMeans,
): WatchSource["run"] {
	const { clock } = means;
	const path = pathOf(target);
	const known = new Set([
		...(way ? ["host"] : []),
		...(credentials ? ["authorization"] : []),
	]);
	const own = headersWithout(headers, (name) => !known.has(name));
	return async (ip, scope) => {
		const request: GatewayRequest = {
			...{ id: randomUUID(), method: "GET", target: path, ip },
			headers: own,
			scheme: way ? scheme : null,
			arrivedMs: clock.now(),
			memory: new RequestMemory(means.memory),
			readBody: async () => new Uint8Array(),
			streamBody: () => null,
		};
		let made: Made | null = null;
		let error: GatewayError | null = null;
		const response = await means.report(request, scope, async (end) => {
			try {
				const result = await run(route, request, values, means, { scope, end });
				made = result.made ?? null;
				end.missing = result.missing;
				return result.response;
			} catch (thrown) {
				error = asGatewayError(thrown);
				throw error;
			}
		});
		request.memory.end();
		return { requestId: request.id, response, error, made };
	};
}

async function run(
	route: ComposedRoute,
	request: GatewayRequest,
	values: RequestValues,
	{ events, overload, load, clock, via, memory }: WatchRunMeans,
	{ scope, end }: { readonly scope: Scope; readonly end: RequestEnd },
): Promise<RunResult> {
	const { ip, arrivedMs } = request;
	const { trail, ids } = end;
	end.route = route.plan.key;
	end.watch = "run";
	if (trail !== null) trail.route = end.route;
	if (memory.short) throw memory.usedUp;
	const deadline = arrivedMs + route.plan.deadlineMs;
	const begun = overload?.begin(ip, clock.now(), deadline, scope) ?? null;
	if (begun !== null) await begun;
	trail?.read();
	const turn = overload?.enter(ip, deadline, scope) ?? null;
	if (turn !== null) await turn;
	trail?.begun();
	try {
		const given = { request, values, events, load, scope, trail, ids };
		return await compose(route, { ...given, via: via([]), beyond: end });
	} finally {
		overload?.leave();
	}
}
