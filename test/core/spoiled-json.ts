import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Decimal } from "../../src/core/decimal.ts";
import { readJson, surveyJson } from "../../src/core/json.ts";
import {
	type FoundMembers,
	findMembers,
	type JsonMembers,
	membersAt,
	readMembers,
} from "../../src/core/json-members.ts";
import { memberOf } from "../../src/expression/values.ts";
import { createRandom, type Random } from "../upstream/answers.ts";

/** Weather data provided by OpenWeather; the file says under which licences. */
const weather = JSON.parse(
	readFileSync(
		new URL("../../examples/weather/data/openweather.json", import.meta.url),
		"utf8",
	),
) as {
	readonly cities: readonly object[];
	readonly errors: Readonly<Record<string, string>>;
};

const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;

/** Maps as services send them, and with everything that is rare. */
export const documents: readonly string[] = [
	...weather.cities.map((city) => JSON.stringify(city)),
	...Object.values(weather.errors),
	JSON.stringify(weather.cities[0], null, 2),
	JSON.stringify({ data: weather.cities.slice(0, 3), total: 3 }, null, "\t"),
	'{"latitude":52.52,"longitude":13.419998,"generationtime_ms":0.033974647521972656,"elevation":38.0,"hourly":{"time":["2026-11-23T18:15"],"temperature_2m":[2.3,-0.0,null]}}',
	'{"results":[{"id":2643743,"name":"Köln","population":1e6}],"translatedText":"Привет, 世界 🦔"}',
	'{"id":9223372036854775807,"price":1234567890123456.78,"user":{"id":1,"ids":[12345678901234567890]}}',
	'{"data":{"user":{"name":"a\\u0062\\n\\"c\\""}},"errors":[{"message":"no","path":["data",0]}]}',
	'{"a":{"b":{"c":{"d":[1,{"e":"f"}]}}},"b":true,"c":false,"d":null,"e":"","f":{},"g":[]}',
	'{"main":{"temp":-0},"n":-0.0,"x":1e2,"y":1E-5,"z":1.5e+10,"w":1e400,"v":5e-324,"u":0e99}',
	`{"deep":${deep(63)},"main":{"a":1}}`,
	`{"deep":${deep(64)},"main":{"a":1}}`,
	'{"__proto__":{"a":1},"constructor":{"a":2},"main":{"__proto__":3}}',
	'{"name":1,"name":2,"main":{"temp":1,"temp":2},"main":{"x":1}}',
	'{"n\\u0061me":1,"lone":"\\ud800","pair":"\\ud83e\\udd94","\\ud800":1}',
	' \t\r\n{ "name" : "x" , "main" : { "temp" : [ 1 , 2 ] , "max" : { } } , "list" : [ ] } \n',
];

/** Texts that are put in anywhere. */
const pieces = [
	..."{}[]:,\"'\\ \n\t\0/-+.eE019",
	..."éж🦔\u2028\ufeff",
	...["true", "false", "null", "NaN", "Infinity", "undefined", "//", "{}"],
	...["-0", "-0.0", "01", "1.", ".5", "1e400", "-1e999", "1e5", "1e-400"],
	...["12345678901234567890", "0.12345678901234567", "1234567890123456.7"],
	...["9".repeat(199), "9".repeat(310), `0.${"1".repeat(1001)}`],
	...['"\\ud800"', '"\\u00zz"', '"\\x"', '"\u0001"', '"\\u0000"', '"a'],
	...['"name":1,', '"main":{"temp":7},', '"main":3,', '"\\u006eame":2,'],
	...['"__proto__":{"name":1},', ',"name":"again"', '"name":{"name":1},'],
	...[deep(62), deep(63), deep(64), deep(70), "[".repeat(70), '{"a":'],
];

const bytesPutIn = [0xff, 0xc0, 0x80, 0xed, 0xa0, 0xf5, 0xef, 0xbb, 0xbf, 0x00];

type Spoiler = (text: Buffer, random: Random) => Buffer;

const pick = <T>(list: readonly T[], random: Random): T =>
	list[random(list.length)] as T;

const put = (text: Buffer, at: number, cut: number, piece: Uint8Array) =>
	Buffer.concat([text.subarray(0, at), piece, text.subarray(at + cut)]);

const spoilers: readonly Spoiler[] = [
	(text, random) =>
		put(text, random(text.length + 1), 0, Buffer.from(pick(pieces, random))),
	(text, random) =>
		put(text, random(text.length), 1, Buffer.from(pick(pieces, random))),
	(text, random) => put(text, random(text.length), 1 + random(4), Buffer.of()),
	(text, random) => text.subarray(0, random(text.length)),
	(text, random) => text.subarray(random(4)),
	(text, random) =>
		put(text, random(text.length), 1, Buffer.of(pick(bytesPutIn, random))),
	(text, random) => {
		const from = random(text.length);
		const part = text.subarray(from, from + random(40));
		return put(text, random(text.length), 0, part);
	},
	(text, random) => {
		const other = Buffer.from(pick(documents, random));
		return Buffer.concat([
			text.subarray(0, random(text.length)),
			other.subarray(random(other.length)),
		]);
	},
	// As the value of a member, which leaves it JSON more often.
	(text, random) => {
		const colon = text.indexOf(":", random(text.length));
		return put(text, colon + 1, 0, Buffer.from(`${pick(pieces, random)},`));
	},
	(text) => Buffer.from(JSON.stringify({ name: text.toString(), main: 1 })),
];

/** A document with up to three things wrong with it. Some of them make no difference. */
function spoiled(random: Random): Buffer {
	let text: Buffer = Buffer.from(pick(documents, random));
	for (let times = random(4); times > 0; times--) {
		text = pick(spoilers, random)(text, random);
	}
	return text;
}

/** Every path to a member of a value. */
export function pathsIn(value: unknown): string[][] {
	if (typeof value !== "object" || value === null || Array.isArray(value)) {
		return [];
	}
	return Object.entries(value).flatMap(([key, inner]) => [
		[key],
		...pathsIn(inner).map((path) => [key, ...path]),
	]);
}

const allPaths = [
	...new Set(
		documents.flatMap((text) =>
			pathsIn(tried(() => readJson(Buffer.from(text))).value).map((path) =>
				JSON.stringify(path),
			),
		),
	),
].map((path) => JSON.parse(path) as string[]);

function somePaths(random: Random): string[][] {
	return Array.from({ length: random(5) }, () => pick(allPaths, random));
}

function tried(make: () => unknown): { value: unknown; error: unknown } {
	try {
		return { value: make(), error: null };
	} catch (error) {
		return { value: null, error };
	}
}

/**
 * Looks for members as a step does, and holds what is found against the value of the whole: the same values, to the last
 * bit, the same count, and the memory of the members alone. Gives what became of it in a word.
 */
export function compareMembers(
	bytes: Uint8Array,
	paths: readonly (readonly string[])[],
): "as the reader" | "left to the reader" | "refused by the reader" {
	const members = membersAt(paths);
	const whole = tried(() => readJson(bytes));
	const found = members && findMembers(bytes, members);
	const told = () => `${JSON.stringify(paths)} of ${Buffer.from(bytes)}`;
	if (found === null || members === null) {
		return whole.error === null
			? "left to the reader"
			: "refused by the reader";
	}
	assert.equal(whole.error, null, told());
	const survey = surveyJson(bytes);
	assert.equal(found.values, survey.values, told());
	assert.ok(found.memory <= survey.memory + members.memory, told());
	const read = readMembers(members, found);
	for (const path of paths) {
		const [ours, theirs] = [valueAt(read, path), valueAt(whole.value, path)];
		assert.equal(spelled(ours), spelled(theirs), told());
		assert.deepStrictEqual(ours, theirs);
	}
	assert.equal(found.memory, memoryOf(members, found), told());
	assert.deepEqual(
		pathsIn(read).filter((path) => !paths.some((one) => isWithin(path, one))),
		[],
	);
	return "as the reader";
}

function valueAt(value: unknown, path: readonly string[]): unknown {
	return path.reduce(memberOf, value);
}

/** Whether a path leads to a member that is asked for, to a part of it or to one around it. */
function isWithin(path: readonly string[], asked: readonly string[]): boolean {
	return path.every((name, at) => at >= asked.length || asked[at] === name);
}

/** A value with everything that tells it from others: signs of zeros, kinds of numbers, the order of keys, prototypes. */
function spelled(value: unknown): string {
	if (Object.is(value, -0)) return "-0";
	if (typeof value === "bigint") return `${value}n`;
	if (value instanceof Decimal) return `decimal ${value.text}`;
	if (Array.isArray(value)) return `[${value.map(spelled).join()}]`;
	if (typeof value !== "object" || value === null) {
		return JSON.stringify(value);
	}
	assert.equal(Object.getPrototypeOf(value), Object.prototype);
	const entries = Object.keys(value).map(
		(key) =>
			`${JSON.stringify(key)}:${spelled((value as Record<string, unknown>)[key])}`,
	);
	return `{${entries.join()}}`;
}

/** What the members would take if each were a body of its own. */
function memoryOf({ memory }: JsonMembers, { bytes, found }: FoundMembers) {
	return found.reduce(
		(sum, one) =>
			sum + (one ? surveyJson(bytes.subarray(one.start, one.end)).memory : 0),
		memory,
	);
}

/** Compares so many documents with something wrong with them. Gives how often which came out. */
export function compareSpoiled(
	times: number,
	seed: number,
): ReadonlyMap<string, number> {
	const random = createRandom(seed);
	const seen = new Map<string, number>();
	for (let time = 0; time < times; time++) {
		const word = compareMembers(spoiled(random), somePaths(random));
		seen.set(word, (seen.get(word) ?? 0) + 1);
	}
	return seen;
}
