import { allRead } from "../core/all-read.ts";
import { GatewayError } from "../core/errors.ts";
import type { Scope } from "../tasks/scope.ts";
import { type Asked, type Attempt, isComing, watching } from "./attempt.ts";
import { Concurrency } from "./concurrency.ts";
import { OpenStreams } from "./open-streams.ts";
import {
	createReporter,
	type Guard,
	type PolicyContext,
	type StreamEnd,
	type StreamPolicy,
} from "./policy.ts";
import { Slots } from "./slots.ts";
import { StreamPolicyEnd } from "./stream-end.ts";
import { whenSent } from "./upload-turn.ts";
import { verdictOfError, verdictOfStatus } from "./verdict.ts";
import { keptMeanwhile } from "./waited.ts";

export interface LimiterOptions {
	/** How many calls run at once; null: as many as there are connections. */
	readonly concurrent: number | null;
	/**
	 * How many wait for their turn; the others are refused at once. Null: 1,024, or if `adaptive` as many as may run,
	 * though never fewer than four.
	 */
	readonly waiting: number | null;
	/** Whether latency finds how many may run. Then `concurrent` is the most. */
	readonly adaptive: boolean;
}

export interface LimiterContext extends PolicyContext {
	/** How many calls may run if the options do not say. */
	readonly connections: number;
	/** How many streams may be open. */
	readonly streams: number;
}

/** A guard that knows whether it has a free slot. */
export interface Limiter extends Guard {
	/** Whether a call that begins now would run at once. */
	hasFree(): boolean;
	state(): LimiterState;
}

/** How many calls run, wait and may run, and how many streams are open. */
export interface LimiterState {
	readonly running: number;
	readonly waiting: number;
	readonly limit: number;
	readonly streams: number;
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
 * that of its connections. A stream counts like a call until the head of its answer is there. Streams have a number of
 * their own besides, so that those that last for long leave the slots to the calls.
 */
export function limiter(
	options: LimiterOptions | null,
	context: LimiterContext,
): Limiter {
	const { concurrent, waiting, adaptive, ...unread } = options ?? usual;
	allRead(unread);
	const runningMax = concurrent ?? context.connections;
	const { guard, upload, slots } = adaptive
		? adaptiveGuard(runningMax, waiting, context)
		: fixedGuard(runningMax, waiting ?? waitingUsual, context);
	const open = new OpenStreams(context.streams);
	return {
		call: guard.call,
		stream: limitStreams(context, open, guard.stream, upload),
		hasFree: () => slots.hasFree,
		state: () => ({
			running: slots.taken,
			waiting: slots.waiting,
			limit: slots.count,
			streams: open.open,
		}),
	};
}

/**
 * Bounds the open streams. If no more may be open, in all or of its client, a stream is refused before the upstream is
 * asked. `upload` is for streams whose requests still come.
 */
function limitStreams(
	{ upstream, streams }: LimiterContext,
	all: OpenStreams,
	inSlot: StreamPolicy,
	upload: StreamPolicy,
): StreamPolicy {
	return (next) => {
		const nextInSlot = inSlot(next);
		const nextWhenSent = upload(next);
		return function streamAmongOthers(request, scope, ended) {
			if (scope.cancelled) throw scope.reason;
			const client = all.take(request.client);
			if (client === null) {
				const message = `${all.open} of ${streams} streams are open`;
				const facts = { upstream, retryAfterMs };
				throw new GatewayError("limiter_full", message, facts);
			}
			const send = isComing(request.body) ? nextWhenSent : nextInSlot;
			new OpenStreamEnd(all, client, ended).begin(send, request, scope);
		};
	};
}

/** The end of a stream that counts as open until then. */
class OpenStreamEnd extends StreamPolicyEnd {
	readonly #all: OpenStreams;
	readonly #client: string;

	constructor(all: OpenStreams, client: string, outer: StreamEnd) {
		super(outer);
		this.#all = all;
		this.#client = client;
	}

	protected override onDone(): void {
		this.#all.give(this.#client);
	}

	protected override onFailed(error: unknown): unknown {
		this.#all.give(this.#client);
		return error;
	}
}

interface Limiting {
	readonly guard: Guard;
	readonly upload: StreamPolicy;
	readonly slots: Slots;
}

/** Slots of calls to an upstream. */
function slotsOf(count: number, { upstream, clock }: PolicyContext): Slots {
	return new Slots(count, clock, {
		what: `places of calls to ${upstream}`,
		upstream,
		full(running, waiting) {
			const message = `${running} calls run and ${waiting} wait`;
			const facts = { upstream, retryAfterMs };
			return new GatewayError("limiter_full", message, facts);
		},
	});
}

/** Gives a slot back for which a call has waited in vain. */
function checkAfterWait(slots: Slots, { isKept }: Asked): void {
	if (!isKept?.()) return;
	slots.give();
	throw keptMeanwhile;
}

/** By then some of the waiting calls have had their turn. */
const retryAfterMs = 1000;

function fixedGuard(
	runningMax: number,
	waitingMax: number,
	context: PolicyContext,
): Limiting {
	const slots = slotsOf(runningMax, context);
	const take = (started: () => Attempt) =>
		watching((request, scope) => {
			if (scope.cancelled) throw scope.reason;
			if (slots.tryTake()) return started();
			const turn = slots.wait(request.client, scope, waitingMax);
			if (turn === null) throw slots.full(waitingMax);
			return turn.then(() => {
				checkAfterWait(slots, request);
				return started();
			});
		});
	const give = () => slots.give();
	const untilEnd: Attempt = { answered() {}, failed() {}, ended: give };
	const untilHead = (): Attempt => {
		const release = onlyOnce(give);
		return { answered: release, failed() {}, ended: release };
	};
	const { call } = take(() => untilEnd);
	const { stream } = take(untilHead);
	return { guard: { call, stream }, upload: whenSent(slots, untilHead), slots };
}

function onlyOnce(fn: () => void): () => void {
	let done = false;
	return () => {
		if (done) return;
		done = true;
		fn();
	};
}

/** Finds by latency how many calls may run. For a stream the latency is that of its head. */
function adaptiveGuard(
	runningMax: number,
	waitingMax: number | null,
	context: PolicyContext,
): Limiting {
	const { clock } = context;
	const report = createReporter("limiter", context);
	const concurrency = new Concurrency(runningMax, clock.now());
	const slots = slotsOf(concurrency.limit, context);
	let limit = concurrency.limit;

	function adapt(asked: Asked): void {
		if (concurrency.limit === limit) return;
		const reason =
			concurrency.limit > limit ? "answers_fast" : "answers_slowly";
		limit = concurrency.limit;
		slots.resize(limit);
		report(asked, "limit", reason, limit);
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
		const give = onlyOnce(() => slots.give());
		const took = () => concurrency.answered(beganMs, clock.now(), running);
		const lost = () => concurrency.lost(clock.now(), running);
		return {
			answered(status) {
				judge(verdictOfStatus(status).tooMuch ? lost : took);
				give();
			},
			failed(error) {
				// A call that was cut short took at least so long. If all calls are cut, only this shows that they are slow.
				if (scope.cancelled) judge(took);
				else if (verdictOfError(error).tooMuch) judge(lost);
			},
			ended: give,
		};
	}

	const guard = watching((request, scope) => {
		if (scope.cancelled) throw scope.reason;
		if (slots.tryTake()) return started(request, scope);
		const most = waitingMax ?? Math.max(concurrency.usual, 4);
		const turn = slots.wait(request.client, scope, most);
		if (turn === null) {
			report(request, "refused", "limiter_full");
			throw slots.full(most);
		}
		return turn.then(() => {
			checkAfterWait(slots, request);
			return started(request, scope);
		});
	});
	return { guard, upload: whenSent(slots, started), slots };
}
