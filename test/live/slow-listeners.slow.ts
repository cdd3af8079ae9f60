import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type ServedGateway, serve } from "../kit/serve.ts";
import type { Report } from "./crowd.ts";

const config = `
server: { connectionsPerClient: 5000 }
overload: false
channels:
  room: { keep: { last: 500 }, waiting: { messages: 1000, bytes: 256KiB }, maxMessage: 64KiB }
routes:
  GET /room: { listen: room }
  POST /room:
    request: { body: {} }
    steps: { said: { publish: room, message: "\${body}" } }
    respond: "\${said}"
`;

const listeners = 1_000;
const slow = 20;
const messages = 200;

/** Sends a message of so many bytes each 50 ms, with the time at which it is sent. */
async function talk(
	gateway: ServedGateway,
	count: number,
	bytes: number,
	everyMs = 50,
): Promise<void> {
	const padding = "x".repeat(bytes);
	for (let at = 0; at < count; at++) {
		const sent = performance.timeOrigin + performance.now();
		const { status } = await gateway.get("/room", {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: JSON.stringify({ sent, padding }),
		});
		assert.equal(status, 200);
		await pause(everyMs);
	}
}

async function crowd(
	{ url }: ServedGateway,
	slowOnes: number,
): Promise<ChildProcess & AsyncDisposable> {
	const file = new URL("crowd.ts", import.meta.url).pathname;
	const args = [`${url}/room`, `${listeners}`, `${slowOnes}`];
	const child = fork(file, args, { execArgv: [] });
	await once(child, "message");
	return Object.assign(child, {
		async [Symbol.asyncDispose]() {
			const exit = once(child, "exit");
			child.disconnect();
			await exit;
		},
	});
}

async function reported(child: ChildProcess): Promise<Report> {
	const report = once(child, "message");
	child.send("report");
	const [said] = await report;
	return said as Report;
}

/** What the others heard, what was held at most, and what the process took of the machine, with so many slow ones. */
async function heardBeside(slowOnes: number) {
	await using gateway = await serve(config);
	// Ten megabytes, more than the systems of both sides hold for a connection.
	await talk(gateway, 500, 20_000, 0);
	await using clients = await crowd(gateway, slowOnes);
	const { memory } = gateway.gateway;
	await talk(gateway, 20, 2_000);
	await reported(clients);
	const before = memory.held;
	const rss = process.memoryUsage.rss();
	let held = 0;
	let waiting = 0;
	const look = setInterval(() => {
		held = Math.max(held, memory.held - before);
		const [state] = gateway.gateway.state().channels;
		waiting = Math.max(waiting, state?.waitingBytes ?? 0);
	}, 20);
	await talk(gateway, messages, 2_000);
	clearInterval(look);
	const report = await reported(clients);
	const [state] = gateway.gateway.state().channels;
	const grown = process.memoryUsage.rss() - rss;
	return { ...report, held, waiting, grown, dropped: state?.dropped ?? 0 };
}

describe("twenty of a thousand listeners that read 1 KB in a second", () => {
	it("cost the others nothing and the gateway little, and are let go", async (t) => {
		let least = Number.POSITIVE_INFINITY;
		// Chance only ever adds, and other programs may have taken the machine meanwhile.
		for (let round = 0; round < 4 && least > 2; round++) {
			const alone = await heardBeside(0);
			const beside = await heardBeside(slow);
			t.diagnostic(JSON.stringify({ alone, beside }));
			assert.equal(alone.dropped, 0);
			assert.equal(alone.heard, messages * listeners);
			assert.equal(beside.heard, messages * (listeners - slow));
			assert.equal(beside.dropped, slow);
			// What waits is held once, and no more than one may wait for.
			assert.ok(beside.waiting <= 256 * 1024 + 5_000, `${beside.waiting}`);
			// Besides, each connection holds what is being written to it.
			assert.ok(beside.held < 4 * 1024 ** 2, `${beside.held}`);
			assert.ok(beside.grown < 64 * 1024 ** 2, `${beside.grown}`);
			least = Math.min(least, beside.p99 / alone.p99);
		}
		assert.ok(least <= 2, `${least} times`);
	});
});
