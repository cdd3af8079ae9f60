import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import { type VirtualClock, virtualClock } from "../../src/tasks/index.ts";
import { type OpenRequest, openRequest } from "../kit/open-request.ts";
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

/** A client that listens, when it knows that there are events. */
async function listen(): Promise<OpenRequest> {
	const headers = { accept: "text/event-stream" };
	const client = stack.use(openRequest(`${served.url}/news`, { headers }));
	const answer = await client.answer;
	assert.equal(answer.headers["content-type"], "text/event-stream");
	return client;
}

describe("events through a proxy", () => {
	test("come to the client one by one, as long as the upstream sends something", async () => {
		const client = await listen();
		const [answer] = answers;
		for (let at = 1; at <= 3; at++) {
			answer?.write(`id: ${at}\ndata: ${at}\n\n`);
			await client.until(`id: ${at}\n`);
			await clock.advance(4_000);
			answer?.write(":\n\n");
			await client.until("\n:\n\n");
			await clock.advance(4_000);
		}
		answer?.end("data: last\n\n");
		await client.until("data: last\n\n");
		assert.equal(await client.gone, null);
	});

	test("are cut off when the upstream sends nothing for `idle`", async () => {
		const client = await listen();
		answers[0]?.write("data: 1\n\n");
		await client.until("data: 1\n\n");
		await clock.advance(5_000);
		assert.ok((await client.gone) !== null, "it looks whole");
	});

	test("end at the upstream when the client leaves", async () => {
		await listen();
		const [answer] = answers;
		const closed = once(answer as ServerResponse, "close");
		await stack.disposeAsync();
		await closed;
		stack = new AsyncDisposableStack();
	});
});
