import { GatewayError } from "../core/errors.ts";
import { printDuration } from "../core/units.ts";
import { openScope } from "../tasks/scope.ts";
import type { Policy } from "./policy.ts";

/**
 * Bounds each attempt by its request's `timeoutMs`, counted from when it gets here, and ends it with
 * `upstream_timeout`. Where the outer scope is cancelled first, its reason is the error.
 */
export function timeout(upstream: string): Policy {
	return (next) =>
		async function callInTime(request, scope) {
			const attempt = openScope({
				parent: scope,
				deadline: scope.clock.now() + request.timeoutMs,
				deadlineReason: () => timedOut(upstream, request.timeoutMs),
			});
			try {
				return await next(request, attempt);
			} finally {
				attempt.close();
			}
		};
}

function timedOut(upstream: string, timeoutMs: number): GatewayError {
	const message = `no answer within ${printDuration(timeoutMs)}`;
	return new GatewayError("upstream_timeout", message, { upstream });
}
