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

/** Who is there, in one instance. A member is its JSON: several listeners with the same are one. */
export class Presence {
	readonly #clock: Clock;
	readonly #members = new Map<string, Member>();
	readonly #onLeft: (member: string) => void;
	#told: string | null = null;
	#mark: string | null = null;

	/** `onLeft` is called when the last listener of a member has gone. */
	constructor(clock: Clock, onLeft: (member: string) => void) {
		this.#clock = clock;
		this.#onLeft = onLeft;
	}

	get size(): number {
		return this.#members.size;
	}

	has(member: string): boolean {
		return this.#members.has(member);
	}

	/** Returns whether it was not there before. */
	enter(member: string): boolean {
		const known = this.#members.get(member);
		if (known !== undefined) {
			known.connections++;
			known.leaving?.cancel();
			known.leaving = null;
			return false;
		}
		this.#members.set(member, { connections: 1, leaving: null });
		this.#changed();
		return true;
	}

	/** One of its listeners has gone: for good, or it is expected to ask again. */
	leave(member: string, asksAgain: boolean): void {
		const known = this.#members.get(member);
		if (known === undefined) return;
		known.connections--;
		if (known.connections > 0) return;
		const gone = () => this.#gone(member);
		if (asksAgain) known.leaving = this.#clock.aside(awayMs, gone);
		else gone();
	}

	#gone(member: string): void {
		this.#members.delete(member);
		this.#changed();
		this.#onLeft(member);
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

	/** Eight hex digits that are others when the list is another. */
	get mark(): string {
		this.#mark ??= crypto.hash("sha1", this.told).slice(0, 8);
		return this.#mark;
	}

	#print(): string {
		const members: string[] = [];
		let bytes = 0;
		for (const member of this.#members.keys()) {
			bytes += member.length;
			if (bytes > toldBytesMax) break;
			members.push(member);
		}
		const more = this.#members.size - members.length;
		return `"members":[${members.join()}]${more > 0 ? `,"more":${more}` : ""}`;
	}

	/** Nobody is told any more. */
	close(): void {
		for (const { leaving } of this.#members.values()) leaving?.cancel();
		this.#members.clear();
	}
}
