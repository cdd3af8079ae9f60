import type { Rate } from "../../src/telemetry/traffic/rate.ts";

export interface State {
	readonly url: string | null;
	readonly version: string;
	readonly node: string;
	readonly hash: string;
	readonly load: "normal" | "skipping" | "refusing";
	readonly requests: {
		readonly running: number;
		readonly waiting: number;
	} | null;
	readonly threads: {
		readonly threads: number;
		readonly running: number;
		readonly waiting: number;
	} | null;
	readonly live: readonly LiveState[];
	readonly store: StoreState | null;
	readonly jobs: {
		readonly counts: Readonly<Record<string, number>> | null;
		readonly running: number;
	} | null;
	readonly memory: {
		readonly heldBytes: number;
		readonly keptBytes: number;
		readonly limitBytes: number;
		readonly residentBytes: number;
	};
	readonly loop: { readonly lateMs: number; readonly busy: number };
	readonly connections: number | null;
	readonly upstreams: readonly UpstreamState[];
	readonly routes: readonly RouteState[];
	readonly workers: readonly WorkerState[];
}

/** What processes share; `reason` is null unless it is away, and `local` counts by use what was decided without it. */
export interface StoreState {
	readonly state: "connecting" | "up" | "away";
	readonly reason: string | null;
	readonly forMs: number;
	readonly calls: {
		readonly answered: number;
		readonly slow: number;
		readonly failed: number;
	};
	readonly local: Readonly<Record<string, number>>;
}

/** A live route: who watches it, and what the runs for them came to. */
export interface LiveState {
	readonly route: string;
	readonly watches: number;
	readonly watchers: number;
	readonly runs: {
		readonly changed: number;
		readonly unchanged: number;
		readonly failed: number;
	};
}

/** One of several workers; `state` is null if it does not answer. */
export interface WorkerState {
	readonly worker: number;
	readonly state:
		| (Pick<State, "memory" | "loop" | "connections"> & {
				readonly draining: boolean;
		  })
		| null;
}

export interface UpstreamState {
	readonly upstream: string;
	readonly breaker: "closed" | "half_open" | "open" | null;
	readonly running: number;
	readonly waiting: number;
	readonly limit: number;
	readonly streams: number;
	readonly connections: { readonly used: number; readonly idle: number };
	readonly cache: { readonly bytes: number; readonly entries: number } | null;
	readonly budget: { readonly left: number; readonly most: number } | null;
	readonly decisions: Readonly<
		Record<string, Readonly<Record<string, number>>>
	>;
	readonly recent: Rate;
}

export interface RouteState {
	readonly route: string | null;
	readonly whole: number;
	readonly partial: number;
	readonly failed: number;
	readonly recent: Rate;
	readonly steps: readonly (Rate & { readonly step: string })[];
}
