import type { ByteStream } from "../core/body/byte-stream.ts";
import { GatewayError } from "../core/errors.ts";
import { printDuration } from "../core/units.ts";
import type { Timer } from "../tasks/clock.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import type { StreamCall } from "./policy.ts";

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
		async function streamWithoutStall(request, scope) {
			request.attempt?.placed(url);
			const { timeoutMs, idleMs, untakenMs, body, onHead } = request;
			const attempt = openScope({ parent: scope });
			const watch = new Watch(attempt);
			let answered = false;
			const awaitUpstream = () => {
				const ms = answered ? idleMs : timeoutMs;
				watch.begin(ms, () => silent(upstream, ms));
			};
			awaitUpstream();
			try {
				await next(
					{
						...request,
						body:
							body &&
							around(
								body,
								() => answered || watch.end(),
								// Also after the head: the answer may be made of the body that is still being sent.
								awaitUpstream,
							),
						onHead(head) {
							answered = true;
							watch.end();
							// Neither side waits for anything.
							if (head.body.arrived) return onHead(head);
							const awaitReader = () => {
								if (untakenMs === null) watch.end();
								else watch.begin(untakenMs, () => untaken(untakenMs));
							};
							awaitReader();
							onHead({
								...head,
								body: around(head.body, awaitUpstream, awaitReader),
							});
						},
					},
					attempt,
				);
			} finally {
				watch.close();
				attempt.close();
			}
		};
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

/** One wait at a time. */
class Watch {
	readonly #scope: Scope;
	#timer: Timer | null = null;
	#closed = false;

	constructor(scope: Scope) {
		this.#scope = scope;
	}

	begin(ms: number, reason: () => GatewayError): void {
		this.end();
		if (this.#closed) return;
		this.#timer = this.#scope.clock.after(ms, () =>
			this.#scope.cancel(reason()),
		);
	}

	end(): void {
		this.#timer?.cancel();
		this.#timer = null;
	}

	close(): void {
		this.#closed = true;
		this.end();
	}
}

function silent(upstream: string, ms: number): GatewayError {
	const message = `nothing came for ${printDuration(ms)}`;
	return new GatewayError("upstream_timeout", message, { upstream });
}

function untaken(ms: number): GatewayError {
	const message = `the client took nothing for ${printDuration(ms)}`;
	return new GatewayError("client_closed", message);
}
