import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import type { ErrorCode } from "../../src/core/errors.ts";
import type { StreamHead } from "../../src/core/http/messages.ts";
import { balance } from "../../src/policy/balance.ts";
import type { StreamCall } from "../../src/policy/policy.ts";
import {
	promised,
	promisedStream,
	toldStream,
} from "../../src/policy/promised.ts";
import { openScope, outcomeOf } from "../../src/tasks/index.ts";
import {
	contextOf,
	fault,
	hangs,
	played,
	policySetting,
	reply,
	requestOf,
	streamRequestOf,
} from "../kit/policy.ts";
import { conforms } from "./conformance.ts";

conforms("balance", (clock) => (next) => {
	return balance(3, contextOf(clock)).call([next, next, next]);
});

/** What a URL does with a call: a status after so long, or an error. */
interface Behaviour {
	readonly ms: number;
	readonly status?: number;
	readonly code?: ErrorCode;
}

let setting = policySetting("urls");
let { clock } = setting;

beforeEach(() => {
	setting = policySetting("urls");
	({ clock } = setting);
});

/** The URLs that were left out since the last look, and why. */
function leftOut(): string[] {
	const { told } = setting;
	return told.splice(0).filter((one) => one.startsWith("left_out"));
}

/** Several URLs, and how often each was asked. */
function balanced(...behaviours: Behaviour[]) {
	const asked = behaviours.map(() => 0);
	const nexts = behaviours.map((_, at) =>
		played(async () => {
			asked[at] = (asked[at] ?? 0) + 1;
			const { ms, status = 200, code } = behaviours[at] as Behaviour;
			await new Promise<void>((resolve) => clock.after(ms, resolve));
			if (code) throw fault(code);
			return reply(status);
		}),
	);
	const call = promised(
		balance(behaviours.length, setting.context).call(nexts),
	);
	return {
		asked,
		behaviours,
		call: (tried: number[] | null = null) =>
			outcomeOf(call(requestOf({ tried }), openScope({ clock }))),
		/** One call every so many milliseconds. */
		async load(calls: number, everyMs: number) {
			asked.fill(0);
			for (let made = 0; made < calls; made++) {
				void this.call();
				await clock.advance(everyMs);
			}
			return [...asked];
		},
	};
}

describe("chooses", () => {
	test("among equals in turn", async () => {
		const asked = await balanced({ ms: 20 }, { ms: 20 }, { ms: 20 }).load(
			300,
			5,
		);
		assert.ok(
			asked.every((count) => count >= 80 && count <= 120),
			`${asked}`,
		);
	});

	test("the fast ones: a slow one gets under 5 % of the calls", async () => {
		for (const everyMs of [1, 5, 50]) {
			const all = balanced({ ms: 20 }, { ms: 400 }, { ms: 20 });
			const asked = await all.load(1000, everyMs);
			assert.ok((asked[1] ?? 0) < 50, `every ${everyMs} ms: ${asked}`);
			assert.ok((asked[0] ?? 0) > 300 && (asked[2] ?? 0) > 300, `${asked}`);
		}
	});

	test("the slow one too where the fast ones are busy", async () => {
		const all = balanced({ ms: 100 }, { ms: 200 });
		const asked = await all.load(3000, 1);
		// A hundred calls at once or more on the fast one are as long a wait as half of them on the slow one.
		assert.ok((asked[1] ?? 0) > 600, `${asked}`);
	});

	test("one that was slow again some day, and sees that it is fast now", async () => {
		const all = balanced({ ms: 20 }, { ms: 400 });
		await all.load(100, 10);
		all.behaviours[1] = { ms: 20 };
		await all.load(1000, 50);
		const asked = await all.load(200, 10);
		assert.ok((asked[1] ?? 0) > 60, `${asked}`);
	});

	test("another one than those that were tried, and any where all were", async () => {
		const { call, asked } = balanced({ ms: 1 }, { ms: 50 }, { ms: 1 });
		const tried: number[] = [];
		for (let attempt = 1; attempt <= 3; attempt++) {
			void call(tried);
			assert.equal(new Set(tried).size, attempt);
		}
		void call(tried);
		assert.equal(tried.length, 4);
		assert.equal(
			asked.reduce((sum, count) => sum + count),
			4,
		);
		await clock.settle();
	});
});

describe("leaves out", () => {
	test("a URL that keeps failing, after five failures and not after four", async () => {
		for (const [failures, out] of [
			[4, false],
			[5, true],
		] as const) {
			const all = balanced({ ms: 1, code: "upstream_unreachable" }, { ms: 1 });
			for (let time = 0; time < failures; time++) {
				void all.call([1]);
				await clock.advance(1);
			}
			assert.deepEqual(
				leftOut(),
				out ? ["left_out 1: upstream_unreachable"] : [],
			);
		}
	});

	test("one that refuses quickly, which looks fast", async () => {
		const all = balanced(
			{ ms: 0, code: "upstream_unreachable" },
			{ ms: 20 },
			{ ms: 20 },
		);
		const asked = await all.load(1000, 5);
		assert.equal(asked[0], 5);
	});

	test("one that answers 5xx, and none that answers 4xx", async () => {
		const all = balanced({ ms: 1, status: 503 }, { ms: 20, status: 404 });
		await all.load(100, 10);
		assert.deepEqual(leftOut(), ["left_out 1: upstream_status"]);
	});

	test("for a while: ten seconds later one call tries it, and a failure is enough then", async () => {
		const all = balanced({ ms: 1, status: 500 }, { ms: 20 });
		await all.load(100, 10);
		assert.equal(all.asked[0], 5);
		await clock.advance(10_000);
		await all.load(100, 10);
		assert.equal(all.asked[0], 1);
		all.behaviours[0] = { ms: 1 };
		await clock.advance(10_000);
		const asked = await all.load(100, 10);
		assert.ok((asked[0] ?? 0) > 50, `${asked}`);
	});

	test("never more than half, however many fail", async () => {
		for (const [count, most] of [
			[2, 1],
			[3, 1],
			[4, 2],
			[5, 2],
		] as const) {
			const urls = Array.from({ length: count }, () => ({
				ms: 1,
				status: 500,
			}));
			const all = balanced(...urls);
			await all.load(200, 5);
			assert.equal(leftOut().length, most);
		}
	});

	test("none for calls that were cancelled, or refused by us", async () => {
		const all = balanced({ ms: 1, code: "gateway_draining" }, { ms: 1 });
		await all.load(100, 5);
		assert.deepEqual(leftOut(), []);
	});
});

describe("leaves out for answers of no use", () => {
	/** Two URLs and the ends of calls to the first: good, bad, or good and then blamed. */
	async function after(...ends: readonly ("good" | "bad" | "blamed")[]) {
		const both = balance(2, setting.context);
		let status = 200;
		const next = played(async () => ({ ...reply(status), url: 0 }));
		const call = promised(both.call([next, hangs]));
		for (const end of ends) {
			status = end === "bad" ? 500 : 200;
			const request = requestOf({ tried: [1] });
			const answer = await call(request, openScope({ clock }));
			if (end === "blamed") both.blame(answer, request);
		}
		return leftOut();
	}
	const blamed = "blamed" as const;

	test("a URL whose last five are blamed, and not after four", async () => {
		assert.deepEqual(await after(...Array(4).fill(blamed)), []);
		assert.deepEqual(await after(...Array(5).fill(blamed)), [
			"left_out 1: upstream_invalid",
		]);
	});

	test("a URL that fails in both ways", async () => {
		assert.deepEqual(await after("bad", blamed, "bad", blamed, "bad"), [
			"left_out 1: upstream_status",
		]);
		assert.deepEqual(await after("bad", blamed, "bad", "bad", blamed), [
			"left_out 1: upstream_invalid",
		]);
	});

	test("none with a good answer among the last five", async () => {
		for (let good = 0; good < 5; good++) {
			const ends = Array.from({ length: 5 }, (_, at) =>
				at === good ? ("good" as const) : blamed,
			);
			assert.deepEqual(await after(...ends), []);
			const more = Array(good).fill(blamed);
			assert.deepEqual(await after(...ends, ...more), []);
			assert.equal((await after(...ends, ...more, blamed)).length, 1);
		}
	});

	test("a URL whose answers are read late, several together", async () => {
		const both = balance(2, setting.context);
		const next = played(async () => ({ ...reply(200), url: 0 }));
		const call = promised(both.call([next, hangs]));
		const answers = await Promise.all(
			Array.from({ length: 5 }, () =>
				call(requestOf({ tried: [1] }), openScope({ clock })),
			),
		);
		for (const answer of answers.slice(1))
			both.blame(answer, { requestId: "1" });
		assert.deepEqual(leftOut(), []);
		for (const answer of answers.slice(0, 1))
			both.blame(answer, { requestId: "1" });
		assert.deepEqual(leftOut(), ["left_out 1: upstream_invalid"]);
	});

	test("the URL that gave the answer, and again at once after its return", async () => {
		const both = balance(3, setting.context);
		const next = played(async () => ({ ...reply(200), url: 2 }));
		const call = promised(both.call([hangs, hangs, next]));
		const blameOnce = async () =>
			both.blame(
				await call(requestOf({ tried: [0, 1] }), openScope({ clock })),
				{ requestId: "1" },
			);
		for (let time = 0; time < 5; time++) await blameOnce();
		assert.deepEqual(leftOut(), ["left_out 3: upstream_invalid"]);
		await blameOnce();
		assert.deepEqual(leftOut(), [], "it is out already");
		await clock.advance(10_000);
		await blameOnce();
		assert.deepEqual(leftOut(), ["left_out 3: upstream_invalid"]);
	});
});

test("counts the calls that wait, however they end", async () => {
	const context = contextOf(clock);
	const tried: number[][] = [];
	const call = promised(balance(2, context).call([hangs, hangs]));
	const scopes = Array.from({ length: 6 }, () => openScope({ clock }));
	const calls = scopes.map((scope) => {
		const own: number[] = [];
		tried.push(own);
		return outcomeOf(call(requestOf({ tried: own }), scope));
	});
	const first = tried.flat().filter((at) => at === 0).length;
	assert.equal(first, 3);
	for (const scope of scopes) scope.cancel(new Error("left"));
	await Promise.all(calls);
	// All on one of them, and gone: the next ones are spread evenly again.
	for (let made = 0; made < 5; made++) {
		const scope = openScope({ clock });
		const left = outcomeOf(call(requestOf({ tried: [1] }), scope));
		scope.cancel(new Error("left"));
		await left;
	}
	const again: number[] = [];
	const scope = openScope({ clock });
	const last = Array.from({ length: 6 }, () => {
		const own: number[] = [];
		const outcome = outcomeOf(call(requestOf({ tried: own }), scope));
		again.push(...own);
		return outcome;
	});
	assert.equal(again.filter((at) => at === 0).length, 3);
	scope.cancel(new Error("left"));
	await Promise.all(last);
});

test("spreads streams with the calls, by the time to their heads", async () => {
	const asked = [0, 0];
	const stream = (at: number, ms: number): StreamCall => {
		return toldStream(async ({ onHead }) => {
			asked[at] = (asked[at] ?? 0) + 1;
			await new Promise<void>((resolve) => clock.after(ms, resolve));
			const body = Object.assign((async function* () {})(), { length: null });
			onHead({ status: 200, headers: [], body });
			await new Promise<void>((resolve) => clock.after(100, resolve));
		});
	};
	const call = promisedStream(
		balance(2, contextOf(clock)).stream([stream(0, 5), stream(1, 200)]),
	);
	for (let made = 0; made < 200; made++) {
		const onHead = (_head: StreamHead) => {};
		const request = streamRequestOf({ onHead });
		void call(request, openScope({ clock }));
		await clock.advance(50);
	}
	assert.ok((asked[1] ?? 0) < 10, `${asked}`);
	await clock.settle();
});

test("sends calls to a URL that has open streams as well", async () => {
	const both = balance(2, contextOf(clock));
	const scope = openScope({ clock });
	const asked = [0, 0];
	const opens = (at: number): StreamCall => {
		return toldStream(async ({ onHead }, own) => {
			asked[at] = (asked[at] ?? 0) + 1;
			const body = Object.assign((async function* () {})(), { length: null });
			onHead({ status: 200, headers: [], body });
			await new Promise<void>((resolve) => own.onCancel(() => resolve()));
		});
	};
	const stream = promisedStream(both.stream([opens(0), opens(1)]));
	for (let made = 0; made < 10; made++) {
		void stream(streamRequestOf({ onHead() {} }), scope);
	}
	assert.deepEqual(asked, [5, 5]);
	// One more on the first.
	void stream(streamRequestOf({ onHead() {} }), scope);
	const called = [0, 0];
	const answers = (at: number) =>
		played(async () => {
			called[at] = (called[at] ?? 0) + 1;
			return reply(200);
		});
	const call = promised(both.call([answers(0), answers(1)]));
	for (let made = 0; made < 10; made++) await call(requestOf(), scope);
	assert.deepEqual(called, [5, 5]);
	scope.cancel(new Error("enough"));
});
