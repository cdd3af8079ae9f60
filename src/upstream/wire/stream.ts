import { ByteQueue, emptyStream } from "../../core/byte-queue.ts";
import { GatewayError } from "../../core/errors.ts";
import type { ByteStream, StreamRequest } from "../../core/messages.ts";
import type { Scope } from "../../tasks/scope.ts";
import { type Connections, dispatchOf } from "./connections.ts";
import { Exchange, listOf, type Receiver } from "./exchange.ts";

/** Passes a request on and its answer back as they come, each as fast as the slower side takes it. */
export function streaming(
	connections: Connections,
	request: StreamRequest,
	scope: Scope,
): Promise<void> {
	return new Promise((resolve, reject) => {
		const body = request.body && new Upload(request.body);
		let answer: ByteQueue | null = null;
		const end = (settle: () => void) => {
			body?.stop();
			settle();
		};
		const receiver: Receiver = {
			onHead({ status, headers, hasBody, length }, flow) {
				const list = listOf(headers);
				if (hasBody) {
					answer = new ByteQueue({
						length,
						onFull: () => flow.pause(),
						onWanted: () => flow.resume(),
						onLeft: () => exchange.fail(unread()),
					});
				}
				const stream = answer ?? emptyStream(length);
				request.onHead({ status, headers: list, body: stream });
				return null;
			},
			onData(chunk) {
				answer?.push(chunk);
				return null;
			},
			onEnd() {
				answer?.end();
				end(resolve);
			},
			onFail(reason) {
				answer?.fail(reason);
				end(() => reject(reason));
			},
		};
		const { method, target, headers, idempotent } = request;
		const sending = {
			dispatch: dispatchOf(method, target, headers, body),
			// Of a body that was read nothing is left to be sent again.
			repeatable: idempotent && body === null,
			onSent: null,
		};
		const exchange = new Exchange(connections, sending, scope, receiver);
		exchange.begin();
	});
}

function unread(): GatewayError {
	const message = "the answer is read no further";
	return new GatewayError("client_closed", message);
}

/** A request's body as undici takes it: it waits for a piece even where nobody wants it any more, unless told. */
class Upload implements ByteStream, AsyncIterator<Uint8Array> {
	readonly length: number | null;
	readonly #pieces: AsyncIterator<Uint8Array>;
	#stopped = false;
	#wake: () => void = () => {};

	constructor(body: ByteStream) {
		this.length = body.length;
		this.#pieces = body[Symbol.asyncIterator]();
	}

	[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
		return this;
	}

	next(): Promise<IteratorResult<Uint8Array>> {
		if (this.#stopped) return Promise.reject(answered);
		return new Promise((resolve, reject) => {
			this.#wake = () => reject(answered);
			this.#pieces.next().then(resolve, reject);
		});
	}

	async return(): Promise<IteratorResult<Uint8Array>> {
		this.stop();
		return { done: true, value: undefined };
	}

	/** The exchange is over, whether or not all of it was sent. */
	stop(): void {
		if (this.#stopped) return;
		this.#stopped = true;
		this.#wake();
		// What it fails with concerns nobody here any more.
		this.#pieces.return?.().catch(() => {});
	}
}

/** Ends undici's own loop; reaches nobody. */
const answered = new Error("the exchange is over");
