import { asGatewayError } from "../core/errors.ts";
import type { Events } from "../core/events.ts";
import type { AttemptTrail } from "../core/trail.ts";
import type { Guard } from "./policy.ts";

/**
 * Keeps the record of each attempt, from the moment when a call, a retry or a hedge begins it. A call without a trail
 * passes.
 */
export function attempts({ attemptEnded }: Events): Guard {
	return {
		call: (next) =>
			function callNoted(request, scope) {
				const { trail } = request;
				if (!trail) return next(request, scope);
				const attempt = trail.attempt(attemptEnded);
				const answer = next({ ...request, attempt }, scope);
				// The timeout, which has let it through already, ends it as well. Another promise would cost every call.
				return attempt.placedMs === null ? noted(attempt, answer) : answer;
			},
		stream: (next) =>
			function streamNoted(request, scope) {
				const { trail } = request;
				if (!trail) return next(request, scope);
				const attempt = trail.attempt(attemptEnded);
				return noted(attempt, next({ ...request, attempt }, scope));
			},
	};
}

/** The same answer. When it is there, the attempt has ended, and `end` is called. */
export function noted<T>(
	attempt: AttemptTrail,
	answer: Promise<T>,
	end?: () => void,
): Promise<T> {
	return answer.then(
		(value) => {
			end?.();
			attempt.ended(null);
			return value;
		},
		(thrown: unknown) => {
			end?.();
			attempt.ended(asGatewayError(thrown));
			throw thrown;
		},
	);
}
