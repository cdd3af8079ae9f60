import type { LoadLevel } from "../core/events.ts";
import { packageVersion } from "../core/version.ts";
import type { Gateway, GatewayState } from "../gateway/gateway.ts";
import { hashOf } from "../plan/print.ts";
import type { RunningServer } from "../server/serve.ts";
import type { StoreState } from "../store/store.ts";
import type {
	Decisions,
	Metrics,
	Totals,
} from "../telemetry/metrics/metrics.ts";
import type { Rate } from "../telemetry/traffic/rate.ts";
import type { RecentRoute } from "../telemetry/traffic/rates.ts";
import type { Traffic } from "../telemetry/traffic/traffic.ts";
import type { UpstreamState } from "../upstream/upstream.ts";
import { jsonAnswer, type Page } from "./handle.ts";

/** How the gateway is, as JSON. docs/operating.md says what each of it means. */
export interface State {
	readonly at: string;
	readonly version: string;
	readonly node: string;
	readonly hash: string;
	readonly startedAt: string;
	/** The address of the gateway itself; null without a server. */
	readonly url: string | null;
	readonly draining: boolean;
	readonly load: LoadLevel;
	readonly requests: GatewayState["requests"];
	readonly threads: GatewayState["threads"];
	readonly live: GatewayState["live"];
	readonly store: ShownStore | null;
	readonly jobs: GatewayState["jobs"];
	readonly memory: {
		readonly heldBytes: number;
		readonly keptBytes: number;
		readonly limitBytes: number;
		readonly residentBytes: number;
	};
	readonly loop: { readonly lateMs: number; readonly busy: number };
	readonly connections: number | null;
	readonly upstreams: readonly ShownUpstream[];
	readonly channels: GatewayState["channels"];
	readonly routes: readonly ShownRoute[];
	/** Each of several processes whose sum this is. Empty if there is only one. */
	readonly workers: readonly ShownWorker[];
}

/** How one of several processes is. */
export interface ShownWorker {
	readonly worker: number;
	/** Null if it does not answer. Then it is no part of the sum. */
	readonly state: Pick<
		State,
		| "startedAt"
		| "hash"
		| "draining"
		| "load"
		| "requests"
		| "memory"
		| "loop"
		| "connections"
	> | null;
}

/** How the store is. Null for `reason` unless it is away. */
export interface ShownStore
	extends Pick<StoreState, "state" | "forMs" | "calls" | "local"> {
	readonly reason: StoreState["fault"];
}

/** How one upstream is. */
export interface ShownUpstream
	extends Omit<UpstreamState, "name" | "connections" | "idle"> {
	readonly upstream: string;
	readonly connections: { readonly used: number; readonly idle: number };
	/** By policy and decision, those that were made. */
	readonly decisions: Readonly<
		Record<string, Readonly<Record<string, number>>>
	>;
	readonly recent: Rate;
}

/** What one route has done, and how it and its steps were lately. */
export type ShownRoute = Totals["routes"][number] & RecentRoute;

/** The parts that know how a gateway is. */
export interface StateSources {
	readonly gateway: Gateway;
	readonly server: Pick<
		RunningServer,
		"connections" | "draining" | "url"
	> | null;
	readonly metrics: Metrics;
	readonly traffic: Traffic;
}

/** How the gateway is now. Nothing is looked at until somebody asks. */
export function statePage(state: () => State): Page {
	return { answer: () => jsonAnswer(state()) };
}

/** Asks the parts that know. */
export function stateOf(sources: StateSources): () => State {
	const { gateway, server } = sources;
	const { memory, clock } = gateway;
	const busy = busyShare();
	const unchanging = {
		version: packageVersion(),
		node: process.version,
		hash: hashOf(gateway.plan),
		startedAt: new Date(performance.timeOrigin).toISOString(),
		url: server?.url ?? null,
	};
	return () => {
		const { requests, threads, live, upstreams, channels, store, jobs } =
			gateway.state();
		const { load, routes, decisions } = sources.metrics.totals();
		return {
			at: new Date().toISOString(),
			...unchanging,
			draining: server?.draining() ?? false,
			...{ load, requests, threads, live },
			store: store && shownStore(store),
			jobs,
			memory: {
				heldBytes: memory.held,
				keptBytes: memory.kept,
				limitBytes: memory.bytesMax,
				residentBytes: process.memoryUsage.rss(),
			},
			loop: {
				lateMs: Math.round(100 * clock.turnLateMs) / 100,
				busy: busy(),
			},
			connections: server?.connections() ?? null,
			upstreams: upstreams.map((state) => ({
				...shownUpstream(state),
				decisions: made(decisions.get(state.name)),
				recent: sources.traffic.recentOfUpstream(state.name),
			})),
			channels,
			routes: routes.map((route) => ({
				...route,
				...sources.traffic.recentOfRoute(route.route),
			})),
			workers: [],
		};
	};
}

function shownStore(store: StoreState): ShownStore {
	const { state, fault: reason, forMs, calls, local } = store;
	return { state, reason, forMs: Math.round(forMs), calls, local };
}

function shownUpstream({
	name: upstream,
	connections,
	idle,
	cache,
	budget,
	...state
}: UpstreamState): Omit<ShownUpstream, "decisions" | "recent"> {
	return {
		upstream,
		...state,
		connections: { used: connections - idle, idle },
		cache: cache && { bytes: cache.bytes, entries: cache.entries },
		budget: budget && {
			left: Math.floor(10 * budget.left) / 10,
			most: budget.most,
		},
	};
}

/** Those that were made. A policy without any is left out. */
function made(decisions: Decisions | undefined): ShownUpstream["decisions"] {
	const all = Object.entries(decisions ?? {}).map(([policy, counts]) => {
		const some = Object.entries(counts).filter(([, count]) => count > 0);
		return [policy, Object.fromEntries(some)] as const;
	});
	return Object.fromEntries(
		all.filter(([, counts]) => Object.keys(counts).length > 0),
	);
}

/** In less time the share says little. */
const busyForMs = 1_000;

/** The busy share of the event loop since somebody asked last, but for a second at least. */
function busyShare(): () => number {
	let before = performance.eventLoopUtilization();
	let share = before.utilization;
	return () => {
		const { active, idle, utilization } =
			performance.eventLoopUtilization(before);
		if (active + idle >= busyForMs) {
			before = performance.eventLoopUtilization();
			share = utilization;
		}
		return Math.round(1000 * share) / 1000;
	};
}
