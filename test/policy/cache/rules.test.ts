import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { cache } from "../../../src/policy/cache/cache.ts";
import { judge } from "../../../src/policy/cache/rules.ts";
import { openScope, virtualClock } from "../../../src/tasks/index.ts";
import { contextOf, requestOf } from "../../kit/policy.ts";

/**
 * An independent model of RFC 9111's freshness, written from its text: what is said is drawn as data, printed as fields
 * for the cache, and judged here as data, without any parsing.
 */
interface Said {
	readonly status: number;
	readonly noStore: boolean;
	readonly isPrivate: boolean;
	readonly noCache: boolean;
	readonly revalidate: "must-revalidate" | "proxy-revalidate" | null;
	readonly maxAge: number | null;
	readonly sMaxAge: number | null;
	readonly whileRevalidate: number | null;
	readonly ifError: number | null;
	/** Seconds from `Date`. */
	readonly expires: number | "junk" | null;
	readonly dated: boolean;
	readonly age: number | null;
}

interface Author {
	readonly forSeconds: number | null;
	readonly staleSeconds: number;
}

const seconds = fc.option(fc.integer({ min: 0, max: 20 }), { freq: 2 });
const saids: fc.Arbitrary<Said> = fc.record({
	status: fc.constantFrom(200, 200, 200, 404, 302, 500),
	noStore: rarely(),
	isPrivate: rarely(),
	noCache: rarely(),
	revalidate: fc.option(
		fc.constantFrom("must-revalidate" as const, "proxy-revalidate" as const),
		{ freq: 1 },
	),
	maxAge: seconds,
	sMaxAge: seconds,
	whileRevalidate: seconds,
	ifError: seconds,
	expires: fc.option(
		fc.oneof(fc.integer({ min: -5, max: 20 }), fc.constant("junk" as const)),
	),
	dated: fc.boolean(),
	age: seconds,
});

function rarely(): fc.Arbitrary<boolean> {
	return fc.integer({ min: 0, max: 7 }).map((drawn) => drawn === 0);
}

const date = Date.UTC(2026, 0, 1);

function headersOf(said: Said, style: number): string[] {
	const words = [
		said.noStore && "no-store",
		said.isPrivate && "private",
		said.noCache && "no-cache",
		said.revalidate,
		said.maxAge !== null && `max-age=${said.maxAge}`,
		said.sMaxAge !== null && `s-maxage="${said.sMaxAge}"`,
		said.whileRevalidate !== null &&
			`stale-while-revalidate=${said.whileRevalidate}`,
		said.ifError !== null && `stale-if-error=${said.ifError}`,
	].filter((word) => typeof word === "string");
	const cased = style % 2 ? words.map((word) => word.toUpperCase()) : words;
	const control =
		style > 1
			? cased.flatMap((word) => ["Cache-Control", word])
			: cased.length > 0
				? ["cache-control", cased.join(style % 2 ? " ,  " : ",")]
				: [];
	const expires =
		said.expires === "junk"
			? "soon"
			: said.expires !== null &&
				new Date(date + 1000 * said.expires).toUTCString();
	return [
		...control,
		...(expires ? ["Expires", expires] : []),
		...(said.dated ? ["date", new Date(date).toUTCString()] : []),
		...(said.age !== null ? ["Age", String(said.age)] : []),
	];
}

type Use = "fresh" | "while refreshing" | "if error" | "no";

/** How an answer may be used, `afterMs` from when it was asked for. */
function model(said: Said, author: Author, afterMs: number): Use {
	const silent =
		[said.maxAge, said.sMaxAge, said.whileRevalidate, said.ifError].every(
			(value) => value === null,
		) &&
		!(said.noStore || said.isPrivate || said.noCache) &&
		said.revalidate === null &&
		said.expires === null;
	const explicit =
		said.maxAge !== null || said.sMaxAge !== null || said.expires !== null;
	const lasting = said.status === 200 || said.status === 404;
	if (said.noStore || said.isPrivate) return "no";
	if (!lasting && !(said.status === 302 && explicit)) return "no";
	const lifetime = said.noCache
		? 0
		: silent
			? (author.forSeconds ?? 0)
			: (said.sMaxAge ??
				said.maxAge ??
				(typeof said.expires === "number" && said.dated ? said.expires : 0));
	const lateBy = afterMs / 1000 + (said.age ?? 0) - lifetime;
	if (lifetime > 0 && lateBy < 0) return "fresh";
	if (said.noCache || said.revalidate !== null) return "no";
	const speaks = said.whileRevalidate !== null || said.ifError !== null;
	const authors = said.sMaxAge === null ? author.staleSeconds : 0;
	// Expires before Date is a lifetime of nothing, not one of less.
	const late = afterMs / 1000 + (said.age ?? 0) - Math.max(0, lifetime);
	if (late < (speaks ? (said.whileRevalidate ?? 0) : authors)) {
		return "while refreshing";
	}
	return late < (speaks ? (said.ifError ?? 0) : authors) ? "if error" : "no";
}

/** What the cache does with it. */
async function use(
	said: Said,
	author: Author,
	style: number,
	afterMs: number,
): Promise<Use> {
	const clock = virtualClock();
	let calls = 0;
	const options = {
		forMs: author.forSeconds && 1000 * author.forSeconds,
		staleMs: 1000 * author.staleSeconds,
		bytesMax: 100_000,
		entriesMax: 10,
		answerBytesMax: 1000,
	};
	const context = {
		...contextOf(clock),
		origins: [],
		credentials: new Map(),
		coalesced: false,
		scope: openScope({ clock }),
	};
	const call = cache(options, context).call(async () => {
		const { status } = said;
		if (++calls > 1)
			return { status: 503, headers: [], body: new Uint8Array() };
		return { status, headers: headersOf(said, style), body: new Uint8Array(1) };
	});
	const ask = () => call(requestOf({ safe: true }), openScope({ clock }));
	await ask();
	await clock.advance(afterMs);
	const { status, freshness } = await ask();
	if (calls === 1) return "fresh";
	if (status === 503) return "no";
	return freshness?.stale?.error ? "if error" : "while refreshing";
}

test("the cache uses an answer as RFC 9111 and 5861 let it", async () => {
	await fc.assert(
		fc.asyncProperty(
			saids,
			fc.record({
				forSeconds: fc.option(fc.integer({ min: 1, max: 20 })),
				staleSeconds: fc.integer({ min: 0, max: 20 }),
			}),
			fc.integer({ min: 0, max: 3 }),
			fc.oneof(
				fc.integer({ min: 0, max: 60 }).map((whole) => 1000 * whole),
				fc.integer({ min: 0, max: 60_000 }),
			),
			async (said, author, style, afterMs) => {
				const expected = model(said, author, afterMs);
				assert.equal(await use(said, author, style, afterMs), expected);
			},
		),
		{ numRuns: 5000 },
	);
});

/** An answer without a word about caches beyond these fields, to a request of nobody's. */
function judged(
	status: number,
	headers: readonly string[],
	asked: readonly string[] = [],
) {
	const options = { forMs: null, staleMs: 0, credentials: new Map() };
	return judge({ headers: asked, body: null }, { status, headers }, options);
}

const statuses = Array.from({ length: 400 }, (_, at) => 200 + at);
const at = (seconds: number) => new Date(date + 1000 * seconds).toUTCString();

describe("what may be kept", () => {
	const storable = (...headers: string[]) =>
		statuses.filter((status) => judged(status, headers).storable);
	const byDefault = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];

	test("is what a status says by itself (RFC 9110, 15.1), but for parts", () => {
		assert.deepEqual(storable(), byDefault);
	});

	test("is what the answer says, of the statuses whose meaning is known (RFC 9111, 3)", () => {
		const known = [...byDefault, 302, 303, 307].toSorted((a, b) => a - b);
		for (const said of ["max-age=0", "s-maxage=0", "public"]) {
			assert.deepEqual(storable("cache-control", said), known, said);
		}
		assert.deepEqual(storable("expires", at(1)), known);
		assert.deepEqual(storable("cache-control", "immutable"), byDefault);
	});

	test("is nothing with `no-store` or `private` (RFC 9111, 5.2.2.5 and 5.2.2.7)", () => {
		for (const said of ["no-store", "private", "public, private"]) {
			assert.deepEqual(storable("cache-control", `${said}, max-age=9`), []);
		}
	});

	test("is nothing that was asked for with a credential, unless it says so (RFC 9111, 3.5)", () => {
		for (const [said, kept] of [
			["max-age=9", false],
			["proxy-revalidate, max-age=9", false],
			["public, max-age=9", true],
			["must-revalidate, max-age=9", true],
			["s-maxage=9", true],
		] as const) {
			for (const field of ["authorization", "proxy-authorization"]) {
				const asked = [field, "Bearer a"];
				const { storable } = judged(200, ["cache-control", said], asked);
				assert.equal(storable, kept, said);
			}
		}
	});

	test("is nothing that varies by what nobody can tell (RFC 9111, 4.1)", () => {
		assert.deepEqual(
			storable("cache-control", "max-age=9", "vary", "a, *"),
			[],
		);
	});
});

describe("how long it is fresh", () => {
	const seconds = (...headers: string[]) => judged(200, headers).freshMs / 1000;

	test("is the first that is said of s-maxage, max-age and Expires (RFC 9111, 4.2.1)", () => {
		const expires = ["expires", at(30), "date", at(0)];
		const control = (said: string) => ["cache-control", said, ...expires];
		assert.equal(seconds(...control("max-age=20, s-maxage=10")), 10);
		assert.equal(seconds(...control("max-age=20")), 20);
		assert.equal(seconds(...control("public")), 30);
		assert.equal(seconds(...control("s-maxage=0, max-age=20")), 0);
		assert.equal(seconds("cache-control", "public"), 0);
	});

	test("is nothing where it must be validated first (RFC 9111, 5.2.2.4)", () => {
		for (const said of ["no-cache", 'no-cache="set-cookie"']) {
			assert.equal(seconds("cache-control", `${said}, max-age=20`), 0);
		}
	});

	test("is nothing where what is said is no number, or two (RFC 9111, 4.2.1)", () => {
		for (const said of [
			"max-age",
			"max-age=a",
			"max-age=-1",
			"max-age=1, max-age=2",
		]) {
			assert.equal(seconds("cache-control", said), 0, said);
		}
	});

	test("is from Date to Expires, and nothing without two instants in that order (RFC 9111, 5.3)", () => {
		assert.equal(seconds("expires", at(30), "date", at(10)), 20);
		for (const headers of [
			["expires", at(30)],
			["expires", at(30), "date", "soon"],
			["expires", "0", "date", at(0)],
			["expires", at(10), "date", at(30)],
			["expires", at(30), "expires", at(40), "date", at(10)],
			["expires", at(30), "date", at(10), "date", at(20)],
		]) {
			assert.equal(seconds(...headers), 0, headers.join(" "));
		}
	});

	test("is less by its age when it came (RFC 9111, 4.2.3)", () => {
		assert.equal(seconds("cache-control", "max-age=20", "age", "5"), 15);
		assert.equal(seconds("cache-control", "max-age=20", "age", "30"), -10);
		assert.equal(seconds("cache-control", "max-age=20", "age", "new"), 20);
	});

	test("is never longer than some 68 years (RFC 9111, 1.2.2)", () => {
		assert.equal(seconds("cache-control", `max-age=${2 ** 40}`), 2 ** 31);
	});
});
