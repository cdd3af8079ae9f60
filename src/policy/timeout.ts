import { GatewayError } from "../core/errors.ts";
import type { UpstreamResponse } from "../core/http/messages.ts";
import { printDuration } from "../core/units.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import type { CallEnd, Policy } from "./policy.ts";
import { PolicyEnd } from "./policy-end.ts";

/**
 * Bounds each attempt by its request's `timeoutMs`, counted from this call, and ends it with `upstream_timeout`. If the
 * outer scope is cancelled first, its reason is the error. `url` is the number of the URL in the trail.
 */
export function timeout(upstream: string, url = 0): Policy {
	return (next) =>
		function callInTime(request, scope, ended) {
			request.attempt?.placed(url);
			const attempt = openScope({
				parent: scope,
				timeoutMs: request.timeoutMs,
				deadlineReason: () => timedOut(upstream, request.timeoutMs),
			});
			new EndInTime(attempt, ended).begin(next, request, attempt);
		};
}

class EndInTime extends PolicyEnd {
	readonly #attempt: Scope;

	constructor(attempt: Scope, outer: CallEnd) {
		super(outer);
		this.#attempt = attempt;
	}

	protected override onAnswered(response: UpstreamResponse): UpstreamResponse {
		this.#attempt.close();
		return response;
	}

	protected override onFailed(error: unknown): never {
		this.#attempt.close();
		throw error;
	}
}

function timedOut(upstream: string, timeoutMs: number): GatewayError {
	const message = `no answer within ${printDuration(timeoutMs)}`;
	return new GatewayError("upstream_timeout", message, { upstream });
}
