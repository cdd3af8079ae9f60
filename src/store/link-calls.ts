import type { StoreFault } from "../core/events.ts";
import type { Clock, Timer } from "../tasks/clock.ts";
import { type Link, StoreError, UnknownScript, type Word } from "./link.ts";

/** After so many late answers one after the other the store is slow, although it answers. */
const lateMax = 5;

/** A turn of the event loop that came so late may have kept an answer waiting. A call is given two more turns for it. */
const lateTurnMs = 5;
const lateTurnsMax = 2;

/** What a link tells its store. */
export interface LinkOwner {
	readonly clock: Clock;
	/** How long an answer may take. */
	readonly timeoutMs: number;
	/** How the calls of all links ended. */
	readonly counts: { answered: number; slow: number; failed: number };
	/** A call that was sent at this instant has ended. */
	ended(sentMs: number): void;
	/** It is not to be used any more. If it is sound, what else it answers can be believed. */
	failed(fault: StoreFault, isSound: boolean): void;
	/** Its connection has ended. */
	over(): void;
}

/** The calls on one link that wait for their answers. */
export class LinkCalls {
	readonly #link: Link;
	readonly #owner: LinkOwner;
	readonly #waiting = new Set<(error: StoreError) => void>();
	#heardMs: number;
	/** When the last call was made, or the link. */
	calledMs: number;
	#late = 0;
	#resting: Timer | null = null;
	#over = false;

	constructor(link: Link, owner: LinkOwner) {
		this.#link = link;
		this.#owner = owner;
		this.#heardMs = owner.clock.now();
		this.calledMs = this.#heardMs;
	}

	get size(): number {
		return this.#waiting.size;
	}

	/** `hasToKnow`: it waits for a late answer as long as others are answered, five times as long at most. */
	call<Value>(
		words: readonly Word[],
		read: (reply: unknown) => Value | null,
		hasToKnow: boolean,
	): Promise<Value> {
		const { clock, timeoutMs, counts } = this.#owner;
		const beganMs = clock.now();
		let sinceMs = beganMs;
		let waits = hasToKnow ? lateMax : 1;
		this.calledMs = beganMs;
		return new Promise<Value>((resolve, reject) => {
			/** Whether it was waited for until now. */
			const end = (counts = true) => {
				timer.cancel();
				const isFirst = this.#waiting.delete(fail);
				if (isFirst && counts) this.#owner.ended(beganMs);
				return isFirst;
			};
			const fail = (error: Error) => {
				if (!end()) return;
				counts.failed++;
				reject(error);
			};
			const onSlow = () => {
				if (!this.#waiting.has(fail)) return;
				const isSilent = this.#heardMs <= sinceMs;
				this.#late++;
				const isAway = isSilent || this.#late >= lateMax;
				if (!isAway && --waits > 0) {
					sinceMs = clock.now();
					timer = afterTurns(clock, timeoutMs, onSlow);
					return;
				}
				end();
				counts.slow++;
				reject(new StoreError("slow"));
				if (isAway || hasToKnow) this.#fail("slow", false);
				else this.#restIfIdle();
			};
			let timer = afterTurns(clock, timeoutMs, onSlow);
			this.#waiting.add(fail);
			this.#link.command(words).then(
				(reply) => {
					this.#heardMs = clock.now();
					if (!end()) return;
					this.#late = 0;
					const value = read(reply);
					if (value === null) {
						counts.failed++;
						reject(new StoreError("garbled"));
						return this.#fail("garbled", false);
					}
					counts.answered++;
					resolve(value);
					this.#restIfIdle();
				},
				(error: Error) => {
					this.#heardMs = clock.now();
					if (error instanceof UnknownScript) {
						if (end(false)) reject(error);
						return this.#restIfIdle();
					}
					fail(error);
					const { fault, undone } =
						error instanceof StoreError ? error : new StoreError("refused");
					this.#fail(fault, undone);
				},
			);
		});
	}

	/** An answer of the store's own says nothing of the calls behind it. */
	#fail(fault: StoreFault, isSound: boolean): void {
		if (this.#over) return;
		if (this.#resting === null) this.#owner.failed(fault, isSound);
		else if (isSound) this.#restIfIdle();
		else this.drop(fault);
	}

	/** Takes the answers that are on their way, for `timeoutMs` at most, and ends the connection. */
	rest(fault: StoreFault): void {
		const { clock, timeoutMs } = this.#owner;
		this.#resting = afterTurns(clock, timeoutMs, () => this.drop(fault));
		this.#restIfIdle();
	}

	#restIfIdle(): void {
		if (this.#resting !== null && this.#waiting.size === 0) this.drop("closed");
	}

	/** Ends the connection. Whoever waits for it goes on at once. */
	drop(fault: StoreFault): void {
		if (this.#over) return;
		this.#over = true;
		this.#resting?.cancel();
		this.#link.destroy();
		for (const fail of [...this.#waiting]) fail(new StoreError(fault));
		this.#owner.over();
	}
}

/**
 * As `after`, for what waits for an answer. A command is sent in one turn of the event loop, and its answer is read in another. If the loop is late, that is
 * not the fault of whoever answers.
 */
function afterTurns(clock: Clock, ms: number, fn: () => void): Timer {
	let over = false;
	let timer: Timer;
	const wait = (ms: number, turnsLeft: number) => {
		timer = clock.after(ms, () => {
			const late = clock.turnLateMs >= lateTurnMs;
			if (late && turnsLeft > 0) return wait(0, turnsLeft - 1);
			// What has come by now is read before the immediate.
			setImmediate(() => {
				if (!over) fn();
			});
		});
	};
	wait(ms, lateTurnsMax);
	return {
		cancel() {
			over = true;
			timer.cancel();
		},
	};
}

/** So many parts of the time must each have passed in a turn of its own. A connection needs fewer to be ready. */
const freeParts = 10;

/**
 * As `after`, for what takes several turns of the event loop, such as to connect. A turn that came late counts as if it had come in time, so a
 * loop that is busy takes nothing of the time.
 */
export function afterFreeMs(clock: Clock, ms: number, fn: () => void): Timer {
	const partMs = ms / freeParts;
	let timer: Timer;
	const wait = (parts: number) => {
		timer =
			parts > 1
				? clock.after(partMs, () => wait(parts - 1))
				: afterTurns(clock, partMs, fn);
	};
	wait(freeParts);
	return { cancel: () => timer.cancel() };
}
