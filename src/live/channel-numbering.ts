import type { Epoch } from "../store/channel-replies.ts";

/** What a client comes back with: the id of the last message that it has. */
export interface MessageId {
	readonly epoch: string;
	readonly offset: number;
	/** What it has heard since of gateways that were without their store. */
	readonly apart: readonly Apart[];
	/** Of whoever polls: the mark of the list of members that it has; null if it has none. */
	readonly membersMark: string | null;
	/** Where the client gave it, as a fault names it. */
	readonly at: string;
}

/** A row of messages of one gateway without its store. */
interface Apart {
	readonly epoch: string;
	readonly offset: number;
}

/** `<epoch>-<offset>`, then `~<epoch>-<offset>` of each gateway without its store, and then `.<mark>` of the answer to a poll. */
const pattern =
	/^([0-9a-z]{1,32})-(\d{1,15})((?:~[0-9a-z]{1,32}-\d{1,15}){0,8})(?:\.([0-9a-f]{8}))?$/;

/** Null for a text that is no id. */
export function readMessageId(text: string, at: string): MessageId | null {
	const [, epoch, offset, others = "", mark = null] = pattern.exec(text) ?? [];
	if (epoch === undefined) return null;
	const apart = others
		.split("~")
		.slice(1)
		.map((one): Apart => {
			const [epoch = "", count] = one.split("-");
			return { epoch, offset: Number(count) };
		});
	return { epoch, offset: Number(offset), apart, membersMark: mark, at };
}

/** The id without what it says of some gateway. If it says too much, the oldest is left out. */
function printPlace(
	{ epoch, offset, apart }: MessageId,
	without: string,
): string {
	const others = apart.filter((one) => one.epoch !== without).slice(-7);
	return [{ epoch, offset }, ...others]
		.map((one) => `${one.epoch}-${one.offset}`)
		.join("~");
}

/** Where a client is among the messages. */
export type Found =
	/** It has heard up to this offset, and if it is not `exact` perhaps lacks something. */
	| {
			readonly kind: "known";
			readonly offset: number;
			readonly exact: boolean;
	  }
	/** It has heard what this gateway says without its store up to this offset, and comes from `base`: null for where the gateway was itself. */
	| {
			readonly kind: "apart";
			readonly offset: number;
			readonly base: string | null;
	  }
	/** Behind the last message, although its epoch goes on. */
	| { readonly kind: "ahead" }
	| { readonly kind: "unknown" };

/**
 * How the messages of an instance are called. They have offsets from 1 on. The id of one is the epoch that it was said in and its offset. Messages that a gateway says
 * without its store come after the last that it had heard from there, and have a second epoch and a number in it.
 */
export class Numbering {
	/** The oldest first. Empty if nothing was heard of the store yet. */
	#epochs: readonly Epoch[];
	#last = 0;
	#apart: { readonly epoch: string; readonly after: number } | null = null;

	constructor(epochs: readonly Epoch[]) {
		this.#epochs = epochs;
	}

	get last(): number {
		return this.#last;
	}

	/** The last offset that comes from the store. */
	get lastShared(): number {
		return this.#apart?.after ?? this.#last;
	}

	/** Whether the gateway has said something that the store does not have. */
	get saidApart(): boolean {
		return this.#last > this.lastShared;
	}

	/** Its name is empty if nothing was heard of the store yet. */
	get newest(): Epoch {
		return this.#epochs.at(-1) ?? { name: "", from: 1 };
	}

	/** From now on messages are not those of the store. */
	part(epoch: string): void {
		this.#apart ??= { epoch, after: this.#last };
	}

	/** The offset of a new message. */
	next(): number {
		this.#last++;
		return this.#last;
	}

	/** The epochs that the store has now, and the last offset up to which both are the same. */
	adopt(epochs: readonly Epoch[], last: number): void {
		this.#epochs = epochs;
		this.#last = last;
		this.#apart = null;
	}

	skipTo(last: number): void {
		this.#last = last;
	}

	/**
	 * Up to which offset the store has the same messages; null if none of the epochs is the same. An epoch that goes on never goes back: what the store says
	 * may be older than what it has told since.
	 */
	commonWith(epochs: readonly Epoch[], last: number): number | null {
		const { name } = this.newest;
		const at = epochs.findIndex((epoch) => epoch.name === name);
		if (at < 0) return null;
		if (at === epochs.length - 1) return this.lastShared;
		return Math.min(this.lastShared, endOf(epochs, at, last));
	}

	/** The epoch in which a message was said. */
	epochAt(offset: number): Epoch {
		return this.#epochs.findLast(({ from }) => from <= offset) ?? this.newest;
	}

	/** The epochs that begin after this one, the oldest first. */
	epochsAfter(name: string): readonly Epoch[] {
		const at = this.#epochs.findIndex((epoch) => epoch.name === name);
		return this.#epochs.slice(at + 1);
	}

	/** The id of a message. */
	idOf(offset: number): string {
		if (this.#apart !== null && offset > this.#apart.after) {
			return this.#apartId(offset, null);
		}
		return `${this.epochAt(offset).name}-${offset}`;
	}

	/** The id for one who has heard all up to this offset, and knows of each epoch that has begun by then. */
	placeOf(offset: number): string {
		if (this.#apart !== null && offset >= this.lastShared) {
			return this.#apartId(offset, null);
		}
		const { name } = this.epochAt(offset + 1);
		return `${name}-${offset}`;
	}

	/** The id of a message that was said without the store, for one who comes from another place than the gateway had heard of. */
	apartId(offset: number, base: string | null): string {
		return this.#apartId(offset, base);
	}

	#apartId(offset: number, base: string | null): string {
		const { epoch, after } = this.#apart as { epoch: string; after: number };
		const own = `${epoch}-${offset - after}`;
		const from = base ?? this.#base;
		return from === "" ? own : `${from}~${own}`;
	}

	get #base(): string {
		const { name } = this.newest;
		return name === "" ? "" : `${name}-${this.lastShared}`;
	}

	/** `isSettled`: the store says that this is all that there is. */
	find(id: MessageId, isSettled: boolean): Found {
		const apart = this.#findApart(id);
		if (apart !== null) return apart;
		const at = this.#epochs.findIndex(({ name }) => name === id.epoch);
		if (at < 0) return { kind: "unknown" };
		const isNewest = at === this.#epochs.length - 1;
		const end = endOf(this.#epochs, at, this.lastShared);
		if (id.offset > end && (isNewest || !isSettled)) return { kind: "ahead" };
		const offset = Math.min(id.offset, end);
		// One who has heard a gateway alone perhaps lacks what that has said since.
		const exact = isNewest && id.apart.every((one) => one.offset === 0);
		return { kind: "known", offset, exact };
	}

	/** From where one comes who has not heard this gateway alone; null for where the gateway was itself. */
	baseOf(id: MessageId): string | null {
		const base = printPlace(id, this.#apart?.epoch ?? "");
		return base === this.#base ? null : base;
	}

	/** One who has heard what this gateway says without its store. */
	#findApart(id: MessageId): Found | null {
		if (this.#apart === null) return null;
		const { epoch, after } = this.#apart;
		const own = [id, ...id.apart].find((one) => one.epoch === epoch);
		if (own === undefined) return null;
		if (own.offset > this.#last - after) return { kind: "ahead" };
		const base = own === id ? "" : printPlace(id, epoch);
		return {
			...{ kind: "apart", offset: after + own.offset },
			base: base === this.#base ? null : base,
		};
	}
}

/** The last offset of an epoch. */
function endOf(epochs: readonly Epoch[], at: number, last: number): number {
	const next = epochs[at + 1];
	return next === undefined ? last : next.from - 1;
}
