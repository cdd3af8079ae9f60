import { LRUCache } from "lru-cache";
import type { Clock } from "../../tasks/clock.ts";
import { openScope, type Scope } from "../../tasks/scope.ts";
import { Waiters } from "../../tasks/waiters.ts";
import { whileWaiting } from "../waited.ts";
import type { Kept } from "./keeper.ts";

/**
 * How long nobody waits for another's answer after one that was not kept. If each request waited for the one before,
 * they would be asked one after another (RFC 9111, 4 asks for nothing of the kind).
 */
const aloneMs = 10_000;

/** Texts of what nobody waits for. Beyond it those asked longest ago are forgotten. */
const aloneCharactersMax = 1024 ** 2;

/** The means that misses take from their cache. */
export interface MissContext {
	readonly upstream: string;
	readonly clock: Clock;
	/** The upstream's lifetime, because an answer for which others wait outlives the request that asked for it. */
	readonly scope: Scope;
}

/** Lets those who miss the same answer at once wait for one of them, who asks for it. */
export class Misses {
	readonly #context: MissContext;
	readonly #running = new Map<string, Miss>();
	/** Until when those who miss an answer ask for it themselves. */
	readonly #alone = new LRUCache<string, number>({
		maxSize: aloneCharactersMax,
		sizeCalculation: (_, key) => key.length,
	});

	constructor(context: MissContext) {
		this.#context = context;
	}

	/** The same answer on its way. `begin` makes one; null if each is to ask for itself. */
	of(key: string): { running: Miss | null; begin: () => Miss } | null {
		const running = this.#running.get(key) ?? null;
		if (running === null && this.#isAlone(key)) return null;
		return { running, begin: () => this.#begin(key) };
	}

	#isAlone(key: string): boolean {
		const untilMs = this.#alone.get(key);
		return untilMs !== undefined && this.#context.clock.now() < untilMs;
	}

	#begin(key: string): Miss {
		const miss = new Miss(this.#context, (passing) => {
			this.#running.delete(key);
			if (passing) return void this.#alone.delete(key);
			this.#alone.set(key, this.#context.clock.now() + aloneMs);
		});
		this.#running.set(key, miss);
		return miss;
	}
}

/** An answer that is being asked for, and those who wait to be given it from the cache. */
export class Miss {
	/** The lifetime of the call. It goes on without the request that began it, if others wait. */
	readonly scope: Scope;
	/** Called when the first follower comes. */
	onFollowed: () => void = nothing;
	readonly #context: MissContext;
	readonly #onOver: (passing: boolean) => void;
	readonly #followers: Waiters<Kept | null>;
	#left: { readonly reason: unknown } | null = null;
	#over = false;

	constructor(context: MissContext, onOver: (passing: boolean) => void) {
		this.#context = context;
		this.#onOver = onOver;
		this.scope = openScope({ parent: context.scope });
		this.#followers = new Waiters(() => this.#giveUp());
	}

	get followed(): boolean {
		return this.#followers.size > 0;
	}

	/** Whether the request that began it is gone. */
	get left(): boolean {
		return this.#left !== null;
	}

	/**
	 * Waits until it is over. Gives the answer that was kept, which may be of no use and gone from the cache by then. Null
	 * if it has to be looked for there.
	 */
	async follow(scope: Scope): Promise<Kept | null> {
		const { clock, upstream } = this.#context;
		const sinceMs = clock.now();
		const over = this.#followers.wait(scope, undefined);
		if (this.#followers.size === 1) this.onFollowed();
		try {
			return await over;
		} catch (reason) {
			const what = `the answer of ${upstream} to another request`;
			throw whileWaiting(reason, clock.now() - sinceMs, what, upstream);
		}
	}

	/** The request that began it has gone. If nobody waits, its call ends, too. */
	leave(reason: unknown): void {
		this.#left ??= { reason };
		this.#giveUp();
	}

	#giveUp(): void {
		if (this.#left === null || this.followed) return;
		this.end(true);
		this.scope.cancel(this.#left.reason);
	}

	/**
	 * Lets those who wait go on, with the answer if it is `kept`. If not `passing`, the answer is of a kind that is not kept,
	 * and for a while nobody waits for one like it.
	 */
	end(passing: boolean, kept: Kept | null = null): void {
		if (this.#over) return;
		this.#over = true;
		this.#onOver(passing);
		for (let one = this.#followers.shift(); one; ) {
			one.resolve(kept);
			one = this.#followers.shift();
		}
		this.#giveUp();
	}
}

function nothing(): void {}
