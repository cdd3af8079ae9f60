import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import { EventSource } from "undici";
import { type AnswerStream, type Asking, get } from "../kit/request.ts";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { connectTo } from "../kit/transport.ts";
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
	readonly request: Asking;
	readonly response: AnswerStream;
	/** What comes first. */
	readonly first: string;
}

/** Asks, and waits for the head and the first piece of the body. */
async function ask(accept: string): Promise<Asked> {
	const request = get(`${gateway.url}/board`, { headers: { accept } });
	request.on("error", () => {});
	const [response] = (await once(request, "response")) as [AnswerStream];
	response.setEncoding("utf8");
	const [first] = (await once(response, "data")) as [string];
	return { request, response, first };
}

async function restOf(response: AnswerStream): Promise<string> {
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

describe("the page of recipe 24", () => {
	const recipes = readFileSync(
		new URL("../../docs/recipes.md", import.meta.url),
		"utf8",
	);
	const [, script = ""] = /^```js\n([^]*?)^```$/m.exec(recipes) ?? [];
	const AsyncFunction = (async () => {}).constructor as new (
		...words: string[]
	) => (show: (at: string, value: unknown) => void) => Promise<void>;
	const page = () => {
		const text = script.replace("/accounts/7", `${gateway.url}/board`);
		return new AsyncFunction("show", text);
	};

	test("shows each part as it comes", async () => {
		const shown: unknown[] = [];
		const { promise: begun, resolve } = Promise.withResolvers<void>();
		const read = page()((at, value) => {
			shown.push([at, value]);
			resolve();
		});
		await begun;
		assert.deepEqual(shown, [["soon", "/soon"]]);
		release();
		await read;
		assert.deepEqual(shown.slice(1), [["late", "/late"]]);
	});

	test("knows an answer that was cut from a whole one", async () => {
		const { promise: begun, resolve } = Promise.withResolvers<void>();
		const read = page()(() => resolve());
		await begun;
		await Promise.all([assert.rejects(read), gateway[Symbol.asyncDispose]()]);
	});
});

/** All that comes over a connection, from its first byte on. */
class Connection {
	readonly socket: Socket;
	received = "";
	/** How it ended: null as long as it is open. */
	end: "in order" | "reset" | null = null;
	#look = () => {};

	constructor(text: string) {
		const { port } = new URL(gateway.url);
		this.socket = connectTo(Number(port), "127.0.0.1");
		this.socket.setEncoding("latin1");
		this.socket.on("data", (piece) => {
			this.received += piece;
			this.#look();
		});
		this.socket.on("error", () => {
			this.end ??= "reset";
		});
		this.socket.on("end", () => {
			this.end ??= "in order";
		});
		this.socket.on("close", () => this.#look());
		this.socket.write(text);
		stack.defer(() => void this.socket.destroy());
	}

	/** Resolves when these words have come, or when the connection is gone. */
	async until(words: string): Promise<string> {
		while (!(this.received.includes(words) || this.socket.closed)) {
			await new Promise<void>((resolve) => {
				this.#look = resolve;
			});
		}
		return this.received;
	}

	async closed(): Promise<string> {
		return await this.until("never sent");
	}
}

const asked = (method: string, version: string, accept: string) =>
	`${method} /board HTTP/${version}\r\nhost: gateway\r\naccept: ${accept}\r\n\r\n`;

const firstLine = '{"at":"soon","value":"/soon"}';
const lastLine = '{"complete":true}';

describe("the bytes of an answer in parts", () => {
	test("are a chunk for each part, as it comes, and end with the last chunk", async () => {
		const client = new Connection(asked("GET", "1.1", "application/x-ndjson"));
		const begun = await client.until(firstLine);
		assert.match(begun, /^HTTP\/1\.1 200 OK\r\n/);
		assert.match(begun, /^transfer-encoding: chunked\r$/im);
		assert.doesNotMatch(begun, /^content-length/im);
		release();
		const whole = await client.until("\r\n0\r\n\r\n");
		assert.ok(whole.endsWith(`${lastLine}\n\r\n0\r\n\r\n`), whole);
		assert.equal(client.end, null, "the connection is kept");
	});

	test("lack the last chunk if the gateway is closed in the middle", async () => {
		const client = new Connection(asked("GET", "1.1", "application/x-ndjson"));
		await client.until(firstLine);
		await gateway[Symbol.asyncDispose]();
		const all = await client.closed();
		assert.doesNotMatch(all, /\r\n0\r\n\r\n$/);
		assert.ok(!all.includes('"complete":true'));
	});

	test("to a client of HTTP/1.0 end with the connection, in order only after the last line", async () => {
		const text = asked("GET", "1.0", "application/x-ndjson");
		const whole = new Connection(text);
		const begun = await whole.until(firstLine);
		assert.doesNotMatch(begun, /^(transfer-encoding|content-length):/im);
		release();
		assert.ok((await whole.closed()).endsWith(`${lastLine}\n`));
		assert.equal(whole.end, "in order");
	});

	test("to a client of HTTP/1.0 end with a reset if they are cut", async () => {
		const text = asked("GET", "1.0", "application/x-ndjson");
		const cut = new Connection(text);
		await cut.until(firstLine);
		await gateway[Symbol.asyncDispose]();
		assert.ok(!(await cut.closed()).includes('"complete":true'));
		assert.equal(cut.end, "reset");
	});

	test("are not sent for HEAD, whose head is that of the whole", async () => {
		release();
		const client = new Connection(asked("HEAD", "1.1", "application/x-ndjson"));
		const head = await client.until("\r\n\r\n");
		assert.match(head, /^content-type: application\/json; charset=utf-8\r$/im);
		assert.match(head, /^content-length: 31\r$/im);
		assert.ok(head.endsWith("\r\n\r\n"));
	});

	test("come to their end while the gateway drains, and then the connection is closed", async () => {
		const client = new Connection(asked("GET", "1.1", "application/x-ndjson"));
		await client.until(firstLine);
		const drained = gateway.drain(10_000);
		release();
		const all = await client.closed();
		assert.ok(all.endsWith(`${lastLine}\n\r\n0\r\n\r\n`), all);
		assert.equal(await drained, true);
		assert.equal(client.end, "in order");
	});

	test("are cut if the time to drain is over, and are no whole answer then", async () => {
		const client = new Connection(asked("GET", "1.1", "text/event-stream"));
		await client.until(firstLine);
		assert.equal(await gateway.drain(50), false);
		const all = await client.closed();
		assert.doesNotMatch(all, /\r\n0\r\n\r\n$/);
		assert.ok(!all.includes('"complete":true'));
		await upstream.aborted(1);
	});
});
