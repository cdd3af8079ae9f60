import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { describe, it } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { fileURLToPath } from "node:url";
import type { StoreChanged } from "../../src/core/events.ts";
import { openRedis } from "../../src/store/redis.ts";
import { Store } from "../../src/store/store.ts";
import { realClock } from "../../src/tasks/clock.ts";
import {
	freePort,
	startStore,
	type TestStore,
	untilUp,
	withoutStore,
} from "../kit/store.ts";

const skip = withoutStore();

/** A store at this address, and how it changes. */
function connected(url: string, timeoutMs = 1000) {
	const told: StoreChanged[] = [];
	const waiting: (() => void)[] = [];
	const changed: ((change: StoreChanged) => void)[] = [
		(change: StoreChanged) => {
			told.push(change);
			for (const go of waiting.splice(0)) go();
		},
	];
	const store = new Store(
		{ prefix: "test:", timeoutMs },
		{ clock: realClock(), changed, open: openRedis(url) },
	);
	return {
		store,
		told,
		up: () => untilUp(store, changed),
		/** Resolves when so many changes were told. */
		async changes(count: number) {
			while (told.length < count) {
				await new Promise<void>((resolve) => waiting.push(resolve));
			}
			return told[count - 1] as StoreChanged;
		},
		get: (key: string) =>
			store.call(["GET", key], (reply) => [
				Buffer.isBuffer(reply) ? reply.toString() : reply,
			]),
		set: (key: string, value: string) =>
			store.call(["SET", key, value], (reply) => [reply]),
		[Symbol.dispose]: () => store.close(),
	};
}

/** Something that takes connections and answers with what it likes. */
async function liar(answer: (socket: Socket, piece: string) => void) {
	const sockets = new Set<Socket>();
	const server = createServer((socket) => {
		sockets.add(socket);
		socket.on("error", () => {});
		socket.on("data", (piece) => answer(socket, piece.toString()));
	}).listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	return {
		url: `redis://127.0.0.1:${port}`,
		async [Symbol.asyncDispose]() {
			for (const socket of sockets) socket.destroy();
			server.close();
			await once(server, "close");
		},
	};
}

describe("a real store", { skip }, () => {
	const inside = async (
		work: (server: TestStore) => Promise<void>,
		...options: string[]
	) => {
		await using server = await startStore(...options);
		await work(server);
	};

	it("keeps what it is given", () =>
		inside(async ({ url }) => {
			using one = connected(url);
			await one.up();
			await one.set("test:a", "é");
			assert.deepEqual(await one.get("test:a"), ["é"]);
			assert.deepEqual(await one.get("test:b"), [null]);
		}));

	it("that is killed fails what waits at once, and is used again when it is back", () =>
		inside(async (server) => {
			using one = connected(server.url);
			await one.up();
			server.stop();
			const waiting = Array.from({ length: 50 }, () =>
				one.get("x").catch((error: Error) => error.message),
			);
			await server.kill();
			assert.deepEqual(
				new Set(await Promise.all(waiting)),
				new Set(["the store is away: closed"]),
			);
			await one.changes(1);
			await server.restart();
			assert.deepEqual(await one.changes(2), { state: "up", fault: null });
			assert.deepEqual(await one.get("x"), [null]);
			assert.deepEqual(one.told[0], { state: "away", fault: "closed" });
		}));

	it("that is stopped is slow, and is used again when it goes on", () =>
		inside(async (server) => {
			using one = connected(server.url, 50);
			await one.up();
			server.stop();
			await assert.rejects(one.get("x"), /slow/);
			assert.deepEqual(await one.changes(1), { state: "away", fault: "slow" });
			server.goOn();
			assert.deepEqual(await one.changes(2), { state: "up", fault: null });
		}));

	it("that is not there is unreachable, and is used when it comes", () =>
		inside(async (server) => {
			await server.kill();
			using one = connected(server.url);
			const fault = "unreachable";
			assert.deepEqual(await one.changes(1), { state: "away", fault });
			await one.store.settled;
			await server.restart();
			assert.deepEqual(await one.changes(2), { state: "up", fault: null });
		}));

	it("with another password is denied, and never tells the password", () =>
		inside(
			async ({ port }) => {
				using wrong = connected(`redis://:wr0ng-secret@127.0.0.1:${port}`);
				using none = connected(`redis://127.0.0.1:${port}`);
				using right = connected(`redis://:s3cret@127.0.0.1:${port}`);
				const denied = { state: "away", fault: "denied" };
				assert.deepEqual(await wrong.changes(1), denied);
				assert.deepEqual(await none.changes(1), denied);
				await right.up();
				const shown = await wrong.get("x").catch((error: Error) => error.stack);
				assert.doesNotMatch(String(shown), /s3cret|wr0ng/);
			},
			"--requirepass",
			"s3cret",
		));

	it("whose memory is full is away until it has some", () =>
		inside(async (server) => {
			using one = connected(server.url);
			await one.up();
			await server.command("CONFIG", "SET", "maxmemory", "1");
			await assert.rejects(one.set("x", "y"), /full/);
			await server.command("CONFIG", "SET", "maxmemory", "0");
			assert.deepEqual(await one.changes(2), { state: "up", fault: null });
		}));

	it("whose memory is full answers all that was sent to it before it is left", () =>
		inside(async (server) => {
			using one = connected(server.url);
			await one.up();
			await one.set("test:kept", "k");
			await server.command("CONFIG", "SET", "maxmemory", "1");
			const end = (promise: Promise<unknown>) =>
				promise.catch(({ fault, undone }) => ({ fault, undone }));
			const refused = { fault: "full", undone: true };
			assert.deepEqual(
				await Promise.all([
					end(one.set("test:a", "a")),
					end(one.get("test:kept")),
					end(one.set("test:b", "b")),
					end(one.get("test:kept")),
				]),
				[refused, ["k"], refused, ["k"]],
			);
			assert.deepEqual(await one.changes(1), { state: "away", fault: "full" });
			await server.command("CONFIG", "SET", "maxmemory", "0");
			assert.deepEqual(await one.changes(2), { state: "up", fault: null });
			assert.match(await server.command("GET", "test:b"), /^\$-1/);
		}));

	it("that is full when a script writes is away", () =>
		inside(async (server) => {
			using one = connected(server.url);
			await one.up();
			await server.command("CONFIG", "SET", "maxmemory", "1");
			const text = "return redis.call('SET', KEYS[1], 'x')";
			const script = { text, sha1: "0".repeat(40) };
			await assert.rejects(
				one.store.script(script, ["x"], [], (reply) => [reply]),
				/full/,
			);
		}));

	it("that becomes a replica takes no writes, so it is away", () =>
		inside(async (server) => {
			using one = connected(server.url);
			await one.up();
			await server.command("REPLICAOF", "127.0.0.1", "1");
			await assert.rejects(one.set("x", "y"), /read_only/);
			await server.command("REPLICAOF", "NO", "ONE");
			assert.deepEqual(await one.changes(2), { state: "up", fault: null });
		}));

	it("whose connection is cut from its side is used again on another", () =>
		inside(async (server) => {
			using one = connected(server.url);
			await one.up();
			const beganMs = performance.now();
			await server.command("CLIENT", "KILL", "TYPE", "normal");
			assert.deepEqual(await one.changes(1), {
				state: "away",
				fault: "closed",
			});
			// It is told by the end of the connection, and not by the next question whether it is there.
			assert.ok(performance.now() - beganMs < 4000);
			assert.deepEqual(await one.changes(2), { state: "up", fault: null });
		}));

	it("is spoken to over TLS, and only if its certificate is trusted", async () => {
		const file = (name: string) =>
			fileURLToPath(new URL(`../upstream/tls/${name}.pem`, import.meta.url));
		const port = String(await freePort());
		const pair = [
			"--tls-cert-file",
			file("cert"),
			"--tls-key-file",
			file("key"),
		];
		const tls = ["--tls-port", port, "--tls-auth-clients", "no", ...pair];
		await inside(
			async () => {
				const url = `rediss://localhost:${port}`;
				using distrusted = connected(url);
				const fault = "unreachable";
				assert.deepEqual(await distrusted.changes(1), { state: "away", fault });
				setDefaultCACertificates([
					...getCACertificates("default"),
					readFileSync(file("cert"), "utf8"),
				]);
				using trusted = connected(url);
				await trusted.up();
				await trusted.set("a", "b");
				assert.deepEqual(await trusted.get("a"), ["b"]);
				using plain = connected(`redis://127.0.0.1:${port}`);
				assert.equal((await plain.changes(1)).state, "away");
			},
			...tls,
		);
	});

	it("is not away because this process is busy while it connects", () =>
		inside(async (server) => {
			// Loaded before, so that what is busy is the connecting.
			await import("@redis/client");
			// First one long turn, then many that are late.
			for (const [turns, ms] of [
				[1, 1_300],
				[5, 300],
			] as const) {
				using one = connected(server.url);
				await microtasks();
				for (let turn = 0; turn < turns; turn++) {
					busy(ms);
					await new Promise((resolve) => setImmediate(resolve));
				}
				await one.store.settled;
				assert.deepEqual(one.told, []);
				assert.equal(one.store.state().state, "up");
			}
		}));

	it("is left without a connection when it is closed while it connects", () =>
		inside(async (server) => {
			await import("@redis/client");
			const connecting = connected(server.url);
			await microtasks();
			connecting.store.close();
			// It is made later than the other could have been.
			using one = connected(server.url);
			await one.up();
			// The other one, and the one that asks.
			for (;;) {
				if ((await clients(server)).match(/laddr/g)?.length === 2) break;
			}
		}));

	it("is left without a connection when it is closed", () =>
		inside(async (server) => {
			const one = connected(server.url);
			await one.up();
			assert.match(await clients(server), /name=sluice/);
			one.store.close();
			for (;;) if (!/name=sluice/.test(await clients(server))) break;
		}));
});

/** Lets promises go on, but no turn of the event loop begin. */
async function microtasks(): Promise<void> {
	for (let count = 0; count < 50; count++) await null;
}

function busy(ms: number): void {
	const untilMs = performance.now() + ms;
	while (performance.now() < untilMs);
}

async function clients(server: TestStore): Promise<string> {
	return server.command("CLIENT", "LIST");
}

describe("what is no store", () => {
	for (const [name, answer] of [
		["speaks HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n"],
		["sends bytes without a meaning", "\u0000\u0001\u0002 nothing\r\n"],
		["announces a text without an end", "$999999999\r\nx"],
	] as const) {
		it(`and ${name} is away, and nothing is made of it`, async () => {
			await using server = await liar((socket) => socket.write(answer));
			using one = connected(server.url);
			const { state, fault } = await one.changes(1);
			assert.equal(state, "away");
			assert.ok(fault !== null && fault !== "denied", `${fault}`);
			await assert.rejects(one.get("x"), /away/);
		});
	}

	it("and answers more often than it is asked is left", async () => {
		let connections = 0;
		await using server = await liar((socket, piece) => {
			const asked = piece.split(/\*\d+\r\n/).length - 1;
			for (let count = 0; count < asked; count++) socket.write("+OK\r\n");
			if (/SET/.test(piece) && /probe/.test(piece)) {
				connections++;
				socket.write("+OK\r\n+OK\r\n");
			}
		});
		using one = connected(server.url);
		const { state } = await one.changes(1);
		assert.equal(state, "away");
		assert.ok(connections > 0);
	});
});
