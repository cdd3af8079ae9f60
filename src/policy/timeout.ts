import { GatewayError } from "../core/errors.ts";
import { printDuration } from "../core/units.ts";
import { openScope } from "../tasks/scope.ts";
import { begunBy } from "./attempt.ts";
import { noted } from "./attempts.ts";
import type { Policy } from "./policy.ts";

/**
 * Bounds each attempt by its request's `timeoutMs`, counted from this call, and ends it with `upstream_timeout`. If the
 * outer scope is cancelled first, its reason is the error. `url` is the number of the URL in the trail.
 */
export function timeout(upstream: string, url = 0): Policy {
	return (next) =>
		function callInTime(request, scope) {
			const record = request.attempt ?? null;
			record?.placed(url);
			const attempt = openScope({
				parent: scope,
				timeoutMs: request.timeoutMs,
				deadlineReason: () => timedOut(upstream, request.timeoutMs),
			});
			const end = () => attempt.close();
			const answer = begunBy(() => next(request, attempt));
			if (record !== null) return noted(record, answer, end);
			// The promise is passed on as it is: another promise around it, as of an async function, would cost every call
			// 0.3 µs.
			answer.then(end, end);
			return answer;
		};
}

function timedOut(upstream: string, timeoutMs: number): GatewayError {
	const message = `no answer within ${printDuration(timeoutMs)}`;
	return new GatewayError("upstream_timeout", message, { upstream });
}
