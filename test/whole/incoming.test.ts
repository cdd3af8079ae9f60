import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer as bytesOf, text as textOf } from "node:stream/consumers";
import { after, describe, it } from "node:test";
import {
	brotliCompressSync,
	deflateRawSync,
	deflateSync,
	gzipSync,
	zstdCompressSync,
} from "node:zlib";
import { checkValue, configOrThrow } from "../../src/config/load.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import { serve } from "../kit/serve.ts";
import { connectTo } from "../kit/transport.ts";

const bytesMax = 10_000;
/** Says what it was sent, with the body's own bytes. */
const upstream = createServer(async (request, response) => {
	const { cookie = null, "x-list": list = null } = request.headers;
	const coding = request.headers["content-encoding"] ?? null;
	const body = (await bytesOf(request)).toString("base64");
	const seen = JSON.stringify({ coding, cookie, list, body });
	response.setHeader("content-type", "application/json").end(seen);
}).listen(0, "127.0.0.1");
await once(upstream, "listening");
const { port: upstreamPort } = upstream.address() as AddressInfo;
const config = {
	server: { maxBody: `${bytesMax}B` as const },
	upstreams: { own: { url: `http://127.0.0.1:${upstreamPort}` } },
	routes: {
		"POST /json": {
			request: { body: { type: "object" }, text: {} },
			respond: ["${body}", "${text}"],
		},
		"POST /form": {
			request: { form: { a: { type: "string" } } },
			respond: "${form.a.length}",
		},
		"POST /text": { request: { text: {} }, respond: "${text.length}" },
		"POST /proxied": {
			proxy: { to: "own/x", pass: ["cookie", "x-list"] },
		},
		"GET /read": {
			request: {
				cookies: { s: { type: "string" } },
				headers: {
					"x-list": { type: "array", items: { type: "string" } },
				},
			},
			respond: ["${cookies.s}", "${headers.x_list}"],
		},
		"GET /proxied": {
			request: {
				cookies: { s: { type: "string" } },
				headers: { "x-list": { type: "string" } },
			},
			proxy: {
				to: "own/x",
				pass: ["cookie"],
				headers: { "x-list": "${cookies.s}: ${headers.x_list}" },
			},
		},
	},
};
const gateway = await serve(config);
after(async () => {
	await gateway[Symbol.asyncDispose]();
	upstream.close();
	upstream.closeAllConnections();
});

interface Told {
	readonly status: number;
	readonly json: unknown;
	readonly encodings: string | null;
}

/** Posts over a port, and by `fetch` of the gateway without one. The answer is the same. */
async function post(
	path: string,
	body: Uint8Array,
	headers: Record<string, string>,
): Promise<Told> {
	const init = { method: "POST", body, headers };
	const { fetch: alone } = gateway.gateway;
	const told = await Promise.all(
		[fetch, alone].map(async (ask) => {
			const request = new Request(gateway.url + path, {
				...init,
				body: Uint8Array.from(body),
			});
			const answer = await ask(request);
			const json = (await answer.json()) as Record<string, unknown>;
			delete json.instance;
			const encodings = answer.headers.get("accept-encoding");
			return { status: answer.status, json, encodings };
		}),
	);
	const [first, second] = told;
	assert.ok(first);
	assert.deepEqual(second, first);
	return first;
}

const encoders: readonly [
	string,
	string,
	(body: string | Uint8Array) => Uint8Array,
][] = [
	["gzip", "gzip", gzipSync],
	["gzip by its old name", "X-GZip", gzipSync],
	["br", "br", brotliCompressSync],
	["zstd", "zstd", zstdCompressSync],
	["deflate", "deflate", deflateSync],
	["deflate without zlib", "deflate", deflateRawSync],
	["two codings", "gzip, br", (body) => brotliCompressSync(gzipSync(body))],
	["none, by name", "identity", (body) => Buffer.from(body)],
	["one and none", "identity,gzip", gzipSync],
];

describe("a coded request", () => {
	for (const [what, coding, encode] of encoders) {
		const coded = (type: string) => ({
			"content-encoding": coding,
			"content-type": type,
		});

		it(`in ${what} is read as JSON, as a form and as a text`, async () => {
			const json = '{ "name": "облачно" }';
			const read = await post("/json", encode(json), coded("application/json"));
			assert.deepEqual(read.json, [{ name: "облачно" }, json]);
			const body = encode(`a=${"x".repeat(5000)}`);
			const type = "application/x-www-form-urlencoded";
			assert.equal((await post("/form", body, coded(type))).json, 5000);
		});

		it(`in ${what} is bounded as decoded`, async () => {
			for (const length of [bytesMax - 1, bytesMax, bytesMax + 1]) {
				const body = encode("x".repeat(length));
				const { status, json } = await post("/text", body, coded("x/x"));
				if (length <= bytesMax) assert.deepEqual([status, json], [200, length]);
				else {
					const { code } = json as { code: unknown };
					assert.deepEqual([status, code], [413, "request_too_large"]);
				}
			}
		});

		if (coding === "identity") continue;
		it(`in ${what} is 400 if it is cut short, no such coding, or goes on behind its end`, async () => {
			const whole = encode("облачно, облачно, ясно");
			const bodies = {
				"cut short": whole.subarray(0, -3),
				"a byte": whole.subarray(0, 1),
				"no such coding": Buffer.from("none of the codings"),
				"more behind it": Buffer.concat([whole, Buffer.from("more")]),
			};
			for (const [how, body] of Object.entries(bodies)) {
				const { status, json } = await post("/text", body, coded("x/x"));
				assert.equal(status, 400, how);
				const { errors } = json as {
					errors: { at: string; message: string }[];
				};
				assert.equal(errors[0]?.at, "body");
				assert.match(
					errors[0]?.message ?? "",
					/^is not (gzip|br|zstd|deflate)/,
				);
			}
		});

		it(`in ${what} passes a proxied route as it came`, async () => {
			const body = encode("облачно");
			const { json } = await post("/proxied", body, coded("x/x"));
			const seen = json as { coding: string; body: string };
			assert.equal(seen.coding, coding);
			assert.deepEqual(Buffer.from(seen.body, "base64"), Buffer.from(body));
		});
	}

	it("in another coding is 415, and the answer says which are understood", async () => {
		const codings = ["compress", "gzip, x", "x", "gzip;q=1", "gzip,".repeat(5)];
		for (const coding of codings) {
			const headers = { "content-encoding": coding };
			const { status, json, encodings } = await post(
				"/text",
				gzipSync("x"),
				headers,
			);
			assert.equal((json as { code: unknown }).code, "unsupported_media_type");
			assert.equal(status, 415, coding);
			assert.equal(encodings, "gzip, br, zstd, deflate");
		}
	});

	it("without a body is taken as it is", async () => {
		const headers = { "content-encoding": "gzip" };
		const { status, json } = await post("/text", new Uint8Array(), headers);
		assert.equal(status, 400);
		assert.deepEqual((json as { errors: unknown }).errors, [
			{ at: "text", message: "is required" },
		]);
	});

	it("that is a bomb is ended at the bound, long before its end", async () => {
		const zeros = Buffer.alloc(8 << 20);
		const bombs = {
			gzip: gzipSync(zeros),
			zstd: zstdCompressSync(zeros),
			br: brotliCompressSync(zeros),
		};
		for (const [coding, body] of Object.entries(bombs)) {
			assert.ok(body.length < bytesMax);
			const headers = { "content-encoding": coding };
			const { held } = gateway.gateway.memory;
			const { status } = await post("/text", body, headers);
			assert.equal(status, 413);
			assert.ok(gateway.gateway.memory.held <= held);
		}
	});

	it("is 415 for a client that asks first, before the body is sent", async () => {
		const { hostname, port } = new URL(gateway.url);
		const socket = connectTo(Number(port), hostname);
		socket.write(
			"POST /text HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 100\r\ncontent-encoding: x\r\nconnection: close\r\n\r\n",
		);
		const answer = await textOf(socket);
		assert.match(answer, /^HTTP\/1\.1 415 /);
		assert.match(answer, /\r\naccept-encoding: gzip, br, zstd, deflate\r\n/i);
	});
});

describe("a cookie given twice, and a list in two lines,", () => {
	const lines = [
		"Cookie: a=0; s=1; s=2",
		"cookie: s=3",
		'X-List: a, "b,c"',
		"x-list: d",
	];

	async function ask(path: string): Promise<unknown> {
		const { hostname, port } = new URL(gateway.url);
		const socket = connectTo(Number(port), hostname);
		const head = [`GET ${path} HTTP/1.1`, "host: a", "connection: close"];
		socket.write(`${[...head, ...lines].join("\r\n")}\r\n\r\n`);
		const answer = await textOf(socket);
		return JSON.parse(answer.slice(answer.indexOf("\r\n\r\n") + 4));
	}

	it("are the first, and one list, on a composed route", async () => {
		assert.deepEqual(await ask("/read"), ["1", ["a", '"b,c"', "d"]]);
	});

	it("are the first, and one text, on a proxied route", async () => {
		const seen = (await ask("/proxied")) as { cookie: string; list: string };
		assert.equal(seen.list, '1: a, "b,c", d');
		assert.equal(seen.cookie, "a=0; s=1; s=2; s=3");
	});

	it("are the same for `fetch` and for `handle`", async () => {
		const alone = createGateway(configOrThrow(checkValue(config, "test", {})));
		const pairs = lines.map((line) => line.split(": ") as [string, string]);
		const answer = await alone.handle({
			method: "GET",
			target: "/read",
			headers: pairs.flat(),
		});
		const read = ["1", ["a", '"b,c"', "d"]];
		assert.deepEqual(JSON.parse(String(answer.body)), read);
		const request = new Request("http://a.test/read", { headers: pairs });
		assert.deepEqual(await (await alone.fetch(request)).json(), read);
		await alone.close();
	});
});
