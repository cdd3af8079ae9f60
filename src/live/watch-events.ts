import type { ByteStream } from "../core/body/byte-stream.ts";
import { printEvent } from "../core/http/event-stream.ts";
import { heartbeatMs } from "../run/heartbeat.ts";
import type { Clock } from "../tasks/clock.ts";
import type { EndReason, Watch, Watcher } from "./watch.ts";
import { WatchCursor } from "./watch-cursor.ts";

const heartbeat = Buffer.from(printEvent({ comment: "waiting" }));

const done = { done: true as const, value: undefined };

/** What a client is sent that watches by events. Its reader asks for each piece, and gets the newest. */
export class WatchEvents
	implements ByteStream, AsyncIterator<Uint8Array>, Watcher
{
	readonly length = null;
	readonly streams = true;
	readonly ip: string;
	readonly #watch: Watch;
	readonly #cursor: WatchCursor;
	readonly #clock: Clock;
	readonly #onLeft: () => void;
	#sentMs: number;
	#beats = false;
	#left = false;
	/** Null unless its client is gone. */
	#cut: { readonly reason: unknown } | null = null;
	#wake: (() => void) | null = null;

	/** `onLeft` is called once: it was read to its end, or its reader has left. */
	constructor(
		watch: Watch,
		clock: Clock,
		client: { readonly ip: string; readonly etag: string | null },
		onLeft: () => void,
	) {
		this.#watch = watch;
		this.#clock = clock;
		this.ip = client.ip;
		this.#cursor = new WatchCursor(watch, "events", client.etag);
		this.#sentMs = clock.now();
		this.#onLeft = onLeft;
	}

	wake(): void {
		this.#wake?.();
	}

	beat(): void {
		// A reader that does not ask still has something to read.
		if (this.#wake === null) return;
		if (this.#clock.now() - this.#sentMs < heartbeatMs) return;
		this.#beats = true;
		this.#wake();
	}

	end(reason: EndReason): void {
		this.#cursor.end(reason);
		this.#watch.tell();
	}

	[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
		return this;
	}

	async next(): Promise<IteratorResult<Uint8Array, undefined>> {
		for (;;) {
			if (this.#cut !== null) throw this.#cut.reason;
			if (this.#left) return done;
			const pieces = this.#cursor.next();
			if (pieces !== null) return this.#sent(joined(pieces));
			if (this.#cursor.isOver) {
				this.leave();
				return done;
			}
			if (this.#beats) return this.#sent(heartbeat);
			await new Promise<void>((resolve) => {
				this.#wake = resolve;
			});
			this.#wake = null;
		}
	}

	#sent(value: Uint8Array) {
		this.#beats = false;
		this.#sentMs = this.#clock.now();
		return { done: false as const, value };
	}

	async return(): Promise<IteratorResult<Uint8Array, undefined>> {
		this.leave();
		return done;
	}

	/** Its client is gone. Whoever reads on must not take what came for all that there is. */
	cut(reason: unknown): void {
		if (this.#left) return;
		this.#cut = { reason };
		this.leave();
	}

	leave(): void {
		if (this.#left) return;
		this.#left = true;
		this.#wake?.();
		this.#onLeft();
	}
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
	const [only] = pieces;
	return only && pieces.length === 1 ? only : Buffer.concat(pieces);
}
