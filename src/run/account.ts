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
	/** The steps of its block that it reads in any case, by index. */
	readonly readsFirst: readonly number[];
}

interface AccountedBlock {
	readonly steps: readonly AccountedStep[];
	/** The steps that the whole block is made of, by index. */
	readonly made: readonly number[];
}

/** The record of one step. Most steps have none. */
class StepRecord {
	/** The steps that it has read after it started. */
	readonly readLater = new Set<number>();
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
	readonly #records: StepRecord[] = [];
	/** Whether any step has a mark. */
	#marked = false;

	constructor({ steps, made }: AccountedBlock) {
		this.#steps = steps;
		this.#made = made;
	}

	/** Notes steps that a step reads only after it has started. Steps around the block are in accounts of their own. */
	noteReads({ index }: StepName, refs: readonly StepRef[]): void {
		for (const ref of refs) {
			if (ref.up === 0) this.#of(index).readLater.add(ref.index);
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
			read.has(index) ? record.marks.toSorted(byIndex) : [],
		);
	}

	/** If a step turned out not to be read, it is chance whether it had failed before it was dropped. */
	#readInFact(steps: readonly number[]): ReadonlySet<number> {
		const read = new Set(steps);
		// A walk over a set also visits members that are added meanwhile.
		for (const index of read) {
			for (const first of this.#steps[index]?.readsFirst ?? []) read.add(first);
			for (const later of this.#records[index]?.readLater ?? []) {
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
		return own?.toSorted(byIndex)[0]?.error?.code ?? null;
	}
}

const none: readonly StepMark[] = [];

function byIndex(a: StepMark, b: StepMark): number {
	const at = a.index.findIndex(
		(position, depth) => position !== b.index[depth],
	);
	return at < 0 ? 0 : (a.index[at] ?? 0) - (b.index[at] ?? 0);
}
