import { asGatewayError, GatewayError } from "../core/errors.ts";
import { type StepMark, tell } from "../core/events.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../core/http/messages.ts";
import type { Frame } from "../expression/evaluate.ts";
import type { Clock } from "../tasks/clock.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { decodeBody, headersByName } from "./answer.ts";
import { inStep, isSkip } from "./block.ts";
import { holdingOf } from "./freshness.ts";
import type { PreparedCall, PreparedStep } from "./prepare.ts";
import { deadlineExceeded, type Run } from "./run.ts";
import { evaluateLater, type Spot } from "./step.ts";

/** One call of a step: sends it and makes a value of the answer, or fails; throws where it cannot even be made. */
export function call(
	work: PreparedCall,
	step: PreparedStep,
	spot: Spot,
): Promise<unknown> {
	const { run, path } = spot.block.place;
	const request = createRequest(work, run, spot.frame);
	return sendAndTell(
		{ upstream: work.upstream, write: work.write, step: path + step.name },
		request,
		run,
		spot.scope,
		(response) => {
			const value = valueOf(response, work, step, spot);
			if (run.route.telling) {
				spot.block.hold(step, holdingOf(response.freshness));
			}
			const mark = staleMark(response, path + step.name, spot.index);
			if (mark === null) return value;
			// Not before there is a value: what stands in for it may be made of something else.
			return Promise.resolve(value).then((made) => {
				spot.block.note(step, [mark]);
				return made;
			});
		},
	);
}

/** What is to be said of a step whose value is made of this answer; null where it is fresh. */
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

/** Who calls whom. */
export interface Caller {
	readonly upstream: Upstream;
	readonly write: boolean;
	readonly step: string;
}

/**
 * Counts, sends and tells of a call; what `read` makes of the answer is part of it. Promises are chained and not
 * awaited: on the way of every call each async function costs 0.3 µs more (`bench/wire.ts`).
 */
export function sendAndTell<T>(
	caller: Caller,
	request: UpstreamRequest,
	run: Run,
	scope: Scope,
	read: (response: UpstreamResponse) => T | Promise<T>,
): Promise<T> {
	// Neither counted nor told of: a call that is no longer wanted is not made.
	if (scope.cancelled) return Promise.reject(scope.reason);
	run.countCall();
	const { upstream, write } = caller;
	const told = run.input.events.callEnded.length > 0;
	const end = told ? new CallEnd(caller, run) : null;
	const answer = write
		? sendWrite(upstream, run, request, scope)
		: upstream.call(request, scope);
	const value = answer.then((response) => {
		end?.answered(response.status);
		return read(response);
	});
	return end === null ? value : end.of(value);
}

/** What is told of a call that somebody listens for. */
class CallEnd {
	readonly #caller: Caller;
	readonly #run: Run;
	readonly #clock: Clock;
	readonly #startedMs: number;
	#endedMs: number | null = null;
	#status: number | null = null;

	constructor(caller: Caller, run: Run) {
		this.#caller = caller;
		this.#run = run;
		this.#clock = run.calls.clock;
		this.#startedMs = this.#clock.now();
	}

	/** What is read of the answer may wait for other steps: that is not the call's time. */
	answered(status: number): void {
		this.#status = status;
		this.#endedMs = this.#clock.now();
	}

	/** Tells of the call when it has ended. What a listener throws fails it, and nothing else. */
	of<T>(value: Promise<T>): Promise<T> {
		return value.then(
			(made) => {
				this.#tell(null);
				return made;
			},
			(thrown: unknown) => {
				this.#tell(asGatewayError(thrown));
				throw thrown;
			},
		);
	}

	#tell(error: GatewayError | null): void {
		const { route, input } = this.#run;
		const { step, upstream } = this.#caller;
		tell(input.events.callEnded, {
			requestId: input.request.id,
			route: route.plan.key,
			step,
			upstream: upstream.name,
			startedMs: this.#startedMs - input.request.arrivedMs,
			durationMs: (this.#endedMs ?? this.#clock.now()) - this.#startedMs,
			status: this.#status,
			error,
		});
	}
}

function createRequest(
	work: PreparedCall,
	run: Run,
	frame: Frame,
): UpstreamRequest {
	const own = work.headers(frame);
	const trace = work.ownTrace ? null : run.trace;
	const headers = trace === null ? own : [...own, "traceparent", trace];
	return {
		method: work.method,
		target: work.target(frame),
		headers,
		body: work.body ? work.body.print(frame) : null,
		safe: !work.write,
		idempotent: work.idempotent,
		tried: null,
		requestId: run.input.request.id,
		timeoutMs: work.timeoutMs,
		onSent: null,
	};
}

/**
 * A write that was sent is not taken back: from then on only its own timeout and the deadline abort it. The step itself
 * still ends when its scope does. So the write lives in the upstream's scope and listens to the step's until it is sent.
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
	const stopAborting = scope.onCancel((reason) => own.cancel(reason));
	return new Promise((resolve, reject) => {
		const stopWaiting = scope.onCancel(reject);
		const ended = () => {
			stopAborting();
			stopWaiting();
			own.close();
		};
		upstream.call({ ...request, onSent: stopAborting }, own).then(
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

/** How a call ends: a value, or the failure it is. A promise only where it has to wait for other steps. */
function valueOf(
	response: UpstreamResponse,
	work: PreparedCall,
	step: PreparedStep,
	spot: Spot,
): unknown {
	const { status } = response;
	const { name: upstream } = work.upstream;
	const listed = work.answers.get(status);
	if (listed === undefined && (status < 200 || status > 299)) {
		throw new GatewayError(
			"upstream_status",
			`${upstream} answered ${status}`,
			{
				upstream,
				upstreamStatus: status,
			},
		);
	}
	const lenient = listed !== undefined;
	const answer = decodeBody(response, work.decode, upstream, lenient);
	const { frame } = spot;
	frame.values[work.answerSlot] = answer;
	if (work.readsResponse) {
		const headers = headersByName(response);
		frame.values[work.answerSlot + 1] = { status, headers };
	}
	if (listed) return evaluateLater(listed, step, spot);
	const { expect, pick } = work;
	const picked = () => (pick ? evaluateLater(pick, step, spot) : answer);
	if (expect === null) return picked();
	const pickExpected = (held: unknown) => {
		if (isSkip(held)) throw unexpected(upstream);
		return picked();
	};
	const held = evaluateLater(expect, step, spot);
	return held instanceof Promise ? held.then(pickExpected) : pickExpected(held);
}

function unexpected(upstream: string): GatewayError {
	const message = "the answer is not as expected";
	return new GatewayError("upstream_invalid", message, { upstream });
}
