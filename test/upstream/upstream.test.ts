import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { type ErrorCode, GatewayError } from "../../src/core/errors.ts";
import { createEvents, type Events } from "../../src/core/events.ts";
import {
	openScope,
	outcomeOf,
	type Scope,
	type VirtualClock,
	virtualClock,
} from "../../src/tasks/index.ts";
import {
	createUpstream,
	type Upstream,
	type UpstreamSettings,
} from "../../src/upstream/upstream.ts";
import { type Promising, promising, requestOf } from "../kit/policy.ts";
import { gone, openPeer, type Peer } from "./peer.ts";

let stack: AsyncDisposableStack;
let clock: VirtualClock;
let scope: Scope;
let peer: Peer;
let events: Events;

function open(settings: Partial<UpstreamSettings> = {}): Promising<Upstream> {
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
		{ clock, events },
	);
	stack.defer(() => upstream.close());
	return promising(upstream);
}

function isError(code: ErrorCode) {
	return (error: unknown) =>
		error instanceof GatewayError &&
		error.code === code &&
		error.facts.upstream === "weather";
}

beforeEach(async () => {
	stack = new AsyncDisposableStack();
	clock = virtualClock();
	events = createEvents();
	scope = openScope({ clock });
	peer = stack.use(await openPeer());
});

afterEach(async () => {
	await stack.disposeAsync();
	assert.equal(scope.listeners, 0, "a listener was left");
	assert.equal(clock.pending, 0, "a timer was left");
});

test("opens no more connections than it may, and keeps the others waiting in order", async () => {
	const { call } = open();
	const calls = Array.from({ length: 5 }, (_, at) =>
		call(requestOf({ target: `/${at}` }), scope),
	);
	const running = [await peer.request(), await peer.request()];
	const seen = running.map(({ head }) => head[0]);
	while (running.length > 0) {
		running.shift()?.answer("ok");
		if (seen.length === calls.length) continue;
		const next = await peer.request();
		running.push(next);
		seen.push(next.head[0]);
	}
	await Promise.all(calls);
	assert.deepEqual(
		seen.slice(2),
		[2, 3, 4].map((at) => `GET /${at} HTTP/1.1`),
	);
	assert.equal(peer.connections, 2);
});

test("counts the timeout of a call from when it has its connection", async () => {
	const { call } = open({ connections: 1 });
	const first = call(requestOf({ timeoutMs: 100 }), scope);
	const second = outcomeOf(call(requestOf({ timeoutMs: 100 }), scope));
	const received = await peer.request();
	await clock.advance(99);
	received.answer("ok");
	await first;
	const late = await peer.request();
	await clock.advance(99);
	assert.equal(clock.pending, 1);
	await clock.advance(1);
	const ended = await second;
	assert.ok(!ended.ok && isError("upstream_timeout")(ended.error));
	await gone(late.socket);
});

test("ends on the wire what takes too long, and calls again over a new connection", async () => {
	const { call } = open({ connections: 1 });
	const outcome = outcomeOf(call(requestOf({ timeoutMs: 100 }), scope));
	const { socket } = await peer.request();
	await clock.advance(100);
	const ended = await outcome;
	assert.ok(!ended.ok && isError("upstream_timeout")(ended.error));
	await gone(socket);
	const next = call(requestOf(), scope);
	(await peer.request()).answer("ok");
	assert.equal((await next).status, 200);
});

test("lets 1,024 calls wait for a connection and refuses one more", async () => {
	const { call, close } = open({ connections: 1 });
	const outcomes = Array.from({ length: 1025 }, () =>
		outcomeOf(call(requestOf(), scope)),
	);
	await assert.rejects(call(requestOf(), scope), isError("limiter_full"));
	await peer.request();
	await close();
	for (const ended of await Promise.all(outcomes))
		assert.ok(!ended.ok && isError("gateway_draining")(ended.error));
});

test("ends everything when it is closed, its scope with a reason", async () => {
	const upstream = open();
	const running = outcomeOf(upstream.call(requestOf(), scope));
	const { socket } = await peer.request();
	await upstream.close();
	await gone(socket);
	const ended = await running;
	assert.ok(!ended.ok && isError("gateway_draining")(ended.error));
	assert.ok(isError("gateway_draining")(upstream.scope.reason));
	await assert.rejects(
		upstream.call(requestOf(), scope),
		isError("gateway_draining"),
	);
	await upstream.close();
});

test("spreads calls over its URLs, and sends another attempt to another one", async () => {
	const other = stack.use(await openPeer());
	const upstream = open({
		origins: [peer.origin, other.origin],
		retry: { attempts: 2, waitMs: 50, waitMsMax: 1000 },
		budget: { ratio: 0, perSecond: 10 },
	});
	const idempotent = requestOf({ idempotent: true });
	const both = [
		upstream.call(idempotent, scope),
		upstream.call(idempotent, scope),
	];
	const [first, second] = [await peer.request(), await other.request()];
	const again = new Promise<void>((resolve) => {
		events.policyDecided.push(({ decision, number }) => {
			if (decision === "attempt" && number === 2) resolve();
		});
	});
	first.socket.resetAndDestroy();
	second.answer("ok");
	await again;
	await clock.advance(50);
	(await other.request()).answer("again");
	const answers = await Promise.all(both);
	assert.deepEqual(
		answers.map(({ body }) => Buffer.from(body).toString()).sort(),
		["again", "ok"],
	);
});

test("closes the connections to all its URLs", async () => {
	const other = stack.use(await openPeer());
	const upstream = open({ origins: [peer.origin, other.origin] });
	const outcomes = [0, 1].map(() =>
		outcomeOf(upstream.call(requestOf(), scope)),
	);
	const sockets = [
		(await peer.request()).socket,
		(await other.request()).socket,
	];
	await upstream.close();
	await Promise.all([...sockets.map(gone), ...outcomes]);
});
