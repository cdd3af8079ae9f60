import { asGatewayError } from "../core/errors.ts";
import type { Events } from "../core/events.ts";
import type { UpstreamResponse } from "../core/http/messages.ts";
import type { AttemptTrail } from "../core/trail.ts";
import type { CallEnd, Guard, StreamEnd } from "./policy.ts";
import { PolicyEnd } from "./policy-end.ts";
import { StreamPolicyEnd } from "./stream-end.ts";

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
			function streamNoted(request, scope, ended) {
				const { trail } = request;
				if (!trail) {
					next(request, scope, ended);
					return;
				}
				const attempt = trail.attempt(attemptEnded);
				const own = { ...request, attempt };
				new NotedStreamEnd(attempt, ended).begin(next, own, scope);
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
class NotedStreamEnd extends StreamPolicyEnd {
	readonly #attempt: AttemptTrail;

	constructor(attempt: AttemptTrail, outer: StreamEnd) {
		super(outer);
		this.#attempt = attempt;
	}

	protected override onDone(): void {
		this.#attempt.ended(null);
	}

	protected override onFailed(error: unknown): unknown {
		this.#attempt.ended(asGatewayError(error));
		return error;
	}
}
