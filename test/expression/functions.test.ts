import assert from "node:assert/strict";
import { test } from "node:test";
import { Bytes } from "../../src/core/body/bytes.ts";
import {
	constants,
	functions,
	listMethods,
	mathFunctions,
	numberMethods,
	textMethods,
} from "../../src/expression/language.ts";
import { compute, failureOf } from "./compute.ts";

type Cases = Readonly<Record<string, unknown>>;

const data = {
	s: "Hello, World",
	list: [3, 1, 2],
	people: [
		{ name: "Ann", age: 31, city: "Oslo" },
		{ name: "Bob", age: null, city: "Rome" },
		{ name: "Cid", age: 25, city: "Oslo" },
		{ name: "Dan", city: "Rome" },
	],
	o: { a: 1, b: null, c: "x" },
	nil: null,
	deep: { a: { b: 1, l: [1, 2], n: null }, c: 1 },
	proto: JSON.parse('{"__proto__": {"x": 1}, "k": {"__proto__": {"y": 1}}}'),
	bytes: new Bytes(Uint8Array.of(255, 0, 104, 105)),
	request: { id: "2f1c" },
};

/** Cases by the method or function they are about: all that the language has, and nothing else. */
function checkAll(
	names: Iterable<string>,
	all: Readonly<Record<string, Cases>>,
) {
	assert.deepEqual(Object.keys(all).toSorted(), [...names].toSorted());
	for (const cases of Object.values(all)) {
		for (const [source, value] of Object.entries(cases)) {
			assert.deepEqual(compute(source, data), value, source);
		}
	}
}

test("has JavaScript's methods of texts", () => {
	checkAll(Object.keys(textMethods), {
		at: { "s.at(0)": "H", "s.at(-1)": "d", "s.at(99)": null, "s.at(1.9)": "e" },
		charAt: { "s.charAt(1)": "e", "s.charAt()": "H", "s.charAt(99)": "" },
		concat: {
			"s.concat('!', 1, true)": "Hello, World!1true",
			"s.concat()": data.s,
		},
		endsWith: {
			"s.endsWith('World')": true,
			"s.endsWith('Hello', 5)": true,
			"s.endsWith('x')": false,
		},
		includes: {
			"s.includes('lo')": true,
			"s.includes('lo', 4)": false,
			"s.includes('')": true,
			"'a1'.includes(1)": true,
		},
		indexOf: {
			"s.indexOf('o')": 4,
			"s.indexOf('o', 5)": 8,
			"s.indexOf('z')": -1,
			"s.indexOf('', 99)": 12,
			"s.indexOf('H', -5)": 0,
		},
		lastIndexOf: {
			"s.lastIndexOf('o')": 8,
			"s.lastIndexOf('o', 7)": 4,
			"s.lastIndexOf('z')": -1,
			"s.lastIndexOf('H', -1)": 0,
		},
		normalize: {
			"'e\\u0301'.normalize()": "é",
			"'é'.normalize('NFD').length": 2,
			"'ﬁ'.normalize('NFKC')": "fi",
			"'ﬁ'.normalize('NFKD')": "fi",
			"'a'.normalize('NFC')": "a",
		},
		padEnd: {
			"'a'.padEnd(3)": "a  ",
			"'a'.padEnd(4, 'xy')": "axyx",
			"'abc'.padEnd(2)": "abc",
			"'a'.padEnd(9, '')": "a",
		},
		padStart: {
			"'7'.padStart(3, '0')": "007",
			"'7'.padStart(3)": "  7",
			"'7'.padStart(-1)": "7",
		},
		repeat: {
			"'ab'.repeat(3)": "ababab",
			"'ab'.repeat(0)": "",
			"'ab'.repeat(1.9)": "ab",
			"''.repeat(1e9)": "",
			"'a'.repeat(-0.5)": "",
		},
		replace: {
			"s.replace('l', 'L')": "HeLlo, World",
			"s.replace('z', 'x')": data.s,
			"'abc'.replace('b', '[$&$$$`$\\']')": "a[b$ac]c",
			"s.replace('', '>')": ">Hello, World",
			"'a'.replace('a', '$1$<x>')": "$1$<x>",
		},
		replaceAll: {
			"s.replaceAll('l', '')": "Heo, Word",
			"'aaa'.replaceAll('aa', 'b')": "ba",
			"'ab'.replaceAll('', '-')": "-a-b-",
			"'a.a'.replaceAll('a', '$&$&')": "aa.aa",
			"'abab'.replaceAll('b', '$`')": "aaaaba",
		},
		slice: {
			"s.slice(7)": "World",
			"s.slice(-5, -3)": "Wo",
			"s.slice()": data.s,
			"s.slice(3, 1)": "",
		},
		split: {
			"'a,b,,c'.split(',')": ["a", "b", "", "c"],
			"'abc'.split('')": ["a", "b", "c"],
			"s.split()": [data.s],
			"'a,b,c'.split(',', 2)": ["a", "b"],
			"''.split(',')": [""],
			"'a,b'.split(',', 0)": [],
			"'a,b'.split(',', -1)": ["a", "b"],
			"'x123456789y123456789'.split('123456789')": ["x", "y", ""],
		},
		startsWith: {
			"s.startsWith('Hell')": true,
			"s.startsWith('World', 7)": true,
			"s.startsWith('x')": false,
		},
		substring: {
			"s.substring(7)": "World",
			"s.substring(5, 0)": "Hello",
			"s.substring(-3, 2)": "He",
		},
		toLowerCase: {
			"s.toLowerCase()": "hello, world",
			"'ΑΣ'.toLowerCase()": "ας",
		},
		toUpperCase: {
			"s.toUpperCase()": "HELLO, WORLD",
			"'ß'.toUpperCase()": "SS",
		},
		trim: { "' a \\n'.trim()": "a" },
		trimEnd: { "' a '.trimEnd()": " a" },
		trimStart: { "' a '.trimStart()": "a " },
	});
	assert.equal(compute("s.length", data), 12);
});

test("has JavaScript's methods of lists", () => {
	checkAll(Object.keys(listMethods), {
		at: { "list.at(-1)": 2, "list.at(9)": null },
		concat: {
			"list.concat([4], 5, [[6]])": [3, 1, 2, 4, 5, [6]],
			"list.concat()": [3, 1, 2],
			"list.concat(...[[4], [5]])": [3, 1, 2, 4, 5],
		},
		every: {
			"list.every(x => x > 0)": true,
			"list.every((x, i) => i < 1)": false,
			"[].every(x => false)": true,
		},
		filter: {
			"list.filter(x => x > 1)": [3, 2],
			"list.filter((x, i, all) => all.indexOf(x) === i)": [3, 1, 2],
			"[0, 1, '', null].filter(Boolean)": [1],
		},
		find: {
			"list.find(x => x < 3)": 1,
			"list.find(x => x > 9)": null,
			"people.find(p => p.name === 'Bob').city": "Rome",
		},
		findIndex: {
			"list.findIndex(x => x < 3)": 1,
			"list.findIndex(x => x > 9)": -1,
		},
		findLast: {
			"list.findLast(x => x < 3)": 2,
			"list.findLast(x => x > 9)": null,
		},
		flat: {
			"[1, [2, [3]]].flat()": [1, 2, [3]],
			"[1, [2, [3]]].flat(2)": [1, 2, 3],
			"[1, [2]].flat(0)": [1, [2]],
			"[[[1]]].flat(1e9)": [1],
			"[[null]].flat()": [null],
		},
		flatMap: {
			"list.flatMap(x => [x, x])": [3, 3, 1, 1, 2, 2],
			"list.flatMap((x, i) => i)": [0, 1, 2],
			"list.flatMap(x => [[x]])": [[3], [1], [2]],
		},
		includes: {
			"list.includes(2)": true,
			"list.includes('2')": false,
			"list.includes(3, 1)": false,
			"list.includes(2, -1)": true,
		},
		indexOf: {
			"list.indexOf(2)": 2,
			"list.indexOf(9)": -1,
			"list.indexOf(3, 1)": -1,
			"list.indexOf(3, -3)": 0,
		},
		join: {
			"list.join()": "3,1,2",
			"list.join(' - ')": "3 - 1 - 2",
			"[].join()": "",
			"[null, 'a', null].join('+')": "+a+",
			"[true, 0.5].join('')": "true0.5",
			"[1, 2].join(0)": "102",
		},
		map: {
			"list.map(x => x * 2)": [6, 2, 4],
			"list.map((x, i) => i)": [0, 1, 2],
			"list.map(() => null)": [null, null, null],
			"list.map(String)": ["3", "1", "2"],
			"['1', '2'].map(Number)": [1, 2],
		},
		reduce: {
			"list.reduce((a, b) => a + b)": 6,
			"list.reduce((a, b) => a + b, 10)": 16,
			"[].reduce((a, b) => a, 'x')": "x",
			"[5].reduce((a, b) => a + b)": 5,
			"list.reduce((a, b, i, all) => a + i * all.length, 0)": 9,
			"list.reduce((a, b) => a ?? b, nil)": 3,
			"[].reduce((a, b) => 1, nil)": null,
		},
		slice: {
			"list.slice(1)": [1, 2],
			"list.slice(-2, -1)": [1],
			"list.slice()": [3, 1, 2],
		},
		some: { "list.some(x => x === 2)": true, "[].some(x => true)": false },
		toReversed: { "list.toReversed()": [2, 1, 3], list: [3, 1, 2] },
		toSorted: {
			"list.toSorted((a, b) => a - b)": [1, 2, 3],
			"[10, 9, 1].toSorted()": [1, 10, 9],
			"['b', 'B', 'a'].toSorted()": ["B", "a", "b"],
			"['é', 'z', 'e'].toSorted()": ["e", "z", "é"],
			"people.toSorted((a, b) => (a.age ?? 0) - (b.age ?? 0)).map(p => p.name)":
				["Bob", "Dan", "Cid", "Ann"],
			list: [3, 1, 2],
		},
		with: {
			"list.with(0, 9)": [9, 1, 2],
			"list.with(-1, null)": [3, 1, null],
			list: [3, 1, 2],
		},
	});
	assert.equal(compute("list.length", data), 3);
});

test("has JavaScript's methods of numbers", () => {
	checkAll(Object.keys(numberMethods), {
		toFixed: {
			"(1.005).toFixed(2)": "1.00",
			"(2.5).toFixed()": "3",
			"(1e21).toFixed(2)": "1e+21",
			"(0).toFixed(100).length": 102,
			"(-1.5).toFixed(0)": "-2",
		},
	});
});

test("has JavaScript's functions, and its own", () => {
	const others = [...functions.keys()].filter(
		(name) => !name.startsWith("Math."),
	);
	checkAll(others, {
		"Array.isArray": {
			"Array.isArray(list)": true,
			"Array.isArray(o)": false,
			"Array.isArray(s)": false,
		},
		Boolean: {
			"Boolean('')": false,
			"Boolean('a')": true,
			"Boolean([])": true,
			"Boolean(0)": false,
		},
		base64: {
			"base64('Привет, a?')": "0J/RgNC40LLQtdGCLCBhPw==",
			"base64('Привет, a?', 'url')": "0J_RgNC40LLQtdGCLCBhPw",
			"base64('')": "",
			"base64(12)": "MTI=",
			"base64(bytes)": "/wBoaQ==",
			"base64(bytes, 'url')": "_wBoaQ",
		},
		formatTime: {
			"formatTime(0, 'en-GB')": "01/01/1970",
			"formatTime(1795946400000, 'de', { dateStyle: 'full', timeStyle: 'short', timeZone: 'Europe/Berlin' })":
				"Sonntag, 29. November 2026 um 11:00",
			"formatTime(1795946400000, 'ru', { weekday: 'long' })": "воскресенье",
			"formatTime(1795946400000, 'en-US', { month: 'long', ...{ day: 'numeric' } })":
				"November 29",
			"formatTime(0, 'en-US', { hour: '2-digit', minute: '2-digit', hour12: false, timeZone: '-09:30' })":
				"14:30",
		},
		fromBase64: {
			"fromBase64('0J/RgNC40LLQtdGCLCBhPw==')": "Привет, a?",
			"fromBase64('0J_RgNC40LLQtdGCLCBhPw')": "Привет, a?",
			"fromBase64(' 0J/R gNC4\\n0LLQtdGCLCBhPw\\t== ')": "Привет, a?",
			"fromBase64('')": "",
			"base64(fromBase64('_wBoaQ', 'bytes'))": "/wBoaQ==",
			"fromBase64('77u/YQ').length": 2,
		},
		isoDate: {
			"isoDate(1795946400000)": "2026-11-29",
			"isoDate(1795993200000, 'Europe/Berlin')": "2026-11-30",
			"isoDate(1795993200000, 'America/New_York')": "2026-11-29",
			"isoDate(1795993200000, '+00:59')": "2026-11-29",
			"isoDate(1795993200000, '+01:00')": "2026-11-30",
			"isoDate(-62167219200000, 'UTC')": "0000-01-01",
			"isoDate(253402300799999)": "9999-12-31",
			// Clocks went forward at 02:00, and the day had 23 hours.
			"isoDate(parseTime('2026-03-29T21:59:59Z'), 'Europe/Berlin')":
				"2026-03-29",
			"isoDate(parseTime('2026-03-29T22:00:00Z'), 'Europe/Berlin')":
				"2026-03-30",
			// Local mean time, to the second.
			"isoDate(parseTime('1880-01-01T23:06:31Z'), 'Europe/Berlin')":
				"1880-01-01",
			"isoDate(parseTime('1880-01-01T23:06:32Z'), 'Europe/Berlin')":
				"1880-01-02",
		},
		isoTime: {
			"isoTime(0)": "1970-01-01T00:00:00.000Z",
			"isoTime(1795946400123.9)": "2026-11-29T10:00:00.123Z",
			"isoTime(-1.9)": "1969-12-31T23:59:59.999Z",
			"isoTime(-62167219200000)": "0000-01-01T00:00:00.000Z",
			"isoTime(253402300799999)": "9999-12-31T23:59:59.999Z",
		},
		mergeDeep: {
			"mergeDeep(deep, { a: { b: 2, x: 3 } })": {
				a: { b: 2, l: [1, 2], n: null, x: 3 },
				c: 1,
			},
			"mergeDeep(deep, { a: { l: [3], n: { m: 1 } }, c: null })": {
				a: { b: 1, l: [3], n: { m: 1 } },
				c: null,
			},
			"mergeDeep(deep, { a: null }, { a: { z: 1 } })": { a: { z: 1 }, c: 1 },
			"mergeDeep({ a: bytes }, { a: {} })": { a: {} },
			"Object.keys(mergeDeep({}, proto))": ["__proto__", "k"],
			"mergeDeep(proto, proto).x": null,
			"mergeDeep({ k: { z: 1 } }, proto).k.y": null,
		},
		parseTime: {
			"parseTime('2026-11-29')": 1795910400000,
			"parseTime('2026-11-29T10:00Z')": 1795946400000,
			"parseTime('2026-11-29T10:00:00Z')": 1795946400000,
			"parseTime('2026-11-29t10:00:00.1239z')": 1795946400123,
			"parseTime('2026-11-29T13:00:00+03:00')": 1795946400000,
			"parseTime('2026-11-29T13:00:00+0300')": 1795946400000,
			"parseTime('2026-11-29T05:00:00.5-05')": 1795946400500,
			"parseTime('2024-02-29')": 1709164800000,
			"parseTime('0000-01-01')": -62167219200000,
			"parseTime('9999-12-31T23:59:59.999Z')": 253402300799999,
			"parseTime('2016-12-31T23:59:60Z')": 1483228800000,
			"parseTime('Sun, 29 Nov 2026 10:00:00 GMT')": 1795946400000,
			"parseTime('Sunday, 29-Nov-26 10:00:00 GMT')": 1795946400000,
			"parseTime('Sun Nov 29 10:00:00 2026')": 1795946400000,
		},
		sha256: {
			"sha256('')":
				"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
			"sha256('abc')":
				"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
			"sha256('ж') === sha256(fromBase64('0LY', 'bytes'))": true,
		},
		uuid: {
			"uuid('pay')": "21927c1b-5be0-5a50-bece-6043986efc83",
			"uuid('pay') === uuid('pay')": true,
			"uuid('pay') === uuid('mail')": false,
			"[1, 1, 2].map(uuid).map(id => id === uuid('1'))": [true, true, false],
			"['r'].map(request => uuid(request) === uuid('r'))": [true],
		},
		"JSON.parse": {
			"JSON.parse('{\"a\": [1, null]}')": { a: [1, null] },
			"JSON.parse('1')": 1,
			"JSON.parse(' null ')": null,
		},
		"JSON.stringify": {
			"JSON.stringify(o)": '{"a":1,"b":null,"c":"x"}',
			"JSON.stringify(s)": '"Hello, World"',
			"JSON.stringify(list)": "[3,1,2]",
		},
		Number: {
			"Number('12')": 12,
			"Number(' 1.5 ')": 1.5,
			"Number('')": 0,
			"Number(true)": 1,
			"Number('0x1f')": 31,
			"Number('1e3')": 1000,
			"Number(7)": 7,
			"Number('9007199254740993')": 9007199254740993n,
			"Number('9007199254740992')": 9007199254740992,
			"Number('-9223372036854775808')": -9223372036854775808n,
			"Number('100000000000000000000')": 1e20,
			"Number('-0')": -0,
			"Number('007')": 7,
			"Number('+9223372036854775807')": 9223372036854775807n,
			"Number('0x1fffffffffffff1')": 0x1fffffffffffff1n,
			"Number('1e21')": 1e21,
		},
		"Object.entries": {
			"Object.entries(o)": [
				["a", 1],
				["b", null],
				["c", "x"],
			],
			"Object.entries(['x'])": [["0", "x"]],
		},
		"Object.fromEntries": {
			"Object.fromEntries([['a', 1], ['b', 2], ['a', 3]])": { a: 3, b: 2 },
			"Object.fromEntries([[1, 2], [true, 3]])": { 1: 2, true: 3 },
			"Object.fromEntries([['a']])": { a: null },
			"Object.fromEntries([])": {},
		},
		"Object.groupBy": {
			"Object.groupBy(people, p => p.city).Oslo.map(p => p.name)": [
				"Ann",
				"Cid",
			],
			"Object.groupBy(list, x => x > 1)": { true: [3, 2], false: [1] },
			"Object.groupBy(list, (x, i) => i % 2)": { 0: [3, 2], 1: [1] },
			"Object.groupBy([], x => x)": {},
		},
		"Object.keys": {
			"Object.keys(o)": ["a", "b", "c"],
			"Object.keys(list)": ["0", "1", "2"],
			"Object.keys({})": [],
		},
		"Object.values": {
			"Object.values(o)": [1, null, "x"],
			"Object.values(list)": [3, 1, 2],
		},
		String: {
			"String(1.5)": "1.5",
			"String(true)": "true",
			"String('a')": "a",
			"String(-0)": "0",
		},
		compact: {
			"compact(o)": { a: 1, c: "x" },
			"compact([1, null, 0, '', false])": [1, 0, "", false],
			"compact({ a: { b: null } })": { a: { b: null } },
		},
		decodeURIComponent: {
			"decodeURIComponent('%D0%9C%20a')": "М a",
			"decodeURIComponent('a+b')": "a+b",
		},
		encodeURIComponent: {
			"encodeURIComponent('М a/b?&=')": "%D0%9C%20a%2Fb%3F%26%3D",
			"encodeURIComponent(1.5)": "1.5",
			"encodeURIComponent('𝒳')": "%F0%9D%92%B3",
		},
		escapeXml: {
			"escapeXml('<a b=\"c\" d=\\'e\\'>&amp;')":
				"&lt;a b=&quot;c&quot; d=&apos;e&apos;&gt;&amp;amp;",
			"escapeXml('a\\u0000b\\tc\\n')": "a\ufffdb\tc\n",
			"escapeXml(5)": "5",
			"escapeXml('\\ud800x\\uffff')": "\ufffdx\ufffd",
			"escapeXml('Привет')": "Привет",
		},
		omit: {
			"omit(o, 'a', 'c')": { b: null },
			"omit(o)": { a: 1, b: null, c: "x" },
			"omit(o, 'x')": { a: 1, b: null, c: "x" },
			"omit(o, ...['a', 'b'])": { c: "x" },
			"omit({ 1: 'a' }, 1)": {},
		},
		printXml: {
			"printXml({ a: 'x' })": "<a>x</a>",
			"printXml({ a: '', b: {}, c: [], d: { '#text': '' } })": "<a/><b/><d/>",
			"printXml({ a: { '#text': 'x<', '@b': 1, c: [true, 2] } })":
				'<a b="1">x&lt;<c>true</c><c>2</c></a>',
			"printXml({ a: { '@b': '\"\\n\\t\\r<' } })":
				'<a b="&quot;&#10;&#9;&#13;&lt;"/>',
			"printXml({ a: '\\r\\n\\t' })": "<a>&#13;\n\t</a>",
			"printXml({ 's:a': { '@xmlns:s': 'urn:a', 's:b': {} } })":
				'<s:a xmlns:s="urn:a"><s:b/></s:a>',
			"printXml({})": "",
			"printXml({ a: '\\u0001\\ud800' })": "<a>\ufffd\ufffd</a>",
			"printXml({ имя: 'Ада' })": "<имя>Ада</имя>",
		},
		queryOf: {
			"queryOf('https://h/p?a=1&b=%20x+y&a=2#c?d=3')": { a: "1", b: " x y" },
			"queryOf('?a=1')": { a: "1" },
			"queryOf('/p')": {},
			"queryOf('')": {},
			"queryOf('/p?a&b=')": { a: "", b: "" },
			"queryOf('/p#f?a=1')": {},
			"queryOf('/?a=b?c')": { a: "b?c" },
		},
		sortBy: {
			"sortBy(people, p => p.age).map(p => p.name)": [
				"Cid",
				"Ann",
				"Bob",
				"Dan",
			],
			"sortBy(people, p => p.age, 'desc').map(p => p.name)": [
				"Ann",
				"Cid",
				"Bob",
				"Dan",
			],
			"sortBy(people, p => p.city).map(p => p.name)": [
				"Ann",
				"Cid",
				"Bob",
				"Dan",
			],
			"sortBy(people, p => p.city, 'desc').map(p => p.name)": [
				"Bob",
				"Dan",
				"Ann",
				"Cid",
			],
			"sortBy([10, 9, 1], x => x, 'asc')": [1, 9, 10],
			"sortBy(['é', 'z', 'Z', '10', '9'], x => x)": ["10", "9", "Z", "z", "é"],
			"sortBy([true, false], x => x)": [false, true],
			"sortBy(list, (x, i) => i, 'desc')": [2, 1, 3],
			"sortBy([], x => x)": [],
			list: [3, 1, 2],
		},
		uniqueBy: {
			"uniqueBy(people, p => p.city).map(p => p.name)": ["Ann", "Bob"],
			"uniqueBy([1, '1', 1, null, null], x => x)": [1, "1", null],
			"uniqueBy(list, (x, i) => i < 2)": [3, 2],
			"uniqueBy([], x => x)": [],
		},
	});
});

test("has Math without random, as JavaScript computes it", () => {
	const own = Object.getOwnPropertyNames(Math).filter(
		(name) => name !== "random",
	);
	const here = [
		...Object.keys(mathFunctions),
		...[...constants.keys()].map((name) => name.slice("Math.".length)),
	];
	assert.deepEqual(here.toSorted(), own.toSorted());
	for (const name of own) {
		const native: unknown = Reflect.get(Math, name);
		if (typeof native === "number") {
			assert.equal(compute(`Math.${name}`), native);
			continue;
		}
		assert.ok(typeof native === "function");
		for (const args of [[0.5], [0.25, 3], [2, 0.5, -1]]) {
			const { least, most } = functions.get(`Math.${name}`) ?? assert.fail();
			if (args.length < least || args.length > most) continue;
			const value: number = Reflect.apply(native, null, args);
			const source = `Math.${name}(${args.join(", ")})`;
			if (Number.isFinite(value)) assert.equal(compute(source), value, source);
			else assert.equal(failureOf(source).code, "step_failed", source);
		}
	}
	assert.equal(compute("Math.hypot()"), 0);
	assert.equal(compute("Math.max(...[1, 5, 3], 4)"), 5);
	assert.equal(compute("Math.min(-0, 0)"), -0);
});

test("fails with step_failed where an argument makes no sense", () => {
	const cases: Record<string, RegExp> = {
		"s.repeat(-1)": /negative/,
		"s.normalize('NFX')": /NFKD/,
		"(1).toFixed(101)": /between 0 and 100/,
		"(1).toFixed(-1)": /between 0 and 100/,
		"list.with(3, 0)": /outside/,
		"list.with(-4, 0)": /outside/,
		"[].reduce((a, b) => a)": /empty list/,
		"list.toSorted((a, b) => a > b)": /a boolean, where a number/,
		"list.toSorted((a, b) => 'x')": /a text, where a number/,
		"[[1]].toSorted()": /a list, where a text/,
		"[[1]].join()": /a list, where a text/,
		"[{}].join()": /a map, where a text/,
		"Number([])": /a list/,
		"Number('1,5')": /NaN/,
		"Number('1e999')": /infinity/,
		"String(o)": /a map/,
		"String([])": /a list/,
		"JSON.parse('{')": /not JSON/,
		"JSON.parse('{a: 1}')": /not JSON/,
		"decodeURIComponent('%')": /percent-encoded/,
		"decodeURIComponent('%FF')": /percent-encoded/,
		"encodeURIComponent('\\ud800')": /surrogate/,
		"Object.keys('ab')": /a text, where a map/,
		"Object.entries(1)": /a number, where a map/,
		"Object.fromEntries(o)": /a map, where a list/,
		"Object.fromEntries(['ab'])": /an entry is a text/,
		"Object.fromEntries([[o, 1]])": /a key is a map/,
		"Object.groupBy(o, x => x)": /a map, where a list/,
		"Object.groupBy(list, x => [x])": /a key is a list/,
		"sortBy(list, x => x, 'down')": /neither 'asc' nor 'desc'/,
		"sortBy([1, 'a'], x => x)": /numbers and texts/,
		"sortBy([1, true], x => x)": /numbers and booleans/,
		"sortBy([[1]], x => x)": /a key is a list, which has no order/,
		"sortBy(o, x => x)": /a map, where a list/,
		"uniqueBy(people, p => p)": /a key is a map/,
		"omit(list, 'a')": /a list, where a map/,
		"omit(o, list)": /a list, where a text/,
		"compact(s)": /a text, where a map/,
		"escapeXml(list)": /a list/,
		"queryOf(o)": /a map/,
		"printXml(list)": /a list/,
		"printXml({ '@a': 1 })": /`@a` stands in no element/,
		"printXml({ '#text': 1 })": /`#text` stands in no element/,
		"printXml({ 'a b': 1 })": /`a…b` cannot be a name in XML/,
		"printXml({ 'a><b': 1 })": /`a……b` cannot be a name in XML/,
		"printXml({ '': 1 })": /cannot be a name in XML/,
		"printXml({ a: { '': [] } })": /cannot be a name in XML/,
		"printXml({ '1a': 1 })": /cannot be a name in XML/,
		"printXml({ a: { '@': 1 } })": /cannot be a name in XML/,
		"printXml({ a: { '@b c': 1 } })": /cannot be a name in XML/,
		"printXml({ a: [[1]] })": /`a` is a list in a list/,
		"printXml({ a: { '@b': [1] } })": /`@b` is a list/,
		"printXml({ a: { '#text': {} } })": /`#text` is a map/,
		"Math.max('1', 2)": /a text, where a number/,
		"Math.round(true)": /a boolean/,
		"isoTime(-62167219200001)": /outside of the years 0 to 9999/,
		"isoTime(253402300800000)": /outside of the years 0 to 9999/,
		"isoTime('2026-11-29')": /the time is a text, where a number/,
		"isoDate(253402300799999, '+00:01')": /outside/,
		"isoDate(-62167219200000, 'America/New_York')": /outside/,
		"isoDate(0, s)": /the time zone is none that is known/,
		"isoDate(0, list)": /a list, where a text/,
		"formatTime(0, s)": /the locale is none that is known/,
		"formatTime(0, 'q' + 'aa')": /the locale is none that is known/,
		"formatTime(0, 'a'.repeat(101))": /the locale is none that is known/,
		"formatTime(0, 'de', s)": /the options is a text/,
		"formatTime(0, 'de', { ...o })": /an option is none of calendar, /,
		"formatTime(0, 'de', { dateStyle: s })":
			/a value that it does not take: dateStyle$/,
		"formatTime(0, 'de', { timeZone: s })": /the time zone is none/,
		"formatTime(0, 'de', { dateStyle: 'full', day: s.slice(0, 0) + 'numeric' })":
			/without options for single parts/,
		"formatTime(0, 'de', { day: [] })": /`day` is a list/,
		"parseTime(s)": /is no time, such as/,
		"parseTime(20261129)": /is no time, such as/,
		"parseTime('2026-11-29T10:00:00')": /says no zone/,
		"parseTime('2026-11-29 10:00:00Z')": /is no time/,
		"parseTime('2026-02-29')": /is no time/,
		"parseTime('2026-13-01')": /is no time/,
		"parseTime('2026-00-01')": /is no time/,
		"parseTime('2026-11-29T24:00:00Z')": /is no time/,
		"parseTime('2026-11-29T10:60:00Z')": /is no time/,
		"parseTime('2026-11-29T10:00:61Z')": /is no time/,
		"parseTime('2026-11-29T10:00:00+24:00')": /is no time/,
		"parseTime('2026-11-29T10:00:00+03:60')": /is no time/,
		"parseTime('+002026-11-29')": /is no time/,
		"parseTime(' 2026-11-29')": /is no time/,
		"base64('\\ud800')": /surrogate/,
		"base64(o)": /a map, where a text/,
		"base64('a', s)": /the form is none of 'url'/,
		"fromBase64('a')": /is not base64/,
		"fromBase64('ab=')": /is not base64/,
		"fromBase64('ab===')": /is not base64/,
		"fromBase64('a=bc')": /is not base64/,
		"fromBase64('ab.c')": /is not base64/,
		"fromBase64('abж')": /is not base64/,
		"fromBase64('/wA=')": /no text in UTF-8/,
		"fromBase64('YQ', s)": /the form is none of 'bytes'/,
		"sha256('\\ud800')": /surrogate/,
		"sha256(list)": /a list, where a text/,
		"uuid(o)": /a map, where a text/,
		"uuid('\\ud800')": /surrogate/,
		"mergeDeep(o, list)": /a list, where a map/,
		"mergeDeep(o, bytes)": /bytes, where a map/,
		"compact(bytes)": /bytes, where a map/,
	};
	for (const [source, message] of Object.entries(cases)) {
		const error = failureOf(source, data);
		assert.match(error.message, message, source);
		assert.equal(error.code, "step_failed", source);
	}
});

test("fails with reference_missing where an argument, a key or a comparison is null", () => {
	const sources = [
		"s.at(nil)",
		"s.concat(nil)",
		"s.replace(nil, 'x')",
		"s.replace('x', nil)",
		"s.split(nil)",
		"s.repeat(nil)",
		"list.at(nil)",
		"list.flat(nil)",
		"list.with(nil, 1)",
		"list.slice(0, nil)",
		"[null].toSorted()",
		"list.toSorted((a, b) => nil)",
		"(1).toFixed(nil)",
		"Number(nil)",
		"escapeXml(nil)",
		"queryOf(nil)",
		"printXml(nil)",
		"printXml({ a: nil })",
		"printXml({ a: [nil] })",
		"printXml({ a: { '@b': nil } })",
		"compact(nil)",
		"omit(nil, 'a')",
		"omit(o, nil)",
		"omit(...nil)",
		"uniqueBy(nil, x => x)",
		"sortBy(list, x => x, nil)",
		"Object.values(nil)",
		"Object.entries(nil)",
		"Object.fromEntries(nil)",
		"Object.fromEntries([nil])",
		"Object.fromEntries([[nil, 1]])",
		"Object.groupBy(nil, x => x)",
		"Object.groupBy(people, p => p.age)",
		"decodeURIComponent(nil)",
		"Math.abs(nil)",
		"Math.pow(2, nil)",
		"Math.hypot(1, nil)",
		"isoTime(nil)",
		"isoDate(0, nil)",
		"formatTime(0, nil)",
		"formatTime(0, 'de', nil)",
		"formatTime(0, 'de', { timeZone: nil })",
		"parseTime(nil)",
		"base64(nil)",
		"base64('a', nil)",
		"fromBase64(nil)",
		"sha256(nil)",
		"uuid(nil)",
		"mergeDeep(nil, o)",
		"mergeDeep(o, nil)",
		"mergeDeep(...[o, null])",
	];
	for (const source of sources) {
		assert.equal(failureOf(source, data).code, "reference_missing", source);
	}
});

test("changes no data it was given", () => {
	// Bytes have no JSON.
	const { bytes: _, ...others } = data;
	const frozen = JSON.stringify(others);
	const deepFreeze = (value: unknown): void => {
		if (typeof value !== "object" || value === null) return;
		Object.freeze(value);
		Object.values(value).forEach(deepFreeze);
	};
	deepFreeze(others);
	const sources = [
		"list.toSorted()",
		"list.toReversed()",
		"list.with(0, 1)",
		"list.concat([1])",
		"[...list, 1]",
		"{ ...o, a: 2 }",
		"sortBy(people, p => p.age)",
		"uniqueBy(people, p => p.city)",
		"omit(o, 'a')",
		"compact(o)",
		"list.flat()",
		"Object.groupBy(people, p => p.city)",
		"people.map(({ name, ...rest }) => rest)",
		"Object.entries(o)",
		"mergeDeep(deep, { a: { b: 2 } }, { a: { x: 1 } })",
	];
	for (const source of sources) compute(source, data);
	assert.equal(JSON.stringify(others), frozen);
});
