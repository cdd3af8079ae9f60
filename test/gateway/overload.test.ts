import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OverloadInput } from "../../src/config/define.ts";
import type { LoadChanged } from "../../src/core/events.ts";
import { RequestMemory } from "../../src/core/memory.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import { virtualClock } from "../../src/tasks/index.ts";
import { type Behaviour, hanging, testGateway } from "../kit/gateway.ts";
import { problemsOf } from "../kit/problems.ts";

/** A route that calls, and one whose call may be missing. */
function gatewayWith(overload: object | false, behave?: Behaviour) {
	const kit = testGateway(
		{
			upstreams: { users: { url: "http://users.test", connections: 4096 } },
			routes: {
				"GET /x": { steps: { user: { get: "users/x", timeout: "20s" } } },
				"GET /parts": {
					steps: {
						user: { get: "users/user" },
						orders: { get: "users/orders", fallback: [] },
						advice: { get: "users/advice", optional: true },
					},
					respond: {
						user: "${user}",
						orders: "${orders}",
						advice: "${advice}",
					},
				},
				"POST /body": {
					request: { body: { type: "object" } },
					steps: { user: { get: "users/x" } },
				},
			},
			overload,
		},
		behave ?? (() => ({ json: 1, afterMs: 100 })),
	);
	const changes: LoadChanged[] = [];
	kit.gateway.events.loadChanged.push((change) => changes.push(change));
	return { ...kit, changes, levels: () => changes.map(({ level }) => level) };
}

async function statuses(
	sent: readonly { answer: Promise<{ status: number }> }[],
): Promise<number[]> {
	const answers = await Promise.all(sent.map(({ answer }) => answer));
	return answers.map(({ status }) => status);
}

describe("requests in progress", () => {
	it("lets as many in as allowed, lets as many wait, and refuses one more at once", async () => {
		const { send, clock, calls, assertNothingLeft } = gatewayWith({
			requests: 3,
			waiting: 2,
		});
		const sent = [1, 2, 3, 4, 5].map(() => send("/x"));
		await clock.advance(0);
		assert.equal(calls.length, 3);
		const refused = await send("/x").answer;
		assert.equal(refused.atMs, 0);
		assert.equal(refused.status, 503);
		assert.equal(refused.code, "overloaded");
		assert.equal(refused.header("retry-after"), "1");
		await clock.advance(100);
		assert.equal(calls.length, 5);
		await clock.settle();
		assert.deepEqual(await statuses(sent), [200, 200, 200, 200, 200]);
		assertNothingLeft();
	});

	it("refuses nobody below the bound, and lets nothing wait where nothing may", async () => {
		const { send, clock, levels } = gatewayWith({ requests: 3, waiting: 0 });
		const two = [send("/x"), send("/x")];
		await clock.advance(0);
		assert.deepEqual(levels(), []);
		const third = send("/x");
		await clock.advance(0);
		assert.deepEqual(levels(), ["skipping"]);
		assert.equal((await send("/x").answer).code, "overloaded");
		assert.deepEqual(levels(), ["skipping", "refusing"]);
		await clock.settle();
		assert.deepEqual(await statuses([...two, third]), [200, 200, 200]);
		await clock.advance(1000);
		assert.equal(levels().at(-1), "normal");
	});

	it("gives the place of a request back however it ends", async () => {
		const { send, clock } = gatewayWith(
			{ requests: 1, waiting: 0 },
			({ request }) =>
				request.target === "/x" ? { status: 500 } : { json: 1 },
		);
		const ends: [target: string, status: number, leaves?: true][] = [
			["/x", 502],
			["/nowhere", 404],
			["/x", 499, true],
			["/parts", 200],
		];
		for (const [target, status, leaves] of ends) {
			const sent = send(target);
			if (leaves) sent.leave();
			await clock.settle();
			assert.equal((await sent.answer).status, status);
		}
	});

	it("refuses who has waited as long as allowed", async () => {
		const { send, clock, assertNothingLeft } = gatewayWith(
			{ requests: 1, waiting: 5, wait: "300ms" },
			() => ({ json: 1, afterMs: 5000 }),
		);
		const first = send("/x");
		const second = send("/x");
		await clock.advance(299);
		const third = send("/x");
		await clock.advance(1);
		const { atMs, code } = await second.answer;
		assert.deepEqual([atMs, code], [300, "overloaded"]);
		await clock.settle();
		assert.equal((await third.answer).atMs, 599);
		assert.equal((await first.answer).status, 200);
		assertNothingLeft();
	});

	it("lets a request wait no longer than its deadline", async () => {
		const { send, clock } = gatewayWith(
			{ requests: 1, waiting: 5, wait: "1m" },
			() => ({ json: 1, afterMs: 15_000 }),
		);
		const first = send("/parts");
		const second = send("/x");
		await clock.advance(10_000);
		const { atMs, code } = await second.answer;
		assert.deepEqual([atMs, code], [10_000, "deadline_exceeded"]);
		await clock.settle();
		await first.answer;
	});

	it("forgets whoever left while waiting, and takes the next", async () => {
		const { send, clock, calls, assertNothingLeft } = gatewayWith({
			requests: 1,
			waiting: 2,
		});
		const first = send("/x");
		const second = send("/x");
		const third = send("/x");
		await clock.advance(50);
		second.leave();
		assert.equal((await second.answer).status, 499);
		const fourth = send("/x");
		await clock.settle();
		assert.deepEqual(await statuses([first, third, fourth]), [200, 200, 200]);
		assert.equal(calls.length, 3);
		assertNothingLeft();
	});

	it("takes who came first while a burst is smoothed, the newest where the queue stands", async () => {
		const { send, clock, assertNothingLeft } = gatewayWith(
			{ requests: 1, waiting: 4, wait: "350ms" },
			() => ({ json: 1, afterMs: 100 }),
		);
		const order: string[] = [];
		const begin = (name: string) =>
			void send("/x").answer.then(({ status }) =>
				order.push(`${name} ${status}`),
			);
		for (const name of ["a", "b", "c", "d"]) begin(name);
		await clock.advance(110);
		begin("e");
		await clock.advance(100);
		begin("f");
		await clock.advance(100);
		begin("g");
		await clock.advance(50);
		begin("h");
		await clock.settle();
		assert.deepEqual(order, [
			"a 200",
			"b 200",
			"c 200",
			"d 200",
			"e 503",
			"h 200",
			"f 503",
			"g 200",
		]);
		assertNothingLeft();
	});

	it("reads no body of a request that it refuses", async () => {
		const { send, clock, gateway } = gatewayWith({ requests: 1, waiting: 0 });
		const first = send("/x");
		const answer = await gateway.handle({
			method: "POST",
			target: "/body",
			id: "1",
			headers: ["content-type", "application/json"],
			ip: "",
			arrivedMs: 0,
			memory: new RequestMemory(gateway.memory),
			readBody: () => assert.fail("was read"),
			streamBody: () => null,
		});
		assert.equal(answer.status, 503);
		await clock.settle();
		await first.answer;
	});

	it("lets a slow body take no place", async () => {
		const { send, clock } = gatewayWith({ requests: 1, waiting: 0 });
		const slow = send("/body", { method: "POST", body: {}, bodyAfterMs: 5000 });
		await clock.advance(10);
		const quick = send("/x");
		await clock.settle();
		assert.deepEqual(await statuses([slow, quick]), [200, 200]);
	});

	it("ends the wait of those that wait when the gateway closes", async () => {
		const { send, clock, gateway } = gatewayWith(
			{ requests: 1, waiting: 2 },
			() => hanging,
		);
		const first = send("/x");
		const second = send("/x");
		await clock.advance(0);
		await gateway.close();
		assert.equal((await second.answer).code, "gateway_draining");
		first.leave();
		await first.answer;
		assert.equal(clock.pending, 0);
	});

	it("bounds nothing where it is switched off", async () => {
		const { send, clock, calls, levels } = gatewayWith(false, () => hanging);
		const sent = Array.from({ length: 2200 }, () => send("/x"));
		clock.block(2000);
		await clock.advance(0);
		clock.block(2000);
		sent.push(send("/x"));
		await clock.advance(0);
		assert.equal(calls.length, 2201);
		assert.deepEqual(levels(), []);
		for (const { leave } of sent) leave();
		assert.ok((await statuses(sent)).every((status) => status === 499));
	});
});

it("is not configured to refuse before it leaves anything out", () => {
	const [problem, ...others] = problemsOf(`
routes: { GET /x: { respond: 1 } }
overload: { refuseAt: 199ms }
`);
	assert.match(problem ?? "", /`refuseAt` 199 ms\) before .*`skipAt` 200 ms/);
	assert.deepEqual(others, []);
	const equal = "overload: { skipAt: 1s, refuseAt: 1s }";
	assert.deepEqual(
		problemsOf(`routes: { GET /x: { respond: 1 } }\n${equal}`),
		[],
	);
});

describe("the event loop's delay", () => {
	const limits = { skipAt: "200ms", refuseAt: "500ms" };

	it("leaves one pause be, however long", async () => {
		const { ask, send, clock, levels } = gatewayWith(limits);
		clock.block(5000);
		const sent = send("/parts");
		await clock.settle();
		assert.equal((await sent.answer).header("sluice-complete"), "?1");
		assert.equal((await ask("/parts")).header("sluice-complete"), "?1");
		assert.deepEqual(levels(), []);
	});

	const skipping: [before: number, now: number, skips: boolean][] = [
		[99, 200, false],
		[100, 199, false],
		[100, 200, true],
	];
	for (const [before, now, skips] of skipping) {
		it(`${skips ? "leaves" : "does not leave"} optional parts out ${now} ms late after a turn ${before} ms late`, async () => {
			const { send, clock, calls } = gatewayWith(limits);
			clock.block(before);
			await clock.advance(0);
			clock.block(now);
			const { answer } = send("/parts");
			await clock.settle();
			const { status, json, header } = await answer;
			assert.equal(status, 200);
			const others = skips
				? { orders: [], advice: null }
				: { orders: 1, advice: 1 };
			assert.deepEqual(json, { user: 1, ...others });
			assert.equal(
				header("sluice-missing"),
				skips ? "orders;error=overloaded, advice;error=overloaded" : null,
			);
			assert.equal(calls.length, skips ? 1 : 3);
		});
	}

	const refusing: [now: number, status: number][] = [
		[499, 200],
		[500, 503],
	];
	for (const [now, status] of refusing) {
		it(`answers ${status} to a request ${now} ms late`, async () => {
			const { send, clock, levels } = gatewayWith(limits);
			clock.block(100);
			await clock.advance(0);
			clock.block(200);
			const early = send("/x");
			assert.deepEqual(levels(), ["skipping"]);
			clock.block(now - 200);
			const late = send("/x");
			await clock.settle();
			const { status: got, atMs, header } = await late.answer;
			assert.equal(got, status);
			if (status === 503) {
				assert.equal(atMs, 100 + now);
				assert.equal(header("retry-after"), "1");
			}
			assert.equal((await early.answer).status, 200);
		});
	}

	it("refuses from the lower bound on once it has begun to, until no request is so late", async () => {
		const { send, clock, levels } = gatewayWith(limits);
		clock.block(500);
		await clock.advance(0);
		clock.block(500);
		const begun = [send("/x"), send("/x")];
		await clock.advance(0);
		clock.block(199);
		begun.push(send("/x"));
		clock.block(1);
		begun.push(send("/x"));
		await clock.advance(999);
		assert.equal(levels().at(-1), "refusing");
		await clock.advance(1);
		assert.equal(levels().at(-1), "normal");
		assert.deepEqual(await statuses(begun), [200, 503, 200, 503]);
	});

	it("leaves optional parts out before it refuses anybody, however late it is", async () => {
		const { send, clock, levels } = gatewayWith(limits);
		clock.block(1000);
		await clock.advance(0);
		clock.block(1000);
		const first = send("/parts");
		assert.deepEqual(levels(), ["skipping"]);
		const second = send("/parts");
		await clock.settle();
		assert.deepEqual(await statuses([first, second]), [200, 503]);
	});

	it("goes on with answers that it has begun", async () => {
		const { send, clock } = gatewayWith(limits, () => ({
			json: 1,
			afterMs: 1900,
		}));
		const begun = send("/x");
		await clock.advance(0);
		clock.block(600);
		await clock.advance(0);
		clock.block(600);
		const first = send("/x");
		const refused = send("/x");
		await clock.settle();
		assert.equal((await refused.answer).status, 503);
		assert.deepEqual(await statuses([begun, first]), [200, 200]);
	});

	it("stays at a level for a second after the last sign of it, and says each change once", async () => {
		const { ask, send, clock, changes } = gatewayWith(limits);
		clock.block(300);
		await clock.advance(0);
		clock.block(600);
		const sent = [send("/x"), send("/x"), send("/x")];
		await clock.advance(999);
		assert.equal((await ask("/parts")).header("sluice-complete"), "?0");
		await clock.settle();
		assert.deepEqual(await statuses(sent), [200, 503, 503]);
		assert.equal((await ask("/parts")).header("sluice-complete"), "?1");
		assert.deepEqual(changes, [
			{ level: "skipping", reason: "delay" },
			{ level: "refusing", reason: "delay" },
			{ level: "normal", reason: null },
		]);
	});

	it("skips no step whose condition does not hold, and every item of a list", async () => {
		const { send, clock, calls } = testGateway(
			{
				upstreams: { users: { url: "http://users.test" } },
				routes: {
					"GET /x": {
						steps: {
							no: { when: "${false}", get: "users/no", optional: true },
							all: { each: [1, 2], get: "users/a", fallback: "${item}" },
						},
						respond: { no: "${no}", all: "${all}" },
					},
				},
			},
			() => ({ json: 0 }),
		);
		clock.block(300);
		await clock.advance(0);
		clock.block(300);
		const { answer } = send("/x");
		await clock.settle();
		const { json, header } = await answer;
		assert.deepEqual(json, { no: null, all: [1, 2] });
		assert.equal(
			header("sluice-missing"),
			"all;index=0;error=overloaded, all;index=1;error=overloaded",
		);
		assert.equal(calls.length, 0);
	});
});

describe("a gateway that computes 200 answers a second", () => {
	const workMs = 5;
	const refusalMs = 0.05;
	const patienceMs = 1000;
	const seconds = 10;

	/** Good answers a second, which are those within the patience of a client, of so many times what it can do. */
	async function goodput(
		times: number,
		overload: OverloadInput | false,
	): Promise<number> {
		const clock = virtualClock();
		const compute = () => {
			clock.block(workMs);
			return 1;
		};
		const gateway = createGateway(
			{
				routes: { "GET /x": { steps: { sum: { run: compute } } } },
				overload,
			},
			{ clock },
		);
		const everyMs = workMs / times;
		let good = 0;
		let sentMs = 0;
		// A turn takes what came during the one before, in order; a client's time counts from when it sent.
		while (clock.now() < seconds * 1000) {
			const turnMs = clock.now();
			for (; sentMs <= turnMs; sentMs += everyMs) {
				const { status } = await gateway.handle({
					...{ method: "GET", target: "/x", id: "x", headers: [], ip: "" },
					arrivedMs: clock.now(),
					memory: new RequestMemory(gateway.memory),
					readBody: async () => new Uint8Array(0),
					streamBody: () => null,
				});
				if (status !== 200) clock.block(refusalMs);
				else if (clock.now() - sentMs <= patienceMs) good++;
			}
			if (clock.now() === turnMs) await clock.advance(everyMs);
			else await clock.advance(0);
		}
		await gateway.close();
		return good / seconds;
	}

	for (const times of [1, 2, 5]) {
		it(`gives nine in ten of them in good time when ${times} times as many are asked for`, async () => {
			const found = await goodput(times, {});
			assert.ok(found >= 180, `${found}/s`);
		});
	}

	it("gives hardly any when five times as many are asked for and it refuses none", async () => {
		const found = await goodput(5, false);
		assert.ok(found <= 60, `${found}/s`);
	});
});

describe("a turn of the loop that has taken long", () => {
	/** Lets the turn of the loop be late, as requests find it that come behind much work. */
	function late() {
		const kit = gatewayWith({ skipAt: "200ms", refuseAt: "500ms" });
		kit.clock.block(10);
		return kit;
	}

	it("begins no further request, but the next turns do, in order", async () => {
		const { send, clock, calls, assertNothingLeft } = late();
		const sent = [1, 2, 3].map((id) => send(`/x?${id}`));
		await Promise.resolve();
		assert.equal(calls.length, 0);
		await clock.advance(0);
		assert.equal(calls.length, 3);
		await clock.settle();
		assert.deepEqual(await statuses(sent), [200, 200, 200]);
		assertNothingLeft();
	});

	it("begins no request of a client that has left meanwhile", async () => {
		const { send, clock, calls, assertNothingLeft } = late();
		const gone = send("/x");
		const there = send("/x");
		gone.leave();
		await clock.settle();
		assert.deepEqual(await statuses([gone, there]), [499, 200]);
		assert.equal(calls.length, 1);
		assertNothingLeft();
	});

	it("begins no request whose deadline has passed meanwhile", async () => {
		const { send, clock, calls, assertNothingLeft } = late();
		const sent = send("/x");
		clock.block(10_000);
		await clock.settle();
		assert.deepEqual(await statuses([sent]), [504]);
		assert.equal(calls.length, 0);
		assertNothingLeft();
	});

	const waits: [ms: number, second: number][] = [
		[499, 200],
		[500, 503],
	];
	for (const [ms, status] of waits) {
		it(`answers ${status} to a request that has waited ${ms} ms to be begun, and to one that comes then`, async () => {
			const { send, clock } = late();
			const first = send("/x");
			clock.block(ms - 1);
			const between = send("/x");
			clock.block(1);
			const last = send("/x");
			await clock.settle();
			const all = await statuses([first, between, last]);
			assert.deepEqual(all, [status, 200, status]);
		});
	}
});
