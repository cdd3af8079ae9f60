import type { StepMark } from "../core/events.ts";
import type { StepTrail } from "../core/trail.ts";
import type { Frame } from "../expression/evaluate.ts";
import type { Scope } from "../tasks/scope.ts";
import { Reads, type StepName } from "./account.ts";
// Types only: a block makes the spots of its steps, and a spot shows the work its block.
import type { Block } from "./block.ts";
import type { Holding } from "./freshness.ts";
import type { Later } from "./layout.ts";
import type { Run } from "./run.ts";

/**
 * The work of a step, done once for itself or once per item. Gives a value or a promise of it. Throws or rejects if it
 * fails.
 */
export type Work = (spot: Spot) => unknown;

/** One carrying-out of a step: a promise of its value, even if the work has one at once. */
export type Once = (spot: Spot) => Promise<unknown>;

/** The spot where a step is carried out: in its block, or at one item of its `each`. */
export class Spot {
	readonly block: Block;
	readonly run: Run;
	/** Cancelled when nobody waits for the step any more. What fills in for it ends with this scope. */
	readonly life: Scope;
	/** Cancelled when this carrying-out need not or must not go on. */
	readonly scope: Scope;
	readonly frame: Frame;
	/** Positions in the lists around, outermost first. */
	readonly index: readonly number[];
	readonly step: StepName;
	/** The step as answers, events and the log name it: `orders.items`. */
	readonly path: string;
	/** Null if nobody wants to know. */
	readonly trail: StepTrail | null;
	/** Whether its scope had ended when its step began. Its value may still be part of the answer. */
	readonly late: boolean;
	/** Whether it may come to nothing, an item or a round. Then it keeps what the answer says of it apart. */
	readonly #apart: boolean;
	#readApart: Reads | null = null;
	#marksApart: StepMark[] | null = null;
	/** The spot whose round it is; null if it is none. */
	#whole: Spot | null = null;

	constructor(
		block: Block,
		step: StepName,
		life: Scope,
		scope: Scope,
		trail: StepTrail | null,
		frame = block.frame,
		index = block.index,
		late = scope.cancelled,
		apart = false,
	) {
		this.block = block;
		this.run = block.run;
		this.path = block.path + step.name;
		this.step = step;
		this.life = life;
		this.scope = scope;
		this.trail = trail;
		this.frame = frame;
		this.index = index;
		this.late = late;
		this.#apart = apart;
	}

	/**
	 * The spot of one item: with a frame and a scope of its own. `readyMs` is when its list began. In a group it can fail
	 * the group, and is apart.
	 */
	at(
		item: number,
		frame: Frame,
		scope: Scope,
		readyMs: number,
		apart = this.block.path !== "",
	): Spot {
		const { block, step, life, late } = this;
		const index = [...this.index, item];
		const all = this.run.input.trail;
		const trail = all && all.step(this.path, index, null, readyMs);
		const where = [frame, index, late, apart] as const;
		return new Spot(block, step, life, scope, trail, ...where);
	}

	/**
	 * The spot of one round of a `repeat`: with a frame of its own. Its marks are kept apart in a list that all rounds share.
	 * Rounds follow each other, so what they read is read, also if a later one fails.
	 */
	inRound(round: number, frame: Frame, marks: StepMark[]): Spot {
		const { block, step, life, scope, late } = this;
		const index = [...this.index, round];
		const all = this.run.input.trail;
		const trail = all && all.step(this.path, index, null);
		const where = [frame, index, late, true] as const;
		const own = new Spot(block, step, life, scope, trail, ...where);
		own.#marksApart = marks;
		own.#whole = this;
		return own;
	}

	/** The steps that it has read since it started. */
	get readLater(): Reads {
		if (this.#whole !== null) return this.#whole.readLater;
		if (!this.#apart) return this.block.account.readsOf(this.step);
		this.#readApart ??= new Reads();
		return this.#readApart;
	}

	/** The item has ended well: its step has read all that it has read, and lacks what it lacks. */
	itemEnded(): void {
		if (this.#marksApart !== null) this.block.note(this.step, this.#marksApart);
		if (this.#readApart === null) return;
		this.block.account.readsOf(this.step).addAll(this.#readApart);
	}

	/** The item has failed its step. Chance decides what other items had read by then, so only its own reads count. */
	itemFailed(): void {
		if (!this.#apart) return;
		this.block.account.keepReads(this.step, this.#readApart);
	}

	note(marks: readonly StepMark[]): void {
		if (!this.#apart) return this.block.note(this.step, marks);
		this.#marksApart ??= [];
		this.#marksApart.push(...marks);
	}

	hold(holding: Holding | null): void {
		this.block.account.hold(this.step, holding);
	}

	/** Evaluates a template that may read other steps, when those have ended. A promise only if it has to wait. */
	evaluate({ evaluate, reads }: Later, scope = this.scope): unknown {
		const finish = () => {
			if (reads.length > 0) this.readLater.add(reads);
			return this.frame.fuel.piece(evaluate, this.frame);
		};
		const wait = this.block.ended(reads, scope);
		if (wait === null) return finish();
		const { trail } = this;
		if (trail === null) return wait.then(finish);
		const ended = trail.waitFor(reads.map((ref) => this.block.nameOf(ref)));
		return wait.finally(ended).then(finish);
	}
}

/** The value of an item that its condition has skipped, if its list counts those that succeed. */
export const skipped: unique symbol = Symbol("skipped");

/** A condition that is false or null skips its work. Any other value does not. */
export function isSkip(condition: unknown): boolean {
	return condition === false || condition === null;
}
