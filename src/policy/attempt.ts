import type { UpstreamResponse } from "../core/http/messages.ts";
import type { Scope } from "../tasks/scope.ts";
import type { Guard } from "./policy.ts";

/** One call or stream under way, as whoever watches it is told of it. */
export interface Attempt {
	/** The whole answer of a call is there, or the head of a stream's. */
	answered(status: number): void;
	/** It failed: perhaps a stream whose head was there. */
	failed(error: unknown): void;
	/** It is over, however it ended. Called once, last. */
	ended(): void;
}

/** What a policy asks of a call or a stream before it lets it through. */
export interface Asked {
	readonly requestId: string;
}

/**
 * Makes a guard of what is to be done when a call begins: `begin` refuses by throwing, may let it wait, and is told how
 * it ends. Where it gives no promise, the call goes on in the same turn.
 */
export function watching(
	begin: (request: Asked, scope: Scope) => Attempt | Promise<Attempt>,
): Guard {
	return {
		call: (next) =>
			function callWatched(request, scope) {
				const send = (attempt: Attempt) =>
					watch(
						attempt,
						begunBy(() => next(request, scope)),
					);
				try {
					const attempt = begin(request, scope);
					return attempt instanceof Promise
						? attempt.then(send)
						: send(attempt);
				} catch (refusal) {
					return Promise.reject(refusal);
				}
			},
		stream: (next) =>
			async function streamWatched(request, scope) {
				const begun = begin(request, scope);
				const attempt = begun instanceof Promise ? await begun : begun;
				const { onHead } = request;
				const watched = {
					...request,
					onHead(head: Parameters<typeof onHead>[0]) {
						attempt.answered(head.status);
						onHead(head);
					},
				};
				try {
					await next(watched, scope);
				} catch (error) {
					attempt.failed(error);
					throw error;
				} finally {
					attempt.ended();
				}
			},
	};
}

/** What is thrown before there is a promise is what it fails with. */
export function begunBy<T>(call: () => Promise<T>): Promise<T> {
	try {
		return call();
	} catch (thrown) {
		return Promise.reject(thrown);
	}
}

/** Chained and not awaited: see `run/call.ts`. */
function watch(
	attempt: Attempt,
	answer: Promise<UpstreamResponse>,
): Promise<UpstreamResponse> {
	return answer.then(
		(response) => {
			try {
				attempt.answered(response.status);
				return response;
			} finally {
				attempt.ended();
			}
		},
		(error: unknown) => {
			try {
				attempt.failed(error);
				throw error;
			} finally {
				attempt.ended();
			}
		},
	);
}
