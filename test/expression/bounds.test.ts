import assert from "node:assert/strict";
import { test } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import { computing } from "../kit/blocked.ts";
import { compute, failureOf } from "./compute.ts";

const textMax = 8 * 1024 * 1024;
const listMax = 1_000_000;
const nodesMax = 1_000_000;

type Data = Readonly<Record<string, unknown>>;

/** The expression ends well with the data, or fails with this message: `limit_exceeded` if that is about nodes. */
function check(source: string, data: Data, message: RegExp | null): void {
	if (message === null) {
		compute(source, data);
		return;
	}
	const error = failureOf(source, data);
	const code = /nodes in/.test(error.message)
		? "limit_exceeded"
		: "step_failed";
	assert.equal(error.code, code, source);
	assert.match(error.message, message, source);
}

const tooLong = /a text of more than 8388608 characters/;

test("makes texts of 8 Mi characters and not of one more, by whatever means", () => {
	const half = "a".repeat(textMax / 2);
	const makers: Record<string, (length: number) => Data> = {
		"half + rest": (length) => ({
			half,
			rest: "a".repeat(length - half.length),
		}),
		"`${half}${rest}`": (length) => ({
			half,
			rest: "a".repeat(length - half.length),
		}),
		"half.concat(rest)": (length) => ({
			half,
			rest: "a".repeat(length - half.length),
		}),
		"[half, rest].join('')": (length) => ({
			half,
			rest: "a".repeat(length - half.length),
		}),
		"[half, rest].join('-')": (length) => ({
			half,
			rest: "a".repeat(length - half.length - 1),
		}),
		"x.repeat(n)": (length) => ({ x: "a", n: length }),
		"x.padEnd(n)": (length) => ({ x: "a", n: length }),
		"x.padStart(n, 'ab')": (length) => ({ x: "a", n: length }),
		"half.replace('a', x)": (length) => ({
			half,
			x: "b".repeat(length - half.length + 1),
		}),
		"x.replaceAll('b', y)": (length) => ({
			x: "bb".padEnd(length - half.length, "a"),
			y: half.slice(0, half.length / 2 + 1),
		}),
	};
	for (const [source, dataOf] of Object.entries(makers)) {
		for (const length of [textMax - 1, textMax, textMax + 1]) {
			check(source, dataOf(length), length > textMax ? tooLong : null);
		}
	}
});

test("bounds texts that grow while they are changed", () => {
	check("x.toUpperCase()", { x: "ß".repeat(textMax / 2) }, null);
	check("x.toUpperCase()", { x: "ß".repeat(textMax / 2 + 1) }, tooLong);
	check(
		"x.normalize('NFKD')",
		{ x: "ﷺ".repeat(textMax / 18 + 1) },
		/more than/,
	);
	check("encodeURIComponent(x)", { x: "ж".repeat(textMax / 6) }, null);
	check("encodeURIComponent(x)", { x: "ж".repeat(textMax / 6 + 1) }, tooLong);
	const quotes = `${'"'.repeat(200_000)}${"a".repeat(7_200_000)}`;
	check("escapeXml(x)", { x: quotes }, tooLong);
	check("printXml({ a: x })", { x: quotes }, tooLong);
	check("printXml({ a: x })", { x: "a".repeat(textMax - 7) }, null);
	check("printXml({ a: x })", { x: "a".repeat(textMax - 6) }, tooLong);
	check("JSON.stringify(x)", { x: "\u0001".repeat(textMax / 6 + 1) }, tooLong);
	check("JSON.stringify(x)", { x: "a".repeat(textMax - 2) }, null);
	check("JSON.stringify(x)", { x: "a".repeat(textMax - 1) }, tooLong);
	check("x.replaceAll('a', '$`$`')", { x: "a".repeat(8000) }, tooLong);
});

test("makes lists of a million items and not of one more", () => {
	const tooLong = /a list of more than 1000000 items/;
	const list = Array.from({ length: listMax / 2 }, () => 1);
	const makers: Record<string, (length: number) => Data> = {
		"[...a, ...b]": (length) => ({
			a: list,
			b: list
				.with(0, 2)
				.concat(list)
				.slice(0, length - list.length),
		}),
		"[...a, 1]": (length) => ({
			a: list.concat(list, [1]).slice(0, length - 1),
		}),
		"a.concat(b)": (length) => ({
			a: list,
			b: list.concat([1]).slice(0, length - list.length),
		}),
		"a.flat()": (length) => ({
			a: [list, list.concat([1]).slice(0, length - list.length)],
		}),
		"a.flatMap(x => x)": (length) => ({
			a: [list, list.concat([1]).slice(0, length - list.length)],
		}),
		"a.slice(0)": (length) => ({ a: list.concat(list, [1]).slice(0, length) }),
		"a.toReversed()": (length) => ({
			a: list.concat(list, [1]).slice(0, length),
		}),
		"a.with(0, 1)": (length) => ({
			a: list.concat(list, [1]).slice(0, length),
		}),
	};
	for (const [source, dataOf] of Object.entries(makers)) {
		for (const length of [listMax - 1, listMax, listMax + 1]) {
			check(source, dataOf(length), length > listMax ? tooLong : null);
		}
	}
	for (const source of [
		"a.map(x => x)",
		"a.filter(x => x)",
		"a.split(',')",
		"compact(a)",
		"a.toSorted()",
		"sortBy(a, x => x)",
		"Object.keys(a)",
	]) {
		const data = source.includes("split")
			? ",".repeat(listMax)
			: [...list, ...list, 1];
		check(source, { a: data }, /a list of more than|nodes/);
	}
});

test("visits a million nodes in one evaluation and not one more", () => {
	// The call, the list and the arrow; then for each item the parameter and the four nodes of the body.
	const items = Math.floor((nodesMax - 3) / 5);
	for (const length of [items - 1, items, items + 1]) {
		const a = Array.from({ length }, () => 1);
		check(
			"a.some(x => [x] === x)",
			{ a },
			length > items ? /more than 1000000 nodes/ : null,
		);
	}
});

test("counts each evaluation afresh", () => {
	const a = Array.from({ length: 200_000 }, () => 1);
	for (let time = 0; time < 4; time++) {
		assert.equal(compute("a.every(x => x === 1)", { a }), true);
	}
});

test("ends a quadratic join of two lists by its nodes, long before it is done", () => {
	const list = (length: number) =>
		Array.from({ length }, (_, id) => ({ id, name: `n${id}` }));
	const source =
		"a.map(x => ({ ...x, other: b.find(y => y.id === x.id) ?? b.filter(y => y.name === x.name) }))";
	const few = { a: list(100), b: list(100) };
	assert.equal((compute(source, few) as unknown[]).length, 100);
	const many = { a: list(20_000), b: list(20_000) };
	const computed = computing();
	check(source, many, /more than 1000000 nodes/);
	// 400 million comparisons would take ten seconds and more; the bound is some 50 ms.
	assert.ok(computed() < 2000);
});

test("computes with integers of 4096 bits and not of more", () => {
	const data = { two: 2n, end: 2n ** 4096n - 1n, big: 10n ** 30n };
	const tooLong = /an integer of more than 4096 bits/;
	check("end - two + two", data, null);
	check("end + two", data, tooLong);
	check("end * two", data, tooLong);
	check("-end - two", data, tooLong);
	check("two ** end", data, tooLong);
	check("big ** big", data, tooLong);
	check("(two / two) ** end", data, null);
	for (const exponent of [4095n, 4096n, 4097n]) {
		check(
			"two ** n",
			{ two: 2n, n: exponent },
			exponent > 4095n ? tooLong : null,
		);
	}
});

test("prints values of 128 levels and not of one more", () => {
	const nested = (levels: number) => {
		let value: unknown = 1;
		for (let level = 0; level < levels; level++)
			value = level % 2 ? [value] : { value };
		return { value };
	};
	check("JSON.stringify(value)", nested(127), null);
	check("JSON.stringify(value)", nested(128), null);
	check("JSON.stringify(value)", nested(129), /deeper than 128 levels/);
	check("JSON.parse(x)", { x: `${"[".repeat(64)}${"]".repeat(64)}` }, null);
	check(
		"JSON.parse(x)",
		{ x: `${"[".repeat(65)}${"]".repeat(65)}` },
		/not JSON/,
	);
});

test("ends with step_failed, and not with the engine's stack, on data nested by an expression", () => {
	const list = Array.from({ length: 100_000 }, (_, index) => index);
	const deep = "list.reduce((inner, x) => [inner], [])";
	check(`JSON.stringify(${deep})`, { list }, /deeper than 128 levels/);
	check(`${deep}.flat(1e9)`, { list }, /what the engine can do/);
	check(`[${deep}].join()`, { list }, /a list, where a text/);
	check(`\`\${${deep}}\``, { list }, /a list, where a text/);
});

test("bounds what is small in memory and without end on paper", () => {
	const twice = "list.reduce((x) => [x, x], ['a'])";
	const list = Array.from({ length: 60 }, () => 0);
	check(`JSON.stringify(${twice})`, { list }, /nodes/);
	check(`${twice}.flat(1e9)`, { list }, /a list of more than|nodes/);
	const long = "a".repeat(textMax);
	check("list.map(x => long)", { list, long }, null);
	check(
		"JSON.stringify(list.map(x => long))",
		{ list, long },
		/nodes|more than/,
	);
	check("list.map(x => long).join('')", { list, long }, tooLong);
});

test("takes no operation much longer than its nodes allow, whatever the data", () => {
	const mebi = 1 << 20;
	const a = "a".repeat(4 * mebi);
	const half = "a".repeat(mebi);
	const list = Array.from({ length: listMax }, (_, index) => index);
	const data = {
		a,
		list,
		few: list.slice(0, 1000),
		behind: `${half}b`,
		before: `b${half}`,
		within: `${half}b${half}`,
		marks: `a${"\u0301\u0316".repeat(mebi / 16)}`,
		dollars: "$`".repeat(mebi),
		long: `${half}1`,
		other: `${half}2`,
		keys: Object.fromEntries(list.slice(0, 200_000).map((x) => [`k${x}`, x])),
		json: `[${"{},".repeat(mebi)}1234567890123456]`,
		query: "a=1&".repeat(mebi),
		big: 2n ** 4095n,
	};
	const sources = [
		"a.indexOf(behind)",
		"a.indexOf(within)",
		"a.lastIndexOf(before)",
		"a.lastIndexOf(behind)",
		"a.includes(within)",
		"a.split(within)",
		"a.replaceAll(within, 'x')",
		"a.replaceAll('a', dollars)",
		"a.replaceAll('', 'b')",
		"few.map(x => a.includes('aaaaaaab'))",
		"few.map(x => (a + x)[0])",
		"few.map(x => a + x === a + 1)",
		"list.map(x => long === other)",
		"list.filter(x => long < other)",
		"few.map(x => ({ [long + x]: 1 }))",
		"few.map(x => keys[long + x])",
		"few.map(x => [long, long, long].indexOf(other))",
		"few.map(x => a.toUpperCase())",
		"marks.normalize()",
		"few.map(x => list.includes(-1))",
		"few.map(x => [...list])",
		"few.map(x => ({ ...keys }))",
		"few.map(x => Object.keys(keys))",
		"few.map(x => list.toReversed())",
		"few.map(x => Math.max(...list))",
		"few.map(x => list.map(String).join())",
		"list.toSorted((a, b) => b - a)",
		"sortBy(list, x => -x)",
		"list.map(x => `${big}`)",
		"few.map(x => 'a'.repeat(8e6))",
		"few.map(x => 'a'.padEnd(8e6))",
		"few.reduce((text, x) => (text + a.slice(0, 8000)).trim(), '')",
		"JSON.parse(json)",
		"JSON.stringify(keys)",
		"queryOf('?' + query)",
		"printXml({ a: few.map(x => ({ b: few, '@c': '<<' })) })",
		"escapeXml(few.map(x => '&&&&&&&&').join('').repeat(100))",
		"Math.hypot(...list)",
	];
	for (const source of sources) {
		const computed = computing();
		try {
			compute(source, data);
		} catch (error) {
			assert.ok(error instanceof GatewayError, source);
		}
		const elapsedMs = computed();
		// About 100 ms on an idle machine, without the bounds from seconds to years.
		assert.ok(elapsedMs < 1500, `${source}: ${elapsedMs} ms`);
	}
});
