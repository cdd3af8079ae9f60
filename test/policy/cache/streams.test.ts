import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { streamOf } from "../../../src/core/body/byte-stream.ts";
import { GatewayError } from "../../../src/core/errors.ts";
import { allHeadersOf, headerOf } from "../../../src/core/http/headers.ts";
import type { StreamHead } from "../../../src/core/http/messages.ts";
import { type Reply, read, streams } from "../../kit/cached-streams.ts";

const fresh: Reply = { headers: ["cache-control", "max-age=10"] };
const tagged: Reply = {
	headers: [
		"cache-control",
		"max-age=10",
		"etag",
		'"1"',
		"content-type",
		"a/b",
	],
};

describe("an answer passed on", () => {
	it("is kept while it is, and given from then on with its age", async () => {
		const { ask, sent, clock } = streams({ ...fresh, pieces: ["ab", "cd"] });
		assert.equal((await ask()).text, "abcd");
		await clock.advance(3500);
		const again = await ask();
		assert.deepEqual(
			[again.text, again.length, again.header("age")],
			["abcd", 4, "3"],
		);
		assert.equal(sent.length, 1);
		await clock.advance(6500);
		await ask();
		assert.equal(sent.length, 2);
	});

	it("is kept where it comes in one piece with its head", async () => {
		const { open, sent } = streams({ ...fresh, pieces: ["abcd"] });
		const { head } = await open();
		assert.equal(Buffer.from(head?.body.whole?.() ?? []).toString(), "abcd");
		const { head: again } = await open();
		assert.equal(Buffer.from(again?.body.whole?.() ?? []).toString(), "abcd");
		assert.equal(sent.length, 1);
	});

	it("is kept up to the bound and not a byte longer", async () => {
		for (const [pieces, calls] of [
			[["123456789"], 1],
			[["12345", "67890"], 1],
			[["12345", "67890", "1"], 2],
			[["12345678901"], 2],
		] as const) {
			const { ask, sent } = streams({ ...fresh, pieces });
			assert.equal((await ask()).text, pieces.join(""));
			assert.equal((await ask()).text, pieces.join(""));
			assert.equal(sent.length, calls);
		}
	});

	it("is not kept where it breaks off or is left, and is where all of it came and nobody reads it", async () => {
		const broken = { ...fresh, error: new Error("reset") };
		const { open, ask, sent } = streams(
			broken,
			{ ...fresh, open: true },
			fresh,
		);
		const first = await open();
		await assert.rejects(read(first.head as StreamHead), /reset/);
		await assert.rejects(first.ended, /reset/);
		const left = await open();
		for await (const piece of left.head?.body ?? []) {
			assert.equal(String(piece), "2");
			break;
		}
		await assert.rejects(left.ended);
		await open();
		assert.equal((await ask()).text, "3");
		assert.equal(sent.length, 3);
	});

	it("is not kept where nothing tells its end", async () => {
		const chunked = [...(fresh.headers ?? []), "transfer-encoding", "chunked"];
		for (const [headers, calls] of [
			[fresh.headers, 2],
			[chunked, 1],
		] as const) {
			const reply = { length: null, ...(headers ? { headers } : {}) };
			const { ask, sent } = streams(reply);
			await ask();
			await ask();
			assert.equal(sent.length, calls);
		}
	});

	it("is kept where its status has no content, and nothing tells its length", async () => {
		const none = { ...fresh, status: 204, pieces: [], length: null };
		const { ask, sent } = streams(none);
		for (let time = 0; time < 2; time++) {
			assert.equal((await ask()).status, 204);
		}
		assert.equal(sent.length, 1);
	});

	it("of a client that leaves ends nobody else's", async () => {
		const later = Promise.withResolvers<void>();
		const { open, ask, sent } = streams({ ...fresh, until: later.promise });
		const first = await open();
		const second = ask();
		first.scope.cancel(new Error("the client left"));
		await assert.rejects(first.ended, /left/);
		later.resolve();
		assert.equal((await second).text, "1");
		assert.equal((await ask()).text, "1");
		assert.equal(sent.length, 1);
	});

	it("is not kept where its address was changed meanwhile, or before its last byte was read", async () => {
		for (const when of ["meanwhile", "before"] as const) {
			const reply = when === "meanwhile" ? { ...fresh, open: true } : fresh;
			const all = streams(reply, { status: 204 }, fresh);
			const { open, ask } = all;
			const first = await open();
			await ask({ method: "PUT" });
			if (when === "before")
				assert.equal(await read(first.head as StreamHead), "1");
			else first.scope.cancel(new Error("left"));
			assert.equal((await ask()).text, "3");
			assert.equal((await ask()).text, "3");
		}
	});

	for (const [what, newer] of [
		["may not be kept", { headers: ["cache-control", "no-store"] }],
		["is too long", { ...fresh, length: 11 }],
	] as const) {
		it(`makes the kept one old as soon as its head is there, if it ${what}`, async () => {
			const { ask, open, clock } = streams(
				lasting('"1"'),
				{ ...newer, open: true },
				down,
			);
			await ask();
			await clock.advance(10_000);
			await open();
			await assert.rejects(ask(), { code: "upstream_unreachable" });
		});
	}

	it("leaves the kept one as it is if it fails", async () => {
		const { ask, clock } = streams(lasting('"1"'), { status: 503 }, down);
		await ask();
		await clock.advance(10_000);
		const noCache = { headers: ["cache-control", "no-cache"] };
		assert.equal((await ask(noCache)).status, 503);
		assert.equal((await ask()).text, "1");
	});

	it("is not kept where the route does not say so, and not given there", async () => {
		const { ask, sent } = streams(fresh);
		await ask({ cached: false });
		await ask();
		await ask({ cached: false });
		assert.equal(sent.length, 3);
		assert.equal((await ask()).text, "2");
	});

	it("is kept for no other than what it varies by", async () => {
		const varying = {
			headers: ["cache-control", "max-age=9", "vary", "accept"],
		};
		const { ask, sent } = streams(varying);
		const as = (accept: string) => ask({ headers: ["accept", accept] });
		assert.equal((await as("a")).text, "1");
		assert.equal((await as("b")).text, "2");
		assert.equal((await as("a")).text, "1");
		assert.equal(sent.length, 2);
	});

	it("has the instant at which it came as its date if its upstream sends none (RFC 9110, 6.6.1)", async () => {
		const soon = new Date(Date.now() + 10_000).toUTCString();
		for (const date of [
			[],
			["date", "soon"],
			["date", day(1), "date", day(2)],
		]) {
			const { ask, sent } = streams({ headers: ["expires", soon, ...date] });
			const first = (await ask()).header("date") ?? "";
			assert.ok(Math.abs(Date.now() - Date.parse(first)) < 5000, first);
			assert.equal((await ask()).header("date"), first);
			assert.equal(sent.length, 1);
		}
		const dated = streams({ headers: ["expires", soon, "date", day(1)] });
		assert.equal((await dated.ask()).header("date"), day(1));
	});

	it("is given to a request whose list is written otherwise", async () => {
		const varying = ["cache-control", "max-age=9", "vary", "accept-language"];
		const { ask, sent } = streams({ headers: varying });
		for (const languages of ["en, de", "EN,de", " en ,  De"]) {
			const headers = ["accept-language", languages];
			assert.equal((await ask({ headers })).text, "1");
		}
		// The order may count, and often does.
		await ask({ headers: ["accept-language", "de, en"] });
		assert.equal(sent.length, 2);
	});

	it("and what is done to its address drops it", async () => {
		const { ask } = streams(fresh, { status: 204 }, fresh);
		await ask();
		await ask({ method: "DELETE", cached: false });
		assert.equal((await ask()).text, "3");
	});
});

describe("a client that has the answer", () => {
	it("is told 304 from what is kept, by its tag, and else answered in full", async () => {
		const { ask, sent } = streams(tagged);
		await ask();
		for (const list of ['"1"', 'W/"1"', '"0", "1"', "*"]) {
			const answer = await ask({ headers: ["if-none-match", list] });
			assert.deepEqual([answer.status, answer.text], [304, ""]);
			assert.equal(answer.header("etag"), '"1"');
			assert.equal(answer.header("cache-control"), "max-age=10");
			assert.ok(!answer.header("content-type")?.includes("a/b"));
		}
		const other = await ask({ headers: ["if-none-match", '"2"'] });
		assert.deepEqual([other.status, other.text], [200, "1"]);
		assert.equal(sent.length, 1);
	});

	it("is told with 304 where the content is, and nothing else of it", async () => {
		const headers = ["content-location", "/b", "content-language", "de"];
		const { ask } = streams({
			...tagged,
			headers: [...(tagged.headers ?? []), ...headers],
		});
		await ask();
		const answer = await ask({ headers: ["if-none-match", '"1"'] });
		assert.equal(answer.status, 304);
		assert.equal(answer.header("content-location"), "/b");
		assert.equal(answer.header("content-language"), null);
	});

	it("asks the upstream itself where nothing is kept, and gets its 304", async () => {
		const { ask, sent } = streams(
			{ status: 304, headers: ["etag", '"1"'] },
			tagged,
		);
		const headers = ["if-none-match", '"1"'];
		assert.equal((await ask({ headers })).status, 304);
		assert.deepEqual(sent[0]?.headers, headers);
		assert.equal((await ask()).text, "2", "a 304 keeps nothing");
	});
});

const day = (date: number) => new Date(Date.UTC(2026, 0, date)).toUTCString();

/** An answer of 2 January with these tags, or without, that may be served stale. */
const lasting = (etag: string | null, ...more: string[]): Reply => ({
	headers: [
		"cache-control",
		"max-age=10, stale-if-error=10",
		"last-modified",
		day(2),
		...(etag === null ? [] : ["etag", etag]),
		...more,
	],
});

const down: Reply = {
	error: new GatewayError("upstream_unreachable", "down"),
	beforeHead: true,
};

/** What a client says of its copy, and what the answer is to it: tagged `"1"`, of 2 January (RFC 9110, 13.1). */
const copies: readonly (readonly [string, readonly string[], 200 | 304])[] = [
	["its tag", ["if-none-match", '"1"'], 304],
	["another tag", ["if-none-match", '"2"'], 200],
	[
		"its tag in a second line",
		["if-none-match", '"2"', "if-none-match", '"1"'],
		304,
	],
	["the same instant", ["if-modified-since", day(2)], 304],
	["a later instant", ["if-modified-since", day(3)], 304],
	["an earlier instant", ["if-modified-since", day(1)], 200],
	["no instant", ["if-modified-since", "soon"], 200],
	[
		"two instants",
		["if-modified-since", day(3), "if-modified-since", day(2)],
		200,
	],
	[
		"its tag and an earlier instant",
		["if-none-match", '"1"', "if-modified-since", day(1)],
		304,
	],
	[
		"another tag and its instant",
		["if-none-match", '"2"', "if-modified-since", day(2)],
		200,
	],
];

describe("a client with a copy", () => {
	for (const method of ["GET", "HEAD"]) {
		for (const [title, headers, status] of copies) {
			const asking = { method, headers };
			it(`by ${method}, with ${title}, is answered ${status} from what is kept`, async () => {
				const { ask, sent } = streams(lasting('"1"'));
				await ask();
				assert.equal((await ask(asking)).status, status);
				assert.equal(sent.length, 1);
			});

			it(`by ${method}, with ${title}, is answered ${status} from a stale answer if the upstream is down`, async () => {
				for (const failing of [down, { status: 503 }]) {
					const { ask, clock, sent } = streams(lasting('"1"'), failing);
					await ask();
					await clock.advance(10_000);
					const answer = await ask(asking);
					assert.equal(answer.status, status);
					assert.equal(answer.header("age"), "10");
					assert.equal(sent.length, 2);
				}
			});

			it(`by ${method}, with ${title}, is answered ${status} while a refresh for all is under way`, async () => {
				const swr = ["cache-control", "max-age=10, stale-while-revalidate=10"];
				const reply = {
					headers: [...swr, "etag", '"1"', "last-modified", day(2)],
				};
				const { ask, clock, sent } = streams(reply, reply);
				await ask();
				await clock.advance(10_000);
				assert.equal((await ask(asking)).status, status);
				await clock.advance(0);
				assert.equal(sent[1]?.method, "GET");
				assert.deepEqual(sent[1]?.headers, ["if-none-match", '"1"']);
				assert.equal((await ask()).text, "2");
			});

			it(`by ${method}, with ${title}, makes a stale answer fresh that a 304 confirms`, async () => {
				const confirmed = { status: 304, headers: ["etag", '"1"'] };
				const { ask, clock, sent } = streams(lasting('"1"'), confirmed);
				await ask();
				await clock.advance(10_000);
				assert.equal((await ask(asking)).status, status);
				assert.equal((await ask()).text, "1");
				assert.equal(sent.length, 2);
				assert.match(
					headerOf(sent[1]?.headers ?? [], "if-none-match") ?? "",
					/^"1"/,
				);
			});
		}
	}

	it("that is newer than the kept one is asked about too, and the kept one goes", async () => {
		const newer = { status: 304, headers: ["etag", '"2"'] };
		const { ask, clock, sent } = streams(lasting('"1"'), newer, lasting('"2"'));
		await ask();
		await clock.advance(10_000);
		const known = await ask({ headers: ["if-none-match", '"2"'] });
		assert.deepEqual([known.status, known.header("etag")], [304, '"2"']);
		assert.deepEqual(sent[1]?.headers, ["if-none-match", '"1", "2"']);
		assert.equal((await ask()).text, "3");
		assert.deepEqual(sent[2]?.headers, []);
	});

	it("is not told 304 by one that names no tag after two were asked about", async () => {
		const { ask, clock, sent } = streams(
			lasting('"1"'),
			{ status: 304 },
			lasting('"3"'),
		);
		await ask();
		await clock.advance(10_000);
		const headers = ["if-none-match", '"2"'];
		const answer = await ask({ headers });
		assert.deepEqual([answer.status, answer.text], [200, "3"]);
		assert.deepEqual(sent[2]?.headers, headers);
	});

	it("is answered by the instant of an answer without a tag, asked about by that instant", async () => {
		const { ask, clock, sent } = streams(lasting(null), { status: 304 });
		await ask();
		await clock.advance(10_000);
		const headers = ["if-modified-since", day(3)];
		assert.equal((await ask({ headers })).status, 304);
		assert.deepEqual(sent[1]?.headers, ["if-modified-since", day(2)]);
		assert.equal((await ask({ headers })).status, 304);
		assert.equal(sent.length, 2);
	});

	it("with a tag, is answered by an answer without one that its instant confirms", async () => {
		const { ask, clock, sent } = streams(lasting(null), { status: 304 });
		await ask();
		await clock.advance(10_000);
		const answer = await ask({ headers: ["if-none-match", '"1"'] });
		assert.deepEqual([answer.status, answer.text], [200, "1"]);
		assert.deepEqual(sent[1]?.headers, ["if-modified-since", day(2)]);
		assert.equal((await ask()).text, "1");
		assert.equal(sent.length, 2);
	});

	it("is answered by `Date` where nothing says when it changed (RFC 9111, 4.3.2)", async () => {
		const dated = ["cache-control", "max-age=9", "date", day(2)];
		const { ask } = streams({ headers: dated });
		await ask();
		for (const [instant, status] of [
			[day(1), 200],
			[day(2), 304],
		] as const) {
			const headers = ["if-modified-since", instant];
			assert.equal((await ask({ headers })).status, status);
		}
	});

	it("is answered as everybody if the answer is a failure (RFC 9110, 13.2.1)", async () => {
		const { ask } = streams({ ...lasting('"1"'), status: 404 });
		await ask();
		const headers = ["if-none-match", '"1"'];
		assert.equal((await ask({ headers })).status, 404);
	});

	it("shares one call with all who miss at once, if the kept answer can be confirmed", async () => {
		const later = Promise.withResolvers<void>();
		const confirmed = { status: 304, headers: ["etag", '"1"'] };
		const { ask, clock, sent } = streams(
			lasting('"1"'),
			{ ...lasting('"1"'), until: later.promise },
			confirmed,
		);
		await ask();
		await clock.advance(10_000);
		const headers = ["if-none-match", '"1"'];
		const asked = [ask({ headers }), ask(), ask({ headers })];
		later.resolve();
		const answers = await Promise.all(asked);
		assert.deepEqual(
			answers.map(({ status }) => status),
			[200, 200, 304],
		);
		assert.equal(sent.length, 2);
	});
});

describe("a request for no old answer", () => {
	it("lets the upstream confirm the kept one, and is not given it if that fails", async () => {
		const confirmed = { status: 304, headers: ["etag", '"1"'] };
		for (const wish of ["no-cache", "max-age=0"]) {
			const { ask, clock, sent } = streams(lasting('"1"'), confirmed, down);
			await ask();
			await clock.advance(5000);
			const headers = ["cache-control", wish];
			const answer = await ask({ headers });
			assert.deepEqual([answer.status, answer.text], [200, "1"]);
			assert.deepEqual(sent[1]?.headers, [...headers, "if-none-match", '"1"']);
			await clock.advance(9000);
			await ask();
			assert.equal(sent.length, 2, "it is fresh again");
			await assert.rejects(ask({ headers }), /down/);
		}
	});
});

describe("HEAD", () => {
	it("is answered by what is kept of GET", async () => {
		const { ask, sent } = streams({ ...fresh, pieces: ["abcd"] });
		await ask();
		const head = await ask({ method: "HEAD" });
		assert.deepEqual([head.status, head.text, head.length], [200, "", 4]);
		assert.equal(sent.length, 1);
	});

	it("drops what its answer shows to be old", async () => {
		for (const [etag, text] of [
			['"1"', "1"],
			['"2"', "3"],
		] as const) {
			const { ask } = streams(lasting('"1"'), lasting(etag), fresh);
			await ask();
			const headers = ["cache-control", "no-cache"];
			await ask({ method: "HEAD", headers });
			assert.equal((await ask()).text, text);
		}
	});

	it("keeps nothing", async () => {
		const { ask, sent } = streams(fresh);
		await ask({ method: "HEAD" });
		assert.equal((await ask()).text, "2");
		assert.equal(sent.length, 2);
	});
});

describe("an answer whose time is over", () => {
	it("is validated, and given where it is confirmed", async () => {
		const confirmed = { status: 304, headers: ["etag", '"1"'] };
		const { ask, sent, clock } = streams(tagged, confirmed);
		await ask();
		await clock.advance(10_000);
		const again = await ask();
		assert.deepEqual([again.status, again.text], [200, "1"]);
		assert.deepEqual(sent[1]?.headers, ["if-none-match", '"1"']);
		await ask();
		assert.equal(sent.length, 2, "it is fresh again");
	});

	it("is as old as the 304 says that confirms it", async () => {
		const confirmed = { status: 304, headers: ["etag", '"1"', "age", "4"] };
		const { ask, clock } = streams(tagged, confirmed);
		await ask();
		await clock.advance(10_000);
		assert.equal((await ask()).header("age"), "4");
		await clock.advance(1000);
		assert.equal((await ask()).header("age"), "5");
	});

	it("is asked for without a condition where a 304 is about another", async () => {
		const other = { status: 304, headers: ["etag", '"2"'] };
		const { ask, sent, clock } = streams(tagged, other, fresh);
		await ask();
		await clock.advance(10_000);
		assert.equal((await ask()).text, "3");
		assert.deepEqual(sent[2]?.headers, []);
	});

	it("stands in where the upstream fails, for as long as it may", async () => {
		const sie = { headers: ["cache-control", "max-age=10, stale-if-error=10"] };
		const error = new GatewayError("upstream_unreachable", "down");
		const down = { error, beforeHead: true };
		for (const failing of [down, { status: 503, open: true }]) {
			const { ask, clock, open } = streams(sie, failing);
			await ask();
			await clock.advance(10_000);
			const stale = await ask();
			assert.deepEqual([stale.text, stale.header("age")], ["1", "10"]);
			await clock.advance(10_000);
			const { head, ended, scope } = await open();
			assert.equal(head?.status, failing === down ? undefined : 503);
			scope.cancel(new Error("enough"));
			await assert.rejects(ended);
		}
	});

	it("does not stand in for one that breaks off later", async () => {
		const sie = ["cache-control", "max-age=10, stale-if-error=10"];
		const error = new GatewayError("upstream_unreachable", "reset");
		const { ask, clock, open } = streams({ headers: sie }, { error });
		await ask();
		await clock.advance(10_000);
		const { heads, ended } = await open();
		await assert.rejects(ended, (thrown) => thrown === error);
		assert.equal(heads.length, 1);
	});

	it("is asked about no more where a 304 has shown it to be old", async () => {
		const other = { status: 304, headers: ["etag", '"2"'] };
		const error = new GatewayError("upstream_unreachable", "down");
		const { ask, sent, clock } = streams(
			tagged,
			other,
			{ error, beforeHead: true },
			fresh,
		);
		await ask();
		await clock.advance(10_000);
		await assert.rejects(ask(), (thrown) => thrown === error);
		await ask();
		assert.deepEqual(sent[3]?.headers, []);
	});

	it("is asked for anew in bounded time, once", async () => {
		const swr = ["cache-control", "max-age=10, stale-while-revalidate=10"];
		const { open, ask, clock, sent, context } = streams(
			{ headers: swr },
			{ headers: swr, open: true },
		);
		await ask();
		await clock.advance(10_000);
		await open();
		await open();
		assert.equal(sent.length, 2);
		await clock.advance(60_000);
		assert.equal(context.scope.listeners, 0);
		assert.equal(clock.pending, 0);
	});

	it("tells that a refresh has failed, with the reason, and the next one why", async () => {
		const swr = ["cache-control", "max-age=10, stale-while-revalidate=20"];
		const error = new GatewayError("upstream_unreachable", "down");
		for (const [failing, code] of [
			[{ error, beforeHead: true }, "upstream_unreachable"],
			[{ status: 503 }, "upstream_status"],
		] as const) {
			const { ask, clock, told } = streams({ headers: swr }, failing);
			await ask();
			await clock.advance(10_000);
			assert.equal((await ask()).text, "1");
			await clock.advance(0);
			assert.equal((await ask()).text, "1", "it is asked for again");
			assert.deepEqual(told.slice(1, 4), [
				"stale: refreshing",
				`refresh_failed: ${code}`,
				`stale: ${code}`,
			]);
		}
	});

	it("is given at once while it is asked for anew, once", async () => {
		const swr = {
			headers: ["cache-control", "max-age=10, stale-while-revalidate=10"],
		};
		const { open, ask, clock, sent, context } = streams(swr, swr);
		await ask();
		await clock.advance(10_000);
		const [first, second] = [await open(), await open()];
		assert.equal(await read(first.head as StreamHead), "1");
		assert.ok(second.head);
		await clock.advance(0);
		assert.equal((await ask()).text, "2");
		assert.equal(sent.length, 2);
		assert.equal(context.scope.listeners, 0);
		assert.equal(clock.pending, 0);
	});
});

describe("a request for a part", () => {
	const lasts: Reply = {
		pieces: ["0123456789"],
		headers: [
			...["cache-control", "max-age=10", "etag", '"1"'],
			...["last-modified", day(2), "date", day(3)],
		],
	};
	for (const [range, status, text, place] of [
		["bytes=0-0", 206, "0", "bytes 0-0/10"],
		["bytes=2-4", 206, "234", "bytes 2-4/10"],
		["bytes=7-", 206, "789", "bytes 7-9/10"],
		["bytes=7-99", 206, "789", "bytes 7-9/10"],
		["bytes=-3", 206, "789", "bytes 7-9/10"],
		["bytes=-99", 206, "0123456789", "bytes 0-9/10"],
		["Bytes=0-1", 206, "01", "bytes 0-1/10"],
		["bytes=10-", 416, "", "bytes */10"],
		["bytes=-0", 416, "", "bytes */10"],
	] as const) {
		it(`of ${range} is answered ${status} from the whole that is kept`, async () => {
			const { ask, sent, clock } = streams(lasts);
			await ask();
			await clock.advance(1000);
			const part = await ask({ headers: ["range", range] });
			assert.deepEqual([part.status, part.text], [status, text]);
			assert.equal(part.header("content-range"), place);
			assert.equal(part.length, text.length);
			if (status === 206) assert.equal(part.header("age"), "1");
			assert.equal(sent.length, 1);
		});
	}

	for (const range of [
		"bytes=0-1,3-4",
		"bytes=4-2",
		"bytes=-",
		"bytes=a-b",
		"lines=0-1",
	]) {
		it(`of ${range} is answered with the whole that is kept, or else by the upstream (RFC 9110, 14.2)`, async () => {
			const { ask, sent, clock } = streams(lasts);
			await ask();
			const headers = ["range", range];
			const whole = await ask({ headers });
			assert.deepEqual([whole.status, whole.text], [200, "0123456789"]);
			assert.equal(whole.header("content-range"), null);
			assert.equal(sent.length, 1);
			await clock.advance(10_000);
			await ask({ headers });
			assert.deepEqual(sent[1]?.headers, headers);
		});
	}

	it("by HEAD is no such request (RFC 9110, 14.2)", async () => {
		const { ask, sent } = streams(lasts);
		await ask();
		const headers = ["range", "bytes=0-1"];
		const answer = await ask({ method: "HEAD", headers });
		assert.deepEqual([answer.status, answer.length], [200, 10]);
		assert.equal(sent.length, 1);
	});

	for (const [of, status] of [
		['"1"', 206],
		['"2"', 200],
		['W/"1"', 200],
		[day(2), 206],
		[day(3), 200],
		["soon", 200],
	] as const) {
		it(`of the answer ${of} is answered ${status} (RFC 9110, 13.1.5)`, async () => {
			const { ask } = streams(lasts);
			await ask();
			const headers = ["range", "bytes=0-1", "if-range", of];
			const answer = await ask({ headers });
			assert.equal(answer.status, status);
			assert.equal(answer.text, status === 206 ? "01" : "0123456789");
		});
	}

	it("of what the client has is answered 304, and of a failure whole", async () => {
		const range = ["range", "bytes=0-1"];
		const { ask } = streams(lasts);
		await ask();
		const headers = [...range, "if-none-match", '"1"'];
		assert.equal((await ask({ headers })).status, 304);
		const failing = streams({ ...lasts, status: 404 });
		await failing.ask();
		assert.equal((await failing.ask({ headers: range })).status, 404);
	});

	const range = ["range", "bytes=0-1"];

	it("of a stale answer asks whether that still holds, and is answered from it if so", async () => {
		const confirmed: Reply = { status: 304, headers: ["etag", '"1"'] };
		const { ask, sent, clock } = streams(lasts, confirmed);
		await ask();
		await clock.advance(10_000);
		const answer = await ask({ headers: range });
		assert.deepEqual([answer.status, answer.text], [206, "01"]);
		assert.deepEqual(sent[1]?.headers, [...range, "if-none-match", '"1"']);
		assert.equal((await ask()).text, "0123456789");
		assert.equal(sent.length, 2);
	});

	it("of a stale answer that has changed is answered as the upstream does", async () => {
		const part: Reply = {
			status: 206,
			headers: [
				...["cache-control", "max-age=10", "etag", '"2"'],
				...["content-range", "bytes 0-1/10"],
			],
			pieces: ["ab"],
		};
		const { ask, sent, clock } = streams(lasts, part, lasts);
		await ask();
		await clock.advance(10_000);
		assert.equal((await ask({ headers: range })).text, "ab");
		assert.equal((await ask({ headers: range })).text, "ab");
		assert.equal(sent.length, 2);
		await ask();
		assert.ok(!sent[2]?.headers.includes("if-none-match"), "it is dropped");
	});

	it("is answered from a stale answer if the upstream is down, or asked meanwhile", async () => {
		const all = streams({ ...lasting('"1"'), pieces: ["0123456789"] }, down);
		await all.ask();
		await all.clock.advance(10_000);
		const standIn = await all.ask({ headers: range });
		assert.deepEqual([standIn.status, standIn.text], [206, "01"]);
		const swr = ["cache-control", "max-age=1, stale-while-revalidate=9"];
		const other = streams({ headers: swr, pieces: ["0123456789"] });
		await other.ask();
		await other.clock.advance(2000);
		assert.equal((await other.ask({ headers: range })).text, "01");
	});

	it("has its 200 kept, and no other answer but a part", async () => {
		const never: Reply = { ...fresh, status: 416, pieces: ["no"] };
		const { ask, sent } = streams(never, lasts);
		assert.equal((await ask({ headers: range })).status, 416);
		assert.equal((await ask({ headers: range })).status, 200);
		assert.equal((await ask()).text, "0123456789");
		assert.equal(sent.length, 2);
	});
});

describe("a request for what is kept alone (RFC 9111, 5.2.1.7)", () => {
	for (const method of ["GET", "HEAD"]) {
		it(`by ${method} gets that, or 504 without asking`, async () => {
			const { ask, sent, clock } = streams(fresh);
			const asking = { method, headers: ["cache-control", "only-if-cached"] };
			const refused = { code: "not_cached", status: 504 };
			await assert.rejects(ask(asking), refused);
			assert.equal(sent.length, 0);
			await ask();
			assert.equal((await ask(asking)).status, 200);
			await clock.advance(10_000);
			await assert.rejects(ask(asking), refused);
			assert.equal(sent.length, 1);
		});
	}

	it("gets a part of that, and 504 for a part of what is not kept", async () => {
		const { ask, sent } = streams({ ...fresh, pieces: ["0123456789"] });
		const only = ["cache-control", "only-if-cached", "range", "bytes=0-1"];
		await assert.rejects(ask({ headers: only }), { code: "not_cached" });
		await ask();
		assert.equal((await ask({ headers: only })).text, "01");
		assert.equal(sent.length, 1);
	});
});

describe("Cache-Status (RFC 9211)", () => {
	const statusOf = async (
		{ ask }: ReturnType<typeof streams>,
		headers: readonly string[] = [],
		method = "GET",
	) => (await ask({ headers, method })).header("cache-status");

	it("says that an answer is being kept, and how long it is fresh", async () => {
		const all = streams(fresh);
		assert.equal(await statusOf(all), "sluice; fwd=uri-miss; stored");
		await all.clock.advance(2500);
		assert.equal(await statusOf(all), "sluice; hit; ttl=7");
		assert.equal(await statusOf(all, [], "HEAD"), "sluice; hit; ttl=7");
	});

	for (const [what, reply] of [
		["may not be kept", { headers: ["cache-control", "no-store"] }],
		["says nothing", {}],
		["is too long", { ...fresh, pieces: ["12345678901"] }],
		[
			"has no length, and may grow too long",
			{
				headers: [...(fresh.headers ?? []), "transfer-encoding", "chunked"],
				length: null,
			},
		],
	] as const) {
		it(`does not say so of an answer that ${what}`, async () => {
			assert.equal(await statusOf(streams(reply)), "sluice; fwd=uri-miss");
		});
	}

	it("says why the upstream was asked", async () => {
		const confirmed = { status: 304, headers: ["etag", '"1"'] };
		const all = streams(
			lasting('"1"'),
			confirmed,
			confirmed,
			down,
			{ status: 503 },
			fresh,
		);
		await all.ask();
		const noCache = ["cache-control", "no-cache"];
		const asked = "fwd-status=304";
		assert.equal(await statusOf(all, noCache), `sluice; fwd=request; ${asked}`);
		const noStore = ["cache-control", "no-store"];
		await all.clock.advance(10_000);
		assert.equal(await statusOf(all), `sluice; fwd=stale; ${asked}`);
		await all.clock.advance(12_000);
		assert.equal(
			await statusOf(all),
			"sluice; fwd=stale; detail=upstream_unreachable; ttl=-2",
		);
		assert.equal(
			await statusOf(all),
			"sluice; fwd=stale; fwd-status=503; ttl=-2",
		);
		assert.equal(await statusOf(all, noStore), "sluice; fwd=stale");
		assert.equal(await statusOf(all, [], "POST"), "sluice; fwd=method");
		assert.equal(await statusOf(all, [], "OPTIONS"), "sluice; fwd=method");
		assert.equal(await statusOf(all, noStore), "sluice; fwd=uri-miss");
	});

	it("tells another variant from nothing, and a part from the whole", async () => {
		const varying = ["cache-control", "max-age=9", "vary", "accept"];
		const all = streams({ headers: varying });
		await statusOf(all, ["accept", "a"]);
		const other = await statusOf(all, ["accept", "b"]);
		assert.equal(other, "sluice; fwd=vary-miss; stored");
		const noStore = ["cache-control", "no-store", "accept", "a"];
		assert.equal(await statusOf(all, noStore), "sluice; fwd=request");
	});

	it("says that a request with a body is none of its own", async () => {
		const { ask } = streams(fresh);
		const body = streamOf(Buffer.from("x"));
		const answer = await ask({ body });
		assert.equal(answer.header("cache-status"), "sluice; fwd=bypass");
	});

	it("says that another's answer was waited for", async () => {
		const later = Promise.withResolvers<void>();
		const all = streams({ ...fresh, until: later.promise });
		const first = await all.open();
		const second = statusOf(all);
		later.resolve();
		await first.ended;
		const said = "sluice; fwd=uri-miss; collapsed; ttl=10";
		assert.equal(await second, said);
	});

	it("says nothing if the route keeps nothing", async () => {
		for (const method of ["GET", "POST"]) {
			const { ask } = streams(fresh);
			const answer = await ask({ method, cached: false });
			assert.equal(answer.header("cache-status"), null);
		}
	});

	it("says that a stale answer was given while a newer one is asked for", async () => {
		const swr = ["cache-control", "max-age=1, stale-while-revalidate=9"];
		const all = streams({ headers: swr });
		await all.ask();
		await all.clock.advance(3000);
		assert.equal(await statusOf(all), "sluice; hit; ttl=-2");
	});

	it("stands behind those of caches before, and is kept with none", async () => {
		const before = ["cache-status", "cdn; hit"];
		const { open } = streams({
			headers: [...(fresh.headers ?? []), ...before],
		});
		for (const own of ["sluice; fwd=uri-miss; stored", "sluice; hit; ttl=10"]) {
			const { head } = await open();
			if (head) await read(head);
			const values = allHeadersOf(head?.headers ?? [], "cache-status");
			assert.deepEqual(values, ["cdn; hit", own]);
		}
	});
});
