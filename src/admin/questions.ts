import type { HeaderList } from "../core/http/headers.ts";
import type { Scope } from "../tasks/scope.ts";
import type { FamilySamples } from "../telemetry/metrics/exposition.ts";
import type { Rates } from "../telemetry/traffic/rates.ts";
import type {
	RequestFilter,
	RequestQuery,
} from "../telemetry/traffic/request-filter.ts";
import type { TrafficPage } from "../telemetry/traffic/traffic.ts";
import type {
	RequestDetail,
	RequestSummary,
} from "../telemetry/trail/shown-request.ts";
import type { PageAnswer } from "./handle.ts";
import type { State } from "./state-page.ts";

/** What the admin server of several workers asks one of them. It crosses processes, so it is data. */
export type Question =
	| { readonly kind: "metrics" }
	| { readonly kind: "state" }
	/** A page of its last requests. */
	| { readonly kind: "traffic"; readonly query: RequestQuery }
	/** One of them, by its id. */
	| { readonly kind: "request"; readonly id: string }
	| {
			/** What the worker's own page says. */
			readonly kind: "page";
			/** Where the page stands: `/history/*`. */
			readonly path: string;
			/** The last part of the path that was asked for. */
			readonly name: string;
			readonly method: string;
			readonly target: string;
			readonly headers: HeaderList;
			readonly body: Uint8Array;
	  };

/** What a worker says to each kind of question. */
export interface Said {
	readonly metrics: readonly FamilySamples[];
	readonly state: State;
	readonly traffic: TrafficPage;
	/** Null: it keeps none. */
	readonly request: RequestDetail | null;
	/** Its body is no stream. */
	readonly page: PageAnswer;
}

/** Which requests somebody wants to hear of when they end. */
export interface Listening {
	readonly filter: RequestFilter;
	/** Those of the kept ones that ended after this one, too. Null: none. */
	readonly after: number | null;
}

/** What somebody hears who listens to a worker. */
export type Heard =
	/** First of all: the newest request that is not told. */
	| { readonly kind: "begun"; readonly number: number }
	| {
			readonly kind: "request";
			readonly number: number;
			readonly summary: RequestSummary;
	  }
	/** So many were not told. */
	| { readonly kind: "lost"; readonly count: number }
	/** Each second. */
	| { readonly kind: "rates"; readonly rates: Rates };

/** A worker, as the admin server asks it. */
export interface AskedWorker {
	/** From 1. A worker that is started in the place of another has its number. */
	readonly number: number;
	/** No other worker has or had it, since the primary began. Letters and digits. */
	readonly id: string;
	/** Whether it takes no new connections any more. */
	readonly leaves: boolean;
	/**
	 * Null if it does not answer within `timeoutMs`, or ends before. Rejects with the error of its page. Without `timeoutMs` it
	 * has the time until the scope is cancelled.
	 */
	ask<Kind extends Question["kind"]>(
		question: Extract<Question, { readonly kind: Kind }>,
		until: { readonly timeoutMs: number | null; readonly scope: Scope },
	): Promise<Said[Kind] | null>;
	/** Gives the end of listening. */
	listen(listening: Listening, hear: (heard: Heard) => void): () => void;
}

/** All workers, as the admin server sees them. */
export interface AskedWorkers {
	/** Those that have begun and not ended, by their numbers. */
	all(): readonly AskedWorker[];
	/** How many were started again because they had ended unasked. */
	restarts(): number;
	/** Whether all of them drain. */
	draining(): boolean;
	/** Calls back when one has ended, with what it counted until then if it could say so. */
	onEnd(
		listener: (
			worker: AskedWorker,
			last: readonly FamilySamples[] | null,
		) => void,
	): void;
}
