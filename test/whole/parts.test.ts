import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientRequest, get, type IncomingMessage } from "node:http";
import { afterEach, beforeEach, describe, test } from "node:test";
import { EventSource } from "undici";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { json, type RealUpstream, startUpstream } from "../kit/upstream.ts";

let stack: AsyncDisposableStack;
let gateway: ServedGateway;
let upstream: RealUpstream;
/** Lets the upstream answer `/late`. */
let release: () => void;

beforeEach(async () => {
	stack = new AsyncDisposableStack();
	const { promise: released, resolve } = Promise.withResolvers<void>();
	release = resolve;
	upstream = stack.use(
		await startUpstream(({ target }, response) => {
			const answer = () => json(response, { target });
			if (target === "/late") void released.then(answer);
			else answer();
		}),
	);
	gateway = stack.use(
		await serve(`
upstreams:
  api: { url: "${upstream.url}" }
routes:
  GET /board:
    steps:
      soon: { get: api/soon }
      late: { get: api/late }
    respond: { soon: "\${soon.target}", late: "\${late.target}" }
`),
	);
});

afterEach(async () => {
	release();
	await stack.disposeAsync();
});

interface Asked {
	readonly request: ClientRequest;
	readonly response: IncomingMessage;
	/** What comes first. */
	readonly first: string;
}

/** Asks, and waits for the head and the first piece of the body. */
async function ask(accept: string): Promise<Asked> {
	const request = get(`${gateway.url}/board`, { headers: { accept } });
	request.on("error", () => {});
	const [response] = (await once(request, "response")) as [IncomingMessage];
	response.setEncoding("utf8");
	const [first] = (await once(response, "data")) as [string];
	return { request, response, first };
}

async function restOf(response: IncomingMessage): Promise<string> {
	let text = "";
	response.on("data", (piece: string) => {
		text += piece;
	});
	// It has an error too, if it is cut.
	response.on("error", () => {});
	await new Promise((resolve) => response.on("close", resolve));
	return text;
}

describe("an answer in parts over a real connection", () => {
	test("begins while an upstream is still waited for", async () => {
		const { response, first } = await ask("application/x-ndjson");
		assert.equal(first, '{"at":"soon","value":"/soon"}\n');
		assert.equal(response.headers["content-type"], "application/x-ndjson");
		assert.equal(gateway.ended.length, 0);
		release();
		const rest = '{"at":"late","value":"/late"}\n{"complete":true}\n';
		assert.equal(await restOf(response), rest);
		assert.equal(response.complete, true);
	});

	test("aborts its calls if the client leaves", async () => {
		const { request } = await ask("application/x-ndjson");
		request.destroy();
		await upstream.aborted(1);
	});

	test("never ends as a whole one if the gateway is closed", async () => {
		const { response } = await ask("application/x-ndjson");
		const rest = restOf(response);
		await gateway[Symbol.asyncDispose]();
		assert.ok(!(await rest).includes('"complete":true'));
	});

	test("is read by an EventSource, which does not run the route again", async () => {
		const source = new EventSource(`${gateway.url}/board`);
		const closed = Promise.withResolvers<void>();
		source.addEventListener("error", () => {
			if (source.readyState === EventSource.CLOSED) closed.resolve();
		});
		const nextOf = async (type: "part" | "end") => {
			const [event] = await once(source, type);
			return JSON.parse((event as MessageEvent).data);
		};
		const part = { at: "soon", value: "/soon" };
		assert.deepEqual(await nextOf("part"), part);
		const end = nextOf("end");
		release();
		assert.deepEqual(await end, { complete: true });
		await closed.promise;
		assert.equal(upstream.seen.length, 2);
		assert.deepEqual(
			gateway.ended.map(({ status }) => status),
			[200, 204],
		);
	});
});
