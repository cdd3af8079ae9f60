import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Reply, type TestGateway, testGateway } from "../kit/gateway.ts";
import { eventStream, type TestWatcher, watch } from "../kit/watch.ts";

/** Routes that are watched until a message is published, and one that publishes. */
function kitOf(
	live: object = { on: "room/${params.id}" },
	reply: (nowMs: number) => Reply = (ms) => ({ json: ms }),
): TestGateway {
	const kit: TestGateway = testGateway(
		{
			upstreams: { users: { url: "http://users.test" } },
			channels: { room: { keep: { last: 1 } }, news: {} },
			routes: {
				"GET /rooms/{id}": { live, steps: { a: { get: "users/a" } } },
				"GET /news": {
					live: { on: "news" },
					steps: { a: { get: "users/a" } },
				},
				"POST /rooms/{id}": {
					steps: { told: { publish: "room/${params.id}", message: 1 } },
				},
				"POST /news": { steps: { told: { publish: "news", message: 1 } } },
			},
		},
		() => reply(kit.clock.now()),
	);
	return kit;
}

async function post({ gateway, clock }: TestGateway, target: string) {
	const answer = gateway.handle({ method: "POST", target });
	await clock.advance(0);
	assert.equal((await answer).status, 200);
}

const valuesOf = ({ events }: TestWatcher) =>
	events.flatMap(({ event, data }) => (event === "answer" ? [data] : []));

async function left(kit: TestGateway, ...watchers: TestWatcher[]) {
	for (const one of watchers) one.leave();
	await kit.clock.advance(120_000);
	kit.assertNothingLeft();
	for (const { watches } of kit.gateway.state().live) assert.equal(watches, 0);
}

describe("a live route that runs after messages", () => {
	it("runs again when one is published to its instance, and not before", async () => {
		const kit = kitOf();
		const [one, other] = [watch(kit, "/rooms/1"), watch(kit, "/rooms/2")];
		await kit.clock.advance(5_000_000);
		assert.deepEqual(valuesOf(one), [0]);
		await post(kit, "/rooms/1");
		assert.deepEqual(valuesOf(one), [0, 5_000_000]);
		assert.deepEqual(valuesOf(other), [0]);
		await left(kit, one, other);
	});

	it("hears a channel without instances", async () => {
		const kit = kitOf();
		const one = watch(kit, "/news");
		await kit.clock.advance(1_000);
		await post(kit, "/news");
		assert.deepEqual(valuesOf(one), [0, 1_000]);
		await left(kit, one);
	});

	it("is no listener, and needs no message that is kept", async () => {
		const kit = kitOf();
		const one = watch(kit, "/rooms/1");
		await kit.clock.advance(0);
		const [room] = kit.gateway.state().channels;
		assert.deepEqual([room?.instances, room?.listeners], [0, 0]);
		await left(kit, one);
	});

	it("runs once for many messages at once, and once more for those that come meanwhile", async () => {
		const kit = kitOf(undefined, (ms) => ({ json: ms, afterMs: 30 }));
		const one = watch(kit, "/rooms/1");
		await kit.clock.advance(1_000);
		for (let n = 0; n < 5; n++) await post(kit, "/rooms/1");
		assert.equal(kit.calls.length, 2);
		await kit.clock.advance(10);
		// The run may have asked before this was true.
		await post(kit, "/rooms/1");
		await kit.clock.advance(10_000);
		assert.deepEqual(
			kit.calls.map(({ startedMs }) => startedMs),
			[0, 1_000, 1_100],
		);
		await left(kit, one);
	});

	it("runs ten times a second at most, and after the last message", async () => {
		const kit = kitOf();
		const one = watch(kit, "/rooms/1");
		await kit.clock.advance(1_000);
		for (let n = 0; n < 100; n++) {
			await post(kit, "/rooms/1");
			await kit.clock.advance(10);
		}
		await kit.clock.advance(1_000);
		const starts = kit.calls.map(({ startedMs }) => startedMs);
		assert.deepEqual(starts, [
			0,
			...Array.from({ length: 11 }, (_, n) => 1_000 + 100 * n),
		]);
		await left(kit, one);
	});

	it("runs by time, too, if it says so", async () => {
		const kit = kitOf({ every: "10s", on: "room/${params.id}" });
		const one = watch(kit, "/rooms/1");
		await kit.clock.advance(4_000);
		await post(kit, "/rooms/1");
		await kit.clock.advance(20_000);
		assert.deepEqual(valuesOf(one), [0, 4_000, 14_000, 24_000]);
		await left(kit, one);
	});

	it("tries again in ten seconds if a run has failed, or lacks something", async () => {
		const kit = kitOf(undefined, (ms) =>
			ms >= 1_000 && ms < 20_000 ? { status: 500 } : { json: ms },
		);
		const one = watch(kit, "/rooms/1");
		await kit.clock.advance(1_000);
		await post(kit, "/rooms/1");
		await kit.clock.advance(1_000_000);
		assert.deepEqual(one.kinds, ["answer", "problem", "problem", "answer"]);
		assert.deepEqual(valuesOf(one), [0, 21_000]);
		await left(kit, one);
	});

	it("keeps nothing for who comes back after a message", async () => {
		const kit = kitOf();
		const one = watch(kit, "/rooms/1");
		await kit.clock.advance(1_000);
		one.leave();
		await kit.clock.advance(1_000);
		const soon = watch(kit, "/rooms/1");
		await kit.clock.advance(0);
		assert.deepEqual(valuesOf(soon), [0], "nothing was published");
		soon.leave();
		await kit.clock.advance(1_000);
		await post(kit, "/rooms/1");
		assert.equal(kit.calls.length, 1, "nobody watches");
		const back = watch(kit, "/rooms/1");
		await kit.clock.advance(0);
		assert.deepEqual(valuesOf(back), [3_000]);
		await left(kit, one, soon, back);
	});

	it("answers a client that waits as soon as there is news", async () => {
		const kit = kitOf();
		const first = watch(kit, "/rooms/1", { headers: [] });
		await kit.clock.advance(0);
		const etag = first.header("etag") ?? "";
		const stream = watch(kit, "/rooms/1", {
			headers: [...eventStream, "last-event-id", etag],
		});
		await kit.clock.advance(0);
		const headers = ["if-none-match", etag, "prefer", "wait=25"];
		const poll = watch(kit, "/rooms/1", { headers });
		await kit.clock.advance(7_000);
		await post(kit, "/rooms/1");
		assert.equal(poll.json, 7_000);
		assert.deepEqual(valuesOf(stream), [7_000]);
		await left(kit, first, poll, stream);
	});
});
