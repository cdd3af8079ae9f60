import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { GatewayError } from "../../src/core/errors.ts";
import {
	functions,
	listMethods,
	numberMethods,
	textMethods,
} from "../../src/expression/language.ts";
import { compute } from "./compute.ts";
import { makeProgram, type Program } from "./generator.ts";
import { evaluateByOracle, Failure } from "./oracle.ts";

/** `EXPRESSION_PROGRAMS=1000000` for a long search. */
const programs = Number(process.env["EXPRESSION_PROGRAMS"] ?? 20_000);

type Result = { value: unknown } | { code: string };

function ours({ source, data }: Program): Result {
	try {
		return { value: compute(source, data) };
	} catch (error) {
		if (!(error instanceof GatewayError)) throw error;
		assert.doesNotMatch(error.message, /the engine/, String(error.cause));
		return { code: error.code };
	}
}

function theirs(
	{ source, data }: Program,
	seen: (what: string) => void,
): Result {
	try {
		return { value: evaluateByOracle(source, data, seen) };
	} catch (error) {
		if (error instanceof Failure) return { code: error.code };
		throw error;
	}
}

/** Everything of the language that a program can be made of, as the oracle calls it. */
const language = [
	..."+ - * / % ** < > <= >= === !== && || ??".split(" "),
	...["unary -", "unary +", "UnaryExpression", "ConditionalExpression"],
	...[
		"TemplateLiteral",
		"ArrayExpression",
		"ObjectExpression",
		"SpreadElement",
	],
	...["ChainExpression", "ArrowFunctionExpression", "RestElement"],
	...["ObjectPattern", "ArrayPattern", "AssignmentPattern"],
	...Object.keys(textMethods).map((name) => `string.${name}`),
	...Object.keys(listMethods).map((name) => `list.${name}`),
	...Object.keys(numberMethods).map((name) => `number.${name}`),
	...functions.keys(),
];

test("computes what JavaScript computes, but for the differences the language states", () => {
	const reached = new Map<string, number>();
	const seen = (construct: string) =>
		reached.set(construct, (reached.get(construct) ?? 0) + 1);
	fc.assert(
		fc.property(
			fc.uint8Array({ minLength: 100, maxLength: 500, size: "max" }),
			(bytes) => {
				const program = makeProgram(bytes);
				const before = structuredClone(program.data);
				const expected = theirs(program, seen);
				assert.deepEqual(ours(program), expected, program.source);
				assert.deepEqual(
					program.data,
					before,
					`${program.source} changed its data`,
				);
			},
		),
		{ numRuns: programs },
	);
	const missed = language.filter((construct) => !reached.has(construct));
	assert.deepEqual(missed, [], "no program came to these");
});
