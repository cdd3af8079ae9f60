import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import type { RequestEnded } from "../../src/core/events.ts";
import {
	type AskOptions,
	byPath,
	hanging,
	type Reply,
	seen,
	type TestGateway,
	testGateway,
	testRoute,
} from "../kit/gateway.ts";

/** An order is placed, paid and confirmed, one after the other. */
const ordering = {
	steps: {
		order: { post: "orders/order" },
		payment: { post: "users/charge", body: { order: "${order}" } },
		confirmed: { put: "orders/confirmed", body: "${payment}" },
	},
	respond: "${confirmed}",
};
const services = {
	"/order": { json: 1, afterMs: 100 },
	"/charge": { json: 2, afterMs: 100 },
	"/confirmed": { json: 3, afterMs: 100 },
};

/** Asks, leaves at this instant, and gives what was heard of the request when nothing goes on any more. */
async function leftAt(
	kit: TestGateway,
	leaveMs: number,
	options: AskOptions = {},
): Promise<RequestEnded> {
	const { answer, leave } = kit.send("/x", options);
	await kit.clock.advance(leaveMs);
	leave();
	await kit.settle();
	assert.equal((await answer).status, 499);
	kit.assertNothingLeft();
	const [end, ...others] = kit.ended;
	assert.deepEqual(others, []);
	return end as RequestEnded;
}

function told({ status, outlived, error, durationMs, writes }: RequestEnded) {
	const written = writes.map(({ step, index, outcome }) =>
		[step, ...index, outcome].join(" "),
	);
	return { status, outlived, code: error?.code, durationMs, written };
}

const pathsOf = ({ calls }: TestGateway) => Object.keys(seen(calls, () => 0));

describe("a run whose client leaves after a write was sent", () => {
	for (const leaveMs of [0, 50, 100, 150, 299]) {
		it(`goes on to its end, if that was at ${leaveMs} ms of 300`, async () => {
			const kit = testRoute(ordering, byPath(services));
			const end = await leftAt(kit, leaveMs);
			assert.deepEqual(pathsOf(kit), ["/order", "/charge", "/confirmed"]);
			assert.deepEqual(told(end), {
				status: 499,
				outlived: true,
				code: "client_closed",
				durationMs: 300,
				written: ["order done", "payment done", "confirmed done"],
			});
		});
	}

	it("reads what its writes need, and what its answer reads", async () => {
		const kit = testRoute(
			{
				steps: {
					order: { post: "orders/order" },
					card: { get: "users/card", after: ["order"] },
					payment: { post: "users/charge", body: "${card}" },
					news: { get: "users/news", after: ["payment"] },
				},
				respond: ["${order}", "${news}"],
			},
			byPath(services),
		);
		await leftAt(kit, 50);
		assert.deepEqual(pathsOf(kit), ["/order", "/card", "/charge", "/news"]);
	});

	it("still aborts a read for which nobody waits", async () => {
		const kit = testRoute(
			{
				steps: {
					order: { post: "orders/order", fallback: "${backup}" },
					backup: { get: "users/backup", optional: true },
				},
				respond: "${order}",
			},
			byPath({ ...services, "/backup": hanging }),
		);
		const { durationMs } = await leftAt(kit, 50);
		assert.equal(durationMs, 100);
	});

	it("tells its failure, and what it had written", async () => {
		const failing = {
			...services,
			"/confirmed": { status: 500, afterMs: 100 },
		};
		const kit = testRoute(ordering, byPath(failing));
		assert.deepEqual(told(await leftAt(kit, 150)), {
			status: 499,
			outlived: true,
			code: "upstream_status",
			durationMs: 300,
			written: ["order done", "payment done", "confirmed unknown"],
		});
	});

	it("tells the parts that its answer would have lacked", async () => {
		const { order, payment } = ordering.steps;
		const steps = { order, payment: { ...payment, optional: true } };
		const kit = testRoute(
			{ steps, respond: "${order}" },
			byPath({ ...services, "/charge": { status: 402 } }),
		);
		const { missing, error, writes } = await leftAt(kit, 50);
		assert.deepEqual(
			missing.map(({ step, error }) => [step, error.code]),
			[["payment", "upstream_status"]],
		);
		assert.equal(error?.code, "client_closed");
		assert.equal(writes.at(-1)?.outcome, "refused");
	});

	it("ends at its deadline", async () => {
		const kit = testRoute(
			{ ...ordering, deadline: "250ms" },
			byPath({ ...services, "/charge": hanging }),
		);
		assert.deepEqual(told(await leftAt(kit, 50)), {
			status: 499,
			outlived: true,
			code: "deadline_exceeded",
			durationMs: 250,
			written: ["order done", "payment unknown"],
		});
	});

	it("goes on to a reply", async () => {
		const kit = testRoute(
			{
				steps: {
					order: { post: "orders/order" },
					declined: {
						when: "${order !== null}",
						reply: { status: 409, body: "${order}" },
					},
					payment: { post: "users/charge", after: ["declined"] },
				},
				respond: "${order}",
			},
			byPath(services),
		);
		const { durationMs } = await leftAt(kit, 50);
		assert.equal(durationMs, 100);
		assert.deepEqual(pathsOf(kit), ["/order"]);
	});

	it("is meant if the write is an item's, or in a group", async () => {
		const kit = testRoute(
			{
				steps: {
					all: {
						each: [1, 2],
						as: "n",
						parallel: 1,
						steps: {
							first: { get: "users/first" },
							put: { put: "users/put/${n}", body: "${first}" },
							after: { get: "users/after/${put}" },
						},
						value: "${after}",
					},
				},
				respond: "${all}",
			},
			byPath({
				"/first": { afterMs: 100 },
				"/put/1": { json: 7, afterMs: 100 },
				"/put/2": { json: 8, afterMs: 100 },
			}),
		);
		assert.deepEqual(told(await leftAt(kit, 150)), {
			status: 499,
			outlived: true,
			code: "client_closed",
			durationMs: 400,
			written: ["all.put 0 done", "all.put 1 done"],
		});
		assert.ok(pathsOf(kit).includes("/after/8"));
	});

	it("is meant if a function's `call` has written, and not if it has read", async () => {
		type Call = (target: string, options?: object) => Promise<unknown>;
		const run = async (_: unknown, { call }: { call: Call }) => {
			await call("users/first");
			await call("users/put", { method: "PUT" });
			return call("users/last");
		};
		const behave = () => ({ json: 1, afterMs: 100 });
		for (const [leaveMs, paths] of [
			[50, ["/first"]],
			[99, ["/first"]],
			[100, ["/first", "/put", "/last"]],
			[150, ["/first", "/put", "/last"]],
		] as const) {
			const kit = testRoute({ steps: { b: { run } } }, behave);
			const { outlived } = await leftAt(kit, leaveMs);
			assert.deepEqual(pathsOf(kit), paths, `left at ${leaveMs}`);
			assert.equal(outlived, paths.length > 1);
		}
	});
});

describe("a client that leaves before a write was sent", () => {
	const after = (reply: Reply) =>
		testRoute(
			{
				steps: {
					card: { get: "users/card" },
					payment: { post: "users/charge", body: "${card}" },
				},
				respond: "${payment}",
			},
			byPath({ "/card": reply, "/charge": { ...hanging, neverSent: true } }),
		);

	it("ends the run at once", async () => {
		const kit = after({ afterMs: 100 });
		const end = await leftAt(kit, 99);
		assert.deepEqual(told(end), {
			status: 499,
			outlived: false,
			code: "client_closed",
			durationMs: 99,
			written: [],
		});
		assert.deepEqual(pathsOf(kit), ["/card"]);
	});

	it("ends it while the write waits for its turn, or for a connection", async () => {
		const kit = after({ afterMs: 100 });
		assert.deepEqual(told(await leftAt(kit, 150)), {
			status: 499,
			outlived: false,
			code: "client_closed",
			durationMs: 150,
			written: [],
		});
	});

	it("ends it although a POST that only reads was sent", async () => {
		const kit = testRoute(
			{ steps: { found: { post: "search/q" } } },
			() => hanging,
		);
		const { outlived, durationMs } = await leftAt(kit, 50);
		assert.deepEqual([outlived, durationMs], [false, 50]);
	});
});

describe("the gateway", () => {
	const slow = { ...services, "/charge": hanging };

	it("cuts such a run when it closes, tells which write was cut, and has told it by then", async () => {
		const kit = testRoute(ordering, byPath(slow));
		const { answer, leave } = kit.send("/x");
		await kit.clock.advance(150);
		leave();
		await kit.clock.advance(50);
		assert.equal(kit.ended.length, 0);
		await kit.gateway.close();
		const [end] = kit.ended;
		assert.deepEqual(told(end as RequestEnded), {
			status: 499,
			outlived: true,
			code: "gateway_draining",
			durationMs: 200,
			written: ["order done", "payment unknown"],
		});
		assert.equal(end?.error?.facts.step, "payment");
		assert.match(end?.error?.message ?? "", /while this write was under way/);
		assert.equal((await answer).status, 499);
		kit.assertNothingLeft();
	});

	it("cuts a run between two of its writes, too", async () => {
		const run = () => new Promise(() => {});
		const { order, confirmed } = ordering.steps;
		const kit = testRoute(
			{
				steps: {
					order,
					payment: { run, after: ["order"] },
					confirmed,
				},
				respond: "${confirmed}",
			},
			byPath(services),
		);
		const { leave } = kit.send("/x");
		await kit.clock.advance(150);
		leave();
		await kit.gateway.close();
		const [end] = kit.ended;
		assert.equal(end?.error?.code, "gateway_draining");
		assert.match(end?.error?.message ?? "", /before all steps had ended/);
	});

	it("cuts a run when its server is closed, although its client still waits", async () => {
		const kit = testRoute(ordering, byPath(slow));
		const { answer, scope } = kit.send("/x");
		await kit.clock.advance(150);
		scope.cancel(new GatewayError("gateway_draining", "the server drains"));
		assert.equal((await answer).status, 503);
		const [end] = kit.ended;
		assert.deepEqual(told(end as RequestEnded).written, [
			"order done",
			"payment unknown",
		]);
		assert.equal(end?.outlived, false);
		assert.equal(end?.error?.facts.step, "payment");
		await kit.gateway.close();
	});

	const crowded = {
		upstreams: {
			users: { url: "http://users.test" },
			orders: { url: "http://orders.test" },
		},
		overload: { requests: 1, waiting: 1, wait: "1h" },
		routes: { "GET /x": ordering, "GET /y": { respond: 1 } },
	};

	it("counts such a run as in progress until it ends", async () => {
		const kit = testGateway(crowded, byPath(services));
		const { leave } = kit.send("/x");
		await kit.clock.advance(50);
		leave();
		const next = kit.send("/y");
		await kit.clock.settle();
		assert.equal((await next.answer).atMs, 300);
	});

	it("counts a request as in progress until its last write has ended, after its answer, too", async () => {
		const route = {
			steps: {
				order: { post: "orders/order" },
				no: { get: "users/no" },
			},
			respond: ["${order}", "${no}"],
		};
		const routes = { ...crowded.routes, "GET /x": route };
		const kit = testGateway(
			{ ...crowded, routes },
			byPath({ ...services, "/no": { status: 500, afterMs: 20 } }),
		);
		const { answer } = kit.send("/x");
		const next = kit.send("/y");
		await kit.clock.settle();
		const failed = await answer;
		assert.deepEqual([failed.status, failed.atMs], [502, 20]);
		assert.equal((await next.answer).atMs, 100);
		await failed.ongoing;
		assert.deepEqual(told(kit.ended[0] as RequestEnded).written, [
			"order unknown",
		]);
	});

	it("holds the memory of a plain request until its last write has ended", async () => {
		const kit = testRoute(
			{
				steps: { b: { post: "users/b", within: "50ms", optional: true } },
			},
			() => ({ json: 1, afterMs: 500 }),
		);
		const { gateway, clock } = kit;
		const answer = gateway.handle({ method: "GET", target: "/x" });
		await clock.advance(50);
		const { status, ongoing } = await answer;
		assert.equal(status, 200);
		assert.ok(gateway.memory.held > 0);
		await clock.advance(449);
		assert.ok(gateway.memory.held > 0);
		await clock.advance(1);
		await ongoing;
		assert.equal(gateway.memory.held, 0);
	});

	it("holds the memory of a request of `fetch` until its run has ended", async () => {
		const { gateway, clock } = testRoute(ordering, byPath(services));
		const controller = new AbortController();
		const { signal } = controller;
		const answer = gateway.fetch(
			new Request("http://sluice.test/x", { signal }),
		);
		await clock.advance(50);
		controller.abort();
		await clock.advance(249);
		assert.ok(gateway.memory.held > 0);
		await clock.advance(1);
		assert.equal((await answer).status, 499);
		assert.equal(gateway.memory.held, 0);
	});
});
