import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readRequestQuery } from "../../src/telemetry/traffic/request-filter.ts";
import {
	createTraffic,
	type Traffic,
} from "../../src/telemetry/traffic/traffic.ts";
import { byPath, type Reply, testGateway, testRoute } from "../kit/gateway.ts";

const list = (traffic: Traffic, query = "") =>
	traffic.list(readRequestQuery(`/traffic?${query}`));

const idsOf = (traffic: Traffic, query = "") =>
	list(traffic, query).requests.map(({ id }) => id);

const simple = { respond: "hello" };

const numbers = (count: number) =>
	Array.from({ length: count }, (_, at) => `r${at + 1}`);

describe("the last requests", () => {
	it("are kept, the newest first, and found by their ids", async () => {
		const test = testRoute(simple);
		const traffic = createTraffic(test.gateway);
		for (const id of ["a", "b", "a"]) await test.ask("/x", { id });
		await test.ask("/nowhere", { id: "c" });
		assert.deepEqual(idsOf(traffic), ["c", "a", "b", "a"]);
		const { ended, dropped, newest, next } = list(traffic);
		assert.deepEqual([ended, dropped, newest, next], [4, 0, 4, null]);
		assert.equal(traffic.detail("b")?.route, "GET /x");
		assert.equal(traffic.detail("c")?.status, 404);
		assert.equal(traffic.detail("d"), null);
		traffic.detach();
	});

	it("are 200 at most: of the 201st on the oldest goes, and is counted", async () => {
		const test = testRoute(simple);
		const traffic = createTraffic(test.gateway);
		const all = numbers(201);
		for (const id of all.slice(0, 200)) await test.ask("/x", { id });
		assert.equal(list(traffic).dropped, 0);
		assert.equal(idsOf(traffic).at(-1), "r1");
		await test.ask("/x", { id: "r201" });
		assert.equal(list(traffic).dropped, 1);
		assert.deepEqual(idsOf(traffic), all.slice(1).toReversed());
		assert.equal(traffic.detail("r1"), null);
		traffic.detach();
	});

	it("are all of a thousand at once, then a hundred a second, and as many that went wrong", async () => {
		const test = testGateway(routes, behaviour);
		const traffic = createTraffic(test.gateway);
		const newest = () => list(traffic).requests[0]?.id;
		const ask = async (count: number, name: string) => {
			for (let at = 1; at <= count; at++) {
				await test.ask("/quick", { id: `${name}${at}` });
			}
		};
		await ask(1_000, "first-");
		assert.equal(newest(), "first-1000");
		await ask(1, "too-many-");
		assert.equal(newest(), "first-1000");
		assert.equal(list(traffic).dropped, 801);
		await test.ask("/broken", { id: "broken" });
		assert.equal(newest(), "broken");
		// Of the broken one 5 ms have passed.
		await test.clock.advance(95);
		await ask(15, "later-");
		assert.equal(newest(), "later-10");
		const stop = traffic.listen({ ended: () => true, rates: () => {} });
		await ask(1, "listened-");
		assert.equal(newest(), "listened-1");
		stop();
		assert.equal(list(traffic).ended, 1_018);
		assert.equal(traffic.recentOfRoute("GET /quick").recent.count, 1_017);
		traffic.detach();
	});

	it("come in pages that follow each other without a gap", async () => {
		const test = testRoute({
			request: { query: { "bad?": { type: "string" } } },
			respond: "x",
			status: "${query.bad === null ? 200 : 503}",
		});
		const traffic = createTraffic(test.gateway);
		for (const [at, id] of numbers(10).entries()) {
			await test.ask(at % 2 === 0 ? "/x" : "/x?bad=1", { id });
		}
		const pages: string[][] = [];
		let before: string | null = "";
		while (before !== null) {
			const query: string = `status=503&limit=2${before && `&before=${before}`}`;
			pages.push(idsOf(traffic, query));
			before = list(traffic, query).next;
		}
		assert.deepEqual(pages, [["r10", "r8"], ["r6", "r4"], ["r2"]]);
		traffic.detach();
	});

	it("take 16 MiB at most, so that long lists push out the others", async () => {
		const all = "all".repeat(50);
		const test = testRoute(
			{
				steps: {
					ids: { get: "users/ids" },
					[all]: { each: "${ids}", max: 5000, value: "${item}" },
				},
				respond: `\${${all}.length}`,
			},
			() => ({ json: Array.from({ length: 5_000 }, (_, at) => at) }),
		);
		const traffic = createTraffic(test.gateway);
		for (const id of numbers(20)) await test.ask("/x", { id });
		const kept = idsOf(traffic).length;
		assert.ok(kept >= 10 && kept <= 19, `${kept} are kept`);
		const bytes = test.gateway.memory.kept;
		assert.ok(bytes <= 16 * 2 ** 20 && bytes > 14 * 2 ** 20, `${bytes} bytes`);
		assert.equal(list(traffic).dropped, 20 - kept);
		assert.equal(traffic.detail("r20")?.steps.length, 5_000);
		traffic.detach();
	});

	it("give way when the gateway's memory is needed, and give everything back at the end", async () => {
		const test = testRoute(simple);
		const { memory } = test.gateway;
		const traffic = createTraffic(test.gateway);
		for (const id of numbers(20)) await test.ask("/x", { id });
		await test.clock.advance(0);
		const { kept } = memory;
		assert.ok(kept > 0);
		const most = memory.bytesMax - memory.held - kept / 2;
		assert.ok(memory.take(most));
		assert.ok(memory.kept <= kept / 2 && memory.kept > 0);
		assert.ok(idsOf(traffic).length <= 10);
		assert.equal(idsOf(traffic)[0], "r20");
		memory.give(most);
		traffic.detach();
		traffic.detach();
		assert.equal(memory.kept, 0);
		const { trailEnded, attemptEnded } = test.gateway.events;
		// The test's own listener is left.
		assert.deepEqual([trailEnded.length, attemptEnded.length], [1, 0]);
	});

	it("hold no answer, no cause and no stack of what failed, but say what it was", async () => {
		const route = {
			steps: {
				a: {
					get: "users/a",
					keepBody: true,
					fallback: "${failure.body.secret}",
				},
				b: {
					get: "users/b",
					query: { a: "${a}" },
					optional: true,
				},
			},
			respond: ["${a}", "${b}"],
		};
		const replies = byPath({
			"/a": { status: 500, json: { secret: 1 }, afterMs: 10 },
			"/b": { status: 503, afterMs: 20 },
		});
		const test = testRoute(route, replies);
		const traffic = createTraffic(test.gateway);
		await test.ask("/x");
		const [request] = traffic.after(0).found;
		const original = test.trails[0];
		assert.notEqual(request?.end.trail, original?.trail);
		const errors = [
			...(request?.end.missing.map(({ error }) => error) ?? []),
			...(request?.end.trail.steps.flatMap(({ error, calls }) => [
				error,
				...calls.flatMap((call) => [
					call.error,
					...call.attempts.map((attempt) => attempt.error),
				]),
			]) ?? []),
		].filter((error) => error !== null);
		assert.ok(errors.length >= 4, `${errors.length}`);
		for (const error of errors) {
			assert.equal(error.answer, undefined);
			assert.equal(error.cause, undefined);
			assert.doesNotMatch(error.stack ?? "", /\n\s+at /);
		}
		const detail = traffic.detail("test-request");
		const { a, b } = Object.fromEntries(
			detail?.steps.map((step) => [step.path, step]) ?? [],
		);
		assert.deepEqual([a?.error?.code, a?.end], ["upstream_status", "filled"]);
		assert.equal(b?.after, 0);
		assert.equal(b?.calls[0]?.attempts[0]?.status, 503);
		assert.deepEqual(
			detail?.criticalPath.map(({ step, toMs }) => [step, toMs]),
			[
				["a", 10],
				["b", 30],
			],
		);
		assert.notEqual(original?.trail.steps[0]?.error?.stack, undefined);
		traffic.detach();
	});
});

const routes = {
	upstreams: {
		users: { url: "http://users.test", timeout: "2s" },
		orders: { url: "http://orders.test", timeout: "2s" },
	},
	routes: {
		"GET /x": {
			steps: {
				ids: { get: "users/ids" },
				items: {
					each: "${ids}",
					max: 10,
					steps: {
						one: { get: "orders/one", query: { id: "${item}" } },
					},
					value: "${one}",
				},
				off: { get: "users/off", when: "${ids.length > 100}" },
				bad: { get: "users/bad", optional: true },
			},
			respond: ["${items}", "${off}", "${bad}"],
		},
		"GET /quick": { respond: 1 },
		"GET /broken": {
			steps: { a: { get: "users/bad" } },
			respond: "${a}",
		},
	},
};

const behaviour = byPath({
	"/ids": { json: [1, 2, 3], afterMs: 20 },
	"/one": { json: 1, afterMs: 100 },
	"/bad": { status: 500, afterMs: 5 },
} satisfies Record<string, Reply>);

const near = (ms: number | null | undefined, wanted: number) =>
	assert.ok(Math.abs((ms ?? 0) / wanted - 1) < 0.055, `${ms} is not ${wanted}`);

describe("how a gateway goes on the whole", () => {
	it("is counted by route, by upstream and by step, without what was skipped", async () => {
		const test = testGateway(routes, behaviour);
		const traffic = createTraffic(test.gateway);
		for (let at = 0; at < 4; at++) await test.ask("/x");
		await test.ask("/broken");
		const { recent, steps } = traffic.recentOfRoute("GET /x");
		assert.deepEqual([recent.count, recent.partial, recent.errors], [4, 4, 0]);
		near(recent.p50Ms, 120);
		const byStep = Object.fromEntries(steps.map((one) => [one.step, one]));
		assert.deepEqual(Object.keys(byStep), [
			...["ids", "items", "items.one", "off", "bad"],
		]);
		const counts = Object.values(byStep).map(({ count, errors }) => [
			...[count, errors],
		]);
		assert.deepEqual(counts, [
			...[
				[4, 0],
				[4, 0],
				[12, 0],
				[0, 0],
				[4, 4],
			],
		]);
		near(byStep.items?.p95Ms, 100);
		near(byStep["items.one"]?.p50Ms, 100);
		near(byStep.ids?.p50Ms, 20);
		assert.equal(byStep.off?.p50Ms, null);
		const users = traffic.recentOfUpstream("users");
		assert.deepEqual([users.count, users.errors], [9, 5]);
		assert.equal(traffic.recentOfUpstream("orders").count, 12);
		const broken = traffic.recentOfRoute("GET /broken").recent;
		assert.deepEqual([broken.count, broken.errors], [1, 1]);
		assert.equal(traffic.recentOfRoute(null).recent.count, 0);
		traffic.detach();
	});

	it("is of the last minute or two", async () => {
		const test = testGateway(routes, behaviour);
		const traffic = createTraffic(test.gateway);
		const count = () => traffic.recentOfRoute("GET /quick").recent.count;
		await test.ask("/quick");
		await test.clock.advance(60_000);
		await test.ask("/quick");
		assert.equal(count(), 2);
		await test.clock.advance(60_000);
		assert.equal(count(), 1);
		await test.clock.advance(60_000);
		assert.equal(count(), 0);
		await test.ask("/quick");
		await test.clock.advance(600_000);
		assert.equal(count(), 0);
		traffic.detach();
	});

	it("is told each second to those who listen, and to nobody else", async () => {
		const test = testGateway(routes, behaviour);
		const traffic = createTraffic(test.gateway);
		await test.ask("/quick");
		const told: string[] = [];
		const ended: number[] = [];
		const stop = traffic.listen({
			ended: ({ number }) => {
				ended.push(number);
				return false;
			},
			rates: ({ forMs, requests, routes, upstreams }) => {
				const names = [
					...routes.map(({ route, count }) => `${route}: ${count}`),
					...upstreams.map(({ upstream, count }) => `${upstream}: ${count}`),
				];
				told.push(`${forMs}: ${requests.count} ${names.join(", ")}`);
			},
		});
		await test.ask("/quick");
		await test.ask("/broken");
		await test.ask("/nowhere");
		await test.clock.advance(1_000);
		await test.clock.advance(1_000);
		assert.deepEqual(ended, [2, 3, 4]);
		assert.deepEqual(told, [
			"1000: 3 null: 1, GET /quick: 1, GET /broken: 1, users: 1",
			"1000: 0 ",
		]);
		stop();
		await test.ask("/quick");
		await test.clock.advance(5_000);
		assert.equal(told.length, 2);
		assert.equal(ended.length, 3);
		traffic.detach();
		assert.equal(test.clock.pending, 0);
	});
});
