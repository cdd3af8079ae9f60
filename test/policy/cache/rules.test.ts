import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { cache } from "../../../src/policy/cache/cache.ts";
import { judge } from "../../../src/policy/cache/rules.ts";
import { promised } from "../../../src/policy/promised.ts";
import { openScope, virtualClock } from "../../../src/tasks/index.ts";
import { contextOf, played, requestOf } from "../../kit/policy.ts";

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
	if (!lasting && !explicit) return "no";
	const lifetime = said.noCache
		? 0
		: silent
			? (author.forSeconds ?? 0)
			: (said.sMaxAge ??
				said.maxAge ??
				(typeof said.expires === "number" && said.dated ? said.expires : 0));
	const lateBy = afterMs / 1000 + (said.age ?? 0) - lifetime;
	if (lifetime > 0 && lateBy < 0) return "fresh";
	// A failure stands in for no other.
	if (said.status === 500) return "no";
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
		ifErrorMs: 1000 * author.staleSeconds,
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
	const wire = played(async () => {
		const { status } = said;
		if (++calls > 1)
			return { status: 503, headers: [], body: new Uint8Array() };
		return { status, headers: headersOf(said, style), body: new Uint8Array(1) };
	});
	const call = promised(cache(options, context).call(wire));
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
	const options = {
		forMs: null,
		staleMs: 0,
		ifErrorMs: 0,
		credentials: new Map(),
	};
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

	test("is what the answer says, of any final status but a part and a 304 (RFC 9111, 3)", () => {
		const final = statuses.filter((one) => one !== 206 && one !== 304);
		for (const said of ["max-age=0", "s-maxage=0", "public"]) {
			assert.deepEqual(storable("cache-control", said), final, said);
		}
		assert.deepEqual(storable("expires", at(1)), final);
		assert.deepEqual(storable("cache-control", "immutable"), byDefault);
	});

	test("is with `must-understand` what RFC 9110 knows, whatever `no-store` says (RFC 9111, 5.2.2.3)", () => {
		for (const more of ["", ", no-store"]) {
			const said = `must-understand, max-age=9${more}`;
			const kept = storable("cache-control", said);
			for (const known of [200, 201, 302, 404, 410, 503]) {
				assert.ok(kept.includes(known), String(known));
			}
			for (const other of [206, 207, 299, 304, 418, 499, 599]) {
				assert.ok(!kept.includes(other), String(other));
			}
		}
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

	for (const [ages, left] of [
		[["5, 0"], 15],
		[["0, 5"], 20],
		[["5", "0"], 15],
		[["0", "5"], 20],
		[["5 ,5"], 15],
		[["-5"], 20],
		[["5.0"], 20],
		[[""], 20],
	] as const) {
		test(`is less by the first age of ${ages.join(" and ")} (RFC 9111, 5.1)`, () => {
			const fields = ages.flatMap((age) => ["age", age]);
			const control = ["cache-control", "max-age=20"];
			assert.equal(seconds(...control, ...fields), left);
		});
	}

	for (const [expires, fresh] of [
		["Thu, 18 Aug 2050 02:01:18 GMT", true],
		["Thursday, 18-Aug-50 02:01:18 GMT", true],
		["Thu Aug 18 02:01:18 2050", true],
		["THU, 18 AUG 2050 02:01:18 gmt", true],
		["Thu, 18 Aug 2050 02:01:18 UTC", false],
		["Thu, 18 Aug 50 02:01:18 GMT", false],
		["Thu, 18 Aug 2050 2:01:18 GMT", false],
		["2050-08-18", false],
	] as const) {
		test(`is ${fresh ? "until" : "nothing with"} Expires: ${expires} (RFC 9111, 4.2)`, () => {
			assert.equal(seconds("expires", expires, "date", at(0)) > 0, fresh);
		});
	}

	test("is nothing if a space stands beside the `=` (RFC 9111, 5.2)", () => {
		for (const said of ["max-age =20", "max-age= 20", "max-age = 20"]) {
			assert.equal(seconds("cache-control", said), 0, said);
		}
	});

	test("is never longer than some 68 years (RFC 9111, 1.2.2)", () => {
		assert.equal(seconds("cache-control", `max-age=${2 ** 40}`), 2 ** 31);
	});
});

describe("CDN-Cache-Control (RFC 9213)", () => {
	const day = 86_400;
	for (const [targeted, control, storable, seconds] of [
		["max-age=60", null, true, 60],
		["max-age=60", "max-age=1", true, 60],
		["max-age=1", "max-age=60", true, 1],
		["max-age=60", "no-store", true, 60],
		["no-store", "max-age=60", false, null],
		["private", "max-age=60", false, null],
		["no-cache", "max-age=60", true, 0],
		["max-age=0", "max-age=60", true, 0],
		["foo, max-age=60", null, true, 60],
		["max-age=60;a=1, foo;b", null, true, 60],
		["no-store=?0, max-age=60", null, true, 60],
		["max-age=99999999999", null, true, 2 ** 31],
		// No dictionary: the other fields hold.
		["max-age=60, &&&&&", "max-age=1", true, 1],
		["MaX-aGe=60", "max-age=1", true, 1],
		["max-age =60", "max-age=1", true, 1],
		["max-age= 60", "max-age=1", true, 1],
		["max-age=60,", "max-age=1", true, 1],
		["", "max-age=1", true, 1],
		// Of another type.
		['max-age="60"', "max-age=1", true, 0],
		["max-age=6.5", "max-age=1", true, 0],
		["max-age", "max-age=1", true, 0],
	] as const) {
		test(`${targeted || "nothing"} beside ${control ?? "nothing"} is told apart`, () => {
			const headers = [
				["cdn-cache-control", targeted],
				control === null ? [] : ["cache-control", control],
				["expires", at(day), "date", at(0)],
			].flat();
			const judgement = judged(200, headers);
			assert.equal(judgement.storable, storable);
			if (seconds !== null) assert.equal(judgement.freshMs, 1000 * seconds);
		});
	}
});
