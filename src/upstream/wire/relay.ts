import { ByteQueue } from "../../core/body/byte-queue.ts";
import {
	arrivedStream,
	type ByteStream,
	emptyStream,
} from "../../core/body/byte-stream.ts";
import { GatewayError } from "../../core/errors.ts";
import type { HeaderList } from "../../core/http/headers.ts";
import type { StreamRequest } from "../../core/http/messages.ts";
import type { StreamEnd } from "../../policy/policy.ts";
import type { CancelTarget, Listening } from "../../tasks/lifetime.ts";
import { listenTo, type Scope } from "../../tasks/scope.ts";
import type { UpstreamExchange } from "./exchange.ts";
import type { AnswerHead, Flow, Receiver } from "./receiver.ts";

/** An answer as far as one read has brought it. */
interface Coming {
	readonly head: AnswerHead;
	readonly flow: Flow;
	readonly pieces: Uint8Array[];
}

/** Passes an answer on as it comes, as fast as the slower side takes it. */
export class Relay implements Receiver, CancelTarget {
	readonly #request: StreamRequest;
	readonly #scope: Scope;
	readonly #ended: StreamEnd;
	/** Brings the answer. Null before it begins. */
	#exchange: UpstreamExchange | null = null;
	#listening: Listening | null = null;
	#over = false;
	#answer: ByteQueue | null = null;
	/** A head whose read has not ended. The rest of the answer may have come with it. */
	#coming: Coming | null = null;

	/** The scope is open. */
	constructor(request: StreamRequest, scope: Scope, ended: StreamEnd) {
		this.#request = request;
		this.#scope = scope;
		this.#ended = ended;
	}

	begin(exchange: UpstreamExchange): void {
		this.#exchange = exchange;
		this.#listening = listenTo(this.#scope, this);
		exchange.begin();
	}

	onCancelled(reason: unknown): void {
		this.#exchange?.fail(reason);
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
			onLeft: () => this.#exchange?.fail(unread()),
		});
		this.#answer = answer;
		this.#tell(head, answer);
		for (const piece of pieces) answer.push(piece);
	}

	/** If whoever hears of it throws, the call fails with that. */
	#tell({ status, headers }: AnswerHead, body: ByteStream): void {
		try {
			this.#ended.head({ status, headers, body });
		} catch (fault) {
			this.#exchange?.fail(fault);
			// There is nothing to fail if all of it has come.
			this.#end(fault);
		}
	}

	onInterim(status: number, headers: HeaderList): void {
		this.#request.onInterim?.(status, headers);
	}

	onData(memory: Buffer, from: number, to: number): null {
		const piece = Buffer.allocUnsafe(to - from);
		memory.copy(piece, 0, from, to);
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
		// Whoever hears of the head of a whole answer may cancel, although nothing is left to be cut off.
		if (this.#scope.cancelled) this.#end(this.#scope.reason);
		else this.#end(null);
	}

	onFail(reason: unknown): void {
		this.afterRead();
		this.#request.onBroken?.(reason);
		this.#answer?.fail(reason);
		this.#end(this.#scope.cancelled ? this.#scope.reason : reason);
	}

	/** Tells the end, once. Null: all is well. */
	#end(failure: unknown): void {
		if (this.#over) return;
		this.#over = true;
		this.#listening?.stop();
		if (failure === null) this.#ended.done();
		else this.#ended.failed(failure);
	}
}

function unread(): GatewayError {
	const message = "the answer is read no further";
	return new GatewayError("client_closed", message);
}
