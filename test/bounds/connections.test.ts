import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { ConnectionShares } from "../../src/server/connection-shares.ts";
import { listen, type ServerOptions } from "../../src/server/server.ts";
import { realClock } from "../../src/tasks/index.ts";
import { serverDefaults } from "../kit/server-defaults.ts";
import { asking } from "../server/client.ts";

/** No client has so many connections that none are left for others. */

let stack: AsyncDisposableStack;

beforeEach(() => {
	stack = new AsyncDisposableStack();
});

afterEach(() => stack.disposeAsync());

async function serve(options: Partial<ServerOptions>): Promise<number> {
	const server = await listen({
		...serverDefaults,
		host: "127.0.0.1",
		port: 0,
		clock: realClock(),
		handle: async ({ ip }) => ({ status: 200, headers: [], body: ip }),
		...options,
	});
	stack.defer(() => server.close());
	return server.port;
}

/** Connects from one of this machine's own addresses, and asks. */
async function ask(
	port: number,
	from: string,
	headers: readonly string[] = [],
): Promise<{ readonly status: number; readonly socket: Socket }> {
	const socket = connect({ port, host: "127.0.0.1", localAddress: from });
	stack.defer(() => void socket.destroy());
	socket.on("error", () => {});
	socket.write(asking("GET /", headers));
	const [bytes] = await once(socket, "data");
	return { status: Number(String(bytes).split(" ")[1]), socket };
}

const busy = "127.0.0.1";
const other = "127.0.0.2";

// Only Linux has all of 127.0.0.0/8 without being told to.
const linux = { skip: process.platform !== "linux" };

describe("connections of one client", linux, () => {
	it("are refused beyond their number, and others' are not", async () => {
		const port = await serve({ connectionsPerClient: 3 });
		const [first] = [
			await ask(port, busy),
			await ask(port, busy),
			await ask(port, busy),
		];
		assert.equal(first.status, 200);
		assert.equal((await ask(port, busy)).status, 429);
		assert.equal((await ask(port, other)).status, 200);
		first.socket.destroy();
		// The server hears of it in its own time.
		let status = 429;
		while (status === 429) ({ status } = await ask(port, busy));
		assert.equal(status, 200);
		assert.equal((await ask(port, busy)).status, 429);
	});

	it("are not counted if they are a trusted proxy's", async () => {
		const port = await serve({
			connectionsPerClient: 1,
			trustedProxies: [busy],
			addressHeader: "x-forwarded-for",
		});
		for (let at = 0; at < 5; at++) {
			const headers = ["x-forwarded-for: 192.0.2.1"];
			assert.equal((await ask(port, busy, headers)).status, 200);
		}
		assert.equal((await ask(port, other)).status, 200);
		assert.equal((await ask(port, other)).status, 429);
	});

	it("that are refused leave the others their answers", async () => {
		const port = await serve({ connectionsPerClient: 1, connectionsMax: 2 });
		await ask(port, busy);
		const refused: Socket[] = [];
		for (let at = 0; at < 200; at++) {
			const socket = connect(port, "127.0.0.1");
			socket.on("error", () => {});
			refused.push(socket);
			stack.defer(() => void socket.destroy());
		}
		assert.equal((await ask(port, other)).status, 200);
	});
});

describe("the share of a client", () => {
	const shares = (connectionsPerClient: number | null) =>
		new ConnectionShares({
			connectionsMax: 10_000,
			connectionsPerClient,
			isProxy: (address) => address === "192.0.2.9",
		});

	/** How many of so many are taken. */
	const taken = (all: ConnectionShares, addresses: readonly string[]) =>
		addresses.filter((address) => all.take(address) === null).length;
	const times = (count: number, address: string) =>
		new Array<string>(count).fill(address);

	it("is 500 without a number, and any on this machine and of a trusted proxy", () => {
		for (const [address, most] of [
			["192.0.2.1", 500],
			["2001:db8::1", 500],
			["127.0.0.1", 1000],
			["::1", 1000],
			["192.0.2.9", 1000],
		] as const) {
			assert.equal(taken(shares(null), times(1000, address)), most, address);
		}
		assert.equal(taken(shares(7), times(1000, "127.0.0.1")), 7);
	});

	it("is that of an IPv6 network", () => {
		const neighbours = Array.from({ length: 20 }, (_, at) => `2001:db8::${at}`);
		assert.equal(taken(shares(7), neighbours), 7);
	});

	it("is free again when it was given back", () => {
		const all = shares(2);
		for (let round = 0; round < 100; round++) {
			assert.equal(taken(all, times(3, "192.0.2.1")), 2);
			all.give("192.0.2.1");
			all.give("192.0.2.1");
		}
	});
});
