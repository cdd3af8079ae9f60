import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import type { UndoEnded } from "../../src/core/events.ts";
import {
	type AskOptions,
	byPath,
	hanging,
	type Reply,
	type TestGateway,
	testGateway,
	testRoute,
} from "../kit/gateway.ts";

/** A trip of three bookings, one after the other, each of which can be taken back. */
const trip = {
	steps: {
		flight: {
			post: "users/flights",
			undo: { delete: "users/flights/${answer.id}" },
		},
		hotel: {
			post: "users/hotels",
			body: { with: "${flight.id}" },
			undo: { delete: "users/hotels/${answer.id}" },
		},
		car: {
			post: "users/cars",
			body: { with: "${hotel.id}" },
			undo: { delete: "users/cars/${answer.id}" },
		},
	},
	respond: "${car.id}",
};
const booked: Readonly<Record<string, Reply>> = {
	"/flights": { json: { id: "f" }, afterMs: 100 },
	"/hotels": { json: { id: "h" }, afterMs: 100 },
	"/cars": { json: { id: "c" }, afterMs: 100 },
	"/flights/f": { status: 204, text: "", afterMs: 10 },
	"/hotels/h": { status: 204, text: "", afterMs: 10 },
	"/cars/c": { status: 204, text: "", afterMs: 10 },
};

interface Undone {
	/** The undo's calls, with their instants: `DELETE /flights/f 210–220`. */
	readonly calls: readonly string[];
	/** `flight` if it was undone, `flight: code` if not. */
	readonly told: readonly string[];
	readonly events: readonly UndoEnded[];
	readonly status: number;
	readonly atMs: number;
}

/** Asks once and waits until nothing goes on any more. */
async function askIn(
	kit: TestGateway,
	leaveMs: number | null = null,
	options: AskOptions = {},
): Promise<Undone> {
	const events: UndoEnded[] = [];
	kit.gateway.events.undoEnded.push((event) => events.push(event));
	const { answer, leave } = kit.send("/x", options);
	if (leaveMs !== null) {
		await kit.clock.advance(leaveMs);
		leave();
	}
	await kit.settle();
	const { status, atMs, ongoing } = await answer;
	await ongoing;
	kit.assertNothingLeft();
	return { ...undoneIn(kit, events), status, atMs };
}

function undoneIn({ calls }: TestGateway, events: readonly UndoEnded[]) {
	return {
		events,
		calls: calls
			.filter(({ request }) => request.method === "DELETE")
			.map(
				({ request: { target }, startedMs, endedMs }) =>
					`${target} ${startedMs}–${endedMs}`,
			),
		told: events.map(({ step, index, error }) => {
			const name = [step, ...index].join(" ");
			return error === null ? name : `${name}: ${error.code}`;
		}),
	};
}

const runs = (route: object, replies: Readonly<Record<string, Reply>>) =>
	askIn(testRoute(route, byPath(replies)));

describe("`undo`", () => {
	it("is not made if the run ends well", async () => {
		const { status, calls, told } = await runs(trip, booked);
		assert.deepEqual([status, calls, told], [200, [], []]);
	});

	it("is made in reverse order if a step fails, and the answer does not wait for it", async () => {
		const cars = { status: 409, afterMs: 100 };
		const { status, atMs, calls, told } = await runs(trip, {
			...booked,
			"/cars": cars,
		});
		assert.deepEqual([status, atMs], [502, 300]);
		assert.deepEqual(calls, ["/hotels/h 300–310", "/flights/f 310–320"]);
		assert.deepEqual(told, ["hotel", "flight"]);
	});

	for (const leaveMs of [0, 50, 150, 299, 305]) {
		it(`is made if the client has left at ${leaveMs} ms`, async () => {
			const failing = { ...booked, "/cars": { status: 409, afterMs: 100 } };
			const kit = testRoute(trip, byPath(failing));
			const { told } = await askIn(kit, leaveMs);
			assert.deepEqual(told, ["hotel", "flight"]);
		});
	}

	it("is made beyond the deadline, and of what was cut by it, too, if it needs no answer", async () => {
		const { flight, hotel, car } = trip.steps;
		const undo = { delete: "users/cars/c" };
		const { atMs, calls, told } = await runs(
			{
				...trip,
				deadline: "250ms",
				steps: { flight, hotel, car: { ...car, undo } },
			},
			{ ...booked, "/cars": hanging },
		);
		assert.equal(atMs, 250);
		assert.deepEqual(calls, [
			"/cars/c 250–260",
			"/hotels/h 260–270",
			"/flights/f 270–280",
		]);
		assert.deepEqual(told, ["car", "hotel", "flight"]);
	});

	it("is told if it needs the answer of a write that has none, and the others are made", async () => {
		const { calls, events, told } = await runs(
			{ ...trip, deadline: "250ms" },
			{ ...booked, "/cars": hanging },
		);
		assert.deepEqual(calls, ["/hotels/h 250–260", "/flights/f 260–270"]);
		assert.deepEqual(told, ["car: reference_missing", "hotel", "flight"]);
		const [{ error: _, ...event } = {}] = events;
		assert.deepEqual(event, {
			requestId: "test-request",
			route: "GET /x",
			step: "car",
			index: [],
			write: "POST users /cars",
			undo: null,
			body: null,
		});
	});

	for (const [what, reply, told] of [
		["was refused", { status: 409 }, []],
		["answers 500", { status: 500 }, ["b: reference_missing"]],
		["answers 303", { status: 303 }, ["b: reference_missing"]],
		["answers no JSON", { text: "<html>" }, ["b: reference_missing"]],
		["breaks off", { error: new Error("reset") }, ["b: reference_missing"]],
		["never answers", hanging, ["b: reference_missing"]],
		["is not as expected", { json: {} }, ["b: reference_missing"]],
		[
			"has an answer of which `pick` fails",
			{ json: { id: "i", ok: 1, n: null } },
			["b"],
		],
		["could not be sent", { error: new Error("refused"), neverSent: true }, []],
	] as const) {
		it(`of a write that ${what} is made only if it was done`, async () => {
			const step = {
				post: "users/b",
				expect: "${answer.ok}",
				pick: "${answer.n + 1}",
			};
			const withAnswer = await runs(
				{ steps: { b: { ...step, undo: { delete: "users/${answer.id}" } } } },
				{ "/b": reply as Reply },
			);
			assert.deepEqual(withAnswer.told, told);
			const without = await runs(
				{ steps: { b: { ...step, undo: { delete: "users/i" } } } },
				{ "/b": reply as Reply },
			);
			assert.deepEqual(without.told, told.length === 0 ? [] : ["b"]);
		});
	}

	it("is made if a write may have been done before a later attempt was refused", async () => {
		const users = { url: "http://users.test", retry: true };
		let attempts = 0;
		const kit = testRoute(
			{
				steps: { b: { put: "users/b", undo: { delete: "users/i" } } },
			},
			({ request }) =>
				request.method === "DELETE"
					? {}
					: { status: attempts++ === 0 ? 503 : 409 },
			{ upstreams: { users } },
		);
		assert.deepEqual((await askIn(kit)).told, ["b"]);
	});

	it("waits for a write that is still under way, and reads its late answer", async () => {
		const { flight } = trip.steps;
		const { atMs, calls, told } = await runs(
			{
				steps: { flight, bad: { get: "users/bad" } },
				respond: ["${flight}", "${bad}"],
			},
			{ ...booked, "/bad": { status: 500, afterMs: 20 } },
		);
		assert.equal(atMs, 20);
		assert.deepEqual(calls, ["/flights/f 100–110"]);
		assert.deepEqual(told, ["flight"]);
	});

	it("of writes that ran at once is made at once, and later ones first", async () => {
		const undo = (id: string) => ({ delete: `users/${id}` });
		const { calls } = await runs(
			{
				steps: {
					a: { post: "users/a", undo: undo("ua") },
					b: { post: "users/b", undo: undo("ub") },
					c: { post: "users/c", after: ["a"], undo: undo("uc") },
					bad: { get: "users/bad" },
				},
				respond: "${bad}",
			},
			{
				"/a": { afterMs: 50 },
				"/b": { afterMs: 90 },
				"/c": { afterMs: 20 },
				"/bad": { status: 500, afterMs: 100 },
				"/ua": { afterMs: 5 },
				"/ub": { afterMs: 7 },
				"/uc": { afterMs: 10 },
			},
		);
		// `c` was sent when `a` had ended and while `b` ran.
		assert.deepEqual(calls, ["/ub 100–107", "/uc 100–110", "/ua 110–115"]);
	});

	it("goes on with the others if one fails, and tells what is needed to do it by hand", async () => {
		const { events, told } = await runs(trip, {
			...booked,
			"/cars": { status: 409 },
			"/hotels/h": { status: 500 },
		});
		assert.deepEqual(told, ["hotel: upstream_status", "flight"]);
		const [{ error, ...event } = {}] = events;
		assert.equal(error?.message, "users answered 500");
		assert.deepEqual(event, {
			requestId: "test-request",
			route: "GET /x",
			step: "hotel",
			index: [],
			write: "POST users /hotels",
			undo: "DELETE users /hotels/h",
			body: null,
		});
	});

	it("tells no part of a secret where its body is cut", async () => {
		const key = "planted-key-0123456789";
		const kit = testRoute(
			{
				steps: {
					b: {
						post: "users/b",
						undo: {
							post: "users/refunds",
							body: { long: "${'x'.repeat(1980) + answer.said}" },
						},
					},
					bad: { get: "users/bad", after: ["b"] },
				},
				respond: "${bad}",
			},
			byPath({
				"/b": { json: { said: key } },
				"/bad": { status: 500 },
				"/refunds": { status: 500 },
			}),
			{
				upstreams: {
					users: {
						url: "http://users.test",
						headers: { "x-key": "${env.KEY}" },
					},
				},
				key: "POST /x",
				env: { KEY: key },
			},
		);
		const { events } = await askIn(kit, null, { method: "POST" });
		const { body = "" } = events[0] ?? {};
		assert.match(body ?? "", /^\{"long":"x{1980}\*\*\*"\}$/);
		assert.ok(String(kit.calls.at(-1)?.request.body).includes(key));
	});

	it("tells its body and its own query, and nothing that the upstream's settings add", async () => {
		const upstreams = {
			users: {
				url: "http://users.test/v1",
				query: { key: "s3cret" },
				headers: { "x-key": "s3cret" },
			},
		};
		const undo = {
			post: "users/refunds",
			query: { order: "${body.order}" },
			body: { charge: "${answer.id}", long: "${'x'.repeat(3000)}" },
		};
		const kit = testRoute(
			{
				request: { body: { type: "object" } },
				steps: {
					b: { post: "users/b", undo },
					bad: { get: "users/bad", after: ["b"] },
				},
				respond: "${bad}",
			},
			byPath({
				"/v1/b": { json: { id: "c1" } },
				"/v1/bad": { status: 500 },
				"/v1/refunds": { status: 500 },
			}),
			{ upstreams, key: "POST /x" },
		);
		const body = { order: "a b" };
		const { events } = await askIn(kit, null, { method: "POST", body });
		const [event] = events;
		assert.equal(event?.write, "POST users /v1/b");
		assert.equal(event?.undo, "POST users /v1/refunds?order=a%20b");
		assert.match(event?.body ?? "", /^\{"charge":"c1","long":"x+…$/);
		assert.equal(event?.body?.length, 2001);
		assert.ok(!JSON.stringify(event).includes("s3cret"));
		assert.equal(
			kit.calls.at(-1)?.request.target,
			"/v1/refunds?key=s3cret&order=a%20b",
		);
	});

	it("reads the request, steps that had ended, the item, the step's own value, and the response", async () => {
		const undo = {
			delete:
				"users/${params.id}/${first}/${n}/${b.own}/${response.headers.etag}",
		};
		const kit = testRoute(
			{
				steps: {
					first: { get: "users/first" },
					b: {
						each: [7, 8],
						as: "n",
						parallel: 1,
						post: "users/b",
						pick: { own: "v${answer}" },
						undo,
					},
					bad: { get: "users/bad", after: ["b"] },
				},
				respond: "${bad}",
			},
			byPath({
				"/first": { json: "one", afterMs: 10 },
				"/b": { json: 3, headers: ["etag", "e1"], afterMs: 10 },
				"/bad": { status: 500 },
			}),
			{ key: "GET /{id}" },
		);
		const { calls, told } = await askIn(kit);
		assert.deepEqual(calls, ["/x/one/8/v3/e1 30–30", "/x/one/7/v3/e1 30–30"]);
		assert.deepEqual(told, ["b 1", "b 0"]);
	});

	it("lets its write wait for what it reads, so that it can always be made", async () => {
		const kit = testRoute(
			{
				steps: {
					key: { get: "users/key" },
					b: { post: "users/b", undo: { delete: "users/${key}" } },
				},
				respond: "${b}",
			},
			byPath({ "/key": { json: "k", afterMs: 50 } }),
		);
		await askIn(kit);
		assert.equal(kit.calls[1]?.startedMs, 50);
	});

	it("is not made if its `when` does not hold", async () => {
		for (const [paid, told] of [
			[true, ["b"]],
			[false, []],
			[null, []],
		] as const) {
			const undo = { when: "${b.paid}", delete: "users/i" };
			const undone = await runs(
				{
					steps: {
						b: { post: "users/b", undo },
						bad: { get: "users/bad", after: ["b"] },
					},
					respond: "${bad}",
				},
				{ "/b": { json: { paid } }, "/bad": { status: 500 } },
			);
			assert.deepEqual(undone.told, told);
		}
	});

	it("is done by 2xx, and by the statuses that it lists", async () => {
		for (const [status, answers, told] of [
			[204, [], ["flight"]],
			[404, [], ["flight: upstream_status"]],
			[404, [404], ["flight"]],
			[410, ["4xx"], ["flight"]],
			[500, ["4xx"], ["flight: upstream_status"]],
		] as const) {
			const { flight } = trip.steps;
			const undo = { ...flight.undo, answers };
			const undone = await runs(
				{
					steps: {
						flight: { ...flight, undo },
						bad: { get: "users/bad", after: ["flight"] },
					},
					respond: "${bad}",
				},
				{
					...booked,
					"/bad": { status: 500 },
					"/flights/f": { status, text: "" },
				},
			);
			assert.deepEqual(undone.told, told);
		}
	});

	it("is tried again if it may be sent twice, each time within its own timeout", async () => {
		const users = { url: "http://users.test", retry: { attempts: 3 } };
		for (const [method, count] of [
			["delete", 3],
			["post", 1],
		] as const) {
			const kit = testRoute(
				{
					steps: {
						b: {
							post: "users/b",
							undo: { [method]: "users/undo", timeout: "100ms" },
						},
						bad: { get: "orders/bad", after: ["b"] },
					},
					respond: "${bad}",
				},
				byPath({ "/bad": { status: 500 }, "/undo": hanging }),
				{ upstreams: { users } },
			);
			const { told } = await askIn(kit);
			assert.deepEqual(told, ["b: upstream_timeout"]);
			const undos = kit.calls.filter(
				({ request }) => request.target === "/undo",
			);
			assert.equal(undos.length, count);
			for (const { startedMs, endedMs } of undos) {
				assert.equal((endedMs ?? 0) - startedMs, 100);
			}
		}
	});

	it("ends although it never has its turn", async () => {
		const kit = testGateway(
			{
				upstreams: {
					users: { url: "http://users.test", connections: 1 },
					orders: { url: "http://orders.test" },
				},
				routes: {
					"GET /x": {
						deadline: "5s",
						steps: {
							b: { post: "users/b", undo: { delete: "users/undo" } },
							bad: { get: "orders/bad", after: ["b"] },
						},
						respond: "${bad}",
					},
					"GET /slow": {
						deadline: "1h",
						steps: { slow: { get: "users/slow", timeout: "1h" } },
					},
				},
			},
			byPath({
				"/b": { afterMs: 10 },
				"/bad": { status: 500 },
				"/slow": { afterMs: 60_000 },
			}),
		);
		const events: UndoEnded[] = [];
		kit.gateway.events.undoEnded.push((event) => events.push(event));
		kit.send("/x");
		await kit.clock.advance(5);
		kit.send("/slow");
		await kit.settle();
		const { told, calls } = undoneIn(kit, events);
		assert.deepEqual([told, calls], [["b: deadline_exceeded"], []]);
		kit.assertNothingLeft();
	});

	it("does not count as a call of the run, and computes although the run has used up its nodes", async () => {
		const { flight } = trip.steps;
		const { told } = await runs(
			{
				calls: 2,
				steps: {
					flight,
					burn: {
						after: ["flight"],
						each: "${'x'.repeat(50).split('')}",
						value:
							"${'x'.repeat(200000).split('').map(one => one + one).length}",
					},
				},
				respond: "${burn}",
			},
			booked,
		);
		assert.deepEqual(told, ["flight"]);
	});

	it("is reported as a call of its own", async () => {
		const kit = testRoute(
			trip,
			byPath({ ...booked, "/hotels": { status: 409 } }),
		);
		await askIn(kit);
		assert.deepEqual(
			kit.callsEnded.map(({ step, status }) => [step, status]),
			[
				["flight", 200],
				["hotel", 409],
				["flight.undo", 204],
			],
		);
	});

	it("is reported with its error and its time, if it was refused or got no answer", async () => {
		for (const [undo, expected] of [
			[{ status: 409, afterMs: 10 }, [409, "upstream_status", 10]],
			[hanging, [null, "upstream_timeout", 2_000]],
		] as const) {
			const replies = { ...booked, "/hotels": { status: 409 } };
			const kit = testRoute(trip, byPath({ ...replies, "/flights/f": undo }));
			await askIn(kit);
			const { status, error, durationMs, trail } = kit.callsEnded.at(-1) ?? {};
			assert.deepEqual([status, error?.code, durationMs], expected);
			assert.equal(trail?.error, error);
		}
	});
});

describe("`undo` of a write whose value waits for other steps", () => {
	const route = (keys: object) => ({
		deadline: "50ms",
		steps: {
			slow: { get: "users/slow", optional: true },
			needed: { get: "orders/slow" },
			b: { post: "users/b", undo: { delete: "users/i" }, ...keys },
		},
		respond: ["${slow}", "${needed}", "${b}"],
	});

	for (const keys of [
		{ pick: "${[answer, slow]}" },
		{ expect: "${slow === null}" },
	]) {
		it(`is made at the deadline, with ${Object.keys(keys)}`, async () => {
			const { told, calls } = await runs(route(keys), {
				"/b": { json: 1, afterMs: 10 },
				"/slow": hanging,
			});
			assert.deepEqual(told, ["b"]);
			assert.deepEqual(calls, ["/i 50–50"]);
		});
	}
});

describe("`undo` of a part for which something fills in", () => {
	it("is made if the step has failed, and the run ends well", async () => {
		const { flight, hotel } = trip.steps;
		for (const filled of [{ optional: true }, { fallback: null }]) {
			const { status, calls, told } = await runs(
				{
					steps: {
						flight,
						hotel: { ...hotel, within: "30ms", ...filled },
						slow: { get: "users/slow", after: ["hotel"] },
					},
					respond: ["${hotel}", "${slow}"],
				},
				{ ...booked, "/slow": { afterMs: 500 } },
			);
			assert.equal(status, 200);
			assert.deepEqual(calls, ["/hotels/h 200–210"]);
			assert.deepEqual(told, ["hotel"]);
		}
	});

	const { flight, hotel } = trip.steps;
	const each = {
		each: ["a", "b", "c"],
		as: "n",
		steps: {
			flight: {
				post: "users/flights/${n}",
				undo: { delete: "users/flights/${n}" },
			},
			pays: { post: "users/pays/${n}", body: "${flight}" },
		},
	};

	it("is made of all that a group has written, item by item", async () => {
		const { status, calls, told } = await runs(
			{ steps: { all: { ...each, optional: true } } },
			{ "/pays/b": { status: 402, afterMs: 10 } },
		);
		assert.equal(status, 200);
		assert.deepEqual(calls, ["/flights/b 10–10"]);
		assert.deepEqual(told, ["all.flight 1"]);
	});

	it("is made of all items if the list fails", async () => {
		const { status, told } = await runs(
			{ steps: { all: each } },
			{ "/pays/b": { status: 402, afterMs: 10 } },
		);
		assert.equal(status, 502);
		assert.deepEqual(told.toSorted(), [
			"all.flight 0",
			"all.flight 1",
			"all.flight 2",
		]);
	});

	it("reads the value that its step would have made of a late answer", async () => {
		const late = {
			...flight,
			pick: "${answer.id}",
			undo: { delete: "users/flights/${flight}" },
		};
		const { calls, told } = await runs(
			{ steps: { flight: { ...late, within: "50ms", optional: true } } },
			booked,
		);
		assert.deepEqual([calls, told], [["/flights/f 100–110"], ["flight"]]);
	});

	it("is made once, although the run fails, too", async () => {
		const { told } = await runs(
			{
				steps: {
					flight,
					g: {
						steps: { hotel, bad: { get: "users/bad", after: ["hotel"] } },
						optional: true,
					},
					worse: { get: "users/worse", after: ["g"] },
				},
				respond: ["${g}", "${worse}"],
			},
			{ ...booked, "/bad": { status: 500 }, "/worse": { status: 500 } },
		);
		assert.deepEqual(told, ["g.hotel", "flight"]);
	});
});

describe("`undo` and a reply", () => {
	const { flight } = trip.steps;
	const replying = (reply: object) => ({
		steps: {
			flight,
			no: { when: "${flight.id === 'f'}", reply: { status: 409, ...reply } },
			later: { get: "users/later", after: ["no"] },
		},
		respond: "${later}",
	});

	it("is made if the reply says so", async () => {
		const { status, atMs, told } = await runs(replying({ undo: true }), booked);
		assert.deepEqual([status, atMs, told], [409, 100, ["flight"]]);
	});

	it("is not made otherwise", async () => {
		for (const reply of [{}, { undo: false }]) {
			const { status, told } = await runs(replying(reply), booked);
			assert.deepEqual([status, told], [409, []]);
		}
	});

	it("is made of a write whose step the reply has cut", async () => {
		const { status, atMs, calls } = await runs(
			{
				steps: {
					flight,
					found: { get: "users/found" },
					no: { when: "${found}", reply: { status: 409 } },
				},
				respond: "${flight}",
			},
			{ ...booked, "/found": { json: 1, afterMs: 20 } },
		);
		assert.deepEqual([status, atMs], [409, 20]);
		assert.deepEqual(calls, ["/flights/f 100–110"]);
	});
	it("is not made of what a group had written that the reply cuts, whether it has a fallback or not", async () => {
		for (const filled of [{}, { fallback: 1 }, { optional: true }]) {
			const { status, told } = await runs(
				{
					steps: {
						trip: {
							steps: {
								flight,
								seat: { get: "users/seat", after: ["flight"] },
							},
							...filled,
						},
						found: { get: "users/found" },
						no: { when: "${found}", reply: { status: 409 } },
					},
					respond: "${trip}",
				},
				{
					...booked,
					"/found": { json: 1, afterMs: 150 },
					"/seat": { json: 1, afterMs: 100 },
				},
			);
			assert.deepEqual([status, told], [409, []]);
		}
	});
});

describe("`undo` and the end of the gateway", () => {
	it("tells what is not undone yet, with what is needed for it", async () => {
		const kit = testRoute(
			trip,
			byPath({ ...booked, "/cars": { status: 409 }, "/hotels/h": hanging }),
		);
		const events: UndoEnded[] = [];
		kit.gateway.events.undoEnded.push((event) => events.push(event));
		const { answer } = kit.send("/x");
		await kit.clock.advance(210);
		assert.equal((await answer).status, 502);
		await kit.gateway.close();
		assert.deepEqual(undoneIn(kit, events).told, [
			"hotel: gateway_draining",
			"flight: gateway_draining",
		]);
		assert.deepEqual(
			events.map(({ undo }) => undo),
			["DELETE users /hotels/h", "DELETE users /flights/f"],
		);
		kit.assertNothingLeft();
	});

	it("tells what a run had written that is cut", async () => {
		const kit = testRoute(trip, byPath({ ...booked, "/cars": hanging }));
		const events: UndoEnded[] = [];
		kit.gateway.events.undoEnded.push((event) => events.push(event));
		const { answer, scope } = kit.send("/x");
		await kit.clock.advance(250);
		scope.cancel(new GatewayError("gateway_draining", "the server drains"));
		await answer;
		await kit.gateway.close();
		// Between the two the undo of the hotel has begun, or not.
		assert.deepEqual(undoneIn(kit, events).told, [
			"car: reference_missing",
			"hotel: gateway_draining",
			"flight: gateway_draining",
		]);
	});
});

describe("`undo` of items of which others are enough", () => {
	const items = (step: object) => ({
		steps: { all: { each: ["a", "b", "c"], as: "n", enough: 1, ...step } },
	});
	const book = {
		post: "users/flights/${n}",
		undo: { delete: "users/undo/${n}" },
	};

	it("is made of those that were aborted, when their writes have ended", async () => {
		const { status, calls, told } = await runs(items(book), {
			"/flights/a": { afterMs: 50 },
			"/flights/b": { afterMs: 20 },
			"/flights/c": { afterMs: 90 },
		});
		assert.equal(status, 200);
		assert.deepEqual(calls, ["/undo/a 50–50", "/undo/c 90–90"]);
		assert.deepEqual(told, ["all 0", "all 2"]);
	});

	it("is made of a group that was half done, or has failed", async () => {
		const { told } = await runs(
			items({
				steps: { book, pays: { post: "users/pays/${n}", body: "${book}" } },
			}),
			{
				"/flights/a": { afterMs: 10 },
				"/flights/b": { afterMs: 10 },
				"/flights/c": { afterMs: 10 },
				"/pays/a": { status: 402, afterMs: 5 },
				"/pays/b": { afterMs: 20 },
				"/pays/c": { afterMs: 90 },
			},
		);
		assert.deepEqual(told.toSorted(), ["all.book 0", "all.book 2"]);
	});
});

describe("`undo` of rounds", () => {
	it("is made of each, the last one first", async () => {
		const step = {
			post: "users/next",
			repeat: { while: "${round < 2}", max: 5 },
			undo: { delete: "users/undo/${answer}/${round}" },
		};
		let count = 0;
		const kit = testRoute(
			{
				steps: { b: step, bad: { get: "users/bad", after: ["b"] } },
				respond: ["${b}", "${bad}"],
			},
			({ request }) => {
				if (request.target === "/bad") return { status: 500 };
				return request.method === "DELETE"
					? { afterMs: 5 }
					: { json: count++, afterMs: 10 };
			},
		);
		const { calls } = await askIn(kit);
		assert.deepEqual(calls, [
			"/undo/2/2 30–35",
			"/undo/1/1 35–40",
			"/undo/0/0 40–45",
		]);
	});

	it("reads the value of its own round, also if a later one fails the step", async () => {
		const step = {
			post: "users/next",
			pick: "v${answer + 1}",
			repeat: { while: true, max: 2 },
			undo: { delete: "users/undo/${b}" },
			optional: true,
		};
		let count = 0;
		const kit = testRoute({ steps: { b: step } }, ({ request }) =>
			request.method === "DELETE" ? {} : { json: count++, afterMs: 10 },
		);
		const { calls, status } = await askIn(kit);
		assert.deepEqual(calls, ["/undo/v2 20–20", "/undo/v1 20–20"]);
		assert.equal(status, 200);
	});
});

describe("`undo` before a request is passed on", () => {
	const route = {
		steps: { flight: trip.steps.flight },
		proxy: "orders/files",
	};

	it("is made if it cannot be passed on", async () => {
		const error = new GatewayError("upstream_unreachable", "refused");
		const { status, told } = await runs(route, {
			...booked,
			"/files": { error, afterMs: 20 },
		});
		assert.equal(status, 502);
		assert.deepEqual(told, ["flight"]);
	});

	it("is not made if it was, whatever the answer is", async () => {
		const { status, told } = await runs(route, {
			...booked,
			"/files": { status: 503, afterMs: 20 },
		});
		assert.equal(status, 503);
		assert.deepEqual(told, []);
	});
});

describe("a saga of three bookings", () => {
	const faults: Readonly<Record<string, Reply>> = {
		"is refused": { status: 409, afterMs: 7 },
		"answers 500": { status: 500, afterMs: 7 },
		"breaks off": { error: new Error("reset"), afterMs: 7 },
		"never answers": hanging,
	};
	const quick = Object.fromEntries(
		Object.entries(booked).map(([path, reply]) => [
			path,
			{ ...reply, afterMs: (reply.afterMs ?? 0) / 10 },
		]),
	);
	const failures: readonly (readonly [
		string,
		Readonly<Record<string, Reply>>,
	])[] = [
		["nothing fails", quick],
		...Object.keys(quick).flatMap((path) =>
			Object.entries(faults).map(
				([fault, reply]) =>
					[`${path} ${fault}`, { ...quick, [path]: reply }] as const,
			),
		),
		...["/flights", "/hotels"].map(
			(path) =>
				[
					`/cars is refused and the undo of ${path} fails`,
					{
						...quick,
						"/cars": { status: 409 },
						[`${path}/${path[1]}`]: { status: 500 },
					},
				] as const,
		),
	];
	for (const [failure, replies] of failures) {
		it(`is whole, undone or told, whenever the client leaves, if ${failure}`, async () => {
			for (const leaveMs of [
				null,
				0,
				1,
				5,
				9,
				10,
				11,
				15,
				19,
				20,
				21,
				25,
				29,
				30,
			]) {
				const kit = testRoute({ ...trip, deadline: "60ms" }, byPath(replies));
				const { told, events } = await askIn(kit, leaveMs);
				const booking = kit.calls.filter(
					({ request }) => request.method === "POST",
				);
				const whole =
					kit.ended[0]?.error === null ||
					kit.ended[0]?.error.code === "client_closed";
				for (const { request, aborted } of booking) {
					const path = request.target;
					const { status = 200, error } = replies[path] as Reply;
					const refused = status === 409;
					const step = path.slice(1, -1);
					const count = events.filter((event) => event.step === step).length;
					assert.equal(
						count,
						whole || refused ? 0 : 1,
						`${step} of ${told} at ${leaveMs}: ${aborted ?? error}`,
					);
				}
			}
		});
	}
});
