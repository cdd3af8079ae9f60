import type { ByteStream } from "../core/body/byte-stream.ts";
import type { RequestMemory } from "../core/memory.ts";
import type { Secrets } from "../core/secrets.ts";
import type { Clock, Timer } from "../tasks/clock.ts";
import { type Rates, ratesTogether } from "../telemetry/traffic/rates.ts";
import type { RequestFilter } from "../telemetry/traffic/request-filter.ts";
import { type Place, printPlace, readPlace } from "./merged-traffic.ts";
import type { AskedWorker, AskedWorkers, Heard } from "./questions.ts";
import {
	eventOf,
	streamsMax,
	TrafficStream,
	tooManyListen,
} from "./traffic-streams.ts";

/** Each worker tells its rates each second. If one does not, those of the others are told after this time. */
const ratesWithinMs = 1_250;

/** Those who listen to the requests of all workers as they come. */
export class WorkersStreams {
	readonly #workers: AskedWorkers;
	readonly #clock: Clock;
	readonly #secrets: Secrets;
	readonly #listeners = new Set<WorkersListener>();

	constructor(workers: AskedWorkers, clock: Clock, secrets: Secrets) {
		this.#workers = workers;
		this.#clock = clock;
		this.#secrets = secrets;
	}

	/** A stream of what ends from now on, or after an event of a stream before. Throws `overloaded` if too many listen. */
	open(
		filter: RequestFilter,
		lastId: string | null,
		memory: RequestMemory,
	): ByteStream {
		if (this.#listeners.size === streamsMax) throw tooManyListen();
		// An id of somebody else is one of no worker: all that they keep is sent.
		const place = lastId === null ? null : (readPlace(lastId) ?? new Map());
		const stream = new TrafficStream(filter, memory, () => {
			listener.stop();
			this.#listeners.delete(listener);
		});
		const listener = new WorkersListener(
			this.#workers,
			this.#clock,
			this.#secrets,
			stream,
			filter,
			place,
		);
		this.#listeners.add(listener);
		listener.begin();
		return stream.queue;
	}

	/** Ends all of them, with an event that says so. */
	close(): void {
		for (const listener of this.#listeners) listener.close();
		this.#listeners.clear();
	}
}

/** One who listens to all workers, also to those that begin later. */
class WorkersListener {
	readonly #workers: AskedWorkers;
	readonly #clock: Clock;
	readonly #secrets: Secrets;
	readonly #stream: TrafficStream;
	readonly #filter: RequestFilter;
	/** Where it was before; null if it comes for the first time. */
	readonly #before: Place | null;
	/** The newest that it has heard of each. */
	readonly #place = new Map<string, number>();
	readonly #stops = new Map<AskedWorker, () => void>();
	/** By the ids of workers. */
	readonly #rates = new Map<string, Rates>();
	#due: Timer | null = null;
	#toldMs: number;
	/** Whether those who are there now have been there before it came. */
	#begun = false;

	constructor(
		workers: AskedWorkers,
		clock: Clock,
		secrets: Secrets,
		stream: TrafficStream,
		filter: RequestFilter,
		before: Place | null,
	) {
		this.#workers = workers;
		this.#clock = clock;
		this.#secrets = secrets;
		this.#stream = stream;
		this.#filter = filter;
		this.#before = before;
		this.#toldMs = clock.now();
	}

	begin(): void {
		this.#listenToAll();
		this.#begun = true;
		this.#later();
	}

	#listenToAll(): void {
		const all = new Set(this.#workers.all());
		for (const worker of this.#stops.keys()) {
			if (all.has(worker)) continue;
			this.#stops.delete(worker);
			this.#place.delete(worker.id);
		}
		for (const worker of all) {
			if (!this.#stops.has(worker)) this.#listenTo(worker);
		}
	}

	#listenTo(worker: AskedWorker): void {
		const { id } = worker;
		const known = this.#before?.get(id);
		// One that has begun since has done nothing that was not to be heard.
		const isNew = this.#begun || this.#before !== null;
		const after = known ?? (isNew ? 0 : null);
		const stop = worker.listen({ filter: this.#filter, after }, (heard) =>
			this.#hear(id, heard),
		);
		this.#stops.set(worker, stop);
	}

	#hear(id: string, heard: Heard): void {
		switch (heard.kind) {
			case "begun":
				this.#place.set(id, heard.number);
				return;
			case "request":
				this.#place.set(id, heard.number);
				if (!this.#stream.mayTake()) return;
				this.#stream.send(
					this.#secrets.hideInJsonBytes(
						eventOf("request", heard.summary, printPlace(this.#place)),
					),
				);
				return;
			case "lost":
				this.#stream.lose(heard.count);
				return;
			case "rates":
				this.#takeRates(id, heard.rates);
		}
	}

	#takeRates(id: string, rates: Rates): void {
		// One of these workers is late. What the others have is not to be lost.
		if (this.#rates.has(id)) this.#tellRates();
		this.#rates.set(id, rates);
		const all = [...this.#stops.keys()];
		if (all.every((worker) => this.#rates.has(worker.id))) this.#tellRates();
	}

	#tellRates(): void {
		const nowMs = this.#clock.now();
		const forMs = Math.round(nowMs - this.#toldMs);
		const at = new Date().toISOString();
		const all = [...this.#rates.values()];
		this.#toldMs = nowMs;
		this.#rates.clear();
		this.#listenToAll();
		this.#later();
		const event = eventOf("rates", ratesTogether(all, { at, forMs }));
		this.#stream.rates(this.#secrets.hideInJsonBytes(event));
	}

	#later(): void {
		this.#due?.cancel();
		this.#due = this.#clock.aside(ratesWithinMs, () => this.#tellRates());
	}

	stop(): void {
		this.#due?.cancel();
		for (const stop of this.#stops.values()) stop();
		this.#stops.clear();
	}

	close(): void {
		this.stop();
		this.#stream.close();
	}
}
