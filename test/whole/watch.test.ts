import assert from "node:assert/strict";
import { once } from "node:events";
import { afterEach, beforeEach, describe, test } from "node:test";
import { EventSource, WebSocket } from "undici";
import { checkText, configOrThrow } from "../../src/config/load.ts";
import type { RequestEnded } from "../../src/core/events.ts";
import { createGateway, type Gateway } from "../../src/gateway/gateway.ts";
import { listen, type Server } from "../../src/server/server.ts";
import { type VirtualClock, virtualClock } from "../../src/tasks/clock.ts";
import { connectTo } from "../kit/transport.ts";
import { json, type RealUpstream, startUpstream } from "../kit/upstream.ts";

let stack: AsyncDisposableStack;
let clock: VirtualClock;
let gateway: Gateway;
let server: Server;
let upstream: RealUpstream;
/** What the upstream answers next. */
let value: unknown;
let ended: RequestEnded[];

beforeEach(async () => {
	stack = new AsyncDisposableStack();
	clock = virtualClock();
	value = { n: 1 };
	ended = [];
	upstream = stack.use(
		await startUpstream((_, response) => json(response, value)),
	);
	const config = configOrThrow(
		checkText(
			`
upstreams:
  api: { url: "${upstream.url}" }
routes:
  GET /board:
    live: { every: 10s }
    steps:
      board: { get: api/board }
  GET /quick:
    live: { every: 100ms }
    steps:
      board: { get: api/board }
`,
			"test.yaml",
			{},
		),
	);
	gateway = createGateway(config, { clock });
	gateway.events.requestEnded.push((event) => ended.push(event));
	server = await listen({
		...config.server,
		hosts: ["*"],
		...{ host: "127.0.0.1", port: 0, clock },
		...{ memory: gateway.memory, handle: gateway.handle },
	});
	stack.defer(async () => {
		await server.close();
		await gateway.close();
	});
});

afterEach(async () => {
	await stack.disposeAsync();
});

/** Waits for something that the system does in its own time. */
async function until(holds: () => boolean): Promise<void> {
	while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

const runs = () =>
	gateway
		.state()
		.live.flatMap(({ runs }) => Object.values(runs))
		.reduce((sum, count) => sum + count, 0);

/** Lets the next run come, and waits for its end. */
async function nextRun(ms = 10_000): Promise<void> {
	const before = runs();
	await clock.advance(ms);
	await until(() => runs() > before);
}

const url = () => `${server.url}/board`;

function openEvents() {
	const source = new EventSource(url());
	stack.defer(() => source.close());
	const seen: { event: string; data: unknown; id: string }[] = [];
	for (const event of ["answer", "problem", "current", "end"]) {
		source.addEventListener(event, (message) => {
			const { data, lastEventId: id } = message as MessageEvent;
			seen.push({ event, data: JSON.parse(data), id });
		});
	}
	return { source, seen };
}

describe("a live route over real connections", () => {
	test("is read by an EventSource, and leaves no run when that is closed", async () => {
		const two = [openEvents(), openEvents()];
		await until(() => two.every(({ seen }) => seen.length === 1));
		assert.equal(upstream.seen.length, 1);
		await nextRun();
		value = { n: 2 };
		await nextRun();
		await until(() => two.every(({ seen }) => seen.length === 2));
		for (const { seen } of two) {
			assert.deepEqual(
				seen.map(({ data }) => data),
				[{ n: 1 }, { n: 2 }],
			);
		}
		for (const { source } of two) source.close();
		await until(() => gateway.state().live[0]?.watchers === 0);
		await clock.advance(60_000);
		assert.equal(upstream.seen.length, 3);
		assert.equal(clock.pending, 0);
	});

	test("is polled", async () => {
		const first = await fetch(url());
		const headers = {
			"if-none-match": first.headers.get("etag") ?? "",
			prefer: "wait=25",
		};
		const poll = fetch(url(), { headers });
		await until(() => runs() === 1);
		value = { n: 2 };
		await nextRun();
		const changed = await poll;
		assert.equal(changed.status, 200);
		assert.deepEqual(await changed.json(), { n: 2 });
		assert.equal(changed.headers.get("preference-applied"), "wait=25");
		const etag = changed.headers.get("etag") ?? "";
		const next = fetch(url(), {
			headers: { ...headers, "if-none-match": etag },
		});
		await until(() => gateway.state().live[0]?.watchers === 1);
		await nextRun();
		await nextRun();
		await clock.advance(5_000);
		assert.equal((await next).status, 304);
	});

	test("is watched by a WebSocket, which must be silent", async () => {
		const socket = new WebSocket(url().replace("http", "ws"));
		const frames: { event: string; data: unknown }[] = [];
		socket.addEventListener("message", ({ data }) => {
			frames.push(JSON.parse(data as string));
		});
		await until(() => frames.length === 1);
		value = { n: 2 };
		await nextRun();
		await until(() => frames.length === 2);
		assert.deepEqual(
			frames.map(({ event, data }) => [event, data]),
			[
				["answer", { n: 1 }],
				["answer", { n: 2 }],
			],
		);
		const closed = once(socket, "close");
		socket.send("ping");
		const [{ code }] = (await closed) as [CloseEvent];
		assert.equal(code, 1008);
		await until(() => gateway.state().live[0]?.watchers === 0);
	});

	test("holds one answer at most for a client that does not read, and gives it the newest", async () => {
		const big = (n: number) => ({ n, text: "x".repeat(1_000_000) });
		value = big(0);
		const { port } = new URL(url());
		const slow = connectTo(Number(port), "127.0.0.1");
		stack.defer(() => void slow.destroy());
		slow.pause();
		const head =
			"GET /quick HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\n\r\n";
		slow.write(head);
		await until(() => runs() === 1);
		const held: number[] = [];
		for (let n = 1; n <= 40; n++) {
			value = big(n);
			await nextRun(100);
			held.push(gateway.memory.held);
		}
		// The state, what of it is being sent, and one answer that waits for the system to take it.
		assert.ok(Math.max(...held) < 12_000_000, `${Math.max(...held)}`);
		assert.equal(new Set(held.slice(-10)).size, 1, `${held}`);
		let text = "";
		slow.setEncoding("latin1");
		slow.on("data", (piece: string) => {
			text += piece.replaceAll(/x{2,}/g, "x");
		});
		slow.resume();
		await until(() => text.includes('{"n":40,'));
		const numbers = [...text.matchAll(/\{"n":(\d+),/g)].map(([, n]) =>
			Number(n),
		);
		assert.equal(numbers.at(-1), 40);
		assert.ok(numbers.length < 20, `${numbers}`);
		assert.deepEqual(
			numbers,
			numbers.toSorted((a, b) => a - b),
		);
	});

	test("ends its streams when the server drains, so that the drain waits for none", async () => {
		const { source, seen } = openEvents();
		const socket = new WebSocket(url().replace("http", "ws"));
		const frames: string[] = [];
		socket.addEventListener("message", ({ data }) => frames.push(`${data}`));
		await until(() => seen.length === 1 && frames.length === 1);
		const drained = server.drain(20_000);
		await until(() => seen.length === 2);
		assert.deepEqual(seen[1]?.data, { reason: "draining" });
		source.close();
		const closed = once(socket, "close");
		// The server spreads the ends of its sessions.
		await clock.advance(1_000);
		const [{ code }] = (await closed) as [CloseEvent];
		assert.equal(code, 1001);
		assert.match(frames[1] ?? "", /"draining"/);
		assert.equal(await drained, true);
	});
});
