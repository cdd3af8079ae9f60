import type { StepMark } from "../core/events.ts";
import type { StepRef } from "../plan/plan.ts";
import { type Holding, leastOf } from "./freshness.ts";

/** The step's name and number in its block. */
export interface StepName {
	readonly name: string;
	/** In the order written. */
	readonly index: number;
}

/** The part of a step that the account needs. */
interface AccountedStep extends StepName {
	/** Whether it is carried out once per item of a list. */
	readonly many: boolean;
	/** The steps of its block that it reads in any case, by index. */
	readonly readsFirst: readonly number[];
	/** Steps of the blocks around that it reads in any case. */
	readonly waitsOutside: readonly StepRef[];
}

interface AccountedBlock {
	readonly steps: readonly AccountedStep[];
	/** The steps that the whole block is made of, by index. */
	readonly made: readonly number[];
}

/** The steps that were read, by their index in each block: first the own block's, then those of the blocks around. */
export class Reads {
	readonly #byBlock: Set<number>[] = [];

	/** The steps of the own block. */
	get here(): ReadonlySet<number> {
		return this.#byBlock[0] ?? noSteps;
	}

	/** `inwards` is how many groups the reader stands inside the block of this record. */
	add(refs: readonly StepRef[], inwards = 0): void {
		for (const { up, index } of refs) {
			if (up >= inwards) this.#in(up - inwards).add(index);
		}
	}

	addAll(other: Reads, inwards = 0): void {
		other.#byBlock.slice(inwards).forEach((indexes, up) => {
			for (const index of indexes) this.#in(up).add(index);
		});
	}

	#in(up: number): Set<number> {
		while (this.#byBlock.length <= up) this.#byBlock.push(new Set());
		return this.#byBlock[up] as Set<number>;
	}
}

const noSteps: ReadonlySet<number> = new Set();

/** The record of one step. Most steps have none. */
class StepRecord {
	/** The steps that it has read after it started. */
	readLater: Reads | null = null;
	/** The marks that the answer has about it, if it is part of the answer. */
	readonly marks: StepMark[] = [];
	/** How long the answers of its calls are fresh; null if it has made no call, or if the route does not say. */
	holding: Holding | null = null;
}

/**
 * An account of what the steps of one block were made of: missing parts, stale values, and how long their answers are
 * fresh.
 */
export class Account {
	readonly #steps: readonly AccountedStep[];
	readonly #made: readonly number[];
	/** How many lists stand around the block. */
	readonly #depth: number;
	readonly #records: StepRecord[] = [];
	/** Whether any step has a mark. */
	#marked = false;

	constructor({ steps, made }: AccountedBlock, depth: number) {
		this.#steps = steps;
		this.#made = made;
		this.#depth = depth;
	}

	/** The steps that a step has read after it started. */
	readsOf({ index }: StepName): Reads {
		const record = this.#of(index);
		record.readLater ??= new Reads();
		return record.readLater;
	}

	/** Replaces the steps that a step has read after it started. */
	keepReads({ index }: StepName, reads: Reads | null): void {
		this.#of(index).readLater = reads;
	}

	/** Adds the steps around the block that these steps have read, or that the whole block is made of. */
	addReadsOutside(reads: Reads, steps = this.#made): void {
		for (const index of this.#readInFact(steps)) {
			reads.add(this.#steps[index]?.waitsOutside ?? [], 1);
			const later = this.#records[index]?.readLater;
			if (later) reads.addAll(later, 1);
		}
	}

	/**
	 * Notes failures for which a fallback, null or a stale answer fills in, which make the answer partial. Notes stale
	 * values, too.
	 */
	note({ index }: StepName, marks: readonly StepMark[]): void {
		if (marks.length === 0) return;
		this.#marked = true;
		this.#of(index).marks.push(...marks);
	}

	/** Notes how long the answers are fresh that a step is made of. */
	hold({ index }: StepName, holding: Holding | null): void {
		const record = this.#of(index);
		record.holding = leastOf(record.holding, holding);
	}

	#of(index: number): StepRecord {
		this.#records[index] ??= new StepRecord();
		return this.#records[index];
	}

	/** How long the answers are fresh that these steps, or the whole block, are made of; null if no call was made. */
	holding(steps = this.#made): Holding | null {
		let least: Holding | null = null;
		for (const index of this.#readInFact(steps)) {
			least = leastOf(least, this.#records[index]?.holding ?? null);
		}
		return least;
	}

	/**
	 * The missing parts and stale values of these steps, or of the whole block, in plan order, and items in list order.
	 */
	missing(steps = this.#made): readonly StepMark[] {
		if (!this.#marked) return none;
		const read = this.#readInFact(steps);
		return this.#records.flatMap((record, index) =>
			read.has(index) ? this.#inListOrder(record.marks, index) : [],
		);
	}

	/** If a step turned out not to be read, it is chance whether it had failed before it was dropped. */
	#readInFact(steps: readonly number[]): ReadonlySet<number> {
		const read = new Set(steps);
		// A walk over a set also visits members that are added meanwhile.
		for (const index of read) {
			for (const first of this.#steps[index]?.readsFirst ?? []) read.add(first);
			for (const later of this.#records[index]?.readLater?.here ?? []) {
				read.add(later);
			}
		}
		return read;
	}

	/** The step's own error, with `each` that of its first failed item, but not those of steps inside it. */
	codeOf({ index }: StepName, path: string): string | null {
		const own = this.#records[index]?.marks.filter(
			(one) => one.step === path && one.error !== null,
		);
		return this.#inListOrder(own ?? [], index)[0]?.error?.code ?? null;
	}

	/** Items note their marks as they end. Those of one item are in order: in a group step by step. */
	#inListOrder(marks: readonly StepMark[], step: number): readonly StepMark[] {
		if (!this.#steps[step]?.many) return marks;
		const itemOf = ({ index }: StepMark) => index[this.#depth] ?? 0;
		return marks.toSorted((a, b) => itemOf(a) - itemOf(b));
	}
}

const none: readonly StepMark[] = [];
