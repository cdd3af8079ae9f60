import { asGatewayError, type GatewayError } from "../core/errors.ts";
import type { Fuel } from "../expression/fuel.ts";
// Types only: a run knows who hears of its items.
import type { ItemListener } from "./run.ts";

interface ItemPartsOptions {
	/** The step that makes the list. */
	readonly step: string;
	readonly fuel: Fuel;
	/** The line of an item, or of the whole value if its place is null. */
	readonly print: (at: number | null, value: unknown) => string;
	readonly send: (lines: readonly string[]) => void;
	/** Whether the run has ended, so that nothing is sent any more but its end. */
	readonly isOver: () => boolean;
}

interface Item {
	readonly at: number;
	readonly value: unknown;
}

/** The items of an answer that is a list, each of which is sent as soon as it has ended. */
export class ItemParts implements ItemListener {
	readonly step: string;
	readonly #options: ItemPartsOptions;
	/** Those that have ended, in that order. They are let go together. */
	#ended: Item[] = [];
	/** The first of them that was not taken to be sent. */
	#next = 0;
	readonly #sent = new Set<number>();
	/** Whether items may be sent: the head is known, and no item has failed. */
	#open = false;
	#sending = false;
	/** It counts only if the steps end well. */
	#failure: GatewayError | null = null;

	constructor(options: ItemPartsOptions) {
		this.step = options.step;
		this.#options = options;
	}

	ended(at: number, value: unknown): void {
		this.#ended.push({ at, value });
		this.#sendOn();
	}

	/** From now on items are sent. */
	open(): void {
		this.#open = true;
		this.#sendOn();
	}

	#sendOn(): void {
		if (this.#sending) return;
		const { fuel } = this.#options;
		while (this.#open && this.#ended.length > 0) {
			const sent = fuel.piece(this.#sendSome, undefined);
			if (sent instanceof Promise) {
				this.#sending = true;
				void sent.then(() => {
					this.#sending = false;
					this.#sendOn();
				});
				return;
			}
		}
	}

	/** Sends what has ended, for as long as this turn of the event loop has time. */
	readonly #sendSome = (): void => {
		const { fuel, send, isOver } = this.#options;
		if (isOver()) this.#open = false;
		const lines: string[] = [];
		try {
			while (this.#open && this.#next < this.#ended.length) {
				lines.push(this.#lineOf(this.#ended[this.#next++] as Item));
				if (!fuel.turn.hasTimeFor()) break;
			}
		} catch (error) {
			this.#failure = asGatewayError(error);
			this.#open = false;
		}
		if (this.#next === this.#ended.length) {
			this.#ended = [];
			this.#next = 0;
		}
		if (lines.length > 0) send(lines);
	};

	#lineOf({ at, value }: Item): string {
		const line = this.#options.print(at, value);
		this.#options.fuel.turn.spent += itemCost + line.length * characterCost;
		this.#sent.add(at);
		return line;
	}

	/** The lines that are left when the list has ended. Throws if an item could not be made. */
	rest(value: unknown): string[] {
		if (this.#failure !== null) throw this.#failure;
		this.#open = false;
		if (!Array.isArray(value) || value.length === 0) {
			return [this.#options.print(null, value)];
		}
		return value.flatMap((item, at) =>
			this.#sent.has(at) ? [] : this.#lineOf({ at, value: item }),
		);
	}
}

/** The time that a line takes, in units of 100 ns, besides its characters: each takes 25 ns at most. */
const itemCost = 20;
const characterCost = 0.25;
