import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Reply, type TestGateway, testRoute } from "../kit/gateway.ts";
import { eventStream, type TestWatcher, watch } from "../kit/watch.ts";

/** A route whose only call answers as `reply` says at that time. */
function liveRoute(
	reply: (kit: { readonly nowMs: number; readonly run: number }) => Reply,
	live: unknown = { every: "10s" },
	route: object = {},
): TestGateway {
	let run = 0;
	const kit: TestGateway = testRoute(
		{ live, steps: { a: { get: "users/a" } }, ...route },
		() => reply({ nowMs: kit.clock.now(), run: run++ }),
	);
	return kit;
}

const runsOf = ({ gateway }: TestGateway) => gateway.state().live[0]?.runs;

async function left(kit: TestGateway, watchers: readonly TestWatcher[]) {
	for (const one of watchers) one.leave();
	await kit.clock.advance(60_000);
	for (const { over } of watchers) assert.ok(over);
	kit.assertNothingLeft();
	for (const { scope } of watchers) assert.equal(scope.listeners, 0);
	const [state] = kit.gateway.state().live;
	assert.equal(state?.watches, 0);
	assert.equal(state?.watchers, 0);
	assert.equal(kit.gateway.memory.held, 0);
	const caches = kit.gateway.state().upstreams.map(({ cache }) => cache?.bytes);
	const cached = caches.reduce((sum: number, bytes = 0) => sum + bytes, 0);
	assert.equal(kit.gateway.memory.kept, cached);
}

describe("a live route by events", () => {
	it("sends the answer now, and again when it has changed", async () => {
		const kit = liveRoute(({ nowMs }) => ({ json: { n: nowMs >= 20_000 } }));
		const one = watch(kit, "/x");
		await kit.clock.advance(0);
		assert.equal(one.status, 200);
		assert.equal(one.header("content-type"), "text/event-stream");
		assert.equal(one.header("cache-control"), "no-store");
		assert.equal(one.header("x-accel-buffering"), "no");
		assert.equal(one.header("etag"), null);
		assert.deepEqual(one.kinds, ["answer"]);
		await kit.clock.advance(19_999);
		assert.deepEqual(one.kinds, ["answer"], "an equal answer is not sent");
		await kit.clock.advance(1);
		assert.deepEqual(one.kinds, ["answer", "answer"]);
		assert.deepEqual(one.events[1]?.data, { n: true });
		assert.equal(one.events[1]?.atMs, 20_000);
		const plain = watch(kit, "/x", { headers: [] });
		await kit.clock.advance(0);
		assert.deepEqual(plain.json, { n: true });
		assert.equal(one.events[1]?.id, plain.header("etag"));
		await left(kit, [one, plain]);
	});

	it("has one run per `every` for a thousand watchers, and none when the last has left", async () => {
		const kit = liveRoute(({ nowMs }) => ({
			json: { n: nowMs < 30_000 ? 1 : 2 },
		}));
		const all = Array.from({ length: 1000 }, () => watch(kit, "/x"));
		await kit.clock.advance(25_000);
		assert.deepEqual(
			kit.calls.map(({ startedMs }) => startedMs),
			[0, 10_000, 20_000],
		);
		const late = watch(kit, "/x");
		await kit.clock.advance(0);
		assert.deepEqual(late.kinds, ["answer"], "it waits for no run");
		assert.equal(kit.calls.length, 3);
		await kit.clock.advance(10_000);
		for (const one of [...all, late]) {
			assert.deepEqual(
				one.events.map(({ data }) => data),
				[{ n: 1 }, { n: 2 }],
			);
		}
		assert.equal(kit.calls.length, 4);
		assert.deepEqual(kit.gateway.state().live, [
			{
				route: "GET /x",
				watches: 1,
				watchers: 1001,
				runs: { changed: 2, unchanged: 2, failed: 0 },
			},
		]);
		await left(kit, [...all, late]);
		assert.equal(kit.calls.length, 4, "nobody watches, so nothing runs");
	});

	it("aborts its run when the last has left, and not before", async () => {
		const kit = liveRoute(() => ({ json: 1, afterMs: 100 }));
		const two = [watch(kit, "/x"), watch(kit, "/x")];
		await kit.clock.advance(50);
		two[0]?.leave();
		await kit.clock.advance(0);
		assert.equal(kit.calls[0]?.aborted, null);
		two[1]?.leave();
		await kit.clock.advance(0);
		assert.notEqual(kit.calls[0]?.aborted, null);
		assert.equal(kit.calls[0]?.endedMs, 50);
		assert.deepEqual(
			kit.ended.map(({ status }) => status),
			[499, 499, 499],
		);
		await left(kit, two);
	});

	it("delays the next run by one that takes longer than `every`", async () => {
		const kit = liveRoute(
			({ run }) => ({
				json: run,
				afterMs: run === 1 ? 1_500 : 100,
			}),
			{ every: "1s" },
		);
		const one = watch(kit, "/x");
		await kit.clock.advance(4_000);
		assert.deepEqual(
			kit.calls.map(({ startedMs }) => startedMs),
			[0, 1000, 2500, 3500],
		);
		await left(kit, [one]);
	});

	it("answers the ordinary problem if the first run fails, and runs anew for the next", async () => {
		const kit = liveRoute(({ run }) =>
			run === 0 ? { status: 500, afterMs: 10 } : { json: 1 },
		);
		const two = [watch(kit, "/x"), watch(kit, "/x")];
		await kit.clock.advance(10);
		for (const one of two) {
			assert.equal(one.status, 502);
			assert.equal((one.json as { code: string }).code, "upstream_status");
			assert.equal((one.json as { instance: string }).instance, "watcher");
		}
		assert.equal(kit.calls.length, 1);
		const next = watch(kit, "/x");
		await kit.clock.advance(0);
		assert.deepEqual(next.kinds, ["answer"]);
		await left(kit, [...two, next]);
	});

	it("tells of a run that failed, once for each, and that the answer before stands", async () => {
		const kit = liveRoute(({ run }) =>
			run === 1 || run === 2 ? { status: 500 } : { json: { n: 1 } },
		);
		const one = watch(kit, "/x");
		await kit.clock.advance(10_000);
		assert.deepEqual(one.kinds, ["answer", "problem"]);
		const { stale, problem } = one.events[1]?.data as {
			stale: boolean;
			problem: Record<string, unknown>;
		};
		assert.equal(stale, true);
		assert.equal(problem.code, "upstream_status");
		assert.equal(problem.status, 502);
		const [, run] = kit.ended;
		assert.equal(problem.instance, run?.requestId, "operators find the run");
		assert.equal(one.events[1]?.id, one.events[0]?.id, "it has no id");
		const late = watch(kit, "/x");
		await kit.clock.advance(0);
		assert.deepEqual(late.kinds, ["answer", "problem"]);
		await kit.clock.advance(20_000);
		const kinds = ["answer", "problem", "problem", "current"];
		assert.deepEqual(one.kinds, kinds);
		assert.deepEqual(one.events[3]?.data, { stale: false });
		assert.deepEqual(runsOf(kit), { changed: 1, unchanged: 1, failed: 2 });
		await left(kit, [one, late]);
	});

	it("says what a partial answer lacks, and when it is whole again", async () => {
		const kit = liveRoute(
			({ run }) => (run === 1 ? { status: 500 } : { json: null }),
			{ every: "10s" },
			{ steps: { a: { get: "users/a", optional: true } }, respond: ["${a}"] },
		);
		const one = watch(kit, "/x");
		await kit.clock.advance(20_000);
		assert.deepEqual(one.kinds, ["answer", "answer", "missing", "answer"]);
		assert.deepEqual(one.events[2]?.data, {
			complete: false,
			missing: [{ step: "a", error: "upstream_status" }],
		});
		const ids = one.events.map(({ id }) => id);
		assert.notEqual(ids[0], ids[1], "the same text says less");
		assert.equal(ids[0], ids[3]);
		await left(kit, [one]);
	});

	it("gives a slow reader the newest, and keeps nothing for it", async () => {
		const kit = liveRoute(({ run }) => ({
			json: { run, x: "x".repeat(1000) },
		}));
		const slow = watch(kit, "/x");
		const quick = watch(kit, "/x");
		await kit.clock.advance(0);
		slow.pause();
		const heldBytes = [];
		for (let run = 1; run <= 50; run++) {
			await kit.clock.advance(10_000);
			heldBytes.push(kit.gateway.memory.held);
		}
		assert.equal(new Set(heldBytes.slice(9)).size, 1, `${heldBytes}`);
		assert.equal(quick.events.length, 51);
		slow.resume();
		await kit.clock.advance(0);
		const runs = slow.events.map(({ data }) => (data as { run: number }).run);
		// It was reading the second when it stopped.
		assert.deepEqual(runs, [0, 1, 50]);
		assert.deepEqual(slow.value, quick.value);
		await left(kit, [slow, quick]);
	});

	it("sends nothing to a client that comes back with the newest, until it changes", async () => {
		const kit = liveRoute(({ nowMs }) => ({ json: nowMs >= 20_000 }));
		const one = watch(kit, "/x");
		await kit.clock.advance(0);
		const id = one.events[0]?.id ?? "";
		const headers = [...eventStream, "last-event-id", id];
		const back = watch(kit, "/x", { headers });
		const other = watch(kit, "/x", {
			headers: [...eventStream, "last-event-id", '"older"'],
		});
		await kit.clock.advance(19_999);
		assert.equal(back.status, 200);
		assert.deepEqual(back.kinds, []);
		assert.deepEqual(other.kinds, ["answer"]);
		await kit.clock.advance(1);
		assert.deepEqual(back.kinds, ["answer"]);
		await left(kit, [one, back, other]);
	});

	it("keeps the newest for a client that comes back, and does not run before it is due", async () => {
		const kit = liveRoute(({ nowMs }) => ({ json: nowMs }));
		const one = watch(kit, "/x");
		await kit.clock.advance(2_000);
		one.leave();
		await kit.clock.advance(3_000);
		const back = watch(kit, "/x");
		await kit.clock.advance(0);
		assert.deepEqual(back.value, 0);
		await kit.clock.advance(5_000);
		assert.deepEqual(back.value, 10_000);
		back.leave();
		await kit.clock.advance(10_000);
		assert.equal(kit.calls.length, 2);
		const late = watch(kit, "/x");
		await kit.clock.advance(0);
		assert.deepEqual(late.value, 20_000);
		await left(kit, [one, back, late]);
	});

	it("beats while it has nothing to say", async () => {
		const kit = liveRoute(({ nowMs }) => ({ json: nowMs >= 40_000 }));
		const one = watch(kit, "/x");
		await kit.clock.advance(14_999);
		assert.equal(one.comments, 0);
		await kit.clock.advance(1);
		assert.equal(one.comments, 1);
		await kit.clock.advance(15_000);
		assert.equal(one.comments, 2);
		// At 45 s it was sent something 5 s before.
		await kit.clock.advance(15_000);
		assert.equal(one.comments, 2);
		await kit.clock.advance(15_000);
		assert.equal(one.comments, 3);
		await left(kit, [one]);
	});

	it("ends with its reason when the server drains, and spreads who comes back", async () => {
		const kit = liveRoute(() => ({ json: 1 }));
		const all = Array.from({ length: 50 }, () => watch(kit, "/x"));
		await kit.clock.advance(0);
		for (const one of all) one.drain();
		await kit.clock.advance(0);
		const retries = all.map(({ events, over }) => {
			const last = events.at(-1);
			assert.ok(over);
			assert.equal(last?.event, "end");
			assert.deepEqual(last?.data, { reason: "draining" });
			return last?.retry ?? 0;
		});
		assert.ok(Math.min(...retries) >= 1000);
		assert.ok(Math.max(...retries) <= 10_000);
		assert.ok(new Set(retries).size > 25);
		await left(kit, all);
	});

	it("ends when the gateway is closed, with its run", async () => {
		const kit = liveRoute(({ run }) => ({ json: 1, afterMs: run * 5_000 }));
		const one = watch(kit, "/x");
		const other = watch(kit, "/x?b", { headers: eventStream });
		await kit.clock.advance(12_000);
		await kit.gateway.close();
		await kit.clock.advance(0);
		for (const { events, over } of [one, other]) {
			assert.ok(over);
			assert.deepEqual(events.at(-1)?.data, { reason: "closed" });
		}
		assert.equal(kit.calls[1]?.endedMs, 12_000);
		assert.equal(kit.clock.pending, 0);
	});

	it("fails who waits for the first answer when the gateway is closed", async () => {
		const kit = liveRoute(() => ({ json: 1, afterMs: 5_000 }));
		const one = watch(kit, "/x");
		await kit.clock.advance(10);
		await kit.gateway.close();
		await kit.clock.advance(0);
		assert.equal(one.status, 503);
		assert.equal((one.json as { code: string }).code, "gateway_draining");
		assert.equal(kit.clock.pending, 0);
	});

	it("ends with the status if the answer says that there is none", async () => {
		const kit = liveRoute(
			({ nowMs }) => ({ json: nowMs >= 10_000 ? null : { id: 7 } }),
			{ every: "10s" },
			{
				steps: {
					a: { get: "users/a" },
					none: { when: "${a === null}", reply: { status: 404, body: "gone" } },
				},
				respond: "${a}",
			},
		);
		const one = watch(kit, "/x");
		await kit.clock.advance(10_000);
		assert.deepEqual(one.kinds, ["answer", "end"]);
		assert.deepEqual(one.events[1]?.data, { reason: "status", status: 404 });
		assert.equal(one.events[1]?.retry, null);
		assert.ok(one.over);
		const back = watch(kit, "/x");
		await kit.clock.advance(0);
		assert.equal(back.status, 404);
		assert.equal(back.json, "gone");
		await left(kit, [one, back]);
	});

	it("begins nothing for a client that has left already", async () => {
		const kit = liveRoute(() => ({ json: 1 }));
		const one = watch(kit, "/x");
		await kit.clock.advance(0);
		const gone = watch(kit, "/x");
		gone.leave();
		await kit.clock.advance(0);
		assert.equal(gone.status, 499);
		assert.equal(kit.gateway.state().live[0]?.watchers, 1);
		await left(kit, [one, gone]);
	});

	it("sends null for an answer without a body", async () => {
		const kit = liveRoute(() => ({}), { every: "1s" }, { status: 204 });
		const one = watch(kit, "/x");
		await kit.clock.advance(0);
		assert.deepEqual(one.events[0]?.data, null);
		assert.equal(one.status, 200);
		await left(kit, [one]);
	});

	it("sends the author's own header fields, and none that speak of one answer", async () => {
		const kit = liveRoute(
			() => ({ json: 1 }),
			{ every: "1s" },
			{
				headers: {
					"x-own": "yes",
					"cache-control": "max-age=60",
					etag: '"mine"',
				},
			},
		);
		const one = watch(kit, "/x");
		await kit.clock.advance(0);
		assert.equal(one.header("x-own"), "yes");
		assert.equal(one.header("cache-control"), "no-store");
		assert.equal(one.header("sluice-complete"), null);
		assert.equal(one.events[0]?.id, '"mine"');
		await left(kit, [one]);
	});
});

describe("who shares a run", () => {
	const input = {
		request: {
			query: { city: { type: "string", maxLength: 20, default: "Oslo" } },
			headers: {
				authorization: { type: "string", maxLength: 200, default: "" },
			},
		},
	};
	const echo = (route: object, key = "GET /x") =>
		testRoute(
			{ live: { every: "10s" }, ...route, steps: { a: { get: "users/a" } } },
			undefined,
			{ key },
		);

	async function runsFor(kit: TestGateway, all: readonly TestWatcher[]) {
		await kit.clock.advance(0);
		const runs = kit.calls.length;
		await left(kit, all);
		return runs;
	}

	it("are those whose declared values are the same, however they are written", async () => {
		const kit = echo({ ...input, respond: ["${query.city}", "${a}"] });
		const targets = ["/x", "/x?city=Oslo", "/x?city=%4fslo&other=1"];
		const all = targets.map((target) => watch(kit, target));
		assert.equal(await runsFor(kit, all), 1);
	});

	it("are not those with another value", async () => {
		const kit = echo({ ...input, respond: ["${query.city}", "${a}"] });
		const all = [watch(kit, "/x?city=Rome"), watch(kit, "/x?city=Oslo")];
		await kit.clock.advance(0);
		const values = all.map(({ value }) => (value as unknown[])[0]);
		assert.deepEqual(values, ["Rome", "Oslo"]);
		assert.equal(await runsFor(kit, all), 2);
	});

	it("are not those with other credentials", async () => {
		const kit = echo({
			...input,
			respond: ["${headers.authorization}", "${a}"],
		});
		const as = (who: string) =>
			watch(kit, "/x", { headers: [...eventStream, "authorization", who] });
		const all = [as("a"), as("b"), as("a")];
		await kit.clock.advance(0);
		const values = all.map(({ value }) => (value as unknown[])[0]);
		assert.deepEqual(values, ["a", "b", "a"]);
		assert.equal(await runsFor(kit, all), 2);
	});

	it("are not those with another address, if the route reads it, also in its record", async () => {
		const from = (kit: TestGateway) =>
			["192.0.2.1", "192.0.2.2"].map((ip) => watch(kit, "/x", { ip }));
		const reads = echo({ respond: ["${request.ip}", "${a}"] });
		assert.equal(await runsFor(reads, from(reads)), 2);
		const records = echo({
			respond: [1, "${a}"],
			record: { who: "${request.ip}" },
		});
		assert.equal(await runsFor(records, from(records)), 2);
		const neither = echo({ respond: ["${request.time}", "${a}"] });
		assert.equal(await runsFor(neither, from(neither)), 1);
	});

	it("are not those with another path, if the route reads the path", async () => {
		const both = (kit: TestGateway) =>
			["/x/!", "/x/%21"].map((target) => watch(kit, target));
		const reads = echo({ respond: ["${request.path}", "${a}"] }, "GET /x/{id}");
		assert.equal(await runsFor(reads, both(reads)), 2);
		const neither = echo({ respond: ["${params.id}", "${a}"] }, "GET /x/{id}");
		assert.equal(await runsFor(neither, both(neither)), 1);
	});

	it("are not those of whom an upstream is told another thing", async () => {
		const kit = testRoute(
			{ live: { every: "1s" }, steps: { a: { get: "told/a" } } },
			undefined,
			{ upstreams: { told: { url: "http://told.test", forwarded: true } } },
		);
		const as = (ip: string, host: string) =>
			watch(kit, "/x", { ip, headers: [...eventStream, "host", host] });
		const all = [
			as("192.0.2.1", "a.test"),
			as("192.0.2.1", "b.test"),
			as("192.0.2.2", "a.test"),
			as("192.0.2.2", "a.test"),
		];
		await kit.clock.advance(0);
		const along = kit.calls.map(({ request }) => request.along ?? "");
		assert.equal(along.length, 3);
		assert.match(
			along[1] ?? "",
			/x-forwarded-for: 192\.0\.2\.1\r\nx-forwarded-host: b\.test/,
		);
		await left(kit, all);
	});

	it("does not tell upstreams of the trace or the id of any of them", async () => {
		const kit = echo({ respond: ["${request.id}", "${a}"] });
		const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
		const one = watch(kit, "/x", {
			headers: [...eventStream, "traceparent", trace],
		});
		await kit.clock.advance(0);
		assert.notEqual((one.value as unknown[])[0], "watcher");
		assert.ok(!kit.calls[0]?.request.along?.includes("0af7651916cd43dd"));
		await left(kit, [one]);
	});
});

describe("the bounds of a live route", () => {
	const bounded = (live: object) =>
		testRoute({
			live: { every: "10s", ...live },
			request: { query: { n: { type: "integer", default: 0 } } },
			steps: { a: { get: "users/a" } },
			respond: ["${query.n}", "${a}"],
		});

	it("refuse one watch too many, but not another watcher", async () => {
		const kit = bounded({ watches: 2 });
		const all = [0, 1, 2, 1].map((n) => watch(kit, `/x?n=${n}`));
		await kit.clock.advance(0);
		assert.deepEqual(
			all.map(({ status }) => status),
			[200, 200, 503, 200],
		);
		assert.equal(all[2]?.header("retry-after"), "10");
		assert.equal((all[2]?.json as { code: string }).code, "overloaded");
		await left(kit, all);
	});

	it("let a watch that nobody watches give way", async () => {
		const kit = bounded({ watches: 1 });
		const one = watch(kit, "/x?n=1");
		await kit.clock.advance(0);
		one.leave();
		await kit.clock.advance(0);
		const other = watch(kit, "/x?n=2");
		await kit.clock.advance(0);
		assert.equal(other.status, 200);
		await left(kit, [one, other]);
	});

	it("let what is kept for who comes back give way to requests", async () => {
		const kit = testRoute(
			{
				live: { every: "10s" },
				request: { query: { n: { type: "integer" } } },
				respond: ["${query.n}", "x".repeat(1_000_000)],
			},
			undefined,
			{ server: { memory: "16MiB" } },
		);
		const { memory } = kit.gateway;
		const all: TestWatcher[] = [];
		for (let n = 0; n < 10; n++) {
			const one = watch(kit, `/x?n=${n}`);
			all.push(one);
			await kit.clock.advance(0);
			assert.equal(one.status, 200);
			one.leave();
			await kit.clock.advance(0);
			assert.equal(memory.held, 0);
			assert.ok(memory.kept > 0);
			assert.ok(memory.kept <= memory.bytesMax);
		}
		assert.ok(memory.kept > 0.5 * memory.bytesMax, `${memory.kept}`);
		const newest = watch(kit, "/x?n=9");
		await kit.clock.advance(0);
		const [, last] = newest.value as unknown[];
		assert.equal(last, "x".repeat(1_000_000));
		const runs = kit.ended.filter(({ watch }) => watch === "run");
		assert.equal(runs.length, 10, "the newest was still kept");
		await left(kit, [...all, newest]);
	});

	it("refuse one watcher too many, and count those that have left no more", async () => {
		const kit = bounded({ watchers: 2 });
		const all = [1, 1, 2].map((n) => watch(kit, `/x?n=${n}`));
		await kit.clock.advance(0);
		const statuses = all.map(({ status }) => status);
		assert.deepEqual(statuses, [200, 200, 503]);
		all[0]?.leave();
		await kit.clock.advance(0);
		const next = watch(kit, "/x?n=2");
		await kit.clock.advance(0);
		assert.equal(next.status, 200);
		await left(kit, [...all, next]);
	});

	it("are those of the request too", async () => {
		const kit = testRoute({
			live: { every: "10s" },
			rateLimit: { limit: 2, per: "1h" },
			request: { query: { n: { type: "integer" } } },
			respond: "${query.n}",
		});
		const all = ["/x?n=1", "/x?n=x", "/x?n=1"].map((one) => watch(kit, one));
		await kit.clock.advance(60_000);
		const statuses = all.map(({ status }) => status);
		assert.deepEqual(statuses, [200, 400, 429]);
		assert.ok(!all[0]?.over, "its runs count for nobody's limit");
		await left(kit, all);
	});

	it("let a run wait for its place, which no watcher has", async () => {
		const kit: TestGateway = testRoute(
			{
				live: { every: "1s" },
				steps: { a: { get: "users/a" } },
			},
			() => ({ json: kit.clock.now(), afterMs: 100 }),
		);
		const all = [watch(kit, "/x"), watch(kit, "/x")];
		await kit.clock.advance(50);
		assert.equal(kit.gateway.state().requests?.running, 1);
		await kit.clock.advance(100);
		assert.equal(kit.gateway.state().requests?.running, 0);
		await left(kit, all);
	});
});

describe("a live route by long polling", () => {
	const waiting = (etag: string, wait = 25) => ({
		headers: ["if-none-match", etag, "prefer", `wait=${wait}`],
	});

	it("answers when the answer is another than the client has", async () => {
		const kit = liveRoute(({ nowMs }) => ({ json: nowMs >= 20_000 }));
		const first = watch(kit, "/x", { headers: [] });
		await kit.clock.advance(0);
		const etag = first.header("etag") ?? "";
		assert.match(etag, /^".+"$/);
		assert.equal(first.header("vary"), "accept, prefer");
		const poll = watch(kit, "/x", waiting(etag));
		await kit.clock.advance(19_999);
		assert.equal(poll.status, null);
		await kit.clock.advance(1);
		assert.equal(poll.status, 200);
		assert.equal(poll.json, true);
		assert.equal(poll.header("preference-applied"), "wait=25");
		assert.equal(poll.header("cache-control"), "no-store");
		assert.equal(poll.header("sluice-complete"), "?1");
		const plain = watch(kit, "/x", { headers: [] });
		await kit.clock.advance(0);
		assert.equal(poll.header("etag"), plain.header("etag"));
		await left(kit, [first, poll, plain]);
	});

	it("answers 304 at the end of the wait", async () => {
		const kit = liveRoute(() => ({ json: 1 }));
		const first = watch(kit, "/x", { headers: [] });
		await kit.clock.advance(0);
		const etag = first.header("etag") ?? "";
		const poll = watch(kit, "/x", waiting(etag));
		await kit.clock.advance(24_999);
		assert.equal(poll.status, null);
		await kit.clock.advance(1);
		assert.equal(poll.status, 304);
		assert.equal(poll.response?.body, null);
		assert.equal(poll.header("etag"), etag);
		assert.equal(poll.header("preference-applied"), "wait=25");
		await left(kit, [first, poll]);
	});

	it("waits a minute at most, and says so", async () => {
		const kit = liveRoute(() => ({ json: 1 }));
		const first = watch(kit, "/x", { headers: [] });
		await kit.clock.advance(0);
		const poll = watch(kit, "/x", waiting(first.header("etag") ?? "", 3600));
		await kit.clock.advance(60_000);
		assert.equal(poll.answeredMs, 60_000);
		assert.equal(poll.header("preference-applied"), "wait=60");
		await left(kit, [first, poll]);
	});

	it("answers at once if the client has another, or nothing", async () => {
		const kit = liveRoute(() => ({ json: 1 }));
		const all = [
			watch(kit, "/x", waiting('"other"')),
			watch(kit, "/x", { headers: ["prefer", "wait=25"] }),
			watch(kit, "/x", waiting('"other"', 0)),
		];
		await kit.clock.advance(0);
		for (const one of all) assert.equal(one.status, 200);
		const etag = all[0]?.header("etag") ?? "";
		const now = watch(kit, "/x", waiting(etag, 0));
		await kit.clock.advance(0);
		assert.equal(now.status, 304);
		assert.equal(now.header("preference-applied"), null);
		await left(kit, [...all, now]);
	});

	it("makes no more runs for a client that asks again and again", async () => {
		const kit = liveRoute(({ run }) => ({ json: run }));
		let etag = '"none"';
		const polls: TestWatcher[] = [];
		for (let round = 0; round < 5; round++) {
			const poll = watch(kit, "/x", waiting(etag));
			polls.push(poll);
			while (poll.status === null) await kit.clock.advance(1_000);
			etag = poll.header("etag") ?? "";
		}
		assert.deepEqual(
			polls.map(({ json }) => json),
			[0, 1, 2, 3, 4],
		);
		assert.deepEqual(
			kit.calls.map(({ startedMs }) => startedMs),
			[0, 10_000, 20_000, 30_000, 40_000],
		);
		await left(kit, polls);
	});

	it("shares its run with those who watch by events", async () => {
		const kit = liveRoute(({ nowMs }) => ({ json: nowMs >= 10_000 }));
		const stream = watch(kit, "/x");
		await kit.clock.advance(0);
		const etag = stream.events[0]?.id ?? "";
		const poll = watch(kit, "/x", waiting(etag));
		await kit.clock.advance(10_000);
		assert.equal(poll.status, 200);
		assert.equal(poll.header("etag"), stream.events[1]?.id);
		assert.equal(kit.calls.length, 2);
		await left(kit, [stream, poll]);
	});

	it("waits on if a run fails, and answers the problem if the first does", async () => {
		const kit = liveRoute(({ run }) =>
			run === 2 ? { status: 500 } : { json: 1 },
		);
		const first = watch(kit, "/x", { headers: [] });
		await kit.clock.advance(0);
		const poll = watch(kit, "/x", waiting(first.header("etag") ?? ""));
		await kit.clock.advance(25_000);
		assert.equal(poll.status, 304);
		const failing = liveRoute(() => ({ status: 500 }));
		const other = watch(failing, "/x", waiting('"other"'));
		await failing.clock.advance(0);
		assert.equal(other.status, 502);
		await left(kit, [first, poll]);
		await left(failing, [other]);
	});

	it("answers at once when the server drains", async () => {
		const kit = liveRoute(() => ({ json: 1 }));
		const first = watch(kit, "/x", { headers: [] });
		await kit.clock.advance(0);
		const poll = watch(kit, "/x", waiting(first.header("etag") ?? ""));
		await kit.clock.advance(5_000);
		poll.drain();
		await kit.clock.advance(0);
		assert.equal(poll.status, 304);
		await left(kit, [first, poll]);
	});

	it("leaves nothing behind if the client leaves", async () => {
		const kit = liveRoute(() => ({ json: 1, afterMs: 100 }));
		const before = watch(kit, "/x", waiting('"a"'));
		await kit.clock.advance(50);
		await left(kit, [before]);
		assert.equal(kit.calls[0]?.endedMs, 50);
		const first = watch(kit, "/x", { headers: [] });
		await kit.clock.advance(100);
		const poll = watch(kit, "/x", waiting(first.header("etag") ?? ""));
		await kit.clock.advance(1_000);
		poll.leave();
		await kit.clock.advance(0);
		assert.equal(poll.status, 499);
		await left(kit, [first, poll]);
	});
});

describe("the faces of a live route", () => {
	it("are parts too, by NDJSON, and the whole to HEAD", async () => {
		const kit = liveRoute(() => ({ json: 1 }));
		const parts = await kit.ask("/x", {
			headers: ["accept", "application/x-ndjson"],
		});
		assert.equal(parts.text, '{"value":1}\n{"complete":true}\n');
		const head = await kit.ask("/x", { method: "HEAD", headers: eventStream });
		assert.equal(
			head.header("content-type"),
			"application/json; charset=utf-8",
		);
		assert.match(head.header("etag") ?? "", /^"/);
	});

	it("are events although `stream` is off", async () => {
		const kit = liveRoute(
			() => ({ json: 1 }),
			{ every: "1s" },
			{ stream: false },
		);
		const one = watch(kit, "/x");
		await kit.clock.advance(0);
		assert.deepEqual(one.kinds, ["answer"]);
		await left(kit, [one]);
	});

	it("are of no use to a route that is not live", async () => {
		const kit = testRoute({ steps: { a: { get: "users/a" } } });
		const headers = ["if-none-match", '"a"', "prefer", "wait=25"];
		const plain = await kit.ask("/x", { headers });
		assert.equal(plain.atMs, 0);
		assert.equal(plain.header("etag"), null);
		assert.deepEqual(kit.gateway.state().live, []);
	});
});

describe("a live route by freshness", () => {
	const cached = (reply: () => Reply, live: unknown = true) => {
		const kit: TestGateway = testRoute(
			{ live, steps: { a: { get: "kept/a" } } },
			reply,
			{ upstreams: { kept: { url: "http://kept.test", cache: true } } },
		);
		return kit;
	};

	it("runs again when the answer is no longer fresh", async () => {
		let n = 0;
		const kit = cached(() => ({
			json: n++,
			headers: ["cache-control", "max-age=30"],
		}));
		const one = watch(kit, "/x");
		await kit.clock.advance(95_000);
		assert.deepEqual(
			one.events.map(({ atMs, data }) => [atMs, data]),
			[0, 1, 2, 3].map((at) => [30_000 * at, at]),
		);
		await left(kit, [one]);
	});

	it("runs again a second after a stale answer, which another one follows", async () => {
		let n = 0;
		const kit: TestGateway = testRoute(
			{ live: true, steps: { a: { get: "kept/a" } } },
			() => ({ json: n++, afterMs: 100 }),
			{
				upstreams: {
					kept: {
						url: "http://kept.test",
						cache: { for: "30s", stale: "10m" },
					},
				},
			},
		);
		const one = watch(kit, "/x");
		await kit.clock.advance(40_000);
		assert.deepEqual(
			one.events.map(({ event, atMs, data }) => [event, atMs, data]),
			[
				["answer", 100, 0],
				["answer", 31_000, 1],
			],
		);
		assert.equal(kit.calls.length, 2);
		await left(kit, [one]);
	});

	it("runs each second if an answer is never fresh, and in ten if nobody knows", async () => {
		const never = cached(() => ({ headers: ["cache-control", "no-cache"] }));
		const one = watch(never, "/x");
		await never.clock.advance(3_500);
		assert.equal(never.calls.length, 4);
		await left(never, [one]);
		const failing = cached(() => ({
			status: failing.calls.length > 1 ? 500 : 200,
		}));
		const other = watch(failing, "/x");
		await failing.clock.advance(25_000);
		assert.ok(failing.calls.length <= 4, `${failing.calls.length}`);
		await left(failing, [other]);
	});
});
