import { ByteQueue } from "../../core/body/byte-queue.ts";
import { emptyStream } from "../../core/body/byte-stream.ts";
import { GatewayError } from "../../core/errors.ts";
import type { HeaderList } from "../../core/http/headers.ts";
import type { StreamRequest } from "../../core/http/messages.ts";
import type { AnswerHead, Flow, Receiver } from "./receiver.ts";

/** Passes an answer on as it comes, as fast as the slower side takes it. */
export class Relay implements Receiver {
	readonly #request: StreamRequest;
	readonly #resolve: () => void;
	readonly #reject: (reason: unknown) => void;
	readonly #leave: (reason: unknown) => void;
	#answer: ByteQueue | null = null;

	/** `leave` is called if the answer is read no further. It must end the exchange with the reason. */
	constructor(
		request: StreamRequest,
		resolve: () => void,
		reject: (reason: unknown) => void,
		leave: (reason: unknown) => void,
	) {
		this.#request = request;
		this.#resolve = resolve;
		this.#reject = reject;
		this.#leave = leave;
	}

	onHead(head: AnswerHead, hasBody: boolean, flow: Flow): null {
		const { status, headers, length } = head;
		if (hasBody) {
			const { memory } = this.#request;
			this.#answer = new ByteQueue({
				length,
				...(memory && { memory }),
				onFull: () => flow.pause(),
				onWanted: () => flow.resume(),
				onLeft: () => this.#leave(unread()),
			});
		}
		const body = this.#answer ?? emptyStream(length);
		this.#request.onHead({ status, headers, body });
		return null;
	}

	onInterim(status: number, headers: HeaderList): void {
		this.#request.onInterim?.(status, headers);
	}

	onData(memory: Buffer, from: number, to: number): null {
		this.#answer?.push(Buffer.from(memory.subarray(from, to)));
		return null;
	}

	onEnd(): void {
		this.#answer?.end();
		this.#resolve();
	}

	onFail(reason: unknown): void {
		this.#request.onBroken?.(reason);
		this.#answer?.fail(reason);
		this.#reject(reason);
	}
}

function unread(): GatewayError {
	const message = "the answer is read no further";
	return new GatewayError("client_closed", message);
}
