import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkValue, configOrThrow } from "../../src/config/load.ts";
import { GatewayError } from "../../src/core/errors.ts";
import { type Reply, testGateway, testRoute } from "../kit/gateway.ts";

/** Answers that no step can use: a cache keeps none of them, and gives the good one before instead. */

const upstreams = {
	upstreams: {
		users: { url: "http://users.test", cache: true, maxValues: 10 },
		plain: { url: "http://plain.test" },
	},
};

const saying = (
	control: string,
	reply: Reply = { json: { ok: true } },
): Reply => ({ ...reply, headers: ["cache-control", control] });

const good = saying("max-age=60, stale-if-error=600");
const down: Reply = {
	error: new GatewayError("upstream_unreachable", "down"),
};

/** A route whose cached upstream gives these replies one after another, the last for ever. */
function routeOf(route: object, ...replies: Reply[]) {
	let count = 0;
	const all = testRoute(
		route,
		({ upstream }) =>
			upstream === "plain"
				? { json: 1, afterMs: 100 }
				: (replies[Math.min(count++, replies.length - 1)] ?? {}),
		upstreams,
	);
	const asked = () => all.calls.filter(({ upstream }) => upstream === "users");
	return { ...all, asked };
}

const now = { get: "users/a" };
const plain = { steps: { now } };
const expecting = { steps: { now: { ...now, expect: "${answer.ok}" } } };
const waiting = {
	steps: {
		other: { get: "plain/b" },
		now: { ...now, expect: "${answer.ok && other === 1}" },
	},
	respond: "${now}",
};
const function_ = {
	steps: {
		now: {
			run: async (_: unknown, { call }: { call(target: string): unknown }) => {
				const { body } = (await call("users/a")) as { body: unknown };
				return body;
			},
		},
	},
};

const useless: readonly (readonly [string, Reply, object])[] = [
	["a page of HTML", { text: "<!doctype html><p>Back soon." }, plain],
	["cut JSON", { text: '{"ok":tr' }, plain],
	["no UTF-8", { bytes: Buffer.from([0x22, 0xff, 0x22]) }, plain],
	["too many values", { json: Array.from({ length: 20 }, () => 1) }, plain],
	["what `expect` refuses", { json: { ok: false } }, expecting],
	["what `expect` refuses after a wait", { json: { ok: false } }, waiting],
	["a page of HTML for a function", { text: "<p>" }, function_],
];

describe("an answer that no step can use", () => {
	for (const [title, reply, route] of useless) {
		it(`is not kept: ${title}`, async () => {
			const bad = saying("max-age=3600", reply);
			const { ask, asked } = routeOf(route, bad, bad, good);
			const statuses: number[] = [];
			for (let time = 0; time < 4; time++) {
				statuses.push((await ask("/x")).status);
			}
			assert.deepEqual(statuses.slice(2), [200, 200]);
			assert.ok(statuses[0] === 502 || statuses[0] === 500);
			assert.equal(statuses[1], statuses[0]);
			assert.equal(asked().length, 3);
		});

		for (const control of ["max-age=3600", "no-store", "no-cache"]) {
			it(`gives way to the good one before, if it says ${control}: ${title}`, async () => {
				const all = routeOf(route, good, saying(control, reply));
				await all.ask("/x");
				await all.clock.advance(61_000);
				for (let time = 0; time < 3; time++) {
					const answer = await all.ask("/x");
					assert.equal(answer.status, 200);
					assert.equal(
						answer.header("sluice-missing"),
						"now;stale;error=upstream_invalid",
					);
				}
				assert.equal(all.asked().length, 4);
				// As long as the good one may stand in, and no longer.
				await all.clock.advance(600_000);
				assert.ok((await all.ask("/x")).status >= 500);
			});
		}

		it(`gives way to the good one after a refresh, too: ${title}`, async () => {
			const swr = "max-age=1, stale-while-revalidate=60, stale-if-error=60";
			const bad = saying("max-age=3600", reply);
			const all = routeOf(route, saying(swr), bad, bad, saying(swr));
			await all.ask("/x");
			await all.clock.advance(2000);
			const marks: (string | null)[] = [];
			for (let time = 0; time < 6; time++) {
				const answer = await all.ask("/x");
				assert.equal(answer.status, 200);
				marks.push(answer.header("sluice-missing"));
			}
			assert.equal(marks[0], "now;stale");
			assert.equal(marks[1], "now;stale;error=upstream_invalid");
			assert.equal(marks.at(-1), null);
			assert.equal(all.asked().length, 4);
		});
	}
});

describe("the good answer before", () => {
	const bad = saying("max-age=3600", { text: "<p>" });

	it("is gone for good when a step has used the next one", async () => {
		const next = saying("max-age=1", { json: { ok: "next" } });
		const { ask, clock } = routeOf(plain, good, next, down);
		await ask("/x");
		await clock.advance(61_000);
		assert.deepEqual((await ask("/x")).json, { ok: "next" });
		await clock.advance(2000);
		assert.equal((await ask("/x")).status, 502);
	});

	it("does not come back after its address was changed", async () => {
		const config = {
			...upstreams,
			routes: {
				"GET /x": waiting,
				"POST /x": { steps: { write: { put: "users/a", body: {} } } },
			},
		};
		let gets = 0;
		const { ask, send, clock, settle } = testGateway(
			configOrThrow(checkValue(config, "config", {})),
			({ upstream, request: { method } }) =>
				upstream === "plain"
					? { json: 1, afterMs: 100 }
					: method === "PUT" || gets++ === 0
						? good
						: saying("max-age=3600", { json: {} }),
		);
		for (const changed of [false, true]) {
			await ask("/x");
			await clock.advance(61_000);
			const { answer } = send("/x");
			await clock.advance(50);
			if (changed) send("/x", { method: "POST" });
			await settle();
			assert.equal((await answer).status, changed ? 502 : 200);
			if (!changed) gets = 0;
		}
	});

	it("still stands in for the next failure after it has stood in for a page", async () => {
		const { ask, clock, asked } = routeOf(plain, good, bad, down, bad, good);
		await ask("/x");
		await clock.advance(61_000);
		const marks: (string | null)[] = [];
		for (let time = 0; time < 4; time++) {
			marks.push((await ask("/x")).header("sluice-missing"));
		}
		assert.deepEqual(marks, [
			"now;stale;error=upstream_invalid",
			"now;stale;error=upstream_unreachable",
			"now;stale;error=upstream_invalid",
			null,
		]);
		assert.equal(asked().length, 5);
	});

	it("is validated by its own tag", async () => {
		const tagged = {
			...good,
			headers: [...(good.headers ?? []), "etag", '"1"'],
		};
		const confirmed = { status: 304, headers: ["etag", '"1"'], text: "" };
		const { ask, clock, asked } = routeOf(plain, tagged, bad, confirmed);
		await ask("/x");
		await clock.advance(61_000);
		await ask("/x");
		const answer = await ask("/x");
		assert.equal(answer.header("sluice-missing"), null);
		const { headers } = asked()[2]?.request ?? {};
		assert.ok(headers?.join().includes('if-none-match,"1"'));
	});
});

describe("many who miss an answer at once", () => {
	for (const [title, reply, route] of useless) {
		it(`make one call if it is ${title}, and each fails or gets the good one`, async () => {
			const bad = { ...saying("max-age=3600", reply), afterMs: 50 };
			for (const first of [null, good]) {
				const all = routeOf(route, ...(first ? [first, bad] : [bad]));
				if (first) await all.ask("/x");
				await all.clock.advance(61_000);
				const before = all.asked().length;
				const sent = Array.from({ length: 20 }, () => all.send("/x").answer);
				await all.settle();
				const answers = await Promise.all(sent);
				for (const { status } of answers) {
					assert.equal(status === 200, first !== null);
				}
				assert.equal(all.asked().length - before, 1);
			}
		});

		it(`get the good one if each asks for itself: ${title}`, async () => {
			const bad = { ...saying("no-store", reply), afterMs: 50 };
			for (const last of [bad, { ...bad, ...saying("max-age=1", reply) }]) {
				const all = routeOf(route, good, bad, last);
				await all.ask("/x");
				await all.clock.advance(61_000);
				// After an answer that is not kept nobody waits for another.
				await all.ask("/x");
				const sent = Array.from({ length: 9 }, () => all.send("/x").answer);
				await all.settle();
				for (const { status } of await Promise.all(sent)) {
					assert.equal(status, 200);
				}
				assert.equal(all.asked().length, 11);
			}
		});
	}
});
