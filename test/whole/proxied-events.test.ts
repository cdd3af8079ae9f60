import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import { type VirtualClock, virtualClock } from "../../src/tasks/index.ts";
import { type ServedGateway, serve } from "../kit/serve.ts";

let stack: AsyncDisposableStack;
let clock: VirtualClock;
let served: ServedGateway;
let answers: ServerResponse[];

beforeEach(async () => {
	stack = new AsyncDisposableStack();
	clock = virtualClock();
	answers = [];
	const upstream = createServer((_, response) => {
		response.writeHead(200, { "content-type": "text/event-stream" });
		response.flushHeaders();
		answers.push(response);
	});
	upstream.listen(0, "127.0.0.1");
	await once(upstream, "listening");
	stack.defer(() => {
		upstream.closeAllConnections();
		upstream.close();
	});
	const { port } = upstream.address() as AddressInfo;
	served = stack.use(
		await serve(
			`
upstreams: { news: { url: "http://127.0.0.1:${port}" } }
routes:
  GET /news:
    deadline: 1s
    proxy: { to: news/events, idle: 5s }
`,
			{},
			clock,
		),
	);
});

afterEach(() => stack.disposeAsync());

/** The text that has come to a client, and the next wait for more of it. */
async function listen() {
	const { port, hostname } = new URL(served.url);
	const socket = connect(Number(port), hostname);
	stack.defer(() => void socket.destroy());
	socket.on("error", () => {});
	let text = "";
	let ended = false;
	let look = () => {};
	socket.on("data", (chunk) => {
		text += chunk.toString();
		look();
	});
	socket.on("close", () => {
		ended = true;
		look();
	});
	socket.write(
		"GET /news HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n",
	);
	const until = (isThere: () => boolean) =>
		new Promise<void>((resolve) => {
			look = () => {
				if (isThere()) resolve();
			};
			look();
		});
	return {
		includes: (part: string) => until(() => text.includes(part)),
		ended: () => until(() => ended),
		text: () => text,
	};
}

describe("events through a proxy", () => {
	test("come to the client one by one, as long as the upstream sends something", async () => {
		const client = await listen();
		await client.includes("text/event-stream");
		const [answer] = answers;
		for (let at = 1; at <= 3; at++) {
			answer?.write(`id: ${at}\ndata: ${at}\n\n`);
			await client.includes(`id: ${at}\n`);
			await clock.advance(4_000);
			answer?.write(":\n\n");
			await client.includes("\n:\n\n");
			await clock.advance(4_000);
		}
		answer?.end("data: last\n\n");
		await client.includes("data: last\n\n");
		await client.includes("\r\n0\r\n\r\n");
	});

	test("are cut off when the upstream sends nothing for `idle`", async () => {
		const client = await listen();
		await client.includes("text/event-stream");
		answers[0]?.write("data: 1\n\n");
		await client.includes("data: 1\n\n");
		await clock.advance(5_000);
		await client.ended();
		assert.doesNotMatch(client.text(), /\r\n0\r\n\r\n/);
	});

	test("end at the upstream when the client leaves", async () => {
		const client = await listen();
		await client.includes("text/event-stream");
		const [answer] = answers;
		const closed = once(answer as ServerResponse, "close");
		await stack.disposeAsync();
		await closed;
		stack = new AsyncDisposableStack();
	});
});
