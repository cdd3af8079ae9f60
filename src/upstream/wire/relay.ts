import { ByteQueue } from "../../core/body/byte-queue.ts";
import {
	arrivedStream,
	type ByteStream,
	emptyStream,
} from "../../core/body/byte-stream.ts";
import { GatewayError } from "../../core/errors.ts";
import type { HeaderList } from "../../core/http/headers.ts";
import type { StreamRequest } from "../../core/http/messages.ts";
import type { AnswerHead, Flow, Receiver } from "./receiver.ts";

/** An answer as far as one read has brought it. */
interface Coming {
	readonly head: AnswerHead;
	readonly flow: Flow;
	readonly pieces: Uint8Array[];
}

/** Passes an answer on as it comes, as fast as the slower side takes it. */
export class Relay implements Receiver {
	readonly #request: StreamRequest;
	readonly #resolve: () => void;
	readonly #reject: (reason: unknown) => void;
	readonly #leave: (reason: unknown) => void;
	#answer: ByteQueue | null = null;
	/** A head whose read has not ended. The rest of the answer may have come with it. */
	#coming: Coming | null = null;

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
		if (!hasBody) {
			this.#tell(head, emptyStream(head.length));
			return null;
		}
		this.#coming = { head, flow, pieces: [] };
		// Its content may be none, so whoever hears of it ends the connection.
		if (head.status === 205) this.afterRead();
		return null;
	}

	/** From here on it is a stream. */
	afterRead(): void {
		const coming = this.#coming;
		if (coming === null) return;
		this.#coming = null;
		const { head, flow, pieces } = coming;
		const { memory } = this.#request;
		const answer = new ByteQueue({
			length: head.length,
			...(memory && { memory }),
			onFull: () => flow.pause(),
			onWanted: () => flow.resume(),
			onLeft: () => this.#leave(unread()),
		});
		this.#answer = answer;
		this.#tell(head, answer);
		for (const piece of pieces) answer.push(piece);
	}

	/** If whoever hears of it throws, the call fails with that. */
	#tell({ status, headers }: AnswerHead, body: ByteStream): void {
		try {
			this.#request.onHead({ status, headers, body });
		} catch (fault) {
			this.#leave(fault);
			// There is nothing to leave if all of it has come.
			this.#reject(fault);
		}
	}

	onInterim(status: number, headers: HeaderList): void {
		this.#request.onInterim?.(status, headers);
	}

	onData(memory: Buffer, from: number, to: number): null {
		const piece = Buffer.from(memory.subarray(from, to));
		if (this.#coming === null) this.#answer?.push(piece);
		else this.#coming.pieces.push(piece);
		return null;
	}

	onEnd(): void {
		const coming = this.#coming;
		this.#coming = null;
		if (coming === null) this.#answer?.end();
		else {
			const { head, pieces } = coming;
			this.#tell(head, arrivedStream(pieces, head.length));
		}
		this.#resolve();
	}

	onFail(reason: unknown): void {
		this.afterRead();
		this.#request.onBroken?.(reason);
		this.#answer?.fail(reason);
		this.#reject(reason);
	}
}

function unread(): GatewayError {
	const message = "the answer is read no further";
	return new GatewayError("client_closed", message);
}
