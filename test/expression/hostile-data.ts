/** Data that a client or an upstream may send within 1 MiB, or that is as much, to have an expression take long. */

const mebi = 1 << 20;

function listOf<T>(length: number, make: (index: number) => T): T[] {
	return Array.from({ length }, (_, index) => make(index));
}

function mapOf(length: number, key: (index: number) => string) {
	return Object.fromEntries(listOf(length, (index) => [key(index), index]));
}

/** Numbers that need all their digits. */
function fractions(length: number): number[] {
	let state = 1;
	return listOf(length, () => {
		state = (state * 1103515245 + 12345) % 2 ** 31;
		return (state / 2 ** 31) * 10 ** ((state % 600) - 300);
	});
}

/** Integers whose hashes in V8 (ComputeUnseededHash) have their last 12 bits in common. */
function collidingIntegers(length: number): number[] {
	const found: number[] = [];
	for (let key = 0; found.length < length; key++) {
		let hash = (~key + (key << 15)) >>> 0;
		hash ^= hash >>> 12;
		hash = (hash + (hash << 2)) >>> 0;
		hash = Math.imul((hash ^ (hash >>> 4)) >>> 0, 2057) >>> 0;
		hash = (hash ^ (hash >>> 16)) >>> 0;
		if ((hash & 0xfff) === 0) found.push(key);
	}
	return found;
}

function nested(levels: number): unknown {
	let value: unknown = 1;
	for (let level = 0; level < levels; level++) {
		value = level % 2 === 0 ? { a: value } : [value];
	}
	return value;
}

const sixteenKibi = "a".repeat(16_384);

export const hostileData = {
	/* Texts: one letter, one letter besides at the end, letters beyond Latin-1, halves of characters, what must be escaped */
	as: "a".repeat(mebi),
	asb: `${"a".repeat(mebi)}b`,
	few: "b".repeat(1000),
	long: sixteenKibi,
	cyrillic: "ж".repeat(mebi / 2),
	halves: "\ud800".repeat(mebi / 3),
	ligatures: "\ufdfa".repeat(mebi / 3),
	hangul: "\uac01".repeat(mebi / 3),
	marks: `a${"\u0301\u0316".repeat(7)}\u0301`.repeat(mebi / 32),
	spaces: " ".repeat(mebi),
	ampersands: "&".repeat(mebi),
	quotes: '"'.repeat(mebi),
	controls: "\u0001".repeat(mebi),
	query: "?a&".repeat(mebi / 3),
	pairs: `?${listOf(70_000, (index) => `a${index}=${index}`).join("&")}`,
	percents: "%41".repeat(mebi / 3),
	percents2: "%D0%B6".repeat(mebi / 6),
	digits: "1".repeat(mebi),
	hex: `0x${"f".repeat(255)}`,
	hexLong: `0x${"0".repeat(mebi)}`,
	decimal: "1".repeat(308),
	fraction: `0.${"0".repeat(300)}${"123456789".repeat(60)}`,
	jsonMaps: `[${"{},".repeat(mebi / 3)}1]`,
	jsonExponents: `[${"1e100,".repeat(mebi / 6)}1]`,
	jsonIntegers: `[${"1,".repeat(mebi / 2)}1234567890123456789]`,
	dollars: "$`".repeat(mebi / 2),
	/* Numbers */
	one: 1,
	largest: Number.MAX_VALUE,
	smallest: Number.MIN_VALUE,
	tenth: 0.1,
	integer: 2n ** 4095n - 1n,
	half: 2n ** 2048n - 1n,
	third: 2n ** 1365n - 1n,
	/* Lists */
	n: listOf(200_000, (index) => index),
	texts: listOf(100_000, (index) => `k${index}`),
	longTexts: listOf(60, (index) => sixteenKibi + (1000 + index)),
	numbers: fractions(50_000),
	numberTexts: fractions(30_000).map(String),
	colliding: collidingIntegers(60_000),
	integers: listOf(30_000, (index) => (BigInt(index) << 64n) + 5n),
	integersLong: listOf(3000, (index) => 2n ** 4000n + BigInt(index)),
	entries: listOf(80_000, (index) => [`k${index}`, index]),
	empties: listOf(300_000, () => []),
	maps: listOf(60_000, (id) => ({ id, name: `n${id}` })),
	indexes: listOf(20_000, () => "1022"),
	indexed: listOf(20_000, () => ({ 1022: 1 })),
	lists: listOf(1000, () => listOf(100, (index) => index)),
	none: [],
	/* Maps */
	map999: mapOf(999, (index) => `key${index}`),
	map1001: mapOf(1001, (index) => `key${index}`),
	mapLarge: mapOf(80_000, (index) => `key${index}`),
	mapOfIndexes: mapOf(999, String),
	mapSparse: mapOf(999, (index) => String(index * 1013)),
	mapNone: {},
	deep: nested(60),
	request: { id: "r".repeat(64) },
} as const;

const people = listOf(20_000, (id) => ({
	id,
	name: `n${id}`,
	price: id % 7 === 0 ? null : id / 3,
	tags: ["a", `b${id}`],
	sub: { id, name: "s" },
}));

/** Values for the free names of the programs that `generator.ts` makes. */
export const hostileValues: readonly Readonly<Record<string, unknown>>[] = (({
	n,
	texts,
	lists,
	...of
}: typeof hostileData) => [
	{
		request: of.request,
		...{ n: 7, k: 3, t: of.as, u: "a", b: true, z: null },
		...{ ns: n, ts: texts, ms: people, ls: lists },
		m: { ...of.map999, id: 1, tags: texts.slice(0, 1000), sub: of.map1001 },
	},
	{
		request: of.request,
		...{ n: 1e6, k: 0.1, t: of.marks, u: of.few, b: false, z: of.deep },
		...{ ns: of.numbers, ts: of.longTexts, ms: of.indexed, ls: of.entries },
		m: { ...of.mapSparse, id: of.integer, name: of.long, sub: of.mapLarge },
	},
	{
		request: of.request,
		...{ n: -1, k: 5000, t: of.cyrillic, u: of.long, b: true, z: of.halves },
		...{ ns: of.colliding, ts: of.indexes, ms: people, ls: of.empties },
		m: { ...of.mapOfIndexes, name: of.query, tags: texts, sub: of.mapSparse },
	},
])(hostileData);
