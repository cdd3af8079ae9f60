import type { Newest, Read } from "../store/channel-replies.ts";
import {
	leaseMs,
	type Place,
	type SharedChannels,
	type Topic,
	type TopicHearer,
} from "../store/shared-channels.ts";
import type { Timer } from "../tasks/clock.ts";
import type { Instance } from "./channel-instance.ts";
import type { MessageId } from "./channel-numbering.ts";
import { takeIn } from "./take-in.ts";

/** How long somebody who comes waits for the store's word of an instance that this gateway does not know yet. */
const settleMsMax = 250;

/** The number of listeners is told so much later, because they come and go together. */
const countMs = 100;

/** If the store is there and yet does not say how an instance is, it is asked again after so long. */
const againMs = 1_000;

/** More changes of who is there are not kept while the list is asked for. It is asked for again. */
const changesMax = 1_000;

/**
 * The part of this gateway in an instance that others share. The store's log is the truth, and what it tells is the sign to look. While the store is
 * away the instance goes on by itself. When it is back, each listener hears what it lacks, and where that cannot be known that something is lost.
 */
export class SharedInstance implements TopicHearer {
	readonly #shared: SharedChannels;
	readonly #topic: Topic;
	readonly #instance: Instance;
	readonly #onNews: () => void;
	readonly #stopHearing: () => void;
	/** How much is to be asked for: nothing, messages, or all. */
	#lacks: "nothing" | "messages" | "all" = "all";
	#asking: Promise<void> | null = null;
	#again: Timer | null = null;
	/** Who came and who left while the list is asked for. */
	#changes: [isThere: boolean, change: number, member: string][] | null = null;
	/** Members that have come to this gateway or left it, which the store does not know yet. */
	readonly #moved = new Set<string>();
	#counting: Timer | null = null;
	#isCounting = false;
	#counted = 0;
	#forgetting: Timer | null = null;
	#closed = false;

	/** `onNews` is called when there are messages, or something is lost. */
	constructor(
		shared: SharedChannels,
		topic: Topic,
		instance: Instance,
		onNews: () => void,
	) {
		this.#shared = shared;
		this.#topic = topic;
		this.#instance = instance;
		this.#onNews = onNews;
		instance.isSettled = false;
		instance.pausesGaps = true;
		const { presence } = instance;
		if (presence !== null) {
			const of = this;
			presence.sharing = {
				get decidesWhoLeft() {
					return shared.store.reachable && instance.isSettled;
				},
				changed: (member) => of.#memberMoved(member),
			};
		}
		this.#stopHearing = shared.hear(topic, this);
		if (shared.store.reachable) void this.#ask();
		else this.away();
	}

	get hasMembers(): boolean {
		return (this.#instance.presence?.size ?? 0) > 0;
	}

	/** Waits until it is known what there is after this id: for a while, and not at all without the store. Null if it is known. */
	ready(after: MessageId | "latest" | null): Promise<void> | null {
		const instance = this.#instance;
		if (!this.#shared.store.reachable) return null;
		if (instance.isShort) this.#lack("all");
		else if (instance.isSettled && after !== null && after !== "latest") {
			// Another gateway may have told it what has not come here yet.
			const { kind } = instance.numbering.find(after, true);
			if (kind !== "known") this.#lack("messages");
		}
		if (instance.isSettled && this.#lacks === "nothing") return null;
		const { promise, resolve } = Promise.withResolvers<void>();
		const timer = this.#shared.store.clock.after(settleMsMax, resolve);
		void this.#ask().then(resolve);
		return promise.finally(() => timer.cancel());
	}

	/** A message of this gateway's own is in the store. */
	said({ epoch, offset }: Newest, json: string): void {
		this.message(epoch, offset, json);
	}

	message(epoch: string, offset: number, json: string): void {
		const { numbering, isSettled } = this.#instance;
		const isSame = epoch === numbering.newest.name;
		if (isSettled && isSame && offset <= numbering.last) return;
		if (!isSettled || !isSame || offset > numbering.last + 1) {
			return this.#look("messages");
		}
		this.#instance.add(numbering.next(), json, 0);
		this.#instance.audience.wakeAll();
		this.#onNews();
	}

	member(isThere: boolean, change: number, member: string): void {
		const { presence } = this.#instance;
		if (presence === null) return;
		if (this.#changes !== null) {
			if (this.#changes.push([isThere, change, member]) > changesMax) {
				this.#changes.length = 0;
				this.#lack("all");
			}
		} else if (isThere) presence.joined(member);
		else presence.left(member);
	}

	changed(): void {
		this.#look("messages");
	}

	forgotten(): void {
		this.#look("all");
	}

	newest({ epoch, offset }: Newest): void {
		const { numbering, isSettled } = this.#instance;
		const { newest, last } = numbering;
		if (isSettled && epoch === newest.name && offset <= last) return;
		this.#look("messages");
	}

	up(): void {
		this.#forgetting?.cancel();
		this.#look("all");
	}

	away(): void {
		this.#instance.isSettled = false;
		this.#lacks = "all";
		this.#again?.cancel();
		this.#again = null;
		this.#forgetting?.cancel();
		// By then the others count those of this gateway as gone, too.
		this.#forgetting = this.#shared.store.clock.aside(leaseMs, () =>
			this.#instance.presence?.forgetOthers(),
		);
	}

	/** The number of listeners is another, perhaps. */
	listenersChanged(): void {
		if (this.#instance.listeners === this.#counted) return;
		this.#counting ??= this.#shared.store.clock.aside(countMs, () => {
			this.#counting = null;
			void this.#count();
		});
	}

	#memberMoved(member: string): void {
		this.#moved.add(member);
		// All of this turn together.
		if (this.#moved.size === 1) setImmediate(() => void this.#count());
	}

	#lack(what: "messages" | "all"): void {
		if (this.#lacks !== "all") this.#lacks = what;
	}

	#look(what: "messages" | "all"): void {
		this.#lack(what);
		void this.#ask();
	}

	/** Resolves when it is known what there is, or when the store does not say it. */
	#ask(): Promise<void> {
		this.#asking ??= this.#askAll().finally(() => {
			this.#asking = null;
			// Whoever came or went meanwhile.
			void this.#count();
		});
		return this.#asking;
	}

	async #askAll(): Promise<void> {
		try {
			while (this.#lacks !== "nothing" && !this.#closed) {
				if (this.#lacks === "all") await this.#join();
				else await this.#read();
			}
		} catch {
			this.#lack("messages");
			this.#againSoon();
		}
	}

	/** If the store is away, it says itself when it is back. */
	#againSoon(): void {
		if (this.#closed || !this.#shared.store.reachable) return;
		this.#again?.cancel();
		const { clock } = this.#shared.store;
		this.#again = clock.aside(againMs, () => {
			this.#again = null;
			void this.#ask();
		});
	}

	async #join(): Promise<void> {
		const { presence, numbering, listeners } = this.#instance;
		this.#lacks = "nothing";
		this.#changes = [];
		this.#moved.clear();
		try {
			const snapshot = await this.#shared.join(this.#topic, this.#place, {
				...{ listeners, members: presence?.here ?? [] },
				saidApart: numbering.saidApart,
			});
			this.#counted = listeners;
			await this.#takeIn(snapshot);
			if (this.#closed) return;
			presence?.adopt(snapshot.members, snapshot.memberCount);
			for (const [isThere, change, member] of this.#changes) {
				if (change <= snapshot.changes) continue;
				if (isThere) presence?.joined(member);
				else presence?.left(member);
			}
		} catch (error) {
			this.#lacks = "all";
			throw error;
		} finally {
			this.#changes = null;
		}
	}

	async #read(): Promise<void> {
		this.#lacks = "nothing";
		await this.#takeIn(await this.#shared.read(this.#topic, this.#place));
	}

	/** From here on it is asked for more. */
	get #place(): Place {
		const { isShort, numbering } = this.#instance;
		return isShort
			? { epoch: "", offset: 0 }
			: { epoch: numbering.newest.name, offset: numbering.lastShared };
	}

	/** Takes what was read into the instance, with what did not fit into one answer of the store. */
	async #takeIn(first: Read): Promise<void> {
		const { epochs } = first;
		const newest = epochs.at(-1)?.name as string;
		const messages = [...first.messages];
		let { isAll, lastOffset } = first;
		while (!isAll && !this.#closed) {
			const offset = messages.at(-1)?.offset ?? lastOffset;
			const place = { epoch: newest, offset };
			const more = await this.#shared.read(this.#topic, place);
			// What was read before may belong to something else now.
			if (more.epochs.at(-1)?.name !== newest) return this.#lack("messages");
			messages.push(...more.messages);
			({ isAll, lastOffset } = more);
		}
		if (this.#closed || !this.#shared.store.reachable) return;
		if (takeIn(this.#instance, { epochs, lastOffset, messages })) {
			this.#onNews();
		}
	}

	/** Tells the store how many listen here, and who has come and gone. */
	async #count(): Promise<void> {
		const { listeners, presence } = this.#instance;
		const moved = [...this.#moved];
		if (moved.length === 0 && listeners === this.#counted) return;
		if (this.#closed || this.#isCounting || this.#asking !== null) return;
		if (this.#lacks !== "nothing" || !this.#shared.store.reachable) return;
		this.#isCounting = true;
		this.#moved.clear();
		const changes = moved.map((member) =>
			presence?.has(member) === true ? `+${member}` : `-${member}`,
		);
		try {
			const { epoch } = await this.#shared.count(
				...[this.#topic, listeners, changes],
			);
			this.#counted = listeners;
			if (epoch !== this.#instance.numbering.newest.name) this.#lack("all");
		} catch {
			this.#lack("all");
			this.#againSoon();
		}
		this.#isCounting = false;
		if (this.#lacks === "nothing") void this.#count();
		else if (this.#again === null) void this.#ask();
	}

	close(): void {
		this.#closed = true;
		this.#again?.cancel();
		this.#counting?.cancel();
		this.#forgetting?.cancel();
		this.#stopHearing();
	}
}
