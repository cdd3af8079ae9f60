import type { OverloadConfig } from "../config/config.ts";
import { allRead } from "../core/all-read.ts";
import { GatewayError } from "../core/errors.ts";
import {
	type Events,
	type LoadLevel,
	type OverloadReason,
	raise,
} from "../core/events.ts";
import { networkOf } from "../core/ip.ts";
import { ClientQueue } from "../policy/client-queue.ts";
import { whileWaiting } from "../policy/waited.ts";
import { deadlineExceeded, type Load } from "../run/run.ts";
import type { Clock, Timer } from "../tasks/clock.ts";
import { openScope, type Scope } from "../tasks/scope.ts";

/** Keeps a gateway answering under overload. It gives up optional parts first, then whole requests. */
export interface Overload extends Load {
	/** Throws `overloaded` if a request of this client that arrived at this instant would be begun too late. */
	admit(client: string, arrivedMs: number): void;
	/**
	 * Null if a request may be begun in this turn of the event loop, else a promise of a later one. The promise
	 * rejects with `overloaded` if the request has waited too long, at the deadline, and with the scope's reason.
	 */
	begin(
		client: string,
		nowMs: number,
		deadline: number,
		scope: Scope,
	): Promise<void> | null;
	/**
	 * Throws `overloaded` if a request of this client could not even wait. Takes no place yet, because the body is still
	 * to be read.
	 */
	expect(client: string): void;
	/**
	 * Takes a place among the requests in progress. Null if one is free, else a promise of its turn, in which the clients
	 * follow each other. The promise rejects with `overloaded`, at the deadline, or with the scope's reason. The caller
	 * gives its place back by `leave`.
	 */
	enter(client: string, deadline: number, scope: Scope): Promise<void> | null;
	leave(): void;
	/** How many requests are in progress, and how many wait for their turn. */
	state(): { readonly running: number; readonly waiting: number };
	/** Whether one more request would have to wait or be refused, if so many are to come already. */
	isFull(coming: number): boolean;
	/** A request is refused for another reason. */
	refuse(reason: "memory"): void;
	/** Ends the wait of all requests that wait. */
	close(): void;
}

/** How long a level holds after its last sign. Otherwise it would come and go with every turn of the loop. */
const calmMs = 1_000;

/** Long enough for the requests in progress to end. A client that asks again at once would only add to them. */
const retryAfterMs = 1_000;

/** How late the event loop may be and still begin a request. Timers alone are that late on a machine with other work. */
const beginLateMsMax = 2;

const ranks: readonly LoadLevel[] = ["normal", "skipping", "refusing"];

/** Keeps the bounds of one gateway, and raises an event when the level changes. */
export function createOverload(
	config: OverloadConfig,
	{ clock, events }: { readonly clock: Clock; readonly events: Events },
): Overload {
	const { requestsMax, waitingMax, waitMs, skipAtMs, refuseAtMs, ...unread } =
		config;
	allRead(unread);
	const bounds = { requestsMax, waitingMax, waitMs, skipAtMs, refuseAtMs };
	return new OverloadBounds(bounds, clock, events);
}

/** Made once, because an error costs more than the rest of a refusal. */
function refusal(message: string): GatewayError {
	return new GatewayError("overloaded", message, { retryAfterMs });
}

class OverloadBounds implements Overload {
	skipping = false;
	readonly #config: OverloadConfig;
	readonly #clock: Clock;
	readonly #events: Events;
	#level: LoadLevel = "normal";
	#reason: OverloadReason = "requests";
	/** When each level was last called for. */
	#skipSignMs = Number.NEGATIVE_INFINITY;
	#refuseSignMs = Number.NEGATIVE_INFINITY;
	#calming: Timer | null = null;
	#taken = 0;
	/** Requests that wait for a place among those in progress. */
	readonly #waiting = new ClientQueue();
	/** Since when the queue has not been empty. */
	#crowdedSinceMs = 0;
	readonly #tooLate = refusal("requests are begun too late");
	readonly #tooMany = refusal("too many requests in progress and waiting");
	readonly #tooLong = refusal("waited too long for its turn");

	constructor(config: OverloadConfig, clock: Clock, events: Events) {
		this.#config = config;
		this.#clock = clock;
		this.#events = events;
	}

	/**
	 * Two signs of lateness. The first is how long the client has to expect to wait for a later turn. The second is how
	 * long this turn has taken so far: some work cannot be put off, and machines give a process no time. One pause, of the
	 * garbage collector or another process, is no overload: the turn before must have been late too, by half as much.
	 * After the first refusal, requests are refused from `skipAt` on, until none is so late any more. A client waits for
	 * two turns and more, and its answer should still be of use to it.
	 */
	admit(client: string, arrivedMs: number): void {
		const lateMs = Math.max(this.#waitOf(client), this.#delayOf(arrivedMs));
		this.#judge(lateMs, arrivedMs);
	}

	#judge(lateMs: number, nowMs: number): void {
		const { skipAtMs, refuseAtMs } = this.#config;
		if (lateMs < skipAtMs) return;
		const before = this.#level;
		this.#sign("skipping", "delay", nowMs);
		if (before === "normal") return;
		if (before === "skipping" && lateMs < refuseAtMs) return;
		this.#sign("refusing", "delay", nowMs);
		throw this.#tooLate;
	}

	#waitOf(client: string): number {
		const { turn } = this.#clock;
		return turn.waited ? turn.waitOf(networkOf(client)) : 0;
	}

	/** How long this turn has taken so far, if the one before was late too. */
	#delayOf(nowMs: number): number {
		const { turnDueMs, turnLateMs } = this.#clock;
		return turnLateMs < this.#config.skipAtMs / 2 ? 0 : nowMs - turnDueMs;
	}

	begin(
		client: string,
		nowMs: number,
		deadline: number,
		scope: Scope,
	): Promise<void> | null {
		const { turn, turnDueMs } = this.#clock;
		if (!turn.waited && nowMs - turnDueMs < beginLateMsMax) return null;
		return turn.beginLater(networkOf(client)).then(() => {
			if (scope.cancelled) throw scope.reason;
			const laterMs = this.#clock.now();
			const waitedMs = laterMs - nowMs;
			if (laterMs >= deadline) {
				throw whileWaiting(deadlineExceeded(), waitedMs, "the processor");
			}
			if (waitedMs >= this.#config.refuseAtMs) this.#judge(waitedMs, laterMs);
		});
	}

	expect(client: string): void {
		const { requestsMax, waitingMax } = this.#config;
		if (this.#taken < requestsMax || this.#waiting.size < waitingMax) return;
		this.#signNow("refusing");
		if (!this.#waiting.mayMakeRoom(client)) throw this.#tooMany;
	}

	enter(client: string, deadline: number, scope: Scope): Promise<void> | null {
		if (this.#taken >= this.#config.requestsMax) {
			return this.#wait(client, deadline, scope);
		}
		this.#taken++;
		if (this.#taken === this.#config.requestsMax) this.#signNow("skipping");
		return null;
	}

	async #wait(client: string, deadline: number, outer: Scope): Promise<void> {
		const { waitMs, waitingMax } = this.#config;
		const nowMs = this.#clock.now();
		if (this.#waiting.size >= waitingMax) {
			this.#signNow("refusing");
			const madeRoom = this.#waiting.makeRoom(client, this.#tooMany);
			if (!madeRoom) throw this.#tooMany;
		}
		this.#signNow("skipping");
		if (this.#waiting.size === 0) this.#crowdedSinceMs = nowMs;
		const patience = openScope({
			parent: outer,
			deadline: Math.min(deadline, nowMs + waitMs),
			deadlineReason: () => this.#waitedInVain(nowMs, deadline),
		});
		try {
			await this.#waiting.wait(client, patience);
		} finally {
			patience.close();
		}
	}

	#waitedInVain(sinceMs: number, deadline: number): unknown {
		const { waitMs, requestsMax } = this.#config;
		if (deadline <= sinceMs + waitMs) {
			const what = `one of the ${requestsMax} places of requests in progress`;
			return whileWaiting(deadlineExceeded(), deadline - sinceMs, what);
		}
		this.#signNow("refusing");
		return this.#tooLong;
	}

	state() {
		return { running: this.#taken, waiting: this.#waiting.size };
	}

	isFull(coming: number): boolean {
		const isTaken = this.#taken + coming >= this.#config.requestsMax;
		return isTaken || this.#level === "refusing";
	}

	refuse(reason: "memory"): void {
		this.#sign("refusing", reason, this.#clock.now());
	}

	/**
	 * While the queue only smooths a burst, requests go in order of arrival. If it has not been empty for as long as a
	 * request may wait, it will not empty soon. In order of arrival each request would then get its turn with hardly any
	 * time left. So the newest go first: most are answered as quickly as ever, and those that are refused would have been
	 * late anyway. That is an order among the requests of one client, and clients take turns.
	 */
	leave(): void {
		const crowdedMs = this.#clock.now() - this.#crowdedSinceMs;
		const order = crowdedMs < this.#config.waitMs ? "oldest" : "newest";
		if (!this.#waiting.letIn(order)) this.#taken--;
	}

	#signNow(level: "skipping" | "refusing"): void {
		this.#sign(level, "requests", this.#clock.now());
	}

	/** Notes a sign of a level, which holds from now on. */
	#sign(
		level: "skipping" | "refusing",
		reason: OverloadReason,
		nowMs: number,
	): void {
		this.#skipSignMs = nowMs;
		if (level === "refusing") this.#refuseSignMs = nowMs;
		this.#reason = reason;
		if (ranks.indexOf(level) > ranks.indexOf(this.#level)) this.#change(level);
		this.#calming ??= this.#clock.aside(calmMs, () => this.#calm());
	}

	/** Looks whether a level still has signs. Runs only while there is a level. */
	#calm(): void {
		const nowMs = this.#clock.now();
		if (this.#taken >= this.#config.requestsMax) this.#skipSignMs = nowMs;
		const level = this.#levelAt(nowMs);
		if (level !== this.#level) this.#change(level);
		const signMs = level === "refusing" ? this.#refuseSignMs : this.#skipSignMs;
		this.#calming =
			level === "normal"
				? null
				: this.#clock.aside(signMs + calmMs - nowMs, () => this.#calm());
	}

	#levelAt(nowMs: number): LoadLevel {
		if (nowMs - this.#refuseSignMs < calmMs) return "refusing";
		return nowMs - this.#skipSignMs < calmMs ? "skipping" : "normal";
	}

	#change(level: LoadLevel): void {
		this.#level = level;
		this.skipping = level !== "normal";
		const { loadChanged } = this.#events;
		if (loadChanged.length === 0) return;
		const reason = level === "normal" ? null : this.#reason;
		raise(loadChanged, { level, reason });
	}

	close(): void {
		this.#calming?.cancel();
		this.#calming = null;
		this.#waiting.clear(
			new GatewayError("gateway_draining", "the gateway closes"),
		);
	}
}
