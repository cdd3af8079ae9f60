import { asGatewayError, inStep, withCallTime } from "../core/errors.ts";
import type { StepMark } from "../core/events.ts";
import type {
	Trial,
	UpstreamRequest,
	UpstreamResponse,
} from "../core/http/messages.ts";
import type { Asker, CallTrail, StepTrail } from "../core/trail.ts";
import type { Scope } from "../tasks/scope.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { hold } from "./answer.ts";
import { reporting, trailOf } from "./reporting.ts";
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

/**
 * Counts, sends and reports a call, which takes the request for itself. `read` makes a value of the answer, which is part of the call. Promises are chained
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
	const { clock } = run.calls;
	const trail = trailOf(caller, run.input.events, clock);
	request.trail = trail;
	const startedMs = trail === null ? clock.now() : trail.startedMs;
	const failed = (thrown: unknown): never => {
		const error = withCallTime(thrown, clock.now() - startedMs);
		trail?.ended(asGatewayError(error));
		throw error;
	};
	if (trail !== null) trail.atOnce = true;
	const answer = write
		? sendWrite(caller, run, request, scope, read)
		: upstream.call(request, scope);
	if (trail !== null) trail.atOnce = false;
	const value = answer.then((response) => {
		trail?.answered(response.status);
		memory.give(sentBytes);
		hold(run, response);
		const { trial } = response;
		try {
			const made = trial
				? readOnTrial(response, trial, request, run, read)
				: read(response);
			return trail !== null && made instanceof Promise
				? noted(made, trail)
				: made;
		} catch (thrown) {
			return failed(thrown);
		}
	}, failed);
	caller.undoable?.making(value);
	const { callEnded } = run.input.events;
	return trail === null || callEnded.length === 0
		? value
		: reporting(value, trail, caller, run);
}

/** Notes why the answer was of no use. */
function noted<T>(made: Promise<T>, trail: CallTrail): Promise<T> {
	return made.catch((thrown: unknown) => {
		trail.ended(asGatewayError(thrown));
		throw thrown;
	});
}

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
