import { GatewayError } from "../core/errors.ts";
import type { Memory, Yielding } from "../core/memory.ts";
import type { LivePlan } from "../plan/plan.ts";
import type { Clock } from "../tasks/clock.ts";
import {
	type RunOutcome,
	Watch,
	type Watcher,
	type WatchSource,
} from "./watch.ts";

/** How the watches of a route are now, and what their runs have come to. */
export interface WatchesState {
	/** The route's key. */
	readonly route: string;
	readonly watches: number;
	readonly watchers: number;
	readonly runs: Readonly<Record<RunOutcome, number>>;
}

/** All watches of one route. */
export class RouteWatches implements Yielding {
	/** Bytes of answers that nobody watches, kept for who comes back. */
	bytes = 0;
	readonly #route: string;
	readonly #live: LivePlan;
	readonly #clock: Clock;
	readonly #memory: Memory;
	readonly #watches = new Map<string, Watch>();
	readonly #runs = { changed: 0, unchanged: 0, failed: 0 };
	#watchers = 0;
	readonly #leaveMemory: () => void;

	constructor(
		route: string,
		live: LivePlan,
		{ clock, memory }: { readonly clock: Clock; readonly memory: Memory },
	) {
		this.#route = route;
		this.#live = live;
		this.#clock = clock;
		this.#memory = memory;
		this.#leaveMemory = memory.join(this);
	}

	yield(bytes: number): void {
		let left = bytes;
		for (const watch of [...this.#watches.values()]) {
			if (left <= 0) return;
			if (!watch.isIdle) continue;
			left -= watch.bytes;
			watch.end();
		}
	}

	/** The watch of this key, or a new one. Throws `overloaded` if there are too many, or too many watchers. */
	watchOf(key: string, source: WatchSource): Watch {
		const { watchersMax, watchesMax, everyMs, diff } = this.#live;
		if (this.#watchers >= watchersMax) {
			throw tooMany(`${watchersMax} clients watch the route`);
		}
		const found = this.#watches.get(key);
		if (found !== undefined) return found;
		if (this.#watches.size >= watchesMax) this.#makeRoom();
		if (this.#watches.size >= watchesMax) {
			throw tooMany(`${watchesMax} answers of the route are watched`);
		}
		const watch = new Watch(
			{
				...{ clock: this.#clock, memory: this.#memory, everyMs, diff },
				onKept: (bytes) => {
					this.bytes += bytes;
					this.#memory.keep(bytes);
				},
				onRun: (outcome) => this.#runs[outcome]++,
			},
			source,
			() => this.#watches.delete(key),
		);
		this.#watches.set(key, watch);
		return watch;
	}

	/** Ends a watch that nobody watches. */
	#makeRoom(): void {
		this.#watches
			.values()
			.find(({ isIdle }) => isIdle)
			?.end();
	}

	/** Gives the removal, which may be called twice. */
	join(watch: Watch, watcher: Watcher): () => void {
		this.#watchers++;
		watch.join(watcher);
		let joined = true;
		return () => {
			if (!joined) return;
			joined = false;
			this.#watchers--;
			watch.leave(watcher);
		};
	}

	get state(): WatchesState {
		const watched = this.#watches.values().filter(({ isIdle }) => !isIdle);
		return {
			route: this.#route,
			watches: [...watched].length,
			watchers: this.#watchers,
			runs: { ...this.#runs },
		};
	}

	/** Ends all runs. Those who watch have been told. */
	close(reason: GatewayError): void {
		for (const watch of [...this.#watches.values()]) watch.close(reason);
		this.#leaveMemory();
	}
}

/** The time in which others may leave. */
const retryAfterMs = 10_000;

function tooMany(words: string): GatewayError {
	return new GatewayError("overloaded", words, { retryAfterMs });
}
