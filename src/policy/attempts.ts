import { asGatewayError } from "../core/errors.ts";
import type { Events } from "../core/events.ts";
import type { UpstreamResponse } from "../core/http/messages.ts";
import type { AttemptTrail } from "../core/trail.ts";
import type { CallEnd, Guard } from "./policy.ts";
import { PolicyEnd } from "./policy-end.ts";

/**
 * Keeps the record of each attempt, from the moment when a call, a retry or a hedge begins it. A call without a trail
 * passes.
 */
export function attempts({ attemptEnded }: Events): Guard {
	return {
		call: (next) =>
			function callNoted(request, scope, ended) {
				const { trail } = request;
				if (!trail) {
					next(request, scope, ended);
					return;
				}
				const attempt = trail.attempt(attemptEnded);
				const own = { ...request, attempt };
				new NotedEnd(attempt, ended).begin(next, own, scope);
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

/** Notes the end of a call's attempt. */
class NotedEnd extends PolicyEnd {
	readonly #attempt: AttemptTrail;

	constructor(attempt: AttemptTrail, outer: CallEnd) {
		super(outer);
		this.#attempt = attempt;
	}

	protected override onAnswered(response: UpstreamResponse): UpstreamResponse {
		this.#attempt.ended(null);
		return response;
	}

	protected override onFailed(error: unknown): never {
		this.#attempt.ended(asGatewayError(error));
		throw error;
	}
}

/** Notes the end of a stream's attempt. */
function noted(attempt: AttemptTrail, end: Promise<void>): Promise<void> {
	return end.then(
		() => attempt.ended(null),
		(thrown: unknown) => {
			attempt.ended(asGatewayError(thrown));
			throw thrown;
		},
	);
}
