import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ByteQueue } from "../../src/core/body/byte-queue.ts";
import { streamOf } from "../../src/core/body/byte-stream.ts";
import { GatewayError } from "../../src/core/errors.ts";
import { type LimiterOptions, limiter } from "../../src/policy/limiter.ts";
import { OpenStreams } from "../../src/policy/open-streams.ts";
import type { Call, Guard, PolicyContext } from "../../src/policy/policy.ts";
import {
	promised,
	promisedStream,
	toldStream,
} from "../../src/policy/promised.ts";
import {
	openScope,
	outcomeOf,
	type VirtualClock,
} from "../../src/tasks/index.ts";
import {
	answer,
	codeOf,
	contextOf,
	controlled,
	hangs,
	played,
	policySetting,
	reply,
	requestOf,
	streamRequestOf,
} from "../kit/policy.ts";
import { conforms } from "./conformance.ts";

const limits = { concurrent: 2, waiting: 3, adaptive: false };

/** Of an upstream with 64 connections. */
function limiterAt(context: PolicyContext, options: LimiterOptions | null) {
	return limiter(options, { ...context, connections: 64, streams: 3 });
}

function adaptiveAt(
	context: PolicyContext,
	concurrent: number | null,
	waiting: number | null,
) {
	return limiterAt(context, { concurrent, waiting, adaptive: true });
}

conforms("limiter", (clock) => limiterAt(contextOf(clock), limits).call);

conforms(
	"limiter of one",
	(clock) =>
		limiterAt(contextOf(clock), { ...limits, concurrent: 1, waiting: 0 }).call,
);

conforms(
	"adaptive limiter",
	(clock) => adaptiveAt(contextOf(clock), 64, null).call,
);

conforms(
	"adaptive limiter of one",
	(clock) => adaptiveAt(contextOf(clock), 1, 0).call,
);

test("lets so many run, so many wait, and refuses the rest at once", async () => {
	const { clock, scope, context, next, begun } = policySetting("limiter");
	const call = promised(limiterAt(context, limits).call(next));
	const outcomes = Array.from({ length: 6 }, () =>
		outcomeOf(call(requestOf(), scope)),
	);
	const refused = await outcomes[5];
	assert.ok(refused && !refused.ok && refused.error instanceof GatewayError);
	assert.equal(refused.error.code, "limiter_full");
	assert.equal(refused.error.facts.upstream, "weather");
	assert.equal(refused.error.facts.retryAfterMs, 1000);
	for (let ended = 0; ended < 5; ended++) {
		assert.equal(begun.length, Math.min(5, ended + 2));
		begun[ended]?.resolve(answer);
		await clock.advance(0);
	}
	assert.ok((await Promise.all(outcomes.slice(0, 5))).every(({ ok }) => ok));
	assert.equal(scope.listeners, 0);
});

test("lets the one that has waited longest go first, and forgets one that was cancelled", async () => {
	const { clock, context, next, begun } = policySetting("limiter");
	const scopes = Array.from({ length: 4 }, () => openScope({ clock }));
	const call = promised(
		limiterAt(context, { ...limits, concurrent: 1 }).call(next),
	);
	const outcomes = scopes.map((scope) => outcomeOf(call(requestOf(), scope)));
	const reason = new Error("left");
	scopes[1]?.cancel(reason);
	assert.deepEqual(await outcomes[1], { ok: false, error: reason });
	begun[0]?.resolve(answer);
	await clock.advance(0);
	assert.deepEqual(
		begun.map(({ scope }) => scopes.indexOf(scope)),
		[0, 2],
	);
	begun[1]?.reject(new Error("failed"));
	await clock.advance(0);
	assert.deepEqual(
		begun.map(({ scope }) => scopes.indexOf(scope)),
		[0, 2, 3],
	);
	begun[2]?.resolve(answer);
	assert.equal((await outcomes[3])?.ok, true);
});

test("lets as many run as there are connections, and 1,024 wait, unless it is told otherwise", async () => {
	for (const [options, running, accepted] of [
		[null, 64, 64 + 1024],
		[{ concurrent: null, waiting: null, adaptive: false }, 64, 64 + 1024],
		[{ concurrent: 3, waiting: null, adaptive: false }, 3, 3 + 1024],
		[{ concurrent: null, waiting: 0, adaptive: false }, 64, 64],
	] as const) {
		const { clock, scope, context } = policySetting("limiter");
		let begun = 0;
		let refused = 0;
		const next: Call = (request, own, ended) => {
			begun++;
			hangs(request, own, ended);
		};
		const call = promised(limiterAt(context, options).call(next));
		const outcomes = Array.from({ length: accepted + 1 }, async () => {
			const outcome = await outcomeOf(call(requestOf(), scope));
			if (!outcome.ok && outcome.error instanceof GatewayError) refused++;
		});
		await clock.advance(0);
		assert.deepEqual([begun, refused], [running, 1]);
		scope.cancel(new Error("enough"));
		await Promise.all(outcomes);
	}
});

test("knows whether a call that begins now would run at once", async () => {
	const { clock, scope, context } = policySetting("limiter");
	for (const guard of [limiterAt(context, limits), adaptiveAt(context, 2, 3)]) {
		const { call: next, begun } = controlled();
		const call = promised(guard.call(next));
		for (let running = 0; running < 2; running++) {
			assert.equal(guard.hasFree(), true);
			void call(requestOf(), scope);
		}
		assert.equal(guard.hasFree(), false);
		begun[0]?.resolve(answer);
		await clock.advance(0);
		assert.equal(guard.hasFree(), true);
		begun[1]?.resolve(answer);
		await clock.advance(0);
	}
});

describe("streams", () => {
	const body = Object.assign((async function* () {})(), { length: null });
	const head = { status: 200, headers: [], body };

	/** A limiter of one call and three streams, and the streams that got through it. */
	function streams(adaptive: boolean) {
		const { clock, context } = policySetting("limiter");
		const options = { concurrent: 1, waiting: 3, adaptive };
		const guard = limiterAt(context, options);
		const sent: {
			readonly answer: () => void;
			readonly end: () => void;
			readonly fail: (reason: unknown) => void;
		}[] = [];
		const sends = toldStream(async (request, scope) => {
			if (request.body) for await (const _ of request.body);
			return new Promise<void>((end, fail) => {
				const leave = scope.onCancel(fail);
				const answer = () => request.onHead(head);
				sent.push({
					answer,
					end: () => end(leave()),
					fail: (reason) => fail((leave(), reason)),
				});
			});
		});
		const stream = promisedStream(guard.stream(sends));
		const open = (request: object = {}) => {
			const scope = openScope({ clock });
			const outcome = outcomeOf(
				stream(streamRequestOf({ onHead() {}, ...request }), scope),
			);
			return { scope, outcome };
		};
		return { clock, guard, sent, open };
	}

	for (const adaptive of [false, true]) {
		const which = adaptive ? "an adaptive limiter" : "a fixed limiter";

		test(`have a call's slot until their heads are there: ${which}`, async () => {
			const { clock, guard, sent, open } = streams(adaptive);
			const opened = [open(), open()];
			await clock.advance(0);
			assert.deepEqual([sent.length, guard.hasFree()], [1, false]);
			sent[0]?.answer();
			await clock.advance(0);
			assert.deepEqual([sent.length, guard.hasFree()], [2, false]);
			sent[1]?.answer();
			assert.equal(guard.hasFree(), true);
			for (const one of sent) one.end();
			for (const { outcome } of opened) assert.equal((await outcome).ok, true);
			await clock.advance(0);
			// No slot was given back twice.
			const third = open();
			await clock.advance(0);
			assert.equal(guard.hasFree(), false);
			sent[2]?.fail(new Error("reset"));
			await third.outcome;
			assert.equal(guard.hasFree(), true);
		});

		test(`are refused beyond their number, and free again however they end: ${which}`, async () => {
			const { clock, sent, open } = streams(adaptive);
			for (let round = 0; round < 3; round++) {
				const three = [];
				for (let at = 0; at < 3; at++) {
					three.push(open());
					await clock.advance(0);
					sent.at(-1)?.answer();
				}
				assert.equal(codeOf(await open().outcome), "limiter_full");
				const [ends, fails, leaves] = sent.slice(-3);
				ends?.end();
				fails?.fail(new Error("reset"));
				assert.ok(leaves !== undefined);
				three[2]?.scope.cancel(new Error("left"));
				for (const { outcome, scope } of three) {
					await outcome;
					assert.equal(scope.listeners, 0);
				}
			}
		});

		test(`have no call's slot while their requests come, and wait for one with the end: ${which}`, async () => {
			for (const length of [null, 6]) {
				const { clock, guard, sent, open } = streams(adaptive);
				const queue = () =>
					new ByteQueue({ length, onFull() {}, onWanted() {}, onLeft() {} });
				const [one, other, late] = [queue(), queue(), queue()];
				const opened = [open({ body: one }), open({ body: other })];
				const cut = open({ body: late });
				one.push(Buffer.from("abc"));
				await clock.advance(0);
				assert.deepEqual([sent.length, guard.hasFree()], [0, true]);
				for (const body of [one, other, late]) {
					body.push(Buffer.from(body === one ? "def" : "abcdef"));
					body.end();
				}
				await clock.advance(0);
				assert.deepEqual([sent.length, guard.hasFree()], [1, false]);
				cut.scope.cancel(new Error("left"));
				sent[0]?.answer();
				await clock.advance(0);
				assert.deepEqual([sent.length, guard.hasFree()], [2, false]);
				sent[1]?.answer();
				assert.equal(guard.hasFree(), true);
				for (const stream of sent) stream.end();
				for (const { outcome, scope } of [...opened, cut]) {
					await outcome;
					assert.equal(scope.listeners, 0);
				}
				assert.equal(guard.hasFree(), true);
			}
		});

		test(`have a call's slot from the beginning if all of the request is there: ${which}`, async () => {
			const { clock, guard, sent, open } = streams(adaptive);
			open({ body: streamOf(Buffer.from("abc")) });
			await clock.advance(0);
			assert.deepEqual([sent.length, guard.hasFree()], [1, false]);
		});
	}
});

describe("the share of a client in the open streams", () => {
	const taken = (all: OpenStreams, client: string) => {
		let count = 0;
		while (all.take(client) !== null) count++;
		return count;
	};

	test("is all of few, and leaves some of many to others", () => {
		for (const [most, ...shares] of [
			[1, 1, 0],
			[9, 9, 0],
			[10, 9, 1, 0],
			[1024, 911, 101, 11, 1, 0],
		] as const) {
			const all = new OpenStreams(most);
			const had = shares.map((_, at) => taken(all, `192.0.2.${at}`));
			assert.deepEqual(had, shares, `of ${most}`);
		}
	});

	test("is that of an IPv6 network, and free again when it is given back", () => {
		const all = new OpenStreams(18);
		for (let round = 0; round < 3; round++) {
			const had = Array.from({ length: 20 }, (_, at) =>
				all.take(`2001:db8::${at}`),
			).filter((client) => client !== null);
			assert.equal(had.length, 17);
			for (const client of had) all.give(client);
			assert.equal(all.open, 0);
		}
	});
});

describe("clients that wait", () => {
	const asking = (client: string) => requestOf({ client });

	test("get their turns one after another, an IPv6 network as one", async () => {
		const { clock, scope, context } = policySetting("limiter");
		const { call: wire, begun } = controlled();
		const order: string[] = [];
		const one = { concurrent: 1, waiting: 100, adaptive: false };
		const next: Call = (request, own, ended) => {
			order.push(request.client);
			wire(request, own, ended);
		};
		const call = promised(limiterAt(context, one).call(next));
		const near = "2001:db8::1";
		const neighbour = "2001:db8::2";
		for (const client of ["a", "a", "a", near, near, neighbour, "b"]) {
			void outcomeOf(call(asking(client), scope));
		}
		for (let ended = 0; ended < 7; ended++) {
			begun[ended]?.resolve(answer);
			await clock.advance(0);
		}
		assert.deepEqual(order, ["a", "a", near, "b", "a", near, neighbour]);
	});

	test("give way in a full queue, the one with the most first, and only to one with fewer", async () => {
		for (const adaptive of [false, true]) {
			const { clock, context, next } = policySetting("limiter");
			const scope = openScope({ clock });
			const options = { concurrent: 1, waiting: 4, adaptive };
			const call = promised(limiterAt(context, options).call(next));
			const states: string[] = [];
			const ask = (client: string) => {
				const at = states.push("waits") - 1;
				void outcomeOf(call(asking(client), scope)).then((outcome) => {
					states[at] = outcome.ok ? "ok" : String(codeOf(outcome));
				});
			};
			for (const client of ["a", "a", "a", "a", "a"]) ask(client);
			ask("a");
			ask("b");
			ask("b");
			ask("b");
			ask("c");
			await clock.advance(0);
			assert.deepEqual(states, [
				// Of five, one runs and one still waits. The sixth came when they had all of the queue.
				...["waits", "waits", "limiter_full", "limiter_full", "limiter_full"],
				"limiter_full",
				// Of three, the last would have been one more than the others had.
				...["waits", "waits", "limiter_full"],
				"waits",
			]);
			scope.cancel(new GatewayError("client_closed", "enough"));
			await clock.advance(0);
		}
	});
});

describe("an adaptive limiter", () => {
	/** Keeps it full of calls that take as long as `serviceMs` says of how many run. */
	async function fill(
		guard: Guard,
		clock: VirtualClock,
		forMs: number,
		serviceMs: (running: number) => number,
	): Promise<number> {
		const endMs = clock.now() + forMs;
		let running = 0;
		let most = 0;
		const next = played(async () => {
			running++;
			most = clock.now() > endMs - forMs / 4 ? Math.max(most, running) : 0;
			await new Promise<void>((resolve) =>
				clock.after(serviceMs(running), resolve),
			);
			running--;
			return answer;
		});
		const call = promised(guard.call(next));
		while (clock.now() < endMs) {
			for (let some = 0; some < 50; some++) {
				void outcomeOf(call(requestOf(), openScope({ clock })));
			}
			await clock.advance(10);
		}
		return most;
	}

	test("rises to its bound where calls take no longer for being many", async () => {
		const { clock, context } = policySetting("limiter");
		const guard = adaptiveAt(context, 64, null);
		assert.equal(await fill(guard, clock, 8000, () => 20), 64);
	});

	test("stays near what an upstream of ten workers can carry", async () => {
		const { clock, context } = policySetting("limiter");
		const guard = adaptiveAt(context, 500, null);
		const most = await fill(guard, clock, 8000, (running) =>
			Math.max(50, running * 5),
		);
		assert.ok(most >= 10 && most <= 30, `${most}`);
	});

	test("lets as many wait as run, or as it is told, and refuses the rest at once", async () => {
		for (const [waitingMax, accepted] of [
			[null, 40],
			[0, 20],
			[1, 21],
			[100, 120],
		] as const) {
			const { clock, context } = policySetting("limiter");
			const guard = adaptiveAt(context, 64, waitingMax);
			const scope = openScope({ clock });
			let refused = 0;
			const outcomes = Array.from({ length: 200 }, async () => {
				const outcome = await outcomeOf(
					promised(guard.call(hangs))(requestOf(), scope),
				);
				if (clock.now() === 0 && !scope.cancelled) refused++;
				return outcome;
			});
			await clock.advance(0);
			assert.equal(refused, 200 - accepted);
			scope.cancel(new Error("enough"));
			await Promise.all(outcomes);
		}
	});

	test("falls where calls are not answered in time, and where the upstream says that it is too much", async () => {
		for (const end of ["timeout", "503"] as const) {
			const { clock, context, decided } = policySetting("limiter");
			const guard = adaptiveAt(context, 64, 0);
			const next = played(async () => {
				await new Promise<void>((resolve) => clock.after(100, resolve));
				if (end === "503") return reply(503);
				throw new GatewayError("upstream_timeout", "late");
			});
			const call = promised(guard.call(next));
			for (let round = 0; round < 40; round++) {
				for (let some = 0; some < 20; some++) {
					void outcomeOf(call(requestOf(), openScope({ clock })));
				}
				await clock.advance(110);
			}
			await clock.settle();
			const limits = decided.filter(({ decision }) => decision === "limit");
			for (const { reason } of limits) {
				assert.ok(reason === "answers_slowly" || reason === "answers_fast");
			}
			const found = limits.map(({ number }) => number);
			assert.ok(found.includes(1), found.join(", "));
		}
	});

	test("takes no notice of a call in twenty that is lost, but of one in five", async () => {
		for (const [every, most] of [
			[20, 64],
			[5, 20],
		] as const) {
			const { clock, context } = policySetting("limiter");
			const guard = adaptiveAt(context, 64, null);
			let made = 0;
			let running = 0;
			let last = 0;
			const next = played(async () => {
				running++;
				last = running;
				const status = ++made % every === 0 ? 503 : 200;
				await new Promise<void>((resolve) => clock.after(50, resolve));
				running--;
				return reply(status);
			});
			const call = promised(guard.call(next));
			for (let round = 0; round < 500; round++) {
				for (let some = 0; some < 20; some++) {
					void outcomeOf(call(requestOf(), openScope({ clock })));
				}
				await clock.advance(10);
			}
			if (every === 20) assert.equal(last, most);
			else assert.ok(last < most, `${last}`);
			await clock.settle();
		}
	});
});
