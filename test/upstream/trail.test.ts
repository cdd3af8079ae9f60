import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import {
	type AttemptEnded,
	createEvents,
	type Events,
} from "../../src/core/events.ts";
import { CallTrail } from "../../src/core/trail.ts";
import {
	openScope,
	outcomeOf,
	type Scope,
	type VirtualClock,
	virtualClock,
} from "../../src/tasks/index.ts";
import {
	createUpstream,
	type UpstreamSettings,
} from "../../src/upstream/upstream.ts";
import { promising, requestOf, streamRequestOf } from "../kit/policy.ts";
import { openPeer, type Peer } from "./peer.ts";

let stack: AsyncDisposableStack;
let clock: VirtualClock;
let scope: Scope;
let peer: Peer;
let events: Events;
let ended: AttemptEnded[];

function open(settings: Partial<UpstreamSettings> = {}) {
	const upstream = createUpstream(
		{
			name: "weather",
			origins: [peer.origin],
			connections: 2,
			streams: 2,
			bodyBytesMax: 1000,
			tls: null,
			coalesce: false,
			...settings,
		},
		{ clock, events, random: () => 0.5 },
	);
	stack.defer(() => upstream.close());
	return promising(upstream);
}

const trailOf = () =>
	new CallTrail(clock, { upstream: "weather", method: "GET", template: "/" });

/** The instants of each attempt, and how it ended. */
const attemptsOf = ({ attempts }: CallTrail) =>
	attempts.map(({ startedMs, placedMs, sentMs, headMs, endedMs, ...rest }) => [
		[startedMs, placedMs, sentMs, headMs, endedMs],
		rest.error?.code ?? rest.status,
	]);

const decisionsOf = ({ decisions }: CallTrail) =>
	decisions.map(({ atMs, policy, decision, number, reason }) =>
		[atMs, policy, decision, number, reason].filter((one) => one !== null),
	);

beforeEach(async () => {
	stack = new AsyncDisposableStack();
	clock = virtualClock();
	events = createEvents();
	ended = [];
	events.attemptEnded.push((event) => ended.push(event));
	scope = openScope({ clock });
	peer = stack.use(await openPeer());
});

afterEach(async () => {
	await stack.disposeAsync();
	assert.equal(scope.listeners, 0, "a listener was left");
	assert.equal(clock.pending, 0, "a timer was left");
});

describe("the trail of a call", () => {
	it("tells when an attempt had its slot, was sent, was answered and ended, and how much came", async () => {
		const { call } = open({ connections: 1 });
		const first = trailOf();
		const answer = call(requestOf({ trail: first }), scope);
		const waits = trailOf();
		const waiting = call(requestOf({ trail: waits }), scope);
		const received = await peer.request();
		await clock.advance(30);
		received.answer("hello");
		await answer;
		const next = await peer.request();
		await clock.advance(12);
		next.answer("ok");
		await waiting;
		assert.deepEqual(attemptsOf(first), [[[0, 0, 0, 30, 30], 200]]);
		assert.deepEqual(attemptsOf(waits), [[[0, 30, 30, 42, 42], 200]]);
		assert.deepEqual(
			[first, waits].map(({ attempts: [one] }) => [one?.bytes, one?.kept]),
			[
				[5, false],
				[2, true],
			],
		);
	});

	it("ends with the head if the whole answer came with it, and else with its last byte", async () => {
		// A clock that goes on with each look shows which events have the same one.
		let looks = 0;
		const looking = { now: () => looks++ };
		const { call } = open({ connections: 1 });
		const ends = async (...pieces: (string | Uint8Array)[]) => {
			const of = { upstream: "weather", method: "GET", template: "/" };
			const trail = new CallTrail(looking, of);
			const answer = call(requestOf({ trail }), scope);
			const { socket } = await peer.request();
			for (const piece of pieces) {
				const [attempt] = trail.attempts;
				const before = attempt?.bytes ?? 0;
				socket.write(piece);
				while (attempt?.endedMs === null && attempt.bytes === before) {
					await new Promise(setImmediate);
				}
			}
			await answer;
			const { headMs, endedMs } = trail.attempts[0] ?? {};
			return Number(endedMs) - Number(headMs);
		};
		const head = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n";
		assert.equal(await ends(`${head}\r\nhello`), 0);
		assert.equal(await ends(`${head}\r\nhe`, "llo"), 1);
		const coding = "content-encoding: gzip\r\n";
		const body = gzipSync("hello");
		const coded = `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n${coding}\r\n`;
		assert.equal(await ends(Buffer.concat([Buffer.from(coded), body])), 1);
	});

	it("has each attempt of a retry, and why there was another", async () => {
		const retry = { attempts: 3, waitMs: 100, waitMsMax: 1000 };
		const budget = { ratio: 0, perSecond: 10 };
		const { call } = open({ retry, budget });
		const trail = trailOf();
		const answer = call(requestOf({ safe: true, trail }), scope);
		const busy = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";
		(await peer.request()).socket.write(busy);
		while (trail.decisions.length === 0) await new Promise(setImmediate);
		await clock.advance(50);
		(await peer.request()).answer("yes");
		await answer;
		assert.deepEqual(attemptsOf(trail), [
			[[0, 0, 0, 0, 0], 503],
			[[50, 50, 50, 50, 50], 200],
		]);
		assert.deepEqual(decisionsOf(trail), [
			[0, "retry", "attempt", 2, "upstream_status"],
		]);
	});

	it("has an attempt that was refused before it was sent", async () => {
		const { call } = open({ connections: 1, limiter: limited });
		const held = call(requestOf({ trail: trailOf() }), scope);
		const received = await peer.request();
		const trail = trailOf();
		const refused = await outcomeOf(call(requestOf({ trail }), scope));
		assert.equal(refused.ok, false);
		assert.deepEqual(attemptsOf(trail), [
			[[0, null, null, null, 0], "limiter_full"],
		]);
		received.answer("ok");
		await held;
	});
	const limited = { concurrent: 1, waiting: 0, adaptive: false };

	it("says where an attempt was when it was cancelled", async () => {
		const { call } = open();
		const trail = trailOf();
		const outcome = outcomeOf(call(requestOf({ timeoutMs: 20, trail }), scope));
		await peer.request();
		await clock.advance(20);
		assert.equal((await outcome).ok, false);
		assert.deepEqual(attemptsOf(trail), [
			[[0, 0, 0, null, 20], "upstream_timeout"],
		]);
	});

	it("has no attempt for an answer that another call gets, and says so", async () => {
		const { call } = open({ coalesce: true });
		const [leads, joins] = [trailOf(), trailOf()];
		const answers = [leads, joins].map((trail) =>
			call(requestOf({ safe: true, trail }), scope),
		);
		(await peer.request()).answer("ok");
		await Promise.all(answers);
		assert.equal(leads.attempts.length, 1);
		assert.deepEqual(attemptsOf(joins), []);
		assert.deepEqual(decisionsOf(joins), [[0, "coalesce", "joined"]]);
	});

	it("goes on until the last byte of a stream", async () => {
		const { stream } = open();
		const trail = trailOf();
		const passed = stream(
			streamRequestOf({
				trail,
				onHead: async ({ body }) => {
					await clock.advance(5);
					for await (const _ of body) continue;
				},
			}),
			scope,
		);
		(await peer.request()).answer("12345678");
		await passed;
		assert.deepEqual(trail.attempts[0]?.status, 200);
		assert.equal(trail.attempts[0]?.bytes, 8);
	});

	it("notes at most 100 decisions", () => {
		const trail = trailOf();
		const mark = { policy: "retry", decision: "attempt" } as const;
		for (let number = 1; number <= 101; number++) {
			trail.decided({ ...mark, number, reason: null });
		}
		assert.equal(trail.decisions.length, 100);
	});
});

describe("listeners of attempts", () => {
	it("hear of an attempt that its request did not wait for", async () => {
		const { call } = open({ coalesce: true });
		const leaver = openScope({ clock });
		const trail = trailOf();
		const first = outcomeOf(call(requestOf({ safe: true, trail }), leaver));
		const second = call(requestOf({ safe: true, trail: trailOf() }), scope);
		const received = await peer.request();
		leaver.cancel(new Error("left"));
		assert.equal((await first).ok, false);
		assert.equal(ended.length, 0);
		received.answer("ok");
		await second;
		assert.deepEqual(
			ended.map(({ call, attempt }) => [call === trail, attempt.status]),
			[[true, 200]],
		);
	});

	it("hear nothing of a call without a trail", async () => {
		const { call } = open();
		const answer = call(requestOf(), scope);
		(await peer.request()).answer("ok");
		await answer;
		assert.equal(ended.length, 0);
	});
});
