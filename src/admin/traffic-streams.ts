import { ByteQueue } from "../core/body/byte-queue.ts";
import type { ByteStream } from "../core/body/byte-stream.ts";
import { GatewayError } from "../core/errors.ts";
import { printEvent } from "../core/http/event-stream.ts";
import type { RequestMemory } from "../core/memory.ts";
import type { Secrets } from "../core/secrets.ts";
import type { EndedRequest } from "../telemetry/traffic/kept-requests.ts";
import {
	matches,
	type RequestFilter,
} from "../telemetry/traffic/request-filter.ts";
import type { Traffic } from "../telemetry/traffic/traffic.ts";
import { summaryOf } from "../telemetry/trail/shown-request.ts";

/** How many may listen at once. */
export const streamsMax = 16;

/** How many requests a second are sent to each of them. */
export const requestsPerSecond = 50;

/** Those who listen to the requests of a gateway as they come. Each event is written once for all of them. */
export class TrafficStreams {
	readonly #traffic: Traffic;
	readonly #secrets: Secrets;
	readonly #streams = new Set<TrafficStream>();
	/** Numbers begin anew with each process, so an id has the process before it. */
	readonly #process = Date.now().toString(36);
	#stopListening: (() => void) | null = null;

	constructor(traffic: Traffic, secrets: Secrets) {
		this.#traffic = traffic;
		this.#secrets = secrets;
	}

	/** The event's id of a request. */
	idOf(number: number): string {
		return `${this.#process}-${number}`;
	}

	/**
	 * A stream of what ends from now on, or after an event of a stream before. Throws `overloaded` if too many listen.
	 */
	open(
		filter: RequestFilter,
		lastId: string | null,
		memory: RequestMemory,
	): ByteStream {
		if (this.#streams.size === streamsMax) throw tooManyListen();
		const stream = new TrafficStream(filter, memory, () => this.#left(stream));
		if (lastId !== null) this.#resume(stream, lastId);
		this.#streams.add(stream);
		this.#stopListening ??= this.#listen();
		return stream.queue;
	}

	/** What ended since that event and is not kept is lost, whether or not it was wanted. */
	#resume(stream: TrafficStream, lastId: string): void {
		const [of, number] = lastId.split("-");
		const isOurs = of === this.#process && /^\d+$/.test(number ?? "");
		const { found, lost } = this.#traffic.after(isOurs ? Number(number) : 0);
		if (isOurs) stream.lose(lost);
		for (const request of found) {
			if (stream.wants(request)) stream.send(this.#eventOf(request));
		}
	}

	#listen(): () => void {
		return this.#traffic.listen({
			ended: (request) => {
				let event: Uint8Array | null = null;
				for (const stream of this.#streams) {
					if (!stream.wants(request) || !stream.mayTake()) continue;
					event ??= this.#eventOf(request);
					stream.send(event);
				}
				return event !== null;
			},
			rates: (rates) => {
				const event = this.#secrets.hideInJsonBytes(eventOf("rates", rates));
				for (const stream of this.#streams) stream.rates(event);
			},
		});
	}

	#eventOf({ number, end, endedAt }: EndedRequest): Uint8Array {
		const summary = summaryOf(end, endedAt);
		return this.#secrets.hideInJsonBytes(
			eventOf("request", summary, this.idOf(number)),
		);
	}

	#left(stream: TrafficStream): void {
		this.#streams.delete(stream);
		if (this.#streams.size > 0) return;
		this.#stopListening?.();
		this.#stopListening = null;
	}

	/** Ends all of them, with an event that says so. */
	close(): void {
		for (const stream of this.#streams) stream.close();
		this.#streams.clear();
		this.#stopListening?.();
	}
}

/** One more is answered so. */
export function tooManyListen(): GatewayError {
	const message = `${streamsMax} listen already`;
	return new GatewayError("overloaded", message, { retryAfterMs: 5_000 });
}

/** The bytes of an event whose data is JSON. */
export function eventOf(event: string, value: object, id?: string): Uint8Array {
	const data = JSON.stringify(value);
	const named = id === undefined ? { event, data } : { id, event, data };
	return Buffer.from(printEvent(named));
}

/** One who listens. What a slow reader does not take is counted instead of held. */
export class TrafficStream {
	readonly queue: ByteQueue;
	readonly #filter: RequestFilter;
	/** How many requests it may still get in this second. */
	#left = requestsPerSecond;
	/** How many it did not get since it was told. */
	#lost = 0;
	#full = false;

	constructor(
		filter: RequestFilter,
		memory: RequestMemory,
		onLeft: () => void,
	) {
		this.#filter = filter;
		this.queue = new ByteQueue({
			length: null,
			memory,
			onFull: () => {
				this.#full = true;
			},
			onWanted: () => {
				this.#full = false;
			},
			onLeft,
		});
	}

	wants({ end }: EndedRequest): boolean {
		return matches(this.#filter, end);
	}

	/** Whether it gets another request. If not, that one is lost to it. */
	mayTake(): boolean {
		if (this.#left > 0 && !this.#full) {
			this.#left--;
			return true;
		}
		this.lose(1);
		return false;
	}

	lose(count: number): void {
		this.#lost += count;
	}

	send(event: Uint8Array): void {
		this.queue.push(event);
	}

	/** Another second begins. */
	rates(event: Uint8Array): void {
		this.#left = requestsPerSecond;
		if (this.#full) return;
		if (this.#lost > 0) {
			this.send(eventOf("lost", { count: this.#lost }));
			this.#lost = 0;
		}
		this.send(event);
	}

	close(): void {
		this.send(eventOf("end", { reason: "closed" }));
		this.queue.end();
	}
}
