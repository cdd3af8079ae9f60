import type { ByteStream } from "../core/body/byte-stream.ts";
import { GatewayError } from "../core/errors.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import type { Asked, Attempt } from "./attempt.ts";
import type { StreamPolicy } from "./policy.ts";
import { waitingPolicy } from "./promised.ts";
import type { Slots } from "./slots.ts";

interface State {
	/** Null before it has its slot. */
	attempt: Attempt | null;
	/** Whether a slot is still needed: not when it is answered or over. */
	needed: boolean;
	/** Since when it waits for its slot; null if it does not. */
	sinceMs: number | null;
}

/** Ends the wait for a slot that is needed no more. Nobody sees this error. */
const notNeeded = new GatewayError("internal", "no slot is needed any more");

/**
 * Lets requests through whose bodies still come. Such a request takes a slot when all but the end of its body has been
 * sent, and gives it back when the head of its answer is there. So its client does not decide how long it has a slot,
 * and the upstream has no more to do at once than it should. `start` makes the attempt of a request that has its slot.
 */
export function whenSent(
	slots: Slots,
	start: (request: Asked, scope: Scope) => Attempt,
): StreamPolicy {
	return waitingPolicy(
		(next) =>
			async function streamUpload(request, scope) {
				const { clock } = scope;
				const { body, onHead, client } = request;
				const waiting = openScope({ parent: scope });
				const state: State = { attempt: null, needed: true, sinceMs: null };

				async function enter(): Promise<void> {
					if (state.attempt !== null || !state.needed) return;
					state.sinceMs = clock.now();
					try {
						// The client has sent all of it by now, so it is not refused.
						if (!slots.tryTake()) await slots.wait(client, waiting, unbounded);
					} catch (reason) {
						if (state.needed) throw reason;
						return;
					}
					state.sinceMs = null;
					state.attempt = start(request, scope);
					if (!state.needed) state.attempt.ended();
				}

				const sending = {
					...request,
					body: body && endHeldBack(body, enter),
					onHead(head: Parameters<typeof onHead>[0]) {
						state.needed = false;
						state.attempt?.answered(head.status);
						waiting.cancel(notNeeded);
						onHead(head);
					},
				};
				try {
					await next(sending, scope);
				} catch (error) {
					const { attempt, sinceMs } = state;
					attempt?.failed(error);
					if (sinceMs === null || error !== scope.reason) throw error;
					throw slots.inVain(error, sinceMs);
				} finally {
					state.needed = false;
					waiting.cancel(notNeeded);
					state.attempt?.ended();
				}
			},
	);
}

const unbounded = Number.POSITIVE_INFINITY;

/** The same body. Its last piece, or its end if its length is not known, waits for `enter`. */
function endHeldBack(body: ByteStream, enter: () => Promise<void>): ByteStream {
	return {
		length: body.length,
		async *[Symbol.asyncIterator]() {
			let left = body.length;
			for await (const piece of body) {
				if (left !== null) left -= piece.length;
				if (left !== null && left <= 0) await enter();
				yield piece;
			}
			if (left === null) await enter();
		},
	};
}
