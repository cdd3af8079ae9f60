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

/**
 * The items of an answer that is a list, each of which is sent as soon as it has ended. However many there are, they are
 * sent in pieces of computing, so that others have their turn.
 */
export class ItemParts implements ItemListener {
	readonly step: string;
	readonly #options: ItemPartsOptions;
	/** Those that have ended, in that order. They are let go together. */
	#ended: Item[] = [];
	/** The first of them that was not taken to be sent. */
	#next = 0;
	/** The whole list, once it has ended; null before that. */
	#list: readonly unknown[] | null = null;
	/** The first item of the list that was not looked at since it has ended. */
	#nextOfList = 0;
	readonly #sent = new Set<number>();
	/** Whether items may be sent: the head is known, and no item has failed. */
	#open = false;
	#sending = false;
	#onSent: () => void = () => {};
	/** It counts only if the steps end well. */
	failure: GatewayError | null = null;

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

	/** The list has ended, so all the others can be sent. An empty one, or what stands for it, is one line. */
	close(value: unknown): void {
		if (this.#list !== null || this.failure !== null) return;
		this.#list = [];
		if (Array.isArray(value) && value.length > 0) this.#list = value;
		else
			this.#try(() => this.#options.send([this.#options.print(null, value)]));
		this.open();
	}

	/** Calls back when all are sent that the list has, or when one has failed. If the run ends before, never. */
	whenSent(then: () => void): void {
		this.#onSent = then;
		if (!this.#sending && this.#isDone()) then();
	}

	#isDone(): boolean {
		if (this.failure !== null) return true;
		return this.#list !== null && this.#nextOfList === this.#list.length;
	}

	#sendOn(): void {
		if (this.#sending || !this.#open) return;
		const { fuel } = this.#options;
		while (this.#hasMore()) {
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
		if (this.#isDone()) this.#onSent();
	}

	#hasMore(): boolean {
		if (this.failure !== null || this.#options.isOver()) return false;
		if (this.#next < this.#ended.length) return true;
		return this.#list !== null && this.#nextOfList < this.#list.length;
	}

	/** Sends what has ended, for as long as this turn of the event loop has time. */
	readonly #sendSome = (): void => {
		const { fuel, send } = this.#options;
		const lines: string[] = [];
		this.#try(() => {
			while (this.#hasMore()) {
				const line = this.#lineOf(this.#take());
				if (line !== null) lines.push(line);
				if (!fuel.turn.hasTimeFor()) break;
			}
		});
		if (lines.length > 0) send(lines);
	};

	/** Those that ended first, and then what is left of the list. */
	#take(): Item {
		const item = this.#ended[this.#next];
		if (item === undefined) {
			const at = this.#nextOfList++;
			return { at, value: this.#list?.[at] };
		}
		this.#next++;
		if (this.#next === this.#ended.length) {
			this.#ended = [];
			this.#next = 0;
		}
		return item;
	}

	/** Null if it was sent before. */
	#lineOf({ at, value }: Item): string | null {
		const { fuel, print } = this.#options;
		if (this.#sent.has(at)) return null;
		const line = print(at, value);
		fuel.turn.spent += itemCost + line.length * characterCost;
		this.#sent.add(at);
		return line;
	}

	#try(send: () => void): void {
		try {
			send();
		} catch (error) {
			this.failure = asGatewayError(error);
		}
	}
}

/** The time that a line takes, in units of 100 ns, besides its characters: each takes 25 ns at most. */
const itemCost = 20;
const characterCost = 0.25;
