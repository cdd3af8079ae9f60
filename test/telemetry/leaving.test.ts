import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createMetrics } from "../../src/telemetry/metrics/metrics.ts";
import { RateCounter } from "../../src/telemetry/traffic/rates.ts";
import { summaryOf } from "../../src/telemetry/trail/shown-request.ts";
import { type TestGateway, testGateway, testRoute } from "../kit/gateway.ts";
import { connectTo, listenTo } from "../kit/listeners.ts";
import { linesOf } from "../kit/log.ts";
import { watch } from "../kit/watch.ts";

const room = `
channels:
  room: { listeners: 1 }
routes:
  GET /rooms/{id}: { listen: "room/\${params.id}" }
`;

/** How a client follows what is said in a room, for a minute, and leaves. */
const forms = {
	events: async ({ gateway, clock }: TestGateway) => {
		const listener = await listenTo(gateway, "/rooms/7");
		await clock.advance(60_000);
		listener.leave();
	},
	websocket: async ({ gateway, clock }: TestGateway) => {
		const peer = await connectTo(gateway, "/rooms/7");
		await clock.advance(60_000);
		peer.leave();
	},
	wait: async ({ send, clock }: TestGateway) => {
		const headers = ["prefer", "wait=30"];
		const { answer, leave } = send("/rooms/7", { headers });
		await clock.advance(20_000);
		leave();
		assert.equal((await answer).code, "client_closed");
	},
};

describe("a listener that leaves", () => {
	for (const [form, follow] of Object.entries(forms)) {
		it(`is no failure and has no duration: ${form}`, async () => {
			const kit = testGateway(room);
			const metrics = createMetrics(kit.gateway);
			const rates = new RateCounter(kit.gateway.plan);
			kit.gateway.events.trailEnded.push((end) =>
				rates.request(end, end.trail.steps, kit.clock.now()),
			);
			const partial = linesOf(kit.gateway, { requests: "partial" });
			const all = linesOf(kit.gateway, { requests: "all" });
			await follow(kit);
			await kit.clock.advance(1_000);
			assert.deepEqual(
				kit.ended.map(({ error, watch }) => [error, watch]),
				[[null, form]],
			);
			const listened = metrics
				.totals()
				.routes.find(({ route }) => route === "GET /rooms/{id}");
			assert.deepEqual(
				[listened?.whole, listened?.partial, listened?.failed],
				[1, 0, 0],
			);
			assert.doesNotMatch(
				metrics.print("prometheus"),
				/^http_server_request_duration_seconds_count/m,
			);
			const { recent } = rates.ofRoute("GET /rooms/{id}", kit.clock.now());
			assert.equal(recent.count, 0);
			assert.deepEqual(partial, []);
			// The connection of the WebSocket was cut.
			const closeCode = form === "websocket" ? 1006 : undefined;
			assert.deepEqual(
				all.map((line) => [
					...[line.level, line.words, line.watch, line.closeCode],
				]),
				[["info", "answered", form, closeCode]],
			);
			assert.equal(kit.ended[0]?.closeCode, closeCode);
		});
	}

	it("is a failure if it could not begin", async () => {
		const kit = testGateway(room);
		await listenTo(kit.gateway, "/rooms/7");
		const metrics = createMetrics(kit.gateway);
		const refused = await listenTo(kit.gateway, "/rooms/7");
		assert.equal(refused.status, 503);
		assert.deepEqual(
			kit.ended.map(({ error, watch }) => [error?.code, watch]),
			[["channel_full", undefined]],
		);
		assert.match(
			metrics.print("prometheus"),
			/^http_server_request_duration_seconds_count.*503/m,
		);
	});

	it("is timed if it asked for what is there, and did not wait", async () => {
		const kit = testGateway(room);
		const metrics = createMetrics(kit.gateway);
		const { status } = await kit.ask("/rooms/7");
		assert.equal(status, 200);
		assert.equal(kit.ended[0]?.watch, undefined);
		assert.match(
			metrics.print("prometheus"),
			/^http_server_request_duration_seconds_count.*200/m,
		);
	});
});

describe("a client that waits for another answer and leaves", () => {
	it("is no failure", async () => {
		const route = {
			live: { every: "10s" },
			steps: { a: { get: "users/a" } },
		};
		const kit = testRoute(route, () => ({ json: 1 }));
		const one = watch(kit, "/x");
		await kit.clock.advance(0);
		const headers = ["if-none-match", one.events[0]?.id ?? ""];
		const waiting = watch(kit, "/x", {
			headers: [...headers, "prefer", "wait=50"],
		});
		await kit.clock.advance(5_000);
		waiting.leave();
		await kit.clock.advance(1_000);
		one.leave();
		await kit.clock.advance(60_000);
		const clients = kit.ended.filter(({ watch }) => watch !== "run");
		assert.deepEqual(
			clients.map(({ watch, status, error }) => [watch, status, error]),
			[
				["wait", 499, null],
				["events", 200, null],
			],
		);
	});
});

describe("a run that nobody waits for any more", () => {
	it("has not failed, and is told as what it is, in the record and in the metrics", async () => {
		const route = {
			live: { every: "10s" },
			steps: { a: { get: "users/a" } },
		};
		const kit = testRoute(route, () => ({ json: 1, afterMs: 1_000 }));
		const metrics = createMetrics(kit.gateway);
		const one = watch(kit, "/x");
		await kit.clock.advance(500);
		one.leave();
		const plain = kit.send("/x");
		await kit.clock.advance(500);
		plain.leave();
		await kit.clock.advance(60_000);
		assert.deepEqual(
			kit.trails.map((end) => [end.watch, summaryOf(end, 0).completeness]),
			[
				["run", "left"],
				[undefined, "left"],
				[undefined, "left"],
			],
		);
		const listened = metrics
			.totals()
			.routes.find(({ route }) => route === "GET /x");
		// The run is none of a client's.
		assert.partialDeepStrictEqual(listened, { failed: 0, left: 2, whole: 0 });
		assert.match(
			metrics.print("prometheus"),
			/^sluice_answers_total\{route="GET \/x",completeness="left"\} 2$/m,
		);
	});
});

describe("a client that leaves before its stream has begun", () => {
	it("has left before its answer", async () => {
		const route = {
			live: { every: "10s" },
			steps: { a: { get: "users/a" } },
		};
		const kit = testRoute(route, () => ({ json: 1, afterMs: 1_000 }));
		const lines = linesOf(kit.gateway, { requests: "partial" });
		const one = watch(kit, "/x");
		await kit.clock.advance(500);
		one.leave();
		await kit.clock.advance(60_000);
		const client = kit.ended.find(({ watch }) => watch !== "run");
		assert.equal(client?.error?.code, "client_closed");
		assert.deepEqual(
			lines.map(({ words }) => words),
			["the client left before it had its answer"],
		);
	});
});

describe("a run that nobody watches any more", () => {
	const hanging = () =>
		testRoute(
			{ live: { every: "10s" }, steps: { a: { get: "users/a" } } },
			() => ({ json: 1, afterMs: 1_500 }),
		);

	it("is told only if each request is, and not as a client", async () => {
		const kit = hanging();
		const partial = linesOf(kit.gateway, { requests: "partial" });
		const all = linesOf(kit.gateway, { requests: "all" });
		const one = watch(kit, "/x");
		await kit.clock.advance(11_000);
		one.leave();
		await kit.clock.advance(60_000);
		assert.deepEqual(partial, []);
		assert.deepEqual(
			all.map(({ level, words, watch }) => [level, watch, words]).sort(),
			[
				["info", "events", "answered"],
				["info", "run", "answered"],
				["info", "run", "run ended: nobody watches its answer any more"],
			],
		);
	});
});
