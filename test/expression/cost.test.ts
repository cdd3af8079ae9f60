import assert from "node:assert/strict";
import { test } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import { computing } from "../kit/blocked.ts";
import { repeatableRandom } from "../kit/random.ts";
import { onQuietMachine, slowness } from "../kit/slowness.ts";
import { frameOf, prepared } from "./compute.ts";
import { makeProgram } from "./generator.ts";
import { hostileData, hostileValues } from "./hostile-data.ts";
import { hostileSources } from "./hostile-sources.ts";

/** The longest that one evaluation may take on a quiet machine. */
const longestMs = 100;

type Data = Readonly<Record<string, unknown>>;

/** How many times the bound an evaluation took: the least of a few, because chance only ever adds. */
function share(source: string, data: Data): number {
	const evaluate = prepared(source, Object.keys(data));
	const values = Object.values(data);
	let least = Infinity;
	for (let round = 0; round < 4 && least > 1; round++) {
		const slow = slowness();
		const frame = frameOf(values);
		const computed = computing();
		try {
			evaluate(frame);
		} catch (error) {
			assert.ok(error instanceof GatewayError, source);
		}
		const tookMs = computed();
		const quietMs = Math.min(tookMs / slow, onQuietMachine(tookMs, longestMs));
		least = Math.min(least, quietMs / longestMs);
	}
	return least;
}

function checkAll(sources: readonly string[], data: Data = hostileData): void {
	const over: string[] = [];
	for (const source of sources) {
		const times = share(source, data);
		if (times > 1) over.push(`${source}: ${Math.round(times * 100)} ms`);
	}
	assert.deepEqual(over, []);
}

test("computes no longer than its nodes allow with the worst data known", () => {
	checkAll([
		"queryOf(query)",
		"n.reduce((line, w) => (line + w) > 'zz' ? '' : line + w, 'a')",
		"n.reduce((line, w) => [line + 'b', (line + w)[0]][0], 'a')",
		"n.map(i => JSON.stringify(halves))",
		"printXml({ a: n.map(i => ({ '@b': '<', c: '' })) })",
		"n.map(i => printXml({ a: [i, i, i, i] }))",
		"n.map(i => JSON.stringify(mapSparse))",
		"n.map(i => compact(map999))",
		"n.map(i => omit(map999, 'a'))",
		"n.map(i => ({ ...map999 }))",
		"n.map(i => [map999].map(({ a, ...rest }) => rest))",
		"n.map(i => ({ ...mapSparse }))",
		"n.map(i => integer / half)",
		"n.map(i => integer % half)",
		"n.map(i => marks.normalize('NFD'))",
		"n.map(i => Number(hex))",
		"n.map(i => tenth.toFixed(100))",
		"uniqueBy(integers, x => x)",
		"uniqueBy(colliding, x => x)",
		"uniqueBy(n, x => long + x)",
		"Object.groupBy(n, x => long + x)",
		"indexes.map(x => ({ [x]: 1 }))",
		"n.map(i => n.flat())",
		"n.map(i => JSON.parse('[1e100,1e100,1e100,1e100]'))",
		"n.map(i => isoTime(i * 1e9))",
		"n.map(i => isoDate(i * 1e9, 'America/St_Johns'))",
		"n.map(i => isoDate(i * 1e9, '+0' + (i % 10) + ':' + (10 + i % 50)))",
		"n.map(i => formatTime(i * 1e9, 'ar-u-ca-islamic', { dateStyle: 'full', timeStyle: 'full' }))",
		"n.map(i => formatTime(i * 1e9, 'zh-u-ca-chinese', { dateStyle: 'full' }))",
		"n.map(i => formatTime(i, 'de-' + i))",
		"n.map(i => parseTime('2026-11-29T10:00:00.123+03:00'))",
		"n.map(i => parseTime(long))",
		"n.map(i => sha256(i))",
		"n.map(i => sha256(cyrillic + i))",
		"n.map(i => uuid(i))",
		"n.map(i => base64(cyrillic))",
		"n.map(i => fromBase64(as))",
		"n.map(i => fromBase64(spaces))",
		"n.map(i => mergeDeep(map999, mapSparse))",
		"n.map(i => mergeDeep(deep, deep))",
	]);
});

test("computes no longer than its nodes allow with any operation", (t) => {
	// `EXPRESSION_COSTS=5000` for a long search, which begins anywhere.
	const wanted = process.env["EXPRESSION_COSTS"];
	const sources = hostileSources();
	const step = Math.floor(sources.length / Number(wanted ?? 60));
	const start = wanted === undefined ? 0 : Math.floor(Math.random() * step);
	const chosen = sources.filter((_, index) => index % step === start);
	t.diagnostic(`${chosen.length} of ${sources.length}, from ${start} on`);
	checkAll(
		chosen.flatMap((source) => [
			`[1].map(i => ${source})`,
			`n.map(i => ({ x: ${source} }).x ? 1 : 0)`,
		]),
	);
});

test("computes no longer than its nodes allow with any program", () => {
	const wanted = process.env["EXPRESSION_COSTS"];
	const random = repeatableRandom(
		wanted === undefined ? 1 : Math.random() * 2 ** 32,
	);
	const byte = () => Math.floor(random() * 256);
	const programs = Array.from({ length: Number(wanted ?? 60) }, () => {
		const length = 20 + byte();
		return makeProgram(Uint8Array.from({ length }, byte)).source;
	});
	for (const data of hostileValues) checkAll(programs, data);
});
