import type { Clock, Timer } from "./clock.ts";

/** Told once, with the reason, when its scope is cancelled. Must not throw. */
export type CancelListener = (reason: unknown) => void;

/** A place in a ring of those a lifetime tells: leaving must not cost more with many of them. */
class Link {
	before: Link = this;
	behind: Link = this;

	joinBefore(mark: Link): void {
		this.before = mark.before;
		this.behind = mark;
		mark.before.behind = this;
		mark.before = this;
	}

	/** Whether it stood in a ring. */
	unlink(): boolean {
		if (this.behind === this) return false;
		this.before.behind = this.behind;
		this.behind.before = this.before;
		this.before = this.behind = this;
		return true;
	}

	tell(_reason: unknown): void {}
}

class Listener extends Link {
	readonly fn: CancelListener;

	constructor(fn: CancelListener) {
		super();
		this.fn = fn;
	}

	override tell(reason: unknown): void {
		this.fn(reason);
	}
}

/**
 * What of a scope the request path pays for: it ends, in time or cancelled, and whoever asked is told. An inner one
 * stands in its parent's ring itself, so that opening it makes one object.
 */
export class Lifetime extends Link {
	readonly parent: Lifetime | null;
	readonly clock: Clock;
	readonly deadline: number;
	cancelled = false;
	reason: unknown = undefined;
	listeners = 0;
	over = false;
	#ring: Link | null = null;
	#timer: Timer | null = null;
	#controller: AbortController | null = null;

	constructor(
		parent: Lifetime | null,
		clock: Clock,
		deadline: number,
		deadlineReason: () => unknown,
	) {
		super();
		const outer = parent === null ? Number.POSITIVE_INFINITY : parent.deadline;
		this.parent = parent;
		this.clock = clock;
		this.deadline = Math.min(deadline, outer);
		if (parent !== null) parent.#adopt(this);
		// At an equal instant the outer scope's timer, set earlier, gives the reason.
		if (deadline < outer && !this.over) this.#setTimer(deadlineReason);
	}

	#setTimer(reasonOf: () => unknown): void {
		const expire = () => this.end(true, reasonOf());
		const left = this.deadline - this.clock.now();
		if (left <= 0) expire();
		else this.#timer = this.clock.after(left, expire);
	}

	#adopt(inner: Lifetime): void {
		if (this.cancelled) inner.tell(this.reason);
		else if (!this.over) this.#admit(inner);
	}

	onCancel(fn: CancelListener): () => void {
		if (this.cancelled) fn(this.reason);
		if (this.over) return nothing;
		const listener = new Listener(fn);
		this.#admit(listener);
		return () => this.#dismiss(listener);
	}

	#admit(link: Link): void {
		this.#ring ??= new Link();
		link.joinBefore(this.#ring);
		this.listeners++;
	}

	#dismiss(link: Link): void {
		if (link.unlink()) this.listeners--;
	}

	get signal(): AbortSignal {
		if (this.#controller === null) {
			const controller = new AbortController();
			this.#controller = controller;
			this.onCancel((reason) => controller.abort(reason));
		}
		return this.#controller.signal;
	}

	override tell(reason: unknown): void {
		this.end(true, reason);
	}

	cancel(reason: unknown): void {
		this.end(true, reason);
	}

	close(): void {
		this.end(false, undefined);
	}

	protected end(cancelled: boolean, reason: unknown): void {
		if (this.over) return;
		this.over = true;
		this.cancelled = cancelled;
		this.reason = reason;
		this.#timer?.cancel();
		this.#timer = null;
		if (this.parent !== null) this.parent.#dismiss(this);
		const ring = this.#ring;
		this.#ring = null;
		if (cancelled && ring !== null) this.#tellAll(ring, reason);
	}

	/** A listener may remove others while they are told: the first is taken anew each time. */
	#tellAll(ring: Link, reason: unknown): void {
		while (ring.behind !== ring) {
			const link = ring.behind;
			this.#dismiss(link);
			link.tell(reason);
		}
	}
}

function nothing(): void {}
