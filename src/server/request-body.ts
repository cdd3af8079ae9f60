import { ByteQueue } from "../core/body/byte-queue.ts";
import type { ByteStream } from "../core/body/byte-stream.ts";
import { createCollector } from "../core/body/collector.ts";
import { GatewayError } from "../core/errors.ts";
import type { RequestMemory } from "../core/memory.ts";
import type { Scope } from "../tasks/scope.ts";
import { type HeadLimits, trailerFault } from "./refuse.ts";

/** An unread body of this announced length is let in, so that the connection can be kept; a longer one closes it. */
const discardBytesMax = 64 * 1024;

/** How much of a body Node reads before anybody wants it. */
const unreadBytes = 64 * 1024;

/** The unread part of a body. It stands between its request and the next one on the connection. */
export type Unread = "nothing" | "little" | "much" | "broken";

/** Where the bytes of a body come from, as node:http says it. */
export interface BodySource {
	/** Whether all of it has come, read or not. */
	readonly complete: boolean;
	readonly readableEnded: boolean;
	readonly readableFlowing: boolean | null;
	readonly rawHeaders: string[];
	readonly rawTrailers: string[];
	on(event: "data", take: (chunk: Uint8Array) => void): this;
	on(event: "end", end: () => void): this;
	off(event: "data", take: (chunk: Uint8Array) => void): this;
	off(event: "end", end: () => void): this;
	pause(): this;
	resume(): this;
}

/** The body of a request that announces one: read whole or as a stream, once, or let in unread. */
export class RequestBody {
	readonly #message: BodySource;
	readonly #scope: Scope;
	readonly #memory: RequestMemory;
	readonly #limits: HeadLimits;
	/** Its length in bytes; Infinity if it is not known before the end of the body. */
	readonly #announced: number;
	/** Whether it was asked for as a stream. */
	streamed = false;
	#fault: GatewayError | null = null;
	#proceed: (() => void) | null = null;
	#fail: (reason: unknown) => void = nothing;

	constructor(
		message: BodySource,
		announced: number,
		scope: Scope,
		memory: RequestMemory,
		limits: HeadLimits,
	) {
		this.#message = message;
		this.#announced = announced;
		this.#scope = scope;
		this.#memory = memory;
		this.#limits = limits;
		// As much may come and wait before anybody reads it.
		memory.hold(Math.min(announced, unreadBytes));
	}

	/** Whether its reader waits for more of it. */
	get awaited(): boolean {
		const { complete, readableFlowing } = this.#message;
		return (
			!complete &&
			readableFlowing === true &&
			this.#fault === null &&
			this.#proceed === null
		);
	}

	/** Whether it has not come, although it is to be read whole or not at all. */
	get outstanding(): boolean {
		return !this.#message.complete && !this.streamed && this.#fault === null;
	}

	/** The client waits to hear that the body is wanted. `proceed` says so. */
	hold(proceed: () => void): void {
		this.#proceed = proceed;
	}

	#want(): void {
		this.#proceed?.();
		this.#proceed = null;
	}

	get unread(): Unread {
		// Nobody knows whether the client will send it after another answer (RFC 9110, 10.1.1).
		if (this.#proceed !== null) return "much";
		if (this.#fault !== null) return "broken";
		if (this.#message.readableEnded) return "nothing";
		if (this.#message.complete) return "little";
		return this.#announced <= discardBytesMax ? "little" : "much";
	}

	/**
	 * The whole body. Fails with `request_too_large` beyond `bytesMax`, with `overloaded` if there is no memory for it, and
	 * when the scope is cancelled.
	 */
	read(bytesMax: number): Promise<Uint8Array> {
		if (this.#fault !== null) return Promise.reject(this.#fault);
		// A body of unknown length is read up to the bound, to find out.
		if (Number.isFinite(this.#announced) && this.#announced > bytesMax) {
			return Promise.reject(tooLarge(bytesMax));
		}
		const most = this.#memory.bytesMax;
		if (Number.isFinite(this.#announced) && this.#announced > most) {
			return Promise.reject(tooLarge(most));
		}
		return this.#collect(bytesMax);
	}

	#collect(bytesMax: number): Promise<Uint8Array> {
		this.#want();
		const message = this.#message;
		const memory = this.#memory;
		const collector = createCollector(bytesMax);
		return new Promise((resolve, reject) => {
			const stop = () => {
				message.off("data", take).off("end", succeed);
				leaveScope();
			};
			const succeed = () => {
				const fault = this.#faultOfTrailers();
				if (fault !== null) return fail(fault);
				stop();
				resolve(collector.bytes());
			};
			const fail = (reason: unknown) => {
				stop();
				message.pause();
				// It would hold what was collected, which is not counted any more.
				this.#fail = nothing;
				reject(reason);
			};
			const take = (chunk: Uint8Array) => {
				const refusal = memory.takeBody(collector.growth(chunk.length));
				if (refusal !== null) fail(refusal);
				else if (!collector.add(chunk)) fail(tooLarge(bytesMax));
			};
			const leaveScope = this.#scope.onCancel(fail);
			this.#fail = fail;
			message.on("data", take).on("end", succeed);
		});
	}

	/** The body as it comes. Reading it fails when the scope is cancelled. */
	stream(): ByteStream {
		this.streamed = true;
		const held = this.#proceed !== null;
		const message = this.#message;
		const announced = this.#announced;
		const stop = () => {
			message.off("data", take).off("end", end).pause();
			leaveScope();
		};
		const queue = new ByteQueue({
			length: Number.isFinite(announced) ? announced : null,
			onFull: () => message.pause(),
			onWanted: () => message.resume(),
			onLeft: stop,
			memory: this.#memory,
		});
		const take = (chunk: Uint8Array) => queue.push(chunk);
		const end = () => {
			const fault = this.#faultOfTrailers();
			if (fault !== null) return fail(fault);
			leaveScope();
			queue.end();
		};
		const fail = (reason: unknown) => {
			stop();
			queue.fail(reason);
		};
		let leaveScope = nothing;
		message.on("data", take).on("end", end);
		this.#fail = fail;
		if (this.#fault !== null) fail(this.#fault);
		else leaveScope = this.#scope.onCancel(fail);
		return held ? this.#wantedWhenRead(queue) : queue;
	}

	#wantedWhenRead(queue: ByteQueue): ByteStream {
		const next = () => {
			this.#want();
			return queue.next();
		};
		return {
			length: queue.length,
			held: true,
			[Symbol.asyncIterator]: () => ({ next, return: () => queue.return() }),
		};
	}

	#faultOfTrailers(): GatewayError | null {
		this.#fault ??= trailerFault(this.#message, this.#limits);
		return this.#fault;
	}

	/**
	 * Reads and drops a body that nobody reads. A reader that stopped in the middle would leave the connection standing
	 * still.
	 */
	letIn(): void {
		this.#message.resume();
	}

	/** Reads and drops a body, and calls `onDone` at its end or beyond `bytesMax`. Returns a function that stops it. */
	discard(bytesMax: number, onDone: () => void): () => void {
		const message = this.#message;
		let left = bytesMax;
		const drop = (chunk: Uint8Array) => {
			left -= chunk.length;
			if (left < 0) onDone();
		};
		message.on("data", drop).on("end", onDone).resume();
		return () => {
			message.off("data", drop).off("end", onDone).pause();
		};
	}

	/**
	 * The bytes cannot be read. Returns whether that concerns this body: a body that came whole before is not affected.
	 */
	onFault(fault: GatewayError): boolean {
		if (this.#message.complete) return false;
		this.#fault = fault;
		this.#fail(fault);
		return true;
	}
}

function tooLarge(bytesMax: number): GatewayError {
	const message = `the body is longer than ${bytesMax} bytes`;
	return new GatewayError("request_too_large", message);
}

function nothing(): void {}
