import {
	asGatewayError,
	type GatewayError,
	inStep,
	withCallTime,
} from "../core/errors.ts";
import { raise, type StepMark } from "../core/events.ts";
import type {
	Trial,
	UpstreamRequest,
	UpstreamResponse,
} from "../core/http/messages.ts";
import type { Clock } from "../tasks/clock.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { hold } from "./answer.ts";
import { deadlineExceeded, type Run } from "./run.ts";

/** The step that calls, and the upstream that it calls. */
export interface Caller {
	readonly upstream: Upstream;
	readonly write: boolean;
	readonly step: string;
	/** Positions in the lists around the step. */
	readonly index: readonly number[];
}

/** A call under way, with its scope, its header fields and its promises: measured, and rounded up. */
const callBytes = 4 * 1024;

/**
 * Counts, sends and reports a call. `read` makes a value of the answer, which is part of the call. Promises are chained
 * and not awaited: on the path of every call each async function costs 0.3 µs more (`bench/wire.ts`).
 */
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
	const { upstream, write } = caller;
	const { memory } = run.input.request;
	const characters = request.target.length + (request.body?.length ?? 0);
	const sentBytes = callBytes + 2 * characters;
	memory.take(sentBytes);
	const listened = run.input.events.callEnded.length > 0;
	const { clock } = run.calls;
	const startedMs = clock.now();
	const end = listened ? new CallEnd(caller, run, startedMs) : null;
	const failed = (thrown: unknown): never => {
		throw withCallTime(thrown, clock.now() - startedMs);
	};
	const answer = write
		? sendWrite(upstream, run, request, scope)
		: upstream.call(request, scope);
	const value = answer.then((response) => {
		end?.answered(response.status);
		memory.give(sentBytes);
		hold(run, response);
		const { trial } = response;
		try {
			return trial ? readOnTrial(response, trial, run, read) : read(response);
		} catch (thrown) {
			return failed(thrown);
		}
	}, failed);
	return end === null ? value : end.of(value);
}

/** Reads an answer of a cache. If it is of no use, the cache keeps it no longer, and may give a stale one instead. */
function readOnTrial<T>(
	response: UpstreamResponse,
	trial: Trial,
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
		const instead = trial.refuse(error, run.input.request.id);
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

/** The record of a call for listeners. */
class CallEnd {
	readonly #caller: Caller;
	readonly #run: Run;
	readonly #clock: Clock;
	readonly #startedMs: number;
	#endedMs: number | null = null;
	#status: number | null = null;

	constructor(caller: Caller, run: Run, startedMs: number) {
		this.#caller = caller;
		this.#run = run;
		this.#clock = run.calls.clock;
		this.#startedMs = startedMs;
	}

	/** `read` may wait for other steps, which is not part of the call's time. */
	answered(status: number): void {
		this.#status = status;
		this.#endedMs = this.#clock.now();
	}

	/** Reports the call when it has ended. An error of a listener fails this call and nothing else. */
	of<T>(value: Promise<T>): Promise<T> {
		return value.then(
			(made) => {
				this.#raise(null);
				return made;
			},
			(thrown: unknown) => {
				this.#raise(asGatewayError(thrown));
				throw thrown;
			},
		);
	}

	#raise(error: GatewayError | null): void {
		const { route, input } = this.#run;
		const { step, index, upstream } = this.#caller;
		raise(input.events.callEnded, {
			requestId: input.request.id,
			route: route.plan.key,
			step,
			index,
			upstream: upstream.name,
			startedMs: this.#startedMs - input.request.arrivedMs,
			durationMs: (this.#endedMs ?? this.#clock.now()) - this.#startedMs,
			status: this.#status,
			error,
		});
	}
}

/**
 * A write that was sent is not taken back: from then on only its own timeout and the deadline abort it. The step itself
 * still ends with its scope. So the write lives in the upstream's scope, and listens to the step's scope while no
 * attempt of it is under way.
 */
function sendWrite(
	upstream: Upstream,
	run: Run,
	request: UpstreamRequest,
	scope: Scope,
): Promise<UpstreamResponse> {
	const own = openScope({
		parent: upstream.scope,
		deadline: run.deadline,
		deadlineReason: deadlineExceeded,
	});
	const abort = (reason: unknown) => own.cancel(reason);
	let stopAborting = scope.onCancel(abort);
	return new Promise((resolve, reject) => {
		let stopWaiting: (() => void) | null = null;
		// Before, the call itself ends with the step, and its error says what it waited for.
		const onSent = () => {
			stopAborting();
			stopWaiting ??= scope.onCancel(reject);
		};
		const onAgain = (beside: boolean) => {
			if (!beside) {
				stopAborting();
				stopAborting = scope.onCancel(abort);
			}
			return !scope.cancelled;
		};
		const ended = () => {
			stopAborting();
			stopWaiting?.();
			own.close();
		};
		upstream.call({ ...request, onSent, onAgain }, own).then(
			(response) => {
				ended();
				resolve(response);
			},
			(error: unknown) => {
				ended();
				reject(error as Error);
			},
		);
	});
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
