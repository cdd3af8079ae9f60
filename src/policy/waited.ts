import { GatewayError } from "../core/errors.ts";

/** Codes of a time that was over. It may have passed in a queue, and then the error must say so. */
const timesUp: ReadonlySet<unknown> = new Set([
	"deadline_exceeded",
	"upstream_timeout",
]);

/** Ends a call that has waited for its slot, if the cache has its answer by then. Only the cache sees it. */
export const keptMeanwhile = new GatewayError(
	"call_aborted",
	"the answer is kept by now",
);

/**
 * The error of a call whose wait for `what` was ended by `reason`. If its time was over, the error says how long it
 * waited, and for what. Any other reason stays as it is.
 */
export function whileWaiting(
	reason: unknown,
	waitedMs: number,
	what: string,
	upstream?: string,
): unknown {
	if (!(reason instanceof GatewayError) || !timesUp.has(reason.code)) {
		return reason;
	}
	const { code, message, facts } = reason;
	const words = `${message}: waited ${Math.round(waitedMs)} ms for ${what}`;
	return new GatewayError(code, words, {
		...facts,
		...(upstream === undefined ? {} : { upstream }),
		cause: reason,
	});
}
