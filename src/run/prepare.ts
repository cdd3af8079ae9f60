import type { PoolConfig, ServerConfig } from "../config/config.ts";
import { allRead } from "../core/all-read.ts";
import type { Publisher } from "../core/channels.ts";
import { GatewayError } from "../core/errors.ts";
import { forWhom } from "../plan/for-whom.ts";
import type { Plan, RoutePlan } from "../plan/plan.ts";
import { Slots } from "../policy/slots.ts";
import type { Clock } from "../tasks/clock.ts";
import { createPool } from "../tasks/pool.ts";
import type { UpstreamState } from "../upstream/upstream.ts";
import type { ComposedRoute, SteppedProxy } from "./compose.ts";
import {
	answersDependence,
	fieldsOfFaces,
	prepareFreshness,
} from "./freshness.ts";
import { type CallHook, prepareHook } from "./job-hook.ts";
import { type CompileBody, createBodyCompiler } from "./json-body.ts";
import { firstSlots, routeLayout } from "./layout.ts";
import {
	type PreparedHeard,
	type PreparedListen,
	prepareHeard,
	prepareListen,
} from "./listen.ts";
import { answerBound, prepareMerge } from "./merge.ts";
import { prepareMessage } from "./message.ts";
import { type OpenOptions, openUpstreams } from "./open.ts";
import { type PreparedParts, prepareParts } from "./parts.ts";
import { mayRead, prepareBlock } from "./prepare-block.ts";
import { type PreparedProxy, prepareProxy } from "./prepare-proxy.ts";
import { prepareRefusal } from "./proxy-target.ts";
import { prepareRecord } from "./record.ts";
import { prepareRequest, type RequestReader } from "./request.ts";
import type { Resources, Threads } from "./work.ts";

/** A prepared plan: closures instead of templates, connections instead of names. Made once per gateway. */
export interface Prepared {
	readonly server: ServerConfig;
	readonly routes: readonly PreparedRoute[];
	/** How its upstreams are now, in the plan's order. */
	readonly upstreams: () => readonly UpstreamState[];
	/** How its threads are now; null if there are none. */
	readonly threads: () => ThreadsState | null;
	/** Ends all connections and threads. Calls that still run are aborted. */
	close(): Promise<void>;
}

export interface PreparedRoute extends ComposedRoute {
	readonly requests: RequestReader;
	/** Null if its answer is always sent whole. */
	readonly parts: PreparedParts | null;
	/** Null if the route is composed. */
	readonly proxy: PreparedProxy | null;
	/** Null if its clients get an answer and no more. */
	readonly listen: PreparedListen | null;
	/** Tells of the end of its jobs; null if nobody wants to know. */
	readonly hook: CallHook | null;
	/** Which instance of the channel its watches hear; null if they hear none. */
	readonly heard: PreparedHeard | null;
	/** The same route, if it passes requests on after its steps; else null. */
	readonly stepped: SteppedProxy | null;
}

export type PrepareOptions = OpenOptions &
	Pick<Resources, "functions" | "workers"> & {
		/** In the order of the plan's channels. */
		readonly publishers: readonly Publisher[];
	};

/** How many threads exist, and how many functions have one and wait for one. */
export interface ThreadsState {
	readonly threads: number;
	readonly running: number;
	readonly waiting: number;
}

/** Prepares a plan. No connection is opened yet. */
export function preparePlan(plan: Plan, options: PrepareOptions): Prepared {
	const upstreams = openUpstreams(options);
	const threads = plan.pool && openThreads(plan.pool, options.clock);
	const { functions, workers, publishers, secrets } = options;
	const { answerBytesMax } = plan.server;
	const compileBody = createBodyCompiler();
	const resources = {
		...{ upstreams, functions, workers, threads, answerBytesMax, secrets },
		personal: false,
		channels: plan.channels.map((channel, index) => ({
			publisher: publishers[index] as Publisher,
			print: prepareMessage(channel, compileBody),
		})),
	};
	return {
		server: plan.server,
		routes: plan.routes.map((route) =>
			prepareRoute(route, plan, compileBody, resources),
		),
		upstreams: () => upstreams.map(({ upstream }) => upstream.state()),
		threads: () =>
			threads && {
				threads: threads.pool.threads,
				running: threads.slots.taken,
				waiting: threads.slots.waiting,
			},
		async close() {
			const closing = upstreams.map(({ upstream }) => upstream.close());
			await Promise.all([...closing, threads?.pool.close()]);
		},
	};
}

function openThreads(config: PoolConfig, clock: Clock): Threads {
	const { threads, waitingMax, heapBytesMax, ...unread } = config;
	allRead(unread);
	// The pool knows no clients, so nobody waits in its own queue.
	const pool = createPool({
		heapBytesMax,
		...(threads !== null && { threads }),
	});
	const slots = new Slots(pool.size, clock, {
		what: "threads for functions",
		full(running, waiting) {
			const message = `the pool is full: ${running} running, ${waiting} waiting`;
			return new GatewayError("overloaded", message);
		},
	});
	return { pool, slots, waitingMax };
}

/** The methods of routes that may answer GET. */
const reading: ReadonlySet<string> = new Set(["GET", "ANY"]);

function prepareRoute(
	route: RoutePlan,
	plan: Plan,
	compileBody: CompileBody,
	resources: Resources,
): PreparedRoute {
	const { steps, respond, mayBeEmpty, status, headers, ...all } = route;
	const { proxy, listen, request, record, ...others } = all;
	const { respondReads: reads, key: _, method: _1, path: _2, ...rest } = others;
	// The run, the gateway and the explanation read these of the plan.
	const { deadlineMs: _3, callsMax: _4, rateLimits: _5, ...told } = rest;
	const { summary: _6, rest: _7, readBytesMax: _8, ...judged } = told;
	// The parts of its answer are made of the whole plan, and the gateway lets clients watch, makes jobs and compresses.
	const { stream: _9, live, job, compress: _15, ...doored } = judged;
	// The gateway finds out who asks.
	const { auth: _10, require: _11, authIndexes: _12, ...last } = doored;
	const { credentialFields: _13, credentialParameters: _14, ...unread } = last;
	allRead(unread);
	const whom = forWhom(route, plan.upstreams);
	const layout = routeLayout(steps.map(({ name }) => name));
	const answer = { status, headers, body: respond, mayBeEmpty };
	const made = listen ? [listen] : [respond, status, headers];
	const result = proxy ? [proxy, record] : [...made, record];
	const block = prepareBlock(
		{ steps, result, reads, firstSlot: firstSlots.route, inList: false },
		layout,
		{ ...resources, personal: whom.one },
	);
	const passes =
		proxy &&
		prepareProxy(route, proxy, block.frameSize, layout, resources.upstreams, {
			whom,
			fixed: plan.server.headers,
			secrets: resources.secrets,
		});
	const keepsHead = (passes?.own?.responseSlot ?? null) !== null;
	const bound = answerBound(resources.answerBytesMax);
	const parts = prepareParts(route, bound, layout);
	const faces = fieldsOfFaces(route, parts !== null);
	const common = {
		plan: route,
		readsRequest: mayRead("request", [steps, result]),
		frameSize: block.frameSize + (keepsHead ? 1 : 0),
		block,
		freshness: prepareFreshness(route, plan.upstreams, faces),
		record: prepareRecord(record, layout),
		dependence: reading.has(route.method)
			? answersDependence(route, plan.upstreams, faces)
			: null,
	};
	return {
		...common,
		requests: prepareRequest(request, compileBody),
		merge: prepareMerge(answer, bound, layout),
		parts,
		proxy: passes,
		listen: listen && prepareListen(listen, layout),
		hook: job?.webhook ? prepareHook(job.webhook, resources.upstreams) : null,
		heard: live?.on ? prepareHeard(live.on, common, layout) : null,
		stepped:
			passes && steps.length > 0
				? {
						...common,
						proxy: passes,
						refuse: prepareRefusal(route.path.length, proxy),
					}
				: null,
	};
}
