import { EventEmitter } from "node:events";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import {
	MessageChannel,
	type MessagePort,
	receiveMessageOnPort,
	type Transferable,
	type Worker,
} from "node:worker_threads";
import type { Piscina } from "piscina";
import type { Timer } from "./clock.ts";
import { outcomeOf } from "./outcome.ts";
import { ThreadEnded } from "./pool-errors.ts";
import { TimedOut } from "./reason.ts";
import type { Scope } from "./scope.ts";
import { packThrown, unpackThrown } from "./thread-error.ts";
import type {
	FromThread,
	Job,
	JobContext,
	ToThread,
} from "./thread-message.ts";

/** The threads of a pool. Who may use one is the pool's to say: there are never more calls than threads. */
export interface Crew {
	/** Threads that exist, those included that are ending. */
	readonly size: number;
	/**
	 * Carries out one call, on a thread at rest or a new one. Cancelling the scope ends the thread on which the function
	 * runs; one that still loads the module goes on with that alone, else a module that loads slower than callers wait
	 * would never be loaded. Settles when the thread is at rest again, or is no more.
	 */
	carryOut(task: Task, scope: Scope): Promise<unknown>;
	/** Ends all threads; settles when they are no more. */
	close(): Promise<void>;
}

export interface Task {
	/** The module, as the text of a URL. */
	readonly file: string;
	readonly name: string;
	readonly args: readonly unknown[];
	readonly moved: readonly Transferable[];
	/** Null: the function is given its arguments alone. */
	readonly context: Readonly<Record<string, unknown>> | null;
	/** Null: no bound but the scope's. */
	readonly timeoutMs: number | null;
}

export interface CrewOptions {
	readonly threads: number;
	/** Null: what Node gives a thread. */
	readonly heapBytesMax: number | null;
}

/** A module that takes longer to load never will: its top level waits for something that does not come. */
const loadingMsMax = 30_000;

const workerFile = fileURLToPath(
	new URL(`./worker${extname(import.meta.url)}`, import.meta.url),
);

/** Starts no thread yet. */
export function createCrew(options: CrewOptions): Crew {
	/** Those Piscina has taken out included, until they have ended. */
	const alive = new Map<Worker, { readonly exit: Promise<void> }>();
	const awaited = new Set<Worker>();
	let starting: Promise<Piscina> | null = null;

	async function start(): Promise<Piscina> {
		const piscina = await createPiscina(options);
		piscina.on("workerCreate", () => noticeNew(piscina));
		return piscina;
	}

	function noticeNew({ threads }: Piscina): void {
		for (const thread of threads) {
			if (alive.has(thread)) continue;
			const { promise, resolve } = Promise.withResolvers<void>();
			alive.set(thread, { exit: promise });
			thread.once("exit", () => {
				alive.delete(thread);
				awaited.delete(thread);
				resolve();
			});
		}
	}

	/** Piscina tells of a thread's end before it has ended: waits for those that nobody else waits for. */
	async function untilGone({ threads }: Piscina): Promise<void> {
		const ending = [...alive].filter(
			([thread]) => !threads.includes(thread) && !awaited.has(thread),
		);
		for (const [thread] of ending) awaited.add(thread);
		await Promise.all(ending.map(([, { exit }]) => exit));
	}

	return {
		get size() {
			return alive.size;
		},
		async carryOut(task, scope) {
			starting ??= start();
			const piscina = await starting;
			if (scope.cancelled) throw scope.reason;
			const line = openLine(task, scope);
			let gone: Promise<void> | null = null;
			const stopListening = scope.onCancel(line.leave);
			try {
				const atRest = piscina.run(line.far, {
					filename: workerFile,
					name: "carryOut",
					signal: line.stop,
					// Piscina types it after another overload of postMessage than the one it calls.
					transferList: [line.far] as object,
				});
				noticeNew(piscina);
				// After Piscina's own listener, which takes the thread out.
				line.stop.once("abort", () => {
					gone = untilGone(piscina);
				});
				const end = await outcomeOf(atRest);
				if (!end.ok) await (gone ?? untilGone(piscina));
				if (scope.cancelled) throw scope.reason;
				if (!end.ok) throw threadEnded(task, end.error);
				return line.result();
			} finally {
				stopListening();
				line.close();
			}
		},
		async close() {
			const piscina = await starting;
			await piscina?.destroy();
			await Promise.all([...alive.values()].map(({ exit }) => exit));
		},
	};
}

function threadEnded({ name }: Task, cause: unknown): ThreadEnded {
	const why = cause instanceof Error ? cause.message : String(cause);
	return new ThreadEnded(`the thread ended under ${name}: ${why}`, { cause });
}

/**
 * Piscina starts, wakes and ends threads. Waiting is not left to it: it counts calls that can be aborted against no
 * bound, and starts no thread for those in its queue when one of its threads has ended.
 */
async function createPiscina({
	threads,
	heapBytesMax,
}: CrewOptions): Promise<Piscina> {
	// Loaded with the first call, for who never offloads has no use for it.
	const { Piscina } = await import("piscina");
	const piscina = new Piscina({
		minThreads: 0,
		maxThreads: threads,
		idleTimeout: Number.POSITIVE_INFINITY,
		// Else a thread at rest does not turn its loop, and what one call left behind wakes up in the next.
		atomics: "disabled",
		recordTiming: false,
		...(heapBytesMax !== null && {
			resourceLimits: { maxOldGenerationSizeMb: heapBytesMax / 2 ** 20 },
		}),
	});
	// What ends a thread at rest is no call's failure: the next call gets another one.
	piscina.on("error", () => {});
	return piscina;
}

/** What connects a call with the function on its thread. */
interface Line {
	/** The thread's end, at which the job lies already. */
	readonly far: MessagePort;
	/** Told `abort`: the cheapest thing that Piscina takes for a signal. */
	readonly stop: EventEmitter;
	/** Nobody waits any more: ends the thread where the function has begun, else keeps it from beginning. */
	leave(): void;
	/** What the function returned; throws what it threw. To be asked when the thread is at rest again. */
	result(): unknown;
	close(): void;
}

function openLine(task: Task, scope: Scope): Line {
	const { file, name, context, timeoutMs } = task;
	const { port1: own, port2: far } = new MessageChannel();
	const failures = new Map<number, unknown>();
	const stop = new EventEmitter();
	let end: FromThread | null = null;
	let timer: Timer | null = null;
	let state: "loading" | "stuck" | "begun" = "loading";
	let left = false;

	function receive(message: FromThread): void {
		switch (message.kind) {
			case "begun":
				return begin();
			case "call":
				void answer(message, context ?? {}, own, failures);
				return;
			case "returned":
			case "threw":
				end = message;
		}
	}

	function begin(): void {
		state = "begun";
		timer?.cancel();
		// It began while it was being told not to.
		if (left) endThread();
		else if (timeoutMs !== null) {
			const expire = () => scope.cancel(new TimedOut(timeoutMs));
			timer = scope.clock.after(timeoutMs, expire);
		}
	}

	function leave(): void {
		left = true;
		if (state === "loading") own.postMessage({ kind: "left" });
		else endThread();
	}

	function giveUpLoading(): void {
		state = "stuck";
		if (left) endThread();
		else scope.cancel(neverLoaded(file));
	}

	function endThread(): void {
		timer?.cancel();
		stop.emit("abort");
	}

	sendJob(task, own);
	own.on("message", receive);
	timer = scope.clock.after(loadingMsMax, giveUpLoading);
	return {
		far,
		stop,
		leave,
		result() {
			// The messages are there, sent before the thread said that it is at rest; their events may not have come yet.
			for (
				let next = receiveMessageOnPort(own);
				next !== undefined;
				next = receiveMessageOnPort(own)
			) {
				receive(next.message as FromThread);
			}
			return valueOf(end, name, failures);
		},
		close() {
			timer?.cancel();
			own.close();
		},
	};
}

/** By itself, so that what cannot be sent is told from a thread that has ended. */
function sendJob(
	{ file, name, args, context, moved }: Task,
	own: MessagePort,
): void {
	const job: Job = { file, name, args, context: context && partsOf(context) };
	try {
		own.postMessage(job, [...moved]);
	} catch (cause) {
		own.close();
		const words = `what ${name} is given cannot go to another thread: ${(cause as Error).message}`;
		throw new TypeError(words, { cause });
	}
}

function neverLoaded(file: string): ThreadEnded {
	const words = `${file} was not loaded within ${loadingMsMax / 1000} s`;
	return new ThreadEnded(words);
}

function partsOf(context: Readonly<Record<string, unknown>>): JobContext {
	const entries = Object.entries(context);
	const isCall = ([, value]: [string, unknown]) => typeof value === "function";
	return {
		values: Object.fromEntries(entries.filter((entry) => !isCall(entry))),
		calls: entries.filter(isCall).map(([name]) => name),
	};
}

/** Runs a function of the context for the thread. What it fails with is kept: the thread may give it back. */
async function answer(
	{ id, name, args }: Extract<FromThread, { kind: "call" }>,
	context: Readonly<Record<string, unknown>>,
	own: MessagePort,
	failures: Map<number, unknown>,
): Promise<void> {
	const tell = (message: ToThread) => own.postMessage(message);
	try {
		const fn = context[name] as (...args: readonly unknown[]) => unknown;
		const value = await fn(...args);
		tell({ kind: "answered", id, value });
	} catch (thrown) {
		failures.set(id, thrown);
		tell({ kind: "failed", id, thrown: packThrown(thrown) });
	}
}

function valueOf(
	end: FromThread | null,
	name: string,
	failures: ReadonlyMap<number, unknown>,
): unknown {
	if (end?.kind === "returned") return end.value;
	if (end?.kind === "threw") {
		throw unpackThrown(end.thrown, (id) => failures.get(id));
	}
	throw new ThreadEnded(`${name} came back without an answer`);
}
