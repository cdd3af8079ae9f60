import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { GatewayError } from "../../../src/core/errors.ts";
import { headerOf } from "../../../src/core/http/headers.ts";
import type { StreamHead } from "../../../src/core/http/messages.ts";
import { boundsOf, rangeOf } from "../../../src/policy/cache/range.ts";
import { type Reply, read, streams } from "../../kit/cached-streams.ts";

const whole = "0123456789";
const strong = ["etag", '"1"'];

/** The part of ten bytes from `first` to `last`, with these fields besides. */
function part(first: number, last: number, more = strong): Reply {
	const headers = [
		...["cache-control", "max-age=10"],
		...["content-range", `bytes ${first}-${last}/10`],
		...more,
	];
	return { status: 206, headers, pieces: [whole.slice(first, last + 1)] };
}

const complete: Reply = {
	headers: ["cache-control", "max-age=10", ...strong],
	pieces: [whole],
};

const range = (said: string) => ({ headers: ["range", `bytes=${said}`] });

describe("a part that came", () => {
	for (const [asked, text, place] of [
		["4-8", "45678", "bytes 4-8/10"],
		["5-6", "56", "bytes 5-6/10"],
		["8-8", "8", "bytes 8-8/10"],
	] as const) {
		it(`of bytes 4 to 8 is given to a request for ${asked}, with its age`, async () => {
			const { ask, sent, clock } = streams(part(4, 8, []));
			await ask(range("4-8"));
			await clock.advance(2000);
			const answer = await ask(range(asked));
			assert.deepEqual([answer.status, answer.text], [206, text]);
			assert.equal(answer.header("content-range"), place);
			assert.equal(answer.header("age"), "2");
			assert.equal(answer.length, text.length);
			assert.equal(answer.header("cache-status"), "sluice; hit; ttl=8");
			assert.equal(sent.length, 1);
		});
	}

	it("at the end is given to a request for the end", async () => {
		const { ask, sent } = streams(part(5, 9));
		await ask(range("-5"));
		for (const [asked, text] of [
			["-5", "56789"],
			["-1", "9"],
			["7-", "789"],
			["7-99", "789"],
		] as const) {
			assert.equal((await ask(range(asked))).text, text, asked);
		}
		assert.equal(sent.length, 1);
	});

	for (const asked of ["3-4", "8-9", "0-1", "7-", "-2", "10-"]) {
		it(`of bytes 4 to 8 is not given to a request for ${asked}`, async () => {
			const { ask, sent } = streams(part(4, 8), { status: 206 });
			await ask(range("4-8"));
			const answer = await ask(range(asked));
			assert.equal(answer.header("cache-status"), "sluice; fwd=partial");
			assert.deepEqual(sent[1]?.headers, range(asked).headers);
		});
	}

	for (const [what, reply] of [
		["is cut short", { ...part(4, 9), pieces: ["45678"] }],
		["is too long", { ...part(4, 7), pieces: ["45678"] }],
		["ends before it begins", { ...part(5, 4), pieces: [""] }],
		["is of fewer bytes than it has", { ...part(9, 10), pieces: ["90"] }],
		["is stale", part(4, 8, ["age", "10"])],
		["may not be kept", part(4, 8, ["cache-control", "no-store"])],
		["is one user's", part(4, 8, ["cache-control", "private"])],
		["breaks off", { ...part(4, 8), error: new Error("reset") }],
	] as const) {
		it(`is not given again if it ${what}`, async () => {
			const { open, ask, sent } = streams(reply, complete);
			const first = await open(range("4-8"));
			await read(first.head as StreamHead).catch(() => {});
			await first.ended.catch(() => {});
			assert.equal((await ask(range("4-8"))).status, 200);
			assert.equal(sent.length, 2);
		});
	}

	for (const said of ["bytes 4-8/*", "bytes */10", "lines 4-8/10", "4-8/10"]) {
		it(`is not given again if its place is ${said}`, async () => {
			const headers = ["cache-control", "max-age=10", "content-range", said];
			const reply = { status: 206, headers, pieces: ["45678"] };
			const { ask } = streams(reply, complete);
			await ask(range("4-8"));
			assert.equal((await ask(range("4-8"))).status, 200);
		});
	}

	it("in several pieces is not given again", async () => {
		const type = "multipart/byteranges; boundary=x";
		const headers = ["cache-control", "max-age=10", "content-type", type];
		const { ask, sent } = streams({ status: 206, headers }, complete);
		await ask(range("0-1,3-4"));
		assert.equal((await ask(range("0-1"))).status, 200);
		assert.equal(sent.length, 2);
	});

	it("is given no longer than it is fresh, nor to whom it does not want", async () => {
		const { ask, sent, clock } = streams(part(0, 4));
		await ask(range("0-4"));
		await clock.advance(9999);
		await ask(range("0-4"));
		assert.equal(sent.length, 1);
		for (const control of ["max-age=9", "no-cache", "no-store"]) {
			const headers = [...range("0-4").headers, "cache-control", control];
			await ask({ headers });
		}
		assert.equal(sent.length, 4);
	});

	it("is no answer to a request for another answer's part, nor for the whole alone", async () => {
		const { ask, sent } = streams(part(0, 4), complete);
		await ask(range("0-4"));
		const only = ["cache-control", "only-if-cached"];
		await assert.rejects(ask({ headers: only }), { code: "not_cached" });
		const both = [...only, ...range("1-2").headers];
		assert.equal((await ask({ headers: both })).text, "12");
		const other = [...range("0-4").headers, "if-range", '"2"'];
		assert.equal((await ask({ headers: other })).status, 200);
		assert.equal(sent.length, 2);
	});

	it("is one request for all who want the same bytes at once, and for nobody else", async () => {
		const later = Promise.withResolvers<void>();
		const { ask, sent, clock } = streams(
			{ ...part(0, 4), until: later.promise },
			part(5, 9),
		);
		const same = [ask(range("0-4")), ask(range("0-4"))];
		await clock.advance(0);
		assert.equal((await ask(range("5-9"))).text, "56789");
		later.resolve();
		const [first, second] = await Promise.all(same);
		assert.deepEqual([first?.text, second?.text], ["01234", "01234"]);
		const said = "sluice; fwd=uri-miss; collapsed; ttl=10";
		assert.equal(second?.header("cache-status"), said);
		assert.equal(sent.length, 2);
	});

	it("is waited for by nobody after one that was of no use to others", async () => {
		const none = { status: 416, open: true, headers: [] };
		const { open, sent } = streams(none);
		for (let time = 0; time < 3; time++) await open(range("10-"));
		assert.equal(sent.length, 3);
	});

	it("is 304 to a client that has the answer", async () => {
		const { ask } = streams(part(0, 4));
		await ask(range("0-4"));
		const headers = [...range("0-1").headers, "if-none-match", '"1"'];
		assert.equal((await ask({ headers })).status, 304);
	});

	it("is dropped by what is done to its address", async () => {
		const { ask, sent } = streams(part(0, 4), { status: 204 }, part(0, 4));
		await ask(range("0-4"));
		await ask({ method: "PUT" });
		await ask(range("0-4"));
		assert.equal(sent.length, 3);
	});

	it("is kept for no other than what it varies by", async () => {
		const { ask, sent } = streams(part(0, 4, ["vary", "accept"]));
		for (const accept of ["a", "b", "a"]) {
			const headers = [...range("0-4").headers, "accept", accept];
			await ask({ headers });
		}
		assert.equal(sent.length, 2);
	});
});

const day = (date: number) => new Date(Date.UTC(2026, 0, date)).toUTCString();

describe("two parts", () => {
	const dated = ["last-modified", day(1), "date", day(2)];
	for (const [what, one, other, asked] of [
		["that touch", part(0, 4), part(5, 7), "3-6"],
		["in the other order", part(5, 7), part(0, 4), "3-6"],
		["that overlap", part(2, 6), part(4, 8), "2-8"],
		["of which one has the other", part(2, 8), part(4, 6), "2-8"],
		[
			"told to be of one whole by a date",
			part(0, 4, dated),
			part(5, 7, dated),
			"0-7",
		],
	] as const) {
		it(`${what} are one`, async () => {
			const { ask, sent } = streams(one, other);
			await ask(range("0-9"));
			await ask(range("0-9"));
			const answer = await ask(range(asked));
			const [first = 0, last = 0] = asked.split("-").map(Number);
			assert.equal(answer.text, whole.slice(first, last + 1));
			assert.equal(sent.length, 2);
		});
	}

	for (const [what, one, other] of [
		["with a gap", part(0, 3), part(5, 7)],
		["of two tags", part(0, 4), part(5, 7, ["etag", '"2"'])],
		[
			"of a weak tag",
			part(0, 4, ["etag", 'W/"1"']),
			part(5, 7, ["etag", 'W/"1"']),
		],
		["without a validator", part(0, 4, []), part(5, 7, [])],
		[
			"of the second in which they changed",
			part(0, 4, [...dated.slice(0, 2), "date", day(1)]),
			part(5, 7, [...dated.slice(0, 2), "date", day(1)]),
		],
		[
			"of two lengths",
			part(0, 4),
			{
				...part(5, 7),
				headers: [
					"cache-control",
					"max-age=10",
					...strong,
					"content-range",
					"bytes 5-7/11",
				],
			},
		],
	] as const) {
		it(`${what} are not one, and the newer is kept`, async () => {
			const { ask, sent } = streams(one, other, complete);
			await ask(range("0-9"));
			await ask(range("0-9"));
			assert.equal((await ask(range("5-7"))).text, "567");
			assert.equal(sent.length, 2);
			assert.equal((await ask(range("0-3"))).status, 200);
		});
	}

	it("that are all of it are the whole, for everybody", async () => {
		const { ask, sent } = streams(
			part(0, 4),
			part(5, 9, [...strong, "x", "new"]),
		);
		await ask(range("0-4"));
		await ask(range("5-9"));
		const answer = await ask();
		assert.deepEqual([answer.status, answer.text], [200, whole]);
		assert.equal(answer.header("content-range"), null);
		assert.equal(answer.header("x"), "new");
		assert.equal((await ask(range("3-6"))).text, "3456");
		assert.equal(sent.length, 2);
	});

	it("are not one if they are longer than may be kept", async () => {
		const of = (first: number, last: number) => ({
			...part(first, last),
			headers: [
				...["cache-control", "max-age=10", ...strong],
				...["content-range", `bytes ${first}-${last}/12`],
			],
			pieces: ["0123456789ab".slice(first, last + 1)],
		});
		for (const [last, calls] of [
			[9, 2],
			[10, 3],
		] as const) {
			const { ask, sent } = streams(of(0, 5), of(5, last), of(0, 5));
			await ask(range("0-5"));
			await ask(range(`5-${last}`));
			await ask(range(`0-${last - 5}`));
			assert.equal(sent.length, calls);
		}
	});

	it("do not stay beside a newer whole, nor a whole beside a newer part", async () => {
		const other = {
			...complete,
			headers: ["cache-control", "max-age=1", "etag", '"2"'],
		};
		const { ask, sent, clock } = streams(part(0, 4), other, part(5, 9));
		await ask(range("0-4"));
		await ask({ headers: ["cache-control", "no-cache"] });
		await clock.advance(1000);
		assert.equal((await ask(range("5-9"))).text, "56789");
		await ask(range("0-4"));
		assert.equal(sent.length, 4);
		assert.deepEqual(sent[3]?.headers, range("0-4").headers);
	});
});

describe("a request for the whole of which a part is kept", () => {
	/** What comes second is the answer to that request. */
	async function completed(first: Reply, ...others: Reply[]) {
		const all = streams(first, ...others);
		await all.ask(range("0-9"));
		const answer = await all.ask();
		return { ...all, answer };
	}

	for (const [what, first, asked, rest] of [
		["beginning", part(0, 4), "bytes=5-", part(5, 9)],
		["end", part(6, 9), "bytes=0-5", part(0, 5)],
	] as const) {
		it(`asks for the rest of its ${what}, gets all of it, and has it kept`, async () => {
			const { ask, sent, answer } = await completed(first, rest);
			const fields = ["range", asked, "if-range", '"1"'];
			assert.deepEqual(sent[1]?.headers, fields);
			assert.deepEqual([answer.status, answer.text], [200, whole]);
			assert.equal(answer.length, 10);
			assert.equal(answer.header("content-range"), null);
			const said = "sluice; fwd=partial; fwd-status=206; stored";
			assert.equal(answer.header("cache-status"), said);
			assert.equal((await ask()).text, whole);
			assert.equal((await ask(range("4-5"))).text, "45");
			assert.equal(sent.length, 2);
		});
	}

	it("asks for the rest of a stale part, too, because the upstream says if it still holds", async () => {
		const { ask, sent, clock } = streams(part(0, 4), part(5, 9));
		await ask(range("0-4"));
		await clock.advance(60_000);
		assert.equal((await ask()).text, whole);
		assert.equal(sent.length, 2);
	});

	for (const [what, first] of [
		["the middle", part(3, 6)],
		["no validator", part(0, 4, [])],
		["a weak tag", part(0, 4, ["etag", 'W/"1"'])],
	] as const) {
		it(`asks for all of it if it has ${what}`, async () => {
			const { sent, answer } = await completed(first, complete);
			assert.deepEqual(sent[1]?.headers, []);
			assert.equal(answer.text, whole);
		});
	}

	it("gets the whole that the upstream has instead, and the part goes", async () => {
		const other = {
			...complete,
			headers: ["cache-control", "max-age=10", "etag", '"2"'],
			pieces: ["abc"],
		};
		const { ask, sent, answer } = await completed(part(0, 4), other);
		assert.deepEqual([answer.status, answer.text], [200, "abc"]);
		assert.equal((await ask(range("0-0"))).text, "a");
		assert.equal(sent.length, 2);
	});

	for (const [what, wrong] of [
		["of another answer", part(5, 9, ["etag", '"2"'])],
		["without its validator", part(5, 9, [])],
		["of another place", part(4, 9)],
		["of another length", { ...part(5, 9), pieces: ["567"] }],
		["of no length", { ...part(5, 9), length: null }],
		["without a place", { status: 206, headers: strong }],
		["beyond the end", { status: 416, headers: [] }],
	] as const) {
		it(`asks again for all of it if the rest is ${what}`, async () => {
			const { ask, sent, answer } = await completed(
				part(0, 4),
				wrong,
				complete,
			);
			assert.deepEqual(sent[2]?.headers, []);
			assert.deepEqual([answer.status, answer.text], [200, whole]);
			assert.equal((await ask()).text, whole);
			assert.equal(sent.length, 3);
		});
	}

	it("gets the failure of the upstream, and the part stays", async () => {
		const { ask, sent, answer } = await completed(part(0, 4), { status: 503 });
		assert.equal(answer.status, 503);
		assert.equal((await ask(range("0-4"))).text, "01234");
		assert.equal(sent.length, 2);
		const down = new GatewayError("upstream_unreachable", "down");
		const all = streams(part(0, 4), { error: down, beforeHead: true });
		await all.ask(range("0-4"));
		await assert.rejects(all.ask(), { code: "upstream_unreachable" });
		assert.equal((await all.ask(range("0-4"))).text, "01234");
	});

	it("fails if the rest breaks off, and the part stays", async () => {
		const broken = { ...part(5, 9), error: new Error("reset") };
		const { open, ask, sent } = streams(part(0, 4), broken);
		await ask(range("0-4"));
		const second = await open();
		assert.equal(second.head?.status, 200);
		await assert.rejects(read(second.head as StreamHead), /reset/);
		await assert.rejects(second.ended, /reset/);
		assert.equal((await ask(range("0-4"))).text, "01234");
		assert.equal(sent.length, 2);
	});

	it("leaves the rest if its client leaves, before or after its first byte", async () => {
		for (const reads of [false, true]) {
			const { open, ask } = streams(part(0, 4), { ...part(5, 9), open: true });
			await ask(range("0-4"));
			const second = await open();
			const pieces = second.head?.body[Symbol.asyncIterator]();
			if (reads) {
				const first = await pieces?.next();
				assert.equal(String(first?.value), "01234");
			}
			await pieces?.return?.();
			await assert.rejects(second.ended, /left/);
		}
	});

	it("is one request for all who miss it at once", async () => {
		const later = Promise.withResolvers<void>();
		const all = streams(part(0, 4), { ...part(5, 9), until: later.promise });
		await all.ask(range("0-4"));
		const both = [all.ask(), all.ask()];
		await all.clock.advance(0);
		later.resolve();
		for (const { text } of await Promise.all(both)) assert.equal(text, whole);
		assert.equal(all.sent.length, 2);
	});

	for (const [what, changes] of [
		["on a condition of its own", { headers: ["if-none-match", '"0"'] }],
		["that wants no kept bytes", { headers: ["cache-control", "no-cache"] }],
		["by HEAD", { method: "HEAD" }],
	] as const) {
		it(`${what} asks for all of it`, async () => {
			const { ask, sent } = streams(part(0, 4), complete);
			await ask(range("0-4"));
			await ask(changes);
			const said = "headers" in changes ? changes.headers : [];
			assert.deepEqual(sent[1]?.headers, said);
		});
	}
});

/** What a client or time does to an address whose upstream answers as RFC 9110 says, and changes now and then. */
type Act =
	| { readonly act: "whole" | "change" }
	| { readonly act: "wait"; readonly ms: number }
	| { readonly act: "part"; readonly first: number; readonly last: number }
	| { readonly act: "end"; readonly length: number };

const digit = fc.integer({ min: 0, max: 9 });
const acts: fc.Arbitrary<Act> = fc.oneof(
	{ weight: 2, arbitrary: fc.constant({ act: "whole" as const }) },
	{ weight: 1, arbitrary: fc.constant({ act: "change" as const }) },
	fc.record({
		act: fc.constant("wait" as const),
		ms: fc.constantFrom(1, 5000, 9999, 10_000),
	}),
	{
		weight: 6,
		arbitrary: fc
			.tuple(digit, digit)
			.map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)
			.map(([first, last]) => ({ act: "part" as const, first, last })),
	},
	fc.record({
		act: fc.constant("end" as const),
		length: fc.integer({ min: 1, max: 12 }),
	}),
);

/** Ten letters that no other version has. */
const versionText = (version: number) =>
	Array.from({ length: 10 }, (_, place) =>
		String.fromCharCode(97 + ((version * 10 + place) % 500)),
	).join("");

describe("whoever asks for bytes, in whatever order", () => {
	it("gets those of one version, which was true within the time that it is fresh", async () => {
		await fc.assert(
			fc.asyncProperty(fc.array(acts, { maxLength: 20 }), async (all) => {
				let version = 0;
				/** When each version was no longer true. */
				const endedMs: number[] = [];
				const { ask, clock } = streams((request) => {
					const of = (name: string) => headerOf(request.headers, name);
					const etag = `"${version}"`;
					const headers = ["cache-control", "max-age=10", "etag", etag];
					if (of("if-none-match") === etag) return { status: 304, headers };
					const text = versionText(version);
					const asked = of("if-range") ?? etag;
					const bounds = asked === etag ? rangeOf(request.headers) : null;
					const found = bounds && boundsOf(bounds, 10);
					if (!found) return { headers, pieces: [text] };
					const [first, end] = found;
					const place = ["content-range", `bytes ${first}-${end - 1}/10`];
					const pieces = [text.slice(first, end)];
					return { status: 206, headers: [...headers, ...place], pieces };
				});
				for (const one of all) {
					if (one.act === "change") {
						endedMs[version++] = clock.now();
						continue;
					}
					if (one.act === "wait") {
						await clock.advance(one.ms);
						continue;
					}
					const said =
						one.act === "part"
							? range(`${one.first}-${one.last}`)
							: one.act === "end"
								? range(`-${one.length}`)
								: {};
					const answer = await ask(said);
					const tag = Number(answer.header("etag")?.slice(1, -1));
					const overMs = endedMs[tag] ?? Number.POSITIVE_INFINITY;
					assert.ok(clock.now() - overMs < 10_000, "it is stale");
					const text = versionText(tag);
					const [first, last] = (/(\d+)-(\d+)/
						.exec(answer.header("content-range") ?? "0-9")
						?.slice(1)
						.map(Number) ?? []) as [number, number];
					assert.equal(answer.text, text.slice(first, last + 1));
					const partial = one.act !== "whole" && answer.status === 206;
					assert.equal(answer.status, partial ? 206 : 200);
					if (partial && one.act === "part") {
						assert.deepEqual([first, last], [one.first, one.last]);
					}
				}
			}),
			{ numRuns: 1000 },
		);
	});
});
