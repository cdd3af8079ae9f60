import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { streamOf } from "../../src/core/body/byte-stream.ts";
import { GatewayError } from "../../src/core/errors.ts";
import type {
	GatewayRequest,
	GatewayResponse,
} from "../../src/core/http/messages.ts";
import { Memory } from "../../src/core/memory.ts";
import {
	type Handle,
	listen,
	type Server,
	type ServerOptions,
} from "../../src/server/server.ts";
import {
	type Scope,
	type VirtualClock,
	virtualClock,
} from "../../src/tasks/index.ts";
import { serverDefaults } from "../kit/server-defaults.ts";
import { transportTls } from "../kit/transport.ts";
import { type Answer, asking, openClient, type TestClient } from "./client.ts";

const headerFieldsMax = 10;
const headerBytesMax = 1024;

/** A request under way, and the way to answer it. */
interface Handled {
	readonly request: GatewayRequest;
	readonly scope: Scope;
	readonly answer: (answer: Partial<GatewayResponse>) => void;
	readonly fail: (error: unknown) => void;
}

let stack: AsyncDisposableStack;
let clock: VirtualClock;
let server: Server;
let client: TestClient;
let internal: [error: unknown, id: string][];

const ok: GatewayResponse = { status: 200, headers: [], body: "ok" };

async function serve(
	handle: Handle,
	options: Partial<ServerOptions> = {},
): Promise<void> {
	server = await listen({
		...serverDefaults,
		host: "127.0.0.1",
		port: 0,
		clock,
		handle,
		healthPath: "/-/health",
		headerFieldsMax,
		headerBytesMax,
		onInternal: (error, id) => internal.push([error, id]),
		...options,
	});
	const opened = server;
	stack.defer(() => opened.close());
	client = await connected();
}

async function connected(): Promise<TestClient> {
	return stack.use(await openClient(server.port));
}

/** Serves with a handle that leaves every request to the test, which takes them in the order they came. */
async function serveByHand(
	options: Partial<ServerOptions> = {},
): Promise<() => Promise<Handled>> {
	const waiting: Handled[] = [];
	let wake = () => {};
	await serve((request, scope) => {
		return new Promise((resolve, reject) => {
			const answer = (changes: Partial<GatewayResponse>) =>
				resolve({ ...ok, ...changes });
			waiting.push({ request, scope, answer, fail: reject });
			wake();
		});
	}, options);
	return async () => {
		while (waiting.length === 0)
			await new Promise<void>((resolve) => (wake = resolve));
		return waiting.shift() as Handled;
	};
}

/** Whether a promise has been settled by now. */
function watched<T>(promise: Promise<T>) {
	const watch = { promise, over: false };
	void promise.then(() => {
		watch.over = true;
	});
	return watch;
}

function cancelled(scope: Scope): Promise<unknown> {
	return new Promise((resolve) => scope.onCancel(resolve));
}

async function ask(
	line: string,
	headers: string[] = [],
	body = "",
): Promise<Answer> {
	client.send(asking(line, headers, body));
	return client.answer(line.startsWith("HEAD") ? "HEAD" : undefined);
}

function isProblem(answer: Answer, status: number, code: string): void {
	assert.equal(answer.status, status);
	assert.equal(answer.headers["content-type"], "application/problem+json");
	assert.equal(answer.headers["cache-control"], "no-store");
	const problem = JSON.parse(answer.body);
	assert.equal(problem.code, code);
	assert.equal(problem.status, status);
	assert.equal(problem.instance, answer.headers["x-request-id"]);
	assert.ok(answer.headers.date);
}

beforeEach(() => {
	stack = new AsyncDisposableStack();
	clock = virtualClock();
	internal = [];
});

afterEach(async () => {
	await stack.disposeAsync();
	assert.equal(clock.pending, 0, "a timer was left");
});

describe("listening", () => {
	test("says where, with the port that was free", async () => {
		await serve(async () => ok);
		assert.equal(server.host, "127.0.0.1");
		const scheme = transportTls === null ? "http" : "https";
		assert.equal(server.url, `${scheme}://127.0.0.1:${server.port}`);
		assert.ok(server.port > 0);
	});

	test("fails with the system's error where the port is taken", async () => {
		await serve(async () => ok);
		await assert.rejects(
			listen({
				...serverDefaults,
				host: "127.0.0.1",
				port: server.port,
				clock,
				handle: async () => ok,
				healthPath: null,
				headerFieldsMax,
				headerBytesMax,
			}),
			{ code: "EADDRINUSE" },
		);
	});
});

describe("a request", () => {
	test("is handed over as it came, with the time of its arrival", async () => {
		const next = await serveByHand();
		await clock.advance(123);
		client.send(asking("GET /weather?city=%D0%9C", ["X-A: 1", "x-a: 2"]));
		const { request, answer } = await next();
		assert.equal(request.method, "GET");
		assert.equal(request.target, "/weather?city=%D0%9C");
		assert.deepEqual(request.headers, [
			"host",
			"gateway",
			"X-A",
			"1",
			"x-a",
			"2",
		]);
		assert.equal(request.ip, "127.0.0.1");
		assert.equal(request.arrivedMs, 123);
		assert.equal((await request.readBody(0)).length, 0);
		answer({});
		await client.answer();
	});

	test("may name the server in its target", async () => {
		await serve(async ({ target }) => ({ ...ok, body: target }));
		for (const [target, seen] of [
			["http://gateway/a?b", "/a?b"],
			["HTTP://gateway:80", "/"],
			["http://gateway?b", "/?b"],
			["//gateway/a", "//gateway/a"],
		]) {
			assert.equal((await ask(`GET ${target}`)).body, seen);
		}
	});

	test("keeps the client's id where it is one, and gets its own where not", async () => {
		await serve(async ({ id }) => ({ ...ok, body: id }));
		const given = async (...ids: string[]) => {
			const { headers, body } = await ask(
				"GET /",
				ids.map((id) => `x-request-id: ${id}`),
			);
			assert.equal(headers["x-request-id"], body);
			return body;
		};
		for (const id of ["a", "A-b_c.9", "x".repeat(64)])
			assert.equal(await given(id), id);
		for (const id of ["", "x".repeat(65), "a b", "a,b", "ä", 'a"b'])
			assert.match(await given(id), /^[0-9a-f-]{36}$/);
		assert.match(await given("a", "b"), /^[0-9a-f-]{36}$/);
		assert.notEqual(await given(), await given());
	});

	test("needs a Host, and only one, unless it is of HTTP/1.0", async () => {
		await serve(async () => ok);
		isProblem(await ask("GET /", ["host: other"]), 400, "request_invalid");
		client = await connected();
		client.send("GET / HTTP/1.1\r\n\r\n");
		isProblem(await client.answer(), 400, "request_invalid");
		client = await connected();
		client.send("GET / HTTP/1.0\r\n\r\n");
		assert.equal((await client.answer()).status, 200);
		assert.equal(await client.gone(), "");
	});

	test("with a target that is no path is refused", async () => {
		await serve(async () => ok);
		isProblem(await ask("GET *"), 400, "request_invalid");
	});

	test("for the options of the server is answered 204, and asks nobody", async () => {
		await serve(async () => assert.fail("asked"));
		for (const target of ["*", "http://gateway"]) {
			const { status, body, headers } = await ask(`OPTIONS ${target}`);
			assert.deepEqual([status, body], [204, ""]);
			assert.equal(headers["content-length"], undefined);
		}
	});

	test("with an expectation other than to continue is refused", async () => {
		await serve(async () => ok);
		isProblem(await ask("GET /", ["expect: miracles"]), 417, "request_invalid");
	});

	test("that waits to be told to continue is told", async () => {
		await serve(async (request) => ({
			...ok,
			body: await request.readBody(10),
		}));
		client.send(
			asking("POST /", ["expect: 100-continue", "content-length: 4"]),
		);
		assert.equal((await client.answer()).status, 100);
		client.send("body");
		assert.equal((await client.answer()).body, "body");
	});

	test("to be a proxy is refused", async () => {
		await serve(async () => ok);
		client.send(
			"CONNECT elsewhere:443 HTTP/1.1\r\nhost: elsewhere:443\r\n\r\n",
		);
		const answer = await client.answer();
		isProblem(answer, 405, "method_not_allowed");
		assert.equal(answer.headers["allow"], "");
		client.socket.end();
		await client.gone();
	});

	test("to be a proxy may end in a reset", async () => {
		await serve(async () => ok);
		client.send(
			"CONNECT elsewhere:443 HTTP/1.1\r\nhost: elsewhere:443\r\n\r\n",
		);
		await client.answer();
		client.reset();
		client = await connected();
		assert.equal((await ask("GET /")).status, 200);
	});

	test("to upgrade is taken as if it did not ask", async () => {
		await serve(async () => ok);
		assert.equal(
			(await ask("GET /", ["connection: upgrade", "upgrade: websocket"]))
				.status,
			200,
		);
	});
});

describe("an answer", () => {
	test("goes out with its headers, its length, the id and the date", async () => {
		await serve(async () => ({
			status: 201,
			headers: ["Set-Cookie", "a", "X-B", "1"],
			body: "облачно",
		}));
		const { status, headers, body } = await ask("GET /");
		assert.equal(status, 201);
		assert.equal(body, "облачно");
		assert.equal(headers["content-length"], "14");
		assert.equal(headers["set-cookie"], "a");
		assert.equal(headers["x-b"], "1");
		assert.ok(headers.date);
		assert.ok(headers["x-request-id"]);
	});

	test("may be bytes", async () => {
		await serve(async () => ({ ...ok, body: Buffer.from("bytes") }));
		assert.equal((await ask("GET /")).body, "bytes");
	});

	test("repeats a header that stands in it twice", async () => {
		await serve(async () => ({
			...ok,
			headers: ["set-cookie", "a", "set-cookie", "b"],
		}));
		client.send(asking("GET /", ["connection: close"]));
		assert.match(await client.gone(), /set-cookie: a\r\nset-cookie: b\r\n/);
	});

	test("has its framing from the server alone", async () => {
		const headers = [
			"Content-Length",
			"1",
			"Transfer-Encoding",
			"chunked",
			"Connection",
			"close",
			"Keep-Alive",
			"x",
			"Proxy-Connection",
			"keep-alive",
			"Trailer",
			"x",
			"Upgrade",
			"x",
			"X-Request-Id",
			"forged",
		];
		await serve(async () => ({ ...ok, headers }));
		const answer = await ask("GET /", ["x-request-id: mine"]);
		assert.equal(answer.headers["content-length"], "2");
		assert.equal(answer.headers["transfer-encoding"], undefined);
		assert.equal(answer.headers["x-request-id"], "mine");
		assert.equal(answer.headers.connection, "keep-alive");
		for (const name of ["proxy-connection", "trailer", "upgrade"]) {
			assert.equal(answer.headers[name], undefined, name);
		}
	});

	test("without a body has a length of 0, or none where the status has no body", async () => {
		await serve(async ({ target }) => ({
			status: Number(target.slice(1)),
			headers: [],
			body: target === "/304" ? "dropped" : null,
		}));
		assert.equal((await ask("GET /200")).headers["content-length"], "0");
		assert.equal((await ask("GET /204")).headers["content-length"], undefined);
		assert.equal((await ask("GET /304")).headers["content-length"], undefined);
		assert.equal((await ask("GET /200")).body, "");
	});

	test("with 205 has no content, of a length of 0", async () => {
		for (const body of ["dropped", streamOf(new Uint8Array(3))]) {
			await serve(async () => ({ ...ok, status: 205, body }));
			const answer = await ask("GET /");
			assert.deepEqual(
				[answer.status, answer.headers["content-length"], answer.body],
				[205, "0", ""],
			);
		}
	});

	test("leaves a body that is not sent", async () => {
		let left = 0;
		const body = {
			length: 3,
			[Symbol.asyncIterator]: () => ({
				next: () => assert.fail("it is read"),
				return: async () => {
					left++;
					return { done: true as const, value: undefined };
				},
			}),
		};
		await serve(async ({ target }) => {
			return { ...ok, status: Number(target.slice(1)), body };
		});
		const requests = ["HEAD /200", "GET /204", "GET /205", "GET /304"];
		for (const request of requests) await ask(request);
		assert.equal(left, requests.length);
	});

	test("to HEAD has the headers of the one to GET and no body", async () => {
		await serve(async ({ target }) => {
			if (target === "/fails") throw new GatewayError("step_failed", "x");
			return { ...ok, headers: ["x-a", "1"] };
		});
		for (const path of ["/", "/fails", "/-/health"]) {
			const id = ["x-request-id: same"];
			const get = await ask(`GET ${path}`, id);
			const head = await ask(`HEAD ${path}`, id);
			assert.deepEqual(
				{ ...head.headers, date: "" },
				{ ...get.headers, date: "" },
			);
			assert.equal(head.status, get.status);
			assert.equal(head.body, "");
		}
	});

	test("is a problem document where an error was thrown", async () => {
		await serve(async () => {
			throw new GatewayError("method_not_allowed", "not for clients", {
				allow: ["GET", "HEAD"],
			});
		});
		const answer = await ask("POST /");
		isProblem(answer, 405, "method_not_allowed");
		assert.equal(answer.headers.allow, "GET, HEAD");
		assert.doesNotMatch(answer.body, /not for clients/);
		assert.deepEqual(internal, []);
	});

	test("hides what was thrown by mistake, which is told to the operator with the request's id", async () => {
		const mistake = new TypeError("secret");
		await serve(async () => {
			throw mistake;
		});
		const answer = await ask("GET /");
		isProblem(answer, 500, "internal");
		assert.doesNotMatch(JSON.stringify(answer), /secret/);
		assert.deepEqual(internal, [[mistake, answer.headers["x-request-id"]]]);
	});

	test("that cannot be written is a mistake too", async () => {
		for (const headers of [
			["x", "a\r\nb: c"],
			["x", "\u{1f4a5}"],
			["x y", "a"],
			["", "a"],
		]) {
			await serve(async () => ({ ...ok, headers }));
			isProblem(await ask("GET /"), 500, "internal");
			assert.equal(internal.length, 1);
			internal = [];
		}
	});

	test("that breaks in the middle of being written closes the connection", async () => {
		const body = { is: "neither text nor bytes" } as unknown as string;
		await serve(async () => ({ ...ok, body }));
		client.send(asking("GET /"));
		await client.gone();
		assert.equal(internal.length, 1);
	});

	test("leaves the connection to the next request", async () => {
		await serve(async ({ target }) => ({ ...ok, body: target }));
		for (const path of ["/1", "/2", "/3"])
			assert.equal((await ask(`GET ${path}`)).body, path);
	});

	test("goes out before the next request of its connection is carried out", async () => {
		const next = await serveByHand();
		client.send(asking("GET /1"), asking("GET /2"), asking("GET /3"));
		for (const path of ["/1", "/2", "/3"]) {
			const { request, answer } = await next();
			assert.equal(request.target, path);
			answer({ body: path });
			assert.equal((await client.answer()).body, path);
		}
	});

	test("that its client does not read is the last that is made for it, however many are asked for", async () => {
		const next = await serveByHand();
		client.socket.pause();
		client.send(asking("GET /").repeat(16));
		const body = Buffer.alloc(20_000_000);
		let other = await connected();
		const { scope, answer } = await next();
		answer({ body });
		// If another of its requests were carried out, it would come before this one.
		other.send(asking("GET /other"));
		const { request, answer: answerOther } = await next();
		assert.equal(request.target, "/other");
		answerOther({});
		await other.answer();
		other = await connected();
		other.send(asking("GET /third"));
		(await next()).answer({});
		await other.answer();
		const reason = cancelled(scope);
		client.socket.destroy();
		assert.equal(((await reason) as GatewayError).code, "client_closed");
	});

	test("that is short does not wait to be read before the next is made", async () => {
		const next = await serveByHand();
		client.socket.pause();
		client.send(asking("GET /").repeat(16));
		for (let count = 0; count < 16; count++) (await next()).answer({});
		client.socket.resume();
		for (let count = 0; count < 16; count++) {
			assert.equal((await client.answer()).status, 200);
		}
	});

	test("leaves nobody listening and its scope closed", async () => {
		const next = await serveByHand();
		client.send(asking("GET /"));
		const { scope, answer } = await next();
		scope.onCancel(() => assert.fail("was cancelled"))();
		answer({});
		await client.answer();
		client.socket.destroy();
		await server.close();
		assert.equal(scope.cancelled, false);
		assert.equal(scope.listeners, 0);
	});
});

describe("requests sent without waiting for answers", () => {
	for (const count of [15, 16]) {
		test(`are taken, ${count} of them`, async () => {
			const next = await serveByHand();
			client.send(asking("GET /").repeat(count));
			await answerAll(next, count);
			for (let each = 0; each < count; each++) {
				assert.equal((await client.answer()).status, 200);
			}
			assert.equal((await askByHand(next)).status, 200);
		});
	}

	for (const count of [17, 18, 1000]) {
		test(`are refused from the 17th on, and nothing after it is looked at: ${count}`, async () => {
			const next = await serveByHand();
			client.send(asking("GET /").repeat(count));
			const handled = await answerAll(next, 16);
			for (let each = 0; each < 16; each++) {
				assert.equal((await client.answer()).status, 200);
			}
			const refused = await client.answer();
			isProblem(refused, 429, "too_many_requests");
			assert.equal(refused.headers.connection, "close");
			assert.equal(await client.gone(), "");
			assert.ok(handled.every(({ scope }) => scope.listeners === 0));
		});
	}

	test("are not read any further while their answers are waited for", async () => {
		const next = await serveByHand();
		client.send(asking("GET /").repeat(17));
		const first = await next();
		const flood = asking("GET /", [`x: ${"y".repeat(900)}`]).repeat(64);
		// As much as the system itself takes in between, and not more.
		let written = 0;
		while (client.socket.writableLength < 10_000_000 && written < 1e8) {
			client.send(flood);
			written += flood.length;
			await new Promise((resolve) => setImmediate(resolve));
		}
		assert.ok(client.socket.writableLength >= 10_000_000, "all was read");
		first.answer({});
		await answerAll(next, 15);
		for (let each = 0; each < 16; each++) {
			assert.equal((await client.answer()).status, 200);
		}
		client.socket.destroy();
	});

	async function answerAll(next: () => Promise<Handled>, count: number) {
		const handled: Handled[] = [];
		while (handled.length < count) {
			const one = await next();
			one.answer({});
			handled.push(one);
		}
		return handled;
	}

	async function askByHand(next: () => Promise<Handled>): Promise<Answer> {
		client.send(asking("GET /"));
		(await next()).answer({});
		return client.answer();
	}
});

describe("what is no request", () => {
	const cases: Record<string, readonly [text: string, status: number]> = {
		"another protocol": ["secret\r\n\r\n", 400],
		"a header without a name": [asking("GET /", [": x"]), 400],
		"a header with a space before its colon": [asking("GET /", ["x : y"]), 400],
		"a folded header": [asking("GET /", ["x: y\r\n z"]), 400],
		"a line break alone": ["GET / HTTP/1.1\nhost: a\nx: y\n\n", 400],
		"a length and chunks": [
			asking("POST /", ["content-length: 1", "transfer-encoding: chunked"]),
			400,
		],
		"two lengths": [
			asking("POST /", ["content-length: 1", "content-length: 2"]),
			400,
		],
		"a length that is no number": [
			asking("POST /", ["content-length: 1x"]),
			400,
		],
		"chunks coded again": [
			asking("POST /", ["transfer-encoding: chunked, gzip"]),
			400,
		],
		"headers without end": [asking("GET /", [`x: ${"y".repeat(5000)}`]), 431],
		"a target without end": [`GET /${"x".repeat(5000)}`, 431],
	};
	for (const [name, [text, status]] of Object.entries(cases)) {
		test(`is answered with a problem and closed: ${name}`, async () => {
			await serve(async () => assert.fail("was handled"));
			client.send(text);
			const answer = await client.answer();
			isProblem(answer, status, "request_invalid");
			assert.equal(answer.headers.connection, "close");
			assert.match(answer.headers["x-request-id"] ?? "", /^[0-9a-f-]{36}$/);
			assert.doesNotMatch(answer.body, /secret/);
			client.socket.end();
			assert.equal(await client.gone(), "");
		});
	}

	test("is closed even where the client does not", async () => {
		await serve(async () => ok);
		client.socket.allowHalfOpen = true;
		client.send("nonsense\r\n\r\n");
		await client.answer();
		client.send("more nonsense");
		await clock.advance(2000);
		// The first text after a close is answered by a reset, and the second one fails.
		while (!client.socket.closed) {
			client.send("still more");
			await clock.advance(0);
		}
	});

	test("does not keep the requests before it from being answered", async () => {
		const next = await serveByHand();
		client.send(asking("GET /1"), asking("GET /2"), "nonsense\r\n\r\n");
		(await next()).answer({ body: "1" });
		(await next()).answer({ body: "2" });
		assert.equal((await client.answer()).body, "1");
		assert.equal((await client.answer()).body, "2");
		assert.equal(await client.gone(), "");
	});

	test("in the middle of a body fails whoever reads it, and is answered as the client's fault", async () => {
		await serve(async (request) => ({
			...ok,
			body: await request.readBody(100),
		}));
		const answer = await ask(
			"POST /",
			["transfer-encoding: chunked", "x-request-id: mine"],
			"2\r\nab\r\nnonsense\r\n",
		);
		isProblem(answer, 400, "request_invalid");
		assert.equal(answer.headers["x-request-id"], "mine");
		assert.equal(answer.headers.connection, "close");
		assert.equal(await client.gone(), "");
	});

	test("in the middle of a body nobody reads does not spoil the answer", async () => {
		const next = await serveByHand();
		client.send(
			asking("POST /", ["transfer-encoding: chunked"]),
			"2\r\nab\r\nnonsense\r\n",
		);
		(await next()).answer({});
		assert.equal((await client.answer()).body, "ok");
		assert.equal(await client.gone(), "");
	});
});

describe("the bounds on headers", () => {
	test("hold for the number of fields", async () => {
		await serve(async ({ headers }) => ({
			...ok,
			body: String(headers.length / 2),
		}));
		// Host is one of them.
		const fields = (count: number) =>
			Array.from({ length: count - 1 }, (_, at) => `x-${at}: y`);
		for (const count of [headerFieldsMax - 1, headerFieldsMax]) {
			assert.equal((await ask("GET /", fields(count))).body, String(count));
		}
		isProblem(
			await ask("GET /", fields(headerFieldsMax + 1)),
			431,
			"request_invalid",
		);
		client = await connected();
		isProblem(
			await ask("GET /", fields(headerFieldsMax + 20)),
			431,
			"request_invalid",
		);
	});

	test("hold for their length, with the target's", async () => {
		await serve(async () => ok);
		const taken = "/".length + "hostgateway".length + "x".length;
		const filled = (length: number) => [`x: ${"y".repeat(length - taken)}`];
		for (const length of [headerBytesMax - 1, headerBytesMax]) {
			assert.equal((await ask("GET /", filled(length))).status, 200);
		}
		isProblem(
			await ask("GET /", filled(headerBytesMax + 1)),
			431,
			"request_invalid",
		);
	});
});

describe("a body", () => {
	const readTen: Handle = async (request) => ({
		...ok,
		body: await request.readBody(10),
	});
	const chunked = (body: string) =>
		`${body.replace(/.{1,3}/g, (part) => `${part.length.toString(16)}\r\n${part}\r\n`)}0\r\n\r\n`;

	test("is read up to its bound, announced or not", async () => {
		await serve(readTen);
		for (const length of [0, 1, 9, 10]) {
			const body = "x".repeat(length);
			assert.equal(
				(await ask("POST /", [`content-length: ${length}`], body)).body,
				body,
			);
			assert.equal(
				(await ask("POST /", ["transfer-encoding: chunked"], chunked(body)))
					.body,
				body,
			);
		}
	});

	test("that is announced as too large is refused before it comes, and let in where it is small", async () => {
		await serve(readTen);
		client.send(asking("POST /", ["content-length: 11"]));
		isProblem(await client.answer(), 413, "request_too_large");
		client.send("x".repeat(11));
		assert.equal((await ask("POST /", ["content-length: 2"], "ok")).body, "ok");
	});

	test("that is announced as far too large is refused before it comes, and closes the connection", async () => {
		await serve(readTen);
		client.send(asking("POST /", ["content-length: 1000000"]));
		const answer = await client.answer();
		isProblem(answer, 413, "request_too_large");
		assert.equal(answer.headers.connection, "close");
		assert.equal(clock.pending, 1, "the client gets no time to read");
		await clock.advance(2000);
		assert.equal(await client.gone(), "");
	});

	test("that proves too large is refused as soon as it is known, and closes the connection", async () => {
		await serve(readTen);
		client.send(
			asking("POST /", ["transfer-encoding: chunked"]),
			"b\r\nxxxxxxxxxxx\r\n",
		);
		const answer = await client.answer();
		isProblem(answer, 413, "request_too_large");
		assert.equal(answer.headers.connection, "close");
		client.send("0\r\n\r\n");
		assert.equal(await client.gone(), "");
	});

	test("that proves too large when all of it is there does not block the connection", async () => {
		await serve(readTen);
		isProblem(
			await ask(
				"POST /",
				["transfer-encoding: chunked"],
				chunked("x".repeat(11)),
			),
			413,
			"request_too_large",
		);
		// It is answered, or its connection has ended.
		const next = ask("POST /", ["content-length: 2"], "ok");
		await next.catch(() => client.gone());
	});

	test("of which a part was passed on when its answer was ready makes that answer its connection's last", async () => {
		await serve(async (request) => {
			for await (const piece of request.streamBody() ?? []) {
				return { ...ok, body: piece };
			}
			return ok;
		});
		client.send(asking("POST /", ["content-length: 20"]), "some");
		const answer = await client.answer();
		assert.equal(answer.body, "some");
		assert.equal(answer.headers.connection, "close");
		assert.equal(await client.gone(), "");
	});

	test("does not have to end for its refusal to be read", async () => {
		await serve(readTen);
		client.send(asking("POST /", ["content-length: 1000000000000"]));
		const more = (): void =>
			void client.socket.write("x".repeat(10_000), (error) => error || more());
		more();
		isProblem(await client.answer(), 413, "request_too_large");
		await client.gone();
	});

	test("that nobody reads does not hang the connection", async () => {
		await serve(async () => ok);
		for (const body of ["", "x", "x".repeat(64 * 1024)]) {
			assert.equal(
				(await ask("POST /", [`content-length: ${body.length}`], body)).body,
				"ok",
			);
		}
		const answer = await ask("POST /", ["content-length: 65537"], "x");
		assert.equal(answer.body, "ok");
		assert.equal(answer.headers.connection, "close");
		await clock.advance(2000);
		await client.gone();
	});

	test("that was too long to be waited for ends the connection: what follows is not handled", async () => {
		const targets: string[] = [];
		await serve(async ({ target }) => {
			targets.push(target);
			return ok;
		});
		client.send(
			asking("POST /1", ["content-length: 70000"], "x".repeat(70_000)),
			asking("GET /2"),
		);
		const answer = await client.answer();
		assert.equal(answer.headers.connection, "close");
		client.socket.end();
		assert.equal(await client.gone(), "");
		assert.deepEqual(targets, ["/1"]);
	});

	test("fails with client_closed where the client leaves in the middle", async () => {
		const next = await serveByHand();
		client.send(asking("POST /", ["content-length: 9"]), "some");
		const { request, scope } = await next();
		const body = request.readBody(10);
		client.socket.destroy();
		await assert.rejects(body, { code: "client_closed" });
		assert.equal(scope.listeners, 0);
	});

	test("fails with client_closed where the client ends in the middle", async () => {
		const next = await serveByHand();
		client.send(
			asking("POST /", ["transfer-encoding: chunked"]),
			"4\r\nsome\r\n",
		);
		const { request } = await next();
		const body = request.readBody(10);
		client.socket.end();
		await assert.rejects(body, { code: "client_closed" });
	});

	test("is read once", async () => {
		const next = await serveByHand();
		client.send(asking("POST /", ["content-length: 2"]), "ok");
		const { request, answer } = await next();
		await request.readBody(10);
		await assert.rejects(request.readBody(10), TypeError);
		answer({});
		await client.answer();
	});

	test("leaves nobody listening when it has been read", async () => {
		const next = await serveByHand();
		client.send(asking("POST /", ["content-length: 2"]), "ok");
		const { request, scope, answer } = await next();
		await request.readBody(10);
		assert.equal(scope.listeners, 0);
		answer({});
		await client.answer();
	});
});

describe("a client that leaves", () => {
	test("cancels its request, and nobody else's", async () => {
		const next = await serveByHand();
		client.send(asking("GET /leaves"));
		const leaver = await next();
		const other = await connected();
		other.send(asking("GET /stays"));
		const stayer = await next();
		const reason = cancelled(leaver.scope);
		client.socket.destroy();
		assert.equal(((await reason) as GatewayError).code, "client_closed");
		assert.equal(leaver.scope.listeners, 0);
		assert.equal(stayer.scope.cancelled, false);
		leaver.fail(leaver.scope.reason);
		stayer.answer({});
		assert.equal((await other.answer()).status, 200);
	});

	test("cancels all the requests it had sent, answered or not", async () => {
		const next = await serveByHand();
		client.socket.pause();
		client.send(asking("GET /1"), asking("GET /2"), asking("GET /3"));
		const first = await next();
		first.answer({ body: "x".repeat(50_000) });
		const second = await next();
		const left = cancelled(second.scope);
		client.reset();
		assert.equal(((await left) as GatewayError).code, "client_closed");
		assert.equal(second.scope.listeners, 0);
		second.answer({});
	});

	test("in the middle of a long answer cancels its request", async () => {
		const next = await serveByHand();
		client.socket.pause();
		client.send(asking("GET /"));
		const { scope, answer } = await next();
		const reason = cancelled(scope);
		answer({ body: "x".repeat(50_000_000) });
		client.socket.destroy();
		assert.equal(((await reason) as GatewayError).code, "client_closed");
	});

	test("half-way, having said all it had to say, has left too", async () => {
		const next = await serveByHand();
		client.send(asking("GET /"));
		const { scope, answer } = await next();
		const reason = cancelled(scope);
		client.socket.end();
		assert.equal(((await reason) as GatewayError).code, "client_closed");
		answer({});
		assert.equal(await client.gone(), "");
	});

	test("does not hide a mistake of the handle", async () => {
		const next = await serveByHand();
		client.send(asking("GET /"));
		const { scope, fail } = await next();
		const reason = cancelled(scope);
		client.socket.destroy();
		await reason;
		const told = new Promise<void>((resolve) => {
			internal.push = (...items) => (resolve(), items.length);
		});
		fail(new TypeError("a mistake"));
		await told;
	});
});

describe("health", () => {
	test("is answered by the server itself", async () => {
		await serve(async ({ target }) => ({ ...ok, body: target }));
		const { status, headers, body } = await ask("GET /-/health");
		assert.equal(status, 200);
		assert.equal(headers["cache-control"], "no-store");
		assert.deepEqual(JSON.parse(body), { status: "ok" });
		assert.equal((await ask("GET /-/health?probe=1")).body, body);
		assert.equal((await ask("GET /-/healthy")).body, "/-/healthy");
	});

	test("is nowhere where it has no path", async () => {
		await serve(async () => ok, { healthPath: null });
		assert.equal((await ask("GET /-/health")).body, "ok");
	});

	test("is only for reading", async () => {
		await serve(async () => ok);
		const answer = await ask("POST /-/health");
		isProblem(answer, 405, "method_not_allowed");
		assert.equal(answer.headers.allow, "GET, HEAD");
	});
});

test("requests that the server refuses itself are told, with their ids", async () => {
	const told: string[] = [];
	await serve(async () => ok, {
		onRefused: ({ code, message }, id) => told.push(`${code}|${message}|${id}`),
	});
	await ask("GET /-/health");
	const refused = await ask("GET /", ["expect: more"]);
	const raw = await connected();
	raw.send("no request\r\n\r\n");
	const other = await raw.answer();
	assert.deepEqual(told.length, 2);
	const ids = [refused, other].map(({ headers }) => headers["x-request-id"]);
	assert.equal(
		told[0],
		`request_invalid|headers.expect: is not \`100-continue\`|${ids[0]}`,
	);
	assert.equal(told[1]?.split("|").at(-1), ids[1]);
	await raw.gone();
});

describe("draining", () => {
	test("lets what runs finish, and announces the end of its connection", async () => {
		const next = await serveByHand();
		client.send(asking("GET /"));
		const { answer } = await next();
		const drained = server.drain(1000);
		answer({ body: "finished" });
		const finished = await client.answer();
		assert.equal(finished.body, "finished");
		assert.equal(finished.headers.connection, "close");
		assert.equal(await drained, true);
		assert.equal(await client.gone(), "");
	});

	test("lets all requests of a connection finish, in order", async () => {
		const next = await serveByHand();
		client.send(asking("GET /1"), asking("GET /2"));
		const first = await next();
		const drained = server.drain(1000);
		first.answer({ body: "1" });
		(await next()).answer({ body: "2" });
		assert.equal((await client.answer()).body, "1");
		assert.equal((await client.answer()).body, "2");
		assert.equal(await drained, true);
		await client.gone();
	});

	test("accepts nobody new, and closes the connections at rest", async () => {
		const next = await serveByHand();
		client.send(asking("GET /"));
		const { answer } = await next();
		const atRest = await connected();
		atRest.send(asking("GET /"));
		(await next()).answer({});
		await atRest.answer();
		const drained = server.drain(1000);
		await atRest.gone();
		await assert.rejects(connected(), { code: "ECONNREFUSED" });
		answer({});
		assert.equal(await drained, true);
	});

	test("answers new requests over open connections with 503, health too", async () => {
		const next = await serveByHand();
		client.send(asking("GET /"));
		const { answer } = await next();
		const late = [await connected(), await connected()];
		for (const each of late) {
			each.send(asking("GET /"), "GET ");
			(await next()).answer({});
			await each.answer();
		}
		const drained = server.drain(1000);
		for (const [at, path] of ["/late", "/-/health"].entries()) {
			late[at]?.send(`${path} HTTP/1.1\r\nhost: a\r\n\r\n`);
			const refused = await late[at]?.answer();
			assert.ok(refused);
			isProblem(refused, 503, "gateway_draining");
			assert.equal(refused.headers.connection, "close");
			assert.equal(refused.headers["retry-after"], "1");
			assert.equal(await late[at]?.gone(), "");
		}
		answer({});
		assert.equal(await drained, true);
	});

	test("fails the health check first, and takes requests for the delay", async () => {
		await serve(async ({ target }) => ({ ...ok, body: target }));
		const before = await connected();
		const drained = server.drain(1000, 5000);
		await clock.advance(4999);
		before.send(asking("GET /kept"));
		const kept = await before.answer();
		assert.equal(kept.body, "/kept");
		assert.equal(kept.headers.connection, "close");
		await before.gone();
		const later = await connected();
		later.send(asking("GET /new"));
		assert.equal((await later.answer()).body, "/new");
		await later.gone();
		const prober = await connected();
		prober.send(asking("GET /-/health"));
		isProblem(await prober.answer(), 503, "gateway_draining");
		await prober.gone();
		await clock.advance(1);
		assert.equal(await drained, true);
		await assert.rejects(connected(), { code: "ECONNREFUSED" });
		await client.gone();
	});

	test("tells its requests when it takes no more, after the delay", async () => {
		const next = await serveByHand();
		client.send(asking("GET /"));
		const { request, answer } = await next();
		const told: string[] = [];
		request.onDrain?.(() => told.push("kept"));
		request.onDrain?.(() => told.push("removed"))();
		const drained = server.drain(1000, 5000);
		await clock.advance(4999);
		assert.equal(told.join(), "");
		await clock.advance(1);
		assert.equal(told.join(), "kept");
		await assert.rejects(connected(), { code: "ECONNREFUSED" });
		request.onDrain?.(() => told.push("late"));
		assert.equal(told.join(), "kept,late");
		answer({});
		assert.equal(await drained, true);
		await client.answer();
	});

	test("does not wait for the delay when the server is closed meanwhile", async () => {
		await serve(async () => ok);
		const drained = server.drain(1000, 5000);
		await server.close();
		assert.equal(await drained, false);
		assert.equal(clock.pending, 0);
		await client.gone();
	});

	test("cuts what is not finished in time", async () => {
		const next = await serveByHand();
		client.send(asking("GET /"));
		const { scope } = await next();
		const reason = cancelled(scope);
		const drained = server.drain(1000);
		await clock.advance(999);
		assert.equal(scope.cancelled, false);
		await clock.advance(1);
		assert.equal(((await reason) as GatewayError).code, "gateway_draining");
		assert.equal(await drained, false);
		await client.gone();
		assert.equal(scope.listeners, 0);
	});

	test("waits for requests that go on after their client has left", async () => {
		const memory = new Memory();
		const next = await serveByHand({ memory });
		client.send(asking("GET /"));
		const { scope, answer } = await next();
		const left = cancelled(scope);
		client.socket.destroy();
		await left;
		const drained = watched(server.drain(1000));
		await clock.advance(999);
		assert.equal(drained.over, false);
		assert.ok(memory.held > 0);
		answer({});
		assert.equal(await drained.promise, true);
		assert.equal(memory.held, 0);
	});

	test("waits for what goes on after an answer, and the connection does not", async () => {
		const memory = new Memory();
		const next = await serveByHand({ memory });
		client.send(asking("GET /"), asking("GET /"));
		const { promise: ongoing, resolve: end } = Promise.withResolvers<void>();
		const { answer } = await next();
		answer({ ongoing });
		await client.answer();
		const second = await next();
		second.answer({});
		await client.answer();
		const drained = watched(server.drain(1000));
		await client.gone();
		assert.equal(drained.over, false);
		assert.ok(memory.held > 0);
		end();
		assert.equal(await drained.promise, true);
		assert.equal(memory.held, 0);
	});

	test("does not call finished what goes on after its time", async () => {
		const next = await serveByHand();
		client.send(asking("GET /"));
		const { answer } = await next();
		answer({ ongoing: new Promise(() => {}) });
		await client.answer();
		const drained = server.drain(1000);
		await clock.advance(1000);
		assert.equal(await drained, false);
		await client.gone();
	});

	test("is done at once where nothing runs, and only once", async () => {
		await serve(async () => ok);
		const drained = server.drain(1000);
		assert.equal(await server.drain(0), true);
		assert.equal(await drained, true);
		await client.gone();
		await server.close();
	});

	test("ends at once when the server is closed meanwhile", async () => {
		const next = await serveByHand();
		client.send(asking("GET /"));
		await next();
		const drained = server.drain(1000);
		await server.close();
		assert.equal(await drained, false);
		await client.gone();
	});
});

test("closing cuts what runs at once, and may be repeated", async () => {
	const next = await serveByHand();
	client.send(asking("GET /"));
	const { scope } = await next();
	await Promise.all([server.close(), server.close()]);
	assert.equal((scope.reason as GatewayError).code, "gateway_draining");
	await client.gone();
	await server.close();
});
