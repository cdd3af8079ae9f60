import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../core/http/messages.ts";
import type { Scope } from "../tasks/scope.ts";
import type { Call, CallEnd } from "./policy.ts";

/** A call as a promise of its answer. */
export type PromisedCall = (
	request: UpstreamRequest,
	scope: Scope,
) => Promise<UpstreamResponse>;

/** Makes a call for code that waits for it. */
export function promised(call: Call): PromisedCall {
	return (request, scope) =>
		new Promise((answered, failed) => {
			call(request, scope, { answered, failed });
		});
}

/** Tells how a promise of an answer ends. */
export function tellEnd(
	answer: Promise<UpstreamResponse>,
	ended: CallEnd,
): void {
	answer.then(
		(response) => ended.answered(response),
		(error: unknown) => ended.failed(error),
	);
}
