import type { ByteStream } from "../core/body/byte-stream.ts";
import { GatewayError } from "../core/errors.ts";
import type { StreamHead, StreamRequest } from "../core/http/messages.ts";
import { printDuration } from "../core/units.ts";
import type { Timer } from "../tasks/clock.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import type { StreamCall, StreamEnd } from "./policy.ts";
import { StreamPolicyEnd } from "./stream-end.ts";

/**
 * Ends a stream that stands still. The head must come within `timeoutMs` after the last piece of the request. Time in
 * which the client sends nothing does not count. After the head the upstream may not keep the reader waiting for longer than
 * `idleMs`, nor the reader the upstream for longer than `untakenMs`. `url` is the number of the URL in the trail.
 */
export function stall(
	upstream: string,
	url = 0,
): (next: StreamCall) => StreamCall {
	return (next) =>
		function streamWithoutStall(request, scope, ended) {
			request.attempt?.placed(url);
			const watched = new WatchedStream(upstream, request, scope, ended);
			const { body } = request;
			watched.begin(
				next,
				body === null ? request : { ...request, body: watched.around(body) },
				watched.scope,
			);
		};
}

/** A stream that ends by itself if it stands still. One wait at a time. */
class WatchedStream extends StreamPolicyEnd {
	readonly scope: Scope;
	readonly #upstream: string;
	readonly #request: StreamRequest;
	#timer: Timer | null = null;
	#answered = false;
	#closed = false;

	constructor(
		upstream: string,
		request: StreamRequest,
		scope: Scope,
		outer: StreamEnd,
	) {
		super(outer);
		this.scope = openScope({ parent: scope });
		this.#upstream = upstream;
		this.#request = request;
		this.#awaitUpstream();
	}

	/** The body of the request. */
	around(body: ByteStream): ByteStream {
		return around(
			body,
			() => this.#answered || this.#end(),
			// Also after the head: the answer may be made of the body that is still being sent.
			() => this.#awaitUpstream(),
		);
	}

	protected override onHead(head: StreamHead): void {
		this.#answered = true;
		this.#end();
		// Neither side waits for anything.
		if (head.body.arrived) {
			this.outer.head(head);
			return;
		}
		this.#awaitReader();
		const body = around(
			head.body,
			() => this.#awaitUpstream(),
			() => this.#awaitReader(),
		);
		this.outer.head({ ...head, body });
	}

	#awaitUpstream(): void {
		const { idleMs, timeoutMs } = this.#request;
		const ms = this.#answered ? idleMs : timeoutMs;
		this.#await(ms, () => silent(this.#upstream, ms));
	}

	#awaitReader(): void {
		const { untakenMs } = this.#request;
		if (untakenMs === null) this.#end();
		else this.#await(untakenMs, () => untaken(untakenMs));
	}

	#await(ms: number, reason: () => GatewayError): void {
		this.#end();
		if (this.#closed) return;
		this.#timer = this.scope.clock.after(ms, () => this.scope.cancel(reason()));
	}

	#end(): void {
		this.#timer?.cancel();
		this.#timer = null;
	}

	protected override onDone(): void {
		this.#close();
	}

	protected override onFailed(error: unknown): unknown {
		this.#close();
		return error;
	}

	#close(): void {
		this.#closed = true;
		this.#end();
		this.scope.close();
	}
}

/** The same bytes. Reports when its reader begins to wait for a piece, and when the reader has one. */
function around(
	stream: ByteStream,
	onAsked: () => unknown,
	onGiven: () => void,
): ByteStream {
	return {
		length: stream.length,
		...(stream.arrived && { arrived: true }),
		// Neither side waits for anything.
		whole: () => stream.whole?.() ?? null,
		[Symbol.asyncIterator]() {
			const pieces = stream[Symbol.asyncIterator]();
			return {
				async next() {
					onAsked();
					const piece = await pieces.next();
					onGiven();
					return piece;
				},
				async return() {
					await pieces.return?.();
					return { done: true, value: undefined };
				},
			};
		},
	};
}

function silent(upstream: string, ms: number): GatewayError {
	const message = `nothing came for ${printDuration(ms)}`;
	return new GatewayError("upstream_timeout", message, { upstream });
}

function untaken(ms: number): GatewayError {
	const message = `the client took nothing for ${printDuration(ms)}`;
	return new GatewayError("client_closed", message);
}
