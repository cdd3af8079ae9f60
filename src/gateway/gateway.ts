import type { Environment } from "../config/check-upstream.ts";
import type { Config, ServerConfig } from "../config/config.ts";
import { asGatewayError, type GatewayError } from "../core/errors.ts";
import {
	createEvents,
	type Events,
	type StepFailure,
	tell,
} from "../core/events.ts";
import type { GatewayRequest, GatewayResponse } from "../core/messages.ts";
import { problemResponse } from "../core/problem.ts";
import { compile } from "../plan/compile.ts";
import type { Plan } from "../plan/plan.ts";
import {
	type OpenUpstream,
	type PreparedRoute,
	preparePlan,
} from "../run/prepare.ts";
import { run } from "../run/run.ts";
import { type Clock, realClock } from "../tasks/clock.ts";
import type { Scope } from "../tasks/scope.ts";
import { createUpstream } from "../upstream/upstream.ts";
import { createRouter, type Match, type Route } from "./router.ts";

/** A plan at work. Two gateways share nothing. */
export interface Gateway {
	readonly plan: Plan;
	readonly server: ServerConfig;
	readonly clock: Clock;
	/** What happens on the request path, for whoever listens. */
	readonly events: Events;
	/**
	 * Answers one request; never rejects, for a failure is an answer too. Cancelling the scope aborts every call that
	 * only reads.
	 */
	handle(request: GatewayRequest, scope: Scope): Promise<GatewayResponse>;
	/** Ends all connections to upstreams. Requests that still run fail. */
	close(): Promise<void>;
}

export interface GatewayOptions {
	/** Where `env.NAME` is read from, once. Default: the process's environment. */
	readonly env?: Environment;
	/** Default: the machine's. */
	readonly clock?: Clock;
	/** How upstreams are reached. Default: over HTTP. */
	readonly openUpstream?: OpenUpstream;
}

/** Makes a gateway of a checked config. Opens no connection and no port. */
export function createGateway(
	config: Config,
	{
		env = process.env,
		clock = realClock(),
		openUpstream = createUpstream,
	}: GatewayOptions = {},
): Gateway {
	const plan = compile(config);
	const prepared = preparePlan(plan, { env, clock, openUpstream });
	const events = createEvents();
	const route = createRouter(prepared.routes);
	return {
		plan,
		server: plan.server,
		clock,
		events,
		handle: (request, scope) =>
			handle(request, scope, { route, events, server: plan.server, clock }),
		close: prepared.close,
	};
}

interface Handling {
	readonly route: Route<PreparedRoute>;
	readonly events: Events;
	readonly server: ServerConfig;
	readonly clock: Clock;
}

/** How a request ended, for the events. */
interface End {
	route: string | null;
	missing: readonly StepFailure[];
	error: GatewayError | null;
}

async function handle(
	request: GatewayRequest,
	scope: Scope,
	handling: Handling,
): Promise<GatewayResponse> {
	const end: End = { route: null, missing: [], error: null };
	let response: GatewayResponse;
	try {
		response = await answer(request, scope, handling, end);
	} catch (thrown) {
		end.error = asGatewayError(thrown);
		response = problemResponse(end.error, request.id);
	}
	const { requestEnded } = handling.events;
	if (requestEnded.length > 0) {
		tell(requestEnded, {
			...end,
			requestId: request.id,
			method: request.method,
			status: response.status,
			durationMs: handling.clock.now() - request.arrivedMs,
		});
	}
	return response;
}

async function answer(
	request: GatewayRequest,
	scope: Scope,
	handling: Handling,
	end: End,
): Promise<GatewayResponse> {
	const match: Match<PreparedRoute> = handling.route(
		request.method,
		request.target,
	);
	const { target: route, params } = match;
	end.route = route.plan.key;
	const body =
		route.plan.request.body === null
			? null
			: await request.readBody(handling.server.bodyBytesMax);
	const values = route.readRequest(request, params, body);
	const timeMs = Date.now();
	const result = await run(route, {
		request,
		values,
		events: handling.events,
		scope,
		timeMs,
	});
	end.missing = result.missing;
	return result.response;
}
