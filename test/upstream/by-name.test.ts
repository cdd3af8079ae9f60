import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import {
	type AddressInfo,
	connect,
	createServer as createSilentServer,
	type Socket,
} from "node:net";
import { describe, test } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import { promised } from "../../src/policy/promised.ts";
import { timeout } from "../../src/policy/timeout.ts";
import { type Clock, realClock, virtualClock } from "../../src/tasks/clock.ts";
import { openScope } from "../../src/tasks/scope.ts";
import { openWire } from "../../src/upstream/wire/open-wire.ts";
import type { WireSettings } from "../../src/upstream/wire/wire.ts";
import { startDnsServer } from "../kit/dns-server.ts";
import { requestOf } from "../kit/policy.ts";

/** How a call reaches a host by its name. Every server is on loopback. */

async function serveOn(address: string): Promise<Server & AsyncDisposable> {
	const server = createServer((_request, response) => response.end("ok"));
	server.listen(0, address);
	await once(server, "listening");
	return Object.assign(server, {
		async [Symbol.asyncDispose]() {
			server.closeAllConnections();
			await new Promise((resolve) => server.close(resolve));
		},
	});
}

/** An address on which nobody takes connections any more: its queue is full, so the system drops new ones. */
async function deadAddress(host: string, port: number): Promise<Disposable> {
	const listening = `require("node:net").createServer().listen({ port: ${port}, host: "${host}", backlog: 1 }, () => console.log("listening"))`;
	const child = spawn(process.execPath, ["-e", listening], {
		stdio: ["ignore", "pipe", "inherit"],
	});
	await once(child.stdout, "data");
	child.kill("SIGSTOP");
	const sockets = Array.from({ length: 6 }, () =>
		connect(port, host).on("error", () => {}),
	);
	await once(sockets[0] as Socket, "connect");
	return {
		[Symbol.dispose]() {
			for (const socket of sockets) socket.destroy();
			child.kill("SIGKILL");
		},
	};
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;

/** The sockets of this process, those that are being connected included. */
function openSockets(): number {
	return process
		.getActiveResourcesInfo()
		.filter((name) => name === "TCPSocketWrap").length;
}

type Settings = Pick<WireSettings, "origin"> & Partial<WireSettings>;

/** Waits until so many are open. */
async function untilOpen(count: number): Promise<void> {
	while (openSockets() !== count) await new Promise(setImmediate);
}

/** A wire to this origin, behind the timeout of its upstream. */
function wireTo(settings: Settings, clock: Clock) {
	const wire = openWire(
		{ name: "users", bodyBytesMax: 100, tls: null, ...settings },
		clock,
	);
	const scope = openScope({ clock });
	const call = promised(timeout("users")(wire.send));
	return {
		clock,
		scope,
		call: (timeoutMs: number) =>
			call(requestOf({ method: "GET", target: "/", timeoutMs }), scope),
		async [Symbol.asyncDispose]() {
			scope.close();
			await wire.close();
		},
	};
}

/** The status of one call of a wire to this origin, or its error. */
async function called(
	settings: Settings,
	timeoutMs = 10_000,
	clock: Clock = realClock(),
): Promise<number | GatewayError> {
	await using wire = wireTo(settings, clock);
	try {
		const { status } = await wire.call(timeoutMs);
		return status;
	} catch (error) {
		assert.ok(error instanceof GatewayError);
		return error;
	} finally {
		assert.equal(wire.clock.pending, 0, "a timer was left");
	}
}

describe("a call by name", () => {
	for (const address of ["127.0.0.1", "::1"]) {
		test(`reaches a localhost that listens on ${address} alone`, async () => {
			await using server = await serveOn(address);
			const origin = `http://localhost:${portOf(server)}`;
			assert.equal(await called({ origin }), 200);
		});
	}

	test("tries the next address if one refuses", async () => {
		await using server = await serveOn("127.0.0.1");
		await using dns = await startDnsServer((type) => ({
			addresses: type === "A" ? ["127.0.0.7", "127.0.0.1"] : ["::1"],
		}));
		const origin = `http://users.test:${portOf(server)}`;
		assert.equal(await called({ origin, nameServers: [dns.address] }), 200);
	});

	test("tries the next address if one does not answer", {
		skip: process.platform !== "linux",
	}, async () => {
		await using server = await serveOn("127.0.0.1");
		const port = portOf(server);
		using _dead = await deadAddress("127.0.0.7", port);
		await using dns = await startDnsServer((type) => ({
			addresses: type === "A" ? ["127.0.0.7", "127.0.0.1"] : [],
		}));
		const settings = {
			origin: `http://users.test:${port}`,
			nameServers: [dns.address],
		};
		const clock = virtualClock();
		const before = openSockets();
		const answered = called(settings, 10_000, clock);
		await untilOpen(before + 1);
		await clock.advance(249);
		assert.equal(openSockets(), before + 1);
		await clock.advance(1);
		assert.equal(await answered, 200);
	});

	test("is answered in time although an IPv6 address is dead", {
		skip: process.platform !== "linux",
	}, async () => {
		await using server = await serveOn("127.0.0.1");
		const port = portOf(server);
		using _dead = await deadAddress("::1", port);
		const origin = `http://localhost:${port}`;
		const clock = virtualClock();
		const before = openSockets();
		const answered = called({ origin }, 450, clock);
		await untilOpen(before + 1);
		await clock.advance(250);
		assert.equal(await answered, 200);
	});

	test("tries the next address if one speaks no TLS", async () => {
		const read = (name: string) =>
			readFileSync(new URL(`tls/${name}.pem`, import.meta.url), "utf8");
		const cert = read("cert");
		const server = createTlsServer({ cert, key: read("key") }, (_, response) =>
			response.end("ok"),
		);
		await once(server.listen(0, "127.0.0.1"), "listening");
		const { port } = server.address() as AddressInfo;
		const silent: Socket[] = [];
		const mute = createSilentServer((socket) => silent.push(socket));
		await once(mute.listen(port, "::1"), "listening");
		try {
			const origin = `https://localhost:${port}`;
			const tls = { ca: cert };
			const clock = virtualClock();
			const tried = once(mute, "connection");
			const answered = called({ origin, tls }, 2_000, clock);
			await tried;
			const alone = openSockets();
			await clock.advance(249);
			assert.equal(openSockets(), alone);
			await clock.advance(1);
			assert.equal(await answered, 200);
			assert.equal(silent.length, 1, "it was tried first");
		} finally {
			for (const socket of silent) socket.destroy();
			server.closeAllConnections();
			await Promise.all([
				new Promise((resolve) => server.close(resolve)),
				new Promise((resolve) => mute.close(resolve)),
			]);
		}
	});

	test("says of each address what is wrong with its TLS", async () => {
		const refusing = createSilentServer((socket) =>
			socket.resume().end("no TLS"),
		);
		await once(refusing.listen(0, "127.0.0.1"), "listening");
		const { port } = refusing.address() as AddressInfo;
		try {
			const error = await called({ origin: `https://localhost:${port}` });
			assert.match(
				`${(error as GatewayError).message}`,
				/none of its addresses: at 127\.0\.0\.1 the upstream does not speak TLS: write `http:\/\/`, connect ECONNREFUSED ::1:\d+$/,
			);
		} finally {
			await new Promise((resolve) => refusing.close(resolve));
		}
	});

	for (const [ending, code] of [
		["the time of its attempt ends", "upstream_timeout"],
		["its client leaves", "client_closed"],
		["the upstream is closed", "gateway_draining"],
	] as const) {
		test(`ends at once if ${ending} while addresses are tried, and leaves no socket`, {
			skip: process.platform !== "linux",
		}, async () => {
			await using server = await serveOn("127.0.0.1");
			const port = portOf(server);
			using _dead = await deadAddress("127.0.0.7", port);
			using _alsoDead = await deadAddress("127.0.0.8", port);
			await using dns = await startDnsServer((type) => ({
				addresses: type === "A" ? ["127.0.0.7", "127.0.0.8"] : [],
			}));
			const before = openSockets();
			const origin = `http://users.test:${port}`;
			const clock = virtualClock();
			const wire = wireTo({ origin, nameServers: [dns.address] }, clock);
			const ended = assert.rejects(
				wire.call(code === "upstream_timeout" ? 400 : 60_000),
				{ code },
			);
			await untilOpen(before + 1);
			await clock.advance(250);
			assert.equal(openSockets(), before + 2, "both are tried");
			if (code === "upstream_timeout") await clock.advance(150);
			if (code === "client_closed") {
				wire.scope.cancel(new GatewayError(code, "left"));
			}
			if (code === "gateway_draining") await wire[Symbol.asyncDispose]();
			await ended;
			await wire[Symbol.asyncDispose]();
			// A handle is gone at the end of the turn in which it closes.
			for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
			assert.equal(openSockets(), before);
			assert.equal(wire.clock.pending, 0, "a timer was left");
		});
	}

	test("says what failed: the look-up, or each address", async () => {
		await using dns = await startDnsServer((type, name) =>
			name === "users.test"
				? { addresses: type === "A" ? ["127.0.0.7", "127.0.0.8"] : [] }
				: null,
		);
		const nameServers = [dns.address];
		await using server = await serveOn("127.0.0.1");
		const port = portOf(server);
		const wordsFor = async (origin: string, originFrom = "") => {
			const error = await called({ origin, originFrom, nameServers });
			assert.ok(error instanceof GatewayError);
			assert.equal(error.code, "upstream_unreachable");
			return error.message;
		};
		assert.match(
			await wordsFor("http://nobody.test:81"),
			/look-up ENOTFOUND nobody\.test/,
		);
		const hidden = await wordsFor("http://nobody.test:81", "USERS_URL");
		assert.match(hidden, /look-up ENOTFOUND at what USERS_URL holds/);
		assert.match(
			await wordsFor(`http://users.test:${port}`),
			/none of its addresses: connect ECONNREFUSED 127\.0\.0\.7:\d+, connect ECONNREFUSED 127\.0\.0\.8/,
		);
		assert.match(
			await wordsFor(`http://users.test:${port}`, "USERS_URL"),
			/no answer: none of its addresses: connect ECONNREFUSED at what USERS_URL holds$/,
		);
	});

	test("takes nobody else down if its name does not resolve", async () => {
		await using server = await serveOn("127.0.0.1");
		await using dns = await startDnsServer((type, name) =>
			name.startsWith("hangs")
				? "hang"
				: { addresses: type === "A" ? ["127.0.0.1"] : [] },
		);
		const nameServers = [dns.address];
		let over = 0;
		const hanging = Array.from({ length: 40 }, (_, at) =>
			called({ origin: `http://hangs-${at}.test:1`, nameServers }).finally(
				() => over++,
			),
		);
		const port = portOf(server);
		for (const origin of [
			`http://users.test:${port}`,
			`http://localhost:${port}`,
		]) {
			assert.equal(await called({ origin, nameServers }), 200);
		}
		assert.equal(over, 0, "nobody waited for a look-up that hangs");
		for (const error of await Promise.all(hanging)) {
			assert.match(`${error}`, /look-up ETIMEOUT hangs-\d+\.test/);
		}
	});
});
