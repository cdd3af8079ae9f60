import {
	raise,
	type StoreCalled,
	type StoreChanged,
	type StoreFault,
	storeFaults,
} from "../core/events.ts";
import type { Clock, Timer } from "../tasks/clock.ts";
import {
	type Link,
	type OpenLink,
	StoreError,
	UnknownScript,
	type Word,
} from "./link.ts";
import { afterFreeMs, LinkCalls } from "./link-calls.ts";

export interface StoreOptions {
	/** Every key begins with it. */
	readonly prefix: string;
	/** How long an answer may take. */
	readonly timeoutMs: number;
}

/** The means that a store takes from its gateway. */
export interface StoreContext {
	readonly clock: Clock;
	readonly changed: readonly ((event: StoreChanged) => void)[];
	/** Default: nobody wants to know. */
	readonly called?: readonly ((event: StoreCalled) => void)[];
	readonly open: OpenLink;
}

/** A script of Lua, and the digest by which a store that has run it knows it. */
export interface Script {
	readonly text: string;
	readonly sha1: string;
}

/** What can be decided without the store while it is away. */
export type StoreUse = "limits" | "answers" | "channels";

/** Who has to do something when the store comes and goes. */
export interface StoreFollower {
	up(): void;
	away(): void;
}

/** How a store is. Counts are since the gateway was made. */
export interface StoreState {
	readonly state: "connecting" | "up" | "away";
	/** Null unless it is away. */
	readonly fault: StoreFault | null;
	/** For how long it has been so. */
	readonly forMs: number;
	/** Calls by how they ended. */
	readonly calls: {
		readonly answered: number;
		readonly slow: number;
		readonly failed: number;
	};
	/** How often it has gone away, by the reason. */
	readonly away: Readonly<Record<StoreFault, number>>;
	/** What was decided without it. */
	readonly local: Readonly<Record<StoreUse, number>>;
}

/** An attempt to connect must be ready for use within this, not counting what this process is late. */
const openMs = 1_000;

/** The pauses before attempts to connect. With an attempt, the longest is well within five seconds. */
const pauseMsMin = 250;
const pauseMsMax = 2_000;

/** A store that has been up for so long begins with the shortest pause again. */
const steadyMs = 10_000;

/** After so long without a call the store is asked whether it is there, so that a request need not find out. */
const idleMs = 5_000;

/** The most calls that wait for their answer on one connection. */
const waitingMax = 1_024;

/** A write that shows whether the store can be used. It expires by itself. */
const probeValue = "1";
const probeExpiresMs = "10000";

/**
 * What processes share, on a Valkey or Redis. It stands behind a timeout and a breaker of its own: a call waits for `timeoutMs` at most, and while
 * the store is away each call fails at once. It comes back by itself. Nothing waits for it to come back.
 */
export class Store {
	readonly prefix: string;
	readonly clock: Clock;
	/** Resolves when it is known for the first time whether the store can be used. */
	readonly settled: Promise<void>;
	readonly #timeoutMs: number;
	readonly #context: StoreContext;
	readonly #settle: () => void;
	readonly #counts = { answered: 0, slow: 0, failed: 0 };
	readonly #away = Object.fromEntries(
		storeFaults.map((fault) => [fault, 0]),
	) as Record<StoreFault, number>;
	readonly #local: Record<StoreUse, number> = {
		...{ limits: 0, answers: 0, channels: 0 },
	};
	readonly #channels = new Map<string, (message: string) => void>();
	readonly #followers = new Set<StoreFollower>();
	/** The calls on the connection that is used. */
	#calls: LinkCalls | null = null;
	/** Connections that are not used any more, and still have answers to bring. */
	readonly #resting = new Set<LinkCalls>();
	/** The connections, the newest first, by the channels to which each has subscribed. */
	readonly #hearing: Set<string>[] = [];
	/** Ends the attempt to connect that is being made. */
	#giveUp: (() => void) | null = null;
	#timer: Timer | null = null;
	#state: StoreState["state"] = "connecting";
	#fault: StoreFault | null = null;
	#sinceMs: number;
	#pauseMs = pauseMsMin;
	#closed = false;

	constructor(options: StoreOptions, context: StoreContext) {
		const { promise, resolve } = Promise.withResolvers<void>();
		this.settled = promise;
		this.#settle = resolve;
		this.prefix = options.prefix;
		this.#timeoutMs = options.timeoutMs;
		this.clock = context.clock;
		this.#context = context;
		this.#sinceMs = context.clock.now();
		this.#open();
	}

	/** Whether a call is worth making. */
	get up(): boolean {
		return this.#calls !== null && this.#calls.size < waitingMax;
	}

	/** Counts something that was decided without the store. */
	decidedLocally(use: StoreUse, count = 1): void {
		this.#local[use] += count;
	}

	state(): StoreState {
		return {
			state: this.#state,
			fault: this.#fault,
			forMs: this.clock.now() - this.#sinceMs,
			calls: { ...this.#counts },
			away: { ...this.#away },
			local: { ...this.#local },
		};
	}

	/**
	 * Runs a script. `read` takes its answer, and gives null if it is none that the script can give. Whoever has to know what became of it waits for a late answer as
	 * long as the store is not away: five times as long at most.
	 */
	async script<Value>(
		{ text, sha1 }: Script,
		keys: readonly string[],
		args: readonly Word[],
		read: (reply: unknown) => Value | null,
		hasToKnow = false,
	): Promise<Value> {
		const rest = [String(keys.length), ...keys, ...args];
		try {
			return await this.call(["EVALSHA", sha1, ...rest], read, hasToKnow);
		} catch (error) {
			if (!(error instanceof UnknownScript)) throw error;
			return await this.call(["EVAL", text, ...rest], read, hasToKnow);
		}
	}

	/** One command. Rejects with a `StoreError` if the store is away, or goes away before it answers. */
	call<Value>(
		words: readonly Word[],
		read: (reply: unknown) => Value | null,
		hasToKnow = false,
	): Promise<Value> {
		if (this.#calls === null || !this.up) {
			return Promise.reject(new StoreError(this.#fault ?? "busy", true));
		}
		return this.#calls.call(words, read, hasToKnow);
	}

	/** Whether there is a connection that can be used, also if too much waits for it. */
	get reachable(): boolean {
		return this.#state === "up";
	}

	/** Tells somebody when it comes and goes. Gives the removal. */
	follow(follower: StoreFollower): () => void {
		this.#followers.add(follower);
		return () => this.#followers.delete(follower);
	}

	/** Hears what is published on a channel, whenever the store can be used. Called before it is connected to. */
	listen(channel: string, hear: (message: string) => void): void {
		this.#channels.set(channel, hear);
	}

	/** Ends the connection, and what waits for it. It does not come back. */
	close(): void {
		if (this.#closed) return;
		this.#closed = true;
		this.#timer?.cancel();
		this.#calls?.drop("closed");
		this.#calls = null;
		for (const calls of [...this.#resting]) calls.drop("closed");
		this.#giveUp?.();
		this.#settle();
	}

	#open(): void {
		let begun: () => void = () => {};
		let over = false;
		let opened: LinkCalls | null = null;
		let reached = false;
		const subscribed = new Set<string>();
		this.#hearing.unshift(subscribed);
		const end = (fault: StoreFault) => {
			if (over) return;
			over = true;
			begun();
			this.#deafen(subscribed);
			this.#giveUp = null;
			if (!this.#closed) this.#goAway(fault);
		};
		this.#giveUp = () => end("closed");
		this.#context
			.open(
				(fault) =>
					opened === null ? end(fault) : this.#lose(opened, fault, false),
				(destroy) => {
					if (over) return destroy();
					begun = destroy;
					const onSlow = () => end(reached ? "slow" : "unreachable");
					this.#timer = afterFreeMs(this.clock, openMs, onSlow);
				},
				() => {
					reached = true;
				},
			)
			.then(async (link) => {
				// It may know the password and yet take no writes.
				await link.command(this.#probe);
				await this.#subscribe(link, subscribed);
				if (over) return;
				over = true;
				this.#giveUp = null;
				opened = this.#callsOn(link, subscribed);
				this.#comeUp(opened);
			})
			.catch((error: unknown) =>
				end(error instanceof StoreError ? error.fault : "refused"),
			);
	}

	get #probe(): readonly Word[] {
		return ["SET", `${this.prefix}probe`, probeValue, "PX", probeExpiresMs];
	}

	/**
	 * A connection that rests hears a channel until a newer one has subscribed to it, and again if that one ends first. So
	 * no message is heard twice that came when the newer one was known to hear.
	 */
	async #subscribe(link: Link, subscribed: Set<string>): Promise<void> {
		for (const [channel, hear] of this.#channels) {
			await link.subscribe(channel, (message) => {
				// It may be heard before it is known that it is subscribed to.
				subscribed.add(channel);
				const newest = this.#hearing.find((one) => one.has(channel));
				if (newest === subscribed) hear(message);
			});
			subscribed.add(channel);
		}
	}

	#deafen(subscribed: Set<string>): void {
		const at = this.#hearing.indexOf(subscribed);
		if (at >= 0) this.#hearing.splice(at, 1);
	}

	#callsOn(link: Link, subscribed: Set<string>): LinkCalls {
		const { called = [] } = this.#context;
		const calls = new LinkCalls(link, {
			clock: this.clock,
			timeoutMs: this.#timeoutMs,
			counts: this.#counts,
			ended: (sentMs) => {
				if (called.length === 0) return;
				raise(called, { durationMs: this.clock.now() - sentMs });
			},
			failed: (fault, isSound) => this.#lose(calls, fault, isSound),
			over: () => {
				this.#resting.delete(calls);
				this.#deafen(subscribed);
			},
		});
		return calls;
	}

	#comeUp(calls: LinkCalls): void {
		this.#timer?.cancel();
		this.#calls = calls;
		const isNews = this.#state === "away";
		this.#become("up", null);
		for (const follower of this.#followers) follower.up();
		if (isNews) this.#tell();
		this.#settle();
		this.#watch(calls);
	}

	/** Asks now and then, if nobody else does. */
	#watch(calls: LinkCalls): void {
		const leftMs = calls.calledMs + idleMs - this.clock.now();
		this.#timer = this.clock.aside(Math.max(leftMs, 1), () => {
			if (this.#calls !== calls) return;
			if (this.clock.now() - calls.calledMs >= idleMs) {
				calls.call(this.#probe, isOk, false).catch(() => {});
			}
			this.#watch(calls);
		});
	}

	/** A store that refuses one call still answers those that were sent behind it, and only it knows what became of them. */
	#lose(calls: LinkCalls, fault: StoreFault, isSound: boolean): void {
		if (this.#resting.has(calls)) return calls.drop(fault);
		if (this.#calls !== calls) return;
		const upMs = this.clock.now() - this.#sinceMs;
		if (upMs >= steadyMs) this.#pauseMs = pauseMsMin;
		this.#calls = null;
		this.#goAway(fault);
		if (!isSound) return calls.drop(fault);
		this.#resting.add(calls);
		calls.rest(fault);
	}

	#goAway(fault: StoreFault): void {
		this.#timer?.cancel();
		const isNews = this.#state !== "away";
		if (isNews) {
			this.#away[fault]++;
			this.#become("away", fault);
			for (const follower of this.#followers) follower.away();
			this.#tell();
			this.#settle();
		} else this.#fault = fault;
		const pauseMs = this.#pauseMs;
		this.#pauseMs = Math.min(2 * pauseMs, pauseMsMax);
		this.#timer = this.clock.aside(pauseMs, () => this.#open());
	}

	#become(state: "up" | "away", fault: StoreFault | null): void {
		this.#state = state;
		this.#fault = fault;
		this.#sinceMs = this.clock.now();
	}

	#tell(): void {
		const state = this.#state === "up" ? "up" : "away";
		raise(this.#context.changed, { state, fault: this.#fault });
	}
}

function isOk(reply: unknown): true | null {
	return reply === "OK" ? true : null;
}
