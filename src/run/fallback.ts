import { asGatewayError, GatewayError, inStep } from "../core/errors.ts";
import { readsOf } from "../expression/template.ts";
import type { StepPlan } from "../plan/plan.ts";
import {
	failureLayout,
	type Later,
	type Layout,
	prepareLater,
} from "./layout.ts";
import type { Once, Spot } from "./spot.ts";

/**
 * Lets `fallback` and `optional` fill in for the failure of each carrying-out. A fallback that reads `failure` finds it in
 * the step's own slot.
 */
export function prepareFallback(
	{ fallback, optional }: Pick<StepPlan, "fallback" | "optional">,
	layout: Layout,
	ownSlot: number,
	once: Once,
): Once {
	if (fallback === null && !optional) return once;
	const later =
		fallback && prepareLater(fallback, failureLayout(layout, ownSlot));
	const reads =
		fallback && readsOf(fallback).some(({ name }) => name === "failure");
	return (spot) =>
		once(spot).then(undefined, (thrown: unknown) => {
			const error = asGatewayError(thrown);
			if (reads) spot.frame.values[ownSlot] = failureOf(error);
			return fillIn(later, optional, spot, error);
		});
}

/** What a fallback may know of a failure. */
function failureOf({ code, facts, answer }: GatewayError): object {
	return { code, status: facts.upstreamStatus ?? null, body: answer };
}

/** The fallback's value or null, noted as missing. Throws the error itself if there is neither. */
async function fillIn(
	fallback: Later | null,
	optional: boolean,
	spot: Spot,
	thrown: GatewayError,
): Promise<unknown> {
	const { path, index, life } = spot;
	const error = inStep(thrown, path);
	spot.run.undo(spot);
	const failure = { step: path, index, error };
	if (fallback) {
		try {
			// Not in the scope of the work, which may just have ended.
			const value = await spot.evaluate(fallback, life);
			spot.note([failure]);
			spot.trail?.filled(error);
			return value;
		} catch (also) {
			if (!optional) throw withFallback(error, also);
		}
	}
	spot.note([failure]);
	spot.trail?.filled(error);
	return null;
}

/** The client gets the code of the first failure, the log both messages. */
function withFallback(error: GatewayError, thrown: unknown): GatewayError {
	const { message } = asGatewayError(thrown);
	return new GatewayError(
		error.code,
		`${error.message}; its fallback failed: ${message}`,
		{ ...error.facts, cause: thrown },
	);
}
