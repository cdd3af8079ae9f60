import type { ByteStream } from "../core/body/byte-stream.ts";
import { GatewayError } from "../core/errors.ts";
import type { Clock, Timer } from "../tasks/clock.ts";
import { deadlineExceeded } from "./run.ts";

interface Bounds {
	readonly clock: Clock;
	/** From the last piece of the body until the answer's head. */
	readonly deadlineMs: number;
	/** How long the client may send nothing while it is waited for; null if its server sees to that. */
	readonly stillMs: number | null;
	/** Called when a time is over. */
	readonly end: (reason: unknown) => void;
}

/**
 * A body that still comes while it is passed on. Its client decides how long that takes, as long as it moves, so the
 * route's deadline counts from its last piece.
 */
export class ComingUpload {
	readonly body: ByteStream;
	readonly #bounds: Bounds;
	#timer: Timer | null = null;
	#closed = false;

	constructor(body: ByteStream, bounds: Bounds) {
		this.#bounds = bounds;
		const { length } = body;
		this.body = {
			length,
			...(body.held && { held: true }),
			[Symbol.asyncIterator]: () => this.#piecesOf(body),
		};
	}

	#piecesOf(body: ByteStream): AsyncIterator<Uint8Array> {
		const pieces = body[Symbol.asyncIterator]();
		let left = body.length ?? Number.POSITIVE_INFINITY;
		return {
			next: async () => {
				// The last piece may wait for its place at the upstream, and then the deadline holds.
				if (left > 0) this.#awaitClient();
				const piece = await pieces.next();
				const over = left <= 0;
				left = piece.done ? 0 : left - piece.value.length;
				if (!over) this.#end();
				if (!over && left <= 0) this.#awaitAnswer();
				return piece;
			},
			return: async () => {
				this.close();
				await pieces.return?.();
				return { done: true, value: undefined };
			},
		};
	}

	#awaitClient(): void {
		const { stillMs } = this.#bounds;
		if (stillMs !== null) this.#begin(stillMs, standsStill);
	}

	#awaitAnswer(): void {
		this.#begin(this.#bounds.deadlineMs, deadlineExceeded);
	}

	#begin(ms: number, reasonOf: () => GatewayError): void {
		if (this.#closed) return;
		const { clock, end } = this.#bounds;
		this.#timer = clock.after(ms, () => end(reasonOf()));
	}

	#end(): void {
		this.#timer?.cancel();
		this.#timer = null;
	}

	/** The head of the answer is there, or none will come. */
	close(): void {
		this.#closed = true;
		this.#end();
	}
}

function standsStill(): GatewayError {
	const message = "the request's body stands still";
	return new GatewayError("request_invalid", message, {
		status: 408,
		errors: [{ at: "body", message: "came too slowly" }],
	});
}
