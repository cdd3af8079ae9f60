import type { Clock, Timer } from "./clock.ts";

/** Called once, with the reason, when its scope is cancelled. Must not throw. */
export type CancelListener = (reason: unknown) => void;

/** A member of the ring of a lifetime's listeners. In a ring it costs the same to leave with many listeners. */
class Link {
	before: Link = this;
	behind: Link = this;

	joinBefore(mark: Link): void {
		this.before = mark.before;
		this.behind = mark;
		mark.before.behind = this;
		mark.before = this;
	}

	/** Returns whether it stood in a ring. */
	unlink(): boolean {
		if (this.behind === this) return false;
		this.before.behind = this.behind;
		this.behind.before = this.before;
		this.before = this.behind = this;
		return true;
	}

	notify(_reason: unknown): void {}
}

class Listener extends Link {
	readonly fn: CancelListener;

	constructor(fn: CancelListener) {
		super();
		this.fn = fn;
	}

	override notify(reason: unknown): void {
		this.fn(reason);
	}
}

/** Hears of the cancellation of a scope. Must not throw. */
export interface CancelTarget {
	onCancelled(reason: unknown): void;
}

/** Listens for one who listens for long: one object, where a function, its removal and what they hold are five. */
export class Listening extends Link {
	readonly #target: CancelTarget;
	#lifetime: Lifetime | null;

	constructor(target: CancelTarget, lifetime: Lifetime) {
		super();
		this.#target = target;
		this.#lifetime = lifetime;
	}

	override notify(reason: unknown): void {
		this.#target.onCancelled(reason);
	}

	/** May be called twice. */
	stop(): void {
		this.#lifetime?.dismiss(this);
		this.#lifetime = null;
	}
}

/**
 * The part of a scope that the request path pays for. It ends, in time or by cancellation, and then calls its
 * listeners. An inner lifetime stands in its parent's ring itself, so that to open it makes one object.
 */
export class Lifetime extends Link {
	readonly parent: Lifetime | null;
	readonly clock: Clock;
	reason: unknown = undefined;
	listeners = 0;
	/** The instant of its own deadline; null if there is none, or only one later than the parent's. */
	readonly #until: number | null;
	#state: "open" | "cancelled" | "closed" = "open";
	#ring: Link | null = null;
	#timer: Timer | null = null;
	#controller: AbortController | null = null;

	constructor(
		parent: Lifetime | null,
		clock: Clock,
		deadline: number | null,
		deadlineReason: () => unknown,
	) {
		super();
		this.parent = parent;
		this.clock = clock;
		// At an equal instant the outer scope's timer gives the reason, because it was set earlier.
		this.#until =
			deadline !== null && deadline < latestIn(parent) ? deadline : null;
		if (parent !== null) parent.#adopt(this);
		if (this.#until !== null) this.#setTimer(this.#until, deadlineReason);
	}

	get deadline(): number {
		if (this.#until !== null) return this.#until;
		return latestIn(this.parent);
	}

	get cancelled(): boolean {
		return this.#state === "cancelled";
	}

	get over(): boolean {
		return this.#state !== "open";
	}

	#setTimer(until: number, reasonOf: () => unknown): void {
		if (this.over) return;
		const expire = () => this.end("cancelled", reasonOf());
		const left = until - this.clock.now();
		if (left <= 0) expire();
		else this.#timer = this.clock.after(left, expire);
	}

	#adopt(inner: Lifetime): void {
		if (this.cancelled) inner.notify(this.reason);
		else if (!this.over) this.#admit(inner);
	}

	onCancel(fn: CancelListener): () => void {
		if (this.cancelled) fn(this.reason);
		if (this.over) return nothing;
		const listener = new Listener(fn);
		this.#admit(listener);
		return () => this.dismiss(listener);
	}

	/** As `onCancel`, for an object. */
	listen(target: CancelTarget): Listening {
		const listening = new Listening(target, this);
		if (this.cancelled) target.onCancelled(this.reason);
		if (!this.over) this.#admit(listening);
		return listening;
	}

	#admit(link: Link): void {
		this.#ring ??= new Link();
		link.joinBefore(this.#ring);
		this.listeners++;
	}

	dismiss(link: Link): void {
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

	override notify(reason: unknown): void {
		this.end("cancelled", reason);
	}

	cancel(reason: unknown): void {
		this.end("cancelled", reason);
	}

	close(): void {
		this.end("closed", undefined);
	}

	protected end(state: "cancelled" | "closed", reason: unknown): void {
		if (this.over) return;
		this.#state = state;
		this.reason = reason;
		this.#timer?.cancel();
		this.#timer = null;
		if (this.parent !== null) this.parent.dismiss(this);
		const ring = this.#ring;
		this.#ring = null;
		if (this.cancelled && ring !== null) this.#tellAll(ring, reason);
	}

	/** A listener may remove others while they are called, so the first is taken anew each time. */
	#tellAll(ring: Link, reason: unknown): void {
		while (ring.behind !== ring) {
			const link = ring.behind;
			this.dismiss(link);
			try {
				link.notify(reason);
			} catch (error) {
				throwApart(error);
			}
		}
	}
}

function latestIn(scope: Lifetime | null): number {
	return scope === null ? Number.POSITIVE_INFINITY : scope.deadline;
}

/** A listener that throws is a bug that must be seen. The others must be called all the same. */
function throwApart(error: unknown): void {
	queueMicrotask(() => {
		throw error;
	});
}

function nothing(): void {}
