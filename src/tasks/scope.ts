import { type Clock, realClock } from "./clock.ts";
import { failureOf, leavesOf } from "./failure.ts";
import { createFuture, type Future } from "./future.ts";
import { type CancelListener, Lifetime } from "./lifetime.ts";
import { Cancelled, DeadlineReached, TimedOut } from "./reason.ts";

export interface ScopeOptions {
	/** Taken from the parent where there is one; else, where none is given, the machine's. */
	readonly clock?: Clock;
	/** Cancelling the parent cancels this scope, with the same reason. */
	readonly parent?: Scope;
	/** Milliseconds from now after which the scope is cancelled with `TimedOut`; never later than the parent. */
	readonly timeoutMs?: number;
	/** The instant, in milliseconds on the clock, at which the scope is cancelled; never later than the parent's. */
	readonly deadline?: number;
	/** Makes the reason given at the deadline. Default: a `DeadlineReached`, or `TimedOut` after `timeoutMs`. */
	readonly deadlineReason?: () => unknown;
}

/**
 * A lifetime. Work that must not outlive it asks `onCancel` to be told when it is over before its time. Whoever opened
 * it ends it: where tasks were started in it with `await using`, else `close` is enough. Neither leaves anything behind:
 * no timer, no listener, no entry at the parent.
 */
export interface Scope {
	readonly clock: Clock;
	/** The instant of the deadline, this scope's or an outer one's; Infinity without one. */
	readonly deadline: number;
	readonly cancelled: boolean;
	/** Why it was cancelled; undefined while it was not. */
	readonly reason: unknown;
	/**
	 * Begins work at once, as a task of this scope. Where it fails the scope is cancelled with its error. Throws the reason
	 * in a scope that was cancelled, and an error in one that was left or closed.
	 */
	start<T>(work: TaskWork<T>, options?: TaskOptions): Task<T>;
	/** Calls `fn` when the scope is cancelled, at once if it has been. Returns the removal, which may be called twice. */
	onCancel(fn: CancelListener): () => void;
	/** Tells all tasks, listeners and inner scopes. Does nothing on a scope that is over. */
	cancel(reason: unknown): void;
	/** Ends the scope without telling anybody. Throws while tasks run in it: those are waited for by leaving. */
	close(): void;
	/**
	 * Leaves the scope: waits for its tasks, then throws what they failed with: the error, or an `AggregateError` of all of
	 * them, the first in front. Where none failed but the scope was cancelled and a task was cut off by that, throws the
	 * reason. It cannot know that the block of `await using` threw, and cancels nothing then: `group` does.
	 */
	[Symbol.asyncDispose](): Promise<void>;
	/** For code that takes an AbortSignal: made when it is first read, for it costs more than all the rest. */
	readonly signal: AbortSignal;
	/** Listeners neither told nor removed, counted on after `close`: zero when all that ran in the scope has ended. */
	readonly listeners: number;
	/** What the scope would wait for if it were left now: tasks, groups, and inner scopes in which some run. */
	readonly running: number;
}

/** What a task does. Its scope is the task's own: cancelled with the task, and holding what the task itself starts. */
export type TaskWork<T> = (scope: Scope) => T | PromiseLike<T>;

export interface TaskOptions {
	/** For people, in errors and logs. Default: the function's name. */
	readonly name?: string;
}

/** Work that was begun in a scope. It is over when the work is, and all that was started in the task's own scope. */
export interface Task<T> {
	readonly name: string;
	/** Whether it is over, however it ended. */
	readonly done: boolean;
	/** Asks it to end; it is over when it has. Cancelling is no failure: it touches no other task. Default: a `Cancelled`. */
	cancel(reason?: unknown): void;
	/**
	 * What the work gave, when it is over; throws what it failed with or was cancelled with. Not reading it loses nothing,
	 * for the scope throws failures too. With a scope, stops waiting when that is cancelled.
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

function deadlineReached(): unknown {
	return new DeadlineReached();
}

export function timedOut(ms: number): () => unknown {
	return () => new TimedOut(ms);
}

/** What a scope knows of what runs in it: made when something first does. */
class Account {
	running = 0;
	/** Each once, in the order in which they came; null while nothing failed. */
	failures: Set<unknown> | null = null;
	/** Whether something ended early because the scope was cancelled. */
	cut = false;
	/** Those who wait until nothing runs. */
	leaving: (() => void)[] = [];
}

export class OpenScope extends Lifetime implements Scope {
	declare readonly parent: OpenScope | null;
	#account: Account | null = null;

	start<T>(work: TaskWork<T>, options?: TaskOptions): Task<T> {
		if (this.cancelled) throw this.reason;
		this.hold();
		const task = new OpenTask<T>(this, options?.name ?? work.name, this);
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
		// What runs may start more until the last has ended.
		while (this.running > 0) await this.#idle();
		this.leave();
	}

	#idle(): Promise<void> {
		return new Promise((resolve) => this.#account?.leaving.push(resolve));
	}

	/** Ends the scope, in which nothing runs any more, and throws what came of that. */
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

	/** Something runs that the scope must not be left before; nor the scope around it. Throws where it is over. */
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

	/** Whether something failed in it, or was ended by its cancellation. */
	get failed(): boolean {
		const account = this.#account;
		return account !== null && (account.failures !== null || account.cut);
	}

	/**
	 * Takes what something in the scope was ended by. What is the scope's own cancellation coming back has been counted
	 * where it began; all else is a failure, counted once, and cancels the scope.
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
 * A task is the scope its work is given, so that starting one makes one object. Its own tasks' failures are its own;
 * the scope it was started in hears of each at once, so that the siblings need not wait for its end.
 */
export class OpenTask<T> extends OpenScope implements Task<T> {
	readonly name: string;
	/** Told of its failures; null where whoever began it is thrown them instead. */
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
				// Bound, for two closures take more memory.
				this.#onReturn.bind(this),
				this.#onThrow.bind(this),
			);
		} catch (error) {
			this.#onThrow(error);
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
		// Whoever does not look at it in the end has not lost a failure: the scope throws it.
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
