import type { UserContext } from "../../config/config.ts";
import type { RunConfig } from "../../config/steps/function.ts";
import { dataOf } from "../../core/body/data.ts";
import { asGatewayError, GatewayError } from "../../core/errors.ts";
import type { StepMark } from "../../core/events.ts";
import type { UpstreamResponse } from "../../core/http/messages.ts";
import type { StepLinks } from "../../plan/plan.ts";
import { PoolClosed, PoolFull, ThreadEnded } from "../../tasks/pool-errors.ts";
import { openScope, type Scope } from "../../tasks/scope.ts";
import { partsOf } from "../../tasks/thread-message.ts";
import { aborted } from "../aborted.ts";
import { prepare } from "../layout.ts";
import { staleMark } from "../send.ts";
import type { Work } from "../spot.ts";
import { createUserCall } from "../user-call.ts";
import {
	onlyWhatEveryStepHas,
	type Resources,
	type Threads,
	type WorkContext,
} from "../work.ts";

/**
 * Calls a user's function. Gives the data that it returns, or fails with `step_failed` if it throws or returns no data.
 * Its arguments are copies, so it changes nothing here. After it has returned it can call nobody any more.
 */
export function prepareFunction(
	step: RunConfig & StepLinks,
	context: WorkContext,
): Work {
	const { reference, args, worker, kind: _, ...ofEveryStep } = step;
	onlyWhatEveryStepHas(ofEveryStep);
	const argsAt = args && prepare(args, context.layout);
	const called = worker
		? onThread(reference, context)
		: inProcess(reference, context);
	const { upstreams, personal } = context;
	const threads = worker ? context.threads : null;
	const byName = new Map(upstreams.map((one) => [one.upstream.name, one]));
	const callable = { upstreams: byName, personal };
	return async (spot) => {
		const { run, path, index, scope: outer } = spot;
		const { fuel } = spot.frame;
		const given = dataOf(argsAt?.(spot.frame), `${reference} is given`, fuel);
		if (outer.cancelled) throw outer.reason;
		const scope = openScope({ parent: outer });
		const marks: StepMark[] = [];
		const onAnswer = (response: UpstreamResponse) => {
			const mark = staleMark(response, path, index);
			if (mark) marks.push(mark);
		};
		const userContext: UserContext = {
			call: createUserCall(callable, spot, scope, onAnswer),
			get signal() {
				return scope.signal;
			},
			deadline: Date.now() + run.deadline - scope.clock.now(),
		};
		try {
			const turn = threads && turnOf(threads, run.input.request.ip, scope);
			if (turn !== null) await turn;
			const call = () => called(given, userContext, scope);
			const result = await untilCancelled(call, scope);
			const { value } = partsOf(result);
			const copy = (of: unknown) => dataOf(of, `${reference} returned`, fuel);
			const made = await fuel.piece(copy, value);
			spot.note(marks);
			return made;
		} finally {
			scope.cancel(aborted.returned);
		}
	};
}

/** Calls a user's function, here or on a thread. A thread ends with the scope; a function here may go on. */
type CalledFunction = (
	args: unknown,
	context: UserContext,
	scope: Scope,
) => unknown;

function inProcess(
	reference: string,
	{ functions }: Resources,
): CalledFunction {
	const fn = functions.get(reference);
	if (fn === undefined) throw notLoaded(reference);
	return (args, context) => fn(args as never, context);
}

function onThread(
	reference: string,
	{ workers, threads }: Resources,
): CalledFunction {
	const found = workers.get(reference);
	if (found === undefined || threads === null) throw notLoaded(reference);
	const { pool, slots } = threads;
	return (args, { call, deadline }, scope) =>
		pool
			.offload(found.file, found.name, [args], {
				scope,
				context: { call, deadline },
			})
			// Not before the thread is free, which may be after the step has ended.
			.finally(() => slots.give());
}

/** Takes a thread, which the call that follows gives back. Null if one is free, else a promise of one. */
function turnOf(
	{ slots, waitingMax }: Threads,
	client: string,
	scope: Scope,
): Promise<void> | null {
	if (slots.tryTake()) return null;
	const turn = slots.wait(client, scope, waitingMax);
	if (turn === null) throw slots.full(waitingMax);
	return turn;
}

function notLoaded(reference: string): GatewayError {
	return new GatewayError(
		"config_invalid",
		`${reference} was not loaded: load the config by its file`,
	);
}

/** The function may ignore its signal. The step ends with its scope all the same. */
function untilCancelled(work: () => unknown, scope: Scope): Promise<unknown> {
	return new Promise((resolve, reject) => {
		const stop = scope.onCancel(reject);
		const end = (finish: () => void) => {
			stop();
			finish();
		};
		// Begun in a promise, so that an error thrown at once is a failure too.
		new Promise((begin) => begin(work())).then(
			(value) => end(() => resolve(value)),
			(error: unknown) => end(() => reject(asStepFailure(error))),
		);
	});
}

/**
 * An error of the function's own call stays as it is. Any other error that is not the pool's is the function's failure.
 */
function asStepFailure(thrown: unknown): GatewayError {
	if (thrown instanceof GatewayError) return thrown;
	if (thrown instanceof PoolFull) {
		return new GatewayError("overloaded", thrown.message, { cause: thrown });
	}
	if (thrown instanceof PoolClosed) {
		const words = "the gateway was closed";
		return new GatewayError("gateway_draining", words, { cause: thrown });
	}
	const { message } = asGatewayError(thrown);
	const words =
		thrown instanceof ThreadEnded ? message : `the function threw: ${message}`;
	return new GatewayError("step_failed", words, { cause: thrown });
}
