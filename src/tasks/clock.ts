import { LoopTurn } from "./loop-turn.ts";

/** A timer that has been set. */
export interface Timer {
	/** Ends the timer without calling its function. Does nothing if it has fired or was cancelled. */
	cancel(): void;
}

/** The only source of time. It is passed everywhere, so that tests run on a virtual clock. */
export interface Clock {
	/** Milliseconds from an arbitrary zero; never goes back. */
	now(): number;
	/** Calls `fn` once, not before `ms` milliseconds have passed; `ms` of 0 or less means at the next tick. */
	after(ms: number, fn: () => void): Timer;
	/** As `after`, for housekeeping that nobody waits for: not counted in `pending`, and no reason to keep the process. */
	aside(ms: number, fn: () => void): Timer;
	/** Timers set by `after` and neither fired nor cancelled. Zero when nothing waits. */
	readonly pending: number;
	/**
	 * When the event loop is due to come round to its timers next, on this clock. If that instant is past, the loop is
	 * late by the difference. Infinity if no timer makes it come round.
	 */
	readonly turnDueMs: number;
	/** How late it came round the last time, in milliseconds; 0 if it has been at rest since. */
	readonly turnLateMs: number;
	/** What all that is timed by this clock computes in one turn of the loop. */
	readonly turn: LoopTurn;
}

/**
 * The machine's monotonic clock. Timers stand in one wheel that turns in ticks of `tickMs`. To set or cancel one costs
 * a list operation instead of a system timer. A timer is never early, and at most some two ticks late. The wheel stands
 * still while no timer is set. It keeps the process alive only while somebody waits for a timer.
 */
export function realClock(): Clock {
	return new TimerWheel();
}

const tickMs = 8;
const slotCount = 512;

/** After standing still for so long, the wheel forgets how late it was. */
const restMs = 100;

class WheelTimer implements Timer {
	readonly wheel: TimerWheel | null;
	readonly dueTick: number;
	/** Whether somebody waits for it. */
	readonly counts: boolean;
	fn: (() => void) | null;
	before: WheelTimer = this;
	behind: WheelTimer = this;

	constructor(
		wheel: TimerWheel | null,
		dueTick: number,
		counts: boolean,
		fn: (() => void) | null,
	) {
		this.wheel = wheel;
		this.dueTick = dueTick;
		this.counts = counts;
		this.fn = fn;
	}

	cancel(): void {
		if (this.fn === null) return;
		this.fn = null;
		this.unlink();
		this.wheel?.forget(this);
	}

	unlink(): void {
		this.before.behind = this.behind;
		this.behind.before = this.before;
		this.before = this;
		this.behind = this;
	}
}

class TimerWheel implements Clock {
	pending = 0;
	readonly turn = new LoopTurn();
	turnDueMs = Number.POSITIVE_INFINITY;
	turnLateMs = 0;
	#aside = 0;
	/**
	 * One ring of timers per slot. Its first element is a mark, not a timer. Made with the first timer, because not every
	 * clock sets one.
	 */
	#slots: WheelTimer[] = [];
	#tick = 0;
	#driver: NodeJS.Timeout | null = null;
	#turnedMs = Number.NEGATIVE_INFINITY;

	now(): number {
		return performance.now();
	}

	after(ms: number, fn: () => void): Timer {
		// Until now perhaps nobody was waiting.
		if (this.pending++ === 0) this.#driver?.ref();
		return this.#set(ms, true, fn);
	}

	aside(ms: number, fn: () => void): Timer {
		this.#aside++;
		return this.#set(ms, false, fn);
	}

	forget(timer: WheelTimer): void {
		if (timer.counts) this.pending--;
		else this.#aside--;
	}

	#set(ms: number, counts: boolean, fn: () => void): Timer {
		if (this.#driver === null) this.#start();
		// Rounded up, so that a timer never fires early. At least one tick ahead, because this tick's slot may be done.
		const due = Math.ceil((this.now() + ms) / tickMs);
		const tick = Math.max(due, this.#tick + 1);
		const timer = new WheelTimer(this, tick, counts, fn);
		const mark = this.#slots[timer.dueTick % slotCount] as WheelTimer;
		timer.before = mark.before;
		timer.behind = mark;
		mark.before.behind = timer;
		mark.before = timer;
		return timer;
	}

	#start(): void {
		if (this.#slots.length === 0) {
			const mark = () => new WheelTimer(null, 0, false, null);
			this.#slots = Array.from({ length: slotCount }, mark);
		}
		const nowMs = performance.now();
		// If timers are set and ended at once, the wheel stops and starts again, although the loop has no rest.
		if (nowMs - this.#turnedMs > restMs) this.turnLateMs = 0;
		this.#tick = Math.floor(nowMs / tickMs);
		this.#drive(nowMs);
	}

	#drive(nowMs: number): void {
		this.turnDueMs = nowMs + tickMs;
		this.#driver = setTimeout(() => this.#turn(), tickMs);
		if (this.pending === 0) this.#driver.unref();
	}

	#turn(): void {
		const nowMs = performance.now();
		this.turnLateMs = Math.max(0, nowMs - this.turnDueMs);
		this.#turnedMs = nowMs;
		const now = Math.floor(nowMs / tickMs);
		// After a pause longer than a round every slot is looked at once.
		const first = Math.max(this.#tick + 1, now - slotCount + 1);
		this.#tick = now;
		const due: WheelTimer[] = [];
		for (let tick = first; tick <= now; tick++) this.#collect(tick, now, due);
		if (this.pending + this.#aside > 0) this.#drive(nowMs);
		else this.#rest();
		for (const timer of due) this.#fire(timer);
	}

	#rest(): void {
		this.#driver = null;
		this.turnDueMs = Number.POSITIVE_INFINITY;
	}

	#collect(tick: number, now: number, due: WheelTimer[]): void {
		const mark = this.#slots[tick % slotCount] as WheelTimer;
		for (let timer = mark.behind; timer !== mark; timer = timer.behind) {
			if (timer.dueTick <= now) due.push(timer);
		}
	}

	/** A timer collected as due may have been cancelled by one that fired before it. */
	#fire(timer: WheelTimer): void {
		const fn = timer.fn;
		if (fn === null) return;
		timer.cancel();
		fn();
	}
}

/** A clock that stands still until it is told to move: the clock of tests. */
export interface VirtualClock extends Clock {
	/**
	 * Moves on by `ms`. Fires the timers that become due in order of time, then of setting, and runs pending promises
	 * between them.
	 */
	advance(ms: number): Promise<void>;
	/** Moves on from timer to timer until nobody waits for one and no promise is pending. Fails after 100,000 timers. */
	settle(): Promise<void>;
	/** Lets `ms` pass in which nothing gets a turn, as if a function computed for so long. */
	block(ms: number): void;
}

interface VirtualTimer extends Timer {
	readonly dueMs: number;
	/** Whether somebody waits for it. */
	readonly counts: boolean;
	readonly fn: () => void;
}

/** A clock that begins at zero and moves only when it is told to: for tests. */
export function virtualClock(): VirtualClock {
	let nowMs = 0;
	let turnDueMs = Number.POSITIVE_INFINITY;
	let turnLateMs = 0;
	const turn = new LoopTurn(() => nowMs);
	const timers = new Set<VirtualTimer>();

	function set(ms: number, counts: boolean, fn: () => void): Timer {
		const timer: VirtualTimer = {
			dueMs: nowMs + Math.max(0, ms),
			counts,
			fn,
			cancel: () => void timers.delete(timer),
		};
		timers.add(timer);
		return timer;
	}

	const pending = () => {
		let counted = 0;
		for (const { counts } of timers) if (counts) counted++;
		return counted;
	};

	async function fireUntil(endMs: number): Promise<void> {
		turnLateMs = Math.max(0, nowMs - turnDueMs);
		turnDueMs = Number.POSITIVE_INFINITY;
		await promisesToRun(turn);
		for (let fired = 0; ; fired++) {
			if (endMs === Number.POSITIVE_INFINITY && pending() === 0) return;
			const next = earliest(timers);
			if (next === null || next.dueMs > endMs) return;
			if (fired === 100_000) throw new Error("the timers never end");
			nowMs = Math.max(nowMs, next.dueMs);
			timers.delete(next);
			next.fn();
			await promisesToRun(turn);
		}
	}

	return {
		turn,
		now: () => nowMs,
		after: (ms, fn) => set(ms, true, fn),
		aside: (ms, fn) => set(ms, false, fn),
		get pending() {
			return pending();
		},
		async advance(ms) {
			const endMs = nowMs + ms;
			await fireUntil(endMs);
			nowMs = endMs;
		},
		settle: () => fireUntil(Number.POSITIVE_INFINITY),
		get turnDueMs() {
			return turnDueMs;
		},
		get turnLateMs() {
			return turnLateMs;
		},
		block(ms) {
			turnDueMs = Math.min(turnDueMs, nowMs);
			nowMs += ms;
		},
	};
}

/** A set keeps the order of setting, so the first of equals is the one set first. */
function earliest(timers: Iterable<VirtualTimer>): VirtualTimer | null {
	let found: VirtualTimer | null = null;
	for (const timer of timers) {
		if (found === null || timer.dueMs < found.dueMs) found = timer;
	}
	return found;
}

/** A turn of the loop ends only when the queue of promise reactions is empty. Computing takes no virtual time. */
async function promisesToRun(turn: LoopTurn): Promise<void> {
	do await new Promise((resolve) => setImmediate(resolve));
	while (turn.waited);
}
