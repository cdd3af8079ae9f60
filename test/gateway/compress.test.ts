import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { after, before, describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import zlib from "node:zlib";
import { answerCodings } from "../../src/core/http/accept-encoding.ts";
import { request as send } from "../kit/request.ts";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { type RealUpstream, startUpstream } from "../kit/upstream.ts";

const decoders: Record<string, (bytes: Uint8Array) => Buffer> = {
	gzip: zlib.gunzipSync,
	br: zlib.brotliDecompressSync,
	zstd: zlib.zstdDecompressSync,
};

const long = Array.from({ length: 100 }, (_, id) => ({ id, name: "Ada" }));
const text = JSON.stringify(long);
const page = `<p>${"Straße ".repeat(400)}</p>`;

let upstream: RealUpstream;
let gateway: ServedGateway;
/** What ends an answer that the upstream has only begun. */
let end = () => {};
/** Called with each request that the upstream gets. */
let onAsked = () => {};

before(async () => {
	upstream = await startUpstream(({ target, rawHeaders }, response) => {
		const [path = "", given = ""] = target.split("?");
		onAsked();
		const fields = new URLSearchParams(given);
		if (path === "/begun") {
			response.writeHead(200, { "content-type": "text/plain" });
			response.write("first\n");
			end = () => response.end("last\n");
			return;
		}
		if (path === "/events") {
			response.writeHead(200, { "content-type": "text/event-stream" });
			response.write(`data: ${"x".repeat(4000)}\n\n`);
			end = () => response.end();
			return;
		}
		const headers = Object.fromEntries(fields);
		const range = rawHeaders.some((name) => name.toLowerCase() === "range");
		if (range) {
			const of = `bytes 0-1499/${text.length}`;
			response.writeHead(206, { ...headers, "content-range": of });
			response.end(text.slice(0, 1500));
		} else if (rawHeaders.includes('"known"')) {
			response.writeHead(304, { etag: '"known"' }).end();
		} else {
			const body = path === "/large" ? text.repeat(100) : text;
			response.writeHead(200, {
				"content-type": "application/json",
				"content-length": body.length,
				...headers,
			});
			response.end(body);
		}
	});
	gateway = await serve({
		upstreams: {
			users: { url: upstream.url },
			kept: { url: upstream.url, cache: { for: "1m" } },
		},
		routes: {
			"GET /list": { steps: { all: { get: "users/all" } } },
			"GET /kept": { steps: { all: { get: "kept/all" } } },
			"GET /page": {
				respond: page,
				headers: {
					"content-type": "text/html; charset=utf-8",
					etag: '"page"',
					vary: "cookie",
				},
			},
			"GET /short": { respond: { short: true } },
			"GET /signs": { respond: "ß".repeat(700) },
			"GET /off": { compress: false, steps: { all: { get: "users/all" } } },
			"GET /secret": {
				request: {
					cookies: { "session?": { type: "string" } },
					query: { q: { type: "string" } },
				},
				steps: { all: { get: "users/all" } },
				respond: { q: "${query.q}", all: "${all}" },
			},
			"GET /asked": {
				compress: true,
				request: {
					cookies: { "session?": { type: "string" } },
					query: { q: { type: "string" } },
				},
				steps: { all: { get: "users/all" } },
				respond: { q: "${query.q}", all: "${all}" },
			},
			"GET /parts": {
				steps: { begun: { get: "users/all" }, slow: { get: "users/large" } },
				respond: { begun: "${begun}", slow: "${slow}" },
			},
			"ANY /proxied/{rest*}": { proxy: "users/{rest*}" },
		},
	});
});

after(async () => {
	await gateway?.[Symbol.asyncDispose]();
	await upstream[Symbol.asyncDispose]();
});

interface Got {
	readonly status: number;
	readonly headers: IncomingHttpHeaders;
	readonly bytes: Buffer;
	/** After decoding. */
	readonly body: string;
}

function get(
	path: string,
	headers: Record<string, string> = {},
	method = "GET",
): Promise<Got> {
	return new Promise((resolve, reject) => {
		const url = gateway.url + path;
		const asking = send(url, { method, headers, agent: false });
		asking.on("error", reject).on("response", (response) => {
			const chunks: Buffer[] = [];
			response.on("data", (chunk: Buffer) => chunks.push(chunk));
			response.on("error", reject);
			response.on("end", () => {
				const { statusCode: status = 0, headers } = response;
				const bytes = Buffer.concat(chunks);
				const decode = decoders[headers["content-encoding"] ?? ""];
				const plain = bytes.length > 0 ? decode?.(bytes) : null;
				const body = (plain ?? bytes).toString();
				resolve({ status, headers, bytes, body });
			});
		});
		asking.end();
	});
}

/** An answer of which only the head was read. */
async function begun(path: string, headers: Record<string, string>) {
	const url = gateway.url + path;
	const asking = send(url, { headers, agent: false }).end();
	const [response] = (await once(asking, "response")) as [IncomingMessage];
	asking.on("error", () => {});
	response.on("error", () => {});
	return { asking, response };
}

/** Without what differs from answer to answer. */
function steady({ date: _, "x-request-id": _1, ...rest }: IncomingHttpHeaders) {
	return rest;
}

describe("an answer", () => {
	for (const coding of answerCodings) {
		for (const path of [
			...["/list", "/kept", "/kept", "/page", "/signs", "/asked?q=a"],
			...["/proxied/all", "/proxied/large"],
		]) {
			it(`of ${path} in ${coding} is the plain one after decoding`, async () => {
				const plain = await get(path);
				assert.equal(plain.headers["content-encoding"], undefined);
				const coded = await get(path, { "accept-encoding": coding });
				assert.equal(coded.status, 200);
				assert.equal(coded.headers["content-encoding"], coding);
				assert.equal(coded.body, plain.body);
				assert.ok(coded.bytes.length < plain.bytes.length / 3);
				for (const { headers } of [plain, coded]) {
					assert.match(headers.vary ?? "", /\baccept-encoding$/);
				}
			});
		}

		it(`to HEAD has the fields of GET in ${coding}`, async () => {
			const fields = { "accept-encoding": coding };
			for (const path of ["/list", "/page", "/short"]) {
				const got = await get(path, fields);
				const head = await get(path, fields, "HEAD");
				assert.deepEqual(steady(head.headers), steady(got.headers));
				assert.equal(head.bytes.length, 0);
			}
		});
	}

	it("has the length of what is sent", async () => {
		const { headers, bytes } = await get("/list", { "accept-encoding": "br" });
		assert.equal(headers["content-length"], `${bytes.length}`);
	});

	it("of less than a KiB goes as it is, unless the client refuses that", async () => {
		const short = await get("/short", { "accept-encoding": "gzip" });
		assert.equal(short.headers["content-encoding"], undefined);
		assert.equal(short.headers.vary, undefined);
		const only = { "accept-encoding": "gzip, identity;q=0" };
		const coded = await get("/short", only);
		assert.equal(coded.headers["content-encoding"], "gzip");
		assert.equal(coded.body, short.body);
	});

	it("goes as it is if the client accepts nothing that there is", async () => {
		for (const field of ["*;q=0", "identity;q=0", "deflate", "gzip;q=0"]) {
			const { status, headers, body } = await get("/list", {
				"accept-encoding": field,
			});
			assert.equal(status, 200);
			assert.equal(headers["content-encoding"], undefined);
			assert.equal(headers.vary, "accept-encoding");
			assert.equal(body, text);
		}
	});

	it("is coded in what weighs most", async () => {
		const fields = { "accept-encoding": "br;q=0, *;q=0.5" };
		const { headers } = await get("/list", fields);
		assert.equal(headers["content-encoding"], "zstd");
	});

	it("is not coded where `compress` is `false`", async () => {
		const { headers } = await get("/off", { "accept-encoding": "gzip" });
		assert.equal(headers["content-encoding"], undefined);
		assert.equal(headers.vary, undefined);
	});

	it("that may hold a secret beside the client's input is not coded, unless the route asks for it", async () => {
		const fields = { "accept-encoding": "gzip", cookie: "session=7" };
		const { headers } = await get("/secret?q=a", fields);
		assert.equal(headers["content-encoding"], undefined);
		assert.equal(
			(await get("/asked?q=a", fields)).headers["content-encoding"],
			"gzip",
		);
	});

	it("of two requests that begin with the same secret has the same length, whatever they guess", async () => {
		const lengthOf = async (path: string, q: string) => {
			const fields = { "accept-encoding": "gzip", cookie: "session=7" };
			return (await get(`${path}?q=${q}`, fields)).bytes.length;
		};
		const right = encodeURIComponent(text.slice(0, 40));
		const wrong = encodeURIComponent(
			[...text.slice(0, 40)].toSorted().reverse().join(""),
		);
		// That is what the rule is for.
		assert.ok(
			(await lengthOf("/asked", right)) < (await lengthOf("/asked", wrong)),
		);
		assert.equal(
			await lengthOf("/secret", right),
			await lengthOf("/secret", wrong),
		);
	});
});

describe("the tag of an answer", () => {
	it("is weak if the answer is coded, and names both", async () => {
		const plain = await get("/page");
		assert.equal(plain.headers.etag, '"page"');
		const coded = await get("/page", { "accept-encoding": "gzip" });
		assert.equal(coded.headers.etag, 'W/"page"');
		assert.equal(coded.headers.vary, "cookie, accept-encoding");
	});

	for (const tag of ['"known"', 'W/"known"']) {
		it(`${tag} is known to an upstream, in a 304 for each coding`, async () => {
			const known = { "if-none-match": '"known"' };
			const plain = await get("/proxied/all", known);
			assert.deepEqual([plain.status, plain.headers.etag], [304, '"known"']);
			const fields = { ...known, "accept-encoding": "gzip" };
			const coded = await get("/proxied/all", fields);
			assert.deepEqual([coded.status, coded.headers.etag], [304, 'W/"known"']);
			assert.equal(coded.headers.vary, "accept-encoding");
			assert.equal(coded.headers["content-encoding"], undefined);
		});
	}
});

describe("what is passed on", () => {
	const gzip = { "accept-encoding": "gzip" };

	async function passed(fields: Record<string, string>, own = gzip) {
		const query = new URLSearchParams(fields);
		return get(`/proxied/all?${query}`, own);
	}

	it("loses the fields that are true of the plain bytes alone", async () => {
		const { headers, body } = await passed({
			"accept-ranges": "bytes",
			"content-digest": "sha-256=:AAAA:",
			"repr-digest": "sha-256=:AAAA:",
			digest: "sha-256=AAAA",
			"content-md5": "AAAA",
			etag: '"1"',
			vary: "origin",
		});
		assert.equal(body, text);
		for (const name of [
			...["accept-ranges", "content-digest", "repr-digest", "digest"],
			"content-md5",
		]) {
			assert.equal(headers[name], undefined, name);
		}
		assert.equal(headers.etag, 'W/"1"');
		assert.equal(headers.vary, "origin, accept-encoding");
	});

	const untouched: readonly [what: string, fields: Record<string, string>][] = [
		["with `no-transform`", { "cache-control": "public, no-transform" }],
		["that is coded", { "content-encoding": "compress" }],
		["of a media type that is compressed", { "content-type": "image/png" }],
		["without a known media type", { "content-type": "application/x-own" }],
		["whose fields are signed", { "signature-input": 'sig=("etag")' }],
	];
	for (const [what, fields] of untouched) {
		it(`${what} goes as it came`, async () => {
			const { headers, bytes } = await passed({ etag: '"1"', ...fields });
			assert.equal(bytes.toString(), text);
			assert.equal(headers.etag, '"1"');
			assert.equal(headers["content-encoding"], fields["content-encoding"]);
			assert.equal(headers.vary, undefined);
		});
	}

	it("goes as it came if the client does not want it changed", async () => {
		const own = { ...gzip, "cache-control": "no-transform" };
		const { headers } = await passed({}, own);
		assert.equal(headers["content-encoding"], undefined);
	});

	it("keeps `Vary: *`", async () => {
		assert.equal((await passed({ vary: "*" })).headers.vary, "*");
	});

	it("as a part of the bytes goes as it came", async () => {
		const own = { ...gzip, range: "bytes=0-1499" };
		const { status, headers, bytes } = await passed({ etag: '"1"' }, own);
		assert.equal(status, 206);
		assert.equal(bytes.toString(), text.slice(0, 1500));
		assert.equal(headers.etag, '"1"');
		assert.equal(headers["content-encoding"], undefined);
	});

	it("as events goes as it came, because it may have no end", async () => {
		const { response } = await begun("/proxied/events", gzip);
		assert.equal(response.headers["content-encoding"], undefined);
		end();
		let length = 0;
		for await (const bytes of response) length += bytes.length;
		assert.ok(length > 4000);
	});

	it("to HEAD has the coding, and no length that nobody knows", async () => {
		const { headers } = await get("/proxied/large", gzip, "HEAD");
		assert.equal(headers["content-encoding"], "gzip");
		assert.equal(headers["content-length"], undefined);
		assert.equal(headers.vary, "accept-encoding");
	});

	it("comes piece by piece, and what a coder holds is counted until the client leaves", async () => {
		const { memory } = gateway.gateway;
		const before = memory.held;
		const { asking, response } = await begun("/proxied/begun", gzip);
		const reader = zlib.createGunzip();
		response.on("data", (bytes) => reader.write(bytes));
		const [first] = await once(reader, "data");
		assert.equal(String(first), "first\n");
		assert.ok(memory.held - before > 300 * 1024);
		asking.destroy();
		await upstream.aborted(1);
		reader.destroy();
		while (memory.held - before > 100 * 1024) await turn();
	});

	it("ends as it ends", async () => {
		const { response } = await begun("/proxied/begun", gzip);
		const chunks: Buffer[] = [];
		for await (const bytes of response) {
			if (chunks.length === 0) end();
			chunks.push(bytes);
		}
		const whole = zlib.gunzipSync(Buffer.concat(chunks)).toString();
		assert.equal(whole, "first\nlast\n");
	});

	it("goes as it came if there is no memory to code it", async () => {
		const { memory } = gateway.gateway;
		let most = 0;
		// A request that begins then would be refused.
		onAsked = () => {
			most = memory.bytesMax - memory.held - 200 * 1024;
			memory.held += most;
		};
		try {
			const { headers, body } = await get("/proxied/all", gzip);
			assert.equal(headers["content-encoding"], undefined);
			assert.equal(headers.vary, "accept-encoding");
			assert.equal(body, text);
		} finally {
			memory.held -= most;
			onAsked = () => {};
		}
	});
});

describe("an answer in parts", () => {
	for (const coding of answerCodings) {
		it(`in ${coding} has the lines of the plain one`, async () => {
			const accept = { accept: "application/x-ndjson" };
			const plain = await get("/parts", accept);
			const fields = { ...accept, "accept-encoding": coding };
			const coded = await get("/parts", fields);
			assert.equal(coded.headers["content-encoding"], coding);
			const lines = ({ body }: Got) => body.split("\n").toSorted();
			assert.deepEqual(
				lines(coded).map((line) => line.length),
				lines(plain).map((line) => line.length),
			);
		});
	}
});
