import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { checkValue, configOrThrow } from "../../src/config/load.ts";
import { headerOf } from "../../src/core/http/headers.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import { cache } from "../../src/policy/cache/cache.ts";
import { promised } from "../../src/policy/promised.ts";
import {
	keptMsMax,
	packed,
	storedBytesMax,
	unpacked,
} from "../../src/store/answer-value.ts";
import { SharedAnswers } from "../../src/store/answers.ts";
import { openRedis } from "../../src/store/redis.ts";
import { Store, type StoreState } from "../../src/store/store.ts";
import { realClock, virtualClock } from "../../src/tasks/clock.ts";
import { openScope } from "../../src/tasks/scope.ts";
import { contextOf, hangs, requestOf } from "../kit/policy.ts";
import {
	startStore,
	type TestStore,
	untilUp,
	withoutStore,
} from "../kit/store.ts";
import { until } from "../kit/until.ts";
import {
	type Answering,
	type RealUpstream,
	startUpstream,
} from "../kit/upstream.ts";

const skip = withoutStore();

const json =
	(value: unknown, headers: Record<string, string> = {}): Answering =>
	(_request, response) => {
		response.writeHead(200, { "content-type": "application/json", ...headers });
		response.end(JSON.stringify(value));
	};

interface Asked {
	readonly status: number;
	readonly text: string;
}

/** A secret of the config. */
const planted = "p1anted-s3cret-value";

/** Ten thousand characters so many times, each when those before have been taken. */
async function sendSlowly(response: ServerResponse, count: number) {
	for (let at = 0; at < count; at++) {
		response.write("x".repeat(10_000));
		await new Promise((resolve) => setTimeout(resolve, 10));
	}
	response.end();
}

/** Bytes that no coder makes shorter. */
const noise = (bytes: number) => randomBytes(bytes);

interface TestGateway extends AsyncDisposable {
	get(path: string, headers?: Record<string, string>): Promise<Asked>;
	/** As it comes. */
	fetch(path: string, headers?: Record<string, string>): Promise<Response>;
	post(path: string): Promise<Asked>;
	store(): StoreState;
	/** How often its caches have taken an answer from the store. */
	shared(): number;
}

async function opened(
	store: string,
	upstream: string,
	cache: object = { for: "1m" },
	more: object = {},
): Promise<TestGateway> {
	const config = {
		overload: false,
		store: { url: "${env.STORE}", timeout: "1s" },
		upstreams: { things: { url: upstream, timeout: "10s", cache, ...more } },
		routes: {
			"GET /x/{id}": {
				request: { headers: { "authorization?": { type: "string" } } },
				deadline: "30s",
				steps: {
					thing: {
						get: "things/x/${params.id}",
						headers: { "authorization?": "${headers.authorization}" },
					},
				},
				respond: "${thing}",
			},
			"POST /x/{id}": {
				steps: { done: { post: "things/x/${params.id}" } },
				respond: "${done}",
			},
			"GET /files/{rest*}": {
				proxy: {
					to: "things/files/{rest*}",
					cache: true,
					pass: ["x-kind", "authorization"],
				},
			},
			"POST /files/{rest*}": { proxy: "things/files/{rest*}" },
			"GET /picky/{id}": {
				steps: {
					thing: { get: "things/x/${params.id}", expect: "${answer.good}" },
				},
				respond: "${thing}",
			},
		},
	};
	// Without a setting that reads it the gateway knows no secret.
	const env = { STORE: store, ...("headers" in more && { KEY: planted }) };
	const gateway = createGateway(configOrThrow(checkValue(config, "t", env)));
	let shared = 0;
	gateway.events.policyDecided.push(({ decision }) => {
		if (decision === "shared") shared++;
	});
	const state = () => gateway.state().store as StoreState;
	const { settled } = gateway;
	await untilUp({ settled, state }, gateway.events.storeChanged);
	const ask = async (method: string, path: string, headers = {}) => {
		const request = new Request(`http://gateway${path}`, { method, headers });
		const answer = await gateway.fetch(request);
		return { status: answer.status, text: await answer.text() };
	};
	return {
		get: (path, headers) => ask("GET", path, headers),
		fetch: (path, headers = {}) =>
			gateway.fetch(new Request(`http://gateway${path}`, { headers })),
		post: (path) => ask("POST", path),
		store: state,
		shared: () => shared,
		[Symbol.asyncDispose]: () => gateway.close(),
	};
}

describe("answers that gateways share", { skip }, () => {
	const inside = async (
		answer: Answering,
		work: (server: TestStore, upstream: RealUpstream) => Promise<void>,
	) => {
		await using server = await startStore();
		await using upstream = await startUpstream(answer);
		await work(server, upstream);
	};
	const keys = async (server: TestStore) =>
		(await server.command("KEYS", "*answer:*")).match(/sluice:answer:\S+/g) ??
		[];
	/** Waits until so many are in the store. */
	const stored = (server: TestStore, count: number) =>
		until(async () => (await keys(server)).length === count);

	it("are asked for once, and are no older for the one that gets them later", () =>
		inside(json({ id: 1 }, { age: "7" }), async (server, upstream) => {
			await using one = await opened(server.url, upstream.url);
			await using two = await opened(server.url, upstream.url);
			assert.deepEqual(await one.get("/x/1"), {
				status: 200,
				text: '{"id":1}',
			});
			await stored(server, 1);
			assert.deepEqual(await two.get("/x/1"), {
				status: 200,
				text: '{"id":1}',
			});
			assert.equal(two.shared(), 1);
			assert.equal((await two.get("/x/1")).status, 200);
			assert.equal(two.shared(), 1);
			assert.equal(upstream.seen.length, 1);
			// What it has taken from there is not put there again.
			const [key = ""] = await keys(server);
			const leftMs = Number((await server.command("PTTL", key)).slice(1));
			assert.ok(leftMs > 0 && leftMs <= 53_000, `${leftMs}`);
		}));

	for (const more of [{}, { coalesce: true }]) {
		it(`are asked for once if 3,000 requests miss at once in three gateways ${JSON.stringify(more)}`, () =>
			inside(
				(request, response) => {
					setTimeout(() => json({ ok: true })(request, response), 300);
				},
				async (server, upstream) => {
					const gateways = await Promise.all(
						[0, 1, 2].map(() =>
							opened(server.url, upstream.url, { for: "1m" }, more),
						),
					);
					const all = await Promise.all(
						Array.from({ length: 3000 }, (_, at) =>
							(gateways[at % 3] as TestGateway).get("/x/1"),
						),
					);
					assert.deepEqual(
						new Set(all.map(({ text }) => text)),
						new Set(['{"ok":true}']),
					);
					assert.equal(upstream.seen.length, 1);
					for (const gateway of gateways) {
						assert.equal(gateway.store().local.answers, 0);
						await gateway[Symbol.asyncDispose]();
					}
				},
			));
	}

	it("are old for all once a call of one gateway has changed them", () => {
		let version = 0;
		return inside(
			(request, response) => {
				if (request.method === "POST") version++;
				json({ version })(request, response);
			},
			async (server, upstream) => {
				await using one = await opened(server.url, upstream.url);
				await using two = await opened(server.url, upstream.url);
				await one.get("/x/1");
				await stored(server, 1);
				assert.equal((await two.get("/x/1")).text, '{"version":0}');
				await one.post("/x/1");
				assert.equal((await one.get("/x/1")).text, '{"version":1}');
				await until(
					async () => (await two.get("/x/1")).text === '{"version":1}',
				);
				const gets = upstream.seen.filter(({ method }) => method === "GET");
				assert.ok(gets.length <= 3, `${gets.length}`);
			},
		);
	});

	it("are looked through only if they would be kept, and no more than 64 at once", async () => {
		await using server = await startStore();
		const changed: (() => void)[] = [];
		const open = openRedis(server.url);
		const context = { clock: realClock(), changed, open };
		const store = new Store({ prefix: "t:", timeoutMs: 10_000 }, context);
		const shared = new SharedAnswers(store, "x", () => {});
		await untilUp(store, changed);
		let looked = 0;
		const { promise: done, resolve: end } = Promise.withResolvers<boolean>();
		const look = () => {
			looked++;
			return done;
		};
		const keep = async (at: number, keptMs: number) => {
			const found = await shared.find(`${at}`, `/${at}`, 1000);
			assert.ok(found.kind === "ask");
			const body = new Uint8Array([1]);
			const answer = { status: 200, headers: [], body, ageMs: 0, keptMs };
			return { kept: shared.keep(found.lease, answer, look) };
		};
		await (await keep(0, 99)).kept;
		assert.equal(looked, 0);
		const all: Promise<void>[] = [];
		for (let at = 1; at <= 64; at++) all.push((await keep(at, 5000)).kept);
		assert.equal(looked, 64);
		await (await keep(65, 5000)).kept;
		assert.equal(looked, 64);
		end(true);
		await Promise.all(all);
		assert.equal((await shared.find("64", "/64", 1000)).kind, "kept");
		assert.notEqual((await shared.find("65", "/65", 1000)).kind, "kept");
		const found = await shared.find("66", "/66", 1000);
		store.close();
		assert.ok(found.kind === "ask");
		const body = new Uint8Array([1]);
		const answer = { status: 200, headers: [], body, ageMs: 0, keptMs: 5000 };
		await shared.keep(found.lease, answer, look);
		assert.equal(looked, 64);
	});

	it("are not kept if they were asked for before their address was changed", () =>
		inside(json({}), async (server) => {
			const changed: (() => void)[] = [];
			const open = openRedis(server.url);
			const context = { clock: realClock(), changed, open };
			const store = new Store({ prefix: "t:", timeoutMs: 10_000 }, context);
			const heard: (string | null)[] = [];
			const one = new SharedAnswers(store, "x", () => {});
			const two = new SharedAnswers(store, "x", (target) => heard.push(target));
			await untilUp(store, changed);
			const find = (of: SharedAnswers) => of.find("asked", "/a", 1000);
			const [first, second] = [await find(one), await find(two)];
			assert.ok(first.kind === "ask");
			assert.equal(second.kind, "wait");
			one.changed(["/a", "/b"]);
			const body = new Uint8Array([1]);
			const answer = { status: 200, headers: [], body, ageMs: 0, keptMs: 5000 };
			await one.keep(first.lease, answer, async () => true);
			const again = await find(two);
			assert.ok(again.kind === "ask");
			await two.keep(again.lease, answer, async () => true);
			const found = await find(one);
			assert.ok(found.kind === "kept");
			assert.deepEqual(Uint8Array.from(found.answer.body), body);
			assert.ok(found.answer.ageMs < 5000);
			store.close();
		}));

	it("are not given if they were changed while the store was away", () => {
		let version = 0;
		return inside(
			(request, response) => {
				if (request.method === "POST") version++;
				json({ version })(request, response);
			},
			async (server, upstream) => {
				await using one = await opened(server.url, upstream.url);
				await one.get("/x/1");
				await stored(server, 1);
				await server.command("CONFIG", "SET", "maxmemory", "1");
				await until(async () => {
					await one.get(`/x/${Math.random()}`);
					return one.store().state === "away";
				});
				await one.post("/x/1");
				await server.command("CONFIG", "SET", "maxmemory", "0");
				await until(() => one.store().state === "up");
				await using two = await opened(server.url, upstream.url);
				assert.equal((await one.get("/x/1")).text, '{"version":1}');
				assert.equal((await two.get("/x/1")).text, '{"version":1}');
			},
		);
	});

	it("are each asked for by whoever wants them if they may not be kept, and nobody waits", () =>
		inside(
			json({}, { "cache-control": "no-store" }),
			async (server, upstream) => {
				await using one = await opened(server.url, upstream.url);
				await using two = await opened(server.url, upstream.url);
				await one.get("/x/1");
				for (let count = 0; count < 5; count++) {
					await Promise.all([one.get("/x/1"), two.get("/x/1")]);
				}
				assert.equal(upstream.seen.length, 11);
				assert.deepEqual(await keys(server), []);
			},
		));

	it("are asked for by the next one at once if asking fails", () => {
		let count = 0;
		return inside(
			(request, response) => {
				if (++count > 1) return json({ ok: true })(request, response);
				response.writeHead(500).end();
			},
			async (server, upstream) => {
				await using one = await opened(server.url, upstream.url);
				await using two = await opened(server.url, upstream.url);
				assert.equal((await one.get("/x/1")).status, 502);
				const beganMs = performance.now();
				assert.equal((await two.get("/x/1")).status, 200);
				assert.ok(performance.now() - beganMs < 1900);
			},
		);
	});

	it("are not kept for others if a step could not use them", () => {
		let good = false;
		return inside(
			(request, response) => json({ good })(request, response),
			async (server, upstream) => {
				await using one = await opened(server.url, upstream.url);
				await using two = await opened(server.url, upstream.url);
				assert.equal((await one.get("/picky/1")).status, 502);
				good = true;
				const beganMs = performance.now();
				assert.equal((await two.get("/picky/1")).text, '{"good":true}');
				// Nobody waits for what was refused: a lease would last two seconds.
				assert.ok(performance.now() - beganMs < 1900);
				await stored(server, 1);
			},
		);
	});

	it("are no user's own", () =>
		inside(json({ whose: "?" }), async (server, upstream) => {
			await using one = await opened(server.url, upstream.url);
			await using two = await opened(server.url, upstream.url);
			for (const who of ["ada", "bob"]) {
				const headers = { authorization: `Bearer ${who}` };
				await one.get("/x/1", headers);
				await two.get("/x/1", headers);
			}
			assert.equal(upstream.seen.length, 4);
			assert.deepEqual(await keys(server), []);
		}));

	it("stay in each gateway's memory with `shared: false`", () =>
		inside(json({}), async (server, upstream) => {
			const cache = { for: "1m", shared: false };
			await using one = await opened(server.url, upstream.url, cache);
			await one.get("/x/1");
			await one.get("/x/1");
			assert.equal(upstream.seen.length, 1);
			assert.doesNotMatch(await server.command("KEYS", "*"), /answer|lease/);
		}));

	it("come from the upstream while the store is stopped, and none fails", () =>
		inside(json({ ok: true }), async (server, upstream) => {
			await using one = await opened(server.url, upstream.url);
			server.stop();
			const all = await Promise.all(
				Array.from({ length: 20 }, (_, at) => one.get(`/x/${at}`)),
			);
			assert.ok(all.every(({ status }) => status === 200));
			assert.equal(one.store().state, "away");
			assert.ok(one.store().local.answers >= 20);
		}));

	it("are asked for anew if what is in the store is none", () =>
		inside(json({ ok: true }), async (server, upstream) => {
			await using one = await opened(server.url, upstream.url);
			await one.get("/x/1");
			await stored(server, 1);
			const [key = ""] = await keys(server);
			let asked = 1;
			for (const value of [
				"",
				"x",
				"\u0001:",
				`\u0001:${"\u0001".repeat(40)}`,
			]) {
				await server.command("SET", key, value);
				await using two = await opened(server.url, upstream.url);
				assert.equal((await two.get("/x/1")).text, '{"ok":true}');
				assert.equal(upstream.seen.length, ++asked);
				assert.equal(two.store().state, "up");
			}
			await server.command("DEL", key);
			await server.command("LPUSH", key, "a");
			await using two = await opened(server.url, upstream.url);
			assert.equal((await two.get("/x/1")).status, 200);
			assert.equal(two.store().state, "up");
		}));

	it("outlive no message that is none", () =>
		inside(json({ ok: true }), async (server, upstream) => {
			await using one = await opened(server.url, upstream.url);
			await one.get("/x/1");
			await stored(server, 1);
			const listed = await server.command("PUBSUB", "CHANNELS");
			const channel = /sluice:changed:\S+/.exec(listed)?.[0] as string;
			for (const message of ["", "{", "7", "[]", '["x"]', '["x",[7,null]]']) {
				await server.command("PUBLISH", channel, message);
			}
			await one.get("/x/2");
			await one.get("/x/1");
			assert.equal(upstream.seen.length, 2);
			await server.command("PUBLISH", channel, '["x",null]');
			await until(async () => {
				await one.get("/x/1");
				return one.shared() === 1;
			});
		}));
});

describe("answers of proxied routes that gateways share", { skip }, () => {
	const inside = async (
		answer: Answering,
		work: (
			one: TestGateway,
			two: TestGateway,
			upstream: RealUpstream,
			server: TestStore,
		) => Promise<void>,
		cache: object = { for: "1m" },
	) => {
		await using server = await startStore();
		await using upstream = await startUpstream(answer);
		await using one = await opened(server.url, upstream.url, cache);
		await using two = await opened(server.url, upstream.url, cache);
		await work(one, two, upstream, server);
	};
	const stored = (server: TestStore, count: number) =>
		until(async () => {
			const keys = await server.command("KEYS", "sluice:answer:*");
			return keys.startsWith(`*${count}\r\n`);
		});

	/** Fails long before a lease ends by itself. */
	const noLeases = async (server: TestStore) => {
		const beganMs = performance.now();
		await until(async () => {
			const keys = await server.command("KEYS", "sluice:lease:*");
			return keys.startsWith("*0\r\n");
		});
		assert.ok(performance.now() - beganMs < 1500, "a lease stays");
	};

	it("are asked for once, as they were sent, and are no younger for the one that gets them later", () => {
		const body = gzipSync("a page of much text ".repeat(100));
		const headers = {
			...{ "content-type": "text/html", "content-encoding": "gzip" },
			...{ etag: '"v1"', age: "7", "cache-control": "max-age=60" },
		};
		return inside(
			(_, response) => response.writeHead(200, headers).end(body),
			async (one, two, upstream, server) => {
				const first = await one.fetch("/files/page");
				assert.deepEqual(Buffer.from(await first.arrayBuffer()), body);
				await stored(server, 1);
				const second = await two.fetch("/files/page");
				assert.deepEqual(Buffer.from(await second.arrayBuffer()), body);
				for (const name of ["content-type", "content-encoding", "etag"]) {
					assert.equal(
						second.headers.get(name),
						headers[name as keyof typeof headers],
					);
				}
				const age = Number(second.headers.get("age"));
				assert.ok(age >= 8 && age < 60, `${age}`);
				assert.equal(two.shared(), 1);
				assert.equal(upstream.seen.length, 1);
				// It is in the memory of both by now, and 304 to whoever has it.
				const has = { "if-none-match": '"v1"' };
				assert.equal((await two.fetch("/files/page", has)).status, 304);
				assert.equal(upstream.seen.length, 1);
			},
		);
	});

	it("are asked for once if 600 requests miss at once in two gateways", () =>
		inside(
			(_, response) => {
				setTimeout(() => response.end("done"), 300);
			},
			async (one, two, upstream) => {
				const all = await Promise.all(
					Array.from({ length: 600 }, (_, at) =>
						(at % 2 ? one : two).get("/files/a"),
					),
				);
				assert.deepEqual(
					new Set(all.map(({ text }) => text)),
					new Set(["done"]),
				);
				assert.equal(upstream.seen.length, 1);
			},
		));

	it("come to the others although the client that asked reads nothing of it", () =>
		inside(
			(_, response) => void sendSlowly(response, 10),
			async (one, two, upstream) => {
				const unread = await one.fetch("/files/a");
				const { text } = await two.get("/files/a");
				assert.equal(text, "x".repeat(100_000));
				assert.equal(two.shared(), 1);
				assert.equal(upstream.seen.length, 1);
				await unread.body?.cancel();
			},
		));

	it("are old for all once a request through one gateway has changed them", () => {
		let version = 0;
		return inside(
			(request, response) => {
				if (request.method === "POST") version++;
				response.end(`${version}`);
			},
			async (one, two, _, server) => {
				assert.equal((await one.get("/files/a")).text, "0");
				await stored(server, 1);
				assert.equal((await two.get("/files/a")).text, "0");
				assert.equal(two.shared(), 1);
				await one.post("/files/a");
				await until(async () => (await two.get("/files/a")).text === "1");
			},
		);
	});

	it("are asked for by each if they are too long for the store, and nobody waits", () =>
		inside(
			(_, response) => {
				response.end(noise(200_000));
			},
			async (one, two, upstream, server) => {
				const [a, b] = [
					await one.fetch("/files/a"),
					await two.fetch("/files/a"),
				];
				assert.equal((await a.arrayBuffer()).byteLength, 200_000);
				assert.equal((await b.arrayBuffer()).byteLength, 200_000);
				assert.equal(upstream.seen.length, 2);
				assert.equal(two.shared(), 0);
				await stored(server, 0);
			},
		));

	it("are asked for by the next one at once if they grow too long, and do not end", () => {
		let count = 0;
		return inside(
			(_, response) => {
				if (++count > 1) return void response.end("short");
				response.write(noise(2_000_000));
			},
			async (one, two) => {
				const endless = await one.fetch("/files/a");
				const reading = endless.arrayBuffer().catch(() => "cut");
				const beganMs = performance.now();
				assert.equal((await two.get("/files/a")).text, "short");
				// A lease would last two seconds.
				assert.ok(performance.now() - beganMs < 1900);
				await one[Symbol.asyncDispose]();
				assert.equal(await reading, "cut");
			},
		);
	});

	it("are asked for by the next one at once if they break off, and none is given cut", () => {
		let count = 0;
		return inside(
			(_, response) => {
				response.writeHead(200, { "content-length": "10" });
				response.write("01234");
				if (++count > 1) return void response.end("56789");
				setTimeout(() => response.destroy(), 20);
			},
			async (one, two) => {
				await assert.rejects(one.get("/files/a"));
				const beganMs = performance.now();
				assert.equal((await two.get("/files/a")).text, "0123456789");
				// A lease would last two seconds.
				assert.ok(performance.now() - beganMs < 1900);
				assert.equal(two.shared(), 0);
			},
		);
	});

	for (const late of [false, true]) {
		const when = late ? "comes late" : "comes with its head";
		it(`stand in for failures at once, if the body of one ${when}`, async () => {
			let down = false;
			await using server = await startStore();
			await using upstream = await startUpstream((_, response) => {
				if (!down) return void response.end("good");
				response.writeHead(503, { "content-length": "4" });
				if (!late) return void response.end("down");
				response.flushHeaders();
				setTimeout(() => response.end("down"), 30);
			});
			const cache = { for: "1s", staleIfError: "10m" };
			await using one = await opened(server.url, upstream.url, cache);
			const good = { status: 200, text: "good" };
			assert.deepEqual(await one.get("/files/a"), good);
			await stored(server, 1);
			down = true;
			await stored(server, 0);
			await until(async () => {
				assert.deepEqual(await one.get("/files/a"), good);
				return upstream.seen.length === 2;
			});
			for (let count = 0; count < 3; count++) {
				// Nobody is left to wait for the two seconds of a lease.
				await noLeases(server);
				assert.deepEqual(await one.get("/files/a"), good);
			}
			assert.equal(upstream.seen.length, 5);
		});
	}

	it("are no user's own", () =>
		inside(
			(request, response) => {
				if (request.target.endsWith("private")) {
					response.setHeader("cache-control", "private, max-age=60");
				}
				if (request.target.endsWith("cookie")) {
					response.setHeader("set-cookie", "who=ada");
				}
				response.end("whose?");
			},
			async (one, two, upstream, server) => {
				const ada = { authorization: "Bearer ada" };
				for (const [path, headers] of [
					["/files/a", ada],
					["/files/private", {}],
					["/files/cookie", {}],
				] as const) {
					await one.get(path, headers);
					await two.get(path, headers);
				}
				assert.equal(upstream.seen.length, 6);
				await stored(server, 0);
			},
		));

	it("are in no store if they hold a secret of the config, also compressed", async () => {
		await using server = await startStore();
		await using upstream = await startUpstream(({ target }, response) => {
			const body = `you sent ${target.endsWith("a") ? planted : "nothing"}`;
			response.setHeader("content-encoding", "gzip");
			response.end(gzipSync(body));
		});
		const more = { headers: { "x-key": "${env.KEY}" } };
		const cache = { for: "1m" };
		await using one = await opened(server.url, upstream.url, cache, more);
		for (const path of ["/files/a", "/files/b"]) {
			assert.equal((await one.fetch(path)).status, 200);
		}
		await stored(server, 1);
		await using two = await opened(server.url, upstream.url, cache, more);
		await two.fetch("/files/b");
		await two.fetch("/files/a");
		assert.equal(two.shared(), 1);
		assert.equal(upstream.seen.length, 3);
	});

	it("are decoded to look for secrets only if the gateway knows any", async () => {
		for (const [more, seen] of [
			[{}, 1],
			[{ headers: { "x-key": "${env.KEY}" } }, 2],
		] as const) {
			await using server = await startStore();
			await using upstream = await startUpstream((_, response) => {
				response.setHeader("content-encoding", "gzip");
				response.end("this is no gzip");
			});
			const cache = { for: "1m" };
			const open = () => opened(server.url, upstream.url, cache, more);
			await using one = await open();
			await using two = await open();
			assert.equal((await one.fetch("/files/a")).status, 200);
			assert.equal((await two.fetch("/files/a")).status, 200);
			assert.equal(upstream.seen.length, seen);
		}
	});

	it("are given to requests that differ in a field only if each has its own", () =>
		inside(
			({ rawHeaders }, response) => {
				response.setHeader("vary", "x-kind");
				response.end(headerOf(rawHeaders, "x-kind") ?? "none");
			},
			async (one, two, upstream, server) => {
				assert.equal((await one.get("/files/a", { "x-kind": "a" })).text, "a");
				await stored(server, 1);
				assert.equal((await two.get("/files/a", { "x-kind": "b" })).text, "b");
				assert.equal((await two.get("/files/a", { "x-kind": "a" })).text, "a");
				assert.equal(upstream.seen.length, 2);
			},
		));

	it("are asked for with a client's own condition or range by the client alone", () =>
		inside(
			({ rawHeaders }, response) => {
				response.setHeader("etag", '"v1"');
				if (headerOf(rawHeaders, "if-none-match") !== null) {
					return void response.writeHead(304).end();
				}
				if (headerOf(rawHeaders, "range") === null) {
					return void response.end("0123456789");
				}
				response.writeHead(206, { "content-range": "bytes 0-3/10" });
				response.end("0123");
			},
			async (one, two, upstream, server) => {
				await one.get("/files/a");
				await stored(server, 1);
				const has = { "if-none-match": '"v1"' };
				assert.equal((await two.get("/files/a", has)).status, 304);
				const part = await two.get("/files/a", { range: "bytes=0-3" });
				assert.deepEqual(part, { status: 206, text: "0123" });
				assert.equal(two.shared(), 0);
				assert.equal(upstream.seen.length, 3);
				assert.equal((await two.get("/files/a")).text, "0123456789");
			},
		));

	it("are confirmed by one gateway for all", () =>
		inside(
			({ rawHeaders }, response) => {
				response.setHeader("etag", '"v1"');
				response.setHeader("cache-control", "max-age=1");
				const has = headerOf(rawHeaders, "if-none-match") !== null;
				if (has) response.writeHead(304).end();
				else response.end("kept");
			},
			async (one, two, upstream, server) => {
				await one.get("/files/a");
				await stored(server, 1);
				await stored(server, 0);
				await until(async () => {
					assert.equal((await one.get("/files/a")).text, "kept");
					return upstream.seen.length === 2;
				});
				await stored(server, 1);
				assert.equal((await two.get("/files/a")).text, "kept");
				assert.equal(two.shared(), 1);
				assert.equal(upstream.seen.length, 2);
			},
		));

	it("stay in each gateway's memory with `shared: false`", () =>
		inside(
			(_, response) => void response.end("a"),
			async (one, two, upstream, server) => {
				await one.get("/files/a");
				await two.get("/files/a");
				assert.equal(upstream.seen.length, 2);
				await stored(server, 0);
			},
			{ for: "1m", shared: false },
		));

	it("come from the upstream while the store is stopped, and none fails", () =>
		inside(
			(_, response) => void response.end("a"),
			async (one, two, _, server) => {
				server.stop();
				for (const gateway of [one, two]) {
					assert.equal((await gateway.get("/files/a")).text, "a");
				}
				server.goOn();
			},
		));
});

describe("an answer in the store", () => {
	const answer = fc.record({
		status: fc.integer({ min: 200, max: 599 }),
		headers: fc
			.array(
				fc.tuple(
					fc.stringMatching(/^[a-z-]{1,9}$/),
					fc.stringMatching(/^[ -~]{0,20}$/),
				),
			)
			.map((pairs) => pairs.flat()),
		body: fc.oneof(
			fc.uint8Array({ maxLength: 4000 }),
			fc
				.integer({ min: 0, max: 50_000 })
				.map((length) => new Uint8Array(length)),
		),
		ageMs: fc.integer({ min: 0, max: 1e9 }),
		keptMs: fc.integer({ min: 0, max: keptMsMax }),
	});

	it("is the one that was put there", async () => {
		await fc.assert(
			fc.asyncProperty(answer, async (one) => {
				const value = await packed(one);
				assert.ok(value);
				const got = await unpacked(value, 1e6);
				assert.deepEqual(got && { ...got, body: Uint8Array.from(got.body) }, {
					...one,
					body: Uint8Array.from(one.body),
				});
				if (one.body.length > 0) {
					assert.equal(await unpacked(value, one.body.length - 1), null);
				}
			}),
		);
	});

	it("is none if one bit of it is another, or a piece is missing", async () => {
		await fc.assert(
			fc.asyncProperty(answer, fc.nat(), async (one, chance) => {
				const value = (await packed(one)) as Buffer;
				const cut = value.subarray(0, chance % value.length);
				assert.equal(await unpacked(cut, 1e6), null);
				const at = chance % value.length;
				value[at] = (value[at] as number) ^ (1 << (chance % 8));
				assert.equal(await unpacked(value, 1e6), null);
			}),
		);
	});

	it("is compressed from a KiB on, and is not put there if it is longer than 128 KiB then", async () => {
		const of = (body: Uint8Array) =>
			packed({ status: 200, headers: [], body, ageMs: 0, keptMs: 1000 });
		assert.ok(((await of(new Uint8Array(1_000_000)))?.length ?? 1e9) < 1000);
		assert.ok(((await of(new Uint8Array(1023)))?.length ?? 0) > 1023);
		const noise = crypto.getRandomValues(new Uint8Array(65_536));
		const long = Buffer.concat([noise, noise.toReversed()]);
		assert.equal(await of(long), null);
		assert.ok((await of(long.subarray(0, storedBytesMax - 200))) !== null);
	});

	it("is fresh until the instant at which it ends where it came from", async () => {
		const clock = virtualClock();
		const scope = openScope({ clock });
		const value = await packed({
			status: 200,
			headers: ["cache-control", "max-age=10"],
			body: Buffer.from("{}"),
			...{ ageMs: 1200, keptMs: 8800 },
		});
		const reply = [Buffer.from("kept"), Buffer.from(":"), value, 8500];
		const store = {
			...{ prefix: "t:", up: true, listen: () => {} },
			script: async (...args: ((reply: unknown) => unknown)[]) =>
				args.at(-1)?.(reply),
		} as unknown as Store;
		const bounds = { bytesMax: 1e6, entriesMax: 10, answerBytesMax: 1000 };
		const guard = cache(
			{ forMs: null, staleMs: 0, ifErrorMs: 0, ...bounds },
			{
				...{ ...contextOf(clock), scope, store, coalesced: false },
				...{ origins: ["http://users.test"], credentials: new Map() },
			},
		);
		assert.ok(guard.second);
		const request = requestOf({ safe: true });
		const answer = await promised(guard.call(guard.second.call(hangs)))(
			request,
			scope,
		);
		assert.equal(answer.freshness?.untilMs, clock.now() + 10_000 - 1_500);
	});

	it("breaks no request by a field that it says to have had", async () => {
		const value = await packed({
			status: 200,
			headers: ["etag", '"a"\r\nx: y'],
			body: new Uint8Array(),
			...{ ageMs: 0, keptMs: 1000 },
		});
		assert.equal(await unpacked(value as Buffer, 100), null);
	});
});
