import type { TrailEnded } from "../../core/events.ts";
import type {
	AttemptTrail,
	CallTrail,
	StepTrail,
	StepWait,
	Trail,
} from "../../core/trail.ts";

/** What a piece of a request's time was spent on. The words are public and permanent. */
export type Spent =
	/** Its input was read and judged. */
	| "reading"
	/** It waited for its place among the requests in progress. */
	| "queue"
	/** It waited for others to compute. */
	| "turn"
	/** An item waited for its place in the list. */
	| "parallel"
	/** The step computed, or its function ran. */
	| "computing"
	/** A call waited for its place among the calls to its upstream. */
	| "slot"
	/** It waited for its connection. */
	| "connection"
	/** It was sent, and the head of its answer was awaited. */
	| "upstream"
	/** The body of its answer came. */
	| "body"
	/** It paused before another attempt. */
	| "retry"
	/** It paused between two rounds of `repeat`. */
	| "repeat"
	/** Its first attempt was slow, and a second was begun only later. */
	| "hedge"
	/** Another call got the answer for it. */
	| "shared"
	/** The answer was made, or passed on, after all steps had ended. */
	| "answer"
	/** It waited for a step that had not ended when the wait was over. */
	| "step"
	/** The request ended although no step had failed, and none was under way. */
	| "unfinished";

/** A piece of a request's time, in milliseconds from its arrival. */
export interface PathPart {
	readonly fromMs: number;
	readonly toMs: number;
	readonly spent: Spent;
	/** Null before the first step and after the last one. */
	readonly step: string | null;
	readonly index: readonly number[];
}

/**
 * The longest chain of what waited for what, from a request's arrival to its end: had any part of it been shorter, the
 * answer would have come sooner. The parts follow each other without a gap. Parts of no length are left out.
 */
export function criticalPath(
	ended: Pick<TrailEnded, "trail" | "durationMs" | "error">,
): PathPart[] {
	return new Path(ended.trail, ended.durationMs).parts(ended.error !== null);
}

/** Walks back from the end. `#atMs` is where it has come to, on the gateway's clock. */
class Path {
	readonly #trail: Trail;
	readonly #parts: PathPart[] = [];
	/** The records by path and index. */
	readonly #steps = new Map<string, StepTrail>();
	readonly #inner = new Map<string, StepTrail[]>();
	readonly #seen = new Set<StepTrail>();
	#atMs: number;

	constructor(trail: Trail, durationMs: number) {
		this.#trail = trail;
		this.#atMs = trail.arrivedMs + durationMs;
		for (const step of trail.steps) {
			this.#steps.set(nameOf(step.path, step.index), step);
		}
		for (const step of trail.steps) {
			const around = this.#around(step);
			const others = this.#inner.get(around);
			if (others) others.push(step);
			else this.#inner.set(around, [step]);
		}
	}

	/** The record around this one: the list of an item, or the group of a step. */
	#around({ path, index }: StepTrail): string {
		const list = nameOf(path, index.slice(0, -1));
		if (index.length > 0 && this.#steps.has(list)) return list;
		return nameOf(path.slice(0, Math.max(0, path.lastIndexOf("."))), index);
	}

	parts(failed: boolean): PathPart[] {
		const { arrivedMs, begunMs, readMs, last } = this.#trail;
		const begun = begunMs ?? readMs ?? arrivedMs;
		const whole = last !== null && (!failed || last.end === "failed");
		const end = whole ? last : this.#underWay();
		this.#back(end?.endedMs ?? begun, whole ? "answer" : "unfinished", null);
		if (end !== null) this.#toReady(end);
		this.#back(begunMs ?? arrivedMs, "computing", null);
		this.#back(readMs ?? arrivedMs, "queue", null);
		this.#back(arrivedMs, "reading", null);
		return this.#parts.reverse();
	}

	/** Of the steps that were aborted, the one whose call, or a call in which, had been under way for longest. */
	#underWay(): StepTrail | null {
		let longest: StepTrail | null = null;
		let sinceMs = Number.POSITIVE_INFINITY;
		for (const { path, calls } of this.#trail.steps) {
			const running = calls.filter((call) => endOf(call) >= this.#atMs);
			for (const { startedMs } of running) {
				if (startedMs >= sinceMs) continue;
				longest =
					this.#steps.get(nameOf(path.split(".", 1)[0] ?? "", [])) ?? null;
				sinceMs = startedMs;
			}
		}
		return longest;
	}

	/** Goes back to this instant, which was spent so. */
	#back(toMs: number, spent: Spent, step: StepTrail | null): void {
		if (toMs >= this.#atMs) return;
		const { arrivedMs } = this.#trail;
		this.#parts.push({
			fromMs: toMs - arrivedMs,
			toMs: this.#atMs - arrivedMs,
			spent,
			step: step?.path ?? null,
			index: step?.index ?? [],
		});
		this.#atMs = toMs;
	}

	/** Goes back from the end of a step to when the first step of its block was ready, through all that it waited for. */
	#toReady(last: StepTrail): void {
		let step: StepTrail | null = last;
		while (step !== null) step = this.#throughStep(step);
	}

	/** Goes back through one step. Gives the step whose end it waited for; null if it waited for none of its block. */
	#throughStep(step: StepTrail): StepTrail | null {
		this.#seen.add(step);
		const waited = this.#throughWork(step);
		if (waited !== null) return waited;
		const started = step.startedMs ?? step.readyMs;
		this.#back(started, this.#between(step), step);
		const isItem = this.#around(step).startsWith(`${step.path} `);
		this.#back(step.readyMs, isItem ? "parallel" : "turn", step);
		return step.after;
	}

	/** How the time of a step was spent in which it had no call, and no step in it was under way. */
	#between({ path, index }: StepTrail): Spent {
		const inner = this.#inner.get(nameOf(path, index)) ?? [];
		return inner.some(isNeverBegun) ? "step" : "computing";
	}

	/** Goes back through a step's calls and the steps inside it. Gives the step that it waited for last, if any. */
	#throughWork(step: StepTrail): StepTrail | null {
		for (;;) {
			const wait = lastBefore(step.waits, this.#atMs, true);
			const call = lastBefore(step.calls, this.#atMs, !isWell(step));
			const inner = this.#lastInner(step);
			const ends = [endOf(wait), endOf(call), endOf(inner)];
			const latest = Math.min(this.#atMs, Math.max(...ends));
			if (latest === Number.NEGATIVE_INFINITY) return null;
			this.#back(latest, this.#between(step), step);
			if (inner !== null && endOf(inner) === latest) {
				this.#toReady(inner);
				// What is left is before the first of them was ready.
				if (this.#atMs > (step.startedMs ?? step.readyMs)) continue;
				return null;
			}
			if (wait !== null && endOf(wait) >= latest) {
				const awaited = this.#awaited(wait, step);
				if (awaited !== null) return awaited;
				const pauses = wait.steps.length === 0;
				this.#back(wait.fromMs, pauses ? "repeat" : "step", step);
				continue;
			}
			this.#throughCall(call as CallTrail, step);
		}
	}

	/** One of no length counts, too: the step that it waited for may have taken long. */
	#lastInner({ path, index }: StepTrail): StepTrail | null {
		const inner = this.#inner.get(nameOf(path, index)) ?? [];
		let last: StepTrail | null = null;
		for (const one of inner) {
			if (isNeverBegun(one)) continue;
			if (this.#seen.has(one) || endOf(one) > this.#atMs) continue;
			if (last === null || endsLater(one, last)) last = one;
		}
		return last;
	}

	/** The step whose end ended the wait. */
	#awaited({ steps }: StepWait, { index }: StepTrail): StepTrail | null {
		let found: StepTrail | null = null;
		for (const path of steps) {
			// The shallowest is the step itself, deeper ones are its items.
			for (let depth = 0; depth <= index.length; depth++) {
				const one = this.#steps.get(nameOf(path, index.slice(0, depth)));
				if (one === undefined) continue;
				if (!isNeverBegun(one) && one.endedMs === this.#atMs) found = one;
				break;
			}
		}
		return found;
	}

	#throughCall(call: CallTrail, step: StepTrail): void {
		for (;;) {
			const attempt = lastBefore(call.attempts, this.#atMs, true);
			if (attempt === null) break;
			if (attempt.endedMs !== null) {
				const pauses = pausesAfter(call, attempt.endedMs);
				this.#back(attempt.endedMs, pauses ? "retry" : "computing", step);
			}
			this.#throughAttempt(attempt, step);
		}
		// Before its first attempt it waited for another's answer, for its cache, or for a place.
		const joined = call.decisions.some(({ policy }) => policy === "coalesce");
		const alone = !joined && call.attempts.length > 0;
		this.#back(call.startedMs, alone ? "slot" : "shared", step);
	}

	#throughAttempt(attempt: AttemptTrail, step: StepTrail): void {
		const { startedMs, placedMs, sentMs, headMs } = attempt;
		if (headMs !== null) this.#back(headMs, "body", step);
		if (sentMs !== null) this.#back(sentMs, "upstream", step);
		if (placedMs !== null) this.#back(placedMs, "connection", step);
		this.#back(startedMs, "slot", step);
	}
}

/** Whether another attempt was begun after this instant, or was about to be. Else the answer was only taken over. */
function pausesAfter({ attempts, decisions }: CallTrail, atMs: number) {
	return (
		attempts.some(({ startedMs }) => startedMs >= atMs) ||
		decisions.some(
			(one) =>
				one.policy === "retry" &&
				one.decision === "attempt" &&
				one.atMs >= atMs,
		)
	);
}

/** What the record of a wait, a call, an attempt or a step has in common. */
interface Lasting {
	readonly endedMs?: number | null;
	readonly toMs?: number | null;
	readonly startedMs?: number | null;
	readonly fromMs?: number;
}

/** One that has not ended lasts for ever. */
function endOf(one: Lasting | null): number {
	if (one === null) return Number.NEGATIVE_INFINITY;
	return one.endedMs ?? one.toMs ?? Number.POSITIVE_INFINITY;
}

/**
 * The one that ended last, but not after this instant unless it may have gone on: then it was under way. One that begins
 * at the instant is passed over, because it has taken no time before it.
 */
function lastBefore<T extends Lasting>(
	all: readonly T[],
	atMs: number,
	wentOn = false,
): T | null {
	let last: T | null = null;
	for (const one of all) {
		const begins = one.startedMs ?? one.fromMs ?? atMs;
		if (begins >= atMs || (endOf(one) > atMs && !wentOn)) continue;
		if (last === null || endOf(one) >= endOf(last)) last = one;
	}
	return last;
}

function nameOf(path: string, index: readonly number[]): string {
	return `${path} ${index.join(".")}`;
}

/** A call of a step that ended by itself had ended, too. */
function isWell({ end }: StepTrail): boolean {
	return end === "ok" || end === "skipped";
}

/** Its record was made when it ended. */
function isNeverBegun({ end, readyMs, endedMs }: StepTrail): boolean {
	return end === "never_begun" || (end === "dropped" && readyMs === endedMs);
}

/** Of those that ended in the same instant, the one that failed has ended the others. */
function endsLater(one: StepTrail, other: StepTrail): boolean {
	if (endOf(one) !== endOf(other)) return endOf(one) > endOf(other);
	return other.end !== "failed";
}
