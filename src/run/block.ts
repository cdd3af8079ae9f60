import { asGatewayError, GatewayError, inStep } from "../core/errors.ts";
import type { StepMark } from "../core/events.ts";
import type { StepEnd, StepTrail, Trail } from "../core/trail.ts";
import type { Frame } from "../expression/evaluate.ts";
import type { StepRef } from "../plan/plan.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import { aborted } from "./aborted.ts";
import { Account, type StepName } from "./account.ts";
import type { Run } from "./run.ts";
import { Spot, type Work } from "./spot.ts";

/** Prepared steps that end together: a route's, or a group's. */
export interface PreparedBlock {
	/** In the order written. */
	readonly steps: readonly PreparedStep[];
	/** Their indexes, in the order in which steps that wait for nothing start. */
	readonly order: readonly number[];
	/**
	 * The indexes of steps that the answer or the group's value reads, and of steps that do something besides giving a
	 * value.
	 */
	readonly made: readonly number[];
	/** Whether a step waits for a step around the group. */
	readonly waitsOutside: boolean;
	/** Whether any step may read a step around the group. */
	readonly readsOutside: boolean;
	readonly frameSize: number;
}

/** A step as its block sees it. */
export interface PreparedStep extends StepName {
	/**
	 * Begins the step. A promise is the step's end: it rejects if the step fails and nothing fills in. Any other result
	 * is its value, and a thrown error its failure. Then it has ended before another step starts.
	 */
	readonly start: Work;
	/** Whether it is carried out once per item of a list. */
	readonly many: boolean;
	/** The slot of its value in the block's frame. */
	readonly slot: number;
	/** The slot of its error code there; null if nothing reads it. */
	readonly codeSlot: number | null;
	/** How many steps of its own block must have ended before it starts. */
	readonly waitsFor: number;
	/** Steps of the blocks around that must have ended before it starts. */
	readonly waitsOutside: readonly StepRef[];
	/** Steps of its block that wait for this one before they start, in the block's order. */
	readonly starts: readonly number[];
	/** Every step of its block that it may read, now or later. They are released when it has ended. */
	readonly reads: readonly number[];
	/** Those of `reads` that it reads in any case. */
	readonly readsFirst: readonly number[];
	/** How many steps of its block may read it, and the block's value. At zero nobody waits for it. */
	readonly readers: number;
	/** Whether it does something besides giving a value. Then it is waited for although nobody reads it. */
	readonly effect: boolean;
	/** Whether it may have to end before its block does, because nobody waits for it any more. */
	readonly droppable: boolean;
	readonly withinMs: number | null;
}

/** The surroundings in which a block is carried out, and the listeners for its end. */
export interface BlockOptions {
	readonly run: Run;
	/** The frame that gets the steps' values. */
	readonly frame: Frame;
	/** The scope of the block's work alone. It is cancelled when a step fails that nothing fills in for. */
	readonly scope: Scope;
	/** The block around its group; null for a route's block. */
	readonly around: Block | null;
	/** The names of the groups around its steps: `orders.`; empty for a route's block. */
	readonly path: string;
	/** Positions in the lists around, outermost first. */
	readonly index: readonly number[];
	/** Called once, when all steps have ended. */
	readonly onEnd: () => void;
	/** Called once instead, when a step fails that nothing fills in for. Null: the block's scope was cancelled. */
	readonly onFail: (error: GatewayError, failed: StepName | null) => void;
}

type StepState = "waiting" | "running" | "ended" | "dropped";

/** The state of one step of a block. */
class Standing {
	readonly step: PreparedStep;
	state: StepState = "waiting";
	/** How many steps it still waits for before it starts. */
	waitsFor: number;
	/** How many readers may still read it. */
	readers: number;
	/** Cancelled when it is dropped; null if it only ends with the block's. Its fallbacks end with it, too. */
	life: Scope | null = null;
	/** The scope of its work alone, which `within` ends; null if nothing but its life does. */
	work: Scope | null = null;
	listeners: (() => void)[] | null = null;
	/** Null before it starts, and if nobody wants to know. */
	trail: StepTrail | null = null;

	constructor(step: PreparedStep) {
		this.step = step;
		this.waitsFor = step.waitsFor + step.waitsOutside.length;
		this.readers = step.readers;
	}

	close(): void {
		this.work?.close();
		this.life?.close();
	}
}

/**
 * Steps under way: a route's, or a group's for one item. Starts each step when the values that it reads are there, and
 * drops steps for which nobody waits any more. Ends when all have ended or one has failed.
 */
export class Block {
	readonly run: Run;
	readonly frame: Frame;
	readonly scope: Scope;
	readonly path: string;
	readonly index: readonly number[];
	readonly account: Account;
	readonly #plan: PreparedBlock;
	readonly #around: Block | null;
	readonly #onEnd: () => void;
	readonly #onFail: BlockOptions["onFail"];
	readonly #standings: readonly Standing[];
	#unended: number;
	#over = false;
	#stopListening: () => void = () => {};

	constructor(plan: PreparedBlock, options: BlockOptions) {
		const { steps } = plan;
		this.run = options.run;
		this.frame = options.frame;
		this.scope = options.scope;
		this.path = options.path;
		this.index = options.index;
		this.#plan = plan;
		this.#around = options.around;
		this.#onEnd = options.onEnd;
		this.#onFail = options.onFail;
		this.account = new Account(plan, options.index.length);
		this.#standings = steps.map((step) => new Standing(step));
		this.#unended = steps.length;
	}

	start(): void {
		// At the deadline steps end by themselves, perhaps with a fallback. Any other reason ends the block.
		this.#stopListening = this.scope.onCancel((reason) => {
			if (!isDeadline(reason)) this.#fail(asGatewayError(reason), null);
		});
		if (this.#unended === 0) return this.#finish();
		if (this.#plan.waitsOutside) {
			for (const standing of this.#standings) this.#waitOutside(standing);
		}
		this.#startReady(this.#plan.order, null);
	}

	#waitOutside(standing: Standing): void {
		const { index, waitsOutside } = standing.step;
		for (const ref of waitsOutside) {
			const first = this.#at(ref);
			if (first.state === "ended") standing.waitsFor--;
			else {
				onEnd(first, () => {
					standing.waitsFor--;
					this.#startReady([index], first.trail);
				});
			}
		}
	}

	#at({ up, index }: StepRef): Standing {
		return this.#outwards(up).#standings[index] as Standing;
	}

	/** The step as its trail names it. */
	nameOf({ up, index }: StepRef): string {
		const block = this.#outwards(up);
		return block.path + (block.#standings[index] as Standing).step.name;
	}

	#outwards(up: number): Block {
		let block: Block = this;
		for (let left = up; left > 0; left--) block = block.#around as Block;
		return block;
	}

	/** Starts those of these steps that wait for nothing any more. Replies stand before the others. */
	#startReady(indexes: readonly number[], after: StepTrail | null): void {
		const { trail } = this.run.input;
		// They became ready together, when what they waited for had ended.
		const readyMs = trail && (after?.endedMs ?? this.scope.clock.now());
		for (const index of indexes) {
			const standing = this.#standings[index] as Standing;
			if (standing.waitsFor > 0) continue;
			this.#startStep(standing, after, readyMs ?? undefined);
		}
	}

	#startStep(
		standing: Standing,
		after: StepTrail | null,
		readyMs: number | undefined,
	): void {
		const { step } = standing;
		if (this.#over || standing.state !== "waiting") return;
		standing.state = "running";
		const { trail } = this.run.input;
		if (trail !== null) {
			standing.trail = this.#trailOf(standing, trail, after, readyMs);
		}
		if (step.droppable) standing.life = openScope({ parent: this.scope });
		const life = standing.life ?? this.scope;
		if (step.withinMs !== null) {
			standing.work = openWithin(step.withinMs, life);
		}
		let begun: unknown;
		try {
			begun = step.start(
				new Spot(this, step, life, standing.work ?? life, standing.trail),
			);
		} catch (error) {
			return this.#failStep(standing, error);
		}
		if (!(begun instanceof Promise)) return this.#end(standing, begun);
		begun.then(
			(value) => this.#end(standing, value),
			(error: unknown) => this.#failStep(standing, error),
		);
	}

	/**
	 * Resolves when all these steps have ended; null if they have ended already. Rejects when `scope` is cancelled, but
	 * not by the deadline: at the deadline these steps end too, perhaps with a fallback.
	 */
	ended(refs: readonly StepRef[], scope: Scope): Promise<void> | null {
		let left = 0;
		for (const ref of refs) if (this.#at(ref).state !== "ended") left++;
		if (left === 0) return null;
		return new Promise((resolve, reject) => {
			const stop = scope.onCancel((reason) => {
				if (!isDeadline(reason)) reject(reason);
			});
			const count = () => {
				if (--left > 0) return;
				stop();
				resolve();
			};
			for (const ref of refs) {
				const standing = this.#at(ref);
				if (standing.state !== "ended") onEnd(standing, count);
			}
		});
	}

	/** Notes what the answer says of a step. Once the step has ended it is too late. */
	note(step: StepName, marks: readonly StepMark[]): void {
		if (this.#over || this.#standings[step.index]?.state !== "running") return;
		this.account.note(step, marks);
	}

	#end(standing: Standing, value: unknown): void {
		const { step } = standing;
		standing.close();
		if (this.#over || standing.state !== "running") return;
		standing.state = "ended";
		if (standing.trail !== null) this.#ended(standing.trail, "ok");
		this.frame.values[step.slot] = value;
		if (step.codeSlot !== null) {
			const path = this.path + step.name;
			this.frame.values[step.codeSlot] = this.account.codeOf(step, path);
		}
		this.#unended--;
		for (const index of step.starts) {
			(this.#standings[index] as Standing).waitsFor--;
		}
		this.#startReady(step.starts, standing.trail);
		// Steps inside groups, too, start after the replies.
		if (standing.listeners) for (const listen of standing.listeners) listen();
		this.#release(step);
		if (this.#unended === 0) this.#finish();
	}

	#failStep(standing: Standing, thrown: unknown): void {
		standing.close();
		if (standing.state !== "running") return;
		const { step } = standing;
		const error = inStep(asGatewayError(thrown), this.path + step.name);
		if (standing.trail !== null) this.#ended(standing.trail, "failed", error);
		this.#fail(error, step);
	}

	/**
	 * A step that has ended no longer needs the steps that it read. A step that only reads is dropped if nobody needs it
	 * any more.
	 */
	#release(step: PreparedStep): void {
		for (const index of step.reads) {
			const standing = this.#standings[index] as Standing;
			if (--standing.readers === 0) this.#drop(standing);
		}
	}

	#drop(standing: Standing): void {
		const { state, step } = standing;
		if (step.effect || state === "ended" || state === "dropped") return;
		standing.state = "dropped";
		this.#unfinished(standing, "dropped");
		this.#unended--;
		standing.life?.cancel(aborted.unread);
		this.#release(step);
	}

	#finish(): void {
		if (this.#over) return;
		this.#close();
		this.#onEnd();
	}

	#fail(error: GatewayError, failed: StepName | null): void {
		if (this.#over) return;
		this.#close();
		this.scope.cancel(aborted.besideFailed);
		this.#onFail(error, failed);
	}

	#close(): void {
		this.#over = true;
		this.#stopListening();
		if (this.run.input.trail !== null) this.#closeTrails();
	}

	/* The trail, which is null if nobody wants to know */

	#trailOf(
		{ step }: Standing,
		trail: Trail,
		after: StepTrail | null,
		readyMs?: number,
	): StepTrail | null {
		return trail.step(this.path + step.name, this.index, after, readyMs);
	}

	#ended(trail: StepTrail, end: StepEnd, error?: GatewayError): void {
		if (trail.endedMs !== null) return;
		trail.ended(end, error);
		if (this.#around === null) (this.run.input.trail as Trail).last = trail;
	}

	/** A step that has not started has no record yet. */
	#unfinished(standing: Standing, end: StepEnd): void {
		const { trail } = this.run.input;
		if (trail === null) return;
		standing.trail ??= this.#trailOf(standing, trail, null);
		standing.trail?.ended(end);
	}

	#closeTrails(): void {
		for (const standing of this.#standings) {
			if (standing.state === "running") this.#unfinished(standing, "aborted");
			if (standing.state !== "waiting") continue;
			this.#unfinished(standing, "never_begun");
		}
	}
}

function onEnd(standing: Standing, fn: () => void): void {
	standing.listeners ??= [];
	standing.listeners.push(fn);
}

function openWithin(ms: number, outer: Scope): Scope {
	return openScope({
		parent: outer,
		deadline: outer.clock.now() + ms,
		deadlineReason: () =>
			new GatewayError("upstream_timeout", `not done within ${ms} ms`),
	});
}

function isDeadline(reason: unknown): boolean {
	return reason instanceof GatewayError && reason.code === "deadline_exceeded";
}
