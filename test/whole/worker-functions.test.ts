import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setEnvironmentData } from "node:worker_threads";
import {
	checkValue,
	configOrThrow,
	loadConfig,
} from "../../src/config/load.ts";
import { printProblem } from "../../src/config/problem.ts";
import { folderWith } from "../kit/cli.ts";
import {
	type Answer,
	type AskOptions,
	type Behaviour,
	hanging,
	type Reply,
	type SeenCall,
	testGateway,
} from "../kit/gateway.ts";

const tasks = new URL("../../src/tasks/index.ts", import.meta.url).href;

/** The author's own file, beside the config. */
const functions = `
import { getEnvironmentData, threadId } from "node:worker_threads";
import { transfer } from ${JSON.stringify(tasks)};

export const thread = () => threadId;
export const same = (args: unknown) => args;
export function throws() { throw new TypeError("secret words", { cause: new Error("why") }); }
export const exits = () => process.exit(3);
export function fills() { const all: unknown[] = []; for (;;) all.push(new Array(100_000).fill(7)); }

/** Computes for ever, and calls first, so that the tests see it begin; counts where they see it stop. */
export function spins(_: unknown, { call }): never {
	const counter = getEnvironmentData("counter") as Int32Array;
	void call("users/begun");
	for (;;) Atomics.add(counter, 0, 1);
}
export async function waits(args: unknown, { call }) { await call("users/gate"); return args; }

export async function count({ id }: { id: number }, { call, signal, deadline }) {
	const { status, headers, body } = await call(\`users/users/\${id}\`, {
		query: { tag: ["a", "b&c"] },
		headers: { "X-From": "count" },
	});
	const saved = await call("keyed/log", { query: { page: 2 }, body: { status, big: 2n ** 64n } });
	const left = deadline - Date.now();
	return { status, type: headers.content_type, name: body.name, saved: saved.body,
		aborted: signal.aborted, inTime: left > 0 && left <= 10_000 };
}
export const calls = async ({ to, options }, { call }) => (await call(to, options)).body;
export const catches = ({ to }, { call }) => call(to).catch(({ name, code }) => ({ name, code }));
export function leavesBehind(_: unknown, { call, signal }) {
	call("users/slow");
	signal.addEventListener("abort", () => { call("users/late"); });
	return "done";
}

export const returns = ({ kind }: { kind: string }) => ({
	date: new Date(0), nan: NaN, map: new Map(), function: () => 1, class: new (class A { a = new Date(); })(),
	undefined: undefined, bigint: 12345678901234567890n, holes: { a: undefined, b: [undefined] },
	proto: JSON.parse('{"__proto__": {"admin": true}}'),
})[kind];
export function circular() { const it: { self?: unknown } = {}; it.self = it; return it; }
export function reversed(bytes: Uint8Array) {
	const copy = bytes.toReversed();
	return transfer(copy, [copy.buffer]);
}
`;

const upstreams = `upstreams:
  users: { url: "http://users.test/v1", timeout: 2s }
  keyed: { url: "http://keyed.test", query: { key: ours, page: 1 } }`;

/** A gateway whose config lies in a folder, with the functions beside it, on a clock that stands still. */
async function gatewayWith(
	routes: Record<string, object>,
	behave?: Behaviour,
	pool = "pool: { threads: 1 }",
) {
	const folder = folderWith({
		"own.ts": functions,
		"package.json": '{ "type": "module" }',
		"sluice.yaml": `${upstreams}\n${pool}\nroutes: ${JSON.stringify(routes)}\n`,
	});
	const loaded = await loadConfig(join(folder.path, "sluice.yaml"), {});
	const it = testGateway(configOrThrow(loaded), behave);
	const begun = async (path: string) => {
		const there = () =>
			it.calls.some(({ request }) => request.target === `/v1/${path}`);
		while (!there()) await new Promise(setImmediate);
	};
	return {
		...it,
		/** Sends a request and lets what is due now happen until it is answered: threads take no time on the clock. */
		async answer(target: string, options?: AskOptions): Promise<Answer> {
			const { answer } = it.send(target, options);
			let waiting = true;
			void answer.then(() => {
				waiting = false;
			});
			while (waiting) await it.clock.advance(0);
			it.assertNothingLeft();
			return answer;
		},
		/** Waits until a function has made this call. */
		begun,
		async [Symbol.asyncDispose]() {
			await it.gateway.close();
			folder[Symbol.dispose]();
		},
	};
}

function route(name: string, more: object = {}, around: object = {}) {
	const step = { run: `./own.ts#${name}`, worker: true, ...more };
	return { steps: { it: step }, respond: "${it}", ...around };
}

const counter = new Int32Array(new SharedArrayBuffer(4));
setEnvironmentData("counter", counter);

describe("a `worker` step that fails", () => {
	it("is step_failed where the function throws: its stack and cause are in the log, not with the client", async () => {
		await using it = await gatewayWith({ "GET /x": route("throws") });
		const answer = await it.answer("/x");
		assert.deepEqual([answer.status, answer.code], [500, "step_failed"]);
		assert.doesNotMatch(answer.text, /secret/);
		const { error } = it.ended[0] ?? {};
		assert.equal(error?.message, "the function threw: secret words");
		const { cause } = error?.facts ?? {};
		assert.ok(cause instanceof TypeError);
		assert.match(cause.stack ?? "", /own\.ts:\d+/);
		assert.equal((cause.cause as Error).message, "why");
	});

	for (const [name, words] of [
		["exits", /^the thread ended under exits: .*code: 3$/],
		["fills", /^the thread ended under fills: .*memory/],
	] as const) {
		it(`is step_failed where the function ends its thread, and nobody else is: ${name}`, async () => {
			await using it = await gatewayWith(
				{ "GET /x": route(name), "GET /other": route("waits", { args: 1 }) },
				() => ({ afterMs: 5 }),
				"pool: { threads: 2, memory: 16MiB }",
			);
			const other = it.send("/other");
			await it.begun("gate");
			const answer = await it.send("/x").answer;
			assert.equal(answer.code, "step_failed");
			assert.match(it.ended[0]?.error?.message ?? "", words);
			await it.clock.advance(5);
			assert.equal((await other.answer).json, 1);
			it.assertNothingLeft();
		});
	}

	it("is overloaded where as many run and wait as may, and not one sooner", async () => {
		await using it = await gatewayWith(
			{ "GET /x": route("waits", { args: "${request.path}" }) },
			() => ({ afterMs: 5 }),
			"pool: { threads: 1, waiting: 1 }",
		);
		const first = it.send("/x");
		await it.begun("gate");
		const second = it.send("/x");
		const third = await it.send("/x").answer;
		assert.deepEqual([third.status, third.code], [503, "overloaded"]);
		await it.clock.advance(5);
		assert.equal((await first.answer).json, "/x");
		while (it.calls.length < 2) await new Promise(setImmediate);
		await it.clock.advance(5);
		assert.equal((await second.answer).json, "/x");
		it.assertNothingLeft();
	});
});

describe("`worker` steps that wait for a thread", () => {
	it("say so where their time ends meanwhile", async () => {
		await using it = await gatewayWith(
			{
				"GET /x": route("waits", { args: 1 }),
				"GET /soon": route("waits", { args: 2 }, { deadline: "100ms" }),
			},
			() => ({ afterMs: 200 }),
			"pool: { threads: 1 }",
		);
		const first = it.send("/x");
		await it.begun("gate");
		const second = it.send("/soon");
		await it.clock.advance(100);
		assert.equal((await second.answer).code, "deadline_exceeded");
		assert.match(
			it.ended[0]?.error?.message ?? "",
			/: waited 100 ms for one of the 1 threads for functions$/,
		);
		await it.clock.advance(100);
		assert.equal((await first.answer).json, 1);
		it.assertNothingLeft();
	});

	it("make room for those of another client", async () => {
		await using it = await gatewayWith(
			{ "GET /x": route("waits", { args: "${request.ip}" }) },
			() => ({ afterMs: 5 }),
			"pool: { threads: 1, waiting: 2 }",
		);
		const { gateway } = it;
		const ask = (ip: string) =>
			gateway.handle({ method: "GET", target: "/x", ip });
		const first = ask("a");
		await it.begun("gate");
		const others = ["a", "a", "a", "b"].map(ask);
		const order: string[] = [];
		for (const answer of [first, ...others]) {
			void answer.then(({ body, status }) => order.push(`${status} ${body}`));
		}
		// Threads take their own time. As long as none has called, the deadline must not come nearer.
		for (let seen = 0; order.length < 5; ) {
			await new Promise(setImmediate);
			if (it.calls.length === seen) continue;
			seen = it.calls.length;
			await it.clock.advance(5);
		}
		const [, , ...late] = order.map((line) => line.slice(0, 7));
		assert.deepEqual(late, ['200 "a"', '200 "a"', '200 "b"']);
	});
});

describe("a `worker` step that nobody waits for any more", () => {
	/** A function that computes for ever holds the only thread: another can run only where it was ended. */
	async function ended(
		around: { step?: object; route?: object; steps?: object },
		end: (it: Awaited<ReturnType<typeof gatewayWith>>) => Promise<void>,
		leave = false,
	) {
		const spinning = route("spins", around.step, around.route);
		await using it = await gatewayWith(
			{
				"GET /spins": {
					...spinning,
					steps: { ...spinning.steps, ...around.steps },
				},
				"GET /after": route("thread"),
			},
			({ request }) =>
				request.target === "/v1/fails" ? { status: 500, afterMs: 5 } : hanging,
		);
		const sent = it.send("/spins");
		await it.begun("begun");
		const after = it.send("/after");
		if (leave) sent.leave();
		else await end(it);
		const answer = await sent.answer;
		assert.equal(typeof (await after.answer).json, "number");
		const count = counter[0];
		assert.equal((await it.answer("/after")).status, 200);
		assert.equal(counter[0], count);
		return answer;
	}

	it("is ended at its `within`, not before", async () => {
		const answer = await ended({ step: { within: "300ms" } }, async (it) => {
			await it.clock.advance(299);
			assert.equal(it.ended.length, 0);
			await it.clock.advance(1);
		});
		assert.deepEqual([answer.code, answer.atMs], ["upstream_timeout", 300]);
	});

	it("is ended at the route's deadline, and the partial answer is sent", async () => {
		const answer = await ended(
			{ route: { deadline: "1s" }, step: { optional: true } },
			(it) => it.clock.advance(1000),
		);
		assert.deepEqual([answer.json, answer.atMs], [null, 1000]);
		assert.equal(answer.header("sluice-missing"), "it;error=deadline_exceeded");
	});

	it("is ended when a step beside it fails the route", async () => {
		const answer = await ended(
			{ steps: { fails: { post: "users/fails" } } },
			(it) => it.clock.advance(5),
		);
		assert.equal(answer.code, "upstream_status");
	});

	it("is ended when the client leaves", async () => {
		const answer = await ended({}, async () => {}, true);
		assert.equal(answer.status, 499);
	});

	it("is ended when the gateway is closed, and one that waits for a thread with it", async () => {
		const it = await gatewayWith(
			{ "GET /spins": route("spins") },
			() => hanging,
		);
		const running = it.send("/spins");
		await it.begun("begun");
		const waiting = it.send("/spins");
		await new Promise(setImmediate);
		await it[Symbol.asyncDispose]();
		const count = counter[0];
		for (const { answer } of [running, waiting]) {
			assert.equal((await answer).code, "gateway_draining");
		}
		assert.equal((await it.send("/spins").answer).code, "gateway_draining");
		assert.equal(counter[0], count);
		it.assertNothingLeft();
	});
});

describe("a `worker` step", () => {
	it("runs on a thread of its gateway, and other requests are answered meanwhile", async () => {
		await using it = await gatewayWith(
			{
				"GET /spins": route("spins"),
				"GET /here": { respond: "here" },
			},
			() => hanging,
		);
		const { answer, leave } = it.send("/spins");
		await it.begun("begun");
		assert.equal((await it.send("/here").answer).json, "here");
		leave();
		await answer;
	});
});

describe("a function on a thread", () => {
	const kinds = ["date", "nan", "map", "function", "class"];
	const plain = {
		undefined: "null",
		bigint: "12345678901234567890",
		holes: '{"a":null,"b":[null]}',
		proto: '{"__proto__":{"admin":true}}',
	};
	const returns = [...kinds, ...Object.keys(plain)].map((kind) => [
		`GET /returns/${kind}`,
		route("returns", { args: { kind } }),
	]);
	const count = { args: { id: 7 } };
	let shared: Awaited<ReturnType<typeof gatewayWith>>;
	before(async () => {
		shared = await gatewayWith(
			{
				...Object.fromEntries(returns),
				"GET /circular": route("circular"),
				"GET /filled": route("throws", { fallback: 0 }),
				"GET /thread": route("count", count),
				"GET /here": route("count", { ...count, worker: false }),
				"GET /few": route("count", count, { calls: 1 }),
				"GET /fails": route("calls", { args: { to: "users/hangs" } }),
				"GET /catches": route("catches", { args: { to: "nobody/x" } }),
				"GET /leaves": route("leavesBehind"),
				"GET /each": route("same", {
					each: "${[3, 1, 2]}",
					args: { item: "${item}", index: "${index}" },
				}),
				"GET /bytes/thread": bytesRoute(true),
				"GET /bytes/here": bytesRoute(false),
			},
			behave,
		);
	});
	after(() => shared[Symbol.asyncDispose]());

	function bytesRoute(worker: boolean) {
		const file = { get: "users/file", decode: "bytes" };
		const { steps, respond } = route("reversed", { args: "${file}", worker });
		const headers = { "content-type": "image/png" };
		return { steps: { file, ...steps }, respond, headers };
	}

	function behave({ request }: SeenCall): Reply {
		switch (request.target) {
			case "/v1/hangs":
			case "/v1/slow":
				return hanging;
			case "/v1/file":
				return { bytes: new Uint8Array([1, 2, 255]) };
		}
		if (request.method === "POST") return { json: "saved" };
		const headers = ["Content-Type", "application/json"];
		return { status: 404, headers, json: { name: "nobody" } };
	}

	const lastError = () => shared.ended.at(-1)?.error?.message ?? "";

	it("fails the step where it returns what is no data", async () => {
		for (const kind of kinds) {
			assert.equal(
				(await shared.answer(`/returns/${kind}`)).code,
				"step_failed",
			);
			assert.match(
				lastError(),
				/returned (what is no data|what cannot go to another thread)/,
				kind,
			);
		}
		assert.equal((await shared.answer("/circular")).code, "step_failed");
		const filled = await shared.answer("/filled");
		assert.equal(filled.json, 0);
		assert.equal(filled.header("sluice-missing"), "it;error=step_failed");
	});

	it("makes null of undefined, keeps the digits of bigints, and changes no prototype", async () => {
		for (const [kind, printed] of Object.entries(plain)) {
			assert.equal((await shared.answer(`/returns/${kind}`)).body, printed);
		}
	});

	it("takes bytes and gives bytes, moved where it says so", async () => {
		for (const path of ["/bytes/thread", "/bytes/here"]) {
			const { body } = await shared.answer(path);
			assert.deepEqual(body, new Uint8Array([255, 2, 1]));
		}
	});

	it("does what the same function does here, its calls and their events included", async () => {
		const seen = shared.calls.length;
		const told = shared.callsEnded.length;
		const onThread = (await shared.answer("/thread")).json;
		const here = (await shared.answer("/here")).json;
		assert.deepEqual(onThread, {
			status: 404,
			type: "application/json",
			name: "nobody",
			saved: "saved",
			aborted: false,
			inTime: true,
		});
		assert.deepEqual(onThread, here);
		// Each request has a trace of its own.
		const requests = shared.calls
			.slice(seen)
			.map(({ request: { onSent: _, onAgain: _1, along, ...rest } }) => ({
				...rest,
				along: along?.replace(/(?<=traceparent: ).*/, ""),
			}));
		assert.equal(requests.length, 4);
		assert.deepEqual(requests.slice(0, 2), requests.slice(2));
		assert.equal(
			requests[1]?.body,
			'{"status":404,"big":18446744073709551616}',
		);
		const ends = shared.callsEnded
			.slice(told)
			.map(({ route: _, ...rest }) => rest);
		assert.equal(ends.length, 4);
		assert.deepEqual(ends.slice(0, 2), ends.slice(2));
	});

	it("fails with what a call of its fails with, unless it catches it", async () => {
		const sent = shared.send("/fails");
		await shared.begun("hangs");
		await shared.clock.advance(2000);
		assert.equal((await sent.answer).code, "upstream_timeout");
		assert.equal((await shared.answer("/few")).code, "limit_exceeded");
		assert.deepEqual((await shared.answer("/catches")).json, {
			name: "GatewayError",
			code: "step_failed",
		});
	});

	it("leaves no call behind that it did not wait for, and makes none later", async () => {
		const seen = shared.calls.length;
		assert.equal((await shared.answer("/leaves")).json, "done");
		assert.equal((await shared.answer("/returns/bigint")).status, 200);
		const calls = shared.calls.slice(seen);
		assert.deepEqual(
			calls.map(({ request }) => request.target),
			["/v1/slow"],
		);
		assert.notEqual(calls[0]?.aborted, null);
	});

	it("runs once per item with `each`, in the order of the list", async () => {
		assert.deepEqual((await shared.answer("/each")).json, [
			{ item: 3, index: 0 },
			{ item: 1, index: 1 },
			{ item: 2, index: 2 },
		]);
	});
});

describe("loading", () => {
	it("refuses a function itself on a thread, and a file's where there is no file", () => {
		const problems = (step: object) =>
			checkValue(
				{ routes: { "GET /x": { steps: { it: step }, respond: "${it}" } } },
				"config",
				{},
			).problems.map(printProblem);
		assert.deepEqual(problems({ run: () => 1, worker: true }), [
			'config: routes["GET /x"].steps.it.worker: a function itself cannot go to a thread: write `run: ./file.ts#function`',
		]);
		assert.deepEqual(problems({ run: "./own.ts#same", worker: true }), [
			'config: routes["GET /x"].steps.it.run: `./own.ts#same` is not loaded here: load the config by its file',
		]);
	});
});
