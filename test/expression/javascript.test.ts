import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { GatewayError } from "../../src/core/errors.ts";
import { compute } from "./compute.ts";
import { makeProgram, type Program } from "./generator.ts";
import { evaluateByOracle, Failure } from "./oracle.ts";

const programs = Number(process.env["EXPRESSION_PROGRAMS"] ?? 20_000);

type Result = { value: unknown } | { code: string };

function ours({ source, data }: Program): Result {
	try {
		return { value: compute(source, data) };
	} catch (error) {
		if (!(error instanceof GatewayError)) throw error;
		// Without a place it is the engine that threw, and not the language.
		assert.notEqual(error.facts.offset, undefined, String(error.cause));
		return { code: error.code };
	}
}

function theirs({ source, data }: Program, seen: (what: string) => void): Result {
	try {
		return { value: evaluateByOracle(source, data, seen) };
	} catch (error) {
		if (error instanceof Failure) return { code: error.code };
		throw error;
	}
}

test("computes what JavaScript computes, but for the differences the language states", () => {
	const reached = new Map<string, number>();
	let failed = 0;
	const seen = (construct: string) =>
		reached.set(construct, (reached.get(construct) ?? 0) + 1);
	fc.assert(
		fc.property(
			fc.uint8Array({ minLength: 100, maxLength: 500, size: "max" }),
			(bytes) => {
				const program = makeProgram(bytes);
				const before = structuredClone(program.data);
				const expected = theirs(program, seen);
				if ("code" in expected) failed++;
				assert.deepEqual(ours(program), expected, program.source);
				assert.deepEqual(program.data, before, `${program.source} changed its data`);
			},
		),
		{ numRuns: programs },
	);
	if (process.env["SHOW"]) console.log(failed, [...reached].sort((a, b) => a[1] - b[1]).map((x) => x.join(":")).join(" "));
});
