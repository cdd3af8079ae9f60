import type { Clock, Timer } from "./clock.ts";

/** Told once, with the reason, when its scope is cancelled. Must not throw. */
export type CancelListener = (reason: unknown) => void;

export interface ScopeOptions {
	/** Taken from the parent where there is one. */
	readonly clock?: Clock;
	/** Cancelling the parent cancels this scope, with the same reason. */
	readonly parent?: Scope;
	/** The instant, in milliseconds on the clock, at which the scope is cancelled; never later than the parent's. */
	readonly deadline?: number;
	/** Makes the reason given at the deadline. Default: a `DeadlineReached`. */
	readonly deadlineReason?: () => unknown;
}

/** The reason of a scope cancelled by its own deadline, where no other was given. */
export class DeadlineReached extends Error {
	override readonly name = "DeadlineReached";
	constructor() {
		super("the deadline was reached");
	}
}

/**
 * A lifetime. Work that must not outlive it asks `onCancel` to be told when it is over before its time; whoever opened
 * it calls `close` when it is over in time. Both leave nothing behind: no timer, no listener, no entry at the parent.
 */
export interface Scope {
	readonly clock: Clock;
	/** The instant of the deadline, this scope's or an outer one's; Infinity without one. */
	readonly deadline: number;
	readonly cancelled: boolean;
	/** Why it was cancelled; undefined while it was not. */
	readonly reason: unknown;
	/** Calls `fn` when the scope is cancelled, at once if it has been. Returns the removal, which may be called twice. */
	onCancel(fn: CancelListener): () => void;
	/** Tells all listeners, inner scopes included, and is over. Does nothing on a scope that is over. */
	cancel(reason: unknown): void;
	/** Ends the scope without telling anybody. */
	close(): void;
	/** For code that takes an AbortSignal: made when it is first read, for it costs more than all the rest. */
	readonly signal: AbortSignal;
	/** Listeners neither told nor removed, counted on after `close`: zero when all that ran in the scope has ended. */
	readonly listeners: number;
}

/**
 * Opens a lifetime that ends by `close`, or with its parent. Without `clock` it takes its parent's; throws where
 * there is neither.
 */
export function openScope(options: ScopeOptions): Scope {
	const clock = options.clock ?? options.parent?.clock;
	if (clock === undefined) throw new TypeError("a root scope needs a clock");
	return new LinkedScope(clock, options);
}

/** An entry in a scope's ring of listeners: removing one must not cost more with many of them. */
interface Link {
	fn: CancelListener;
	before: Link;
	behind: Link;
}

class LinkedScope implements Scope {
	readonly clock: Clock;
	readonly deadline: number;
	cancelled = false;
	reason: unknown = undefined;
	listeners = 0;
	#over = false;
	#ring: Link | null = null;
	#timer: Timer | null = null;
	#leaveParent: (() => void) | null = null;
	#controller: AbortController | null = null;

	constructor(clock: Clock, options: ScopeOptions) {
		this.clock = clock;
		const outer = options.parent?.deadline ?? Number.POSITIVE_INFINITY;
		const own = options.deadline ?? Number.POSITIVE_INFINITY;
		this.deadline = Math.min(own, outer);
		if (options.parent) {
			this.#leaveParent = options.parent.onCancel((reason) =>
				this.cancel(reason),
			);
		}
		// At an equal instant the outer scope's timer, set earlier, gives the reason.
		if (own < outer && !this.#over) this.#setTimer(own, options.deadlineReason);
	}

	#setTimer(deadline: number, reason: (() => unknown) | undefined): void {
		const expire = () => this.cancel(reason?.() ?? new DeadlineReached());
		const left = deadline - this.clock.now();
		if (left <= 0) expire();
		else this.#timer = this.clock.after(left, expire);
	}

	onCancel(fn: CancelListener): () => void {
		if (this.cancelled) fn(this.reason);
		if (this.#over) return nothing;
		return this.#link(fn);
	}

	#link(fn: CancelListener): () => void {
		const mark = this.#ring ?? this.#openRing();
		const link: Link = { fn, before: mark.before, behind: mark };
		mark.before.behind = link;
		mark.before = link;
		this.listeners++;
		return () => {
			if (link.behind === link) return;
			link.before.behind = link.behind;
			link.behind.before = link.before;
			link.before = link.behind = link;
			this.listeners--;
		};
	}

	get signal(): AbortSignal {
		if (this.#controller === null) {
			const controller = new AbortController();
			this.#controller = controller;
			this.onCancel((reason) => controller.abort(reason));
		}
		return this.#controller.signal;
	}

	#openRing(): Link {
		const mark = { fn: nothing } as unknown as Link;
		mark.before = mark.behind = mark;
		this.#ring = mark;
		return mark;
	}

	cancel(reason: unknown): void {
		if (this.#over) return;
		this.cancelled = true;
		this.reason = reason;
		const mark = this.#end();
		if (mark === null) return;
		// A listener may remove others while they are told: the first is taken anew each time.
		while (mark.behind !== mark) {
			const link = mark.behind;
			mark.behind = link.behind;
			link.behind.before = mark;
			link.before = link.behind = link;
			this.listeners--;
			link.fn(reason);
		}
	}

	close(): void {
		if (this.#over) return;
		this.#end();
	}

	#end(): Link | null {
		this.#over = true;
		this.#timer?.cancel();
		this.#timer = null;
		this.#leaveParent?.();
		this.#leaveParent = null;
		const mark = this.#ring;
		this.#ring = null;
		return mark;
	}
}

function nothing(): void {}
