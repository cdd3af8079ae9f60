import type { ChannelConfig } from "../config/config.ts";
import { GatewayError } from "../core/errors.ts";
import { type PrintBound, printJson, tooLong } from "../core/json.ts";
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
		const json = printOf(value, fuel, bound, inputs, "a message");
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

/** The JSON of a value. If it is too long, the client hears how long it may be: the status alone does not say which limit it is. */
export function printOf(
	value: unknown,
	fuel: Fuel,
	bound: PrintBound,
	inputs: Inputs,
	what: string,
): string {
	try {
		return printJson(value, fuel, bound);
	} catch (error) {
		// Too much computing has the same code.
		const isTooLong =
			error instanceof GatewayError && error.message === tooLong(bound).message;
		if (!isTooLong || inputs === null) throw error;
		const message = `makes ${what} that is longer than ${bound.bytesMax} bytes`;
		const errors = inputs.map((at) => ({ at, message }));
		throw new GatewayError(error.code, error.message, { errors });
	}
}
