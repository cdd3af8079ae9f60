import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { JsonBytes } from "../../src/telemetry/trail/json-bytes.ts";

type Value = number | null | string | boolean | readonly Value[];

function write(out: JsonBytes, value: Value): void {
	if (typeof value === "number" || value === null) out.number(value);
	else if (typeof value === "string") out.name(value);
	else if (typeof value === "boolean") out.value(value);
	else {
		out.open();
		for (const one of value) write(out, one);
		out.close();
	}
}

/** The text that was made. */
function taken(out: JsonBytes): string {
	out.end();
	const text = out.slice(0, out.length).toString("latin1");
	out.cut(0);
	return text;
}

const { tree: values } = fc.letrec<{ tree: readonly Value[]; one: Value }>(
	(tie) => ({
		tree: fc.array(tie("one"), { maxLength: 8 }),
		one: fc.oneof(
			{ maxDepth: 4, withCrossShrink: true },
			fc.constantFrom(null, true, false),
			fc.nat(),
			fc.integer(),
			fc.double(),
			fc.maxSafeInteger(),
			fc.string({ unit: "binary" }),
			tie("tree"),
		),
	}),
);

describe("JSON that is made value by value", () => {
	test("is what the standard makes, but that it has ASCII alone", () => {
		const out = new JsonBytes();
		fc.assert(
			fc.property(values, (value) => {
				write(out, value);
				const text = taken(out);
				assert.match(text, /^[ -~]*$/);
				const printed = JSON.stringify(value);
				assert.deepEqual(JSON.parse(text), JSON.parse(printed));
				if (/^[ -~]*$/.test(printed)) assert.equal(text, printed);
			}),
		);
	});

	test("has numbers of any size", () => {
		const out = new JsonBytes();
		const edges = [
			9,
			10,
			99,
			100,
			2 ** 31 - 1,
			2 ** 31,
			2 ** 32,
			2 ** 53,
			1e21,
		];
		const numbers = [0, ...edges, ...edges.map((one) => -one), 0.5, 1 / 3];
		write(out, numbers);
		assert.equal(taken(out), JSON.stringify(numbers));
		write(out, [Number.NaN, Number.POSITIVE_INFINITY, -0]);
		assert.equal(taken(out), "[null,null,0]");
	});

	test("has names of any length and number, and takes as much memory as they need", () => {
		const out = new JsonBytes();
		const names = Array.from({ length: 1_500 }, (_, at) =>
			`шаг ${at} "`.repeat((at % 40) + 1),
		);
		for (let round = 0; round < 2; round++) {
			write(out, [names, "x".repeat(200_000), names]);
			const text = taken(out);
			assert.deepEqual(JSON.parse(text), [names, "x".repeat(200_000), names]);
			write(out, [1]);
			assert.equal(taken(out), "[1]");
		}
	});
});
