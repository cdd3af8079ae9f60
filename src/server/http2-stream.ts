import type { ServerHttp2Stream } from "node:http2";
import http2 from "node:http2";
import type { GatewayError } from "../core/errors.ts";
import type { ClientCertificate } from "../core/http/messages.ts";
import type { ClientMemory } from "../core/memory.ts";
import type { Carrier, Unanswered } from "./carrier.ts";
import { type ConnectionOptions, clientClosed } from "./client-connection.ts";
import { Http2Answer, pieceBytes } from "./http2-answer.ts";
import type { Http2Incoming } from "./http2-incoming.ts";
import { type Flow, Pace } from "./pace.ts";
import { breaksRules, sendsSlowly, takesSlowly, tooLate } from "./slowness.ts";

const { NGHTTP2_NO_ERROR } = http2.constants;

/** With an error a stream is reset with `INTERNAL_ERROR`. */
const cut = new Error("the answer is cut");

/** Node ends a connection itself if nghttp2 finds a fault in it. It gives its streams that error, and not the client's. */
function whyGone({ errored }: ServerHttp2Stream): GatewayError {
	const { code } = (errored ?? {}) as NodeJS.ErrnoException;
	return code === "ERR_HTTP2_ERROR" ? breaksRules() : clientClosed();
}

/** The connection of a stream. */
interface Parent {
	readonly peer: string;
	readonly client: ClientMemory;
	readonly certificate: ClientCertificate | null;
	/** The stream is over. `whole` if its answer is out. */
	over(stream: ClientStream, whole: boolean): void;
}

/** A stream of a client's connection, which carries one request and its answer (RFC 9113, 5). */
export class ClientStream implements Carrier {
	readonly lingers = false;
	/** A stream ends with its only answer anyway. */
	closing = false;
	readonly destroyed = false;
	readonly answer: Http2Answer;
	readonly #stream: ServerHttp2Stream;
	readonly #incoming: Http2Incoming;
	readonly #parent: Parent;
	readonly #options: ConnectionOptions;
	readonly #pace: Pace;
	#exchange: Unanswered | null = null;
	#over = false;

	constructor(
		stream: ServerHttp2Stream,
		incoming: Http2Incoming,
		parent: Parent,
		options: ConnectionOptions,
	) {
		this.#stream = stream;
		this.#incoming = incoming;
		this.#parent = parent;
		this.#options = options;
		this.answer = new Http2Answer(stream);
		this.#pace = new Pace(this.#flow(), options);
		const leave = () => this.leave(whyGone(stream));
		stream.on("aborted", leave);
		stream.once("close", leave);
	}

	get peer(): string {
		return this.#parent.peer;
	}

	get client(): ClientMemory {
		return this.#parent.client;
	}

	get certificate(): ClientCertificate | null {
		return this.#parent.certificate;
	}

	#flow(): Flow {
		const incoming = this.#incoming;
		const { answer } = this;
		return {
			fd: null,
			bytesUnseen: pieceBytes,
			get bytesRead() {
				return incoming.bytesRead;
			},
			get waits() {
				return answer.waits;
			},
			get bytesLeft() {
				return answer.bytesLeft;
			},
		};
	}

	begin(exchange: Unanswered): void {
		this.#exchange = exchange;
	}

	/** What comes after a request that cannot be understood is on other streams. */
	finish(): void {}

	inTurn(_exchange: Unanswered, begin: (short: boolean) => void): void {
		begin(false);
	}

	fieldsFor(): readonly string[] {
		return [];
	}

	answered(): void {}

	end(): void {
		this.#end(true);
		if (this.#incoming.complete) return;
		// The client need not send the rest of its body (RFC 9113, 8.1). Node might say so before it sends the head.
		setImmediate(() => this.#stream.close(NGHTTP2_NO_ERROR));
	}

	/** Not by `close`: Node 26 then ends the answer first, as if it were whole. */
	cut(): void {
		this.#stream.destroy(cut);
	}

	/** The client is gone, or is to be. */
	leave(reason: GatewayError = clientClosed()): void {
		if (this.#over) return;
		this.#exchange?.leave(reason);
		this.#end(false);
	}

	#end(whole: boolean): void {
		if (this.#over) return;
		this.#over = true;
		this.#parent.over(this, whole);
	}

	/** Called every few seconds. */
	look(ms: number): void {
		const exchange = this.#exchange;
		if (exchange === null) return;
		if (this.#pace.isSendingSlowly(ms, exchange.awaitsBody)) {
			exchange.onFault(sendsSlowly());
		} else if (this.#isLate(exchange)) exchange.onFault(tooLate());
		if (!this.#pace.mayBeTakingSlowly(ms)) return;
		const { leastBytesPerSecond, idleTimeoutMs } = this.#options;
		const still = this.#pace.stillMs >= idleTimeoutMs;
		if (!still && !this.#pace.isTakingSlowly(ms, null)) return;
		this.leave(takesSlowly(leastBytesPerSecond));
		this.cut();
	}

	#isLate({ lacksBody, arrivedMs }: Unanswered): boolean {
		const { clock, requestTimeoutMs } = this.#options;
		return lacksBody && clock.now() - arrivedMs > requestTimeoutMs;
	}
}
