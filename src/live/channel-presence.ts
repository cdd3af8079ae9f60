import crypto from "node:crypto";
import type { Clock, Timer } from "../tasks/clock.ts";

/** How long somebody who asks again and again counts as there after an answer. */
const awayMs = 10_000;

/** The longest list of members that somebody who comes is told. */
const toldBytesMax = 32 * 1024;

interface Member {
	/** How many listeners are this member. */
	connections: number;
	/** Set while it has none, and is expected to ask again. */
	leaving: Timer | null;
}

/** Who shares the list with other gateways. */
export interface PresenceSharing {
	/** Whether one that leaves here is taken off the list by the others' word, because it may be there, too. */
	readonly decidesWhoLeft: boolean;
	/** A member came to this gateway, or left it. */
	changed(member: string): void;
}

/** Who is there, in one instance. A member is its JSON: several listeners with the same are one. */
export class Presence {
	readonly #clock: Clock;
	/** Those of this gateway. */
	readonly #here = new Map<string, Member>();
	/** All. */
	#listed = new Set<string>();
	/** How many are there besides, because they are too many to be listed. */
	#unlisted = 0;
	readonly #tell: (kind: "joined" | "left", member: string) => void;
	#told: string | null = null;
	#mark: string | null = null;
	sharing: PresenceSharing | null = null;

	/** `tell` is called when a member comes, and when its last listener has gone. */
	constructor(
		clock: Clock,
		tell: (kind: "joined" | "left", member: string) => void,
	) {
		this.#clock = clock;
		this.#tell = tell;
	}

	/** How many are there in this gateway. */
	get size(): number {
		return this.#here.size;
	}

	/** Those of this gateway. */
	get here(): readonly string[] {
		return [...this.#here.keys()];
	}

	/** Whether it is there in this gateway. */
	has(member: string): boolean {
		return this.#here.has(member);
	}

	/** Returns whether it was not there before, anywhere. */
	enter(member: string): boolean {
		const known = this.#here.get(member);
		if (known !== undefined) {
			known.connections++;
			known.leaving?.cancel();
			known.leaving = null;
			return false;
		}
		this.#here.set(member, { connections: 1, leaving: null });
		this.sharing?.changed(member);
		return this.joined(member);
	}

	/** One of its listeners has gone: for good, or it is expected to ask again. */
	leave(member: string, asksAgain: boolean): void {
		const known = this.#here.get(member);
		if (known === undefined) return;
		known.connections--;
		if (known.connections > 0) return;
		const gone = () => this.#gone(member);
		if (asksAgain) known.leaving = this.#clock.aside(awayMs, gone);
		else gone();
	}

	#gone(member: string): void {
		this.#here.delete(member);
		this.sharing?.changed(member);
		if (this.sharing?.decidesWhoLeft !== true) this.left(member);
	}

	/** A member is there. Returns whether that is news. */
	joined(member: string): boolean {
		if (this.#listed.has(member)) return false;
		this.#listed.add(member);
		this.#changed();
		this.#tell("joined", member);
		return true;
	}

	/** A member is nowhere any more. */
	left(member: string): void {
		if (this.#listed.delete(member)) this.#tell("left", member);
		else if (this.#unlisted > 0) this.#unlisted--;
		this.#changed();
	}

	/** Who is there in all gateways. What is another is told. Who has just come here is perhaps not among them yet. */
	adopt(members: readonly string[], count: number): void {
		const before = this.#listed;
		const wereAll = this.#unlisted === 0;
		this.#listed = new Set([...members, ...this.#here.keys()]);
		this.#unlisted = count - members.length;
		this.#changed();
		// Of lists that are not whole nobody knows who has come and gone.
		if (!wereAll || this.#unlisted > 0) return;
		for (const member of before) {
			if (!this.#listed.has(member)) this.#tell("left", member);
		}
		for (const member of this.#listed) {
			if (!before.has(member)) this.#tell("joined", member);
		}
	}

	/** Those of other gateways count as there no more. */
	forgetOthers(): void {
		this.#unlisted = 0;
		for (const member of [...this.#listed]) {
			if (!this.#here.has(member)) this.left(member);
		}
	}

	#changed(): void {
		this.#told = null;
		this.#mark = null;
	}

	/** The list as members of JSON: `"members":[…]`, and `"more":7` if they are too many to be told. */
	get told(): string {
		this.#told ??= this.#print();
		return this.#told;
	}

	/** Eight hex digits that are others when other members are there. Gateways may list the same in another order. */
	get mark(): string {
		this.#mark ??= crypto
			.hash("sha1", [...this.#listed].toSorted().join("\n"))
			.slice(0, 8);
		return this.#mark;
	}

	#print(): string {
		const members: string[] = [];
		let bytes = 0;
		for (const member of this.#listed) {
			bytes += member.length;
			if (bytes > toldBytesMax) break;
			members.push(member);
		}
		const more = this.#listed.size + this.#unlisted - members.length;
		return `"members":[${members.join()}]${more > 0 ? `,"more":${more}` : ""}`;
	}

	/** Nobody is told any more. */
	close(): void {
		for (const { leaving } of this.#here.values()) leaving?.cancel();
		this.#here.clear();
		this.#listed.clear();
	}
}
