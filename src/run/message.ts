import type { ChannelConfig } from "../config/config.ts";
import { GatewayError } from "../core/errors.ts";
import { printJson } from "../core/json.ts";
import type { Fuel } from "../expression/fuel.ts";
import { faultOf } from "./body-faults.ts";
import type { CompileBody } from "./json-body.ts";

/**
 * The JSON of a message. Throws `step_failed` if the value does not fit the channel's schema, and `limit_exceeded` if it is
 * too long.
 */
export type PrintMessage = (value: unknown, fuel: Fuel) => string;

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
	return (value, fuel) => {
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
		const at = first === undefined ? "body" : faultOf(first).at;
		// Only where the fault is, because the log must not repeat data.
		const place = at.replace(/^body/, "message");
		const words = `the message does not fit the schema of the channel \`${name}\`, at \`${place}\``;
		throw new GatewayError("step_failed", words);
	};
}
