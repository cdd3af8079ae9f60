import type { Clock, Timer } from "../../tasks/clock.ts";
import type { Log } from "../../telemetry/log/log.ts";
import { toLetGo, type WorkerLoad } from "./balance.ts";
import type { Handed } from "./handed.ts";
import type { FromWorker, Saying, ToWorker } from "./messages.ts";
import { Resting } from "./resting.ts";

/** A process that was started. */
export interface WorkerProcess {
	readonly pid: number;
	/** A process that is gone hears nothing. A connection that goes with the message is closed here in any case. */
	send(message: ToWorker, handed?: Handed): void;
	/** Ends it at once. */
	kill(): void;
}

/** How a process ended: by itself, or by a signal. */
export interface WorkerEnd {
	readonly code: number | null;
	readonly signal: string | null;
}

/** What the one who starts a process hears of it. */
export interface WorkerHears {
	/** `handed` is a connection that came with it. */
	message(message: FromWorker, handed?: Handed): void;
	ended(end: WorkerEnd): void;
}

export type StartWorker = (number: number, hears: WorkerHears) => WorkerProcess;

/** How often each worker is asked whether it is there. */
const pingEveryMs = 1_000;

/** A worker that owes an answer for so many rounds of pings is told of. */
const silentRounds = 3;

/**
 * After so many it is killed. What a function of the author's may compute in one piece is less than these seconds. They are
 * counted in rounds, because then a primary that was itself stopped finds none.
 */
const hungRounds = 10;

/** How long a worker may take to begin. */
const beginMs = 60_000;

/** A worker that has ended is started again at once, and then after pauses that double, up to here. */
const pauseMsMax = 30_000;

/** A worker that lived so long has not failed again and again. */
const livedMs = 60_000;

/** What a worker may need after its drain for its traces, its history and its log. */
const closingMs = 10_000;

/** How long a worker may take to cut what it has. */
const cutMs = 5_000;

/** How many characters a line has of why a worker did not begin. */
const faultMax = 2_000;

/** A worker that has been started and has not ended. */
export interface Worker {
	readonly number: number;
	readonly process: WorkerProcess;
	readonly state: "starting" | "ready" | "leaving";
	readonly routes: number;
	readonly traces: boolean;
}

/** The state of one process. */
class Started implements Worker {
	readonly number: number;
	readonly begun = Promise.withResolvers<boolean>();
	readonly over = Promise.withResolvers<WorkerEnd>();
	readonly process: WorkerProcess;
	readonly awaited: boolean;
	state: Worker["state"] = "starting";
	routes = 0;
	traces = false;
	/** Why it cannot begin. */
	faults: readonly string[] = [];
	endingMs = 0;
	/** For how many rounds it owes an answer to a ping. Null: it owes none. */
	owes: number | null = null;
	toldSilent = false;
	isFull = false;
	othersRest = false;
	/** What it has said since the others were last compared with it. */
	load: WorkerLoad | null = null;
	readyMs = 0;
	/** Kills it if it takes too long to begin or to end. */
	late: Timer | null = null;

	constructor(number: number, process: WorkerProcess, awaited: boolean) {
		this.number = number;
		this.process = process;
		this.awaited = awaited;
	}
}

/** The place of a worker, in which one follows another. */
interface Slot {
	readonly number: number;
	current: Started | null;
	/** How often in a row its worker has ended soon. */
	failures: number;
	/** Until it is started again. */
	pause: Timer | null;
}

export interface SupervisorOptions {
	readonly count: number;
	readonly clock: Clock;
	readonly start: StartWorker;
	readonly log: Pick<Log, "info" | "warn" | "error">;
	readonly onSaying?: (worker: Worker, saying: Saying) => void;
	readonly onEnd?: (worker: Worker) => void;
}

/** Starts workers, watches them, and starts others in the place of those that end. It serves nothing itself. */
export class Supervisor {
	readonly #options: SupervisorOptions;
	readonly #slots: readonly Slot[];
	readonly #all = new Set<Started>();
	readonly #resting = new Resting(this.#all);
	#restarts = 0;
	#pinging: Timer | null = null;
	/** Whether all are to end. */
	#ending = false;
	#rolling: Promise<boolean> | null = null;
	/** Whether another restart was asked for while one went on. */
	#again = false;

	constructor(options: SupervisorOptions) {
		this.#options = options;
		this.#slots = Array.from({ length: options.count }, (_, at) => ({
			...{ number: at + 1, current: null, failures: 0, pause: null },
		}));
	}

	/**
	 * Starts all. False if the first one does not begin: then nothing runs, and it has said why. The others are started when
	 * the first has begun, because they would fail for the same reason.
	 */
	async begin(): Promise<boolean> {
		const [first, ...others] = this.#slots;
		if (first === undefined) return false;
		const one = this.#start(first.number);
		first.current = one;
		if (!(await one.begun.promise)) {
			first.current = null;
			await one.over.promise;
			return false;
		}
		if (this.#ending) return true;
		this.#pingLater();
		await Promise.all(
			others.map(async (slot) => {
				slot.current = this.#start(slot.number);
				const begun = await slot.current.begun.promise;
				if (!begun && !this.#ending) this.#startLater(slot);
			}),
		);
		return true;
	}

	/** Those that have been started and have not ended, by their numbers. */
	all(): readonly Worker[] {
		return [...this.#all].sort((a, b) => a.number - b.number);
	}

	/** How many were started again because they had ended unasked. */
	get restarts(): number {
		return this.#restarts;
	}

	get ending(): boolean {
		return this.#ending;
	}

	/**
	 * Starts each worker anew, one after another: the new one takes requests before the old one leaves. True if all are new.
	 * If a new one does not begin, the old ones stay.
	 */
	roll(): Promise<boolean> {
		if (this.#rolling !== null) {
			this.#again = true;
			return this.#rolling;
		}
		const rolling = this.#rollAll().finally(() => {
			this.#rolling = null;
		});
		this.#rolling = rolling;
		return rolling;
	}

	async #rollAll(): Promise<boolean> {
		const { log } = this.#options;
		for (;;) {
			this.#again = false;
			log.info({ workers: this.#slots.length }, "restarting the workers");
			const renewed = await this.#rollOnce();
			if (this.#ending) return false;
			if (renewed === this.#slots.length) {
				log.info({ workers: renewed }, "restarted the workers");
			} else {
				log.error(
					{ renewed, workers: this.#slots.length },
					"the restart was given up, because a new worker did not begin: the others go on as they are",
				);
			}
			if (!this.#again) return renewed === this.#slots.length;
		}
	}

	/** How many are new. */
	async #rollOnce(): Promise<number> {
		let renewed = 0;
		for (const slot of this.#slots) {
			if (this.#ending) return renewed;
			slot.pause?.cancel();
			slot.pause = null;
			const before = slot.current;
			const next = this.#start(slot.number);
			// From here on its end is told, and the one before is not started again.
			slot.current = next;
			if (!(await next.begun.promise)) {
				const isStillThere = before !== null && this.#all.has(before);
				slot.current = isStillThere ? before : null;
				if (!isStillThere && !this.#ending) this.#startLater(slot);
				return renewed;
			}
			renewed++;
			slot.failures = 0;
			if (before === null || !this.#all.has(before)) continue;
			if (this.#ending) return renewed;
			this.#leave(before, { kind: "retire" });
			await before.over.promise;
		}
		return renewed;
	}

	/**
	 * Drains all. True if none had to be cut. `delayMs` is how long they take requests until then, if not what the config
	 * says. A worker that takes longer than it may is killed.
	 */
	async drain(delayMs?: 0): Promise<boolean> {
		this.#end();
		const ends = [...this.#all].map(async (one) => {
			// It has nothing that could be cut.
			if (one.state === "starting") one.process.kill();
			else {
				const drain = { kind: "drain" } as const;
				const delayed = delayMs === undefined ? drain : { ...drain, delayMs };
				this.#leave(one, delayed);
			}
			const starting = one.state === "starting";
			const { code } = await one.over.promise;
			return starting || code === 0;
		});
		return (await Promise.all(ends)).every((finished) => finished);
	}

	/** Cuts what still runs. Resolves when all have ended. */
	async cut(): Promise<void> {
		this.#end();
		const all = [...this.#all];
		for (const one of all) {
			one.process.send({ kind: "cut" });
			this.#killIn(one, cutMs);
		}
		await Promise.all(all.map(({ over }) => over.promise));
	}

	#end(): void {
		this.#ending = true;
		this.#pinging?.cancel();
		for (const slot of this.#slots) slot.pause?.cancel();
	}

	/** `awaited`: whether the caller waits for its beginning, and does what is to be done if there is none. */
	#start(number: number, awaited = true): Started {
		const { start } = this.#options;
		const process = start(number, {
			message: (message, handed) => this.#hear(one, message, handed),
			ended: (end) => this.#ended(one, end),
		});
		const one: Started = new Started(number, process, awaited);
		this.#all.add(one);
		this.#killIn(one, beginMs);
		return one;
	}

	#hear(one: Started, message: FromWorker, handed?: Handed): void {
		switch (message.kind) {
			case "ready":
				one.late?.cancel();
				one.late = null;
				one.state = "ready";
				one.routes = message.routes;
				one.traces = message.traces;
				one.endingMs = message.endingMs;
				one.readyMs = this.#options.clock.now();
				one.begun.resolve(true);
				this.#resting.changed();
				return;
			case "unfit":
				one.faults = message.faults;
				return;
			case "full":
				one.isFull = message.full;
				this.#resting.changed();
				return;
			case "offer":
				if (handed) this.#resting.give(handed, one);
				return;
			case "pong":
				if (one.toldSilent) {
					const { number: worker, process } = one;
					const { pid } = process;
					this.#options.log.info({ worker, pid }, "a worker answers again");
				}
				one.owes = null;
				one.toldSilent = false;
				one.load = message.load;
				this.#resting.changed();
				this.#balance();
				return;
			default:
				this.#options.onSaying?.(one, message);
		}
	}

	/** It ends when its running requests have, or when that takes longer than it may. */
	#leave(one: Started, message: ToWorker): void {
		one.state = "leaving";
		this.#resting.changed();
		one.process.send(message);
		this.#killIn(one, one.endingMs + closingMs);
	}

	#killIn(one: Started, ms: number): void {
		one.late?.cancel();
		const late = this.#options.clock.after(ms, () => {
			// If this process was stopped, what the worker said meanwhile is read first.
			setImmediate(() => {
				if (one.late === late && this.#all.has(one)) this.#killLate(one, ms);
			});
		});
		one.late = late;
	}

	#killLate(one: Started, ms: number): void {
		const { number: worker, process, state } = one;
		const { pid } = process;
		const words =
			state === "starting"
				? "a worker did not begin, and is killed"
				: "a worker did not end, and is killed";
		this.#options.log.error({ worker, pid, afterMs: ms }, words);
		process.kill();
	}

	#ended(one: Started, end: WorkerEnd): void {
		this.#all.delete(one);
		one.late?.cancel();
		this.#options.onEnd?.(one);
		this.#resting.changed();
		if (one.state !== "leaving" && !this.#ending) this.#endedUnasked(one, end);
		one.begun.resolve(false);
		one.over.resolve(end);
	}

	#endedUnasked(one: Started, end: WorkerEnd): void {
		const { log, clock } = this.#options;
		const { pid } = one.process;
		const about = { worker: one.number, pid, ...end, ...faultIn(one.faults) };
		const slot = this.#slots[one.number - 1] as Slot;
		// Whoever waits for its beginning says what follows.
		if (one.awaited && one.state === "starting") {
			log.error(about, "a worker did not begin");
			return;
		}
		if (slot.current !== one) {
			log.error(about, "a worker ended");
			return;
		}
		const livedLong =
			one.state === "ready" && clock.now() - one.readyMs >= livedMs;
		if (livedLong) slot.failures = 0;
		log.error({ ...about, againMs: pauseMsOf(slot) }, "a worker ended");
		this.#startLater(slot);
	}

	#startLater(slot: Slot): void {
		const { clock, log } = this.#options;
		const pauseMs = pauseMsOf(slot);
		slot.failures++;
		slot.current = null;
		slot.pause = clock.after(pauseMs, () => {
			slot.pause = null;
			this.#restarts++;
			const one = this.#start(slot.number, false);
			slot.current = one;
			void one.begun.promise.then((begun) => {
				const { pid } = one.process;
				if (!begun) return;
				log.info({ worker: slot.number, pid }, "a worker takes its place");
			});
		});
	}

	#pingLater(): void {
		this.#pinging = this.#options.clock.after(pingEveryMs, () => {
			for (const one of this.#all) {
				if (one.state === "ready") this.#ping(one);
			}
			this.#pingLater();
		});
	}

	/** When each has said how it is, the busier ones let connections go. */
	#balance(): void {
		const all = [...this.#all].filter(({ state }) => state === "ready");
		const loads = all.flatMap(({ load }) => load ?? []);
		if (loads.length < all.length) return;
		for (const [at, connections] of toLetGo(loads).entries()) {
			const one = all[at] as Started;
			one.load = null;
			if (connections > 0) one.process.send({ kind: "let go", connections });
		}
	}

	#ping(one: Started): void {
		const { log } = this.#options;
		if (one.owes === null) {
			one.owes = 0;
			one.process.send({ kind: "ping" });
			return;
		}
		one.owes++;
		this.#resting.changed();
		const forMs = one.owes * pingEveryMs;
		const about = { worker: one.number, pid: one.process.pid, forMs };
		if (one.owes >= hungRounds) {
			log.error(about, "a worker hangs, and is killed");
			one.process.kill();
		} else if (one.owes >= silentRounds && !one.toldSilent) {
			one.toldSilent = true;
			log.warn(about, "a worker does not answer");
		}
	}
}

/** A worker that is tried again and again fills no log with the faults of its config: `sluice check` lists them. */
function faultIn(faults: readonly string[]): object {
	const [first, ...others] = faults;
	if (first === undefined) return {};
	const fault = first.slice(0, faultMax);
	return others.length > 0 ? { fault, faultsMore: others.length } : { fault };
}

/** How long a worker's place stays empty. */
function pauseMsOf({ failures }: Slot): number {
	return failures === 0 ? 0 : Math.min(1_000 * 2 ** (failures - 1), pauseMsMax);
}
