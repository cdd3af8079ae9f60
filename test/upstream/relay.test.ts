import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import type { StreamHead } from "../../src/core/http/messages.ts";
import { realClock } from "../../src/tasks/index.ts";
import { openScope, type Scope } from "../../src/tasks/scope.ts";
import { openWire } from "../../src/upstream/wire/open-wire.ts";
import type { Wire } from "../../src/upstream/wire/wire.ts";
import {
	type Promising,
	promisingWire,
	streamRequestOf,
} from "../kit/policy.ts";
import { openPeer, type Peer } from "./peer.ts";

let peer: Peer;
let wire: Promising<Wire>;
let scope: Scope;

beforeEach(async () => {
	const clock = realClock();
	peer = await openPeer();
	scope = openScope({ clock });
	const opened = openWire(
		{
			...{ name: "web", origin: peer.origin, originFrom: "" },
			...{ bodyBytesMax: 1000, headerBytesMax: 1000, tls: null, host: null },
		},
		clock,
	);
	wire = promisingWire(opened);
});

afterEach(async () => {
	await wire.close();
	await peer[Symbol.asyncDispose]();
});

/** A stream that was asked for, and where it is answered. */
async function ask() {
	const { promise: head, resolve: onHead } =
		Promise.withResolvers<StreamHead>();
	const ended = wire.stream(streamRequestOf({ onHead }), scope);
	// Whoever looks at it does so later.
	ended.catch(() => {});
	const { socket } = await peer.request();
	return { head, ended, socket };
}

async function textOf({ body }: StreamHead): Promise<string> {
	let text = "";
	for await (const piece of body) text += Buffer.from(piece).toString();
	return text;
}

const answers = {
	"a length": "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
	chunks:
		"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
};

for (const [kind, answer] of Object.entries(answers)) {
	describe(`an answer with ${kind}`, () => {
		test("that comes at once is there as a whole, to be taken once", async () => {
			const { head, ended, socket } = await ask();
			socket.write(answer);
			const { body } = await head;
			assert.equal(body.arrived, true);
			assert.equal(Buffer.from(body.whole?.() ?? []).toString(), "hello");
			assert.equal(body.whole?.(), null);
			assert.equal(await textOf(await head), "");
			await ended;
		});

		test("that comes at once can be read as any other", async () => {
			const { head, ended, socket } = await ask();
			socket.write(answer);
			assert.equal(await textOf(await head), "hello");
			assert.equal((await head).body.whole?.(), null);
			await ended;
		});

		test("is a stream as soon as its head is there, wherever it stops", async () => {
			const start = answer.indexOf("\r\n\r\n") + 4;
			for (let cut = start; cut < answer.length; cut++) {
				const { head, ended, socket } = await ask();
				socket.write(answer.slice(0, cut));
				const { body } = await head;
				assert.equal(body.arrived, undefined);
				assert.equal(body.whole?.() ?? null, null);
				socket.write(answer.slice(cut));
				assert.equal(await textOf(await head), "hello");
				await ended;
			}
			assert.equal(peer.connections, 1);
		});
	});
}

describe("a stream that is cancelled when its head is there", () => {
	const head = "HTTP/1.1 503 Gone\r\ncontent-length: 5\r\n\r\n";
	const comings: [title: string, pieces: readonly string[]][] = [
		["and all of it has come", [`${head}hello`]],
		["and its body is still to come", [head]],
	];
	for (const [title, pieces] of comings) {
		test(`${title}, ends with the reason`, async () => {
			const reason = new Error("not this one");
			const onHead = () => scope.cancel(reason);
			const ended = wire.stream(streamRequestOf({ onHead }), scope);
			ended.catch(() => {});
			const { socket } = await peer.request();
			for (const piece of pieces) socket.write(piece);
			await assert.rejects(ended, reason);
			assert.equal(scope.listeners, 0);
		});
	}

	test("and is faulty in the same read, ends with the reason", async () => {
		const reason = new Error("not this one");
		const onHead = () => scope.cancel(reason);
		const ended = wire.stream(streamRequestOf({ onHead }), scope);
		ended.catch(() => {});
		const { socket } = await peer.request();
		socket.write(
			"HTTP/1.1 503 Gone\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
		);
		await assert.rejects(ended, reason);
	});
});

describe("a stream whose head somebody throws at", () => {
	const length = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
	const comings: [title: string, text: string][] = [
		["and all of it has come", `${length}hello`],
		["and its body is still to come", length],
		["and it has no body", "HTTP/1.1 204 No Content\r\n\r\n"],
		["and it is a 205", "HTTP/1.1 205 Reset\r\ncontent-length: 1\r\n\r\n"],
	];
	for (const [title, text] of comings) {
		test(`${title}, fails with that`, { timeout: 5_000 }, async () => {
			const bug = new Error("of whoever hears of the head");
			const onHead = () => {
				throw bug;
			};
			const ended = wire.stream(streamRequestOf({ onHead }), scope);
			ended.catch(() => {});
			const { socket } = await peer.request();
			socket.write(text);
			await assert.rejects(ended, (thrown) => thrown === bug);
			assert.equal(scope.listeners, 0);
		});
	}
});

describe("an answer that is no proper one", () => {
	const chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
	const faults: [title: string, spoil: (socket: Socket) => void][] = [
		["behind its head", (socket) => socket.write(`${chunked}zz\r\n`)],
		["in its body", (socket) => socket.write(`${chunked}2\r\nhe\r\nzz\r\n`)],
		[
			"because it ends too early",
			(socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel"),
		],
	];
	for (const [title, spoil] of faults) {
		test(`${title} has a head, and a body that fails`, async () => {
			const { head, ended, socket } = await ask();
			spoil(socket);
			await assert.rejects(async () => textOf(await head), GatewayError);
			await assert.rejects(ended, GatewayError);
		});
	}
});
