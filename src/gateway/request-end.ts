import type { GatewayError } from "../core/errors.ts";
import type {
	SentParts,
	StepFailure,
	StepWrite,
	WatchRole,
} from "../core/events.ts";
import type { TraceIds } from "../core/trace-ids.ts";
import type { Trail } from "../core/trail.ts";
import type { Beyond, RunEnd } from "../run/run.ts";
import type { Scope } from "../tasks/scope.ts";
import type { Quota } from "./rate-limit.ts";

/** What goes on in a gateway without a client. */
export interface Outliving {
	/** Cancelled when the gateway closes. */
	readonly closing: Scope;
	/** Each resolves when it has ended. */
	readonly running: Set<Promise<void>>;
}

/** One for all, because each listener holds its request's end. */
const none: readonly never[] = [];

/** How a request ended, for its event and its answer. */
export class RequestEnd implements Beyond {
	route: string | null = null;
	missing: readonly StepFailure[] = none;
	error: GatewayError | null = null;
	quotas: Quota[] | null = null;
	writes: readonly StepWrite[] = none;
	/** Null if it has to do with no watch. */
	watch: WatchRole | null = null;
	/** Whether it is the run of a job. */
	isJob = false;
	/** Null unless its answer has begun in parts. */
	parts: SentParts | null = null;
	/** Resolves when the last write of its run has ended; null if none goes on after the run. */
	#writing: Promise<void> | null = null;
	/** Resolves when its run has ended; null if that was before its answer began. */
	running: Promise<void> | null = null;
	/** Called when it has ended and was reported, if its client had left before. */
	#reported: (() => void) | null = null;
	readonly #outliving: Outliving;
	/** Null if nobody wants it. */
	readonly trail: Trail | null;
	/** Null if nobody makes spans of requests. */
	readonly ids: TraceIds | null;

	constructor(outliving: Outliving, ids: TraceIds | null, trail: Trail | null) {
		this.#outliving = outliving;
		this.ids = ids;
		this.trail = trail;
	}

	get closing(): Scope {
		return this.#outliving.closing;
	}

	/** Whether its run went on after the client had left. */
	get outlived(): boolean {
		return this.#reported !== null;
	}

	/** Resolves when nothing of it goes on any more; null if nothing goes on after its answer has begun. */
	get ongoing(): Promise<void> | null {
		return (
			this.running?.then(() => this.#writing ?? undefined) ?? this.#writing
		);
	}

	/** Its answer has begun in parts, before its run has ended. */
	begins(parts: SentParts, over: Promise<RunEnd>): void {
		this.parts = parts;
		this.running = over.then(({ missing, error }) => {
			this.missing = missing;
			this.error = error;
		});
	}

	outlives(): void {
		const { promise, resolve } = Promise.withResolvers<void>();
		this.#reported = resolve;
		this.#track(promise);
	}

	ended(writes: readonly StepWrite[], until: Promise<void> | null): void {
		// As they are now: some of them go on.
		this.writes = writes.map(({ step, index, outcome }) => ({
			...{ step, index, outcome },
		}));
		this.#writing = until;
		if (until !== null) this.#track(until);
	}

	failed(error: GatewayError): void {
		this.error ??= error;
	}

	reported(): void {
		this.#reported?.();
	}

	#track(promise: Promise<void>): void {
		const { running } = this.#outliving;
		running.add(promise);
		void promise.then(() => running.delete(promise));
	}
}
