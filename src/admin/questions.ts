import type { HeaderList } from "../core/http/headers.ts";
import type { Scope } from "../tasks/scope.ts";
import type { FamilySamples } from "../telemetry/metrics/exposition.ts";
import type { PageAnswer } from "./handle.ts";

/** What the admin server of several workers asks one of them. It crosses processes, so it is data. */
export type Question =
	| { readonly kind: "metrics" }
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
	/** Its body is no stream. */
	readonly page: PageAnswer;
}

/** A worker, as the admin server asks it. */
export interface AskedWorker {
	/** From 1. A worker that is started in the place of another has its number. */
	readonly number: number;
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
