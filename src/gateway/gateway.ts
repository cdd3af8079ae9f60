import { resourceMetadata } from "../auth/metadata.ts";
import type { Config, ServerConfig, StoreConfig } from "../config/config.ts";
import type { GatewayConfig } from "../config/define.ts";
import type { Environment } from "../config/environment.ts";
import { checkValue, configOrThrow } from "../config/load.ts";
import { inEnvironment } from "../config/resolve-upstream.ts";
import { allRead } from "../core/all-read.ts";
import { GatewayError } from "../core/errors.ts";
import { createEvents, type Events } from "../core/events.ts";
import type { GatewayRequest, GatewayResponse } from "../core/http/messages.ts";
import { Memory } from "../core/memory.ts";
import type { Secrets } from "../core/secrets.ts";
import type { Jobs, JobsState } from "../jobs/jobs.ts";
import type { ChannelState } from "../live/channel.ts";
import { Channels } from "../live/channels.ts";
import type { WatchesState } from "../live/route-watches.ts";
import { compile } from "../plan/compile.ts";
import { compresses } from "../plan/compresses.ts";
import { explain, type RouteExplanation } from "../plan/explain.ts";
import type { Plan } from "../plan/plan.ts";
import type { OpenUpstream } from "../run/open.ts";
import { preparePlan, type ThreadsState } from "../run/prepare.ts";
import type { Load } from "../run/run.ts";
import { keyPrefix } from "../store/address.ts";
import { openRedis } from "../store/redis.ts";
import { SharedLimits } from "../store/shared-limits.ts";
import { Store, type StoreState } from "../store/store.ts";
import { type Clock, realClock } from "../tasks/clock.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import { createUpstream, type UpstreamState } from "../upstream/upstream.ts";
import { answer } from "./answer.ts";
import { openDoors } from "./door.ts";
import { createFetch, type Fetch } from "./fetch.ts";
import {
	type GatewayRoute,
	liveRouteOf,
	refuseListenersOf,
} from "./gateway-route.ts";
import type { Handling } from "./handling.ts";
import { jobRouteOf } from "./job-route.ts";
import { runJob } from "./job-run.ts";
import { memoryOfProcess } from "./memory-default.ts";
import { openJobs } from "./open-jobs.ts";
import { createOverload } from "./overload.ts";
import { completed, type PlainRequest } from "./plain-request.ts";
import { createRateLimits } from "./rate-limit.ts";
import { reported } from "./reported.ts";
import type { Outliving } from "./request-end.ts";
import { createRouter } from "./router.ts";
import { createVia } from "./via.ts";

/** A plan at work. Two gateways share nothing. */
export interface Gateway {
	readonly plan: Plan;
	readonly server: ServerConfig;
	readonly clock: Clock;
	/** What its requests, answers and caches hold. */
	readonly memory: Memory;
	/** Events of the request path. */
	readonly events: Events;
	/** What its config had from the environment, and tokens that it fetched. `hide` puts stars for them into a text. */
	readonly secrets: Secrets;
	/**
	 * Answers one request. Never rejects, because a failure is an answer too. To cancel the scope says that the client has
	 * left, which aborts all calls. But once a write was sent, the run goes on, and the promise settles when it has ended.
	 * Without a scope the request lives until it is answered.
	 */
	handle(
		request: GatewayRequest | PlainRequest,
		scope?: Scope,
	): Promise<GatewayResponse>;
	/**
	 * Answers a Web-standard request by its path and query, whatever its origin. Never rejects. Its signal aborts when
	 * the client leaves. Uses no `this`, so that it can be passed on.
	 */
	readonly fetch: Fetch;
	/** The work that outlives its requests; null if no route has jobs. It begins with the first job that is asked for here, or before. */
	readonly jobs: Pick<Jobs, "begin" | "work" | "stop"> | null;
	/** How it is now, for whoever looks. Nothing is counted for it. */
	state(): GatewayState;
	/** Whether one more request would have to wait for its turn or be refused, if so many are to come already. */
	isFull(coming: number): boolean;
	/**
	 * Resolves when it is known whether the store can be used, and whether the keys of tokens are there; at once without
	 * either. A request that comes before is answered as if they were away.
	 */
	readonly settled: Promise<void>;
	/** What waits for what in each route, and how long it can take. Computed when it is asked for. */
	explain(): readonly RouteExplanation[];
	/**
	 * Ends all connections to upstreams, and all threads. Requests that still run fail. Resolves when everything has been
	 * reported that went on without its client.
	 */
	close(): Promise<void>;
}

export interface GatewayState {
	/** In the plan's order. */
	readonly upstreams: readonly UpstreamState[];
	/** Requests in progress, and those that wait for their turn. Null if `overload` is off. */
	readonly requests: {
		readonly running: number;
		readonly waiting: number;
	} | null;
	/** Null if no step runs on a thread. */
	readonly threads: ThreadsState | null;
	/** The live routes, in the plan's order. */
	readonly live: readonly WatchesState[];
	/** In the plan's order. */
	readonly channels: readonly ChannelState[];
	/** Null without a store. */
	readonly store: StoreState | null;
	/** Null if no route has jobs. */
	readonly jobs: JobsState | null;
}

export interface GatewayOptions {
	/** Where `env.NAME` is read from, once. Default: where a loaded config read it, else the process's environment. */
	readonly env?: Environment;
	/** Default: the machine's. */
	readonly clock?: Clock;
	/** How upstreams are reached. Default: over HTTP. */
	readonly openUpstream?: OpenUpstream;
	/** How many processes share the memory of the machine or the container. The default of `server.memory` is a part of it. Default: 1. */
	readonly processes?: number;
}

/**
 * Makes a gateway of a config: the result of `defineGateway`, a plain object of that shape, or a loaded config. Throws
 * one `config_invalid` that lists every problem. Opens no connection and no port.
 */
export function createGateway(
	input: Config | GatewayConfig,
	{
		env,
		clock = realClock(),
		openUpstream = createUpstream,
		processes = 1,
	}: GatewayOptions = {},
): Gateway {
	const config = checkedIn(input, env);
	// Its tokens are its own.
	const secrets = config.secrets.copy();
	const plan = compile(config);
	const upstreams = config.resolved.reveal();
	const events = createEvents();
	const memory = new Memory(
		plan.server.memoryBytesMax ?? memoryOfProcess(processes),
	);
	const store = config.store && openStore(config.store, clock, events);
	const channels = new Channels(plan.channels, { clock, memory, store });
	const prepared = preparePlan(plan, {
		store,
		upstreams,
		publishers: channels.all,
		clock,
		events,
		memory,
		secrets,
		openUpstream,
		functions: config.functions,
		workers: config.workers,
	});
	const limits = createRateLimits(plan, clock.turn);
	const doors = openDoors(config.auth, {
		...{ clock, memory, events, cors: plan.server.cors },
		open: openUpstream,
	});
	const outliving: Outliving = {
		closing: openScope({ clock }),
		running: new Set(),
	};
	const overload =
		plan.overload && createOverload(plan.overload, { clock, events });
	const routes = prepared.routes.map(
		(route): GatewayRoute => ({
			...route,
			rateLimit: limits.ofRoute(route.plan),
			door: doors.ofRoute(route.plan, limits.ofIdentity(route.plan)),
			live: liveRouteOf(route, plan, { clock, memory }),
			job: jobRouteOf(route.plan, plan),
			compresses: compresses(route.plan, plan.upstreams),
		}),
	);
	const liveRoutes = routes.flatMap(({ live }) => live ?? []);
	const jobs =
		config.jobs &&
		openJobs(config.jobs, config.store, {
			...{ clock, memory, routes },
			start: (taken, scope) => runJob(taken, scope, handling),
		});
	const handling: Handling = {
		route: createRouter(routes),
		events,
		server: plan.server,
		clock,
		memory,
		metadata: resourceMetadata(plan.auth),
		isOwner: doors.isOwner,
		rateLimit: limits.gateway,
		shared: store && new SharedLimits(store),
		overload,
		load: overload ?? unloaded,
		channels,
		refusePage: refuseListenersOf(plan.server.cors),
		jobs,
		via: createVia(),
		outliving,
		posting: {
			...{ clock, memory },
			handle: (request, scope) => handle(request, scope, handling),
		},
	};
	const handleIn = (request: GatewayRequest, scope: Scope) =>
		handle(request, scope, handling);
	return {
		plan,
		server: plan.server,
		clock,
		memory,
		events,
		secrets,
		handle: (request, scope) => {
			if ("readBody" in request && scope) return handleIn(request, scope);
			return alone(request, scope, { clock, memory, handleIn });
		},
		fetch: createFetch(handleIn, clock, memory),
		state: () => ({
			upstreams: prepared.upstreams(),
			requests: overload?.state() ?? null,
			threads: prepared.threads(),
			live: liveRoutes.map(({ watches }) => watches.state),
			channels: channels.states(),
			store: store?.state() ?? null,
			jobs: jobs?.state() ?? null,
		}),
		jobs,
		isFull: (coming) => overload?.isFull(coming) ?? false,
		settled: Promise.all([store?.settled, doors.settled]).then(() => {}),
		explain: () =>
			explain(
				plan,
				upstreams.map(({ timeoutMs }) => timeoutMs),
			),
		async close() {
			overload?.close();
			const channelsLeft = channels.close();
			const words = "the gateway was closed";
			const reason = new GatewayError("gateway_draining", words);
			await jobs?.close();
			outliving.closing.cancel(reason);
			for (const { watches } of liveRoutes) watches.close(reason);
			await Promise.all([prepared.close(), doors.close()]);
			await channelsLeft;
			store?.close();
			await Promise.all(outliving.running);
		},
	};
}

function openStore(config: StoreConfig, clock: Clock, events: Events): Store {
	const { url, prefix, timeoutMs, ...unread } = config;
	allRead(unread);
	const { storeChanged: changed, storeCalled: called } = events;
	const address = url.reveal();
	const keys = keyPrefix(address, prefix);
	const open = openRedis(address, keys);
	return new Store(
		{ prefix: keys, timeoutMs },
		{ clock, changed, called, open },
	);
}

/** Without a bound on overload nothing is left out. */
const unloaded: Load = { skipping: false };

function checkedIn(
	input: Config | GatewayConfig,
	env: Environment | undefined,
): Config {
	if (isChecked(input)) return env ? inEnvironment(input, env) : input;
	return configOrThrow(checkValue(input, "config", env ?? process.env));
}

function isChecked(config: Config | GatewayConfig): config is Config {
	return Array.isArray((config as Config | null)?.routes);
}

/** The means to answer a request of an embedder's, which ends when it is answered. */
interface Alone {
	readonly clock: Clock;
	readonly memory: Memory;
	readonly handleIn: (
		request: GatewayRequest,
		scope: Scope,
	) => Promise<GatewayResponse>;
}

async function alone(
	request: GatewayRequest | PlainRequest,
	outer: Scope | undefined,
	{ clock, memory, handleIn }: Alone,
): Promise<GatewayResponse> {
	const whole = completed(request, clock, memory);
	const scope = outer ?? openScope({ clock });
	const response = await handleIn(whole, scope);
	const end = () => {
		if (whole !== request) whole.memory.end();
		if (scope !== outer) scope.close();
	};
	// Whoever opens the session ends its scope.
	if (response.session !== undefined) return response;
	if (response.ongoing === undefined) end();
	else void response.ongoing.then(end);
	return response;
}

function handle(
	request: GatewayRequest,
	scope: Scope,
	handling: Handling,
): Promise<GatewayResponse> {
	return reported(request, scope, handling, (end) =>
		answer(request, scope, handling, end),
	);
}
