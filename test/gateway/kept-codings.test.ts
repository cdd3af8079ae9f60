import assert from "node:assert/strict";
import { afterEach, describe, it, mock, test } from "node:test";
import zlib from "node:zlib";
import { KeptCodings } from "../../src/core/body/kept-codings.ts";
import type { Gateway } from "../../src/gateway/gateway.ts";
import {
	type Answer,
	type Behaviour,
	type TestGateway,
	testGateway,
} from "../kit/gateway.ts";

/** Coded forms of cached answers, which are kept beside them. */

const users = (count: number, name = "Ada") =>
	JSON.stringify(Array.from({ length: count }, (_, id) => ({ id, name })));

const config = (cache: object = { for: "1m" }) => ({
	upstreams: { users: { url: "http://users.test", cache } },
	routes: {
		"GET /composed": { steps: { all: { get: "users/all" } } },
		"GET /proxied": {
			proxy: {
				to: "users/all",
				cache: true,
				pass: ["accept-language", "range"],
			},
		},
		"POST /proxied": { proxy: "users/all" },
		"GET /plain": { proxy: { to: "users/all", cache: true }, compress: false },
		"GET /bytes": {
			steps: { all: { get: "users/all" } },
			headers: { "content-type": "application/x-own+json" },
		},
	},
});

const coders = ["gzip", "br", "zstd"] as const;
const decoders = {
	gzip: zlib.gunzipSync,
	br: zlib.brotliDecompressSync,
	zstd: zlib.zstdDecompressSync,
};
type Coding = (typeof coders)[number];

let open: TestGateway[] = [];
afterEach(async () => {
	for (const { gateway } of open) await gateway.close();
	open = [];
	mock.restoreAll();
});

function start(behave: Behaviour, cache?: object): TestGateway {
	const one = testGateway(config(cache), behave);
	open.push(one);
	return one;
}

/** How often bodies were coded since. */
function countCoding(): () => number {
	const mocks = [
		...(["gzipSync", "brotliCompressSync", "zstdCompressSync"] as const),
		...(["gzip", "brotliCompress", "zstdCompress"] as const),
	].map((name) => mock.method(zlib, name).mock);
	return () => mocks.reduce((sum, { calls }) => sum + calls.length, 0);
}

function asking({ ask }: TestGateway, coding: Coding) {
	return (path: string, fields: readonly string[] = [], method = "GET") =>
		ask(path, { method, headers: ["accept-encoding", coding, ...fields] });
}

function plainOf(answer: Answer, coding: Coding): string {
	assert.equal(answer.header("content-encoding"), coding);
	return decoders[coding](answer.body as Uint8Array).toString();
}

const keptOf = ({ memory }: Gateway) => memory.kept;

const json = ["content-type", "application/json"];

for (const path of ["/composed", "/proxied"]) {
	describe(`an answer of ${path} that is cached`, () => {
		for (const coding of coders) {
			it(`is coded in ${coding} again when it is asked for again, and then no more`, async () => {
				const text = users(60);
				const one = start(() => ({ text, headers: json }));
				const ask = asking(one, coding);
				const coded = countCoding();
				const seen = [];
				for (let at = 0; at < 4; at++) {
					assert.equal(plainOf(await ask(path), coding), text);
					seen.push(coded());
				}
				assert.deepEqual(seen, [1, 2, 2, 2]);
				assert.equal(one.calls.length, 1);
			});

			it(`of more than the loop codes is coded in ${coding} once for all who ask meanwhile`, async () => {
				const text = users(3000);
				const one = start(() => ({ text, headers: json }));
				const ask = asking(one, coding);
				await ask(path);
				const coded = countCoding();
				const answers = Array.from({ length: 9 }, () => ask(path));
				for (const answer of await Promise.all(answers)) {
					assert.equal(plainOf(answer, coding), text);
				}
				assert.equal(coded(), 1);
				assert.equal(plainOf(await ask(path), coding), text);
				assert.equal(coded(), 1);
			});
		}

		it("counts its coded forms in the cache's memory, each once, when it is asked for again", async () => {
			const text = users(60);
			for (const coding of coders) {
				const one = start(() => ({ text, headers: json }));
				const ask = asking(one, coding);
				await ask(path);
				const once = keptOf(one.gateway);
				const { length } = (await ask(path)).body as Uint8Array;
				assert.equal(keptOf(one.gateway), once + length);
				await ask(path);
				assert.equal(keptOf(one.gateway), once + length);
			}
		});

		it("loses its coded forms when it is dropped, and the next answer has its own", async () => {
			let name = "Ada";
			const one = start(({ request: { method } }) => ({
				...(method === "GET" ? { text: users(60, name) } : { status: 204 }),
				headers: json,
			}));
			const ask = asking(one, "br");
			for (const next of ["Ada", "Eva", "Ida"]) {
				name = next;
				for (let at = 0; at < 3; at++) {
					assert.equal(plainOf(await ask(path), "br"), users(60, next));
				}
				assert.equal((await ask("/proxied", [], "POST")).status, 204);
				assert.equal(keptOf(one.gateway), 0);
			}
		});

		it("keeps its coded forms if the upstream confirms it", async () => {
			const text = users(60);
			const one = start(({ request: { headers } }) =>
				headers.includes('"1"')
					? { status: 304, headers: ["etag", '"1"'] }
					: { text, headers: [...json, "etag", '"1"'] },
			);
			const ask = asking(one, "zstd");
			for (let at = 0; at < 3; at++) await ask(path);
			await one.clock.advance(61_000);
			const coded = countCoding();
			assert.equal(plainOf(await ask(path), "zstd"), text);
			assert.equal(one.calls.length, 2);
			assert.equal(coded(), 0);
		});

		it("stays kept if there is no room for a coded form", async () => {
			const text = users(60);
			const sized = async (bytes?: number) => {
				const one = start(() => ({ text, headers: json }), {
					...{ for: "1m", ...(bytes && { maxBytes: `${bytes}B` }) },
				});
				const ask = asking(one, "gzip");
				const coded = countCoding();
				const sizes = [];
				for (let at = 0; at < 4; at++) {
					assert.equal(plainOf(await ask(path), "gzip"), text);
					sizes.push(keptOf(one.gateway));
				}
				assert.equal(one.calls.length, 1);
				const times = coded();
				mock.restoreAll();
				return { times, sizes };
			};
			const { sizes } = await sized();
			const [once = 0, all = 0] = sizes;
			assert.deepEqual(await sized(all - 1), {
				...{ times: 4, sizes: [once, once, once, once] },
			});
			for (const bytes of [all, all + 1]) {
				assert.deepEqual(await sized(bytes), { times: 2, sizes });
			}
		});

		it("goes as it is to those who want it so, or whose route does not compress", async () => {
			const text = users(60);
			const one = start(() => ({ text, headers: json }));
			const ask = asking(one, "br");
			for (let at = 0; at < 3; at++) await ask(path);
			for (const answer of [
				await one.ask(path),
				await ask("/plain"),
				await ask(path, ["cache-control", "no-transform"]),
			]) {
				assert.equal(answer.header("content-encoding"), null);
				assert.equal(answer.text, text);
			}
		});
	});
}

describe("an answer that is kept with its coded form", () => {
	const text = users(60);
	const tagged = [...json, "etag", '"1"', "accept-ranges", "bytes"];

	async function kept() {
		const one = start(() => ({ text, headers: tagged }));
		const ask = asking(one, "br");
		for (let at = 0; at < 3; at++) await ask("/proxied");
		return { one, ask };
	}

	it("of one variant is not that of another", async () => {
		const one = start(({ request: { headers } }) => {
			const at = headers.indexOf("accept-language");
			return {
				text: users(60, headers[at + 1]),
				headers: [...json, "vary", "accept-language"],
			};
		});
		const ask = asking(one, "br");
		for (let at = 0; at < 3; at++) {
			for (const language of ["de", "ru"]) {
				const answer = await ask("/proxied", ["accept-language", language]);
				assert.equal(plainOf(answer, "br"), users(60, language));
			}
		}
		assert.equal(one.calls.length, 2);
	});

	it("has a weak tag, and no fields of the plain one", async () => {
		const { ask } = await kept();
		const answer = await ask("/proxied");
		assert.equal(answer.header("etag"), 'W/"1"');
		assert.equal(answer.header("accept-ranges"), null);
		assert.equal(answer.header("vary"), "accept-encoding");
		assert.equal(plainOf(answer, "br"), text);
	});

	it("has the same fields for HEAD", async () => {
		const { ask } = await kept();
		const [get, head] = [
			await ask("/proxied"),
			await ask("/proxied", [], "HEAD"),
		];
		assert.equal(head.header("content-encoding"), "br");
		assert.equal(head.header("etag"), get.header("etag"));
		assert.equal(head.header("vary"), get.header("vary"));
	});

	it("is a 304 for those who have it", async () => {
		const { ask } = await kept();
		for (const tag of ['"1"', 'W/"1"']) {
			const answer = await ask("/proxied", ["if-none-match", tag]);
			assert.equal(answer.status, 304);
			assert.equal(answer.header("etag"), 'W/"1"');
			assert.equal(answer.header("content-encoding"), null);
		}
	});

	it("gives parts of the plain one", async () => {
		const { ask } = await kept();
		const answer = await ask("/proxied", ["range", "bytes=0-1199"]);
		assert.equal(answer.status, 206);
		assert.equal(answer.header("content-encoding"), null);
		assert.equal(answer.text, text.slice(0, 1200));
	});

	it("is coded anew if another route gives another content of it", async () => {
		const { one } = await kept();
		const ask = asking(one, "br");
		for (let at = 0; at < 3; at++) {
			const answer = await ask("/bytes");
			assert.equal(plainOf(answer, "br"), text);
		}
	});
});

test("what is kept keeps no larger buffer alive", () => {
	let grown = 0;
	const grow = (bytes: number) => {
		grown += bytes;
		return true;
	};
	const codings = new KeptCodings({ grow });
	const made = Buffer.allocUnsafeSlow(64 * 1024)
		.subarray(0, 111)
		.fill(1);
	const kept = codings.keep("br", made);
	assert.deepEqual(Buffer.from(kept), Buffer.from(made));
	assert.equal(kept.buffer.byteLength, grown);
	assert.equal(codings.of("br"), kept);
	assert.equal(codings.keep("br", Buffer.alloc(3)), kept);
	const full = new KeptCodings({ grow: () => false });
	assert.equal(full.keep("br", made), made);
	assert.equal(full.of("br"), null);
});
