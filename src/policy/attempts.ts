import { asGatewayError } from "../core/errors.ts";
import { type Events, raise } from "../core/events.ts";
import type { AttemptTrail, CallTrail } from "../core/trail.ts";
import type { Guard } from "./policy.ts";

/**
 * Keeps the record of each attempt, from the moment when a call, a retry or a hedge begins it. A call without a trail
 * passes.
 */
export function attempts({ attemptEnded }: Events): Guard {
	/** Each attempt ends once, also if its request has been answered long before. */
	const ended = (call: CallTrail, attempt: AttemptTrail, thrown?: unknown) => {
		attempt.ended(thrown === undefined ? null : asGatewayError(thrown));
		raise(attemptEnded, { call, attempt });
	};
	function noted<T>(
		call: CallTrail,
		attempt: AttemptTrail,
		answer: Promise<T>,
	): Promise<T> {
		return answer.then(
			(value) => {
				ended(call, attempt);
				return value;
			},
			(thrown: unknown) => {
				ended(call, attempt, thrown);
				throw thrown;
			},
		);
	}
	return {
		call: (next) =>
			function callNoted(request, scope) {
				const { trail } = request;
				if (!trail) return next(request, scope);
				const attempt = trail.attempt();
				return noted(trail, attempt, next({ ...request, attempt }, scope));
			},
		stream: (next) =>
			function streamNoted(request, scope) {
				const { trail } = request;
				if (!trail) return next(request, scope);
				const attempt = trail.attempt();
				return noted(trail, attempt, next({ ...request, attempt }, scope));
			},
	};
}
