import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { GatewayResponse } from "../../src/core/http/messages.ts";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { connectTo } from "../kit/transport.ts";
import {
	type Answering,
	json,
	type RealUpstream,
	startUpstream,
} from "../kit/upstream.ts";
import { asking, openClient, type TestClient } from "../server/client.ts";

/** Nobody gets so much that nothing is left for others: neither streams, nor slow clients, nor one busy client. */

let stack: AsyncDisposableStack;
let upstream: RealUpstream;
let gateway: ServedGateway;

beforeEach(() => {
	stack = new AsyncDisposableStack();
});

afterEach(() => stack.disposeAsync());

interface Setting {
	/** Keys of the upstream. */
	readonly up?: object;
	/** Keys of the proxied route. */
	readonly proxy?: object;
	/** Keys of `server` and of `overload`. */
	readonly server?: object;
	readonly overload?: object;
	readonly answer?: Answering;
}

/** `GET /item` is composed, and everything below `/p` is passed on. */
async function start(setting: Setting = {}) {
	const { up, proxy, server = {}, overload, answer } = setting;
	upstream = stack.use(await startUpstream(answer ?? answerByPath));
	gateway = stack.use(
		await serve({
			upstreams: { up: { url: upstream.url, timeout: "5s", ...up } },
			routes: {
				"GET /item": { deadline: "5s", steps: { a: { get: "up/item" } } },
				"ANY /p/{rest*}": {
					deadline: "5s",
					proxy: { to: "up/{rest*}", ...proxy },
				},
			},
			server,
			overload: { ...calm, ...overload },
		}),
	);
}

/** A slow machine is no overload here. */
const calm = { skipAt: "30s", refuseAt: "60s" };

/** `/events` never ends, `/file` is long, `/late` never begins. */
const answerByPath: Answering = ({ target }, response) => {
	if (target.startsWith("/events")) {
		response.setHeader("content-type", "text/event-stream");
		response.write("data: 1\n\n");
	} else if (target.startsWith("/file")) {
		response.setHeader("content-length", fileBytes);
		response.end(Buffer.alloc(fileBytes));
	} else if (!target.startsWith("/late")) json(response, { target });
};

const fileBytes = 20_000_000;

const port = () => Number(new URL(gateway.url).port);

async function client(...texts: string[]): Promise<TestClient> {
	const one = stack.use(await openClient(port()));
	one.send(...texts);
	return one;
}

/** A client that asks, and reads no more than the head of its answer. */
async function reader(
	path: string,
	headers: readonly string[] = [],
): Promise<Socket> {
	const socket = connectTo(port());
	stack.defer(() => void socket.destroy());
	socket.on("error", () => {});
	await once(socket, "connect");
	socket.write(asking(`GET ${path}`, headers));
	await once(socket, "readable");
	return socket;
}

const times = <T>(count: number, make: (at: number) => Promise<T>) =>
	Promise.all(Array.from({ length: count }, (_, at) => make(at)));

const messages = () =>
	gateway.ended.flatMap(({ error }) => (error ? [error.message] : []));

describe("streams of one upstream", () => {
	for (const [what, path, connections] of [
		["64 open event streams", "/p/events", 64],
		["8 clients that do not read a long file", "/p/file", 8],
	] as const) {
		it(`leave the places to calls: ${what}`, async () => {
			await start({ up: { connections, timeout: "5s" } });
			await times(connections, () => reader(path));
			const { status, text } = await gateway.get("/item");
			assert.equal(status, 200, text);
		});
	}

	for (const [what, head] of [
		["64 slow uploads", "content-length: 1000"],
		["64 slow uploads of 1 MB", "content-length: 1000000"],
		["64 slow uploads in chunks", "transfer-encoding: chunked"],
	] as const) {
		it(`leave the places to calls: ${what}`, async () => {
			await start({
				overload: { requests: 3, waiting: 0 },
			});
			await times(64, (at) =>
				client(asking(`POST /p/${at}`, [head]), "1\r\nx"),
			);
			// Their heads have been read by now, because they came before.
			const { status, text } = await gateway.get("/item");
			assert.equal(status, 200, text);
		});
	}

	it("do not reach the upstream before a short body is whole", async () => {
		await start({ up: { connections: 1 } });
		const slow = await client(asking("POST /p/a", ["content-length: 6"]));
		slow.send("one");
		await gateway.get("/item");
		assert.equal(upstream.seen.length, 1);
		slow.send("two");
		assert.equal((await slow.answer()).status, 200);
		assert.equal(upstream.seen[1]?.body, "onetwo");
	});

	for (const [what, head, sent, body] of [
		["in chunks", "transfer-encoding: chunked", "3\r\nabc\r\n0\r\n\r\n", "abc"],
		[
			"of more than 64 KiB",
			"content-length: 65540",
			"x".repeat(65_540),
			"x".repeat(65_540),
		],
	] as const) {
		it(`wait for a call's place with the end of a body ${what}`, async () => {
			await start({ up: { connections: 1 } });
			const first = await client(asking("GET /p/late"));
			await upstream.arrived(1);
			const upload = await client(asking("POST /p/a", [head]), sent);
			for (let round = 0; round < 5; round++) await gateway.get("/nowhere");
			assert.equal(upstream.seen.length, 1);
			first.socket.destroy();
			assert.equal((await upload.answer()).status, 200);
			assert.equal(upstream.seen[1]?.body, body);
		});
	}

	it("are answered without a call's place if the answer comes before the end", async () => {
		const early = createServer((request, response) => {
			if (request.url !== "/late") response.end("early");
		});
		stack.defer(() => early.closeAllConnections());
		stack.defer(() => void early.close());
		early.listen(0, "127.0.0.1");
		await once(early, "listening");
		const { port: taken } = early.address() as AddressInfo;
		await start({
			up: { connections: 1, url: `http://127.0.0.1:${taken}` },
		});
		await client(asking("GET /p/late"));
		await once(early, "request");
		const chunked = ["transfer-encoding: chunked"];
		const upload = await client(
			asking("POST /p/a", chunked),
			"3\r\nabc\r\n0\r\n\r\n",
		);
		assert.equal((await upload.answer()).status, 200);
	});

	it("are refused beyond their number, before the upstream is asked", async () => {
		await start({ up: { streams: 2 } });
		const [first] = await times(2, () => reader("/p/events"));
		const refused = await gateway.get("/p/events");
		assert.equal(refused.status, 503, refused.text);
		assert.match(refused.text, /"code":"limiter_full"/);
		assert.deepEqual(messages(), ["2 of 2 streams are open"]);
		assert.equal(upstream.seen.length, 2);
		first?.destroy();
		await upstream.aborted(1);
		await reader("/p/events");
		assert.equal((await gateway.get("/item")).status, 200);
	});

	it("leave some to other clients, whom a trusted proxy names", async () => {
		await start({
			up: { streams: 20 },
			server: { trustedProxies: ["127.0.0.1"], addressHeader: "x-client" },
		});
		const ask = async (from: string) => {
			const socket = await reader("/p/events", [`x-client: ${from}`]);
			return Number(String(socket.read()).split(" ")[1]);
		};
		const open = async (from: string) => {
			let count = 0;
			while ((await ask(from)) === 200) count++;
			return count;
		};
		assert.equal(await open("192.0.2.1"), 18);
		assert.equal(await open("192.0.2.2"), 2);
	});

	it("wait for a call's place until the head of the answer is there", async () => {
		await start({ up: { connections: 1 } });
		const first = await client(asking("GET /p/late"));
		await upstream.arrived(1);
		const second = gateway.get("/item");
		await gateway.get("/nowhere");
		assert.equal(upstream.seen.length, 1);
		first.socket.destroy();
		assert.equal((await second).status, 200);
	});
});

describe("a body that cannot be taken", () => {
	it("is refused at once where its length is announced", async () => {
		await start();
		const head = ["content-length: 10000000000"];
		const { status } = await (await client(asking("POST /p/a", head))).answer();
		assert.equal(status, 413);
		assert.equal(upstream.seen.length, 0);
	});

	it("is refused before it is sent, to a client that asks first", async () => {
		await start();
		const ask = (length: number) =>
			client(
				asking("POST /p/a", [
					`content-length: ${length}`,
					"expect: 100-continue",
				]),
			);
		const long = await ask(10_000_000_000);
		assert.equal((await long.answer()).status, 413);
		const short = await ask(3);
		assert.equal((await short.answer()).status, 100);
		short.send("abc");
		assert.equal((await short.answer()).status, 200);
		assert.equal(upstream.seen[0]?.body, "abc");
	});

	for (const bytes of [99_999, 100_000, 100_001]) {
		it(`of ${bytes} bytes in chunks is judged by what comes`, async () => {
			await start({ proxy: { maxBody: "100000B" } });
			const { status } = await gateway.get("/p/a", {
				method: "POST",
				headers: { "transfer-encoding": "chunked" },
				body: "x".repeat(bytes),
			});
			assert.equal(status, bytes > 100_000 ? 413 : 200);
		});
	}
});

describe("an open breaker", () => {
	it("does not wait for a slow upload to try again", async () => {
		let ok = false;
		await start({
			up: { breaker: { calls: 1, probeEvery: "100ms" } },
			answer: (_, response) => json(response, {}, ok ? 200 : 500),
		});
		await gateway.get("/item");
		ok = true;
		const probed = new Promise<void>((resolve) =>
			gateway.gateway.events.policyDecided.push(({ decision }) => {
				if (decision === "probe") resolve();
			}),
		);
		const slow = async () => {
			const head = ["content-length: 1000000"];
			return client(asking("POST /p/a", head), "x");
		};
		for (let tried = false; !tried; ) {
			await slow();
			tried = await Promise.race([
				probed.then(() => true),
				gateway.get("/nowhere").then(() => false),
			]);
		}
		let status = 503;
		while (status === 503) ({ status } = await gateway.get("/item"));
		assert.equal(status, 200);
		const uploads = gateway.ended.filter(({ method }) => method === "POST");
		assert.ok(uploads.every(({ error }) => error?.code === "breaker_open"));
	});
});

describe("one client with 70 times 16 requests", () => {
	const busy = "192.0.2.1";
	const other = "192.0.2.2";
	const ask = (ip: string, target = "/item"): Promise<GatewayResponse> =>
		gateway.gateway.handle({ method: "GET", target, ip });

	/** The upstream answers one call after another, and a busy client is there before the other one. */
	async function race(overload: object): Promise<{
		readonly one: number;
		readonly before: number;
		readonly crowd: readonly number[];
	}> {
		const held: (() => void)[] = [];
		await start({
			overload,
			answer: (_, response) => void held.push(() => json(response, {})),
		});
		let answered = 0;
		const crowd = Array.from({ length: 1120 }, async () => {
			const { status } = await ask(busy);
			if (status === 200) answered++;
			return status;
		});
		await upstream.arrived(2);
		let most = 1;
		const answering = setInterval(() => {
			for (const answer of held.splice(0, most)) answer();
		}, 1);
		stack.defer(() => clearInterval(answering));
		const { status } = await ask(other);
		const before = answered;
		most = 1000;
		return { one: status, before, crowd: await Promise.all(crowd) };
	}

	it("leaves another its turn at the upstream", async () => {
		const { one, before } = await race({});
		assert.equal(one, 200);
		assert.ok(before < 200, `${before} went before`);
	});

	it("leaves another its turn at the gateway", async () => {
		const overload = { requests: 2, waiting: 10, wait: "30s" };
		const { one, before, crowd } = await race(overload);
		assert.equal(one, 200);
		assert.ok(before < 20, `${before} went before`);
		assert.ok(crowd.includes(503));
	});
});

describe("a time that ended in a queue", () => {
	const chunked = { "transfer-encoding": "chunked" };

	for (const [what, route, expected] of [
		[
			"a deadline",
			{ deadline: "100ms", steps: { a: { get: "up/item" } } },
			/^the route's deadline was reached: waited \d+ ms for one of the 1 places of calls to up$/,
		],
		[
			"`within`",
			{ steps: { a: { get: "up/item", within: "100ms" } } },
			/^not done within 100 ms: waited \d+ ms for one of the 1 places of calls to up$/,
		],
		[
			"a deadline of a write",
			{ deadline: "100ms", steps: { a: { post: "up/item" } } },
			/^the route's deadline was reached: waited \d+ ms for one of the 1 places of calls to up$/,
		],
		[
			"a deadline of a proxied request",
			{ deadline: "100ms", proxy: "up/item" },
			/^the route's deadline was reached: waited \d+ ms for one of the 1 places of calls to up$/,
		],
		[
			"a deadline of an upload",
			{ deadline: "100ms", proxy: "up/item" },
			/^the route's deadline was reached: waited \d+ ms for one of the 1 places of calls to up$/,
		],
	] as const) {
		it(`says so: ${what}`, async () => {
			await start({ up: { connections: 1 } });
			await gateway[Symbol.asyncDispose]();
			gateway = stack.use(
				await serve({
					overload: calm,
					upstreams: { up: { url: upstream.url, connections: 1 } },
					routes: {
						"GET /late": { steps: { a: { get: "up/late" } } },
						[what.includes("upload") ? "POST /x" : "GET /x"]: route,
					},
				}),
			);
			await client(asking("GET /late"));
			await upstream.arrived(1);
			const { status } = await gateway.get("/x", {
				method: what.includes("upload") ? "POST" : "GET",
				...(what.includes("upload") && { headers: chunked, body: "abc" }),
			});
			assert.equal(status, 504);
			assert.match(messages()[0] ?? "", expected);
		});
	}

	it("says so: a deadline of a request that waited for its turn", async () => {
		await start();
		await gateway[Symbol.asyncDispose]();
		gateway = stack.use(
			await serve({
				upstreams: { up: { url: upstream.url } },
				overload: { ...calm, requests: 1, wait: "20s" },
				routes: {
					"GET /late": { steps: { a: { get: "up/late" } } },
					"GET /x": { deadline: "100ms", steps: { a: { get: "up/item" } } },
				},
			}),
		);
		await client(asking("GET /late"));
		await upstream.arrived(1);
		const { status } = await gateway.get("/x");
		assert.equal(status, 504);
		assert.match(
			messages()[0] ?? "",
			/: waited \d+ ms for one of the 1 places of requests in progress$/,
		);
	});

	it("says so: a deadline of one of those who share a call", async () => {
		await start();
		await gateway[Symbol.asyncDispose]();
		gateway = stack.use(
			await serve({
				overload: calm,
				upstreams: {
					up: { url: upstream.url, connections: 1, coalesce: true },
				},
				routes: {
					"GET /late": { steps: { a: { get: "up/late" } } },
					"GET /x": { deadline: "100ms", steps: { a: { get: "up/item" } } },
				},
			}),
		);
		await client(asking("GET /late"));
		await upstream.arrived(1);
		const answers = await times(2, () => gateway.get("/x"));
		for (const { status } of answers) assert.equal(status, 504);
		for (const message of messages()) {
			assert.match(message, /: waited \d+ ms for a shared call to up to be/);
		}
	});
});
