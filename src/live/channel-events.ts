import type {
	ByteStream,
	PieceFlow,
	PieceTaker,
} from "../core/body/byte-stream.ts";
import { printEvent } from "../core/http/event-stream.ts";
import type { CancelTarget, Listening } from "../tasks/lifetime.ts";
import { listenTo, type Scope } from "../tasks/scope.ts";
import type { Hearing, Listener } from "./channel-hearing.ts";
import type { MessageId } from "./channel-numbering.ts";
import type { Place } from "./channel-place.ts";
import { type EndReason, tellEnd } from "./channel-told.ts";

/** As much is handed to the connection at once. */
const chunkBytesMax = 64 * 1024;

/** To write a piece to a connection takes some 20 µs. In units of 100 ns. */
const eventCost = 200;

const heartbeat = Buffer.from(printEvent({ comment: "waiting" }));

const done = { done: true as const, value: undefined };
type Result = IteratorResult<Uint8Array, undefined>;

/** What all streams of a gateway have in common. */
export interface StreamOwner {
	/** When a client that is sent away should come back. */
	readonly retryMs: () => number;
	/** Called once for each. */
	readonly onOver: (events: ChannelEvents) => void;
}

// Fields and no closures, because each listener holds them as long as it listens: a closure holds its surroundings, too.

/** The messages of a channel as a stream of events. Its reader takes them as fast as its client does. */
export class ChannelEvents
	implements
		ByteStream,
		AsyncIterator<Uint8Array, undefined>,
		PieceFlow,
		Listener,
		CancelTarget
{
	readonly length = null;
	readonly wakeCost = eventCost;
	readonly hearing: Hearing;
	readonly #place: Place;
	readonly #owner: StreamOwner;
	/** Null before it listens for its end. */
	#listening: Listening | null = null;
	#stopDraining: (() => void) | null = null;
	/** Set while its reader waits. */
	#resolve: ((result: Result) => void) | null = null;
	/** Who is handed the events as they come. Null if they are read, and after the end. */
	#taker: PieceTaker | null = null;
	/** Whether the taker has no room. */
	#full = false;
	#over = false;
	/** What is sent after the end; null if nothing is. */
	#last: Uint8Array | null = null;
	/** Whether anything was sent since the last heartbeat was due. */
	#sent = true;

	/** Throws `channel_full` or `request_invalid`. */
	constructor(
		place: Place,
		after: MessageId | "latest" | null,
		owner: StreamOwner,
	) {
		this.#place = place;
		this.#owner = owner;
		this.hearing = place.hear(after);
		place.join(this);
		place.begin(this.hearing);
	}

	/** It ends with the scope of its request. `stopDraining` is called when it is over. */
	endWith(scope: Scope, stopDraining: () => void): void {
		// A server that drains has said so at once.
		if (this.#over) return stopDraining();
		this.#stopDraining = stopDraining;
		this.#listening = listenTo(scope, this);
	}

	onCancelled(): void {
		this.cut();
	}

	[Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
		return this;
	}

	next(): Promise<Result> {
		const chunk = this.#over ? this.#takeLast() : this.#take();
		if (chunk !== null) return Promise.resolve({ done: false, value: chunk });
		if (this.#over) return Promise.resolve(done);
		this.#place.rest(this);
		return new Promise((resolve) => {
			this.#resolve = resolve;
		});
	}

	flowTo(taker: PieceTaker): PieceFlow {
		this.#taker = taker;
		this.goOn();
		return this;
	}

	goOn(): void {
		this.#full = false;
		this.#passOn();
	}

	/** All that there is, as far as there is room. */
	#passOn(): void {
		while (this.#taker !== null && !this.#full) {
			const chunk = this.#over ? this.#takeLast() : this.#take();
			if (chunk !== null) this.#full = !this.#taker.take(chunk);
			else if (this.#over) this.#endFlow();
			else if (this.hearing.instance.rest(this)) return;
		}
	}

	#endFlow(): void {
		const taker = this.#taker;
		this.#taker = null;
		taker?.ended();
	}

	#take(): Uint8Array | null {
		const first = this.hearing.next();
		if (first === null) return null;
		this.#sent = true;
		if (!this.hearing.hasMore) return first.event;
		const events = [first.event];
		let bytes = first.event.length;
		while (bytes < chunkBytesMax) {
			const told = this.hearing.next();
			if (told === null) break;
			events.push(told.event);
			bytes += told.event.length;
		}
		return Buffer.concat(events, bytes);
	}

	#takeLast(): Uint8Array | null {
		const last = this.#last;
		this.#last = null;
		return last;
	}

	wake(): void {
		if (this.#taker !== null) return this.#passOn();
		// A reader that was given a heartbeat, and does not ask yet, will take it itself.
		if (this.#resolve === null) return;
		const chunk = this.#take();
		if (chunk !== null) this.#give({ done: false, value: chunk });
	}

	#give(result: Result): void {
		const resolve = this.#resolve;
		this.#resolve = null;
		resolve?.(result);
	}

	/** A while has passed. Shows that the stream is alive, unless something else has. */
	beat(): void {
		if (!this.#sent && this.#taker !== null && !this.#full) {
			this.#full = !this.#taker.take(heartbeat);
		} else if (!this.#sent && this.#resolve !== null) {
			this.#give({ done: false, value: heartbeat });
		}
		this.#sent = false;
	}

	end(reason: EndReason): void {
		if (this.#over) return;
		this.#last = tellEnd(
			reason,
			this.hearing.after,
			this.#owner.retryMs(),
		).event;
		this.#leave();
		if (this.#taker !== null) return this.#passOn();
		const last = this.#resolve === null ? null : this.#takeLast();
		if (last !== null) this.#give({ done: false, value: last });
	}

	/** The client has gone. */
	cut(): void {
		if (this.#over) return;
		this.#leave();
		this.#endFlow();
		this.#give(done);
	}

	leave(): void {
		this.#taker = null;
		this.cut();
	}

	#leave(): void {
		this.#over = true;
		this.#place.leave(this);
		this.#listening?.stop();
		this.#stopDraining?.();
		this.#owner.onOver(this);
	}

	async return(): Promise<Result> {
		this.cut();
		return done;
	}
}
