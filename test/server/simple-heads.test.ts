import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { GatewayRequest } from "../../src/core/http/messages.ts";
import { simpleHeadOf } from "../../src/server/simple-head.ts";
import { repeatableRandom } from "../kit/random.ts";
import { only } from "../kit/transport.ts";
import { until } from "../kit/until.ts";
import { asking, openClient } from "./client.ts";
import { listenHere } from "./listen-here.ts";
import { createReader, type Outcome } from "./one-reader.ts";
import { smuggled, spoiledAndCut } from "./spoiled-requests.ts";
import { TwoReaders } from "./two-readers.ts";

const limits = { headerFieldsMax: 3, headerBytesMax: 100 };

describe("a head is simple", () => {
	const simple: [text: string, facts: object][] = [
		[
			"GET /a?b=c%20d HTTP/1.1\r\nHost: a\r\n\r\n",
			{ method: "GET", url: "/a?b=c%20d", rawHeaders: ["Host", "a"] },
		],
		[
			"POST / HTTP/1.1\r\nhOST:a:1\r\nContent-Length: 10\r\nX:\t y  z\r\n\r\n",
			{
				rawHeaders: ["hOST", "a:1", "Content-Length", "10", "X", "y  z"],
				...{ bodyBytes: 10, closes: false },
			},
		],
		[
			"GET / HTTP/1.1\r\nHost: a\r\nX:\r\nConnection: Close\r\n\r\n",
			{
				rawHeaders: ["Host", "a", "X", "", "Connection", "Close"],
				...{ bodyBytes: 0, closes: true },
			},
		],
		[`GET /${"a".repeat(73)} HTTP/1.1\r\nHost: a\r\n\r\n`, {}],
		["GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nA: b\r\n\r\n", {}],
	];
	for (const [text, facts] of simple) {
		test(JSON.stringify(text), () => {
			const head = simpleHeadOf(text, limits);
			assert.ok(head !== null);
			assert.deepEqual({ ...head, ...facts }, head);
		});
	}

	test("and its list of fields can be changed by nobody", () => {
		const head = simpleHeadOf("GET / HTTP/1.1\r\nHost: a\r\n\r\n", limits);
		assert.ok(Object.isFrozen(head?.rawHeaders));
	});

	const others = [
		`GET /${"a".repeat(74)} HTTP/1.1\r\nHost: a\r\n\r\n`,
		"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nA: b\r\nA: b\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
		"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
		"LOCK / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET //b HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /#b HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 01\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nProxy-Connection: close\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX: y \r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX: \x80\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\ncontent_length: 1\r\n\r\n",
	];
	for (const text of others) {
		test(`not ${JSON.stringify(text)}`, () => {
			assert.equal(simpleHeadOf(text, limits), null);
		});
	}
});

describe("a connection", () => {
	test("has equal heads judged once", async () => {
		await using server = await listenHere();
		using client = await openClient(server.port);
		for (const path of ["/a", "/a", "/b"]) {
			client.send(asking(`GET ${path}`));
			assert.equal((await client.answer()).body, path);
		}
		const [first, second, third] = server.handled;
		assert.equal(first?.headers, second?.headers);
		assert.notEqual(second?.headers, third?.headers);
	});

	test("answers requests in their order, whoever reads them", async () => {
		await using server = await listenHere();
		using client = await openClient(server.port);
		client.send(
			...[asking("GET /1"), asking("GET /2"), asking("LOCK /3")],
			...[asking("GET /4"), "BREW / HTTP/1.1\r\nhost: a\r\n\r\n"],
		);
		for (const path of ["/1", "/2", "/3", "/4"]) {
			assert.equal((await client.answer()).body, path);
		}
		assert.equal(await client.gone(), "");
	});

	test("keeps a refusal behind the answers before it", async () => {
		const { promise, resolve } = Promise.withResolvers<void>();
		await using server = await listenHere({ until: promise });
		using client = await openClient(server.port);
		client.send(asking("GET /1"), asking("GET /2", ["host: b"]));
		while (server.handled.length === 0) await new Promise(setImmediate);
		resolve();
		assert.equal((await client.answer()).body, "/1");
		assert.equal((await client.answer()).status, 400);
		assert.equal(await client.gone(), "");
	});

	test("gets each field as its own answer has it, and none that cannot be written", async () => {
		const values: Record<string, string> = {
			...{ "/1": "one", "/2": "two", "/3": "th\r\nree", "/4": "two", "/5": "" },
		};
		await using server = await listenHere({
			handle: async ({ target }) => ({
				...{ status: 200, body: target },
				headers: ["x-of", values[target] ?? "", "X-Of-All", "all"],
			}),
		});
		using client = await openClient(server.port);
		for (const [path, value] of Object.entries(values)) {
			client.send(asking(`GET ${path}`));
			const { status, headers } = await client.answer();
			assert.equal(status, path === "/3" ? 500 : 200);
			assert.equal(headers["x-of"], path === "/3" ? undefined : value);
			assert.equal(headers["x-of-all"], path === "/3" ? undefined : "all");
		}
	});

	test("that is silent first has no longer for its first head than others", async () => {
		await using server = await listenHere({
			...{ headersTimeoutMs: 600_000, requestTimeoutMs: 600_000 },
		});
		using silent = await openClient(server.port);
		using late = await openClient(server.port);
		using other = await openClient(server.port);
		await server.pass(599_000);
		late.send("GET / HTTP/1.1\r\n");
		// What came before is read before.
		other.send(asking("GET /"));
		await other.answer();
		await server.pass(2_500);
		assert.equal(await silent.gone(), "");
		assert.equal((await late.answer()).status, 408);
	});
});

describe(
	"a client cannot tell whether node:http alone reads its requests",
	only.portless,
	() => {
		const parts = 3;
		for (let part = 0; part < parts; part++) {
			test(`what has made others disagree, whole and cut at every byte: part ${part + 1}`, async () => {
				const readers = new TwoReaders();
				for (const [at, text] of Object.values(smuggled).entries()) {
					if (at % parts !== part) continue;
					// Of a long one most bytes are the same.
					const step = Math.max(1, Math.floor(text.length / 150));
					const cuts: number[][] = [[]];
					for (let end = 1; end < text.length; end += step) cuts.push([end]);
					await readers.compare(cuts.map((each) => [text, each] as const));
				}
				assert.ok(readers.seen.refused > 500, JSON.stringify(readers.seen));
			});
		}

		for (const seed of [1, 2, 3, 4]) {
			test(`5,000 spoiled requests, each cut somewhere: seed ${seed}`, async () => {
				const readers = new TwoReaders();
				await readers.compare(spoiledAndCut(5_000, repeatableRandom(seed)));
				const { clients, ownAlone, handled, refused } = readers.seen;
				const words = JSON.stringify(readers.seen);
				assert.ok(ownAlone > 300 && handled > 3_000 && refused > 1_000, words);
				assert.ok(ownAlone < clients / 2, words);
			});
		}
	},
);

describe("a body that follows its head", only.portless, () => {
	const head = "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n";
	const next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
	const pieces = (...texts: string[]) =>
		texts.map((text) => Buffer.from(text, "latin1"));

	for (const [title, sent] of [
		["at once", pieces(`${head}0123456789${next}`)],
		["in the next piece", pieces(head, "0123456789", next)],
		["with its first bytes", pieces(`${head}0123`, "456789", next)],
		["byte by byte", pieces(head, ..."0123456789", next)],
		["with the next request", pieces(head, "01234", `56789${next}`)],
		["with a part of the next", pieces(head, `0123456789${next}`)],
	] as const) {
		test(`${title} is read without node:http`, async () => {
			const [outcome] = await createReader(true).read([sent]);
			const { handled, byNode, ended } = outcome as Outcome;
			assert.deepEqual(
				handled.map((one) =>
					JSON.parse(one).slice(1, 2).concat(JSON.parse(one)[3]),
				),
				[
					["/p", "0123456789"],
					["/next", ""],
				],
			);
			assert.deepEqual([byNode, ended], [false, false]);
		});
	}

	test("is given to nobody if the client ends in the middle of it", async () => {
		const { promise, resolve } = Promise.withResolvers<void>();
		await using server = await listenHere({ until: promise });
		using client = await openClient(server.port);
		client.send(asking("POST /", ["content-length: 10"]), "01234");
		await until(() => server.handled.length === 1);
		const body = server.handled[0]?.readBody(100);
		client.socket.end();
		await assert.rejects(body as Promise<Uint8Array>, /closed/);
		assert.equal(await client.gone(), "");
		resolve();
	});

	test("keeps the client from sending more than is held before it is read", async () => {
		const { promise, resolve } = Promise.withResolvers<void>();
		await using server = await listenHere({ until: promise });
		using client = await openClient(server.port);
		const most = 8 * 1024 ** 2;
		client.send(asking("POST /", [`content-length: ${most}`]));
		await until(() => server.handled.length === 1);
		const body = Buffer.alloc(most, "x");
		let left = false;
		client.socket.write(body, () => {
			left = true;
		});
		// The systems of both sides hold some of it.
		let before = -1;
		await until(async () => {
			const same = client.socket.writableLength === before;
			before = client.socket.writableLength;
			await new Promise((done) => setTimeout(done, 20));
			return same;
		});
		assert.equal(left, false);
		const read = (server.handled[0] as GatewayRequest).readBody(most);
		assert.equal((await read).length, most);
		assert.equal(left, true);
		resolve();
		assert.equal((await client.answer()).status, 200);
	});

	test("is waited for as long as a request may take", async () => {
		const { promise, resolve } = Promise.withResolvers<void>();
		await using server = await listenHere({
			...{ until: promise, requestTimeoutMs: 5_000 },
		});
		using client = await openClient(server.port);
		client.send(asking("POST /", ["content-length: 10"]), "01234");
		await until(() => server.handled.length === 1);
		const read = server.handled[0]?.readBody(100) as Promise<Uint8Array>;
		const late = assert.rejects(read, /long/);
		await server.pass(8_000);
		await late;
		resolve();
	});
});
