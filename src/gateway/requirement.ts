import type { IdentityValues } from "../auth/identity.ts";
import { fieldsRead } from "../config/check-rate-limit.ts";
import { GatewayError } from "../core/errors.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import { pathOf } from "../core/http/path.ts";
import type { RoutePlan } from "../plan/plan.ts";
import { prepare, routeLayout } from "../run/layout.ts";
import { isSkip } from "../run/spot.ts";
import type { LoopTurn } from "../tasks/loop-turn.ts";
import { prepareEarlyFrame } from "./early-frame.ts";

/** Says why a client may not go on; null if it may. Throws `request_invalid` if a value that it reads is not as declared. */
type Refusal = (
	request: GatewayRequest,
	params: Readonly<Record<string, string>>,
	identity: IdentityValues,
) => string | null;

/** Nobody comes in by a condition that fails: whatever is missing or wrong, the answer is no. */
export function prepareRequirement(
	{ require, request: declared }: RoutePlan,
	turn: LoopTurn,
): Refusal {
	if (require === null) return () => null;
	const frameOf = prepareEarlyFrame(
		fieldsRead(require, declared),
		turn,
		namesOf,
	);
	const evaluate = prepare(require, routeLayout([]));
	return (request, params, identity) => {
		const frame = frameOf(request, params, identity);
		try {
			return isSkip(evaluate(frame)) ? "`require` does not hold" : null;
		} catch (error) {
			if (error instanceof GatewayError) return `\`require\`: ${error.message}`;
			throw error;
		}
	};
}

function namesOf({ id, ip, method, target }: GatewayRequest): object {
	return { id, ip, method, path: pathOf(target), time: Date.now() };
}
