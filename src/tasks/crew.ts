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

/** The threads of a pool. The pool decides who may use one, so there are never more calls than threads. */
export interface Crew {
	/** Threads that exist, including those that are ending. */
	readonly size: number;
	/**
	 * Carries out one call, on a thread at rest or a new one. If the scope is cancelled, the thread on which the function
	 * runs is ended. A thread that still loads the module finishes loading first: otherwise a module that loads slower
	 * than callers wait would never be loaded. Settles when the thread is at rest again, or has ended.
	 */
	carryOut(task: ThreadCall, scope: Scope): Promise<unknown>;
	/** Ends all threads. Settles when they have ended. */
	close(): Promise<void>;
}

export interface ThreadCall {
	/** The module, as the text of a URL. */
	readonly file: string;
	readonly name: string;
	readonly args: readonly unknown[];
	readonly moved: readonly Transferable[];
	/** Null: the function is given its arguments alone. */
	readonly context: Readonly<Record<string, unknown>> | null;
	/** Null: only the scope bounds it. */
	readonly timeoutMs: number | null;
}

export interface CrewOptions {
	readonly threads: number;
	/** Null: what Node gives a thread. */
	readonly heapBytesMax: number | null;
}

/** A module that takes longer to load will never be loaded: its top level waits for something that does not come. */
const loadingMsMax = 30_000;

const workerFile = fileURLToPath(
	new URL(`./worker${extname(import.meta.url)}`, import.meta.url),
);

/** Starts no thread yet. */
export function createCrew(options: CrewOptions): Crew {
	/** Includes threads that Piscina has taken out, until they have ended. */
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

	/** Piscina reports a thread's end before it has ended. This waits for those that nobody else waits for. */
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
					// Piscina's type names another overload of postMessage than the one that it calls.
					transferList: [line.far] as object,
				});
				noticeNew(piscina);
				// Runs after Piscina's own listener, which takes the thread out.
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

function threadEnded({ name }: ThreadCall, cause: unknown): ThreadEnded {
	const why = cause instanceof Error ? cause.message : String(cause);
	return new ThreadEnded(`the thread ended under ${name}: ${why}`, { cause });
}

/**
 * Piscina starts, wakes and ends threads. Its queue is not used. It does not count calls that can be aborted. After a
 * thread has ended, it starts none for the calls in the queue.
 */
async function createPiscina({
	threads,
	heapBytesMax,
}: CrewOptions): Promise<Piscina> {
	// Loaded with the first call, because a program that never offloads does not need it.
	const { Piscina } = await import("piscina");
	const piscina = new Piscina({
		minThreads: 0,
		maxThreads: threads,
		idleTimeout: Number.POSITIVE_INFINITY,
		// Otherwise a thread at rest does not turn its loop, and leftovers of one call wake up in the next.
		atomics: "disabled",
		recordTiming: false,
		...(heapBytesMax !== null && {
			resourceLimits: { maxOldGenerationSizeMb: heapBytesMax / 2 ** 20 },
		}),
	});
	// If a thread ends at rest, no call fails: the next call gets another thread.
	piscina.on("error", () => {});
	return piscina;
}

/** Connects a call with the function on its thread. */
interface Line {
	/** The thread's end of the port, where the job lies already. */
	readonly far: MessagePort;
	/** The cheapest object that Piscina takes for a signal. */
	readonly stop: EventEmitter;
	/** Nobody waits any more: ends the thread if the function has begun, else keeps it from beginning. */
	leave(): void;
	/** Returns the function's result, or throws its error. To be called when the thread is at rest again. */
	result(): unknown;
	close(): void;
}

function openLine(task: ThreadCall, scope: Scope): Line {
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
		// The function began while it was being told not to.
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
			// The thread sent its messages before it said that it is at rest. They are there, but their events may not have
			// come yet.
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

/** Sent separately, so that a value that cannot be sent is told from a thread that has ended. */
function sendJob(
	{ file, name, args, context, moved }: ThreadCall,
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

/** Runs a function of the context for the thread. Its error is kept, because the thread may give it back. */
async function answer(
	{ id, name, args }: Extract<FromThread, { kind: "call" }>,
	context: Readonly<Record<string, unknown>>,
	own: MessagePort,
	failures: Map<number, unknown>,
): Promise<void> {
	const post = (message: ToThread) => own.postMessage(message);
	try {
		const fn = context[name] as (...args: readonly unknown[]) => unknown;
		const value = await fn(...args);
		post({ kind: "answered", id, value });
	} catch (thrown) {
		failures.set(id, thrown);
		post({ kind: "failed", id, thrown: packThrown(thrown) });
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
