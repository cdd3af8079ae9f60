import { allRead } from "../core/all-read.ts";
import { GatewayError } from "../core/errors.ts";
import type { Scope } from "../tasks/scope.ts";
import { createSemaphore } from "../tasks/semaphore.ts";
import { type Asked, type Attempt, begunBy, watching } from "./attempt.ts";
import { Concurrency } from "./concurrency.ts";
import { createReporter, type Guard, type PolicyContext } from "./policy.ts";
import { verdictOfError, verdictOfStatus } from "./verdict.ts";

export interface LimiterOptions {
	/** How many calls run at once; null: as many as there are connections. */
	readonly concurrent: number | null;
	/**
	 * How many wait for their turn, in order of arrival; the others are refused at once. Null: 1,024, or if `adaptive` as
	 * many as may run, though never fewer than four.
	 */
	readonly waiting: number | null;
	/** Whether latency finds how many may run. Then `concurrent` is the most. */
	readonly adaptive: boolean;
}

export interface LimiterContext extends PolicyContext {
	/** How many connections the upstream may have. */
	readonly connections: number;
}

/** A guard that knows whether it has a free slot. */
export interface Limiter extends Guard {
	/** Whether a call that begins now would run at once. */
	hasFree(): boolean;
}

/** If more calls than this waited, they would time out before their turn came. */
const waitingUsual = 1024;

const usual: LimiterOptions = {
	concurrent: null,
	waiting: null,
	adaptive: false,
};

/**
 * Lets a number of calls run at once, and a number wait. Every upstream has a limiter. Without options the number is
 * that of its connections.
 */
export function limiter(
	options: LimiterOptions | null,
	context: LimiterContext,
): Limiter {
	const { concurrent, waiting, adaptive, ...unread } = options ?? usual;
	allRead(unread);
	const runningMax = concurrent ?? context.connections;
	return adaptive
		? adaptiveLimiter(runningMax, waiting, context)
		: fixedLimiter(runningMax, waiting ?? waitingUsual, context);
}

/** All calls and streams that it is put around share its slots. */
function fixedLimiter(
	runningMax: number,
	waitingMax: number,
	{ upstream }: PolicyContext,
): Limiter {
	const slots = createSemaphore(runningMax);
	const inSlot: InSlot = (next) =>
		function callInSlot(request, scope) {
			if (scope.cancelled) return Promise.reject(scope.reason);
			const send = () => givingBack(begunBy(() => next(request, scope)));
			if (slots.tryTake()) return send();
			if (slots.waiting < waitingMax) return slots.take(scope).then(send);
			return Promise.reject(full(upstream, runningMax, waitingMax));
		};
	/** Returns the promise itself: another promise around it, as of an async function, would cost every call 0.3 µs. */
	const give = () => slots.give();
	function givingBack<T>(answer: Promise<T>): Promise<T> {
		answer.then(give, give);
		return answer;
	}
	return {
		call: inSlot,
		stream: inSlot,
		hasFree: () => slots.taken < runningMax,
	};
}

type InSlot = <Request, Answer>(
	next: (request: Request, scope: Scope) => Promise<Answer>,
) => (request: Request, scope: Scope) => Promise<Answer>;

/**
 * A limiter that finds by latency how many calls may run. For a stream the latency is that of its head, and its slot is
 * taken until its body has ended.
 */
function adaptiveLimiter(
	runningMax: number,
	waitingMax: number | null,
	context: PolicyContext,
): Limiter {
	const { clock, upstream } = context;
	const report = createReporter("limiter", context);
	const concurrency = new Concurrency(runningMax, clock.now());
	const slots = createSemaphore(concurrency.limit);
	let limit = concurrency.limit;

	function adapt({ requestId }: Asked): void {
		if (concurrency.limit === limit) return;
		const reason =
			concurrency.limit > limit ? "answers_fast" : "answers_slowly";
		limit = concurrency.limit;
		slots.resize(limit);
		report(requestId, "limit", reason, limit);
	}

	function refuseBeyond(request: Asked): void {
		const most = waitingMax ?? Math.max(concurrency.usual, 4);
		if (slots.waiting < most) return;
		report(request.requestId, "refused", "limiter_full");
		throw full(upstream, limit, most);
	}

	function started(request: Asked, scope: Scope): Attempt {
		const beganMs = clock.now();
		const running = slots.taken;
		let judged = false;
		const judge = (end: () => void) => {
			if (judged) return;
			judged = true;
			end();
			adapt(request);
		};
		const took = () => concurrency.answered(beganMs, clock.now(), running);
		const lost = () => concurrency.lost(clock.now(), running);
		return {
			answered: (status) =>
				judge(verdictOfStatus(status).tooMuch ? lost : took),
			failed(error) {
				// A call that was cut short took at least so long. If all calls are cut, only this shows that they are slow.
				if (scope.cancelled) judge(took);
				else if (verdictOfError(error).tooMuch) judge(lost);
			},
			ended: () => slots.give(),
		};
	}

	const guard = watching((request, scope) => {
		if (scope.cancelled) throw scope.reason;
		if (slots.tryTake()) return started(request, scope);
		refuseBeyond(request);
		return slots.take(scope).then(() => started(request, scope));
	});
	return { ...guard, hasFree: () => slots.taken < limit };
}

/** By then some of the waiting calls have had their turn. */
const retryAfterMs = 1000;

function full(upstream: string, running: number, waiting: number) {
	const message = `${running} calls run and ${waiting} wait`;
	const facts = { upstream, retryAfterMs };
	return new GatewayError("limiter_full", message, facts);
}
