import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type TestGateway, testRoute } from "../kit/gateway.ts";
import { eventStream, watch } from "../kit/watch.ts";

/** A route with `diff` whose answers follow each other, one for each run. */
function following(answers: readonly unknown[], diff = true): TestGateway {
	let run = 0;
	return testRoute(
		{ live: { every: "10s", diff }, steps: { a: { get: "users/a" } } },
		() => ({ json: answers[Math.min(run++, answers.length - 1)] }),
	);
}

const long = "x".repeat(100);

async function seen(answers: readonly unknown[], diff = true) {
	const kit = following(answers, diff);
	const one = watch(kit, "/x");
	await kit.clock.advance(10_000 * answers.length);
	one.leave();
	return one;
}

describe("a live route with `diff`", () => {
	it("sends what has changed, with the tag of the whole", async () => {
		const answers = [
			{ a: 1, long },
			{ a: 2, long },
			{ long, b: { c: [1] } },
		];
		const one = await seen(answers);
		const whole = await seen(answers, false);
		assert.deepEqual(one.kinds, ["answer", "patch", "patch"]);
		assert.deepEqual(one.events[1]?.data, { a: 2 });
		assert.deepEqual(one.events[2]?.data, { a: null, b: { c: [1] } });
		assert.deepEqual(one.value, answers[2]);
		const ids = (of: typeof one) => of.events.map(({ id }) => id);
		assert.deepEqual(ids(one), ids(whole));
	});

	it("sends the whole if a member has become null, or if that is no longer", async () => {
		const answers = [
			{ a: 1, long },
			{ a: null, long },
			{ a: null, long, b: 1 },
			{ a: 2 },
			[1, 2],
			[1, 3],
		];
		const one = await seen(answers);
		const kinds = ["answer", "answer", "patch", "answer", "answer", "answer"];
		assert.deepEqual(one.kinds, kinds);
		assert.deepEqual(one.events[2]?.data, { b: 1 });
		assert.deepEqual(one.value, [1, 3]);
	});

	it("keeps each digit", async () => {
		let run = 0;
		const kit = testRoute(
			{ live: { every: "1s", diff: true }, steps: { a: { get: "users/a" } } },
			() => {
				const ids = `"same":1234567890123456.78,"id":1234567890123456789${run++}`;
				return { text: `{${ids},"long":"${long}"}` };
			},
		);
		const one = watch(kit, "/x");
		await kit.clock.advance(1_000);
		assert.deepEqual(one.kinds, ["answer", "patch"]);
		assert.equal(one.events[1]?.raw, '{"id":12345678901234567891}');
		one.leave();
	});

	it("sends the whole to a reader that is further behind, and patches after it", async () => {
		const kit = following([1, 2, 3, 4, 5].map((a) => ({ a, long })));
		const slow = watch(kit, "/x");
		await kit.clock.advance(0);
		slow.pause();
		await kit.clock.advance(30_000);
		slow.resume();
		await kit.clock.advance(0);
		// It was sent the second while it read.
		assert.deepEqual(slow.kinds, ["answer", "patch", "answer"]);
		await kit.clock.advance(10_000);
		assert.deepEqual(slow.kinds, ["answer", "patch", "answer", "patch"]);
		assert.deepEqual(slow.value, { a: 5, long });
		slow.leave();
	});

	it("sends the whole to a client that comes back, and patches after it", async () => {
		const kit = following([1, 2, 3].map((a) => ({ a, long })));
		const one = watch(kit, "/x");
		await kit.clock.advance(0);
		const headers = [...eventStream, "last-event-id", one.events[0]?.id ?? ""];
		const back = watch(kit, "/x", { headers });
		await kit.clock.advance(20_000);
		assert.deepEqual(one.kinds, ["answer", "patch", "patch"]);
		assert.deepEqual(back.kinds, ["answer", "patch"]);
		assert.deepEqual(back.value, one.value);
		for (const client of [one, back]) client.leave();
	});

	it("sends the whole of an answer that takes long to compare", async () => {
		const list = Array.from({ length: 100_000 }, () => "0123456789");
		const one = await seen([
			{ a: 1, list },
			{ a: 2, list },
		]);
		assert.deepEqual(one.kinds, ["answer", "answer"]);
	});

	it("gives a patch with what its answer lacks", async () => {
		let run = 0;
		const kit = testRoute(
			{
				live: { every: "10s", diff: true },
				steps: { a: { get: "users/a", fallback: 2 } },
				respond: { a: "${a}", long },
			},
			() => (run++ === 1 ? { status: 500 } : { json: 1 }),
		);
		const one = watch(kit, "/x");
		await kit.clock.advance(20_000);
		assert.deepEqual(one.kinds, ["answer", "patch", "missing", "patch"]);
		one.leave();
	});
});
