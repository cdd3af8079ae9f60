import assert from "node:assert/strict";
import { GatewayError } from "../../src/core/errors.ts";
import {
	type Evaluate,
	type Frame,
	prepareExpression,
} from "../../src/expression/evaluate.ts";
import { Fuel } from "../../src/expression/fuel.ts";
import { parseExpression } from "../../src/expression/parse.ts";

/** An expression ready to be run on values of the names; `names` in the order of the slots. */
export function prepared(source: string, names: readonly string[]): Evaluate {
	const { expression, faults } = parseExpression(source);
	assert.ok(expression, `${source}: ${JSON.stringify(faults)}`);
	return prepareExpression(expression, {
		slotOf(name) {
			assert.ok(names.includes(name), `${source} reads ${name}`);
			return { up: 0, slot: names.indexOf(name) };
		},
	});
}

/** The value of an expression over data. */
export function compute(
	source: string,
	data: Readonly<Record<string, unknown>> = {},
): unknown {
	const evaluate = prepared(source, Object.keys(data));
	return evaluate(frameOf(Object.values(data)));
}

/** A frame by itself, with fuel for one evaluation. */
export function frameOf(values: unknown[]): Frame {
	return { values, parent: null, fuel: new Fuel() };
}

/** The error an expression ends with. */
export function failureOf(
	source: string,
	data: Readonly<Record<string, unknown>> = {},
): GatewayError {
	try {
		const value = compute(source, data);
		assert.fail(`${source} gives a ${typeof value}`);
	} catch (error) {
		if (error instanceof GatewayError) return error;
		throw error;
	}
}
