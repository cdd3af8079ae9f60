import type { EachConfig } from "../config/steps/common.ts";
import {
	asGatewayError,
	type ErrorFacts,
	GatewayError,
	inStep,
} from "../core/errors.ts";
import type { Frame } from "../expression/evaluate.ts";
import { readsOf } from "../expression/template.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import type { Semaphore } from "../tasks/semaphore.ts";
import { aborted } from "./aborted.ts";
import {
	inputsOf,
	itemFrameSize,
	itemSlots,
	type Layout,
	prepare,
} from "./layout.ts";
import type { ItemListener } from "./run.ts";
import { type Once, type Spot, skipped } from "./spot.ts";
import type { WorkContext } from "./work.ts";

/**
 * Carries out a step once per item, a bounded number at once, and gives the values in the order of the list. A value
 * that is no list, or a list that is too long, fails the whole step. `fallback` belongs to an item and does not catch
 * that; `optional` does. With `enough` both stand around the whole step.
 */
export function prepareEach(
	each: EachConfig,
	optional: boolean,
	{ layout, inList }: Pick<WorkContext, "layout" | "inList">,
	once: Once,
): Once {
	const listOf = prepareList(each, layout);
	return async (spot) => {
		const { fuel } = spot.frame;
		let items: readonly unknown[];
		try {
			const list = fuel.piece(listOf, spot.frame);
			items = list instanceof Promise ? await list : list;
		} catch (thrown) {
			if (!optional) throw thrown;
			const error = inStep(asGatewayError(thrown), spot.path);
			spot.note([{ step: spot.path, index: spot.index, error }]);
			spot.trail?.filled(error);
			return null;
		}
		fuel.hold(items.length * itemBytes);
		// In a list around it the step runs several times at once, and `parallel` bounds all its items together.
		const places = inList ? spot.run.placesOf(each) : null;
		return new Items(items, spot, once, places, each).carryOut();
	};
}

/** An item that has failed. */
interface Failing {
	readonly error: unknown;
	readonly spot: Spot;
}

/** The items of one list on their way. */
class Items {
	readonly #items: readonly unknown[];
	readonly #spot: Spot;
	readonly #once: Once;
	/** The places of the step in this run; null if the lines of this list are all there are. */
	readonly #places: Semaphore | null;
	/** Null if nobody wants an item before the list. */
	readonly #listener: ItemListener | null;
	readonly #scope: Scope;
	readonly #parallel: number;
	/** How many items must succeed; null if all must. */
	readonly #enough: number | null;
	readonly #values: unknown[];
	/** When the list began. */
	readonly #readyMs: number;
	#next = 0;
	/** The items that have succeeded. They are part of the answer when they are enough. */
	readonly #good: Spot[] = [];
	/** How many more items may fail or be skipped. */
	#spare: number;
	/** The item that failed last. */
	#failing: Failing | null = null;
	/** Whether no item counts any more: enough have succeeded, or too many have failed. */
	#over = false;
	#failure: Failing | null = null;

	constructor(
		items: readonly unknown[],
		spot: Spot,
		once: Once,
		places: Semaphore | null,
		{ parallel, enough }: EachConfig,
	) {
		this.#items = items;
		this.#spot = spot;
		this.#once = once;
		this.#places = places;
		const { items: listener } = spot.run;
		this.#listener = listener?.step === spot.path ? listener : null;
		this.#parallel = parallel;
		this.#enough = enough;
		this.#spare = enough === null ? 0 : items.length - enough;
		this.#scope = openScope({ parent: spot.scope });
		this.#readyMs = spot.trail === null ? 0 : this.#scope.clock.now();
		this.#values = new Array(items.length);
		// Not all of them get a value.
		if (enough !== null) this.#values.fill(null);
	}

	/**
	 * Fails with the item that failed last, which is the first one if all must succeed. The events of calls report the
	 * other failed items.
	 */
	async carryOut(): Promise<unknown[]> {
		const lines = Math.min(this.#items.length, this.#parallel);
		await Promise.all(Array.from({ length: lines }, () => this.#line()));
		if (this.#failure !== null) throw this.#failure.error;
		this.#scope.close();
		return this.#values;
	}

	/** Takes the next item when it has done one. */
	async #line(): Promise<void> {
		const places = this.#places;
		while (this.#next < this.#items.length && !this.#over) {
			const at = this.#next++;
			const placed =
				places !== null && (places.tryTake() || (await this.#take(places)));
			const spot = this.#spotOf(at);
			try {
				if (this.#over) return void spot.trail?.ended("never_begun");
				const value = await this.#once(spot);
				spot.trail?.ended("ok");
				if (this.#over) this.#left(spot);
				else this.#itemEnded(at, value, spot);
			} catch (error) {
				const end = this.#over ? "aborted" : "failed";
				spot.trail?.ended(end, asGatewayError(error));
				this.#left(spot);
				if (!this.#over) this.#itemFailed(error, spot);
			} finally {
				if (placed) places.give();
			}
		}
	}

	/** Without a place the scope is cancelled. Then an item calls nobody, but its fallback may still be wanted. */
	#take(places: Semaphore): Promise<boolean> {
		return places.take(this.#scope).then(
			() => true,
			() => false,
		);
	}

	#spotOf(at: number): Spot {
		const { frame } = this.#spot;
		frame.fuel.turn.spent += itemCost;
		const values = new Array(itemFrameSize).fill(null);
		values[itemSlots.item] = this.#items[at];
		values[itemSlots.index] = at;
		const own = { values, parent: frame, fuel: frame.fuel };
		// What the answer says of items that do not count would be chance.
		return this.#enough === null
			? this.#spot.at(at, own, this.#scope, this.#readyMs)
			: this.#spot.at(at, own, this.#scope, this.#readyMs, true);
	}

	/** The item is no part of the list that others have made, so what it has written is undone. */
	#left(spot: Spot): void {
		if (this.#enough !== null) spot.run.undo(spot);
	}

	#itemEnded(at: number, value: unknown, spot: Spot): void {
		if (value === skipped) {
			if (--this.#spare >= 0) return;
			const error = this.#skippedTooMany();
			return this.#fail(this.#failing ?? { error, spot });
		}
		this.#values[at] = value;
		this.#listener?.ended(at, value);
		if (this.#enough === null) return spot.itemEnded();
		this.#good.push(spot);
		if (this.#good.length < this.#enough) return;
		for (const one of this.#good) one.itemEnded();
		this.#end(aborted.enough);
	}

	#itemFailed(error: unknown, spot: Spot): void {
		this.#failing = { error, spot };
		if (--this.#spare < 0) this.#fail(this.#failing);
	}

	#fail(failing: Failing): void {
		failing.spot.itemFailed();
		this.#failure = failing;
		this.#end(aborted.besideFailed);
	}

	#end(why: GatewayError): void {
		this.#over = true;
		this.#scope.cancel(why);
	}

	#skippedTooMany(): GatewayError {
		const message = `so many items were skipped that fewer than ${this.#enough} can succeed (\`enough\`)`;
		return new GatewayError("reference_missing", message);
	}
}

/** The memory that an item takes besides its work, until all have ended. */
const itemBytes = 128;

/** The time that an item takes besides its work, in units of 100 ns. */
const itemCost = 20;

/** If the list comes from the client, it is the client's fault if it is no list, too long or too short. */
function prepareList(
	{ list: template, max, enough }: EachConfig,
	layout: Layout,
): (frame: Frame) => readonly unknown[] {
	const evaluate = prepare(template, layout);
	const source =
		template.kind === "whole" ? template.expression.source : "a list";
	const name = `\${${source}}`;
	const inputs = inputsOf(readsOf(template), layout);
	const status = inputs === null ? {} : { status: 400 };
	/** The client cannot know the bound otherwise. */
	const told = (count: number, bound: string): ErrorFacts => {
		const message = `makes a list of ${count} items, and ${bound}`;
		return inputs === null
			? {}
			: { status: 400, errors: inputs.map((at) => ({ at, message })) };
	};
	return (frame) => {
		const list = evaluate(frame);
		if (list === null) {
			const message = `${name} is null, not a list`;
			throw new GatewayError("reference_missing", message, status);
		}
		if (!Array.isArray(list)) {
			throw new GatewayError("step_failed", `${name} is not a list`);
		}
		if (list.length > max) {
			const message = `${name} has ${list.length} items, more than ${max}`;
			const facts = told(list.length, `at most ${max} may be`);
			throw new GatewayError("limit_exceeded", message, facts);
		}
		if (enough !== null && list.length < enough) {
			const message = `${name} has ${list.length} items, fewer than ${enough} (\`enough\`)`;
			const facts = told(list.length, `at least ${enough} must be`);
			throw new GatewayError("reference_missing", message, facts);
		}
		return list;
	};
}
