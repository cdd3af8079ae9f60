import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Bytes } from "../../src/core/body/bytes.ts";
import { Decimal } from "../../src/core/decimal.ts";
import { parseJson, printJson, readJson } from "../../src/core/json.ts";

describe("reading JSON", () => {
	it("keeps the digits of integers that a double cannot hold, wherever they stand", () => {
		const text =
			'{"10":9223372036854775807,"2":[-12345678901234567890,{"a":1e3}],"s":"9223372036854775807","__proto__":{"x":99999999999999999999}}';
		const value = parseJson(text);
		assert.deepEqual(Object.keys(value as object), [
			"2",
			"10",
			"s",
			"__proto__",
		]);
		assert.equal(
			(value as Record<string, unknown>)["10"],
			9223372036854775807n,
		);
		assert.equal(Object.getPrototypeOf(value), Object.prototype);
		assert.equal(
			printJson(value),
			'{"2":[-12345678901234567890,{"a":1000}],"10":9223372036854775807,"s":"9223372036854775807","__proto__":{"x":99999999999999999999}}',
		);
	});

	it("leaves doubles as they are, and integers that a double holds", () => {
		for (const text of [
			"1234567890123456",
			"0.12345678901234566",
			"1e300",
			"1.50",
			"0.1",
			"100.0e-2",
			"0.000000000000000000012",
			"100000000000000000000.0",
			"0.3000000000000000400000",
			"5e-324",
			"-0",
			"-0.0",
		]) {
			assert.equal(parseJson(text), JSON.parse(text));
		}
		assert.equal(parseJson("1000000000000000000000"), 10n ** 21n);
	});

	it("keeps the digits of every number that a double would print with another value", () => {
		for (const text of [
			"1234567890123456.78",
			"123456789012345.678",
			"-1.2345678901234567891",
			"0.1234567890123456789",
			"900719925474099.13",
			"0.10000000000000001",
			"1234567890123456.75",
			"1.2345678901234567891E+30",
			"1e-400",
			"4.9e-324",
			`0.${"1".repeat(998)}`,
		]) {
			const value = parseJson(text);
			assert.ok(value instanceof Decimal, text);
			assert.equal(printJson(value), text);
			assert.equal(printJson({ a: [value, 1n, "b"] }), `{"a":[${text},1,"b"]}`);
			assert.equal(Number(value), JSON.parse(text));
		}
	});

	it("keeps the value of any number, which a second reader finds again", () => {
		const digits = (most: number) =>
			fc
				.array(fc.integer({ min: 0, max: 9 }), {
					minLength: 1,
					maxLength: most,
				})
				.map((list) => list.join(""));
		const number = fc
			.tuple(
				digits(20),
				digits(20),
				fc.constantFrom("", "e5", "E-12", "e+20", "e-310"),
			)
			.map(([whole, part, power]) => `${BigInt(whole)}.${part}${power}`);
		fc.assert(
			fc.property(number, (text) => {
				const printed = printJson(parseJson(`[${text}]`)).slice(1, -1);
				assert.equal(fraction(printed), fraction(text), `${text}: ${printed}`);
			}),
			{ numRuns: 3000 },
		);
	});

	it("takes quotes and backslashes before and inside numbers for what they are", () => {
		const text = JSON.stringify({
			'a\\"1234567890123456789': '\\\\"9223372036854775807',
			b: "\\",
		});
		assert.deepEqual(parseJson(`[${text},9223372036854775807]`), [
			JSON.parse(text),
			9223372036854775807n,
		]);
	});

	it("refuses a number that no double holds, an endless integer, and what is no JSON", () => {
		for (const text of [
			"1e400",
			"[-1e999]",
			`[0.${"1".repeat(1001)}]`,
			"[1234567890123456.78.9]",
			"[01234567890123456.78]",
			"[1234567890123456.]",
			`[${"9".repeat(1001)}]`,
			"0123456789012345678",
			"[1234567890123456789",
			'{"a":12345678901234567,}',
			"9223372036854775807 x",
		]) {
			assert.throws(() => parseJson(text), SyntaxError, text.slice(0, 30));
		}
		assert.equal(parseJson("9".repeat(1000)), BigInt("9".repeat(1000)));
	});

	it("agrees with JSON.parse on every text without long integers", () => {
		const values = fc.json({ maxDepth: 5 });
		fc.assert(
			fc.property(values, (text) => {
				// A long number beside it sends the text through the careful way.
				const [value, long] = parseJson(
					`[${text},9223372036854775807]`,
				) as unknown[];
				assert.equal(long, 9223372036854775807n);
				assert.equal(printJson(value), printJson(parseJson(text)));
			}),
			{ numRuns: 500 },
		);
	});

	it("reads bytes as it reads the text, wherever in them a long number stands", () => {
		const long = fc.constantFrom(
			"9223372036854775807",
			"9007199254740993",
			"-99999999999999999",
			"123456789012345",
			"1e300",
			"1E+21",
			"1e400",
			"2e+999",
			"0.12345678901234567",
			"1234567890123456.78",
			"123456789012345.67",
			"0.123456789012345",
			"12345678.12345678",
			"1.234567890123456e-5",
			"4.9e-324",
			"1e-400",
			"12e12",
		);
		fc.assert(
			fc.property(fc.json(), long, fc.string(), (text, number, filler) => {
				const whole = `[${JSON.stringify(filler)},${number},${text}]`;
				const read = (parse: () => unknown) => {
					try {
						return printJson(parse());
					} catch (error) {
						return (error as Error).message;
					}
				};
				assert.equal(
					read(() => readJson(new TextEncoder().encode(whole))),
					read(() => parseJson(whole)),
				);
			}),
			{ numRuns: 2000 },
		);
		assert.throws(
			() => readJson(new Uint8Array([0x22, 0xff, 0x22])),
			TypeError,
		);
	});

	it("bounds the nesting by brackets that are no text", () => {
		assert.deepEqual(parseJson('["[[[[","{{{{"]', 1), ["[[[[", "{{{{"]);
		assert.deepEqual(parseJson("[[]]", 2), [[]]);
		assert.throws(() => parseJson("[[[]]]", 2), /nested deeper than 2/);
		const wide = `[${"[],".repeat(200)}[]]`;
		assert.equal((parseJson(wide, 2) as unknown[]).length, 201);
		assert.throws(() => parseJson(wide, 1), /nested/);
	});
});

/** A number of JSON as a fraction in lowest terms of ten, reckoned with integers alone. */
function fraction(text: string): string {
	const [mantissa = "", power = "0"] = text.toLowerCase().split("e");
	const [whole = "", part = ""] = mantissa.split(".");
	let digits = BigInt(whole + part);
	let exponent = Number(power) - part.length;
	if (digits === 0n) return "0";
	while (digits % 10n === 0n) {
		digits /= 10n;
		exponent++;
	}
	return `${digits}e${exponent}`;
}

describe("printing JSON", () => {
	it("prints all else alike beside a long integer", () => {
		fc.assert(
			fc.property(fc.jsonValue(), (value) => {
				assert.equal(
					printJson([value, { a: value, b: 10n ** 20n }]),
					`[${JSON.stringify(value)},{"a":${JSON.stringify(value)},"b":1${"0".repeat(20)}}]`,
				);
			}),
		);
	});

	it("refuses bytes, also beside a long integer", () => {
		const bytes = new Bytes(new Uint8Array([1]));
		for (const value of [[bytes], [bytes, 1n]]) {
			assert.throws(() => printJson(value), /bytes cannot become JSON/);
		}
	});

	it("refuses a value that holds a part many times over", () => {
		let value: unknown = 1;
		for (let times = 0; times < 40; times++) value = [value, value];
		assert.throws(() => printJson(value), /longer than 8388608 bytes/);
		const long = "x".repeat(8 * 1024 * 1024);
		assert.throws(() => printJson(long), /longer than 8388608 bytes/);
		assert.equal(printJson(long.slice(2)).length, long.length);
	});

	it("counts the bytes that are sent, not the characters", () => {
		const bound = { bytesMax: 12, what: "the answer" };
		for (const text of ["x".repeat(10), "ü".repeat(5), "\u0001x".repeat(1)]) {
			assert.ok(printJson(text, null, bound).length <= 12);
		}
		for (const text of ["x".repeat(11), "ü".repeat(6), "\u0001xxxxx"]) {
			assert.throws(() => printJson(text, null, bound), {
				code: "limit_exceeded",
				message: "the answer would be longer than 12 bytes",
			});
		}
	});

	it("refuses a value nested deeper than the engine can go", () => {
		let value: unknown = 1;
		for (let times = 0; times < 100_000; times++) value = [value];
		assert.throws(() => printJson(value), /nests too deeply/);
	});
});
