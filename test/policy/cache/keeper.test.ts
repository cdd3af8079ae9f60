import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import fc from "fast-check";
import type { HeaderList } from "../../../src/core/http/headers.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../../../src/core/http/messages.ts";
import { Memory, SharedMemory } from "../../../src/core/memory.ts";
import { type CacheOptions, cache } from "../../../src/policy/cache/cache.ts";
import {
	type Form,
	Keeper,
	type Kept,
} from "../../../src/policy/cache/keeper.ts";
import { type PromisedCall, promised } from "../../../src/policy/promised.ts";
import { askedHeaders } from "../../../src/policy/same-request.ts";
import { openScope, virtualClock } from "../../../src/tasks/index.ts";
import { contextOf, played, requestOf } from "../../kit/policy.ts";

function keptOf(
	request: Partial<UpstreamRequest>,
	bytes = 0,
	vary: readonly string[] | null = [],
	form: Form = "decoded",
): Kept {
	const whole = requestOf(request);
	const response = { status: 200, headers: [], body: new Uint8Array(bytes) };
	return {
		form,
		key: whole,
		asked: askedHeaders(whole),
		vary,
		response,
		origin: response,
		bornMs: 0,
		freshUntilMs: 1,
		whileRevalidateUntilMs: 1,
		ifErrorUntilMs: 1,
		mayBeStale: false,
		memory: new SharedMemory(new Memory(), bytes),
		trial: null,
	};
}

const generous = { bytesMax: 1024 ** 2, entriesMax: 1000 };

/** What one answer of so many bytes takes. */
function bytesOf(...kept: Kept[]): number {
	const keeper = new Keeper(generous);
	for (const one of kept) keeper.keep(one);
	return keeper.bytes;
}

describe("the bound on bytes", () => {
	const all = ["/a", "/b", "/c"].map((target) => keptOf({ target }, 100));
	const bytes = bytesOf(...all);

	for (const [more, left] of [
		[-1, ["/b", "/c"]],
		[0, ["/a", "/b", "/c"]],
		[1, ["/a", "/b", "/c"]],
	] as const) {
		it(`of ${more} more than three answers take keeps ${left}`, () => {
			const keeper = new Keeper({ ...generous, bytesMax: bytes + more });
			for (const kept of all) keeper.keep(kept);
			const found = all.filter(({ key }) => keeper.find("decoded", key));
			assert.deepEqual(
				found.map(({ key }) => key.target),
				left,
			);
		});
	}

	it("gives up what was not asked for longest", () => {
		const keeper = new Keeper({ ...generous, bytesMax: bytes });
		const [a, b, c] = all as [Kept, Kept, Kept];
		for (const kept of all) keeper.keep(kept);
		keeper.find("decoded", a.key);
		keeper.keep(keptOf({ target: "/d" }, 100));
		assert.ok(keeper.find("decoded", a.key));
		assert.equal(keeper.find("decoded", b.key), null);
		assert.ok(keeper.find("decoded", c.key));
		assert.ok(keeper.bytes <= bytes);
	});

	it("takes nothing that is larger alone, and drops what it stood for", () => {
		const small = keptOf({ target: "/a", body: "1" });
		const keeper = new Keeper({ ...generous, bytesMax: bytesOf(small) });
		keeper.keep(small);
		assert.equal(keeper.find("decoded", small.key), small);
		keeper.keep(keptOf({ target: "/a", body: "1" }, 1));
		assert.equal(keeper.find("decoded", small.key), null);
		assert.deepEqual([keeper.bytes, keeper.entries], [0, 0]);
		keeper.invalidate("/a");
	});

	it("counts what is made of an answer later", () => {
		const [a, b] = [keptOf({ target: "/a" }), keptOf({ target: "/b" })];
		const keeper = new Keeper({ ...generous, bytesMax: bytesOf(a, b) + 10 });
		keeper.keep(a);
		keeper.keep(b);
		b.memory.grow(10);
		keeper.weigh(b, b.memory);
		assert.equal(keeper.bytes, bytesOf(a, b));
		assert.ok(keeper.find("decoded", a.key));
		b.memory.grow(1);
		keeper.weigh(b, b.memory);
		assert.equal(keeper.find("decoded", a.key), null);
		a.memory.grow(1);
		keeper.weigh(a, a.memory);
		assert.equal(
			keeper.find("decoded", a.key),
			null,
			"what is gone stays gone",
		);
	});

	it("counts texts, keys and every variant", () => {
		const long = "x".repeat(1000);
		const plain = bytesOf(keptOf({ target: "/" }));
		const more = [
			keptOf({ target: `/${long}` }),
			keptOf({ target: "/", headers: ["a", long] }),
			keptOf({ target: "/", body: long }),
		];
		for (const kept of more) assert.ok(bytesOf(kept) >= plain + 2000);
		const variants = ["1", "2"].map((a) =>
			keptOf({ headers: ["a", a] }, 0, ["a"]),
		);
		assert.ok(bytesOf(...variants) > 1.5 * plain);
	});
});

test("the bound on entries is exact", () => {
	const keeper = new Keeper({ ...generous, entriesMax: 3 });
	for (let count = 0; count < 5; count++) {
		keeper.keep(keptOf({ target: `/${count}` }));
		assert.equal(keeper.entries, Math.min(3, count + 1));
	}
	assert.equal(keeper.find("decoded", requestOf({ target: "/1" })), null);
	assert.ok(keeper.find("decoded", requestOf({ target: "/2" })));
});

test("an answer as it was sent is never given for a decoded one, and both go when their address is changed", () => {
	const keeper = new Keeper(generous);
	for (const body of [null, "1"]) {
		const decoded = keptOf({ target: "/a", body });
		const sent = keptOf({ target: "/a", body }, 0, [], "sent");
		keeper.keep(decoded);
		assert.equal(keeper.find("sent", decoded.key), null);
		keeper.keep(sent);
		assert.equal(keeper.find("decoded", decoded.key), decoded);
		assert.equal(keeper.find("sent", sent.key), sent);
		keeper.invalidate("/a");
		assert.deepEqual([keeper.entries, keeper.bytes], [0, 0]);
	}
});

test("what was evicted leaves nothing behind", () => {
	const keeper = new Keeper({ ...generous, entriesMax: 2 });
	for (let count = 0; count < 100; count++) {
		keeper.keep(keptOf({ target: `/${count % 7}`, body: String(count) }));
	}
	for (let count = 0; count < 7; count++) keeper.invalidate(`/${count}`);
	assert.deepEqual([keeper.entries, keeper.bytes], [0, 0]);
});

test("two different requests never share an answer, but for fields the upstream does not vary by", async () => {
	const word = fc.constantFrom("", "a", "b", "a,b", "1", "a\n", " ", "/a");
	const name = fc.constantFrom(
		"x",
		"y",
		"authorization",
		"cookie",
		"proxy-authorization",
		"traceparent",
	);
	const requests = fc.record({
		method: fc.constantFrom("GET" as const, "HEAD" as const, "POST" as const),
		target: fc.constantFrom("/", "/a", "/a?b=1", "/a 1 ", "/3 /a", "/a1"),
		headers: fc
			.array(fc.tuple(name, word), { maxLength: 4 })
			.map((list) => list.flat()),
		body: fc.option(word),
	});
	const vary = fc.constantFrom(null, [], ["x"], ["y"], ["x", "y"]);
	await fc.assert(
		fc.asyncProperty(
			fc.array(requests, { maxLength: 30 }),
			vary,
			async (asked, by) => {
				const clock = virtualClock();
				const told = by === null ? [] : ["cache-control", "public, max-age=60"];
				const call = cached(clock, by, (request) => ({
					status: 200,
					headers: [...told, ...(by?.length ? ["vary", by.join()] : [])],
					body: new TextEncoder().encode(JSON.stringify(identity(request, by))),
				}));
				for (const request of asked) {
					const answer = await call(
						requestOf({ safe: true, ...request }),
						openScope({ clock }),
					);
					const text = new TextDecoder().decode(answer.body);
					const own = identity(requestOf(request), by);
					if (text !== "") assert.deepEqual(JSON.parse(text), own);
					else assert.equal(request.method, "HEAD");
				}
			},
		),
		{ numRuns: 300 },
	);
});

function cached(
	clock: ReturnType<typeof virtualClock>,
	by: readonly string[] | null,
	answer: (request: UpstreamRequest) => UpstreamResponse,
): PromisedCall {
	const options: CacheOptions = {
		forMs: by === null ? 1000 : null,
		staleMs: 0,
		ifErrorMs: 0,
		bytesMax: 100_000,
		entriesMax: 10,
		answerBytesMax: 10_000,
	};
	const scope = openScope({ clock });
	const context = {
		...contextOf(clock),
		origins: [],
		credentials: new Map([["authorization", "a"]]),
		coalesced: false,
		scope,
	};
	return promised(
		cache(options, context).call(played(async (request) => answer(request))),
	);
}

/** What the answer may depend on: all of the request, without what it is told that the upstream does not vary by. */
function identity(
	{ method, target, headers, body }: UpstreamRequest,
	vary: readonly string[] | null,
): unknown {
	const names = ["authorization", "cookie", "proxy-authorization"];
	names.push(...(vary ?? ["x", "y"]));
	// A body's fields say how to read it.
	if (body !== null) names.push("x", "y");
	return [
		method,
		target,
		body,
		[...new Set(names)]
			.toSorted()
			.map((name) => [name, valuesOf(headers, name)]),
	];
}

function valuesOf(headers: HeaderList, name: string): string[] {
	return headers.filter((_, at) => at % 2 === 1 && headers[at - 1] === name);
}
