import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { asking, openClient, type TestClient } from "../server/client.ts";
import { httpHead, openPeer, type Peer } from "../upstream/peer.ts";

/** Interim answers (RFC 9110, 15.2; RFC 8297) of an upstream, and whether its clients get them. */

let stack: AsyncDisposableStack;
let peer: Peer;
let gateway: ServedGateway;

beforeEach(async () => {
	stack = new AsyncDisposableStack();
	peer = stack.use(await openPeer());
	gateway = stack.use(
		await serve(`
upstreams:
  up: { url: "${peer.origin}" }
routes:
  ANY /f/{rest*}: { proxy: "up/{rest*}" }
  GET /composed: { steps: { a: { get: up/a, decode: text } } }
`),
	);
});

afterEach(() => stack.disposeAsync());

async function client(): Promise<TestClient> {
	return stack.use(await openClient(Number(new URL(gateway.url).port)));
}

const hint = httpHead(
	103,
	"link: </style.css>; rel=preload; as=style",
	"x-hint: a b",
	"set-cookie: a=1",
	"server: secret",
	"keep-alive: timeout=1",
);

describe("an interim answer of an upstream", () => {
	test("passes a proxied route at once, each of them, with the fields that pass", async () => {
		const asks = await client();
		asks.send(asking("GET /f/a"));
		const { socket } = await peer.request();
		for (const [status, head] of [
			[103, hint],
			[102, httpHead(102, "x-hint: a b")],
			[103, hint],
		] as const) {
			socket.write(head);
			const { status: got, headers } = await asks.answer();
			assert.equal(got, status);
			const { link, ...others } = headers;
			assert.deepEqual(others, { "x-hint": "a b" });
			assert.equal(
				link,
				status === 103 ? "</f/style.css>; rel=preload; as=style" : undefined,
			);
		}
		socket.write(`${httpHead(200, "content-length: 2")}ok`);
		const { status, body } = await asks.answer();
		assert.deepEqual([status, body], [200, "ok"]);
	});

	test("passes with the answer that comes in the same packet", async () => {
		const asks = await client();
		asks.send(asking("GET /f/a"), asking("GET /f/b", ["connection: close"]));
		for (const text of ["a", "b"]) {
			const { socket } = await peer.request();
			const answer = httpHead(200, "content-length: 1");
			socket.write(`${httpHead(103, "link: </x>; rel=next")}${answer}${text}`);
			assert.equal((await asks.answer()).status, 103);
			assert.equal((await asks.answer()).body, text);
		}
		assert.equal(await asks.gone(), "");
	});

	test("does not pass to a client of HTTP/1.0", async () => {
		const asks = await client();
		asks.send("GET /f/a HTTP/1.0\r\n\r\n");
		const { socket } = await peer.request();
		socket.write(`${hint}${httpHead(200, "content-length: 2")}ok`);
		assert.match(await asks.gone(), /^HTTP\/1.1 200 /);
	});

	test("does not pass if it only says to continue, or is for a composed route", async () => {
		for (const [path, heads] of [
			["/f/a", httpHead(100)],
			["/composed", hint],
		] as const) {
			const asks = await client();
			asks.send(asking(`GET ${path}`, ["connection: close"]));
			const { socket } = await peer.request();
			socket.write(`${heads}${httpHead(200, "content-length: 2")}ok`);
			assert.match(await asks.gone(), /^HTTP\/1.1 200 [^]*ok"?$/);
		}
	});

	test("does not pass with more than 32 of its kind, nor if it switches protocols or has a body", async () => {
		for (const heads of [
			hint.repeat(33),
			httpHead(101, "upgrade: a", "connection: upgrade"),
			httpHead(103, "content-length: 1"),
			httpHead(103, "transfer-encoding: chunked"),
			httpHead(103, "connection: close"),
		]) {
			const asks = await client();
			asks.send(asking("GET /f/a", ["connection: close"]));
			const { socket } = await peer.request();
			socket.write(`${heads}${httpHead(200, "content-length: 2")}ok`);
			const statuses = [...(await asks.gone()).matchAll(/^HTTP\/1.1 (\d+)/gm)];
			const last = statuses.pop();
			assert.equal(last?.[1], "502");
			assert.ok(statuses.length <= 32);
		}
	});
});
