import type { ChannelConfig } from "../config/config.ts";
import { GatewayError } from "../core/errors.ts";
import { printJson } from "../core/json.ts";
import type { Fuel } from "../expression/fuel.ts";
import { faultOf } from "./body-faults.ts";
import type { CompileBody } from "./json-body.ts";
import type { Inputs } from "./layout.ts";

/**
 * The JSON of a message. Throws `limit_exceeded` if it is too long. If the value does not fit the channel's schema, throws
 * `request_invalid` if only `inputs` of the client make it, else `step_failed`.
 */
export type PrintMessage = (
	value: unknown,
	fuel: Fuel,
	inputs: Inputs,
) => string;

export function prepareMessage(
	{
		name,
		schema,
		messageBytesMax,
	}: Pick<ChannelConfig, "messageBytesMax" | "name" | "schema">,
	compileBody: CompileBody,
): PrintMessage {
	const what = `a message of the channel \`${name}\` (\`maxMessage\`)`;
	const bound = { bytesMax: messageBytesMax, what };
	const check = schema && compileBody(schema);
	return (value, fuel, inputs) => {
		const json = printJson(value, fuel, bound);
		if (check === null) return json;
		// As for a body: a pattern takes 75 ns for a character.
		fuel.burn(json.length);
		let fits = false;
		try {
			check.begin(json.length);
			fits = check.first(JSON.parse(json));
		} catch (cause) {
			const words = `a message takes too much work to check against the schema of the channel \`${name}\``;
			throw new GatewayError("step_failed", words, { cause });
		}
		if (fits) return json;
		const [first] = check.first.errors ?? [];
		const fault = first && faultOf(first);
		const at = fault?.at ?? "body";
		// Only where the fault is, because the log must not repeat data.
		const place = at.replace(/^body/, "message");
		const words = `the message does not fit the schema of the channel \`${name}\`, at \`${place}\``;
		if (inputs === null) throw new GatewayError("step_failed", words);
		const message = `makes a message that does not fit: \`${place}\` ${fault?.message ?? "is invalid"}`;
		const errors = inputs.map((input) => ({ at: input, message }));
		throw new GatewayError("request_invalid", words, { errors });
	};
}
