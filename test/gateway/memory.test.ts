import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import type { Socket } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import type { LoadChanged } from "../../src/core/events.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { connectTo } from "../kit/transport.ts";
import { json, type RealUpstream, startUpstream } from "../kit/upstream.ts";

/** Whatever a request holds is given back, however it ends. */

const long = JSON.stringify({ text: "x".repeat(900_000), list: [1, 2, 3] });
const fresh = { "cache-control": "max-age=60" };

let stack: AsyncDisposableStack;
let upstream: RealUpstream;
let served: ServedGateway;
let onAsked: () => void;
let released: Promise<void>;
let release: () => void;

beforeEach(async () => {
	stack = new AsyncDisposableStack();
	onAsked = () => {};
	({ promise: released, resolve: release } = Promise.withResolvers<void>());
	upstream = stack.use(
		await startUpstream(({ target }, response) => {
			onAsked();
			switch (target) {
				case "/long":
					return response.end(long);
				case "/zipped":
					response.setHeader("content-encoding", "gzip");
					return response.end(gzipSync(long));
				case "/bomb":
					response.setHeader("content-encoding", "gzip");
					return response.end(gzipSync(Buffer.alloc(4_000_000)));
				case "/fresh":
					response.writeHead(200, fresh);
					return response.end(long);
				case "/failing":
					return json(response, {}, 500);
				case "/broken":
					response.write(long);
					return void setImmediate(() => response.destroy());
				case "/begun":
					return void response.write(long);
				case "/text":
					return response.end("no JSON");
				case "/hanging":
					return;
				case "/released":
					return void released.then(() => response.end("1"));
				default:
					return json(response, { ok: true });
			}
		}),
	);
	served = stack.use(await serve(config(upstream.url)));
});

afterEach(() => stack.disposeAsync());

function config(url: string): object {
	const step = (path: string, more: object = {}) => ({
		steps: { one: { get: `svc/${path}`, ...more } },
	});
	const proxied = { request: {}, proxy: "svc/{rest*}" };
	return {
		server: { memory: "64MiB", maxBody: "2MiB" },
		upstreams: {
			svc: { url, timeout: "5s", cache: true, coalesce: true },
			quick: { url, timeout: "50ms" },
			quiet: { url, timeout: "5s" },
		},
		routes: {
			"GET /plain": { respond: 1 },
			"GET /long": step("long"),
			"GET /zipped": step("zipped"),
			"GET /bomb": step("bomb"),
			"GET /fresh": step("fresh"),
			"GET /wait": {
				steps: {
					one: { get: "svc/fresh" },
					then: { get: "quiet/released", after: ["one"] },
				},
				respond: "${one.list.length + then}",
			},
			"GET /failing": step("failing"),
			"GET /broken": step("broken"),
			"GET /text": step("text"),
			"GET /hanging": step("hanging"),
			"GET /begun": step("begun"),
			"GET /optional": step("broken", { optional: true }),
			"GET /slow": { steps: { one: { get: "quick/begun" } } },
			"GET /late": { deadline: "100ms", ...step("begun") },
			"GET /made": { respond: "${'x'.repeat(3000000) + '!'}" },
			"GET /failed": { respond: "${'x'.repeat(3000000) + null.x}" },
			"GET /each": {
				steps: {
					all: {
						each: "${[1, 2, 3, 4]}",
						post: "svc/any",
						text: "${'y'.repeat(100000)}",
					},
				},
			},
			"GET /function": {
				steps: { one: { run: () => ({ list: new Array(1000).fill("z") }) } },
			},
			"GET /reply": {
				steps: {
					long: { get: "svc/begun" },
					early: { reply: { body: "early" } },
				},
				respond: "${long}",
			},
			"POST /write": {
				request: { body: {} },
				steps: { one: { post: "svc/hanging", body: "${body}" } },
			},
			"POST /body": { request: { body: {} }, respond: "${body.length}" },
			"ANY /proxy/{rest*}": proxied,
			"GET /kept/{rest*}": { proxy: { to: "svc/{rest*}", cache: true } },
		},
	};
}

/** Waits until nothing is held. A test that waits for ever has found what is not given back. */
async function allGivenBack(): Promise<void> {
	const { memory } = served.gateway;
	while (memory.held !== 0) await new Promise((go) => setImmediate(go));
}

async function asked(path: string, status: number): Promise<void> {
	const answer = await served.get(path);
	assert.equal(answer.status, status, path);
	await allGivenBack();
}

/** A client that sends a head, and perhaps the beginning of a body. */
function sends(...pieces: (string | Buffer)[]): Socket {
	const { hostname, port } = new URL(served.url);
	const socket = connectTo(Number(port), hostname);
	socket.on("error", () => {});
	stack.defer(() => void socket.destroy());
	for (const piece of pieces) socket.write(piece);
	return socket;
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`;
const post = (path: string, length: number) =>
	`POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;

async function until(held: () => boolean): Promise<void> {
	while (!held()) await new Promise((go) => setImmediate(go));
}

const holds = (bytes: number) =>
	until(() => served.gateway.memory.held >= bytes);

describe("memory is given back", () => {
	for (const [path, status] of [
		["/plain", 200],
		["/nowhere", 404],
		["/long", 200],
		["/zipped", 200],
		["/bomb", 502],
		["/failing", 502],
		["/broken", 502],
		["/text", 502],
		["/optional", 200],
		["/slow", 504],
		["/late", 504],
		["/made", 200],
		["/failed", 502],
		["/each", 200],
		["/function", 200],
		["/reply", 200],
		["/proxy/long", 200],
		["/proxy/failing", 500],
		["/kept/long", 200],
	] as const) {
		test(`when ${path} is answered ${status}`, () => asked(path, status));
	}

	test("when a proxied answer breaks off", async () => {
		await assert.rejects(served.get("/proxy/broken"));
		await allGivenBack();
	});

	test("by all who share a call", async () => {
		const answers = Array.from({ length: 20 }, () => served.get("/long"));
		for (const { status } of await Promise.all(answers)) {
			assert.equal(status, 200);
		}
		await allGivenBack();
	});

	test("by requests, and not by the cache, as long as that keeps the answer", async () => {
		await asked("/fresh", 200);
		const { kept } = served.gateway.memory;
		assert.ok(kept > long.length, `${kept} bytes`);
		await asked("/fresh", 200);
		assert.equal(served.gateway.memory.kept, kept);
		await asked("/kept/fresh", 200);
		assert.ok(served.gateway.memory.kept > kept + long.length);
		// It may change what it writes to.
		const { status } = await served.get("/proxy/fresh", { method: "DELETE" });
		assert.equal(status, 200);
		await allGivenBack();
		assert.equal(served.gateway.memory.kept, 0);
	});

	test("once for all who wait with a kept answer, also if the cache drops it meanwhile", async () => {
		const { memory } = served.gateway;
		const asking = () => served.get("/wait");
		await asked("/fresh", 200);
		const { kept } = memory;
		const answers = Array.from({ length: 10 }, asking);
		await upstream.arrived(11);
		assert.ok(memory.held < 500_000, `${memory.held} held`);
		// The cache gives way.
		const others = memory.bytesMax * (7 / 8) - memory.held - 1;
		memory.held += others;
		assert.ok(memory.short);
		memory.held -= others;
		assert.equal(memory.kept, 0);
		const { held } = memory;
		assert.ok(held > kept - 5_000 && held < kept + 500_000, `${held} held`);
		release();
		for (const { status } of await Promise.all(answers)) {
			assert.equal(status, 200);
		}
		await allGivenBack();
	});

	test("once for all who read a kept answer of a proxied route", async () => {
		const { memory } = served.gateway;
		await asked("/kept/fresh", 200);
		const clients = Array.from({ length: 10 }, () =>
			sends(get("/kept/fresh").repeat(16)).pause(),
		);
		await until(() => served.ended.length >= 11);
		assert.ok(memory.held < 3 * long.length, `${memory.held} held`);
		for (const client of clients) client.destroy();
		await allGivenBack();
	});

	for (const path of ["/hanging", "/begun", "/proxy/begun", "/kept/begun"]) {
		test(`when the client of ${path} leaves`, async () => {
			const client = sends(get(path));
			await upstream.arrived(1);
			await holds(1);
			client.destroy();
			await allGivenBack();
		});
	}

	for (const path of ["/made", "/proxy/long", "/kept/long"]) {
		test(`when the client leaves, that has not read ${path}`, async () => {
			const client = sends(get(path).repeat(16)).pause();
			await holds(64_000);
			client.destroy();
			await allGivenBack();
		});
	}

	for (const path of ["/body", "/proxy/any"]) {
		test(`when the client leaves in the middle of a body for ${path}`, async () => {
			const client = sends(post(path, 1_000_000), Buffer.alloc(500_000, "1"));
			await holds(16_000);
			client.destroy();
			await allGivenBack();
		});
	}

	test("when a body is answered, refused, or no JSON", async () => {
		const headers = { "content-type": "application/json" };
		const answers = [
			["[1, 2]", 200],
			[`[${"1,".repeat(40_000)}1]`, 200],
			["[", 400],
			["x".repeat(3_000_000), 413],
		] as const;
		for (const [body, status] of answers) {
			const options = { method: "POST", headers, body };
			const answer = await served.get("/body", options);
			assert.equal(answer.status, status);
			await allGivenBack();
		}
	});

	test("when a connection closes with requests that wait for others", async () => {
		const head = `GET /begun HTTP/1.1\r\nhost: localhost\r\nx: ${"y".repeat(5000)}\r\n\r\n`;
		const client = sends(head.repeat(4));
		// Their heads count as well.
		await holds(8192 + 4 * 8192 + 3 * 5000 + 900_000);
		client.destroy();
		await allGivenBack();
	});

	test("when a write goes on after its client has left", async () => {
		const body = `"${"x".repeat(100_000)}"`;
		const client = sends(post("/write", body.length), body);
		await upstream.arrived(1);
		client.destroy();
		await allGivenBack();
	});

	test("when the gateway is asked without a port", async () => {
		const { gateway } = served;
		await allGivenBack();
		await gateway.handle({ method: "GET", target: "/long" });
		assert.equal(gateway.memory.held, 0);
		const response = await gateway.fetch(new Request("http://a/proxy/long"));
		assert.equal((await response.text()).length, long.length);
		await allGivenBack();
		const left = await gateway.fetch(new Request("http://a/proxy/begun"));
		await left.body?.cancel();
		await allGivenBack();
	});

	test("when the server is closed", async () => {
		sends(get("/proxy/begun"));
		sends(post("/body", 1_000_000), "[1");
		sends(get("/made").repeat(3)).pause();
		await holds(3_000_000);
		await served[Symbol.asyncDispose]();
		await allGivenBack();
	});
});

describe("when no memory is left", () => {
	/** Holds all but so many bytes. */
	function fill(left: number): void {
		const { memory } = served.gateway;
		memory.held = memory.bytesMax - left;
	}

	const mebi = 1024 ** 2;
	const headers = { "content-type": "application/json" };

	test("requests are refused, and the health check is not", async () => {
		const changes: LoadChanged[] = [];
		served.gateway.events.loadChanged.push((one) => changes.push(one));
		fill(7 * mebi);
		const answer = await served.get("/plain");
		assert.equal(answer.status, 503);
		assert.equal((answer.json as { code: string }).code, "overloaded");
		assert.equal(answer.headers["retry-after"], "1");
		assert.equal((await served.get("/-/health")).status, 200);
		assert.deepEqual(changes, [{ level: "refusing", reason: "memory" }]);
		fill(9 * mebi);
		assert.equal((await served.get("/plain")).status, 200);
	});

	test("a body is refused as soon as it does not fit", async () => {
		fill(8 * mebi + 500_000);
		const small = { method: "POST", headers, body: "[1]" };
		assert.equal((await served.get("/body", small)).status, 200);
		const body = `"${"x".repeat(600_000)}"`;
		const answer = await served.get("/body", { method: "POST", headers, body });
		assert.equal(answer.status, 503);
	});

	test("an answer of an upstream fails its step, and the upstream is not to blame", async () => {
		await using other = await serve({
			server: { memory: "64MiB" },
			upstreams: { svc: { url: upstream.url, breaker: { calls: 1 } } },
			routes: {
				"GET /long": { steps: { one: { get: "svc/long" } } },
				"GET /zipped": { steps: { one: { get: "svc/zipped" } } },
				"GET /optional": {
					steps: { one: { get: "svc/long", optional: true } },
				},
			},
		});
		const { memory, events } = other.gateway;
		const decided: string[] = [];
		events.policyDecided.push(({ decision }) => decided.push(decision));
		for (const [path, status] of [
			["/long", 503],
			["/zipped", 503],
			["/optional", 200],
		] as const) {
			memory.held = 0;
			onAsked = () => {
				memory.held = memory.bytesMax - 100_000;
			};
			const answer = await other.get(path);
			assert.equal(answer.status, status, path);
			if (status === 503) assert.equal(answer.headers["retry-after"], "1");
			else {
				const missing = answer.headers["sluice-missing"];
				assert.equal(missing, "one;error=overloaded");
			}
		}
		assert.deepEqual(decided, []);
	});

	test("the cache gives way before anybody is refused", async () => {
		await asked("/fresh", 200);
		const { memory } = served.gateway;
		assert.ok(memory.kept > 0);
		memory.held = memory.bytesMax * (7 / 8) - 100_000;
		assert.equal((await served.get("/plain")).status, 200);
		assert.equal(memory.kept, 0);
	});

	test("requests that wait for others of their connection are refused too", async () => {
		const client = sends();
		let received = "";
		client.on("data", (data) => {
			received += data;
		});
		client.write(get("/hanging"));
		await upstream.arrived(1);
		fill(0);
		client.write(get("/plain").repeat(2));
		// It is answered before the requests ahead of it, and goes out behind them.
		while (served.gateway.memory.held > served.gateway.memory.bytesMax) {
			await new Promise((go) => setImmediate(go));
		}
		fill(60 * mebi);
		assert.equal((await served.get("/plain")).status, 200);
		assert.equal(received, "");
		client.destroy();
	});

	test("a client that holds three quarters of it is refused, and others are not", async () => {
		await using other = await serve({
			server: { memory: "64MiB", maxBody: "8MiB", connectionsPerClient: 100 },
			routes: { "POST /body": { request: { body: {} }, respond: 1 } },
		});
		const { hostname, port } = new URL(other.url);
		const { promise: refused, resolve } = Promise.withResolvers<Buffer>();
		for (let count = 0; count < 8; count++) {
			const client = connectTo(Number(port), hostname);
			stack.defer(() => void client.destroy());
			client.on("error", () => {}).once("data", resolve);
			client.write(post("/body", 8 * mebi));
			client.write(Buffer.alloc(6 * mebi, " "));
		}
		assert.match((await refused).toString(), /^HTTP\/1.1 503 /);
		const { memory } = other.gateway;
		assert.ok(memory.held > memory.bytesMax / 2, `${memory.held} held`);
		const options = { host: hostname, port, path: "/body", method: "POST" };
		const asking = request({
			...{ ...options, headers, agent: false },
			localAddress: "127.0.0.2",
		});
		asking.end(`"${"x".repeat(900_000)}"`);
		const [answer] = await once(asking, "response");
		answer.resume();
		assert.equal(answer.statusCode, 200);
	});

	test("a body that could never fit is refused before it comes", async () => {
		await using other = await serve({
			server: { memory: "16MiB", maxBody: "64MiB" },
			routes: { "POST /body": { request: { body: {} }, respond: 1 } },
		});
		const { hostname, port } = new URL(other.url);
		const client = connectTo(Number(port), hostname);
		stack.defer(() => void client.destroy());
		client.write(post("/body", 8 * mebi + 1));
		const [answer] = (await once(client, "data")) as [Buffer];
		assert.match(answer.toString(), /^HTTP\/1.1 413 /);
	});

	test("one request may hold half of it, and no more", async () => {
		const gateway = createGateway({
			server: { memory: "16MiB" },
			routes: {
				"GET /half": { respond: "${'x'.repeat(3000000).length}" },
				"GET /more": { respond: "${'x'.repeat(5000000).length}" },
			},
		});
		const ask = async (target: string) =>
			(await gateway.handle({ method: "GET", target })).status;
		assert.equal(await ask("/half"), 200);
		assert.equal(await ask("/more"), 500);
		assert.equal(gateway.memory.held, 0);
		await gateway.close();
	});
});
