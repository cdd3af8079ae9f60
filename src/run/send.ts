import {
	asGatewayError,
	type GatewayError,
	inStep,
	withCallTime,
} from "../core/errors.ts";
import type { StepMark } from "../core/events.ts";
import type {
	Trial,
	UpstreamRequest,
	UpstreamResponse,
} from "../core/http/messages.ts";
import type { Asker, CallTrail, StepTrail } from "../core/trail.ts";
import type { CallEnd } from "../policy/policy.ts";
import type { Scope } from "../tasks/scope.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { hold } from "./answer.ts";
import { report, trailOf } from "./reporting.ts";
import type { Run } from "./run.ts";
import { sendWrite } from "./send-write.ts";
// Types only: the undo of a write is a call.
import type { UndoableWrite } from "./undo.ts";

/** The step that calls, and the upstream that it calls. */
export interface Caller {
	readonly upstream: Upstream;
	readonly method: string;
	/** As in a trail. */
	readonly template: string | null;
	readonly trail: StepTrail | null;
	readonly write: boolean;
	readonly step: string;
	/** Positions in the lists around the step. */
	readonly index: readonly number[];
	/** Absent if it cannot be undone. */
	readonly undoable?: UndoableWrite;
}

/** A call under way, with its scope, its header fields and its promises: measured, and rounded up. */
const callBytes = 4 * 1024;

/** Counts, sends and reports a call, which takes the request for itself. `read` makes a value of the answer, which is part of the call. */
export function send<T>(
	caller: Caller,
	request: UpstreamRequest,
	run: Run,
	scope: Scope,
	read: (response: UpstreamResponse) => T | Promise<T>,
): Promise<T> {
	// A call that is no longer needed is not made, so it is neither counted nor reported.
	if (scope.cancelled) return Promise.reject(scope.reason);
	run.countCall();
	const characters = request.target.length + (request.body?.length ?? 0);
	const sentBytes = callBytes + 2 * characters;
	run.input.request.memory.take(sentBytes);
	const sent = new SentCall(caller, request, run, sentBytes, read);
	caller.undoable?.making(sent.value);
	sent.begin(scope);
	return sent.value;
}

/**
 * A call under way, and the one promise of it. The answer is read as soon as it is there: on the path of every call each
 * further promise costs 0.3 µs (`bench/wire.ts`).
 */
class SentCall<T> implements CallEnd {
	readonly value: Promise<T>;
	readonly #caller: Caller;
	readonly #request: UpstreamRequest;
	readonly #run: Run;
	readonly #sentBytes: number;
	readonly #read: (response: UpstreamResponse) => T | Promise<T>;
	readonly #trail: CallTrail | null;
	readonly #startedMs: number;
	#resolve: (value: T) => void = nothing;
	#reject: (reason: unknown) => void = nothing;
	#over = false;

	constructor(
		caller: Caller,
		request: UpstreamRequest,
		run: Run,
		sentBytes: number,
		read: (response: UpstreamResponse) => T | Promise<T>,
	) {
		const { clock } = run.calls;
		this.#caller = caller;
		this.#request = request;
		this.#run = run;
		this.#sentBytes = sentBytes;
		this.#read = read;
		this.#trail = trailOf(caller, run.input.events, clock);
		this.#startedMs = this.#trail?.startedMs ?? clock.now();
		this.value = new Promise((resolve, reject) => {
			this.#resolve = resolve;
			this.#reject = reject;
		});
	}

	begin(scope: Scope): void {
		const trail = this.#trail;
		const request = this.#request;
		request.trail = trail;
		if (trail !== null) trail.atOnce = true;
		try {
			const { upstream, write } = this.#caller;
			if (write) {
				sendWrite(this.#caller, this.#run, request, scope, this.#read, this);
			} else upstream.call(request, scope, this);
		} catch (thrown) {
			this.failed(thrown);
		}
		if (trail !== null) trail.atOnce = false;
	}

	answered(response: UpstreamResponse): void {
		if (this.#over) return;
		this.#over = true;
		const run = this.#run;
		const trail = this.#trail;
		try {
			trail?.answered(response.status);
			run.input.request.memory.give(this.#sentBytes);
			hold(run, response);
			const { trial } = response;
			const made = trial
				? readOnTrial(response, trial, this.#request, run, this.#read)
				: this.#read(response);
			if (made instanceof Promise) this.#settleLater(made);
			else this.#made(made);
		} catch (thrown) {
			this.#failed(thrown);
		}
	}

	failed(error: unknown): void {
		if (this.#over) return;
		this.#over = true;
		this.#failed(error);
	}

	#failed(thrown: unknown): void {
		const tookMs = this.#run.calls.clock.now() - this.#startedMs;
		const error = withCallTime(thrown, tookMs);
		this.#trail?.ended(asGatewayError(error));
		this.#useless(error);
	}

	/** The time that the value waits for other steps is not the call's. */
	#settleLater(made: Promise<T>): void {
		made.then(
			(value) => this.#made(value),
			(thrown: unknown) => {
				this.#trail?.ended(asGatewayError(thrown));
				this.#useless(thrown);
			},
		);
	}

	/** A listener that throws fails the call. */
	#made(value: T): void {
		try {
			this.#report(null);
			this.#resolve(value);
		} catch (bug) {
			this.#reject(bug);
		}
	}

	#useless(error: unknown): void {
		try {
			this.#report(asGatewayError(error));
			this.#reject(error);
		} catch (bug) {
			this.#reject(bug);
		}
	}

	#report(error: GatewayError | null): void {
		if (this.#trail === null) return;
		report(this.#trail, this.#caller, this.#run, error);
	}
}

function nothing(): void {}

/** Reads an answer of a cache. If it is of no use, the cache keeps it no longer, and may give a stale one instead. */
function readOnTrial<T>(
	response: UpstreamResponse,
	trial: Trial,
	asker: Asker,
	run: Run,
	read: (response: UpstreamResponse) => T | Promise<T>,
): T | Promise<T> {
	const accept = (value: T) => {
		trial.accept();
		return value;
	};
	const refuse = (thrown: unknown) => {
		const error = asGatewayError(thrown);
		if (error.code === "upstream_status") trial.accept();
		if (error.code !== "upstream_invalid") throw thrown;
		const instead = trial.refuse(error, asker);
		if (instead === null) throw thrown;
		hold(run, instead);
		return read(instead);
	};
	try {
		const value = read(response);
		return value instanceof Promise
			? value.then(accept, refuse)
			: accept(value);
	} catch (thrown) {
		return refuse(thrown);
	}
}

/** The mark of a step whose value is made of this answer; null if the answer is fresh. */
export function staleMark(
	{ freshness }: UpstreamResponse,
	step: string,
	index: readonly number[],
): StepMark | null {
	const stale = freshness?.stale;
	if (!stale) return null;
	const { error } = stale;
	return error === null
		? { step, index, error, stale: true }
		: { step, index, error: inStep(error, step), stale: true };
}
