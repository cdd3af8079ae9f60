import { type Clock, realClock } from "./clock.ts";
import { failureOf, leavesOf } from "./failure.ts";
import { createFuture, type Future } from "./future.ts";
import {
	type CancelListener,
	type CancelTarget,
	Lifetime,
	type Listening,
} from "./lifetime.ts";
import { notWork } from "./misuse.ts";
import { Cancelled, DeadlineReached, TimedOut } from "./reason.ts";

export interface ScopeOptions {
	/** The parent's, if there is a parent. Else the machine's, unless it is given. */
	readonly clock?: Clock;
	/** If the parent is cancelled, so is this scope, with the same reason. */
	readonly parent?: Scope;
	/** Milliseconds from now after which the scope is cancelled with `TimedOut`; never later than the parent. */
	readonly timeoutMs?: number;
	/** The instant, in milliseconds on the clock, at which the scope is cancelled; never later than the parent's. */
	readonly deadline?: number;
	/** Makes the reason given at the deadline. Default: a `DeadlineReached`, or `TimedOut` after `timeoutMs`. */
	readonly deadlineReason?: () => unknown;
}

/**
 * A lifetime. Work that must not outlive it listens by `onCancel` for an early end. The code that opened a scope ends
 * it: by `await using` if tasks were started in it, else by `close`. Neither leaves anything behind: no timer, no
 * listener, no entry at the parent.
 */
export interface Scope {
	readonly clock: Clock;
	/** The instant of the deadline, this scope's or an outer one's; Infinity without one. */
	readonly deadline: number;
	readonly cancelled: boolean;
	/** The reason of its cancellation; undefined while it is not cancelled. */
	readonly reason: unknown;
	/**
	 * Begins work at once, as a task of this scope. If it fails, the scope is cancelled with its error. Throws the reason
	 * in a scope that was cancelled, and an error in one that was left or closed.
	 */
	start<T>(work: TaskWork<T>, options?: TaskOptions): Task<T>;
	/** Calls `fn` when the scope is cancelled, at once if it has been. Returns the removal, which may be called twice. */
	onCancel(fn: CancelListener): () => void;
	/** Cancels all tasks and inner scopes, and calls all listeners. Does nothing on a scope that is over. */
	cancel(reason: unknown): void;
	/** Ends the scope and calls no listener. Throws while tasks run in it, because only leaving waits for them. */
	close(): void;
	/**
	 * Leaves the scope: waits for its tasks, then throws their failure, or an `AggregateError` of all failures, the first
	 * in front. If none failed, but cancellation cut a task off, throws the reason. It cannot know that the block of
	 * `await using` threw, so it cancels nothing then. `group` does.
	 */
	[Symbol.asyncDispose](): Promise<void>;
	/**
	 * For code that takes an AbortSignal. Made when it is first read, because it costs more than the rest of the scope.
	 */
	readonly signal: AbortSignal;
	/**
	 * Listeners that were neither called nor removed. They count even after `close`: zero if all work of the scope has
	 * ended.
	 */
	readonly listeners: number;
	/** What a leaving scope would wait for now: tasks, groups, and inner scopes with running tasks. */
	readonly running: number;
}

/**
 * The work of a task. Its scope is the task's own: it is cancelled with the task, and holds the tasks that the task
 * starts.
 */
export type TaskWork<T> = (scope: Scope) => T | PromiseLike<T>;

export interface TaskOptions {
	/** For people, in errors and logs. Default: the function's name. */
	readonly name?: string;
}

/** Work that was begun in a scope. It is over when the work and all tasks of its own scope are over. */
export interface Task<T> {
	readonly name: string;
	/** Whether it is over, well or not. */
	readonly done: boolean;
	/**
	 * Asks the task to end. It runs until it has ended. A cancellation is no failure and affects no other task. Default
	 * reason: a `Cancelled`.
	 */
	cancel(reason?: unknown): void;
	/**
	 * The result of the work, when it is over. Throws its error, or the reason of its cancellation. Nothing is lost if
	 * nobody reads it, because the scope throws failures too. With a scope, stops waiting when that is cancelled.
	 */
	result(scope?: Scope): Promise<T>;
}

/** Opens a lifetime that ends when it is left or closed, or with its parent. */
export function openScope(options: ScopeOptions = {}): Scope {
	const parent = (options.parent ?? null) as OpenScope | null;
	const clock = options.clock ?? parent?.clock ?? realClock();
	const { timeoutMs = null, deadline = null, deadlineReason } = options;
	if (timeoutMs !== null) {
		const end = clock.now() + timeoutMs;
		if (deadline === null || end < deadline) {
			const reasonOf = deadlineReason ?? timedOut(timeoutMs);
			return new OpenScope(parent, clock, end, reasonOf);
		}
	}
	const reasonOf = deadlineReason ?? deadlineReached;
	return new OpenScope(parent, clock, deadline, reasonOf);
}

/** As the scope's `onCancel`, for one who listens for long. Takes a fifth of the memory. */
export function listenTo(scope: Scope, target: CancelTarget): Listening {
	return (scope as OpenScope).listen(target);
}

function deadlineReached(): unknown {
	return new DeadlineReached();
}

export function timedOut(ms: number): () => unknown {
	return () => new TimedOut(ms);
}

/** The tasks of a scope. Made with the first task. */
class Account {
	running = 0;
	/** Each failure once, in the order in which they came; null while nothing failed. */
	failures: Set<unknown> | null = null;
	/** Whether a task ended early because the scope was cancelled. */
	cut = false;
	/** Callers that wait until nothing runs. */
	leaving: (() => void)[] = [];
}

export class OpenScope extends Lifetime implements Scope {
	declare readonly parent: OpenScope | null;
	#account: Account | null = null;

	start<T>(work: TaskWork<T>, options?: TaskOptions): Task<T> {
		if (this.cancelled) throw this.reason;
		this.hold();
		const task = new OpenTask<T>(this, options?.name ?? work?.name, this);
		task.begin(work);
		return task;
	}

	override close(): void {
		if (this.running > 0) {
			throw new Error("tasks run in the scope: leave it with `await using`");
		}
		super.close();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		// Running tasks may start more, until the last has ended.
		while (this.running > 0) await this.#idle();
		this.leave();
	}

	#idle(): Promise<void> {
		return new Promise((resolve) => this.#account?.leaving.push(resolve));
	}

	/** Ends the scope, in which nothing runs any more, and throws its failures. */
	leave(): void {
		this.end("closed", undefined);
		const account = this.#account;
		if (account === null) return;
		if (account.failures) throw failureOf(account.failures);
		if (account.cut) throw this.reason;
	}

	get running(): number {
		return this.#account === null ? 0 : this.#account.running;
	}

	/**
	 * Counts running work: before its end neither this scope nor the scope around it may be left. Throws if the scope is
	 * over.
	 */
	hold(): void {
		if (this.over && !this.cancelled) {
			throw new Error("nothing starts in a scope that is over");
		}
		const account = (this.#account ??= new Account());
		if (account.running === 0) this.parent?.hold();
		account.running++;
	}

	release(): void {
		const account = this.#account;
		if (account === null || --account.running > 0) return;
		this.parent?.release();
		this.onIdle();
	}

	protected onIdle(): void {
		const leaving = this.#account?.leaving.splice(0) ?? [];
		for (const leave of leaving) leave();
	}

	/** Whether a task failed, or was ended by the scope's cancellation. */
	get failed(): boolean {
		const account = this.#account;
		return account !== null && (account.failures !== null || account.cut);
	}

	/**
	 * Takes the error that ended a task. If it is the scope's own reason, it was counted where it began. Any other error
	 * is a failure: it is counted once, and cancels the scope.
	 */
	fail(error: unknown): void {
		const account = (this.#account ??= new Account());
		for (const leaf of leavesOf(error, (one) => this.#isReason(one))) {
			if (this.#isReason(leaf)) account.cut = true;
			else if (!account.failures?.has(leaf)) {
				account.failures ??= new Set();
				account.failures.add(leaf);
				this.onFailure(leaf);
			}
		}
	}

	protected onFailure(error: unknown): void {
		this.end("cancelled", error);
	}

	#isReason(error: unknown): boolean {
		return this.cancelled && this.reason === error;
	}
}

/**
 * A task is the scope that its work is given, so that to start one makes one object. The failures of its own tasks are
 * its own. The scope in which it was started hears of each at once, so that its siblings need not wait for its end.
 */
export class OpenTask<T> extends OpenScope implements Task<T> {
	readonly name: string;
	/** Called with its failures; null if its caller is thrown them instead. */
	readonly #owner: OpenScope | null;
	#state: "working" | "waiting" | "done" = "working";
	#value: T | undefined = undefined;
	#result: Future<T> | null = null;

	constructor(
		parent: OpenScope | null,
		name: string,
		owner: OpenScope | null,
		clock: Clock = (parent as OpenScope).clock,
		deadline: number | null = null,
		deadlineReason: () => unknown = deadlineReached,
	) {
		super(parent, clock, deadline, deadlineReason);
		this.name = name;
		this.#owner = owner;
	}

	get done(): boolean {
		return this.#state === "done";
	}

	begin(work: TaskWork<T>): void {
		try {
			Promise.resolve(work(this)).then(
				// Bound, because two closures take more memory.
				this.#onReturn.bind(this),
				this.#onThrow.bind(this),
			);
		} catch (error) {
			this.#onThrow(typeof work === "function" ? error : notWork(work));
		}
	}

	override cancel(reason: unknown = cancelled(this.name)): void {
		this.end("cancelled", reason);
	}

	result(scope?: Scope): Promise<T> {
		if (this.#result === null) {
			this.#result = createFuture();
			if (this.done) this.#settle(this.#result);
		}
		const result = this.#result.result(scope);
		// If nobody reads the result, no failure is lost: the scope throws it.
		result.catch(nothing);
		return result;
	}

	#onReturn(value: T): void {
		this.#value = value;
		this.#onReturned();
	}

	#onThrow(error: unknown): void {
		this.fail(error);
		this.#onReturned();
	}

	#onReturned(): void {
		this.#state = "waiting";
		if (this.running === 0) this.#finish();
	}

	protected override onFailure(error: unknown): void {
		super.onFailure(error);
		this.#owner?.fail(error);
	}

	protected override onIdle(): void {
		super.onIdle();
		if (this.#state === "waiting") this.#finish();
	}

	#finish(): void {
		this.end("closed", undefined);
		this.#state = "done";
		if (this.#result !== null) this.#settle(this.#result);
		const owner = this.#owner;
		if (owner === null) return;
		if (this.failed && this.reason === owner.reason) owner.fail(this.reason);
		owner.release();
	}

	#settle(result: Future<T>): void {
		try {
			this.leave();
			result.resolve(this.#value as T);
		} catch (error) {
			result.reject(error);
		}
	}
}

function cancelled(name: string): Cancelled {
	return new Cancelled(`the task ${name || "without a name"} was cancelled`);
}

function nothing(): void {}
