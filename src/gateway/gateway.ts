import type { Config, ServerConfig, StoreConfig } from "../config/config.ts";
import type { GatewayConfig } from "../config/define.ts";
import type { Environment } from "../config/environment.ts";
import { checkValue, configOrThrow } from "../config/load.ts";
import { inEnvironment } from "../config/resolve-upstream.ts";
import { allRead } from "../core/all-read.ts";
import { isStream } from "../core/body/byte-stream.ts";
import { asGatewayError, GatewayError } from "../core/errors.ts";
import { createEvents, type Events, type WatchRole } from "../core/events.ts";
import { headerOf } from "../core/http/headers.ts";
import type { GatewayRequest, GatewayResponse } from "../core/http/messages.ts";
import { problemResponse } from "../core/http/problem.ts";
import { networkOf } from "../core/ip.ts";
import { leastCostOfReading } from "../core/json.ts";
import { Memory } from "../core/memory.ts";
import { TraceIds } from "../core/trace-ids.ts";
import { Trail } from "../core/trail.ts";
import type { ChannelState } from "../live/channel.ts";
import { Channels } from "../live/channels.ts";
import { type Wanted, wantedOf } from "../live/listen-face.ts";
import { createPageRefusal, type RefusePage } from "../live/page-origin.ts";
import { RouteWatches, type WatchesState } from "../live/route-watches.ts";
import type { WatchSource } from "../live/watch.ts";
import { answerWatching } from "../live/watch-answer.ts";
import { type WatchFace, watchFaceOf } from "../live/watch-face.ts";
import { watchKeyOf } from "../live/watch-key.ts";
import { taggedAnswer } from "../live/watch-state.ts";
import { compile } from "../plan/compile.ts";
import { explain, type RouteExplanation } from "../plan/explain.ts";
import type { Plan } from "../plan/plan.ts";
import { type WatchedBy, watchedBy } from "../plan/watched.ts";
import { compose, composeProxied } from "../run/compose.ts";
import type { ContentReader } from "../run/content.ts";
import { faceFor, isReconnecting, noMoreEvents } from "../run/faces.ts";
import { composeListening, type ListenPlace } from "../run/listen.ts";
import { costOfAnswer } from "../run/merge.ts";
import type { OpenUpstream } from "../run/open.ts";
import { composeInParts } from "../run/parts.ts";
import {
	type PreparedRoute,
	preparePlan,
	type ThreadsState,
} from "../run/prepare.ts";
import { proxy } from "../run/proxy.ts";
import type { RequestValues } from "../run/request.ts";
import type { Load, RunInput } from "../run/run.ts";
import type { Counted } from "../store/limit.ts";
import { openRedis } from "../store/redis.ts";
import { type Ask, SharedLimits } from "../store/shared-limits.ts";
import { Store, type StoreState } from "../store/store.ts";
import { type Clock, realClock } from "../tasks/clock.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import { createUpstream, type UpstreamState } from "../upstream/upstream.ts";
import { createFetch, type Fetch } from "./fetch.ts";
import { memoryOfProcess } from "./memory-default.ts";
import { createOverload, type Overload } from "./overload.ts";
import { completed, type PlainRequest } from "./plain-request.ts";
import { createRateLimits, type RateLimit, withQuotas } from "./rate-limit.ts";
import { type Outliving, RequestEnd } from "./request-end.ts";
import {
	ReportedSession,
	ReportedStream,
	RequestReport,
} from "./request-report.ts";
import { createRouter, type Match, type Route } from "./router.ts";
import { createPost, type Posting } from "./session-post.ts";
import { uncoded } from "./uncoded.ts";
import { uploadOf } from "./upload.ts";
import { createVia, type Via } from "./via.ts";
import { createWatchRun } from "./watch-run.ts";

/** A plan at work. Two gateways share nothing. */
export interface Gateway {
	readonly plan: Plan;
	readonly server: ServerConfig;
	readonly clock: Clock;
	/** What its requests, answers and caches hold. */
	readonly memory: Memory;
	/** Events of the request path. */
	readonly events: Events;
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
	/** How it is now, for whoever looks. Nothing is counted for it. */
	state(): GatewayState;
	/**
	 * Resolves when it is known whether the store can be used, at once without one. A request that comes before is
	 * answered as if the store were away.
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
	const plan = compile(config);
	const upstreams = config.resolved.reveal();
	const events = createEvents();
	const memory = new Memory(
		plan.server.memoryBytesMax ?? memoryOfProcess(processes),
	);
	const channels = new Channels(plan.channels, { clock, memory });
	const store = config.store && openStore(config.store, clock, events);
	const prepared = preparePlan(plan, {
		store,
		upstreams,
		publishers: channels.all,
		clock,
		events,
		memory,
		openUpstream,
		functions: config.functions,
		workers: config.workers,
	});
	const limits = createRateLimits(plan, clock.turn);
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
			live: liveRouteOf(route, plan, { clock, memory }),
		}),
	);
	const liveRoutes = routes.flatMap(({ live }) => live ?? []);
	const handling: Handling = {
		route: createRouter(routes),
		events,
		server: plan.server,
		clock,
		memory,
		rateLimit: limits.gateway,
		shared: store && new SharedLimits(store),
		overload,
		load: overload ?? unloaded,
		channels,
		refusePage: refuseListenersOf(plan.server.cors),
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
		}),
		settled: store?.settled ?? Promise.resolve(),
		explain: () =>
			explain(
				plan,
				upstreams.map(({ timeoutMs }) => timeoutMs),
			),
		async close() {
			overload?.close();
			channels.close();
			const words = "the gateway was closed";
			const reason = new GatewayError("gateway_draining", words);
			outliving.closing.cancel(reason);
			for (const { watches } of liveRoutes) watches.close(reason);
			await prepared.close();
			store?.close();
			await Promise.all(outliving.running);
		},
	};
}

function openStore(config: StoreConfig, clock: Clock, events: Events): Store {
	const { url, prefix, timeoutMs, ...unread } = config;
	allRead(unread);
	const changed = events.storeChanged;
	const open = openRedis(url.reveal());
	return new Store(
		{ prefix: `${prefix}:`, timeoutMs },
		{ clock, changed, open },
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
	if (response.session === undefined) afterwards(response.ongoing ?? null, end);
	return response;
}

interface GatewayRoute extends PreparedRoute {
	readonly rateLimit: RateLimit | null;
	/** Null if nobody may watch its answer. */
	readonly live: LiveRoute | null;
}

/** What a live route has besides. */
interface LiveRoute {
	readonly watches: RouteWatches;
	readonly watchedBy: WatchedBy;
	readonly refusePage: RefusePage;
}

function liveRouteOf(
	{ plan: route, dependence }: PreparedRoute,
	{ upstreams, server }: Plan,
	held: { readonly clock: Clock; readonly memory: Memory },
): LiveRoute | null {
	const { key, live } = route;
	if (live === null) return null;
	return {
		watches: new RouteWatches(key, live, held),
		watchedBy: watchedBy(route, upstreams),
		refusePage: createPageRefusal(server.cors, dependence?.personal ?? false),
	};
}

/** What such a client says goes to other routes, with its cookies. So its cookies count, whatever its own route reads. */
function refuseListenersOf(cors: ServerConfig["cors"]): RefusePage {
	const [refuse, refusePersonal] = [false, true].map((personal) =>
		createPageRefusal(cors, personal),
	);
	return (request) => {
		const isPersonal = headerOf(request.headers, "cookie") !== null;
		(isPersonal ? refusePersonal : refuse)?.(request);
	};
}

interface Handling {
	readonly route: Route<GatewayRoute>;
	readonly events: Events;
	readonly server: ServerConfig;
	readonly clock: Clock;
	readonly memory: Memory;
	/** Of every request. */
	readonly rateLimit: RateLimit | null;
	/** Null if limits hold for this process alone. */
	readonly shared: SharedLimits | null;
	readonly overload: Overload | null;
	readonly load: Load;
	readonly channels: Channels;
	/** Of whoever listens over a WebSocket. */
	readonly refusePage: RefusePage;
	readonly via: Via;
	readonly outliving: Outliving;
	/** Made once, because each listener over a WebSocket holds it. */
	readonly posting: Posting;
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

/** Answers a request, also if `answer` rejects, and tells of its end. */
async function reported(
	request: GatewayRequest,
	scope: Scope,
	handling: Handling,
	answer: (end: RequestEnd) => Promise<GatewayResponse>,
): Promise<GatewayResponse> {
	const { trailEnded, tracers } = handling.events;
	const tracer = tracers[0] ?? null;
	const ids = tracer && new TraceIds(request.headers, tracer);
	const traced = ids?.sampled ? ids : null;
	const trail =
		trailEnded.length === 0 && traced === null
			? null
			: trailOf(request, handling, traced);
	const end = new RequestEnd(handling.outliving, ids, trail);
	let response: GatewayResponse;
	try {
		response = await answer(end);
	} catch (thrown) {
		const error = asGatewayError(thrown);
		// A client that waits for news leaves when it likes.
		const leaves = end.watch === "wait" && error.code === "client_closed";
		if (!leaves) end.error = error;
		response = problemResponse(error, request.id);
	}
	if (end.outlived) {
		// The client left before an answer in parts began, but the run went on.
		await end.running;
		const reason = asGatewayError(scope.reason);
		end.error ??= reason;
		response = problemResponse(reason, request.id);
	}
	const { quotas, ongoing } = end;
	if (ongoing !== null) {
		const own = response.ongoing;
		const all = own ? Promise.all([own, ongoing]).then(() => {}) : ongoing;
		response = { ...response, ongoing: all };
	}
	if (quotas !== null) response = withQuotas(response, quotas);
	const report = new RequestReport(request, response, end, handling, traced);
	const { body, session } = response;
	if (session !== undefined) {
		const { closing } = handling.outliving;
		return {
			...response,
			session: new ReportedSession(session, scope, closing, report),
		};
	}
	if (isStream(body)) {
		if (request.method !== "HEAD") {
			return { ...response, body: new ReportedStream(body, scope, report) };
		}
	} else if (ongoing === null) request.memory.keepAnswer(costOfAnswer(body));
	else request.memory.hold(costOfAnswer(body));
	report.tell(end.error);
	return response;
}

function trailOf(
	request: GatewayRequest,
	{ clock }: Handling,
	ids: TraceIds | null,
): Trail {
	const { id: requestId, method, arrivedMs } = request;
	return new Trail(clock, { requestId, method, arrivedMs }, ids);
}

async function answer(
	request: GatewayRequest,
	scope: Scope,
	handling: Handling,
	end: RequestEnd,
): Promise<GatewayResponse> {
	const { memory } = handling;
	if (request.memory.short) {
		handling.overload?.refuse("memory");
		throw memory.usedUp;
	}
	handling.overload?.admit(request.ip, request.arrivedMs);
	const { shared } = handling;
	const found = shared
		? await findShared(shared, request, handling, end)
		: find(request, handling, end);
	const { route, params, via } = found;
	const { trail, ids } = end;
	const { parts, live } = route;
	const watching = live && watchFaceOf(request);
	if (watching?.kind === "session") live?.refusePage(request);
	const face = watching === null ? parts && faceFor(request) : null;
	if (face !== null && isReconnecting(face, request)) return noMoreEvents;
	const { listen } = route;
	const wanted = listen && wantedOf(request);
	if (wanted?.face === "session") handling.refusePage(request);
	handling.overload?.expect(request.ip);
	const { content } = route.requests;
	const bytes = content
		? await bodyToRead(request, content, route, handling, scope)
		: null;
	const awaited = route.proxy
		? uploadOf(request, route.proxy.bodyBytesMax)
		: null;
	const upload = awaited instanceof Promise ? await awaited : awaited;
	const { events, load, overload, clock } = handling;
	const deadline = request.arrivedMs + route.plan.deadlineMs;
	// Without a body it is still the turn of the loop in which the request came.
	const hasWaited =
		bytes !== null || awaited instanceof Promise || found.waited;
	const nowMs = hasWaited ? clock.now() : request.arrivedMs;
	const begun = overload?.begin(request.ip, nowMs, deadline, scope) ?? null;
	if (begun !== null) await begun;
	const values =
		bytes === null
			? route.requests.read(request, params, null, clock.turn)
			: await readWithBody(request, params, bytes, route, handling);
	trail?.read();
	const given = { request, values, events, load, scope, via, trail, ids };
	const input = { ...given, beyond: end };
	if (live !== null && watching !== null) {
		return following(end, watchRoles[watching.kind], scope, async () => {
			const { response, state } = await answerWatching({
				...{ request, scope, face: watching, watches: live.watches },
				key: watchKeyOf(live.watchedBy, request, values),
				closing: handling.outliving.closing,
				source: {
					run: createWatchRun(route, live.watchedBy, request, values, {
						...handling,
						report: (own, scope, answer) =>
							reported(own, scope, handling, answer),
					}),
					hear: hearingOf(route, input, handling),
				},
			});
			// A stream says of each answer what it lacks, and is no partial answer itself.
			if (watching.kind === "wait") end.missing = state.missing;
			return response;
		});
	}
	// A request that still comes takes no place but for its steps, because its client decides how long that takes.
	const coming = upload !== null && upload.arrived !== true;
	const counts = !coming || route.stepped !== null;
	const turn = (counts && overload?.enter(request.ip, deadline, scope)) || null;
	if (turn !== null) await turn;
	let leaves = counts;
	trail?.begun();
	let place: ListenPlace;
	try {
		const { stepped } = route;
		if (route.proxy !== null && stepped === null) {
			return await proxy(route, route.proxy, input, upload);
		}
		const result = await (listen !== null
			? composeListening(route, listen, input)
			: stepped === null
				? parts && face
					? composeInParts(route, parts, input, face)
					: compose(route, input)
				: composeProxied(stepped, input, upload, () => {
						if (!coming) return;
						overload?.leave();
						leaves = false;
					}));
		end.missing = result.missing;
		if ("response" in result) {
			if (face && result.over) {
				const firstMs = clock.now() - request.arrivedMs;
				end.begins({ face: face.name, firstMs }, result.over);
			}
			return live !== null && face === null
				? taggedAnswer(result.response, request)
				: result.response;
		}
		place = result.place;
	} finally {
		if (leaves && overload) afterwards(end.ongoing, () => overload.leave());
	}
	// Whoever listens takes no place among the requests in progress.
	const post = () => createPost(request, handling.posting);
	const { channels } = handling;
	const how = wanted as Wanted;
	return following(end, listenRoleOf(how), scope, async () =>
		channels.listen(place, how, request, scope, post),
	);
}

/** Answers a client that watches or listens, and notes how, unless that could not begin. A role of null is that of a client that does not wait. */
async function following(
	end: RequestEnd,
	role: WatchRole | null,
	scope: Scope,
	answer: () => Promise<GatewayResponse>,
): Promise<GatewayResponse> {
	try {
		const response = await answer();
		if (response.status < 400) end.watch = role;
		return response;
	} catch (thrown) {
		if (role === "wait" && scope.cancelled) end.watch = role;
		throw thrown;
	}
}

function listenRoleOf({ face, waitMs }: Wanted): WatchRole | null {
	if (face !== "poll") return watchRoles[face];
	return waitMs === null ? null : "wait";
}

/** How a watch hears of messages; null if it hears none. Throws if the request means no instance of the channel. */
function hearingOf(
	{ heard, plan }: GatewayRoute,
	input: RunInput,
	{ channels }: Handling,
): WatchSource["hear"] {
	const { on = null } = plan.live ?? {};
	const channel = on && channels.all[on.channelIndex];
	if (heard === null || !channel) return null;
	const instance = heard(input);
	return (onMessage) => channel.hear(instance, onMessage);
}

const watchRoles = {
	...{ events: "events", session: "websocket", wait: "wait" },
} as const satisfies Record<WatchFace["kind"], WatchRole>;

/** Calls back at once, or when what goes on has ended. */
function afterwards(ongoing: Promise<void> | null, then: () => void): void {
	if (ongoing === null) then();
	else void ongoing.then(then);
}

/** To read and to judge a body may each take as long as a turn of the loop may be, so both wait for their turn. */
async function readWithBody(
	request: GatewayRequest,
	params: Readonly<Record<string, string>>,
	bytes: Uint8Array,
	{ requests }: PreparedRoute,
	{ server, clock: { turn } }: Handling,
): Promise<RequestValues> {
	const cost = leastCostOfReading(bytes.length);
	const client = networkOf(request.ip);
	if (!turn.hasTimeFor(cost)) await turn.later(client, cost);
	const { valuesMax } = server;
	const content =
		requests.content?.read(request, bytes, valuesMax, turn) ?? null;
	if (!turn.hasTimeFor()) await turn.later(client);
	return requests.read(request, params, content, turn);
}

/** The route of a request that may go on. */
interface Found {
	readonly route: GatewayRoute;
	readonly params: Readonly<Record<string, string>>;
	readonly via: ReturnType<Via>;
	/** Whether another turn of the loop may have begun. */
	readonly waited: boolean;
}

/** Counts a request to the limits of the gateway and of its route, in this process. Throws if it may not go on. */
function find(
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

/**
 * The same with limits that processes share, and all limits in one round trip. What a request is refused for comes in the same order: first the gateway's limit,
 * then that no route matches, last the route's limit.
 */
async function findShared(
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

function noteRoute({ plan }: GatewayRoute, end: RequestEnd): void {
	end.route = plan.key;
	if (end.trail !== null) end.trail.route = plan.key;
}

/** Notes what is left of a limit, for the answer's header. Throws if nothing is left. */
function noteQuota(
	limit: RateLimit,
	counted: Counted | undefined,
	end: RequestEnd,
): void {
	if (counted === undefined) return;
	const quota = limit.quotaOf(counted);
	end.quotas = [...(end.quotas ?? []), quota];
	if (quota.refusal !== null) throw quota.refusal;
}

/** The whole body of a request that the route reads, without its codings. */
function bodyToRead(
	request: GatewayRequest,
	content: ContentReader,
	route: PreparedRoute,
	handling: Handling,
	scope: Scope,
): Promise<Uint8Array> {
	const { headers } = request;
	const { bodyBytesMax } = handling.server;
	// A client that asks before it sends a body is refused at once if the body's type alone decides that.
	const asks = headerOf(headers, "expect") !== null;
	if (asks && Number(headerOf(headers, "content-length")) > 0) {
		content.refuseOtherMedia(headers);
	}
	const coded = request.readBody(bodyBytesMax);
	const isCoded = headerOf(headers, "content-encoding") !== null;
	const bytes = isCoded
		? coded.then((body) => {
				if (body.length === 0) return body;
				content.refuseOtherMedia(headers);
				return uncoded(request, body, bodyBytesMax, scope);
			})
		: coded;
	return inTime(bytes, request, route, handling);
}

/** The deadline counts from the request's arrival and includes its body: a slow client uses up its own time. */
function inTime(
	bytes: Promise<Uint8Array>,
	request: GatewayRequest,
	{ plan }: PreparedRoute,
	{ clock }: Handling,
): Promise<Uint8Array> {
	const leftMs = request.arrivedMs + plan.deadlineMs - clock.now();
	const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
	const timer = clock.after(leftMs, () => {
		const words = "the request's body did not arrive by the deadline";
		reject(new GatewayError("deadline_exceeded", words, { status: 408 }));
	});
	bytes.then(resolve, reject);
	return promise.finally(() => timer.cancel());
}
