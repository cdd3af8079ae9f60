import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, beforeEach, test } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import {
	openScope,
	outcomeOf,
	type Scope,
	type VirtualClock,
	virtualClock,
} from "../../src/tasks/index.ts";
import { openWire } from "../../src/upstream/wire/open-wire.ts";
import type { Wire } from "../../src/upstream/wire/wire.ts";
import { type Promising, promisingWire, requestOf } from "../kit/policy.ts";
import { gone, httpHead, openPeer, type Peer, type Received } from "./peer.ts";

/** Connections between two calls. */

let stack: AsyncDisposableStack;
let clock: VirtualClock;
let scope: Scope;
let peer: Peer;
let wire: Promising<Wire>;
let respond: (received: Received) => void;

beforeEach(async () => {
	stack = new AsyncDisposableStack();
	clock = virtualClock();
	scope = openScope({ clock });
	respond = ({ answer }) => answer("ok");
	peer = stack.use(
		await openPeer({ onRequest: (received) => respond(received) }),
	);
	const { origin } = peer;
	const settings = { name: "weather", origin, bodyBytesMax: 1000, tls: null };
	const opened = openWire(settings, clock);
	stack.defer(() => opened.close());
	wire = promisingWire(opened);
});

afterEach(async () => {
	await stack.disposeAsync();
	assert.equal(scope.listeners, 0, "a listener was left");
});

const call = () => wire.call(requestOf(), scope);

/** Several at once, each on a connection of its own. */
async function calls(count: number): Promise<void> {
	await Promise.all(Array.from({ length: count }, call));
}

test("a connection at rest is closed before 4 s have passed, and not before 3.5 s", async () => {
	await call();
	const socket = await peer.connection();
	await clock.advance(3_500);
	assert.equal(socket.destroyed, false);
	await clock.advance(500);
	await gone(socket);
	await call();
	assert.equal(peer.connections, 2);
});

for (const [hint, keptMs, goneMs] of [
	["timeout=10", 8_500, 9_000],
	["max=5, TIMEOUT=3", 1_500, 2_000],
	["timeout=3600", 59_500, 60_000],
	["timeout=x", 3_500, 4_000],
] as const) {
	test(`a server's hint of ${hint} is believed, less a second, up to a minute`, async () => {
		respond = ({ answer }) => answer("ok", `keep-alive: ${hint}`);
		await call();
		const socket = await peer.connection();
		await clock.advance(keptMs);
		assert.equal(socket.destroyed, false);
		await clock.advance(goneMs - keptMs);
		await gone(socket);
	});
}

test("a connection takes no call beyond its greatest age, and rests no longer", async () => {
	respond = ({ answer }) => answer("ok", "keep-alive: timeout=60");
	const { origin } = peer;
	const opened = openWire(
		{
			...{ name: "weather", origin, bodyBytesMax: 1000, tls: null },
			connectionAgeMs: 5_000,
		},
		clock,
	);
	stack.defer(() => opened.close());
	const young = promisingWire(opened);
	const callYoung = () => young.call(requestOf(), scope);
	await callYoung();
	for (let second = 1; second <= 4; second++) {
		await clock.advance(1_000);
		await callYoung();
	}
	assert.equal(peer.connections, 1);
	await clock.advance(1_000);
	await gone(await peer.connection());
	await callYoung();
	assert.equal(peer.connections, 2);
});

test("a connection whose server closes it within a second is not kept", async () => {
	respond = ({ answer }) => answer("ok", "keep-alive: timeout=1");
	await call();
	await gone(await peer.connection());
});

test("the connection used last is used next, so that the surplus grows old", async () => {
	await calls(3);
	const sockets = [
		await peer.connection(),
		await peer.connection(),
		await peer.connection(),
	];
	await clock.advance(3_000);
	await call();
	await clock.advance(1_000);
	const open = sockets.filter((socket) => !socket.destroyed);
	await Promise.all(sockets.filter((s) => !open.includes(s)).map(gone));
	await call();
	assert.equal(peer.connections, 3);
});

test("what comes on a connection at rest closes it", async () => {
	await call();
	const socket = await peer.connection();
	socket.write(`${httpHead(200, "content-length: 6")}secret`);
	await gone(socket);
	const { body } = await call();
	assert.equal(Buffer.from(body).toString(), "ok");
	assert.equal(peer.connections, 2);
});

test("an answer that follows another at once is met by no call, though one is made at once", async () => {
	let asked = 0;
	respond = ({ socket, answer }) => {
		asked++;
		answer(`answer ${asked}`);
		socket.write(`${httpHead(200, "content-length: 6")}secret`);
	};
	for (let at = 1; at <= 5; at++) {
		const { body } = await call();
		assert.equal(Buffer.from(body).toString(), `answer ${at}`);
	}
});

test("an answer with more behind it is its connection's last", async () => {
	respond = ({ socket }) =>
		void socket.write(`${httpHead(200, "content-length: 2")}okHTTP/1.1 `);
	for (let at = 1; at <= 3; at++) {
		await call();
		assert.equal(peer.connections, at);
	}
});

for (const head of [
	httpHead(204, "content-length: 2"),
	httpHead(304, "content-length: 2"),
	httpHead(204, "transfer-encoding: chunked"),
]) {
	test(`an answer that announces the body it must not have is its connection's last: ${head.slice(9, 12)}`, async () => {
		respond = ({ socket }) => void socket.write(head);
		for (let at = 1; at <= 3; at++) {
			await call();
			assert.equal(peer.connections, at);
		}
	});
}

test("a server that speaks before it is asked is not asked", async () => {
	const ended = outcomeOf(call());
	const socket = await peer.connection();
	socket.write(`${httpHead(200, "content-length: 6")}secret`);
	const outcome = await ended;
	assert.ok(!outcome.ok && outcome.error instanceof GatewayError);
	assert.equal(outcome.error.code, "upstream_invalid");
	assert.match(outcome.error.message, /before it was asked/);
	await gone(socket);
});

test("connections at rest do not keep the process", async () => {
	const script = `
		import { promised } from "./src/policy/promised.ts";
		import { timeout } from "./src/policy/timeout.ts";
		import { openScope, realClock } from "./src/tasks/index.ts";
		import { openWire } from "./src/upstream/wire/open-wire.ts";
		const clock = realClock();
		const wire = openWire({ name: "x", origin: "${peer.origin}", bodyBytesMax: 9, tls: null }, clock);
		const request = { method: "GET", target: "/", headers: [], body: null, idempotent: true, onSent: null, timeoutMs: 60_000 };
		const call = promised(timeout("x")(wire.send));
		for (let calls = 0; calls < 3; calls++) await call(request, openScope({ clock }));
		const begun = performance.now();
		process.on("exit", () => console.log(performance.now() - begun < 2000 ? "at once" : "late"));
	`;
	const child = spawn(
		process.execPath,
		["--input-type=module-typescript", "--eval", script],
		{
			cwd: new URL("../..", import.meta.url),
			stdio: ["ignore", "pipe", "inherit"],
		},
	);
	const printed: string[] = [];
	child.stdout.on("data", (text) => printed.push(String(text)));
	await once(child, "close");
	assert.equal(printed.join(""), "at once\n");
});
