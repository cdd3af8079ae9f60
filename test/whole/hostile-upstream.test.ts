import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import type { Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { type Canary, startCanary } from "../kit/canary.ts";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { json, type RealUpstream, startUpstream } from "../kit/upstream.ts";
import { httpHead, openPeer, type Peer } from "../upstream/peer.ts";

/** What an upstream may do to us, how a composed route ends then, and what the client of a proxied one gets. */
interface Case {
	readonly does: (socket: Socket) => void;
	/** A code, or the value of the step as JSON. */
	readonly composed: string;
	/**
	 * A code; `cut`: a head and no whole body; `endless` and `dripping`: what passes for as long as it is read; or the status of an answer that is whole as HTTP tells, and passes as it is.
	 */
	readonly proxied: string;
}

const timeoutMs = 500;

const says =
	(head: string, body: string | Buffer = "", end = false) =>
	(socket: Socket) => {
		// What is more than an answer must be there before the next request is: later nobody could tell it from one.
		socket.setNoDelay(true);
		socket.write(head, "latin1");
		if (end) socket.end(body);
		else socket.write(body);
	};

const bomb = gzipSync(Buffer.alloc(100 * 1024 ** 2));

const whole = (body: string | Buffer, ...headers: string[]) =>
	says(
		httpHead(200, `content-length: ${Buffer.byteLength(body)}`, ...headers),
		body,
	);

const ok = `${httpHead(200, "content-length: 2")}{}`;

function cases(canary: string): Record<string, Case> {
	return {
		"invalid JSON": {
			does: whole('{"a":'),
			composed: "upstream_invalid",
			proxied: "200",
		},
		"a wrong type": {
			does: whole("<html></html>", "content-type: text/html"),
			composed: "upstream_invalid",
			proxied: "200",
		},
		"a truncated body": {
			does: says(httpHead(200, "content-length: 100"), '{"a":1}', true),
			composed: "upstream_invalid",
			proxied: "cut",
		},
		"no last chunk": {
			does: says(
				httpHead(200, "transfer-encoding: chunked"),
				"2\r\n{}\r\n",
				true,
			),
			composed: "upstream_invalid",
			proxied: "cut",
		},
		"a truncated chunk": {
			does: says(httpHead(200, "transfer-encoding: chunked"), "9\r\n{}", true),
			composed: "upstream_invalid",
			proxied: "cut",
		},
		"a chunk that is longer than its size": {
			does: says(
				httpHead(200, "transfer-encoding: chunked"),
				"2\r\n{}{}\r\n0\r\n\r\n",
			),
			composed: "upstream_invalid",
			proxied: "cut",
		},
		"a chunk whose size is none": {
			does: says(httpHead(200, "transfer-encoding: chunked"), "two\r\n{}\r\n"),
			composed: "upstream_invalid",
			proxied: "cut",
		},
		"an endless line before a chunk": {
			does: endlessly(
				`${httpHead(200, "transfer-encoding: chunked")}2;`,
				Buffer.alloc(1024, "x"),
			),
			composed: "upstream_invalid",
			proxied: "cut",
		},
		"endless trailers": {
			does: endlessly(
				`${httpHead(200, "transfer-encoding: chunked")}2\r\n{}\r\n0\r\n`,
				Buffer.from("x: y\r\n".repeat(10_000)),
			),
			composed: "upstream_invalid",
			proxied: "cut",
		},
		"two lengths": {
			does: says(
				httpHead(200, "content-length: 2", "content-length: 4"),
				"{}{}",
			),
			composed: "upstream_invalid",
			proxied: "upstream_invalid",
		},
		"a length beside chunks": {
			does: says(
				httpHead(200, "content-length: 2", "transfer-encoding: chunked"),
				"2\r\n{}\r\n0\r\n\r\n",
			),
			composed: "upstream_invalid",
			proxied: "upstream_invalid",
		},
		"more header fields than fit": {
			does: says(httpHead(200, `x: ${"y".repeat(20_000)}`), "{}"),
			composed: "upstream_invalid",
			proxied: "upstream_invalid",
		},
		"endless header fields": {
			does: endlessly(
				"HTTP/1.1 200 OK\r\n",
				Buffer.from("x: y\r\n".repeat(10_000)),
			),
			composed: "upstream_invalid",
			proxied: "upstream_invalid",
		},
		garbage: {
			does: says("\x16\x03\x01\0\xff\xfe garbage\0\r\n\r\n"),
			composed: "upstream_invalid",
			proxied: "upstream_invalid",
		},
		"HTTP/0.9": {
			does: says('{"a":1}', "", true),
			composed: "upstream_invalid",
			proxied: "upstream_invalid",
		},
		"half a head": {
			does: says("HTTP/1.1 200 OK\r\ncontent-le", "", true),
			composed: "upstream_invalid",
			proxied: "upstream_invalid",
		},
		"nothing, for ever": {
			does: () => {},
			composed: "upstream_timeout",
			proxied: "upstream_timeout",
		},
		"a head that drips": {
			does: drips(httpHead(200, `x: ${"y".repeat(5_000)}`)),
			composed: "upstream_timeout",
			proxied: "upstream_timeout",
		},
		"a body that drips": {
			does: drips("{}".padStart(5_000), httpHead(200, "content-length: 5000")),
			composed: "upstream_timeout",
			proxied: "dripping",
		},
		"its end, each time": {
			does: says(ok, "", true),
			composed: "{}",
			proxied: "200",
		},
		"its end, said before": {
			does: says(
				`${httpHead(200, "content-length: 2", "connection: close")}{}`,
			),
			composed: "{}",
			proxied: "200",
		},
		"its end, at rest": {
			does: (socket) =>
				void socket.write(ok, () => setImmediate(() => socket.end())),
			composed: "{}",
			proxied: "200",
		},
		"a reset at rest": {
			does: (socket) =>
				void socket.write(ok, () =>
					setImmediate(() => socket.resetAndDestroy()),
				),
			composed: "{}",
			proxied: "200",
		},
		"a length that is too long": {
			does: says(httpHead(200, "content-length: 100"), "{}"),
			composed: "upstream_timeout",
			proxied: "cut",
		},
		"a length that is too short": {
			does: says(httpHead(200, "content-length: 2"), '{}"more"'),
			composed: "{}",
			proxied: "200",
		},
		"204 with a body": {
			does: says(httpHead(204, "content-length: 7"), '{"a":1}'),
			composed: "null",
			proxied: "204",
		},
		"204 with an unannounced body": {
			does: says(httpHead(204), '{"a":1}'),
			composed: "null",
			proxied: "204",
		},
		"nothing at all": {
			does: (socket) => void socket.end(),
			composed: "upstream_unreachable",
			proxied: "upstream_unreachable",
		},
		"an empty answer": {
			does: whole(""),
			composed: "null",
			proxied: "200",
		},
		"a reset before the answer": {
			does: (socket) => void socket.resetAndDestroy(),
			composed: "upstream_unreachable",
			proxied: "upstream_unreachable",
		},
		"a reset in the middle": {
			does: (socket) =>
				void socket.write(`${httpHead(200)}{"a":`, () =>
					setImmediate(() => socket.resetAndDestroy()),
				),
			composed: "upstream_invalid",
			proxied: "cut",
		},
		"an endless body": {
			does: endlessly(httpHead(200), Buffer.alloc(65_536, " ")),
			composed: "upstream_invalid",
			proxied: "endless",
		},
		"endless interim answers": {
			does: endlessly("", Buffer.from(httpHead(102).repeat(100))),
			composed: "upstream_invalid",
			proxied: "upstream_invalid",
		},
		"101 unasked": {
			does: says(httpHead(101, "connection: upgrade", "upgrade: x"), "{}"),
			composed: "upstream_invalid",
			proxied: "upstream_invalid",
		},
		"101 without a word about what": {
			does: says(httpHead(101)),
			composed: "upstream_invalid",
			proxied: "upstream_invalid",
		},
		"a gzip bomb": {
			does: whole(bomb, "content-encoding: gzip"),
			composed: "upstream_invalid",
			proxied: "200",
		},
		"broken gzip": {
			does: whole("no gzip", "content-encoding: gzip"),
			composed: "upstream_invalid",
			proxied: "200",
		},
		"two answers to one request": {
			does: says(ok, `${httpHead(200, "content-length: 3")}"2"`),
			composed: "{}",
			proxied: "200",
		},
		"an answer nobody asked for on an idle connection": {
			does: (socket) => {
				socket.setNoDelay(true);
				socket.write(ok, () => setImmediate(() => socket.write(ok)));
			},
			composed: "{}",
			proxied: "200",
		},
		"a bare LF in the head": {
			does: says("HTTP/1.1 200 OK\ncontent-length: 2\n\n", "{}"),
			composed: "upstream_invalid",
			proxied: "upstream_invalid",
		},
		"a bare LF between header fields": {
			does: says("HTTP/1.1 200 OK\r\nx: 1\ncontent-length: 2\r\n\r\n", "{}"),
			composed: "upstream_invalid",
			proxied: "upstream_invalid",
		},
		"a NUL in a value": {
			does: says(
				"HTTP/1.1 200 OK\r\netag: a\0b\r\ncontent-length: 2\r\n\r\n{}",
			),
			composed: "upstream_invalid",
			proxied: "upstream_invalid",
		},
		"an odd transfer coding": {
			does: says(
				httpHead(200, "transfer-encoding: gzip, chunked"),
				"0\r\n\r\n",
			),
			composed: "upstream_invalid",
			proxied: "upstream_invalid",
		},
		"a redirect to the cloud's metadata": {
			does: says(
				httpHead(302, "location: http://169.254.169.254/", "content-length: 0"),
			),
			composed: "upstream_status",
			proxied: "302",
		},
		"a redirect to a neighbour": {
			does: says(httpHead(307, `location: ${canary}`, "content-length: 0")),
			composed: "upstream_status",
			proxied: "307",
		},
	};
}

/** A byte now and then, so that it takes far longer than the timeout. */
function drips(text: string, head = "") {
	return (socket: Socket) => {
		socket.setNoDelay(true);
		socket.write(head);
		let at = 0;
		const drip = setInterval(() => {
			if (socket.destroyed || at === text.length) clearInterval(drip);
			else socket.write(text.charAt(at++));
		}, 20);
	};
}

/** Writes for ever, as fast as it is read. */
function endlessly(head: string, piece: Buffer) {
	return (socket: Socket) => {
		socket.write(head);
		const write = () => {
			while (!socket.destroyed && socket.write(piece));
		};
		socket.on("drain", write);
		write();
	};
}

describe("an upstream that answers with", () => {
	let stack: AsyncDisposableStack;
	let hostile: Peer;
	let calm: RealUpstream;
	let gateway: ServedGateway;
	let canary: Canary;
	let does: (socket: Socket) => void;

	before(async () => {
		stack = new AsyncDisposableStack();
		canary = stack.use(await startCanary());
		hostile = stack.use(
			await openPeer({
				onRequest: ({ head, socket, answer }) => {
					if (head[0]?.includes("/hostile ")) does(socket);
					else answer(JSON.stringify((head[0] ?? "").split(" ")[1]));
				},
			}),
		);
		calm = stack.use(
			await startUpstream((_, response) => json(response, "calm")),
		);
		gateway = stack.use(
			await serve(`
upstreams:
  hostile: { url: "${hostile.origin}", timeout: ${timeoutMs}ms, maxBody: 1MiB }
  calm: { url: "${calm.url}" }
routes:
  GET /composed/{id}: { steps: { it: { get: "hostile/composed/\${params.id}" } } }
  GET /proxied/{rest*}: { proxy: { to: "hostile/proxied/{rest*}", idle: ${timeoutMs}ms } }
  GET /calm: { steps: { it: { get: calm/it } } }
`),
		);
	});

	after(() => stack.disposeAsync());

	const tookMsMax = 4 * timeoutMs;

	/** How a request ends, while others are answered all the time. */
	async function besideCalmOnes(path: string) {
		let over = false;
		const outcome = outcomeOf(gateway.url + path).finally(() => {
			over = true;
		});
		do {
			const calmly = await gateway.get("/calm");
			assert.equal(calmly.json, "calm");
		} while (!over);
		return outcome;
	}

	for (const name of Object.keys(cases(""))) {
		for (const face of ["composed", "proxied"] as const) {
			test(`${name} is told apart on a ${face} route`, async () => {
				const { does: act, ...expected } = cases(canary.url)[name] as Case;
				does = act;
				const rssBefore = process.memoryUsage.rss();
				const begun = performance.now();
				const outcome = await besideCalmOnes(`/${face}/hostile`);
				const tookMs = performance.now() - begun;
				assert.equal(outcome, expected[face]);
				assert.ok(tookMs < tookMsMax, `it took ${tookMs} ms`);
				const grown = process.memoryUsage.rss() - rssBefore;
				assert.ok(grown < 64 * 1024 ** 2, `memory grew by ${grown}`);
				for (const id of ["1", "2"]) {
					const { text } = await gateway.get(`/${face}/${id}`);
					assert.equal(text, `"/${face}/${id}"`);
				}
			});
		}
	}
});

/** How a request ended, in the words of the table. */
function outcomeOf(url: string): Promise<string> {
	const proxied = url.includes("/proxied/");
	return new Promise((resolve, reject) => {
		let headed = false;
		const request = httpRequest(url, { agent: false }, (response) => {
			headed = true;
			let bytes = 0;
			let chunks = 0;
			let text = "";
			response.on("data", (chunk: Buffer) => {
				bytes += chunk.length;
				if (bytes < 1000) text += chunk;
				const drips = chunks++ > 20 && bytes < 1000;
				if (!drips && bytes < 8 * 1024 ** 2) return;
				resolve(drips ? "dripping" : "endless");
				request.destroy();
			});
			response.on("error", () => resolve("cut"));
			response.on("end", () => {
				const type = response.headers["content-type"] ?? "";
				const problem = type.startsWith("application/problem");
				if (problem) resolve(JSON.parse(text).code);
				else resolve(proxied ? String(response.statusCode) : text);
			});
		});
		request.on("error", (error) => (headed ? resolve("cut") : reject(error)));
		request.end();
	});
}
