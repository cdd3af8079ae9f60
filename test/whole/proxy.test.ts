import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { type Canary, startCanary } from "../kit/canary.ts";
import { type OpenRequest, openRequest } from "../kit/open-request.ts";
import { problemsOf } from "../kit/problems.ts";
import { type RequestOptions, request as send } from "../kit/request.ts";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { connectTo, only, transport } from "../kit/transport.ts";
import { type RealUpstream, startUpstream } from "../kit/upstream.ts";
import {
	gone,
	httpHead,
	openPeer,
	type Peer,
	type Received,
} from "../upstream/peer.ts";

let stack: AsyncDisposableStack;
let peer: Peer;
let gateway: ServedGateway;
let canary: Canary;

beforeEach(async () => {
	stack = new AsyncDisposableStack();
	canary = stack.use(await startCanary());
	peer = stack.use(await openPeer());
});

afterEach(() => stack.disposeAsync());

async function serveProxy(
	proxy = "files/base/{rest*}",
	{
		upstream = "",
		route = "",
		key = "ANY /f/{rest*}",
		origin = peer.origin,
	} = {},
): Promise<ServedGateway> {
	gateway = stack.use(
		await serve(`
upstreams:
  files: { url: "${origin}/v1"${upstream} }
routes:
  ${key}:
    proxy: ${proxy}
${route}`),
	);
	return gateway;
}

/** What the upstream gets of a request, answered with an empty body. */
async function passedOn(
	path: string,
	options: Parameters<ServedGateway["get"]>[1] = {},
): Promise<Received> {
	const answer = gateway.get(path, options);
	const received = await Promise.race([
		peer.request(),
		answer.then(({ text }) => assert.fail(text)),
	]);
	received.answer("");
	await answer;
	return received;
}

describe("the path of a proxied request", () => {
	test("is the template's, and what follows the route's as it came", async () => {
		await serveProxy();
		for (const rest of [
			"a",
			"a/b/",
			"",
			"a%2Fb%20c",
			"%D0%9C",
			"x:y;z=1",
			"...",
			"a.b",
		]) {
			const { head } = await passedOn(`/f/${rest}?q=%41&q=b+c`);
			assert.equal(head[0], `GET /v1/base/${rest}?q=%41&q=b+c HTTP/1.1`);
		}
	});

	test("stays below the template's, however a step upwards is written", async () => {
		await serveProxy();
		for (const rest of [
			"..",
			".",
			"a/../b",
			"%2e%2e",
			"%2E./x",
			".%2e",
			"..%2fadmin",
			"a%2f..%2fb",
			"..%5cadmin",
			"..\\admin",
			"%252e%252e",
			"%25252e%25252e/x",
			"..;x/admin",
			"..%3bx",
			"..%00",
			"a%00b",
			"%20../x",
			"a//b",
			"/etc",
			"//",
		]) {
			const answer = opened("/f", { path: `/f/${rest}` });
			const { statusCode } = await answer.answer;
			assert.equal(statusCode, 400, rest);
		}
		assert.equal(peer.connections, 0);
	});

	test("is the template's alone where it has no rest", async () => {
		await serveProxy("files/x/${params.id}", { key: "GET /f/{id}" });
		const { head } = await passedOn("/f/a%2Fb?x=1");
		assert.equal(head[0], "GET /v1/x/a%2Fb?x=1 HTTP/1.1");
	});

	test("does not match without the slash before the rest", async () => {
		await serveProxy();
		assert.equal((await gateway.get("/f")).status, 404);
	});
});

describe("the query of a proxied request", () => {
	test("loses what the upstream has of its own, however it is written", async () => {
		await serveProxy(undefined, { upstream: ", query: { appid: secret }" });
		const { head } = await passedOn("/f/a?x=1&appid=2&%61ppid=3&appid&y=2");
		assert.equal(head[0], "GET /v1/base/a?appid=secret&x=1&y=2 HTTP/1.1");
	});

	test("is the route's where the route has one", async () => {
		await serveProxy(
			'{ to: "files/base/{rest*}", query: { id: "${request.id}", "no?": null } }',
		);
		const { head } = await passedOn("/f/a?x=1", {
			headers: { "x-request-id": "7" },
		});
		assert.equal(head[0], "GET /v1/base/a?id=7 HTTP/1.1");
	});
});

describe("the header fields", () => {
	const sent = {
		accept: "text/html",
		"accept-encoding": "br",
		authorization: "secret",
		cookie: "a=1",
		connection: "if-match, keep-alive",
		"if-match": '"1"',
		"if-none-match": '"2"',
		range: "bytes=0-1",
		te: "trailers",
		traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"x-other": "1",
		"user-agent": "client",
		"proxy-authorization": "secret",
	};

	/** A field of the connection, because the field of that name says so. HTTP/2 has none that could. */
	const ifMatch = transport === "h2" ? ['if-match: "1"'] : [];

	const fieldsOf = ({ head }: Received) =>
		head
			.slice(1)
			.filter((line) => !/^(host|connection|via|x-request-id):/.test(line))
			// The parent is the call's own.
			.map((line) => line.replace(/^(traceparent: .{36}).{16}/, "$1…"))
			.toSorted();

	test("of a request pass where they are listed, and no others", async () => {
		await serveProxy();
		assert.deepEqual(fieldsOf(await passedOn("/f/a", { headers: sent })), [
			"accept-encoding: br",
			"accept: text/html",
			...ifMatch,
			'if-none-match: "2"',
			"range: bytes=0-1",
			"traceparent: 00-0af7651916cd43dd8448eb211c80319c-…-01",
			"user-agent: sluice",
		]);
	});

	test("of a request pass where the route lets them", async () => {
		await serveProxy(
			'{ to: "files/{rest*}", pass: [Authorization, cookie, user-agent] }',
		);
		assert.deepEqual(fieldsOf(await passedOn("/f/a", { headers: sent })), [
			"accept-encoding: br",
			"accept: text/html",
			"authorization: secret",
			"cookie: a=1",
			...ifMatch,
			'if-none-match: "2"',
			"range: bytes=0-1",
			"traceparent: 00-0af7651916cd43dd8448eb211c80319c-…-01",
			"user-agent: client",
		]);
	});

	test("that upstream and route set are theirs, whatever the client says", async () => {
		await serveProxy(
			'{ to: "files/{rest*}", pass: [authorization, x-ip], headers: { x-ip: "${request.ip}" } }',
			{ upstream: ", headers: { authorization: ours, accept: text/plain }" },
		);
		const headers = { ...sent, "x-ip": "1.2.3.4", connection: "x-ip, close" };
		const fields = fieldsOf(await passedOn("/f/a", { headers }));
		assert.ok(fields.includes("authorization: ours"));
		assert.ok(fields.includes("accept: text/plain"));
		assert.ok(fields.includes("x-ip: 127.0.0.1"));
		assert.ok(!fields.some((field) => /secret|1\.2\.3\.4|html/.test(field)));
	});

	test("of an answer pass where they are listed, and no others", async () => {
		// On another host than the upstream: an address of its own would lead through the route.
		const elsewhere = canary.url.replace("127.0.0.1", "localhost");
		await serveProxy();
		const answer = gateway.get("/f/a");
		const { socket } = await peer.request();
		socket.write(
			httpHead(
				206,
				"content-length: 2",
				"content-type: text/html",
				"content-range: bytes 0-1/9",
				"accept-ranges: bytes",
				'etag: "1"',
				"cache-control: no-cache",
				"vary: accept",
				`location: ${elsewhere}`,
				"retry-after: 3",
				"last-modified: x",
				"set-cookie: a=1",
				"connection: etag, keep-alive",
				"keep-alive: timeout=9",
				"server: secret",
				"x-request-id: theirs",
			),
		);
		socket.write("ok");
		const { status, headers, text } = await answer;
		const { "x-request-id": id, ...others } = headers;
		const { date: _date, connection: _connection, ...rest } = others;
		assert.equal(status, 206);
		assert.equal(text, "ok");
		assert.notEqual(id, "theirs");
		assert.deepEqual(rest, {
			"content-length": "2",
			"content-type": "text/html",
			"content-range": "bytes 0-1/9",
			"accept-ranges": "bytes",
			"cache-control": "no-cache",
			vary: "accept",
			location: elsewhere,
			"retry-after": "3",
			"last-modified": "x",
		});
	});

	test("of an answer pass where the route lets them, each as often as it came", async () => {
		await serveProxy('{ to: "files/{rest*}", pass: [set-cookie] }');
		const answer = gateway.get("/f/a");
		(await peer.request()).answer("", "set-cookie: a=1", "set-cookie: b=2");
		assert.deepEqual((await answer).headers["set-cookie"], ["a=1", "b=2"]);
	});
});

describe("an answer", () => {
	test("passes with its coding on and its status, an error's too", async () => {
		await serveProxy();
		const coded = gzipSync("hello");
		for (const status of [200, 404, 500, 503]) {
			const client = opened("/f/a");
			const { socket } = await peer.request();
			socket.write(
				httpHead(
					status,
					`content-length: ${coded.length}`,
					"content-encoding: gzip",
				),
			);
			socket.write(coded);
			assert.equal((await client.answer).statusCode, status);
			assert.equal(await client.gone, null);
			assert.equal(client.text(), coded.toString("latin1"));
		}
	});

	test("to HEAD announces the length it would have", async () => {
		await serveProxy();
		const answer = gateway.get("/f/a", { method: "HEAD" });
		const { head, socket } = await peer.request();
		assert.match(head[0] ?? "", /^HEAD /);
		socket.write(httpHead(200, "content-length: 1234"));
		assert.equal((await answer).headers["content-length"], "1234");
	});

	test("without a body has none", async () => {
		await serveProxy();
		for (const status of [204, 304]) {
			const answer = gateway.get("/f/a");
			(await peer.request()).socket.write(httpHead(status, 'etag: "1"'));
			const got = await answer;
			assert.equal(got.status, status);
			assert.equal(got.text, "");
			assert.equal(got.headers.etag, '"1"');
			assert.equal(gateway.ended.at(-1)?.status, status);
		}
	});

	test("with 205 has none, even if the upstream sends one: its connection ends", async () => {
		await serveProxy();
		const ended: Promise<void>[] = [];
		for (const [header, body] of [
			["content-length: 5", "hello"],
			["transfer-encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"],
			["content-length: 5", ""],
			["x: 1", "hello"],
		] as const) {
			const answer = gateway.get("/f/a");
			const { socket } = await peer.request();
			ended.push(gone(socket));
			assert.equal(peer.connections, ended.length);
			socket.write(httpHead(205, header) + body);
			const { status, headers, text } = await answer;
			assert.equal(status, 205);
			assert.equal(text, "");
			assert.equal(headers["content-length"], "0");
			assert.equal(gateway.ended.at(-1)?.status, 205);
		}
		await Promise.all(ended);
	});

	test("with 205 and a length of 0 leaves the upstream's connection open", async () => {
		await serveProxy();
		for (let count = 0; count < 3; count++) {
			const answer = gateway.get("/f/a");
			const { socket } = await peer.request();
			socket.write(httpHead(205, "content-length: 0"));
			assert.equal((await answer).status, 205);
		}
		assert.equal(peer.connections, 1);
	});

	test("without a length comes in chunks", only.chunks, async () => {
		await serveProxy();
		const answer = gateway.get("/f/a");
		const { socket } = await peer.request();
		socket.end(`${httpHead(200)}hello`);
		const { headers, text } = await answer;
		assert.equal(text, "hello");
		assert.equal(headers["transfer-encoding"], "chunked");
	});

	test("that came with its head is answered in one piece, with its length", async () => {
		await serveProxy();
		for (const body of ["5\r\nhello\r\n0\r\n\r\n", "0\r\n\r\n"]) {
			const answer = gateway.get("/f/a");
			const { socket } = await peer.request();
			socket.write(httpHead(200, "transfer-encoding: chunked") + body);
			const { headers, text } = await answer;
			assert.equal(headers["transfer-encoding"], undefined);
			assert.equal(headers["content-length"], String(text.length));
		}
	});

	test("is there piece by piece, before its end", async () => {
		await serveProxy();
		const client = opened("/f/a");
		const { socket } = await peer.request();
		socket.write(`${httpHead(200, "content-length: 6")}one`);
		await client.until("one");
		socket.write("two");
		await client.until("two");
	});
});

describe("a request's body", () => {
	test("passes with its length", async () => {
		await serveProxy();
		const known = await passedOn("/f/a", {
			method: "PUT",
			body: "hello",
			headers: { "content-length": "5", "content-type": "text/x" },
		});
		assert.equal(known.body, "hello");
		assert.ok(known.head.includes("content-type: text/x"));
	});

	test(
		"passes in chunks where its length is not known",
		only.chunks,
		async () => {
			await serveProxy();
			const client = await openRaw(
				"/f/a",
				"POST",
				"transfer-encoding: chunked",
			);
			const upstream = await peer.connection();
			const seen = collected(upstream);
			client.socket.write("5\r\nhello\r\n0\r\n\r\n");
			await seen.until("\r\n5\r\nhello\r\n0\r\n\r\n");
			assert.match(seen.text(), /transfer-encoding: chunked/);
			assert.doesNotMatch(seen.text(), /content-length/);
			upstream.write(`${httpHead(200, "content-length: 2")}ok`);
			await client.until("ok");
		},
	);

	test("of more than 64 KiB is there piece by piece, before its end", async () => {
		await serveProxy();
		const client = opened("/f/a", uploading(65_542));
		const upstream = await peer.connection();
		const seen = collected(upstream);
		client.write("one");
		await seen.until("one");
		client.write("two".padEnd(65_539, "."));
		await seen.until("onetwo");
		upstream.write(`${httpHead(200, "content-length: 2")}ok`);
		await client.until("ok");
	});

	test("ends where the client leaves in the middle, seen by the upstream", async () => {
		await serveProxy();
		const client = opened("/f/a", uploading(65_542));
		const upstream = await peer.connection();
		const seen = collected(upstream);
		client.write("one");
		await seen.until("one");
		client.leave();
		await gone(upstream);
	});

	test("that the upstream does not want to the end is given up after its answer", async () => {
		await serveProxy();
		const client = opened("/f/a", uploading(1_000_000));
		const upstream = await peer.connection();
		const seen = collected(upstream);
		client.write("one");
		await seen.until("one");
		upstream.write(`${httpHead(413, "content-length: 2")}no`);
		await client.until("no");
		assert.equal((await client.answer).statusCode, 413);
		await client.gone;
	});

	test(
		"that the upstream does not want to the end is the last on its connection",
		only.connectionFields,
		async () => {
			await serveProxy();
			const client = await openRaw("/f/a", "POST", "content-length: 1000000");
			const upstream = await peer.connection();
			const seen = collected(upstream);
			client.socket.write("one");
			await seen.until("one");
			upstream.write(`${httpHead(413, "content-length: 2")}no`);
			await client.until("no");
			assert.match(client.text(), /413[^]*connection: close/i);
			client.socket.end();
			await gone(client.socket);
		},
	);

	test("larger than maxBody passes all the same, for nobody holds it", async () => {
		await serveProxy();
		const body = "x".repeat(1_100_000);
		const received = await passedOn("/f/a", {
			method: "POST",
			body,
			headers: { "content-length": String(body.length) },
		});
		assert.equal(received.body.length, body.length);
	});
});

describe("an upstream", () => {
	test("that cannot be reached is a problem document", async () => {
		await peer[Symbol.asyncDispose]();
		await serveProxy();
		const { status, json } = await gateway.get("/f/a");
		assert.equal(status, 502);
		assert.equal((json as { code: string }).code, "upstream_unreachable");
	});

	test("that says nothing is a problem document after its timeout", async () => {
		await serveProxy(undefined, { upstream: ", timeout: 50ms" });
		const { status, json } = await gateway.get("/f/a");
		assert.equal(status, 504);
		assert.equal((json as { code: string }).code, "upstream_timeout");
		await gone(await peer.connection());
	});

	test("that says nothing is a problem document at the deadline", async () => {
		await serveProxy(undefined, { route: "    deadline: 50ms\n" });
		const { status, json } = await gateway.get("/f/a");
		assert.equal(status, 504);
		assert.equal((json as { code: string }).code, "deadline_exceeded");
	});

	test("may take longer than the deadline once its head is there", async () => {
		await serveProxy('{ to: "files/{rest*}", idle: 2s }', {
			upstream: ", timeout: 100ms",
			route: "    deadline: 100ms\n",
		});
		const client = opened("/f/a");
		const { socket } = await peer.request();
		socket.write(httpHead(200, "content-length: 2"));
		await client.answer;
		await new Promise<void>((resolve) => {
			gateway.gateway.clock.after(250, resolve);
		});
		socket.write("ok");
		await client.until("ok");
	});

	test("whose body stands still is cut off after the idle time", async () => {
		await serveProxy('{ to: "files/{rest*}", idle: 50ms }');
		const client = opened("/f/a");
		const { socket } = await peer.request();
		socket.write(`${httpHead(200)}some`);
		await gone(socket);
		assert.ok((await client.gone) !== null, "it looks whole");
		assert.equal(gateway.ended[0]?.error?.code, "upstream_timeout");
	});

	for (const [name, head, end] of [
		["with a length", httpHead(200, "content-length: 9"), "destroy"],
		[
			"in chunks",
			`${httpHead(200, "transfer-encoding: chunked")}9\r\n`,
			"destroy",
		],
		["without a length", httpHead(200), "resetAndDestroy"],
	] as const) {
		test(`that dies in the middle of a body ${name} leaves no whole answer`, async () => {
			await serveProxy();
			const client = opened("/f/a");
			const { socket } = await peer.request();
			socket.write(`${head}some`);
			await client.until("some");
			socket[end]();
			assert.ok((await client.gone) !== null, "it looks whole");
			assert.ok(gateway.ended.every(({ error }) => error !== null));
		});

		test(
			`that dies in the middle of a body ${name} leaves no whole answer on the connection`,
			only.lines,
			async () => {
				await serveProxy();
				for (const version of ["1.1", "1.0"]) {
					const client = await openRaw("/f/a", "GET", "x: 1", version);
					const { socket } = await peer.request();
					socket.write(`${head}some`);
					await client.until("some");
					socket[end]();
					const error = await client.gone;
					const framed = /content-length: 9|chunked/i.test(client.text());
					assert.ok(framed || error?.message.includes("ECONNRESET"));
					assert.ok(!client.text().endsWith("\r\n0\r\n\r\n"));
				}
				assert.ok(gateway.ended.every(({ error }) => error !== null));
			},
		);
	}

	test("sees at once that the client left in the middle", async () => {
		await serveProxy();
		const client = opened("/f/a");
		const { socket } = await peer.request();
		socket.write(`${httpHead(200, "content-length: 9")}some`);
		await client.until("some");
		client.leave();
		await gone(socket);
		assert.deepEqual(
			gateway.ended.map(({ error }) => error?.code),
			["client_closed"],
		);
	});

	test("is asked no more at once than it has connections, until the heads of its answers are there", async () => {
		await serveProxy(undefined, { upstream: ", connections: 1" });
		const client = opened("/f/a");
		const first = await peer.request();
		const second = gateway.get("/f/b");
		await gateway.get("/nowhere");
		assert.equal(peer.connections, 1);
		first.socket.write(`${httpHead(200, "content-length: 2")}o`);
		await client.until("o");
		(await peer.request()).answer("second");
		assert.equal((await second).text, "second");
	});
});

describe("50 MB", () => {
	const size = 50_000_000;
	const piece = Buffer.alloc(64 * 1024, "x");

	test("to a reader that does not read stay where they are", async () => {
		let written = 0;
		const upstream = createServer((_, response) => {
			response.writeHead(200, { "content-length": size });
			const write = () => {
				while (written < size) {
					const next = piece.subarray(
						0,
						Math.min(piece.length, size - written),
					);
					written += next.length;
					if (!response.write(next)) return void response.once("drain", write);
				}
				response.end();
			};
			write();
		});
		await serveProxy(undefined, { origin: await listening(upstream) });
		const before = process.memoryUsage.rss();
		let read = 0;
		const [response] = await once(
			send(`${gateway.url}/f/a`, { agent: false }).end(),
			"response",
		);
		response.pause();
		await still(() => written);
		assert.ok(written < size / 2, `${written} were written`);
		const grown = process.memoryUsage.rss() - before;
		assert.ok(grown < 64 * 1024 ** 2, `memory grew by ${grown}`);
		response.on("data", (chunk: Buffer) => {
			read += chunk.length;
		});
		response.resume();
		await once(response, "end");
		assert.equal(read, size);
	});

	test("to an upstream that does not read stay where they are", async () => {
		let read = 0;
		let begin = () => {};
		const upstream = createServer((request, response) => {
			begin = () => {
				request.on("data", (chunk) => {
					read += chunk.length;
				});
			};
			request.on("end", () => response.end("ok"));
		});
		await serveProxy(undefined, {
			origin: await listening(upstream),
			upstream: ", timeout: 10s",
		});
		const before = process.memoryUsage.rss();
		const request = send(`${gateway.url}/f/a`, {
			method: "POST",
			agent: false,
			headers: { "content-length": size },
		});
		let written = 0;
		const write = () => {
			while (written < size) {
				const next = piece.subarray(0, Math.min(piece.length, size - written));
				written += next.length;
				if (!request.write(next)) return void request.once("drain", write);
			}
			request.end();
		};
		write();
		await still(() => written);
		assert.ok(written < size / 2, `${written} were written`);
		const grown = process.memoryUsage.rss() - before;
		assert.ok(grown < 64 * 1024 ** 2, `memory grew by ${grown}`);
		begin();
		const [response] = await once(request, "response");
		response.resume();
		await once(response, "end");
		assert.equal(read, size);
	});

	async function listening(server: ReturnType<typeof createServer>) {
		server.listen(0, "127.0.0.1");
		await once(server, "listening");
		stack.defer(() => {
			server.closeAllConnections();
			server.close();
		});
		return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	}

	/** Resolves when a number that grew has not grown for some turns of the clock. */
	async function still(count: () => number): Promise<void> {
		for (let before = -1, same = 0; same < 10; ) {
			await new Promise<void>((resolve) => {
				gateway.gateway.clock.after(20, resolve);
			});
			same = count() === before && before > 0 ? same + 1 : 0;
			before = count();
		}
	}
});

describe("the methods of proxied routes", () => {
	let upstream: RealUpstream;

	async function serveRoutes(routes: string): Promise<void> {
		upstream = stack.use(
			await startUpstream(({ method, target }, response) => {
				response.end(`${method} ${target}`);
			}),
		);
		gateway = stack.use(
			await serve(
				`upstreams: { up: { url: "${upstream.url}" } }\nroutes:\n${routes}`,
			),
		);
	}

	test("are all of them with ANY, but for those that have a route of their own", async () => {
		await serveRoutes(`
  ANY /a/{rest*}: { proxy: "up/any/{rest*}" }
  POST /a/{all*}: { proxy: "up/post/{all*}" }
  GET /a/fixed: { respond: composed }
`);
		for (const method of ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
			assert.equal(
				(await gateway.get("/a/x", { method })).text,
				`${method} /any/x`,
			);
		}
		assert.equal(
			(await gateway.get("/a/x", { method: "POST" })).text,
			"POST /post/x",
		);
		assert.equal((await gateway.get("/a/fixed")).text, '"composed"');
		const head = await gateway.get("/a/fixed", { method: "HEAD" });
		assert.equal(head.headers["sluice-complete"], "?1");
		const put = await gateway.get("/a/fixed", { method: "PUT" });
		assert.equal(put.text, "PUT /any/fixed");
	});

	test("that few know are ANY's too, with their bodies", async () => {
		await serveRoutes(`
  ANY /a/{rest*}: { proxy: "up/any/{rest*}" }
  GET /a/fixed: { respond: composed }
`);
		for (const method of ["QUERY", "PROPFIND", "REPORT", "MKCOL", "LOCK"]) {
			for (const path of ["x", "fixed"]) {
				const answer = await gateway.get(`/a/${path}`, { method, body: "b" });
				assert.equal(answer.text, `${method} /any/${path}`);
			}
		}
		const trace = await gateway.get("/a/x", { method: "TRACE" });
		assert.equal(trace.status, 405);
		assert.match(trace.headers.allow ?? "", /^DELETE, GET, HEAD, OPTIONS,/);
		const composed = await gateway.get("/none", { method: "QUERY" });
		assert.equal(composed.status, 404);
	});

	test("stand in Allow where there is no such route", async () => {
		await serveRoutes(`
  GET /a/{rest*}: { proxy: "up/{rest*}" }
  POST /a/b: { proxy: up/b }
`);
		const answer = await gateway.get("/a/b", { method: "PUT" });
		assert.equal(answer.status, 405);
		assert.equal(answer.headers.allow, "GET, HEAD, POST");
	});
});

describe("a config's proxy", () => {
	const problems = (route: string) =>
		problemsOf(`
upstreams: { up: { url: "http://127.0.0.1:1" } }
routes:
${route}
`);

	for (const [route, message] of [
		["  GET /a: { proxy: up/a, headers: { x: 1 } }", /stand in `proxy`/],
		["  ANY /a: { respond: 1 }", /`ANY` .* with `proxy` only/],
		["  GET /a/{rest*}: { respond: 1 }", /`\{rest\*\}` .* with `proxy` only/],
		['  GET /a/{rest*}/b: { proxy: "up/{rest*}" }', /put it last/],
		['  GET /a: { proxy: "up/{rest*}" }', /has no `\{rest\*\}`/],
		['  GET /a/{all*}: { proxy: "up/{rest*}" }', /but `\{all\*\}`/],
		["  GET /a: { proxy: down/a }", /unknown upstream `down`/],
		["  GET /a: { proxy: up/a/../b }", /`\.` or `\.\.`/],
		["  GET /a: { proxy: { to: up/a, pass: [host] } }", /`host` cannot pass/],
		["  GET /a: { proxy: { to: up/a, pass: [upgrade] } }", /one connection/],
		["  GET /a: { proxy: { to: up/a, idel: 1s } }", /did you mean|idle/],
		["  GET /a: { proxy: { pass: [] } }", /`to` is missing/],
		[
			'  GET /a: { proxy: { to: up/a, query: { q: "${query.q}" } } }',
			/not declared/,
		],
		[
			"  GET /a: { proxy: up/a, request: { body: { type: object } } }",
			/passes the body on as it comes/,
		],
		["  OPTIONS /a: { proxy: up/a }", /`ANY`/],
	] as const) {
		test(`${route.trim()} is refused`, () => {
			assert.match(problems(route).join("\n"), message);
		});
	}
});

/** A request of which the test sees what has come so far. */
const opened = (path: string, options: RequestOptions = {}): OpenRequest =>
	stack.use(openRequest(gateway.url + path, options));

/** A request whose body will be so long. */
const uploading = (bytes: number): RequestOptions => ({
	method: "POST",
	headers: { "content-length": bytes },
});

/** A client's connection of HTTP/1.1 on which one request was sent. */
async function openRaw(
	path: string,
	method = "GET",
	header = "x: 1",
	version = "1.1",
) {
	const { port } = new URL(gateway.url);
	const socket = connectTo(Number(port), "127.0.0.1");
	stack.defer(() => void socket.destroy());
	const seen = collected(socket);
	const closed = new Promise<Error | null>((resolve) => {
		let error: Error | null = null;
		socket.on("error", (thrown) => {
			error = thrown;
		});
		socket.once("close", () => resolve(error));
	});
	socket.write(
		`${method} ${path} HTTP/${version}\r\nhost: x\r\n${header}\r\n\r\n`,
	);
	return { socket, ...seen, gone: closed };
}

/** What comes over a socket. */
function collected(socket: Socket) {
	let text = "";
	let look = () => {};
	socket.on("data", (chunk) => {
		text += chunk.toString("latin1");
		look();
	});
	socket.once("close", () => look());
	return {
		text: () => text,
		until: (part: string) =>
			new Promise<void>((resolve, reject) => {
				look = () => {
					if (text.includes(part)) resolve();
					else if (socket.closed) reject(new Error(`closed: ${text}`));
				};
				look();
			}),
	};
}
