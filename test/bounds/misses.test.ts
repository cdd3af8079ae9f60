import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { connectTo } from "../kit/transport.ts";
import { type RealUpstream, startUpstream } from "../kit/upstream.ts";
import { asking } from "../server/client.ts";

/** Many who miss the same answer of a cache ask for it once, and none of them can keep the others from it. */

let stack: AsyncDisposableStack;
let upstream: RealUpstream;
let gateway: ServedGateway;
/** Answers that the test is to give, in the order in which they were asked for. */
let held: ServerResponse[];

beforeEach(() => {
	stack = new AsyncDisposableStack();
	held = [];
});

afterEach(() => stack.disposeAsync());

async function start(cache: object | true = true, others: object = {}) {
	upstream = stack.use(
		await startUpstream((_, response) => void held.push(response)),
	);
	gateway = stack.use(
		await serve({
			// A slow machine is no overload here.
			overload: { skipAt: "30s", refuseAt: "60s" },
			upstreams: {
				up: { url: upstream.url, cache, timeout: "20s", ...others },
			},
			routes: {
				"GET /step": {
					deadline: "30s",
					request: { headers: { "accept-language?": { type: "string" } } },
					steps: {
						a: {
							get: "up/item",
							headers: { "accept-language?": "${headers.accept_language}" },
						},
					},
				},
				"GET /p/{rest*}": {
					deadline: "30s",
					proxy: {
						to: "up/{rest*}",
						cache: true,
						pass: ["authorization", "accept-language"],
					},
				},
			},
		}),
	);
}

const body = '{"a":1}';

function answer(control = "max-age=60", text = body): void {
	const response = held.shift() ?? assert.fail("nobody asked");
	response.setHeader("cache-control", control);
	response.setHeader("content-type", "application/json");
	response.end(text);
}

const times = <T>(count: number, make: (at: number) => Promise<T>) =>
	Array.from({ length: count }, (_, at) => make(at));

/** Resolves when the gateway has looked at everything that was sent to it. */
async function seen(): Promise<void> {
	for (let round = 0; round < 3; round++) await gateway.get("/nowhere");
}

const faces = [
	["a proxied route", "/p/item"],
	["a step", "/step"],
] as const;

for (const [face, path] of faces) {
	describe(`those who miss the same answer of ${face}`, () => {
		it("ask once: 500 of them", async () => {
			await start();
			const answers = times(500, () => gateway.get(path));
			await upstream.arrived(1);
			await seen();
			answer();
			for (const { status, text } of await Promise.all(answers)) {
				assert.equal(`${status} ${text}`, `200 ${body}`);
			}
			assert.equal(upstream.seen.length, 1);
		});

		it("get it although the first of them leaves", async () => {
			await start();
			const leaving = new AbortController();
			const first = gateway.get(path, { signal: leaving.signal });
			await upstream.arrived(1);
			const others = times(5, () => gateway.get(path));
			await seen();
			leaving.abort();
			await assert.rejects(first);
			await seen();
			answer();
			for (const { text } of await Promise.all(others)) {
				assert.equal(text, body);
			}
			assert.equal(upstream.seen.length, 1);
		});

		it("end the call when all have left", async () => {
			await start();
			const leaving = new AbortController();
			const { signal } = leaving;
			const all = times(3, () => gateway.get(path, { signal }));
			await upstream.arrived(1);
			await seen();
			leaving.abort();
			for (const one of all) await assert.rejects(one);
			await upstream.aborted(1);
			const next = gateway.get(path);
			await upstream.arrived(2);
			held.shift();
			answer();
			assert.equal((await next).text, body);
		});

		for (const control of ["private", "no-store", "max-age=0"]) {
			it(`ask for themselves at once if it says ${control}, and the next ones do not wait`, async () => {
				await start();
				const answers = times(5, () => gateway.get(path));
				await upstream.arrived(1);
				await seen();
				assert.equal(upstream.seen.length, 1);
				answer(control, "0");
				// If they came one after another, the second would wait for its answer.
				await upstream.arrived(5);
				const more = times(5, () => gateway.get(path));
				await upstream.arrived(10);
				for (let at = 1; at < 10; at++) answer(control, `${at}`);
				const texts = await Promise.all([...answers, ...more]);
				assert.equal(new Set(texts.map(({ text }) => text)).size, 10);
			});
		}

		it("ask for themselves if the first answer breaks off", async () => {
			await start();
			const answers = times(5, () => gateway.get(path).catch(() => null));
			await upstream.arrived(1);
			await seen();
			held.shift()?.socket?.destroy();
			await upstream.arrived(2);
			while (held.length > 0) answer();
			await upstream.arrived(5);
			while (held.length > 0) answer();
			await Promise.all(answers);
		});

		it("look into the cache once more when they get their place", async () => {
			await start(true, { connections: 1 });
			const ask = (language: string) =>
				gateway.get(path, { headers: { "accept-language": language } });
			const first = ask("en");
			await upstream.arrived(1);
			const others = times(5, (at) => ask(`l${at}`));
			await seen();
			answer();
			await first;
			for (const { text } of await Promise.all(others)) {
				assert.equal(text, body);
			}
			assert.equal(upstream.seen.length, 1);
		});
	});
}

describe("those who miss the same long or personal answer", () => {
	it("do not share one with other credentials", async () => {
		await start();
		const answers = times(4, (at) =>
			gateway.get("/p/item", { headers: { authorization: `user ${at % 2}` } }),
		);
		await upstream.arrived(2);
		await seen();
		assert.equal(upstream.seen.length, 2);
		answer("public, max-age=60", "0");
		answer("public, max-age=60", "1");
		const texts = (await Promise.all(answers)).map(({ text }) => text);
		assert.deepEqual(texts.toSorted(), ["0", "0", "1", "1"]);
	});

	it("do not wait for a client that does not read", async () => {
		const bytes = 20_000_000;
		await start({ maxAnswer: "32MiB", maxBytes: "256MiB" });
		const { port, hostname } = new URL(gateway.url);
		const slow = connectTo(Number(port), hostname);
		stack.defer(() => void slow.destroy());
		slow.write(asking("GET /p/item"));
		await upstream.arrived(1);
		const others = times(3, () => gateway.get("/p/item"));
		await seen();
		answer("max-age=60", "x".repeat(bytes));
		for (const { text } of await Promise.all(others)) {
			assert.equal(text.length, bytes);
		}
		assert.equal(upstream.seen.length, 1);
		// The slow one still gets all of it.
		let read = 0;
		slow.on("data", (piece) => {
			read += piece.length;
			if (read > bytes) slow.destroy();
		});
		await once(slow, "close");
	});

	it("ask for themselves if the answer is too long to be kept", async () => {
		await start({ maxAnswer: "10B" });
		const answers = times(5, () => gateway.get("/p/item"));
		await upstream.arrived(1);
		await seen();
		const first = held.shift() ?? assert.fail();
		first.setHeader("cache-control", "max-age=60");
		first.write("x".repeat(11));
		await upstream.arrived(5);
		first.end();
		while (held.length > 0) answer("max-age=60", "y".repeat(11));
		await Promise.all(answers);
		assert.equal(upstream.seen.length, 5);
	});
});

it("a time that ends while another asks says so", async () => {
	await start();
	await gateway[Symbol.asyncDispose]();
	gateway = stack.use(
		await serve({
			upstreams: { up: { url: upstream.url, cache: true } },
			routes: {
				"GET /long": { steps: { a: { get: "up/item" } } },
				"GET /short": { deadline: "50ms", steps: { a: { get: "up/item" } } },
			},
		}),
	);
	const long = gateway.get("/long");
	await upstream.arrived(1);
	assert.equal((await gateway.get("/short")).status, 504);
	assert.match(
		gateway.ended[0]?.error?.message ?? "",
		/: waited \d+ ms for the answer of up to another request$/,
	);
	answer();
	assert.equal((await long).status, 200);
});
