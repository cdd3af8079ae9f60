import type { EachConfig } from "../config/steps/common.ts";
import { asGatewayError, GatewayError, inStep } from "../core/errors.ts";
import type { Frame } from "../expression/evaluate.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import type { Semaphore } from "../tasks/semaphore.ts";
import { aborted } from "./aborted.ts";
import {
	itemFrameSize,
	itemSlots,
	type Layout,
	prepare,
	readsOnlyInput,
} from "./layout.ts";
import type { Once, Spot } from "./spot.ts";
import type { WorkContext } from "./work.ts";

/**
 * Carries out a step once per item, a bounded number at once, and gives the values in the order of the list. A value
 * that is no list, or a list that is too long, fails the whole step. `fallback` belongs to an item and does not catch
 * that; `optional` does.
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
			return null;
		}
		fuel.hold(items.length * itemBytes);
		// In a list around it the step runs several times at once, and `parallel` bounds all its items together.
		const places = inList ? spot.run.placesOf(each) : null;
		return new Items(items, spot, once, places).carryOut(each.parallel);
	};
}

/** The items of one list on their way. */
class Items {
	readonly #items: readonly unknown[];
	readonly #spot: Spot;
	readonly #once: Once;
	/** The places of the step in this run; null if the lines of this list are all there are. */
	readonly #places: Semaphore | null;
	readonly #scope: Scope;
	readonly #values: unknown[];
	#next = 0;
	#failure: { readonly error: unknown } | null = null;

	constructor(
		items: readonly unknown[],
		spot: Spot,
		once: Once,
		places: Semaphore | null,
	) {
		this.#items = items;
		this.#spot = spot;
		this.#once = once;
		this.#places = places;
		this.#scope = openScope({ parent: spot.scope });
		this.#values = new Array(items.length);
	}

	/** Fails with the first failed item. The events of calls report the other failed items. */
	async carryOut(parallel: number): Promise<unknown[]> {
		const lines = Math.min(this.#items.length, parallel);
		await Promise.all(Array.from({ length: lines }, () => this.#line()));
		if (this.#failure !== null) throw this.#failure.error;
		this.#scope.close();
		return this.#values;
	}

	/** Takes the next item when it has done one. */
	async #line(): Promise<void> {
		const places = this.#places;
		while (this.#next < this.#items.length && this.#failure === null) {
			const at = this.#next++;
			const placed =
				places !== null && (places.tryTake() || (await this.#take(places)));
			const spot = this.#spotOf(at);
			try {
				if (this.#failure !== null) return;
				this.#values[at] = await this.#once(spot);
				if (this.#failure === null) spot.itemEnded();
			} catch (error) {
				this.#fail(error, spot);
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
		return this.#spot.at(at, own, this.#scope);
	}

	#fail(error: unknown, spot: Spot): void {
		if (this.#failure !== null) return;
		this.#failure = { error };
		spot.itemFailed();
		this.#scope.cancel(aborted.besideFailed);
	}
}

/** The memory that an item takes besides its work, until all have ended. */
const itemBytes = 128;

/** The time that an item takes besides its work, in units of 100 ns. */
const itemCost = 20;

/** If the list comes from the client, it is the client's fault if it is no list, or too long. */
function prepareList(
	{ list: template, max }: EachConfig,
	layout: Layout,
): (frame: Frame) => readonly unknown[] {
	const evaluate = prepare(template, layout);
	const source =
		template.kind === "whole" ? template.expression.source : "a list";
	const name = `\${${source}}`;
	const status = readsOnlyInput(template, layout) ? { status: 400 } : {};
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
			throw new GatewayError("limit_exceeded", message, status);
		}
		return list;
	};
}
