import {
	type ByteStream,
	isStream,
	type PieceFlow,
	type PieceTaker,
} from "../core/body/byte-stream.ts";
import { GatewayError } from "../core/errors.ts";
import { eventStreamType } from "../core/http/event-stream.ts";
import { headerOf } from "../core/http/headers.ts";
import type { GatewayResponse } from "../core/http/messages.ts";
import type { Peer, Session, SessionListener } from "../core/http/session.ts";
import type { Clock, Timer } from "../tasks/clock.ts";
import type { Scope } from "../tasks/scope.ts";

const words = "the credentials have ended";

/** A stream that can tell its client why nothing follows. */
interface Telling {
	end(reason: "expired"): void;
}

/**
 * An answer that goes on no longer than the credentials of its client: a WebSocket is closed, and a stream of events ends. Any other
 * answer was allowed as a whole when it began.
 */
export function endingWith(
	response: GatewayResponse,
	untilMs: number,
	clock: Clock,
	scope: Scope,
): GatewayResponse {
	const { session, body, headers } = response;
	const leftMs = Math.max(0, untilMs - Date.now());
	if (session !== undefined) {
		return { ...response, session: new EndingSession(session, leftMs, clock) };
	}
	const isOfEvents = headerOf(headers, "content-type")?.startsWith(
		eventStreamType,
	);
	if (!isStream(body) || !isOfEvents) return response;
	const end = () => {
		if (canTell(body)) body.end("expired");
		else scope.cancel(new GatewayError("unauthorized", words));
	};
	const timer = clock.aside(leftMs, end);
	const Ending = body.flowTo ? EndingFlow : EndingStream;
	return { ...response, body: new Ending(body, timer) };
}

function canTell(body: ByteStream): body is ByteStream & Telling {
	return "end" in body && typeof body.end === "function";
}

/** Forgets the end of the credentials when the stream is over. */
class EndingStream implements ByteStream, AsyncIterator<Uint8Array, undefined> {
	readonly length: number | null;
	readonly #pieces: AsyncIterator<Uint8Array>;
	protected readonly timer: Timer;

	constructor(body: ByteStream, timer: Timer) {
		this.length = body.length;
		this.#pieces = body[Symbol.asyncIterator]();
		this.timer = timer;
	}

	[Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
		return this;
	}

	async next(): Promise<IteratorResult<Uint8Array, undefined>> {
		try {
			const { done = false, value } = await this.#pieces.next();
			if (!done) return { done, value };
		} catch (error) {
			this.timer.cancel();
			throw error;
		}
		return this.#over();
	}

	/** Not behind a piece that is still awaited: its reader may have gone. */
	async return(): Promise<IteratorResult<Uint8Array, undefined>> {
		await this.#pieces.return?.();
		return this.#over();
	}

	#over(): IteratorResult<Uint8Array, undefined> {
		this.timer.cancel();
		return { done: true, value: undefined };
	}
}

/** The same of a stream that hands its pieces over. */
class EndingFlow extends EndingStream implements PieceTaker, PieceFlow {
	readonly #body: ByteStream;
	#taker: PieceTaker | null = null;
	#flow: PieceFlow | null = null;

	constructor(body: ByteStream, timer: Timer) {
		super(body, timer);
		this.#body = body;
	}

	flowTo(taker: PieceTaker): PieceFlow {
		this.#taker = taker;
		this.#flow = this.#body.flowTo?.(this) ?? null;
		return this;
	}

	take(piece: Uint8Array): boolean {
		return this.#taker?.take(piece) === true;
	}

	ended(): void {
		this.timer.cancel();
		this.#taker?.ended();
	}

	goOn(): void {
		this.#flow?.goOn();
	}

	leave(): void {
		this.timer.cancel();
		this.#flow?.leave();
	}
}

/** RFC 6455, 7.4.1: 1008 is for what a policy forbids. */
const forbiddenCode = 1008;

class EndingSession implements Session, SessionListener {
	readonly #session: Session;
	readonly #clock: Clock;
	readonly #endsMs: number;
	#listener: SessionListener | null = null;
	#timer: Timer | null = null;

	constructor(session: Session, leftMs: number, clock: Clock) {
		this.#session = session;
		this.#clock = clock;
		this.#endsMs = clock.now() + leftMs;
	}

	get protocol(): string | null {
		return this.#session.protocol;
	}

	get messageBytesMax(): number {
		return this.#session.messageBytesMax;
	}

	open(peer: Peer, scope: Scope): SessionListener {
		this.#listener = this.#session.open(peer, scope);
		const leftMs = this.#endsMs - this.#clock.now();
		this.#timer = this.#clock.aside(leftMs, () =>
			peer.close(forbiddenCode, words),
		);
		return this;
	}

	onMessage(data: Uint8Array, isText: boolean): void | Promise<void> {
		return this.#listener?.onMessage(data, isText);
	}

	onClosed(code: number, reason: string): void {
		this.#timer?.cancel();
		this.#listener?.onClosed(code, reason);
	}
}
