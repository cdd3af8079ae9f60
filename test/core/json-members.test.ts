import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readJson, surveyJson } from "../../src/core/json.ts";
import {
	findMembers,
	type JsonMembers,
	membersAt,
	readMembers,
} from "../../src/core/json-members.ts";
import { compareMembers, compareSpoiled, documents } from "./spoiled-json.ts";

/** `main.temp` */
const at = (...paths: string[]) =>
	membersAt(paths.map((path) => path.split("."))) as JsonMembers;

function found(text: string | Uint8Array, ...paths: string[]) {
	const members = at(...paths);
	const bytes = typeof text === "string" ? Buffer.from(text) : text;
	const one = findMembers(bytes, members);
	return one && readMembers(members, one);
}

describe("members of JSON", () => {
	it("are read without the rest", () => {
		const text = '{"name":"x","main":{"temp":-1.5,"max":2},"list":[1,{"a":2}]}';
		assert.deepEqual(found(text, "name", "main.temp", "nothing", "main.no"), {
			name: "x",
			main: { temp: -1.5 },
		});
		assert.deepEqual(found(text, "list", "main", "main.temp"), {
			list: [1, { a: 2 }],
			main: { temp: -1.5, max: 2 },
		});
		assert.deepEqual(found(text, "name.first", "list.first"), {
			name: {},
			list: {},
		});
		assert.deepEqual(membersAt([]) && readAll(text, membersAt([])), {});
	});

	it("are the values that the whole has, in 20,000 documents that are spoiled anywhere", (t) => {
		const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
		t.diagnostic(`SEED=${seed}`);
		const seen = compareSpoiled(20_000, seed);
		for (const [word, times] of seen) t.diagnostic(`${times} ${word}`);
		assert.ok((seen.get("as the reader") ?? 0) > 4_000);
		assert.ok((seen.get("refused by the reader") ?? 0) > 4_000);
	});

	it("are found in no document that is cut, whichever byte was its last", () => {
		for (const text of documents) {
			const bytes = Buffer.from(text.trim());
			for (let length = 0; length < bytes.length; length++) {
				const word = compareMembers(bytes.subarray(0, length), [["name"]]);
				assert.equal(word, "refused by the reader");
			}
		}
	});

	it("are found in every document of a service that has them once", () => {
		const unusual = documents.filter(
			(text) =>
				compareMembers(Buffer.from(text), [["name"]]) !== "as the reader",
		);
		// Too large for a double, too deep, twice, and a name with an escape.
		assert.equal(unusual.length, 4, unusual.join("\n"));
	});
});

function readAll(text: string, members: JsonMembers | null) {
	if (members === null) return null;
	const one = findMembers(Buffer.from(text), members);
	return one && readMembers(members, one);
}

describe("what is left to the reader of the whole", () => {
	it("is what is no map of JSON in UTF-8", () => {
		const map = Buffer.from('{"a":"ü"}');
		for (const bytes of [
			...["", " ", "null", "[]", '"}', "{", "}", "{}}", "{},", "{}x", '{"a"}'],
			...['{"a":1,}', '{"a":1 "b":2}', "{a:1}", '{"a":01}', '{"a":1.}'],
			...['{"a":+1}', '{"a":-}', '{"a":.5}', '{"a":1e}', '{"a":tru}', '{"a":}'],
			...['{"a":"\n"}', '{"a":"\\x"}', '{"a":"\\u12g4"}', '{"a":[1,]}'],
			...['{"a":[1}', '{"a":{"b":1]}', '{"a":{"b":1}', '{"b":"}', '{"b":"\\}'],
			...['{"b":"\\u}', '{"b":-}', '{"b":1e}', '{"b":t}', '{"b"}', '{"b" }'],
			...["\ufeff{}", "\u00a0{}", "{}\0", "\0{}"],
			...[map.subarray(0, 7), Buffer.concat([map, Buffer.of(0xff)])],
			Buffer.from(map).fill(0xc3, 7, 8),
			Buffer.from('{"b":"\xed\xa0\x80"}', "latin1"),
		]) {
			assert.equal(found(bytes, "a"), null, String(bytes));
		}
		assert.deepEqual(found(map, "a"), { a: "ü" });
	});

	it("is a map that has a member twice, or a key with an escape, on the way to a member", () => {
		for (const text of [
			'{"a":1,"a":2}',
			'{"b":{"c":1},"b":{}}',
			'{"b":{"c":1,"c":1}}',
			'{"\\u0061":1}',
			'{"b":{"x\\"":1}}',
		]) {
			assert.equal(found(text, "a", "b.c"), null, text);
		}
		// Where no member is asked for nobody can tell.
		const text = '{"x":{"a":1,"a":2,"\\u0061":3},"x":4,"a":5}';
		assert.deepEqual(found(text, "a", "b.c"), { a: 5, b: {} });
	});

	it("is a number that no double may hold, and nesting that is too deep", () => {
		for (const [length, fits] of [
			[199, true],
			[200, true],
			[201, false],
		] as const) {
			const text = `{"x":${"9".repeat(length)},"a":1}`;
			assert.deepEqual(found(text, "a"), fits ? { a: 1 } : null);
		}
		for (const [exponent, fits] of [
			["e99", true],
			["E+99", true],
			["e-99", true],
			["e100", false],
		] as const) {
			const text = `{"x":1${exponent},"a":1}`;
			assert.deepEqual(found(text, "a"), fits ? { a: 1 } : null);
		}
		for (const [levels, fits] of [
			[62, true],
			[63, true],
			[64, false],
		] as const) {
			for (const [open, close] of [
				["[", "]"],
				['{"x":', "}"],
			] as const) {
				const inner = `${open.repeat(levels)}1${close.repeat(levels)}`;
				const text = `{"x":${inner},"a":1}`;
				assert.deepEqual(found(text, "a"), fits ? { a: 1 } : null);
				assert.equal(fits, surveyJson(Buffer.from(text)).depth <= 64);
			}
		}
	});

	it("is a name that bytes cannot tell, and more than 31 of them", () => {
		assert.equal(membersAt([["__proto__"]]), null);
		assert.equal(membersAt([["a", "__proto__"]]), null);
		assert.equal(membersAt([["\ud800"]]), null);
		assert.equal(membersAt([[]]), null);
		assert.equal(membersAt([["a"], []]), null);
		const names = (count: number) =>
			Array.from({ length: count }, (_, index) => [`n${index}`]);
		assert.ok(membersAt(names(31)));
		assert.equal(membersAt(names(32)), null);
	});
});

describe("the value of a member", () => {
	it("is to the last bit what the whole would have", () => {
		for (const text of [
			...["0", "-0", "0.0", "-0.0", "7", "-12", "0.1", "16.03", "-1234.5678"],
			...["999999999999999", "9999999999999999", "99999999999999999999"],
			...["0.000000000000001", "123456789012.345", "0.30000000000000004"],
			...["1e5", "1E-7", "-2.5e+21", "1234567890123456.78", "0e0"],
			...['""', '"a"', '"ü"', '"\\u00fc"', '"\\ud800"', '"\u2028"', '"\ufeff"'],
			...['"🦔"', '"\\\\"', '"/"', `"${"x".repeat(300)}"`, '"\u007f"'],
			...["true", "false", "null", "[]", "{}", '[[],{"a":[1]}]'],
			...['{"b":1,"a":2,"0":3}', '{"__proto__":1}', '{"a":1,"a":2}'],
			...["[12345678901234567890,1.0]", '{"a":"12345678901234567"}'],
		]) {
			const whole = `{"x":[0.1,"y"],"a":${text},"b":2}`;
			assert.equal(
				compareMembers(Buffer.from(whole), [["a"]]),
				"as the reader",
				text,
			);
			assert.equal(
				compareMembers(new Uint8Array(Buffer.from(whole)), [["a"]]),
				"as the reader",
			);
		}
	});

	it("counts as much memory as it would alone, whatever stands around it", () => {
		const list = JSON.stringify(Array.from({ length: 1000 }, () => ({ a: 1 })));
		const text = Buffer.from(`{"a":"x","list":${list}}`);
		const small = findMembers(text, at("a"));
		assert.ok(small && small.memory < 200);
		assert.equal(small.values, surveyJson(text).values);
		const large = findMembers(text, at("list"));
		const alone = surveyJson(Buffer.from(list)).memory;
		assert.equal(large?.memory, alone + at("list").memory);
	});

	it("holds nothing of the body once it is read", () => {
		const body = Buffer.from('{"a":"text","b":[1,2]}');
		const members = at("a", "b");
		const value = found(body, "a", "b");
		body.fill(0x20);
		assert.deepEqual(value, { a: "text", b: [1, 2] });
		assert.equal(findMembers(body, members), null);
		assert.throws(() => readJson(body), SyntaxError);
	});
});
