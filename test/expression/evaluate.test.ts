import assert from "node:assert/strict";
import { test } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import { parseJson, printJson } from "../../src/core/json.ts";
import {
	type Frame,
	prepareExpression,
} from "../../src/expression/evaluate.ts";
import { parseExpression } from "../../src/expression/parse.ts";
import { compute, failureOf, frameOf, prepared } from "./compute.ts";

type Data = Readonly<Record<string, unknown>>;

/** Sources and the values they have. */
function gives(data: Data, cases: Readonly<Record<string, unknown>>): void {
	for (const [source, value] of Object.entries(cases)) {
		assert.deepEqual(compute(source, data), value, source);
	}
}

/** Sources that end with an error of one code; its message names the source and what was wrong. */
function fails(
	code: "reference_missing" | "step_failed",
	data: Data,
	cases: Readonly<Record<string, RegExp>>,
): void {
	for (const [source, message] of Object.entries(cases)) {
		const error = failureOf(source, data);
		assert.match(error.message, message, source);
		assert.equal(error.code, code, source);
	}
}

const weather = {
	list: [{ name: "x", t: 3 }, { name: "y", t: null }, { name: "z" }],
	o: { a: { b: 1 }, "": 5, "0": "zero" },
	s: "héllo",
	n: 7,
	nil: null,
	yes: true,
	big: 9223372036854775807n,
};

test("reads members, items and characters, and null where there is none", () => {
	gives(weather, {
		"o.a.b": 1,
		"o.x": null,
		"o.x.y.z": null,
		"o['a']": { b: 1 },
		"o['']": 5,
		"o[0]": "zero",
		"o['0']": "zero",
		"o[nil]": null,
		"nil.x": null,
		"nil[0]": null,
		"nil[nil.x]": null,
		"list[0].name": "x",
		"list[3]": null,
		"list[-1]": null,
		"list[0.5]": null,
		"list['1'].name": "y",
		"list.length": 3,
		"list['length']": 3,
		"list.name": null,
		"s.length": 5,
		"s[1]": "é",
		"s['1']": "é",
		"s[5]": null,
		"s[-1]": null,
		"s.x": null,
		"n.x": null,
		"yes.x": null,
		"big.x": null,
	});
});

test("reads names from frames above, and what the host left undefined as null", () => {
	const { expression } = parseExpression("[a, b, c, d, list[0], o.x]");
	assert.ok(expression);
	const places = new Map([
		["a", { up: 0, slot: 1 }],
		["b", { up: 1, slot: 0 }],
		["c", { up: 3, slot: 0 }],
		["d", { up: 0, slot: 9 }],
		["list", { up: 2, slot: 0 }],
		["o", { up: 2, slot: 1 }],
	]);
	const frame = [
		[["c"]],
		[[[undefined], { x: undefined }]],
		[["b"]],
		[["", "a"]],
	].reduce<Frame | null>(
		(parent, [values = []]) => ({ ...frameOf(values), parent }),
		null,
	);
	assert.ok(frame);
	const evaluate = prepareExpression(expression, {
		slotOf(name) {
			const place = places.get(name);
			assert.ok(place);
			return place;
		},
	});
	assert.deepEqual(evaluate(frame), ["a", "b", "c", null, null, null]);
});

test("reads own properties only: nothing of a prototype is there", () => {
	gives(weather, {
		"o.constructor": null,
		"o['constructor']": null,
		"o.__proto__": null,
		"o.toString": null,
		"o.hasOwnProperty": null,
		"o.__defineGetter__": null,
		"list.map": null,
		"list.constructor": null,
		"list['map']": null,
		"list.__proto__": null,
		"s.constructor": null,
		"s.at": null,
		"s['__proto__']": null,
		"n.constructor": null,
		"n.toFixed": null,
		"{}.constructor": null,
		"[].constructor": null,
		"''.constructor": null,
		"list.map(({ constructor }) => constructor)": [null, null, null],
		"[s].map(({ length, at }) => [length, at])": [[5, null]],
	});
	const data = { o: JSON.parse('{"__proto__": {"x": 1}, "constructor": 2}') };
	gives(data, {
		"o.__proto__": { x: 1 },
		"o.__proto__.x": 1,
		"o['__proto__'].x": 1,
		"o.x": null,
		"o.constructor": 2,
		"[o].map(({ __proto__: p }) => p)": [{ x: 1 }],
	});
});

test("does not run a method of a value's data", () => {
	const called = () => assert.fail("was called");
	const data = {
		o: { map: called, trim: called, toString: called },
		f: called,
	};
	fails("step_failed", data, {
		"o.map(x => x)": /`o` is a map, and only lists have `map`/,
		"o.trim()": /`o` is a map, and only texts have `trim`/,
		"`${o}`": /`o` is a map/,
		"'' + o": /does not take a text and a map/,
	});
	gives(data, { "f.name": null, "f.constructor": null });
});

test("gives null for a method called on null, without looking at the arguments", () => {
	gives(weather, {
		"nil.trim()": null,
		"nil.map(x => x.y)": null,
		"nil.x.y.map(x => x).filter(Boolean).join(', ')": null,
		"nil.includes(1 + nil)": null,
		"nil.concat(...s, 1 + nil)": null,
		"(nil ?? list).length": 3,
	});
});

test("finds a method by the type of the value", () => {
	gives(weather, {
		"s.at(-1)": "o",
		"list.at(-1).name": "z",
		"s.includes('h')": true,
		"list.includes('h')": false,
		"n.toFixed(1)": "7.0",
	});
	fails("step_failed", weather, {
		"s.map(x => x)": /`s` is a text, and only lists have `map`/,
		"n.slice(1)": /`n` is a number, and only texts and lists have `slice`/,
		"yes.trim()": /a boolean/,
		"big.toFixed()": /an integer too large for a number/,
		"o.at(0)": /a map/,
		"list.trim()": /a list/,
	});
});

test("fails with reference_missing where null is computed with, naming what was null", () => {
	fails("reference_missing", weather, {
		"n + nil": /`n \+ nil`: `nil` is null/,
		"nil - n": /`nil` is null/,
		"n * o.x.y": /`o\.x\.y` is null/,
		"n / nil": /`nil` is null/,
		"n % nil": /`nil` is null/,
		"n ** nil": /`nil` is null/,
		"-nil": /`nil` is null/,
		"+nil": /`nil` is null/,
		"'a' + nil": /`nil` is null/,
		"nil + 'a'": /`nil` is null/,
		"n < nil": /`nil` is null/,
		"nil >= nil": /`nil` is null/,
		"s > o.x": /`o\.x` is null/,
		"`x${o.x}`": /`o\.x` is null/,
		"Number(nil)": /is null/,
		"String(nil)": /is null/,
		"Math.max(1, nil)": /is null/,
		"list.map(x => x.t * 2)":
			/`x\.t \* 2` in `list\.map\(x => x\.t \* 2\)`: `x\.t` is null/,
		"s.includes(nil)": /is null/,
		"s.slice(nil)": /is null/,
		"s.padEnd(9, nil)": /is null/,
		"list.join(nil)": /is null/,
		"list.slice(nil)": /is null/,
		"encodeURIComponent(nil)": /is null/,
		"JSON.parse(nil)": /is null/,
		"Object.keys(nil)": /is null/,
		"sortBy(nil, x => x)": /is null/,
		"list.toSorted((a, b) => a.t < b.t)": /is null/,
		"{ [nil]: 1 }": /`nil` is null/,
	});
});

test("lets null through where it stays null", () => {
	gives(weather, {
		"nil ?? 1": 1,
		"nil || 2": 2,
		"nil && 3": null,
		"!nil": true,
		"nil ? 1 : 2": 2,
		"nil === null": true,
		"nil !== null": false,
		"nil === 0": false,
		"[nil, o.x]": [null, null],
		"{ a: nil }": { a: null },
		"[...nil, 1, ...o.x]": [1],
		"{ ...nil, a: 1, ...o.x }": { a: 1 },
		"[1].concat(nil)": [1, null],
		"[1, null, 2].join()": "1,,2",
		"[null].includes(nil)": true,
		"JSON.stringify(nil)": "null",
		"Boolean(nil)": false,
		"Array.isArray(nil)": false,
		"Math.max(...[1, 2], ...nil)": 2,
	});
});

test("fails where types do not go together, without converting anything", () => {
	fails("step_failed", weather, {
		"o + 1": /`\+` does not take a map and a number/,
		"list + 'a'": /a list and a text/,
		"yes + 1": /a boolean and a number/,
		"yes + yes": /a boolean and a boolean/,
		"'5' * 2": /a text and a number/,
		"'5' - 2": /a text and a number/,
		"s < 1": /`<` does not take a text and a number/,
		"o > o": /a map and a map/,
		"list <= list": /a list and a list/,
		"yes < yes": /a boolean and a boolean/,
		"-s": /`s` is a text, where a number is needed/,
		"+'5'": /a text/,
		"-list": /a list/,
		"`${list}`": /`list` is a list, where a text is needed/,
		"`${o}`": /`o` is a map/,
		"[...n]": /`\.\.\.n` is a number, where a list is needed/,
		"[...o]": /a map/,
		"[...yes]": /a boolean/,
		"o[list]": /the key is a list/,
		"s.includes(list)": /a list/,
		"s.slice('1')": /a text, where a number/,
		"list.map(([a]) => a)": /a map, where a list/,
	});
});

test("joins texts with numbers and booleans as JavaScript does", () => {
	gives(weather, {
		"s + n": "héllo7",
		"n + s": "7héllo",
		"s + yes": "héllotrue",
		"'' + 0.1 + 1e21": "0.11e+21",
		"'' + -0": "0",
		"`${n}${yes}${-0}`": "7true0",
		"1 + 2 + 'x' + 1 + 2": "3x12",
	});
});

test("computes with numbers, keeps -0, and fails where none comes out", () => {
	gives(weather, {
		"1 + 2 * 3 ** 2 - 4 / 2 % 3": 17,
		"-(n - 7)": -0,
		"0 * -1": -0,
		"-7 % 7": -0,
		"0.1 + 0.2": 0.30000000000000004,
		"5 % 3": 2,
		"2 ** -1": 0.5,
		"(1 < 2) === true && !(2 < 1)": true,
		"'a' < 'b' && 'B' < 'a' && '10' < '9'": true,
		"1 <= 1 && 2 >= 2 && 1 !== 2": true,
		"0 === -0": true,
	});
	fails("step_failed", weather, {
		"n / 0": /infinity/,
		"-n / 0": /infinity/,
		"0 / 0": /NaN/,
		"n % 0": /NaN/,
		"10 ** 400": /infinity/,
		"(-8) ** 0.5": /NaN/,
		"Number('x')": /NaN/,
		"Math.sqrt(-1)": /NaN/,
		"Math.log(0)": /infinity/,
		"1e308 * 10": /infinity/,
		"1e308 + 1e308": /infinity/,
	});
});

test("keeps the digits of integers a double cannot hold, and never mixes them with doubles", () => {
	const data = {
		...weather,
		answer: parseJson(
			'{"id": 9223372036854775807, "ids": [9007199254740993, 1, -9223372036854775808]}',
		),
	};
	gives(data, {
		big: 9223372036854775807n,
		"`${big}`": "9223372036854775807",
		"'id-' + big": "id-9223372036854775807",
		"String(big)": "9223372036854775807",
		"JSON.stringify({ big, n })": '{"big":9223372036854775807,"n":7}',
		"JSON.parse(JSON.stringify(answer)).id": 9223372036854775807n,
		"big + big": 18446744073709551614n,
		"big - big": 0n,
		"big - big === 0": true,
		"0 !== big - big": false,
		"big * big": 85070591730234615847396907784232501249n,
		"big / big": 1n,
		"-big": -9223372036854775807n,
		"big === answer.id": true,
		"big === 1": false,
		"big > 1 && 1 < big && big >= answer.id": true,
		"answer.ids.filter(x => x > 1)": [9007199254740993n],
		"sortBy(answer.ids, x => x)": [-9223372036854775808n, 1, 9007199254740993n],
		"Number('9223372036854775807') === big": true,
		"Number(big) === big": true,
		"{ [big]: 1 }[big]": 1,
		"!big": false,
		"big ? 1 : 2": 1,
		"encodeURIComponent(big)": "9223372036854775807",
	});
	assert.equal(
		printJson(compute("{ ...answer, list: [...answer.ids] }", data)),
		'{"id":9223372036854775807,"ids":[9007199254740993,1,-9223372036854775808],"list":[9007199254740993,1,-9223372036854775808]}',
	);
	fails("step_failed", data, {
		"big + 1": /an integer too large for a number and a number/,
		"n * big": /a number and an integer/,
		"+big": /an integer too large/,
		"Math.max(big, 1)": /an integer too large/,
		"big.toFixed(2)": /an integer too large/,
		"big / (big - big)": /zero/,
		"big ** -big": /negative/,
		"s.repeat(big)": /an integer too large/,
	});
});

test("takes arrows apart as JavaScript does, with defaults where a value is null", () => {
	const data = {
		list: [{ a: 1, b: { c: [2, 3, 4] }, d: null }],
		pairs: [["k", null, 3, 4]],
		o: null,
		k: "a",
		texts: ["héy"],
	};
	gives(data, {
		"list.map(({ a }) => a)": [1],
		"list.map(({ a: x, b: { c: [y, , z] } }) => [x, y, z])": [[1, 2, 4]],
		"list.map(({ d = 7, e = 8, a = 9 }) => [d, e, a])": [[7, 8, 1]],
		"list.map(({ a, ...rest }) => rest)": [{ b: { c: [2, 3, 4] }, d: null }],
		"list.map(({ 'a': x, [k]: y }) => [x, y])": [[1, 1]],
		"list.map(({ [k]: y, ...rest }) => Object.keys(rest))": [["b", "d"]],
		"list.map(({ [o]: y = 5 }) => y)": [5],
		"list.map(({ b: { c: [first, ...others] } }) => others)": [[3, 4]],
		"list.map(({ x: { y } }) => y)": [null],
		"list.map(({ x: [y, ...z] }) => [y, z])": [[null, []]],
		"list.map(({ x: { y, ...z } }) => [y, z])": [[null, {}]],
		"pairs.map(([key, value = 'none', ...rest]) => [key, value, rest])": [
			["k", "none", [3, 4]],
		],
		"pairs.map(([, , ...[third, fourth]]) => fourth - third)": [1],
		"texts.map(([first, ...rest]) => [first, rest])": [["h", ["é", "y"]]],
		"[o].map(({ a }) => a)": [null],
		"[o].map((x = 3) => x)": [3],
		"[o].map((x, i, all, fourth = 'd') => [x, i, all.length, fourth])": [
			[null, 0, 1, "d"],
		],
		"[1, 2].map((...all) => all.length)": [3, 3],
		"[1, 2].map((x, ...[i]) => i)": [0, 1],
		"list.map(({ a, b = a }) => [a, b.c[0]])": [[1, 2]],
		"list.map(({ e = 5, f = e + 1 }) => f)": [6],
	});
});

test("looks names up lexically, the innermost first", () => {
	const data = { x: "outer", list: [1, 2] };
	gives(data, {
		"list.map(x => x)": [1, 2],
		"[x, list.map(x => x), x]": ["outer", [1, 2], "outer"],
		"list.map(y => list.map(x => x + y))": [
			[2, 3],
			[3, 4],
		],
		"list.map(x => [list.map(x => x * 10), x])": [
			[[10, 20], 1],
			[[10, 20], 2],
		],
		"list.map((x, i) => list.map((y, i) => i).concat(i))": [
			[0, 1, 0],
			[0, 1, 1],
		],
		"list.map(list => list + x)": ["1outer", "2outer"],
		"list.reduce((sum, n) => sum + list.reduce((sum, n) => sum * n, n), 0)": 6,
		"list.map(x => x).concat(x)": [1, 2, "outer"],
	});
});

test("evaluates only the branch that is taken", () => {
	gives(weather, {
		"nil === null ? 1 : nil + 1": 1,
		"nil !== null && nil + 1": false,
		"nil === null || nil + 1": true,
		"n ?? nil + 1": 7,
		"[].map(x => nil + 1)": [],
		"(0 || '' || nil) ?? 5": 5,
		"yes ? s : nil + 1": "héllo",
	});
});

test("spreads as JavaScript does", () => {
	gives(weather, {
		"[...'a𝒳']": ["a", "𝒳"],
		"{ ...'ab' }": { 0: "a", 1: "b" },
		"{ ...[7, 8] }": { 0: 7, 1: 8 },
		"{ ...(nil && { a: 1 }), ...(yes && { b: 2 }) }": { b: 2 },
		"{ ...false, ...1 }": {},
		"{ a: 1, ...{ a: 2, b: 3 }, b: 4 }": { a: 2, b: 4 },
		"{ b: 1, a: 2, ...{ b: 3 } }": { b: 3, a: 2 },
	});
	assert.deepEqual(
		Object.keys(compute("{ b: 1, a: 2, ...{ b: 3, c: 4 } }") as object),
		["b", "a", "c"],
	);
});

test("tells the place of a failure, counted in the text that was parsed", () => {
	const error = failureOf("[1, list.map(x => x.t + 1)]", weather);
	assert.equal(error.facts.offset, 18);
	assert.equal(
		error.message,
		"`x.t + 1` in `[1, list.map(x => x.t + 1)]`: `x.t` is null: write `??` and what to take then",
	);
});

test("shows no value in a message, and cuts a long source", () => {
	const secret = "s3cret-value";
	const data = { secret, o: { [secret]: 1 }, list: [secret] };
	const sources = [
		"secret * 2",
		"-secret",
		"Number(secret)",
		"JSON.parse(secret)",
		"decodeURIComponent(secret + '%')",
		"secret.map(x => x)",
		"secret.repeat(1e9)",
		"list + secret",
		"sortBy([secret, 1], x => x)",
		"Object.fromEntries([secret])",
		"secret.normalize(secret)",
		"sortBy(list, x => x, secret)",
		"o[o]",
		"list.with(5, secret)",
	];
	for (const source of sources) {
		const error = failureOf(source, data);
		assert.ok(!error.message.includes(secret), error.message);
	}
	const long = `secret * ${"1 + ".repeat(200)}1`;
	assert.ok(failureOf(long, data).message.length < 400);
});

test("evaluates the same closure again and again, also after a failure", () => {
	const evaluate = prepared("list.map(({ t, ...rest }) => [t + 1, rest])", [
		"list",
	]);
	const run = (list: unknown) => evaluate(frameOf([list]));
	assert.deepEqual(run([{ t: 1, a: 2 }]), [[2, { a: 2 }]]);
	assert.throws(() => run([{ t: 1 }, { t: null }]), GatewayError);
	assert.deepEqual(run([{ t: 2 }]), [[3, {}]]);
	assert.deepEqual(run(null), null);
});

test("makes a new value each time, and shares none between evaluations", () => {
	const evaluate = prepared("{ a: [], b: {}, c: [1, ...x] }", ["x"]);
	const frame = frameOf([[2]]);
	const first = evaluate(frame) as Record<string, unknown[]>;
	first["a"]?.push(1);
	first["c"]?.push(1);
	assert.deepEqual(evaluate(frame), { a: [], b: {}, c: [1, 2] });
});
