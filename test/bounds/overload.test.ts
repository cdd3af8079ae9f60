import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { sluice } from "../kit/cli.ts";
import { serve } from "../kit/serve.ts";
import { slowness } from "../kit/slowness.ts";
import { connectTo } from "../kit/transport.ts";

/** A route that computes for a millisecond or two, and nothing that waits. */
const config = `
server: { port: 0 }
routes:
  GET /work: { steps: { sum: { run: "./work.js#work" } } }
`;
const work = `
export function work() {
	let sum = 0;
	for (let at = 0; at < 2_000_000; at++) sum = (sum * 31 + at) | 0;
	return sum;
}
`;

const folder = mkdtempSync(join(tmpdir(), "overload-"));
after(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, "sluice.yaml"), config);
writeFileSync(join(folder, "work.js"), work);

/** Asks once on a connection of its own. Gives the status and how long the answer took. */
function askOnce(port: number, path: string) {
	const from = performance.now();
	return new Promise<{ status: number; ms: number }>((resolve, reject) => {
		request({ port, path, agent: false }, (response) => {
			const status = response.statusCode ?? 0;
			response.resume().on("end", () => {
				resolve({ status, ms: performance.now() - from });
			});
		})
			.on("error", reject)
			.end();
	});
}

describe("more than the processor can do", () => {
	/** Clients that ask again as soon as they are answered. `again` comes with each answer. */
	function crowd(port: number, size: number, again: (text: string) => void) {
		return Array.from({ length: size }, () => {
			const socket = connectTo(port);
			const ask = () =>
				socket.write("GET /work HTTP/1.1\r\nhost: localhost\r\n\r\n");
			socket.on("connect", ask);
			socket.on("error", () => {});
			socket.on("data", (chunk) => {
				again(String(chunk));
				ask();
			});
			return socket;
		});
	}

	/** Asks for the health, again and again, beside a crowd. */
	async function healthBeside(size: number, refusedMin: number) {
		const gateway = sluice(["serve"], { cwd: folder });
		let sockets: Socket[] = [];
		try {
			await gateway.printed("started");
			const output = gateway.stdout() + gateway.stderr();
			const port = Number(/127\.0\.0\.1:(\d+)/.exec(output)?.[1]);
			let answered = 0;
			let refused = 0;
			sockets = crowd(port, size, (text) => {
				answered++;
				if (text.startsWith("HTTP/1.1 503 ")) refused++;
			});
			const slow = slowness();
			const waits: number[] = [];
			while (waits.length < 20 || answered < 500 || refused < refusedMin) {
				const { status, ms } = await askOnce(port, "/-/health");
				assert.equal(status, 200);
				waits.push(ms / slow);
			}
			waits.sort((a, b) => a - b);
			return { medianMs: waits[waits.length >> 1] ?? 0 };
		} finally {
			for (const socket of sockets) socket.destroy();
			gateway.process.kill();
			await gateway.ended;
		}
	}

	// On a busy machine a crowd is answered slowly, and each question of its health waits among it.
	const patience = { timeout: 150_000 };

	test("does not keep the health check waiting", patience, async () => {
		const { medianMs } = await healthBeside(300, 0);
		assert.ok(medianMs < 1000, `${medianMs} ms`);
	});

	test(
		"is refused while it waits, and the health check is still answered",
		patience,
		async () => {
			const { medianMs } = await healthBeside(1500, 1);
			assert.ok(medianMs < 2000, `${medianMs} ms`);
		},
	);
});

test("connections are accepted several in each turn of the loop", async () => {
	await using gateway = await serve("routes: { GET /x: { respond: x } }");
	const { port } = new URL(gateway.url);
	const turns = new Set<number>();
	let turn = 0;
	let accepted = 0;
	let allAccepted = () => {};
	const all = new Promise<void>((resolve) => (allAccepted = resolve));
	const note = () => {
		turns.add(turn);
		if (++accepted === 160) allAccepted();
	};
	const next = () => {
		turn++;
		if (accepted < 160) setImmediate(next);
	};
	subscribe("net.server.socket", note);
	setImmediate(next);
	const sockets = Array.from({ length: 160 }, () =>
		connectTo(Number(port), "127.0.0.1"),
	);
	await all;
	unsubscribe("net.server.socket", note);
	for (const socket of sockets) socket.destroy();
	// The system chooses one of the sockets by chance.
	assert.ok(turns.size < 80, `${turns.size} turns`);
});
