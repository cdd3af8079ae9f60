import { asGatewayError, GatewayError } from "../core/errors.ts";
import { raise, type UndoEnded } from "../core/events.ts";
import type { UpstreamRequest } from "../core/http/messages.ts";
import type { Frame } from "../expression/evaluate.ts";
import { Fuel } from "../expression/fuel.ts";
import { promised } from "../policy/promised.ts";
import { openScope } from "../tasks/scope.ts";
import { sleep } from "../tasks/sleep.ts";
import { refusedBy } from "./refused-by.ts";
import { report, trailOf } from "./reporting.ts";
import type { Run } from "./run.ts";
import type { SentWrite } from "./sent-write.ts";
import { isSkip } from "./spot.ts";
import type { UndoableWrite } from "./undo.ts";

/** An undo that is ready to be sent, and what somebody needs to know who makes it by hand. */
interface Made {
	readonly request: UpstreamRequest;
	readonly told: Pick<UndoEnded, "undo" | "body">;
}

/**
 * Takes back the writes of a run. A write is undone after all that were sent when it had ended, because these may have
 * read it. Writes that ran at the same time are undone at the same time. No undo begins before the clock's next tick. Until
 * then other parts of the run may fail of the same cause, and what they have written later is undone first.
 */
export class Undoing {
	readonly #run: Run;
	/** Writes that are not undone yet, in the order in which they were sent. */
	#left: UndoableWrite[] = [];
	/** Those of them that have not begun to be undone. */
	readonly #waiting = new Set<UndoableWrite>();
	/** Whether some may begin with the next tick. */
	#begins = false;
	#onIdle: (() => void) | null = null;

	constructor(run: Run) {
		this.#run = run;
	}

	/** Undoes these writes, each when it has ended. */
	claim(writes: readonly UndoableWrite[]): void {
		for (const write of writes) this.#waiting.add(write);
		this.#left = [...this.#left, ...writes].toSorted((a, b) => a.nth - b.nth);
		for (const write of writes) write.claim(() => this.#known(write));
	}

	/** Resolves when all are undone; null if none is left. Asked once, when the run has ended. */
	idle(): Promise<void> | null {
		if (this.#left.length === 0) return null;
		return new Promise((resolve) => {
			this.#onIdle = resolve;
		});
	}

	/** All is known of a write that is to be undone. If it has done nothing, no other need wait for it. */
	#known(write: UndoableWrite): void {
		if (write.outcome === "refused") this.#undone(write);
		else this.#beginSoon();
	}

	#undone(write: UndoableWrite): void {
		const left = this.#left;
		this.#waiting.delete(write);
		write.undone = true;
		while (left.at(-1)?.undone) left.pop();
		if (left.length === 0) this.#onIdle?.();
		else this.#beginSoon();
	}

	#beginSoon(): void {
		if (this.#begins) return;
		this.#begins = true;
		const begin = () => this.#begin();
		void sleep(0, this.#run.input.beyond.closing).then(begin, begin);
	}

	/** Begins those that no later write holds up any more. */
	#begin(): void {
		this.#begins = false;
		const last = this.#left.at(-1);
		for (const write of this.#waiting) {
			if (!write.over || (last && isBefore(write, last))) continue;
			this.#waiting.delete(write);
			void this.#carryOut(write).then(() => this.#undone(write));
		}
	}

	/** Never rejects: what could not be undone is told. */
	async #carryOut(write: UndoableWrite): Promise<void> {
		let made: Made | null = null;
		try {
			if (!write.known && write.undo.readsAnswer) throw unanswered();
			made = await this.#make(write);
			if (made === null) return;
			await this.#send(write, made.request);
			this.#tell(write, made, null);
		} catch (thrown) {
			this.#tell(write, made, asGatewayError(thrown));
		}
	}

	/** Null if there is nothing to take back. Computes with nodes of its own, since the run may have used up its own. */
	#make(write: UndoableWrite): Made | null | Promise<Made | null> {
		const run = this.#run;
		const { when, request, method, upstream, target } = write.undo;
		const { ip, memory } = run.input.request;
		const fuel = new Fuel(run.calls.clock.turn, undefined, null, ip);
		const make = (frame: Frame): Made | null => {
			if (when !== null && isSkip(when(frame))) return null;
			const made = request(run, frame);
			const { body } = made;
			// It must not fail for want of memory, so that is only counted.
			memory.hold(2 * (made.target.length + (body?.length ?? 0)));
			const undo = `${method} ${upstream.name} ${target(frame)}`;
			return {
				request: made,
				told: { undo, body: body && write.undo.shown(body) },
			};
		};
		return fuel.piece(make, write.frame(fuel));
	}

	/** Ends when the gateway closes, and at a time of its own. The run's deadline does not count any more. */
	async #send(write: UndoableWrite, request: UpstreamRequest): Promise<void> {
		const run = this.#run;
		const { step, index, undo } = write;
		const { upstream, isDone, longestMs } = undo;
		const { events, beyond, request: asked } = run.input;
		const { clock } = run.calls;
		const scope = openScope({
			parent: beyond.closing,
			deadline: clock.now() + run.route.plan.deadlineMs + longestMs,
			deadlineReason: tooLate,
		});
		try {
			if (scope.cancelled) throw scope.reason;
			const trail = trailOf(undo, events, clock);
			const caller = { upstream, step: `${step}.undo`, index };
			const tell = (error: GatewayError | null) => {
				if (trail !== null) report(trail, caller, run, error);
			};
			const send = async () => {
				const sent = trail === null ? request : { ...request, trail };
				const response = await promised(upstream.call)(sent, scope);
				trail?.answered(response.status);
				asked.memory.hold(response.body.length);
				if (isDone(response.status)) return;
				throw refusedBy(upstream.name, response);
			};
			await send().then(
				() => tell(null),
				(thrown: unknown) => {
					tell(asGatewayError(thrown));
					throw thrown;
				},
			);
		} finally {
			scope.close();
		}
	}

	#tell(
		{ step, index, call }: UndoableWrite,
		made: Made | null,
		error: GatewayError | null,
	): void {
		const { route, input } = this.#run;
		const { undoEnded } = input.events;
		if (undoEnded.length === 0) return;
		raise(undoEnded, {
			requestId: input.request.id,
			route: route.plan.key,
			...{ step, index, error },
			write: call,
			...(made?.told ?? { undo: null, body: null }),
		});
	}
}

/**
 * Whether the first had ended when the second was sent. At one instant it had: which of the two the machine did first
 * is chance.
 */
function isBefore(first: SentWrite, second: SentWrite): boolean {
	return first.nth < second.nth && first.endedMs <= second.sentMs;
}

function unanswered(): GatewayError {
	const words =
		"the write has no answer that its undo could read: it may have happened";
	return new GatewayError("reference_missing", words);
}

function tooLate(): GatewayError {
	const words = "the undo was not done within its time";
	return new GatewayError("deadline_exceeded", words);
}
