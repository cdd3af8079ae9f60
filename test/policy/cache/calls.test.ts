import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import { type ErrorCode, GatewayError } from "../../../src/core/errors.ts";
import { headerOf } from "../../../src/core/http/headers.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../../../src/core/http/messages.ts";
import { Memory } from "../../../src/core/memory.ts";
import {
	type CacheContext,
	type CacheOptions,
	cache,
} from "../../../src/policy/cache/cache.ts";
import { coalesce } from "../../../src/policy/coalesce.ts";
import type { PolicyContext } from "../../../src/policy/policy.ts";
import { promised } from "../../../src/policy/promised.ts";
import {
	openScope,
	outcomeOf,
	virtualClock,
} from "../../../src/tasks/index.ts";
import {
	contextOf,
	played,
	policySetting,
	requestOf,
} from "../../kit/policy.ts";
import { conforms } from "../conformance.ts";

const options: CacheOptions = {
	forMs: null,
	staleMs: 0,
	ifErrorMs: 0,
	bytesMax: 1024 ** 2,
	entriesMax: 100,
	answerBytesMax: 1000,
};

/** The same context, of a cache. */
function ofCache(context: PolicyContext): CacheContext {
	const scope = openScope({ clock: context.clock });
	const origins = ["http://users.test"];
	const known = { origins, credentials: new Map(), coalesced: false };
	return { ...context, ...known, scope };
}

conforms(
	"cache",
	() => cache(options, ofCache(contextOf(virtualClock()))).call,
);

type Reply = {
	readonly status?: number;
	readonly headers?: readonly string[];
	readonly body?: string;
	readonly afterMs?: number;
	readonly error?: Error;
};

/** The cache around an upstream of replies, one after another, the last for ever. */
function cached(
	changes: Partial<CacheOptions & CacheContext> = {},
	...replies: Reply[]
) {
	const setting = policySetting("cache");
	const { clock, told } = setting;
	const context = { ...ofCache(setting.context), ...changes };
	const { scope } = context;
	const sent: UpstreamRequest[] = [];
	const wire = played((request, callScope) => {
		const reply = replies[Math.min(sent.length, replies.length - 1)] ?? {};
		sent.push(request);
		return new Promise((resolve, reject) => {
			const answer = () => {
				stop();
				if (reply.error) reject(reply.error);
				else resolve(responseOf(reply, sent.length));
			};
			const timer = clock.after(reply.afterMs ?? 0, answer);
			const stop = callScope.onCancel((reason) => {
				timer.cancel();
				reject(reason);
			});
		});
	});
	const ifErrorMs = changes.staleMs ?? 0;
	const settings = { ...options, ifErrorMs, ...changes };
	const call = promised(cache(settings, context).call(wire));
	const send = (
		request: Partial<UpstreamRequest> = {},
		deadline = Infinity,
	) => {
		const own = openScope({
			clock,
			deadline,
			deadlineReason: () => new GatewayError("deadline_exceeded", "late"),
		});
		const outcome = outcomeOf(call(requestOf({ safe: true, ...request }), own));
		return { scope: own, outcome };
	};
	/** Asks, and moves the clock on until all is answered. */
	const ask = async (request: Partial<UpstreamRequest> = {}) => {
		const { outcome, scope: own } = send(request);
		await clock.settle();
		const ended = await outcome;
		assert.equal(own.listeners, 0, "a listener was left");
		assert.equal(scope.listeners, 0, "a refresh was left");
		if (!ended.ok) throw ended.error;
		return ended.value;
	};
	const textOf = ({ body }: UpstreamResponse) => new TextDecoder().decode(body);
	const askText = async (request?: Partial<UpstreamRequest>) =>
		textOf(await ask(request));
	return { clock, scope, sent, send, ask, askText, textOf, told };
}

/** The body is the number of the call unless said otherwise. */
function responseOf(
	{ status = 200, headers = [], body }: Reply,
	count: number,
): UpstreamResponse {
	const bytes = new TextEncoder().encode(body ?? String(count));
	return { status, headers, body: status === 304 ? new Uint8Array() : bytes };
}

const control = (value: string, ...more: string[]): Reply => ({
	headers: ["cache-control", value, ...more],
});
const down = (code: ErrorCode = "upstream_unreachable"): Reply => ({
	error: new GatewayError(code, "down"),
});
describe("a fresh answer", () => {
	it("is given without asking, until its time is over", async () => {
		const { ask, askText, clock, sent, told } = cached(
			{},
			control("max-age=10"),
		);
		const first = await ask();
		assert.equal(first.freshness?.untilMs, 10_000);
		await clock.advance(9_999);
		const second = await ask();
		assert.equal(second.body, first.body);
		assert.equal(sent.length, 1);
		await clock.advance(1);
		assert.equal(await askText(), "2");
		assert.deepEqual(told, ["miss", "hit"]);
	});

	it("is counted from when it was asked for, and its age taken off", async () => {
		const { ask, askText, clock } = cached(
			{},
			{ ...control("max-age=10", "age", "4"), afterMs: 3000 },
		);
		assert.equal((await ask()).freshness?.untilMs, 6000);
		await clock.advance(2_999);
		assert.equal(await askText(), "1");
		await clock.advance(1);
		assert.equal(await askText(), "2");
	});

	it("is decoded once, and frozen", async () => {
		const { ask } = cached({}, { ...control("max-age=10"), body: '{"a":[1]}' });
		const first = await ask();
		const second = await ask();
		let parsed = 0;
		const parse = () => {
			parsed++;
			return JSON.parse('{"a":[1]}');
		};
		const value = first.decoded?.of("json", parse) as { a: number[] };
		assert.equal(second.decoded?.of("json", parse), value);
		assert.equal(parsed, 1);
		assert.throws(() => value.a.push(2), TypeError);
	});

	it("is not given to one who has left", async () => {
		const { ask, clock } = cached({}, control("max-age=10"));
		await ask();
		const own = openScope({ clock });
		own.cancel("gone");
		const wire = played(async () => responseOf({}, 1));
		const call = promised(cache(options, ofCache(contextOf(clock))).call(wire));
		const asked = call(requestOf({ safe: true }), own);
		await assert.rejects(asked, (thrown) => thrown === "gone");
	});
});

describe("what is never kept", () => {
	const never: Record<string, Reply> = {
		"no-store": control("no-store, max-age=60"),
		private: control("private, max-age=60"),
		"private of a field": control('private="x, max-age=60", max-age=60'),
		"NO-STORE in capitals": control("No-Store, max-age=60"),
		"without a word": { headers: [] },
		"Vary: *": control("max-age=60", "vary", "*"),
		"Vary: * among others": control("max-age=60", "vary", "accept, *"),
		"a part": { ...control("max-age=60"), status: 206 },
		"a status that says nothing": { ...control("immutable"), status: 299 },
		"an error that says nothing": { ...control("immutable"), status: 500 },
		"a 304 to nobody's question": { ...control("max-age=60"), status: 304 },
		"another's cookie": control("max-age=60", "set-cookie", "a=1"),
		"what is stale when it comes": control("max-age=60", "age", "60"),
		"two ages that disagree": control("max-age=60, max-age=90"),
		"an age that is none": control("max-age=soon"),
		"an Expires that is over, without a Date": {
			headers: ["expires", "Thu, 01 Jan 2026 00:00:00 GMT"],
		},
	};
	for (const [name, reply] of Object.entries(never)) {
		it(name, async () => {
			const { ask, sent } = cached({}, reply);
			await ask();
			await ask();
			assert.equal(sent.length, 2);
			assert.equal(sent[1]?.headers.length, 0, "it has a condition");
		});
	}

	it("but an Expires without a Date counts from when the answer came (RFC 9110, 6.6.1)", async () => {
		const headers = ["expires", "Thu, 01 Jan 2099 00:00:00 GMT"];
		const { ask, sent } = cached({}, { headers });
		await ask();
		const { headers: kept } = await ask();
		assert.equal(sent.length, 1);
		assert.ok(
			Math.abs(Date.now() - Date.parse(headerOf(kept, "date") ?? "")) < 5000,
		);
	});

	it("an answer that is too long, by one byte", async () => {
		for (const [length, calls] of [
			[999, 1],
			[1000, 1],
			[1001, 2],
		] as const) {
			const body = "x".repeat(length);
			const { ask, sent } = cached({}, { ...control("max-age=60"), body });
			await ask();
			await ask();
			assert.equal(sent.length, calls, `${length} bytes`);
		}
	});

	it("an answer to a request that says so, or that asks for a part or on a condition", async () => {
		for (const headers of [
			["cache-control", "no-store"],
			["range", "bytes=0-1"],
			["if-none-match", '"a"'],
			["if-modified-since", "Thu, 01 Jan 2026 00:00:00 GMT"],
			["if-match", "*"],
			["if-range", '"a"'],
			["if-unmodified-since", "x"],
		]) {
			const { ask, sent } = cached({}, control("max-age=60"));
			await ask({ headers });
			await ask({ headers });
			await ask();
			assert.equal(sent.length, 3, headers.join(": "));
			assert.equal(sent[0]?.headers, headers);
		}
	});

	it("an answer that came while its address was changed", async () => {
		const { send, clock, sent, ask, askText } = cached(
			{},
			{ ...control("max-age=60"), afterMs: 100 },
			{ status: 204, afterMs: 10 },
			control("max-age=60"),
		);
		const read = send();
		const write = send({ method: "PUT", safe: false });
		await clock.settle();
		const [old] = await Promise.all([read.outcome, write.outcome]);
		assert.ok(old.ok);
		assert.equal(old.value.freshness?.untilMs, 0, "nor is it called fresh");
		assert.equal(await askText(), "3");
		await ask();
		assert.equal(sent.length, 3);
	});
});

describe("what may be kept", () => {
	const date = ["date", "Thu, 01 Jan 2026 00:00:00 GMT"];
	const kept: Record<string, Reply> = {
		"max-age": control("max-age=60"),
		"MAX-AGE in capitals, quoted": control('Max-Age="60"'),
		"s-maxage goes before max-age": control("max-age=0, s-maxage=60"),
		"Cache-Control goes before Expires": control("max-age=60", "expires", "0"),
		Expires: {
			headers: [...date, "expires", "Thu, 01 Jan 2026 00:01:00 GMT"],
		},
		"must-revalidate while it is fresh": control("max-age=60, must-revalidate"),
		"proxy-revalidate while it is fresh": control(
			"max-age=60, proxy-revalidate",
		),
		"a cookie that is everybody's": control(
			"public, max-age=60",
			"set-cookie",
			"a=1",
		),
		"a 404": { ...control("max-age=60"), status: 404 },
		"a 302 that says so": { ...control("max-age=60"), status: 302 },
		"a directive with a comma in quotes": control(
			'x="a, no-store", max-age=60',
		),
		"an age that is none counts as new": control("max-age=60", "age", "-70"),
		"many years": control("max-age=99999999999999999999"),
	};
	for (const [name, reply] of Object.entries(kept)) {
		it(name, async () => {
			const { ask, sent, clock } = cached({}, reply);
			await ask();
			await clock.advance(59_999);
			await ask();
			assert.equal(sent.length, 1);
		});
	}

	it("the silent for the author's time, where their status lasts", async () => {
		for (const [status, calls] of [
			[200, 1],
			[404, 1],
			[301, 1],
			[302, 2],
			[405, 2],
			[500, 2],
			[501, 2],
		] as const) {
			const { ask, sent, clock } = cached({ forMs: 1000 }, { status });
			await ask();
			await clock.advance(999);
			await ask();
			assert.equal(sent.length, calls, `${status}`);
			await clock.advance(1);
			await ask();
			assert.equal(sent.length, calls + 1, `${status}`);
		}
	});

	it("not the author's time for one who speaks", async () => {
		for (const headers of [
			["cache-control", "no-cache"],
			["cache-control", "max-age=0"],
			["expires", "0"],
			["pragma", "no-cache"],
		]) {
			const { ask, sent } = cached({ forMs: 1000 }, { headers });
			await ask();
			await ask();
			assert.equal(sent.length, 2, headers.join(": "));
		}
	});
});

describe("a request's own wishes", () => {
	async function askedTwice(value: string, afterMs = 5000) {
		const { ask, sent, clock } = cached(
			{},
			control("max-age=10, stale-while-revalidate=60", "etag", '"1"'),
		);
		await ask();
		await clock.advance(afterMs);
		await ask({ headers: ["cache-control", value] });
		return sent.length;
	}
	for (const [value, calls] of [
		["max-age=5", 1],
		["max-age=4", 2],
		["min-fresh=4", 1],
		["min-fresh=5", 2],
		["no-cache", 2],
		["max-age=0", 2],
		["max-stale=100", 1],
		["max-stale=100, max-age=4", 2],
		["max-stale=100, min-fresh=5", 1],
		["no-transform", 1],
	] as const) {
		it(`${value}: ${calls === 1 ? "given" : "asked"}`, async () => {
			assert.equal(await askedTwice(value), calls);
		});
	}

	it("max-age counts how old an answer was when it came", async () => {
		const { ask, sent } = cached({}, control("max-age=10", "age", "4"));
		await ask();
		await ask({ headers: ["cache-control", "max-age=4"] });
		assert.equal(sent.length, 1);
		await ask({ headers: ["cache-control", "max-age=3"] });
		assert.equal(sent.length, 2);
	});

	for (const [said, atMs, calls] of [
		["max-stale=5", 14_999, 1],
		["max-stale=5", 15_000, 2],
		["max-stale", 1_000_000, 1],
		["max-stale=x", 10_000, 2],
		["max-stale=5, no-cache", 12_000, 2],
		["max-stale=5, only-if-cached", 12_000, 1],
	] as const) {
		it(`${said} takes an answer ${atMs} ms after it was asked for: ${calls === 1}`, async () => {
			const { ask, clock, sent, told } = cached({}, control("max-age=10"));
			await ask();
			await clock.advance(atMs);
			const { freshness } = await ask({ headers: ["cache-control", said] });
			assert.equal(sent.length, calls);
			const stale = calls === 1 ? { error: null } : null;
			assert.deepEqual(freshness?.stale, stale);
			if (calls === 1) assert.equal(told.at(-1), "stale");
		});
	}

	for (const forbids of [
		"max-age=10, must-revalidate",
		"max-age=10, proxy-revalidate",
		"s-maxage=10",
		"max-age=10, no-cache",
	]) {
		it(`max-stale takes nothing that the upstream forbids: ${forbids}`, async () => {
			const { ask, askText, clock } = cached(
				{},
				control(forbids, "etag", '"1"'),
			);
			await ask();
			await clock.advance(11_000);
			const headers = ["cache-control", "max-stale=1000"];
			assert.equal(await askText({ headers }), "2");
		});
	}

	it("no-cache in Pragma counts where nothing else is said", async () => {
		const { ask, sent } = cached({}, control("max-age=10"));
		await ask();
		await ask({
			headers: ["pragma", "no-cache", "cache-control", "max-age=5"],
		});
		assert.equal(sent.length, 1);
		await ask({ headers: ["pragma", "no-cache"] });
		assert.equal(sent.length, 2);
	});

	it("no-cache replaces what is kept for those who do not say it", async () => {
		const { ask, sent } = cached(
			{ forMs: 60_000 },
			{ body: "1" },
			{ body: "2" },
		);
		const headers = ["accept", "text/plain"];
		await ask({ headers });
		await ask({ headers: [...headers, "cache-control", "no-cache"] });
		const { body } = await ask({ headers });
		assert.equal(new TextDecoder().decode(body), "2");
		await ask({ headers: ["accept", "cache-control"] });
		assert.equal(sent.length, 3);
	});

	it("no-cache wants no stale one either", async () => {
		const { ask, clock } = cached(
			{},
			control("max-age=10, stale-if-error=100"),
			down(),
		);
		await ask();
		await clock.advance(11_000);
		const headers = ["cache-control", "no-cache"];
		await assert.rejects(ask({ headers }), { code: "upstream_unreachable" });
		assert.notEqual((await ask()).freshness?.stale, null);
	});
});

describe("users", () => {
	const as = (user: string) => ({ headers: ["authorization", user] });

	for (const field of ["authorization", "proxy-authorization"]) {
		it(`with a credential in ${field} are given nothing that is kept, unless it may be`, async () => {
			for (const [value, calls] of [
				["max-age=60", 2],
				["public, max-age=60", 1],
				["s-maxage=60", 1],
				["max-age=60, must-revalidate", 1],
			] as const) {
				const { ask, sent } = cached({}, control(value));
				await ask({ headers: [field, "a"] });
				await ask({ headers: [field, "a"] });
				assert.equal(sent.length, calls, value);
			}
		});
	}

	it("never get each other's answer, whatever the upstream says", async () => {
		const { askText } = cached({}, control("public, max-age=60"));
		assert.equal(await askText(as("a")), "1");
		assert.equal(await askText(as("b")), "2");
		assert.equal(await askText(), "3");
		assert.equal(await askText({ headers: ["cookie", "a=1"] }), "4");
		const toProxy = { headers: ["proxy-authorization", "a"] };
		assert.equal(await askText(toProxy), "5");
		assert.equal(await askText(as("a")), "1");
		assert.equal(await askText(as("b")), "2");
	});

	it("are nobody where the credential is the gateway's own", async () => {
		for (const field of ["authorization", "proxy-authorization"]) {
			const credentials = new Map([[field, "Bearer ours"]]);
			const { ask, sent } = cached({ credentials }, control("max-age=60"));
			const as = (value: string) => ({ headers: [field, value] });
			await ask(as("Bearer ours"));
			await ask(as("Bearer ours"));
			assert.equal(sent.length, 1);
			await ask(as("another"));
			await ask(as("another"));
			assert.equal(sent.length, 3);
		}
	});
});

describe("Vary", () => {
	const language = (value: string) => ({ headers: ["accept-language", value] });
	it("keeps an answer for each", async () => {
		const { askText, sent } = cached(
			{},
			control("max-age=60", "vary", "Accept-Language"),
		);
		assert.equal(await askText(language("de")), "1");
		assert.equal(await askText(language("ru")), "2");
		assert.equal(await askText(), "3");
		assert.equal(await askText(language("de")), "1");
		assert.equal(await askText(language("ru")), "2");
		assert.equal(await askText(), "3");
		assert.equal(sent.length, 3);
	});

	it("lets one answer be for all where it says nothing", async () => {
		const { askText } = cached({}, control("max-age=60"));
		assert.equal(await askText(language("de")), "1");
		assert.equal(await askText(language("ru")), "1");
	});

	it("is every field where the upstream says nothing at all, but the trace", async () => {
		const { askText } = cached({ forMs: 1000 }, {});
		assert.equal(await askText(language("de")), "1");
		assert.equal(await askText(language("ru")), "2");
		const traced = [...language("ru").headers, "traceparent", "00-1"];
		assert.equal(await askText({ headers: traced }), "2");
	});

	it("has a bound: the variant kept longest ago goes", async () => {
		const { askText, sent } = cached(
			{},
			control("max-age=60", "vary", "accept-language"),
		);
		for (let count = 1; count <= 33; count++) {
			assert.equal(await askText(language(String(count))), String(count));
		}
		assert.equal(await askText(language("33")), "33");
		assert.equal(await askText(language("2")), "2");
		assert.equal(sent.length, 33);
		assert.equal(await askText(language("1")), "34");
	});
});

describe("validation", () => {
	const tagged = control("max-age=10", "etag", '"1"', "x-a", "old", "age", "2");
	const news = ["etag", '"1"', "cache-control", "max-age=20", "x-a", "new"];
	const confirming: Reply = { status: 304, headers: news };

	it("asks whether it still holds, and dates it anew", async () => {
		const { ask, clock, sent, told } = cached({}, tagged, confirming);
		const first = await ask();
		await clock.advance(10_000);
		const second = await ask();
		assert.deepEqual(sent[1]?.headers, ["if-none-match", '"1"']);
		assert.equal(second.status, 200);
		assert.deepEqual(second.body, first.body);
		assert.equal(second.freshness?.untilMs, 30_000);
		const { headers } = second;
		assert.equal(headerOf(headers, "x-a"), "new");
		assert.equal(headerOf(headers, "cache-control"), "max-age=20");
		assert.ok(!headers.includes("age"), "how old it was then says nothing now");
		await clock.advance(19_999);
		assert.equal(await ask(), second);
		assert.deepEqual(told, ["miss", "revalidated", "hit"]);
	});

	it("takes over nothing that is of the other connection, or of the body", async () => {
		const { ask, clock } = cached({}, tagged, {
			status: 304,
			headers: [
				...[...news, "connection", "x-a", "x-b", "1"],
				...["proxy-connection", "2", "proxy-authentication-info", "3"],
				...["content-type", "4", "content-encoding", "5"],
			],
		});
		await ask();
		await clock.advance(10_000);
		const { headers } = await ask();
		assert.equal(headerOf(headers, "x-a"), "old");
		assert.equal(headerOf(headers, "x-b"), "1");
		for (const value of ["2", "3", "4", "5"]) {
			assert.ok(!headers.includes(value), value);
		}
	});

	it("keeps what was made of the body", async () => {
		const { ask, clock } = cached({}, tagged, confirming);
		const value = (await ask()).decoded?.of("json", () => ({ a: 1 }));
		await clock.advance(10_000);
		const again = (await ask()).decoded?.of("json", () => assert.fail());
		assert.equal(again, value);
	});

	it("asks by the time where there is no tag", async () => {
		const modified = "Thu, 01 Jan 2026 00:00:00 GMT";
		const { ask, sent } = cached(
			{},
			control("no-cache", "last-modified", modified),
			{ status: 304 },
		);
		await ask();
		await ask();
		assert.deepEqual(sent[1]?.headers, ["if-modified-since", modified]);
		assert.equal(sent.length, 2);
	});

	it("asks each time where the upstream is silent but for a tag", async () => {
		const { askText, ask, sent } = cached(
			{},
			{ headers: ["etag", 'W/"1"'] },
			{ status: 304, headers: ["etag", 'W/"1"'] },
		);
		await ask();
		assert.equal(await askText(), "1");
		assert.equal(
			(await ask()).freshness,
			undefined,
			"nobody knows for how long",
		);
		assert.equal(sent.length, 3);
	});

	it("takes the new answer where it does not hold", async () => {
		const { askText, clock, sent } = cached({}, tagged, control("max-age=10"));
		assert.equal(await askText(), "1");
		await clock.advance(10_000);
		assert.equal(await askText(), "2");
		assert.equal(await askText(), "2");
		assert.equal(sent.length, 2);
	});

	it("asks without a condition where a 304 is about another answer", async () => {
		const { askText, clock, sent } = cached(
			{},
			tagged,
			{ status: 304, headers: ["etag", '"2"'] },
			tagged,
		);
		assert.equal(await askText(), "1");
		await clock.advance(10_000);
		assert.equal(await askText(), "3");
		assert.deepEqual(sent[2]?.headers, []);
	});

	it("asks about nothing that a 304 has shown to be old", async () => {
		const { ask, clock, sent } = cached(
			{},
			tagged,
			{ status: 304, headers: ["etag", '"2"'] },
			down(),
		);
		await ask();
		await clock.advance(10_000);
		await assert.rejects(ask());
		await assert.rejects(ask());
		assert.deepEqual(sent[3]?.headers, []);
	});

	it("drops what it was where the new answer may not be kept", async () => {
		const { askText, clock, sent } = cached(
			{},
			control("max-age=10, stale-if-error=999", "etag", '"1"'),
			{ ...control("no-store"), status: 403, body: "no" },
			{ status: 500, body: "down" },
		);
		assert.equal(await askText(), "1");
		await clock.advance(10_000);
		assert.equal(await askText(), "no");
		assert.equal(await askText(), "down");
		assert.deepEqual(sent[2]?.headers, []);
	});

	it("of the same answer by many at once is one", async () => {
		const clock = virtualClock();
		const context = ofCache(contextOf(clock));
		let calls = 0;
		const wire = played(async (request) => {
			calls++;
			await new Promise<void>((resolve) => clock.after(5, resolve));
			const known = request.headers.includes("if-none-match");
			return responseOf(known ? confirming : tagged, calls);
		});
		const call = promised(
			cache(options, context).call(coalesce(context)(wire)),
		);
		const ask = async () => {
			const all = Promise.all(
				Array.from({ length: 100 }, () =>
					call(requestOf({ safe: true }), openScope({ clock })),
				),
			);
			await clock.settle();
			return new Set(await all);
		};
		assert.deepEqual([(await ask()).size, calls], [1, 1]);
		await clock.advance(10_000);
		assert.deepEqual([(await ask()).size, calls], [1, 2]);
		assert.deepEqual([(await ask()).size, calls], [1, 2]);
	});
});

describe("a stale answer", () => {
	const swr = control("max-age=10, stale-while-revalidate=10");
	const sie = control("max-age=10, stale-if-error=10");

	it("is served while it is asked for anew, once", async () => {
		const { send, ask, clock, scope, sent, textOf, told } = cached({}, swr, {
			...swr,
			afterMs: 500,
		});
		await ask();
		await clock.advance(10_000);
		const many = [send(), send(), send()];
		for (const { outcome, scope: own } of many) {
			const ended = await outcome;
			assert.ok(ended.ok);
			assert.equal(textOf(ended.value), "1");
			assert.deepEqual(ended.value.freshness?.stale, { error: null });
			assert.equal(own.listeners, 0);
		}
		assert.equal(sent.length, 2);
		assert.notEqual(scope.listeners, 0, "the refresh is the upstream's");
		await clock.settle();
		const fresh = await ask();
		assert.equal(textOf(fresh), "2");
		assert.equal(fresh.freshness?.stale, null);
		assert.equal(sent.length, 2);
		assert.deepEqual(told.slice(1), [
			"stale: refreshing",
			"stale: refreshing",
			"stale: refreshing",
			"hit",
		]);
	});

	it("is not served beyond that", async () => {
		const { askText, clock } = cached({}, swr);
		await askText();
		await clock.advance(19_999);
		assert.equal(await askText(), "1");
		await clock.advance(20_000);
		assert.equal(await askText(), "3");
	});

	it("says why, once the refresh has failed, and is asked for again", async () => {
		const { ask, clock, sent, told } = cached({}, swr, down(), down(), swr);
		await ask();
		await clock.advance(10_000);
		assert.deepEqual((await ask()).freshness?.stale, { error: null });
		const { stale } = (await ask()).freshness ?? {};
		assert.equal(stale?.error?.code, "upstream_unreachable");
		assert.equal(sent.length, 3);
		await ask();
		assert.equal((await ask()).freshness?.stale, null);
		assert.deepEqual(told.slice(1, 4), [
			"stale: refreshing",
			"refresh_failed: upstream_unreachable",
			"stale: upstream_unreachable",
		]);
	});

	it("is served by a refresh that hangs, which ends in bounded time", async () => {
		const { ask, clock, scope, send } = cached({}, swr, {
			afterMs: Number.POSITIVE_INFINITY,
		});
		await ask();
		await clock.advance(10_000);
		await send().outcome;
		await clock.advance(59_999);
		assert.notEqual(scope.listeners, 0);
		await clock.advance(1);
		assert.equal(scope.listeners, 0);
	});

	it("ends its refresh with its upstream", async () => {
		const { ask, clock, scope, send } = cached({}, swr, {
			afterMs: Number.POSITIVE_INFINITY,
		});
		await ask();
		await clock.advance(10_000);
		await send().outcome;
		scope.cancel(new GatewayError("gateway_draining", "closed"));
		await clock.advance(0);
		assert.equal(clock.pending, 0);
	});

	for (const code of [
		"upstream_unreachable",
		"upstream_timeout",
		"upstream_invalid",
		"breaker_open",
		"limiter_full",
	] as const) {
		it(`stands in for ${code}`, async () => {
			const { ask, textOf, clock, told } = cached({}, sie, down(code));
			await ask();
			await clock.advance(10_000);
			const stale = await ask();
			assert.equal(textOf(stale), "1");
			assert.equal(stale.freshness?.stale?.error?.code, code);
			assert.deepEqual(told, ["miss", `stale: ${code}`]);
			await clock.advance(9_999);
			await ask();
			await clock.advance(1);
			await assert.rejects(ask(), { code });
		});
	}

	for (const status of [500, 502, 503, 504]) {
		it(`stands in for ${status}`, async () => {
			const { ask, clock } = cached({}, sie, { status });
			await ask();
			await clock.advance(10_000);
			const { stale } = (await ask()).freshness ?? {};
			assert.equal(stale?.error?.code, "upstream_status");
			assert.equal(stale?.error?.facts.upstreamStatus, status);
			await clock.advance(10_000);
			assert.equal((await ask()).status, status);
		});
	}

	it("does not stand in for what the upstream means", async () => {
		for (const status of [400, 403, 404, 410, 501]) {
			const { ask, clock } = cached({}, sie, { status });
			await ask();
			await clock.advance(10_000);
			assert.equal((await ask()).status, status);
		}
	});

	it("does not stand in for a bug or a client who left", async () => {
		for (const error of [
			new TypeError("a bug"),
			new GatewayError("client_closed", "left"),
			new GatewayError("gateway_draining", "closed"),
		]) {
			const { ask, clock } = cached({}, sie, { error });
			await ask();
			await clock.advance(10_000);
			await assert.rejects(ask(), (thrown) => thrown === error);
		}
	});

	it("stands in at the deadline", async () => {
		const { ask, clock, send } = cached({}, sie, {
			afterMs: Number.POSITIVE_INFINITY,
		});
		await ask();
		await clock.advance(10_000);
		const { outcome } = send({}, 10_500);
		await clock.advance(500);
		const ended = await outcome;
		assert.ok(ended.ok);
		const { stale } = ended.value.freshness ?? {};
		assert.equal(stale?.error?.code, "deadline_exceeded");
	});

	it("is forbidden by who wants it validated", async () => {
		for (const word of ["must-revalidate", "proxy-revalidate", "no-cache"]) {
			const value = `max-age=10, stale-while-revalidate=99, stale-if-error=99, ${word}`;
			const { ask, clock } = cached(
				{ staleMs: 99_000 },
				control(value, "etag", '"1"'),
				down(),
			);
			await ask();
			await clock.advance(10_000);
			await assert.rejects(ask(), { code: "upstream_unreachable" }, word);
		}
	});

	it("is the author's where the upstream does not say", async () => {
		for (const [value, served] of [
			["max-age=10", true],
			["s-maxage=10", false],
			["max-age=10, stale-if-error=0", false],
			["max-age=10, stale-while-revalidate=0", false],
		] as const) {
			const { ask, clock } = cached(
				{ staleMs: 10_000 },
				control(value),
				down(),
			);
			await ask();
			await clock.advance(10_000);
			const outcome = await outcomeOf(ask());
			assert.equal(outcome.ok, served, value);
		}
	});

	it("of one who says both with s-maxage is served", async () => {
		const value = "s-maxage=10, stale-while-revalidate=10";
		const { askText, clock } = cached({}, control(value));
		await askText();
		await clock.advance(10_000);
		assert.equal(await askText(), "1");
	});

	it("of the silent is served for the author's time", async () => {
		const { ask, clock } = cached({ forMs: 1000, staleMs: 1000 }, {}, down());
		await ask();
		await clock.advance(1999);
		assert.deepEqual((await ask()).freshness?.stale, { error: null });
		await clock.advance(1);
		await assert.rejects(ask(), { code: "upstream_unreachable" });
	});
});

describe("HEAD", () => {
	it("is answered by what GET was, without its body", async () => {
		const { ask, sent } = cached({}, control("max-age=60"));
		await ask();
		const head = await ask({ method: "HEAD" });
		assert.deepEqual([head.status, head.body.length], [200, 0]);
		assert.equal(sent.length, 1);
	});

	it("does not answer GET", async () => {
		const { ask, sent } = cached({}, control("max-age=60"));
		await ask({ method: "HEAD" });
		await ask({ method: "HEAD" });
		assert.equal(sent.length, 1);
		await ask();
		assert.equal(sent.length, 2);
	});

	it("that differs drops what GET was answered", async () => {
		const { ask, sent, clock } = cached(
			{},
			control("max-age=10, stale-if-error=99", "etag", '"1"'),
			control("max-age=10", "etag", '"2"'),
			down(),
		);
		await ask();
		await clock.advance(10_000);
		await ask({ method: "HEAD" });
		await assert.rejects(ask(), { code: "upstream_unreachable" });
		assert.deepEqual(sent[2]?.headers, []);
	});
});

describe("what changes an address", () => {
	const unsafe = { safe: false, method: "POST", target: "/a" } as const;
	async function changed(reply: Reply, request: Partial<UpstreamRequest> = {}) {
		const { ask, sent } = cached(
			{},
			...new Array(4).fill(control("max-age=60")),
			reply,
			control("max-age=60"),
		);
		const reads: Partial<UpstreamRequest>[] = [
			{ target: "/a" },
			{ target: "/a", method: "HEAD", headers: ["cookie", "1"] },
			{ target: "/a", method: "POST", body: "1" },
			{ target: "/b?c=1" },
		];
		for (const read of reads) await ask(read);
		await ask({ ...unsafe, ...request }).catch(() => {});
		const before = sent.length;
		for (const read of reads) await ask(read);
		return sent.slice(before).map(({ method, target }) => method + target);
	}
	const a = ["GET/a", "HEAD/a", "POST/a"];

	it("drops all that was answered there, and nothing else", async () => {
		for (const status of [200, 201, 204, 303]) {
			assert.deepEqual(await changed({ status }), a);
		}
	});

	it("drops nothing where it failed", async () => {
		assert.deepEqual(await changed({ status: 404 }), []);
		assert.deepEqual(await changed({ status: 500 }), []);
		assert.deepEqual(await changed(down()), []);
	});

	it("drops what Location and Content-Location name, of its own origin", async () => {
		for (const [name, value, dropped] of [
			["location", "/b?c=1", true],
			["content-location", "b?c=1", true],
			["location", "http://users.test/b?c=1", true],
			["location", "http://other.test/b?c=1", false],
			["location", "https://users.test/b?c=1", false],
			["location", "//other.test/b?c=1", false],
			["location", "/b", false],
			["location", "http://", false],
		] as const) {
			const reply = { status: 201, headers: [name, value] };
			const expected = dropped ? [...a, "GET/b?c=1"] : a;
			assert.deepEqual(await changed(reply), expected, value);
		}
	});
});

test("a body is part of what is asked", async () => {
	const { askText, sent } = cached({ forMs: 1000 }, {});
	const post = (body: string, type = "text/plain") => ({
		method: "POST" as const,
		body,
		headers: ["content-type", type],
	});
	assert.equal(await askText(post("1")), "1");
	assert.equal(await askText(post("2")), "2");
	assert.equal(await askText(post("1", "text/html")), "3");
	assert.equal(await askText(post("1")), "1");
	assert.equal(sent.length, 3);
});

describe("a failure that says how long it is fresh", () => {
	const failure = { ...control("max-age=5, stale-if-error=99"), status: 503 };

	it("is given again that long, and stands in for no other", async () => {
		const { ask, clock, sent } = cached({ staleMs: 99_000 }, failure, down());
		assert.equal((await ask()).status, 503);
		await clock.advance(4999);
		assert.equal((await ask()).status, 503);
		assert.equal(sent.length, 1);
		await clock.advance(1);
		await assert.rejects(ask(), /down/);
	});

	it("does not replace an answer that stands in for it", async () => {
		const good = control("max-age=1, stale-if-error=60");
		const { askText, clock, sent } = cached({}, good, failure, failure, good);
		await askText();
		await clock.advance(1000);
		assert.equal(await askText(), "1");
		assert.equal(await askText(), "1");
		assert.equal(sent.length, 3);
		assert.equal(await askText(), "4");
	});
});

describe("an answer on trial", () => {
	it("counts with the good one before it, until it has been used or refused", async () => {
		const memory = new Memory();
		const body = "a".repeat(100);
		const reply = { ...control("max-age=1, stale-if-error=99"), body };
		const { ask, clock } = cached({ memory }, reply);
		const used = () => [memory.kept, memory.held];
		(await ask()).trial?.accept();
		const [one = 0] = used();
		await clock.advance(1000);
		const second = await ask();
		assert.ok((used()[0] ?? 0) > one + 100);
		second.trial?.accept();
		assert.deepEqual(used(), [one, 0]);
		await clock.advance(1000);
		const third = await ask();
		const error = new GatewayError("upstream_invalid", "no JSON");
		const asker = { requestId: "test-request" };
		const instead = third.trial?.refuse(error, asker);
		assert.deepEqual(instead?.freshness?.stale, { error });
		assert.deepEqual(used(), [one, 0]);
		assert.ok(third.trial?.refuse(error, asker), "others get it, too");
		third.trial?.accept();
		assert.deepEqual(used(), [one, 0]);
	});
});

describe("a call for what is kept alone (RFC 9111, 5.2.1.7)", () => {
	it("gets that, or 504 without asking", async () => {
		const { ask, askText, clock, sent } = cached({}, control("max-age=10"));
		const headers = ["cache-control", "only-if-cached"];
		const refused = { code: "not_cached", status: 504 };
		await assert.rejects(ask({ headers }), refused);
		assert.equal(sent.length, 0);
		await askText();
		assert.equal(await askText({ headers }), "1");
		await clock.advance(10_000);
		await assert.rejects(ask({ headers }), refused);
		assert.equal(sent.length, 1);
	});
});

describe("an author's time for stale answers", () => {
	for (const [staleMs, ifErrorMs, atMs, uses] of [
		[0, 9000, 1000, "if asking fails"],
		[0, 9000, 10_000, "no more"],
		[5000, 9000, 1000, "at once"],
		[5000, 9000, 6000, "if asking fails"],
		[5000, 0, 1000, "at once"],
		[5000, 0, 6000, "no more"],
	] as const) {
		it(`of ${staleMs} ms, and ${ifErrorMs} if asking fails, is used ${uses} after ${atMs}`, async () => {
			const all = cached({ forMs: 1000, staleMs, ifErrorMs }, {}, down());
			await all.ask();
			await all.clock.advance(atMs);
			const asked = all.ask();
			if (uses === "no more") await assert.rejects(asked, /down/);
			else {
				const error = (await asked).freshness?.stale?.error ?? null;
				assert.equal(error === null, uses === "at once");
			}
		});
	}
});
