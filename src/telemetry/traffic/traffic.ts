import { listen, type TrailEnded } from "../../core/events.ts";
import type { Gateway } from "../../gateway/gateway.ts";
import type { Clock, Timer } from "../../tasks/clock.ts";
import {
	completenessOf,
	detailOf,
	type RequestDetail,
	type RequestSummary,
	summaryOf,
} from "../trail/shown-request.ts";
import { isLarge, Together } from "../trail/together.ts";
import { WallTime } from "../trail/wall-time.ts";
import { type EndedRequest, KeptRequests } from "./kept-requests.ts";
import type { Rate } from "./rate.ts";
import { RateCounter, type Rates, type RecentRoute } from "./rates.ts";
import type { RequestQuery } from "./request-filter.ts";

/** How often the rates are told. */
const ratesEveryMs = 1_000;

/** What somebody who listens hears. Neither may throw. */
export interface TrafficListener {
	/** A request has ended. Gives whether it must be kept, because it was told on. */
	ended(request: EndedRequest): boolean;
	/** Each second. */
	rates(rates: Rates): void;
}

/** A page of the requests that are kept, the newest first. It prints as JSON. */
export interface TrafficList {
	readonly requests: readonly RequestSummary[];
	/** The `before` of the next page; null if there is none. */
	readonly next: string | null;
	/** The number of the newest request that has ended. */
	readonly newest: number;
	/** Since when requests are noted, as RFC 3339 has it. */
	readonly since: string;
	readonly ended: number;
	readonly dropped: number;
}

/** The same for a process that puts several together. */
export interface TrafficPage
	extends Pick<TrafficList, "since" | "ended" | "dropped"> {
	readonly found: readonly NumberedRequest[];
	/** Whether there are older ones. */
	readonly more: boolean;
}

export interface NumberedRequest {
	readonly number: number;
	/** The wall clock's time in milliseconds. */
	readonly endedAt: number;
	readonly summary: RequestSummary;
}

/** The last requests of a gateway, and how they go on the whole. */
export interface Traffic {
	list(query: RequestQuery): TrafficList;
	page(query: RequestQuery): TrafficPage;
	/** The number of the newest request that has ended; 0 if none has. */
	newest(): number;
	/** The newest with this id; null if none is kept. */
	detail(id: string): RequestDetail | null;
	/** Those that are kept and ended after this one, the oldest first, and how many others have ended since. */
	after(number: number): {
		readonly found: readonly EndedRequest[];
		readonly lost: number;
	};
	/** Gives the removal. */
	listen(listener: TrafficListener): () => void;
	recentOfRoute(key: string | null): RecentRoute;
	recentOfUpstream(name: string): Rate;
	/** Keeps and counts nothing from now on. */
	detach(): void;
}

/**
 * Keeps the last requests of a gateway from now on, and counts all. They give way when its memory is needed. If another
 * process adds up its rates, they have their buckets.
 */
export function createTraffic(gateway: Gateway, adds = false): Traffic {
	const { clock, events, memory, plan } = gateway;
	const kept = new KeptRequests((bytes) => memory.keep(bytes));
	const counter = new RateCounter(plan, adds);
	const listeners = new Listeners(clock, counter);
	const since = new Date().toISOString();
	const [whole, others] = [new Allowance(), new Allowance()];
	let ended = 0;
	const wall = new WallTime(clock);
	const note = (end: TrailEnded) => {
		const { trail, durationMs } = end;
		const atMs = trail.arrivedMs + durationMs;
		counter.request(end, trail.steps, atMs);
		ended++;
		const good = completenessOf(end) === "whole";
		const allowed = (good ? whole : others).take(atMs);
		if (!allowed && !listeners.any) return;
		const request = { number: ended, end, endedAt: wall.at(atMs) };
		const told = listeners.ended(request);
		if (allowed || told) kept.add(request);
	};
	const all = new Together<TrailEnded>(clock, (some) => {
		wall.compare();
		for (const end of some) note(end);
	});
	const page = (query: RequestQuery): TrafficPage => {
		all.handOn();
		const { found, more } = kept.find(query);
		return {
			found: found.map(({ number, end, endedAt }) => ({
				...{ number, endedAt },
				summary: summaryOf(end, endedAt),
			})),
			more,
			...{ since, ended, dropped: ended - kept.count },
		};
	};
	const removals = [
		memory.join(kept),
		listen(events.trailEnded, (end) => {
			all.add(end);
			if (listeners.any || isLarge(end.trail)) all.handOn();
		}),
		listen(events.attemptEnded, (end) => counter.attempt(end)),
	];
	return {
		list(query) {
			const { found, more, ...counts } = page(query);
			return {
				requests: found.map(({ summary }) => summary),
				next: more ? String(found.at(-1)?.number) : null,
				newest: ended,
				...counts,
			};
		},
		page,
		newest() {
			all.handOn();
			return ended;
		},
		detail(id) {
			all.handOn();
			const found = kept.newest(id);
			return found && detailOf(found.end, found.endedAt);
		},
		after: (number) => {
			all.handOn();
			const found = kept.after(number);
			return { found, lost: Math.max(0, ended - number - found.length) };
		},
		listen(listener) {
			all.handOn();
			return listeners.add(listener);
		},
		recentOfRoute(key) {
			all.handOn();
			return counter.ofRoute(key, clock.now());
		},
		recentOfUpstream: (name) => counter.ofUpstream(name, clock.now()),
		detach() {
			for (const remove of removals) remove();
			all.handOn();
			listeners.clear();
			kept.yield(kept.bytes);
		},
	};
}

/** How many are kept at once, however quickly they come. */
const burst = 1_000;

/** How many a second are kept in the long run. */
const perSecond = 100;

/**
 * How many requests may be kept. At thousands a second nobody sees the last 200, which are gone at once. To keep some of
 * them costs less, and reaches further back.
 */
class Allowance {
	#left = burst;
	#filledMs = 0;

	take(atMs: number): boolean {
		const more = ((atMs - this.#filledMs) * perSecond) / 1_000;
		this.#left = Math.min(burst, this.#left + Math.max(0, more));
		this.#filledMs = Math.max(this.#filledMs, atMs);
		if (this.#left < 1) return false;
		this.#left--;
		return true;
	}
}

/** Those who listen. Without any, nothing is done for them. */
class Listeners {
	readonly #all = new Set<TrafficListener>();
	readonly #counter: RateCounter;
	readonly #clock: Clock;
	#timer: Timer | null = null;
	#toldMs = 0;

	constructor(clock: Clock, counter: RateCounter) {
		this.#clock = clock;
		this.#counter = counter;
	}

	add(listener: TrafficListener): () => void {
		this.#all.add(listener);
		if (this.#all.size === 1) this.#begin();
		return () => {
			if (this.#all.delete(listener) && this.#all.size === 0) this.clear();
		};
	}

	clear(): void {
		this.#all.clear();
		this.#counter.live = false;
		this.#timer?.cancel();
	}

	get any(): boolean {
		return this.#all.size > 0;
	}

	/** Whether one of them told it on. */
	ended(request: EndedRequest): boolean {
		let told = false;
		for (const listener of this.#all) {
			if (listener.ended(request)) told = true;
		}
		return told;
	}

	#begin(): void {
		this.#counter.takeMoment();
		this.#counter.live = true;
		this.#toldMs = this.#clock.now();
		this.#later();
	}

	#later(): void {
		this.#timer = this.#clock.aside(ratesEveryMs, () => this.#tell());
	}

	#tell(): void {
		const nowMs = this.#clock.now();
		const rates: Rates = {
			at: new Date().toISOString(),
			forMs: Math.round(nowMs - this.#toldMs),
			...this.#counter.takeMoment(),
		};
		this.#toldMs = nowMs;
		this.#later();
		for (const listener of this.#all) listener.rates(rates);
	}
}
