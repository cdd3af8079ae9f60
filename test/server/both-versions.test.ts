import assert from "node:assert/strict";
import { once } from "node:events";
import { METHODS } from "node:http";
import {
	type ClientHttp2Session,
	type ClientHttp2Stream,
	connect as connectHttp2,
	type IncomingHttpHeaders,
} from "node:http2";
import { after, before, beforeEach, describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import type { HeaderList } from "../../src/core/http/headers.ts";
import { listen, type Server } from "../../src/server/server.ts";
import { realClock } from "../../src/tasks/index.ts";
import { serverDefaults } from "../kit/server-defaults.ts";
import { testTls, trusting } from "../kit/transport.ts";

/** What clients of HTTP/1.1 and of HTTP/2 get must be the same. */

let server: Server;
let session: ClientHttp2Session;
/** The methods of the requests that were handled. */
let handled: string[] = [];
/** What is told before the answer, and the fields of the answer. */
let hints: readonly HeaderList[] = [];
let answered: HeaderList = [];

before(async () => {
	server = await listen({
		...serverDefaults,
		...{ host: "127.0.0.1", port: 0, tls: testTls, clock: realClock() },
		handle: async (request) => {
			handled.push(request.method);
			for (const fields of hints) request.inform?.(103, fields);
			return { status: 200, headers: answered, body: "ok" };
		},
	});
	session = connectHttp2(server.url, trusting);
});
after(() => {
	session.destroy();
	return server.close();
});
beforeEach(() => {
	handled = [];
	hints = [];
	answered = [];
});

/** The heads of all answers to a request. */
async function overHttp1(line: string): Promise<string[]> {
	const socket = connectTls({
		...trusting,
		...{ port: server.port, host: "127.0.0.1", ALPNProtocols: ["http/1.1"] },
	});
	await once(socket, "secureConnect");
	socket.write(
		`${line} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`,
	);
	let text = "";
	for await (const chunk of socket) text += chunk;
	return text.split("\r\n\r\n").slice(0, -1);
}

const statusIn = (head = "") => Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]);

interface Http2Answer {
	readonly hints: readonly IncomingHttpHeaders[];
	readonly head: IncomingHttpHeaders & { ":status"?: number };
	readonly body: string;
}

async function overHttp2(method: string, path: string): Promise<Http2Answer> {
	const stream: ClientHttp2Stream = session.request(
		{ ":method": method, ":path": path },
		{ endStream: true },
	);
	const told: IncomingHttpHeaders[] = [];
	stream.on("headers", (headers) => told.push(headers));
	const [head] = await once(stream, "response");
	let body = "";
	for await (const chunk of stream) body += chunk;
	return { hints: told, head, body };
}

describe("over both versions", () => {
	test("the same methods are taken, and none that a client made up", async () => {
		const made = ["BREW", "GETT", "get", "X-1", "M$", "DESCRIBE", "PRI"];
		// CONNECT has no path.
		const known = METHODS.filter((method) => method !== "CONNECT");
		for (const method of [...known, ...made, "A".repeat(2000)]) {
			// Over HTTP/1.1 it is the preface of HTTP/2.
			const one = method === "PRI" ? [] : await overHttp1(`${method} /a`);
			const other = await overHttp2(method, "/a");
			const status = known.includes(method) ? 200 : 501;
			if (method !== "PRI") assert.equal(statusIn(one[0]), status, method);
			assert.equal(other.head[":status"], status, method);
		}
		assert.deepEqual(
			handled,
			known.flatMap((method) => [method, method]),
		);
	});

	test("a method that nobody knows is refused before the health check, too, and the connection goes on", async () => {
		const { head, body } = await overHttp2("BREW", "/healthz");
		assert.equal(head[":status"], 501);
		assert.deepEqual(JSON.parse(body).errors, [
			{ at: "request", message: "has a method that this server does not know" },
		]);
		assert.equal((await overHttp2("GET", "/a")).head[":status"], 200);
	});

	test("a target with a fragment is refused", async () => {
		assert.equal(statusIn((await overHttp1("GET /a#b"))[0]), 400);
		assert.equal((await overHttp2("GET", "/a#b")).head[":status"], 400);
		assert.deepEqual(handled, []);
	});

	const ofConnection = [
		...["connection", "x-a", "http2-settings", "AAMAAABk", "te", "gzip"],
		...["keep-alive", "timeout=1", "proxy-connection", "close"],
		...["transfer-encoding", "gzip", "upgrade", "h2c"],
	];

	test("an answer has no field of another connection", async () => {
		answered = [...ofConnection, "x-b", "c"];
		const [one = ""] = await overHttp1("GET /a");
		assert.equal(statusIn(one), 200);
		assert.doesNotMatch(one, /http2-settings|h2c|timeout=1\r|gzip/i);
		const { head, body } = await overHttp2("GET", "/a");
		assert.deepEqual([head[":status"], body], [200, "ok"]);
		assert.equal(head["x-b"], "c");
	});

	test("a hint has none either", async () => {
		hints = [[...ofConnection, "link", "</a.css>"]];
		const [hint = "", one = ""] = await overHttp1("GET /a");
		assert.deepEqual([statusIn(hint), statusIn(one)], [103, 200]);
		assert.doesNotMatch(hint, /http2-settings|h2c|gzip/i);
		const { hints: told, head } = await overHttp2("GET", "/a");
		assert.deepEqual(
			told.map(({ link }) => link),
			["</a.css>"],
		);
		assert.equal(head[":status"], 200);
	});

	test("a hint that HTTP/2 cannot have is left out, and the answer comes", async () => {
		hints = [
			["x y", "z"],
			["link", "</a.css>"],
		];
		const { hints: told, head } = await overHttp2("GET", "/a");
		assert.deepEqual(
			told.map(({ link }) => link),
			["</a.css>"],
		);
		assert.equal(head[":status"], 200);
	});
});
