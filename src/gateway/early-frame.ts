import type { IdentityValues } from "../auth/identity.ts";
import type { RequestConfig } from "../config/config.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import type { Frame } from "../expression/evaluate.ts";
import { Fuel } from "../expression/fuel.ts";
import { createBodyCompiler } from "../run/json-body.ts";
import { requestSlots } from "../run/layout.ts";
import { prepareRequest } from "../run/request.ts";
import type { LoopTurn } from "../tasks/loop-turn.ts";

/** The most nodes that an expression visits: some 10 ms, because nothing has been refused yet. */
const nodesMax = 100_000;

/** The values that exist before the body is read and any step has run. */
export type EarlyFrame = (
	request: GatewayRequest,
	params: Readonly<Record<string, string>>,
	identity: IdentityValues | null,
) => Frame;

/**
 * Reads these values, and `request` as `requestOf` gives it. Throws `request_invalid` if one of them is not as declared.
 */
export function prepareEarlyFrame(
	fields: RequestConfig,
	turn: LoopTurn,
	requestOf: (request: GatewayRequest) => object,
): EarlyFrame {
	// It reads no body, so the body's schema is not compiled.
	const { read } = prepareRequest(fields, createBodyCompiler());
	return (request, params, identity) => {
		const values = read(request, params, null, turn);
		const slots: unknown[] = new Array(slotCount).fill(null);
		slots[requestSlots.params] = values.params;
		slots[requestSlots.query] = values.query;
		slots[requestSlots.headers] = values.headers;
		slots[requestSlots.cookies] = values.cookies;
		slots[requestSlots.request] = requestOf(request);
		slots[requestSlots.auth] = identity;
		return { values: slots, parent: null, fuel: new Fuel(turn, nodesMax) };
	};
}

const slotCount = Object.keys(requestSlots).length;
