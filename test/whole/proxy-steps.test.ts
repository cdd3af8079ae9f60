import assert from "node:assert/strict";
import { once } from "node:events";
import {
	createServer,
	type IncomingMessage,
	type RequestListener,
} from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import { request as send } from "../kit/request.ts";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { json, type RealUpstream, startUpstream } from "../kit/upstream.ts";
import { asking, openClient, type TestClient } from "../server/client.ts";

/** Steps before a proxy, with bodies as they come on both sides. */

let stack: AsyncDisposableStack;
let gateway: ServedGateway;
let users: RealUpstream;
/** What the entitlement check says. It waits for this. */
let entitled: Promise<number>;

beforeEach(async () => {
	stack = new AsyncDisposableStack();
	entitled = Promise.resolve(200);
	users = stack.use(
		await startUpstream(({ target }, response) => {
			void entitled.then((status) =>
				json(response, { token: `of ${target}` }, status),
			);
		}),
	);
});

afterEach(() => stack.disposeAsync());

/** A service of files that does what the test says. */
async function start(
	onFile: RequestListener,
	proxy: object = {},
	more: { route?: object; files?: object; gateway?: object } = {},
): Promise<void> {
	const server = createServer(onFile);
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	stack.defer(() => {
		server.closeAllConnections();
		server.close();
	});
	const { port } = server.address() as AddressInfo;
	const url = `http://127.0.0.1:${port}`;
	const config = {
		upstreams: {
			users: { url: users.url },
			files: { url, timeout: "10s", ...more.files },
		},
		routes: {
			"ANY /f/{rest*}": {
				steps: { user: { get: "users/me" } },
				proxy: {
					to: "files/{rest*}",
					headers: { "x-token": "${user.token}" },
					...proxy,
				},
				...more.route,
			},
		},
		...more.gateway,
	};
	gateway = stack.use(await serve(config));
}

async function client(): Promise<TestClient> {
	return stack.use(await openClient(Number(new URL(gateway.url).port)));
}

/** Asks, and gives the answer when its head is there. */
async function open(
	path: string,
	options: { method?: string; headers?: Record<string, string> } = {},
): Promise<IncomingMessage> {
	const request = send(gateway.url + path, { agent: false, ...options });
	request.end();
	const [response] = await once(request, "response");
	return response as IncomingMessage;
}

const pause = (ms: number) =>
	new Promise<void>((resolve) => {
		gateway.gateway.clock.after(ms, resolve);
	});

/** Resolves when a number that grew has not grown for some turns of the clock. */
async function still(count: () => number): Promise<void> {
	for (let before = -1, same = 0; same < 10; ) {
		await pause(20);
		same = count() === before && before > 0 ? same + 1 : 0;
		before = count();
	}
}

const size = 64 * 1024 ** 2;
const piece = Buffer.alloc(64 * 1024, "x");

/** Sends 64 MB, or the part that is asked for, and counts what was taken. */
function sending(taken: { bytes: number; cut: boolean }): RequestListener {
	return (request, response) => {
		const [, from, to] = /bytes=(\d+)-(\d+)/.exec(
			request.headers.range ?? "",
		) ?? [null, "0", String(size - 1)];
		const length = Number(to) - Number(from) + 1;
		response.writeHead(request.headers.range ? 206 : 200, {
			"content-length": length,
			etag: '"1"',
			"x-token": request.headers["x-token"] ?? "",
			...(request.headers.range && {
				"content-range": `bytes ${from}-${to}/${size}`,
			}),
		});
		response.on("close", () => {
			taken.cut = !response.writableFinished;
		});
		if (request.method === "HEAD") return void response.end();
		const write = () => {
			while (taken.bytes < length) {
				const next = piece.subarray(0, length - taken.bytes);
				taken.bytes += next.length;
				if (!response.write(next)) return void response.once("drain", write);
			}
			response.end();
		};
		write();
	};
}

describe("a download after an entitlement check", () => {
	let taken: { bytes: number; cut: boolean };

	beforeEach(async () => {
		taken = { bytes: 0, cut: false };
		await start(sending(taken));
	});

	test("of 64 MB is held nowhere", async () => {
		const before = process.memoryUsage.rss();
		const response = await open("/f/a");
		assert.equal(response.statusCode, 200);
		assert.equal(response.headers["x-token"], "of /me");
		assert.equal(response.headers["sluice-complete"], "?1");
		assert.equal(response.headers["cache-control"], "no-cache");
		response.pause();
		await still(() => taken.bytes);
		assert.ok(taken.bytes < size / 2, `${taken.bytes} were taken`);
		const grown = process.memoryUsage.rss() - before;
		assert.ok(grown < 64 * 1024 ** 2, `memory grew by ${grown}`);
		let read = 0;
		response.on("data", (chunk: Buffer) => {
			read += chunk.length;
		});
		response.resume();
		await once(response, "end");
		assert.equal(read, size);
	});

	test("in part, by its head alone and under a condition is as the upstream has it", async () => {
		const part = await open("/f/a", { headers: { range: "bytes=5-9" } });
		part.resume();
		await once(part, "end");
		assert.equal(part.statusCode, 206);
		assert.equal(part.headers["content-range"], `bytes 5-9/${size}`);
		const head = await open("/f/a", { method: "HEAD" });
		assert.equal(head.headers["content-length"], String(size));
		assert.deepEqual(
			users.seen.map(({ method }) => method),
			["GET", "GET"],
		);
	});

	test("is cut at both ends if the client leaves in the middle", async () => {
		const response = await open("/f/a");
		response.destroy();
		response.on("error", () => {});
		while (!taken.cut) await pause(5);
		assert.ok(taken.bytes < size);
		while (gateway.ended.length === 0) await pause(5);
		assert.equal(gateway.ended[0]?.error?.code, "client_closed");
	});

	test("is not begun for who may not have it", async () => {
		entitled = Promise.resolve(403);
		const { status, json: document } = await gateway.get("/f/a");
		assert.equal(status, 502);
		assert.equal((document as { code: string }).code, "upstream_status");
		assert.equal(taken.bytes, 0);
	});
});

describe("an answer after steps", () => {
	test("with 304 stays one", async () => {
		await start((request, response) => {
			const known = request.headers["if-none-match"] === '"1"';
			response.writeHead(known ? 304 : 200, { etag: '"1"' }).end();
		});
		const headers = { "if-none-match": '"1"' };
		const answer = await gateway.get("/f/a", { headers });
		assert.equal(answer.status, 304);
		assert.equal(answer.headers["sluice-complete"], "?1");
		assert.equal(answer.headers["cache-control"], "no-cache");
	});

	test("that breaks off is cut, so that it does not look whole", async () => {
		await start((_, response) => {
			response.writeHead(200, { "content-length": 9 });
			response.write("some", () => response.destroy());
		});
		const response = await open("/f/a");
		response.resume();
		await assert.rejects(once(response, "end"));
		assert.equal(gateway.ended[0]?.error?.code, "upstream_invalid");
	});

	test("is a problem document if the upstream never begins it", async () => {
		await start(
			(request) => {
				request.socket.destroy();
			},
			{ to: "files/{rest*}" },
		);
		const { status, json: document } = await gateway.get("/f/a");
		assert.equal(status, 502);
		assert.equal((document as { code: string }).code, "upstream_unreachable");
	});
});

describe("an upload after a token was fetched", () => {
	let decide: (status: number) => void;
	let came: Promise<string>;

	beforeEach(async () => {
		const { promise, resolve } = Promise.withResolvers<number>();
		entitled = promise;
		decide = resolve;
		const body = Promise.withResolvers<string>();
		came = body.promise;
		await start(
			async (request, response) => {
				let text = "";
				for await (const chunk of request) text += chunk;
				body.resolve(text);
				response.end(`${text.length} of ${request.headers["x-token"]}`);
			},
			{ maxBody: "64MiB" },
		);
	});

	const expects = "expect: 100-continue";

	test("is asked for only when its steps let it pass", async () => {
		const asks = await client();
		asks.send(asking("PUT /f/a", ["content-length: 4", expects]));
		await users.arrived(1);
		let told = "";
		const hear = (chunk: Buffer) => {
			told += chunk;
		};
		asks.socket.on("data", hear);
		await pause(100);
		assert.equal(told, "");
		asks.socket.off("data", hear);
		decide(200);
		assert.equal((await asks.answer()).status, 100);
		asks.send("body");
		assert.equal((await asks.answer()).body, "4 of of /me");
	});

	test("is never asked for if its steps refuse it", async () => {
		for (const framing of [
			"content-length: 4",
			"content-length: 100000",
			"transfer-encoding: chunked",
		]) {
			const asks = await client();
			asks.send(asking("PUT /f/a", [framing, expects]));
			decide(403);
			const answer = await asks.answer();
			assert.equal(answer.status, 502);
			assert.equal(answer.headers["connection"], "close");
		}
	});

	test("that is sent anyway stands still until its steps have ended", async () => {
		let written = 0;
		const request = send(`${gateway.url}/f/a`, {
			method: "PUT",
			agent: false,
			headers: { "content-length": size },
		});
		const write = () => {
			while (written < size) {
				const next = piece.subarray(0, size - written);
				written += next.length;
				if (!request.write(next)) return void request.once("drain", write);
			}
			request.end();
		};
		const before = process.memoryUsage.rss();
		write();
		await still(() => written);
		assert.ok(written < size / 2, `${written} were written`);
		const grown = process.memoryUsage.rss() - before;
		assert.ok(grown < 64 * 1024 ** 2, `memory grew by ${grown}`);
		decide(200);
		assert.equal((await came).length, size);
		const [response] = await once(request, "response");
		response.resume();
		await once(response, "end");
	});

	test("stands still no longer than the deadline, and is then given up", async () => {
		const request = send(`${gateway.url}/f/a`, {
			method: "PUT",
			agent: false,
			headers: { "content-length": size },
		});
		request.on("error", () => {});
		request.write(piece);
		const [response] = await once(request, "response");
		// The upstream of the step has a timeout of two seconds.
		assert.equal(response.statusCode, 504);
		response.resume();
	});

	test("in chunks and of a few bytes passes as it is", async () => {
		decide(200);
		const asks = await client();
		asks.send(
			asking("POST /f/a", ["transfer-encoding: chunked"]),
			"3\r\nabc\r\n0\r\n\r\n",
		);
		assert.equal((await asks.answer()).body, "3 of of /me");
		const whole = await gateway.get("/f/a", { method: "POST", body: "abcd" });
		assert.equal(whole.text, "4 of of /me");
	});

	test("too long by its own word is refused before its steps run", async () => {
		const asks = await client();
		asks.send(asking("PUT /f/a", [`content-length: ${size + 1}`, expects]));
		assert.equal((await asks.answer()).status, 413);
		assert.equal(users.seen.length, 0);
	});
});

describe("what a request takes of an upstream and the gateway", () => {
	test("is taken only when it is passed on", async () => {
		const { promise, resolve } = Promise.withResolvers<number>();
		entitled = promise;
		await start(
			(_, response) => response.end("file"),
			{},
			{
				files: { streams: 1, connections: 1 },
			},
		);
		const answers = [gateway.get("/f/a")];
		await users.arrived(1);
		entitled = Promise.resolve(200);
		assert.equal((await gateway.get("/f/b")).text, "file");
		resolve(200);
		assert.equal((await answers[0])?.text, "file");
	});

	test("is one place for its steps, which a body that still comes gives back", async () => {
		const { promise, resolve } = Promise.withResolvers<number>();
		entitled = promise;
		await start(
			(request, response) => {
				request.resume().on("end", () => response.end("done"));
			},
			{},
			{ gateway: { overload: { requests: 1, waiting: 0 } } },
		);
		const slow = await client();
		slow.send(asking("PUT /f/a", ["content-length: 100000"]), "begin");
		await users.arrived(1);
		assert.equal((await gateway.get("/f/b")).status, 503);
		resolve(200);
		// It is passed on now, and waits for its client alone.
		let status = 503;
		while (status === 503) status = (await gateway.get("/f/b")).status;
		assert.equal(status, 200);
		slow.send("x".repeat(99_995));
		assert.equal((await slow.answer()).body, "done");
	});
});
