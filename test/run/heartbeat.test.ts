import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ByteStream } from "../../src/core/body/byte-stream.ts";
import { openScope } from "../../src/tasks/scope.ts";
import {
	byPath,
	hanging,
	type TestGateway,
	testRoute,
} from "../kit/gateway.ts";

const events = { headers: ["accept", "text/event-stream"] };
const ndjson = { headers: ["accept", "application/x-ndjson"] };
const slow = { url: "http://slow.test", timeout: "100s" };
const comment = ": waiting\n\n";

/** Answers with one member at once, and with another after that time. */
function waiting(afterMs: number, route: object = {}): TestGateway {
	return testRoute(
		{
			steps: { late: { get: "slow/late" } },
			respond: { soon: 1, late: "${late}" },
			deadline: "120s",
			...route,
		},
		byPath({ "/late": { json: 2, afterMs } }),
		{ upstreams: { slow } },
	);
}

/** When a comment came. */
async function beatsOf(kit: TestGateway, options = events): Promise<number[]> {
	const { pieces } = await kit.ask("/x", options);
	return pieces.flatMap(({ text, atMs }) => (text === comment ? [atMs] : []));
}

describe("a stream of events", () => {
	it("shows that it is alive whenever nothing was sent for 15 seconds", async () => {
		for (const [afterMs, beats] of [
			[14_999, []],
			[15_001, [15_000]],
			[46_000, [15_000, 30_000, 45_000]],
		] as const) {
			assert.deepEqual(await beatsOf(waiting(afterMs)), beats, `${afterMs}`);
		}
	});

	it("counts from what was sent last", async () => {
		const steps = {
			late: { get: "slow/late" },
			between: { get: "slow/between" },
		};
		const kit = testRoute(
			{
				steps,
				respond: { soon: 1, between: "${between}", late: "${late}" },
				deadline: "120s",
			},
			byPath({
				"/between": { json: 1, afterMs: 10_000 },
				"/late": { json: 2, afterMs: 45_000 },
			}),
			{ upstreams: { slow } },
		);
		assert.deepEqual(await beatsOf(kit), [25_000, 40_000]);
	});

	it("says nothing before its first part, because the status is not known", async () => {
		const kit = waiting(40_000, { respond: { late: "${late}" } });
		assert.deepEqual(await beatsOf(kit), []);
	});

	it("is not heard as an event", async () => {
		const { text } = await waiting(16_000).ask("/x", events);
		const [first, beat, ...others] = text.split("\n\n");
		assert.equal(first, 'id: 1\nevent: part\ndata: {"at":"soon","value":1}');
		assert.equal(`${beat}\n\n`, comment);
		assert.match(others[0] ?? "", /^id: 2\nevent: part\n/);
	});

	it("leaves no timer when it has failed, or when its client has left", async () => {
		const failing = waiting(100_500);
		const { text } = await failing.ask("/x", events);
		assert.match(text, /upstream_timeout/);
		const kit = waiting(hanging.afterMs as number);
		const { answer, leave } = kit.send("/x", events);
		await kit.clock.advance(20_000);
		leave();
		await kit.settle();
		await answer;
		kit.assertNothingLeft();
		assert.equal(kit.clock.now(), 20_000);
	});

	it("sets no timer for a client that has left, although the run goes on", async () => {
		const pending: number[] = [];
		for (const asked of [events, ndjson]) {
			const kit = testRoute(
				{
					steps: {
						order: { post: "slow/order" },
						paid: { put: "slow/paid", body: "${order}" },
					},
					respond: { soon: 1, order: "${order}", paid: "${paid}" },
					deadline: "120s",
				},
				byPath({
					"/order": { json: 1, afterMs: 10_000 },
					"/paid": { json: 2, afterMs: 40_000 },
				}),
				{ upstreams: { slow } },
			);
			const { answer, leave } = kit.send("/x", asked);
			await kit.clock.advance(5_000);
			leave();
			await kit.clock.advance(15_000);
			pending.push(kit.clock.pending);
			await kit.settle();
			await answer;
			kit.assertNothingLeft();
		}
		assert.equal(pending[0], pending[1]);
	});

	it("does not add to what waits for a slow reader", async () => {
		const kit = waiting(46_000);
		const scope = openScope({ clock: kit.clock });
		const { body } = await kit.gateway.handle(
			{ method: "GET", target: "/x", headers: events.headers },
			scope,
		);
		await kit.clock.advance(50_000);
		let text = "";
		for await (const piece of body as ByteStream) text += Buffer.from(piece);
		assert.equal(text.split("\n\n").length, 4);
		assert.ok(!text.includes(comment));
	});
});

describe("lines of JSON", () => {
	it("are silent between parts: an empty line is no JSON", async () => {
		const kit = waiting(46_000);
		const { text } = await kit.ask("/x", ndjson);
		assert.equal(
			text,
			'{"at":"soon","value":1}\n{"at":"late","value":2}\n{"complete":true}\n',
		);
	});
});
