import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import { realClock, virtualClock } from "../../src/tasks/clock.ts";
import { openScope } from "../../src/tasks/scope.ts";
import { Names } from "../../src/upstream/wire/names.ts";
import { openWire } from "../../src/upstream/wire/open-wire.ts";
import type { WireSettings } from "../../src/upstream/wire/wire.ts";
import { type Answering, startDnsServer } from "../kit/dns-server.ts";

/** How a host's name becomes addresses. Every name server is on loopback. */

/** The addresses that are found, or the code of the failure. */
function find(names: Names): Promise<string[] | string> {
	return new Promise((resolve) =>
		names.find((error, addresses) => {
			const { code = "" } = (error ?? {}) as NodeJS.ErrnoException;
			resolve(error ? code : addresses.map(({ address }) => address));
		}),
	);
}

async function withServer(
	answering: Answering,
	use: (about: {
		names: Names;
		clock: ReturnType<typeof virtualClock>;
		asked: readonly string[];
	}) => Promise<void>,
	host = "users.test",
) {
	await using server = await startDnsServer(answering);
	const clock = virtualClock();
	const names = new Names(host, clock, [server.address]);
	await use({ names, clock, asked: server.asked });
}

describe("a name", () => {
	test("is looked up in both families at once, and has all their addresses", () =>
		withServer(
			(type) => ({
				addresses: type === "A" ? ["127.0.0.1", "127.0.0.2"] : ["::1"],
			}),
			async ({ names, asked }) => {
				const all = ["::1", "127.0.0.1", "127.0.0.2"];
				assert.deepEqual(await find(names), all);
				assert.deepEqual(asked.toSorted(), ["A users.test", "AAAA users.test"]);
			},
		));

	test("is found by one family alone", () =>
		withServer(
			(type) => (type === "A" ? { addresses: ["127.0.0.1"] } : null),
			async ({ names }) => {
				assert.deepEqual(await find(names), ["127.0.0.1"]);
			},
		));

	for (const [silent, expected] of [
		["AAAA", ["127.0.0.1"]],
		["A", ["::1"]],
	] as const) {
		test(`is found soon if nobody answers for ${silent}`, async () => {
			await using server = await startDnsServer((type) =>
				type === silent
					? "hang"
					: { addresses: [type === "A" ? "127.0.0.1" : "::1"] },
			);
			const names = new Names("users.test", realClock(), [server.address]);
			const startMs = performance.now();
			assert.deepEqual(await find(names), expected);
			assert.ok(performance.now() - startMs < 900, "no query has timed out");
		});
	}

	test("is looked up once for all who ask at once, and again when its time is over", () =>
		withServer(
			(type) => ({ addresses: type === "A" ? ["127.0.0.1"] : [], ttl: 30 }),
			async ({ names, clock, asked }) => {
				await Promise.all([find(names), find(names), find(names)]);
				await find(names);
				await clock.advance(29_999);
				await find(names);
				assert.equal(asked.length, 2);
				await clock.advance(1);
				await find(names);
				assert.equal(asked.length, 4);
			},
		));

	test("has its new address when its time is over", () => {
		let address = "127.0.0.1";
		return withServer(
			(type) => ({ addresses: type === "A" ? [address] : [], ttl: 0 }),
			async ({ names, clock }) => {
				assert.deepEqual(await find(names), ["127.0.0.1"]);
				address = "127.0.0.9";
				assert.deepEqual(await find(names), ["127.0.0.1"]);
				await clock.advance(1_000);
				assert.deepEqual(await find(names), ["127.0.0.9"]);
			},
		);
	});

	test("keeps its last addresses if a later look-up fails", () => {
		let there = true;
		return withServer(
			(type) =>
				there ? { addresses: type === "A" ? ["127.0.0.1"] : [] } : null,
			async ({ names, clock }) => {
				await find(names);
				there = false;
				await clock.advance(60_000);
				assert.deepEqual(await find(names), ["127.0.0.1"]);
			},
		);
	});

	test("that is not there fails, and is not asked for by each call", () =>
		withServer(
			() => null,
			async ({ names, clock, asked }) => {
				assert.equal(await find(names), "ENOTFOUND");
				assert.equal(await find(names), "ENOTFOUND");
				assert.equal(asked.length, 2);
				await clock.advance(1_000);
				assert.equal(await find(names), "ENOTFOUND");
				assert.equal(asked.length, 4);
			},
		));

	test("has the family first that was reached, after a later look-up too", () =>
		withServer(
			(type) => ({ addresses: [type === "A" ? "127.0.0.1" : "::1"] }),
			async ({ names, clock, asked }) => {
				await find(names);
				names.reached("127.0.0.1");
				assert.deepEqual(await find(names), ["127.0.0.1", "::1"]);
				names.reached("192.0.2.1");
				names.reached(undefined);
				await clock.advance(60_000);
				assert.deepEqual(await find(names), ["127.0.0.1", "::1"]);
				assert.equal(asked.length, 4);
			},
		));

	for (const host of ["localhost", "LOCALHOST.", "api.localhost"]) {
		test(`that is ${host} is this machine, in both families, and no server is asked`, () =>
			withServer(
				() => null,
				async ({ names, asked }) => {
					assert.deepEqual(await find(names), ["::1", "127.0.0.1"]);
					assert.deepEqual(asked, []);
				},
				host,
			));
	}
});

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

/** The status of one call of a wire to this origin, or its error. */
async function called(
	settings: Pick<WireSettings, "origin"> & Partial<WireSettings>,
): Promise<number | GatewayError> {
	const clock = realClock();
	const wire = openWire(
		{ name: "users", bodyBytesMax: 100, tls: null, ...settings },
		clock,
	);
	const scope = openScope({ clock });
	try {
		const { status } = await wire.call(
			{
				method: "GET",
				target: "/",
				headers: [],
				body: null,
				safe: true,
				idempotent: true,
				tried: null,
				requestId: "1",
				client: "",
				timeoutMs: 10_000,
				onSent: null,
				onAgain: null,
			},
			scope,
		);
		return status;
	} catch (error) {
		assert.ok(error instanceof GatewayError);
		return error;
	} finally {
		scope.close();
		await wire.close();
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
		const origin = `http://users.test:${port}`;
		const startMs = performance.now();
		assert.equal(await called({ origin, nameServers: [dns.address] }), 200);
		const ms = performance.now() - startMs;
		// The system itself would send its greeting again after a second.
		assert.ok(ms > 200 && ms < 900, `${ms} ms`);
	});

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
