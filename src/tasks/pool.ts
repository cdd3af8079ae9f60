import os from "node:os";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Transferable } from "node:worker_threads";
import { type Clock, realClock } from "./clock.ts";
import { createCrew } from "./crew.ts";
import { PoolClosed, PoolFull } from "./pool-errors.ts";
import { openScope, type Scope } from "./scope.ts";
import { createSemaphore } from "./semaphore.ts";

/** Threads that compute, so that this thread's loop goes on. */
export interface Pool {
	/**
	 * Calls the function that a module exports, on a thread, and gives its result. Arguments and result are copied. Fails
	 * with the function's error, `PoolFull`, `TimedOut`, `ThreadEnded`, or the reason of its scope. Settles only when the
	 * function no longer runs. A path is relative to the process's folder.
	 */
	offload<T = unknown>(
		file: string | URL,
		name: string,
		args?: readonly unknown[],
		options?: OffloadOptions,
	): Promise<T>;
	/** Ends all threads. Calls that run or wait fail with `PoolClosed`. Settles when no thread is left. */
	close(): Promise<void>;
	[Symbol.asyncDispose](): Promise<void>;
	/** How many calls can run at once. */
	readonly size: number;
	/** Calls that have a thread now, or whose thread is still ending. */
	readonly running: number;
	/** Calls that wait for a thread. */
	readonly waiting: number;
	/** Threads that exist now. Idle threads do not keep the process alive. */
	readonly threads: number;
}

export interface PoolOptions {
	/**
	 * How many calls run at once, each on a thread of its own. Default: one fewer than the machine has cores, and at
	 * least one.
	 */
	readonly threads?: number;
	/** How many calls wait for a thread. One more fails with `PoolFull`. Default: 1,024. */
	readonly waitingMax?: number;
	/**
	 * How much a thread may hold in its JavaScript heap, without buffers. Beyond it the thread ends. At least 16 MiB.
	 * Default: Node's bound for a thread.
	 */
	readonly heapBytesMax?: number | null;
	/** The clock of calls without a scope. Default: the machine's. */
	readonly clock?: Clock;
}

export interface OffloadOptions {
	/** When it is cancelled, the function is ended, wherever it is, and its thread is replaced. */
	readonly scope?: Scope;
	/** How long the function may run, once its thread has loaded it. Default: as long as its scope. */
	readonly timeoutMs?: number;
	/** The parts of the arguments that are moved instead of copied. They cannot be used here any more. */
	readonly transfer?: readonly Transferable[];
	/**
	 * Given to the function after its arguments, with a `signal` that is aborted when it has returned. Functions in it
	 * can be called from the thread and run here. If one fails, the function on the thread fails with the same error,
	 * unless it catches it.
	 */
	readonly context?: Readonly<Record<string, unknown>>;
}

/** V8 ends the whole process if a heap is too small for a thread to start in: some 2 MiB. */
const heapBytesMin = 16 * 2 ** 20;

/** Makes a pool. Its threads start when they are first needed, and end when it is closed. */
export function createPool({
	threads: size = Math.max(1, os.availableParallelism() - 1),
	waitingMax = 1024,
	heapBytesMax = null,
	clock,
}: PoolOptions = {}): Pool {
	refuse(size, 1, "threads");
	refuse(waitingMax, 0, "waitingMax");
	if (heapBytesMax !== null) refuse(heapBytesMax, heapBytesMin, "heapBytesMax");
	const slots = createSemaphore(size);
	const crew = createCrew({ threads: size, heapBytesMax });
	const calls = new Set<Scope>();
	let ownClock = clock;
	let closed: Promise<void> | null = null;

	function clockOf(scope: Scope | undefined): Clock {
		return scope?.clock ?? (ownClock ??= realClock());
	}

	async function takeSlot(scope: Scope): Promise<void> {
		if (scope.cancelled) throw scope.reason;
		if (slots.tryTake()) return;
		if (slots.waiting >= waitingMax) throw new PoolFull(size, slots.waiting);
		await slots.take(scope);
	}

	async function offload<T>(
		file: string | URL,
		name: string,
		args: readonly unknown[] = [],
		options: OffloadOptions = {},
	): Promise<T> {
		if (closed !== null) throw new PoolClosed();
		const { scope: parent, timeoutMs = null, context = null } = options;
		const { transfer: moved = [] } = options;
		const task = { file: hrefOf(file), name, args, moved, context, timeoutMs };
		const scope = openScope({
			clock: clockOf(parent),
			...(parent && { parent }),
		});
		calls.add(scope);
		try {
			await takeSlot(scope);
			try {
				return (await crew.carryOut(task, scope)) as T;
			} finally {
				slots.give();
			}
		} finally {
			calls.delete(scope);
			scope.close();
		}
	}

	function close(): Promise<void> {
		closed ??= closeNow();
		return closed;
	}

	async function closeNow(): Promise<void> {
		for (const scope of calls) scope.cancel(new PoolClosed());
		await crew.close();
	}

	return {
		offload,
		close,
		[Symbol.asyncDispose]: close,
		size,
		get running() {
			return slots.taken;
		},
		get waiting() {
			return slots.waiting;
		},
		get threads() {
			return crew.size;
		},
	};
}

/** The pool of `offload`: threads belong to the process. */
let shared: Pool | null = null;

/**
 * Calls the function that a module exports, on a thread of a pool that all callers share. The pool is made at its first
 * use, and keeps the process alive only during calls. A path is relative to the process's folder.
 */
export function offload<T = unknown>(
	file: string | URL,
	name: string,
	...args: readonly unknown[]
): Promise<T> {
	shared ??= createPool();
	return shared.offload<T>(file, name, args);
}

function refuse(value: number, least: number, name: string): void {
	if (Number.isSafeInteger(value) && value >= least) return;
	throw new RangeError(`${name} is ${value}: a whole number from ${least}`);
}

function hrefOf(file: string | URL): string {
	if (file instanceof URL) return file.href;
	if (typeof file !== "string") {
		throw new TypeError(
			`a thread runs a function of a file, by name: write \`offload("./work.js", "name", args)\``,
		);
	}
	return file.startsWith("file:") ? file : pathToFileURL(resolve(file)).href;
}
