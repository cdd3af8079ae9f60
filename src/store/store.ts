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

/** An attempt to connect must be ready for use within this. */
const openMs = 1_000;

/** The pauses before attempts to connect. With an attempt, the longest is well within five seconds. */
const pauseMsMin = 250;
const pauseMsMax = 2_000;

/** A store that has been up for so long begins with the shortest pause again. */
const steadyMs = 10_000;

/** After so long without a call the store is asked whether it is there, so that a request need not find out. */
const idleMs = 5_000;

/** After so many late answers one after the other it is slow, although it answers. */
const lateMax = 5;

/** A turn of the event loop that came so late may have kept an answer waiting. A call is given two more turns for it. */
const lateTurnMs = 5;
const lateTurnsMax = 2;

/** The most calls that wait for their answer. */
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
	readonly #waiting = new Set<(error: StoreError) => void>();
	readonly #calls = { answered: 0, slow: 0, failed: 0 };
	readonly #away = Object.fromEntries(
		storeFaults.map((fault) => [fault, 0]),
	) as Record<StoreFault, number>;
	readonly #local: Record<StoreUse, number> = {
		...{ limits: 0, answers: 0, channels: 0 },
	};
	readonly #channels = new Map<string, (message: string) => void>();
	readonly #followers = new Set<StoreFollower>();
	#link: Link | null = null;
	/** Ends the attempt to connect that is being made. */
	#giveUp: (() => void) | null = null;
	#timer: Timer | null = null;
	#state: StoreState["state"] = "connecting";
	#fault: StoreFault | null = null;
	#sinceMs: number;
	#heardMs = 0;
	#calledMs = 0;
	#late = 0;
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
		return this.#state === "up" && this.#waiting.size < waitingMax;
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
			calls: { ...this.#calls },
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

	/** One command. Rejects with a `StoreError` if the store is away, or goes away by it. */
	call<Value>(
		words: readonly Word[],
		read: (reply: unknown) => Value | null,
		hasToKnow = false,
	): Promise<Value> {
		const link = this.#link;
		if (link === null || !this.up) {
			return Promise.reject(new StoreError(this.#fault ?? "busy", true));
		}
		return this.#callOn(link, words, read, hasToKnow);
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
		this.#drop("closed");
		this.#settle();
	}

	#callOn<Value>(
		link: Link,
		words: readonly Word[],
		read: (reply: unknown) => Value | null,
		hasToKnow = false,
	): Promise<Value> {
		const beganMs = this.clock.now();
		let sinceMs = beganMs;
		let waits = hasToKnow ? lateMax : 1;
		this.#calledMs = beganMs;
		return new Promise<Value>((resolve, reject) => {
			const end = (counts = true) => {
				timer.cancel();
				const isFirst = this.#waiting.delete(fail);
				if (isFirst && counts) this.#tellCall(beganMs);
				return isFirst;
			};
			const fail = (error: Error) => {
				if (!end()) return;
				this.#calls.failed++;
				reject(error);
			};
			const onSlow = () => {
				if (!this.#waiting.has(fail)) return;
				const silent = this.#heardMs <= sinceMs;
				this.#late++;
				const isAway = silent || this.#late >= lateMax;
				if (!isAway && --waits > 0) {
					sinceMs = this.clock.now();
					timer = afterTurns(this.clock, this.#timeoutMs, onSlow);
					return;
				}
				end();
				this.#calls.slow++;
				reject(new StoreError("slow"));
				if (isAway || hasToKnow) this.#lose(link, "slow");
			};
			let timer = afterTurns(this.clock, this.#timeoutMs, onSlow);
			this.#waiting.add(fail);
			link.command(words).then(
				(reply) => {
					this.#heardMs = this.clock.now();
					if (!end()) return;
					this.#late = 0;
					const value = read(reply);
					if (value !== null) {
						this.#calls.answered++;
						return resolve(value);
					}
					this.#calls.failed++;
					reject(new StoreError("garbled"));
					this.#lose(link, "garbled");
				},
				(error: Error) => {
					this.#heardMs = this.clock.now();
					if (error instanceof UnknownScript) {
						if (end(false)) reject(error);
						return;
					}
					fail(error);
					this.#lose(
						link,
						error instanceof StoreError ? error.fault : "refused",
					);
				},
			);
		});
	}

	#open(): void {
		let begun: () => void = () => {};
		let over = false;
		let opened: Link | null = null;
		let reached = false;
		const end = (fault: StoreFault) => {
			if (over) return;
			over = true;
			begun();
			this.#giveUp = null;
			if (!this.#closed) this.#goAway(fault);
		};
		this.#giveUp = () => end("closed");
		this.#context
			.open(
				(fault) => (opened === null ? end(fault) : this.#lose(opened, fault)),
				(destroy) => {
					if (over) return destroy();
					begun = destroy;
					const onSlow = () => end(reached ? "slow" : "unreachable");
					this.#timer = afterTurns(this.clock, openMs, onSlow);
				},
				() => {
					reached = true;
				},
			)
			.then(async (link) => {
				// It may know the password and yet take no writes.
				await link.command(this.#probe);
				for (const [channel, hear] of this.#channels) {
					await link.subscribe(channel, hear);
				}
				if (over) return;
				over = true;
				opened = link;
				this.#giveUp = null;
				this.#comeUp(link);
			})
			.catch((error: unknown) =>
				end(error instanceof StoreError ? error.fault : "refused"),
			);
	}

	get #probe(): readonly Word[] {
		return ["SET", `${this.prefix}probe`, probeValue, "PX", probeExpiresMs];
	}

	#comeUp(link: Link): void {
		this.#timer?.cancel();
		this.#link = link;
		this.#heardMs = this.clock.now();
		this.#calledMs = this.#heardMs;
		this.#late = 0;
		const isNews = this.#state === "away";
		this.#become("up", null);
		for (const follower of this.#followers) follower.up();
		if (isNews) this.#tell();
		this.#settle();
		this.#watch(link);
	}

	/** Asks now and then, if nobody else does. */
	#watch(link: Link): void {
		const leftMs = this.#calledMs + idleMs - this.clock.now();
		this.#timer = this.clock.aside(Math.max(leftMs, 1), () => {
			if (this.#link !== link) return;
			if (this.clock.now() - this.#calledMs >= idleMs) {
				this.#callOn(link, this.#probe, isOk).catch(() => {});
			}
			this.#watch(link);
		});
	}

	#lose(link: Link, fault: StoreFault): void {
		if (this.#link !== link) return;
		const upMs = this.clock.now() - this.#sinceMs;
		if (upMs >= steadyMs) this.#pauseMs = pauseMsMin;
		this.#drop(fault);
		this.#goAway(fault);
	}

	/** Lets go of the connection. Whoever waits for it goes on at once. */
	#drop(fault: StoreFault): void {
		this.#timer?.cancel();
		const link = this.#link;
		this.#link = null;
		link?.destroy();
		this.#giveUp?.();
		for (const fail of [...this.#waiting]) fail(new StoreError(fault));
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

	#tellCall(sentMs: number): void {
		const { called = [] } = this.#context;
		if (called.length === 0) return;
		raise(called, { durationMs: this.clock.now() - sentMs });
	}

	#tell(): void {
		const state = this.#state === "up" ? "up" : "away";
		raise(this.#context.changed, { state, fault: this.#fault });
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

function isOk(reply: unknown): true | null {
	return reply === "OK" ? true : null;
}
