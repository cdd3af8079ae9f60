import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { configOrThrow, loadConfig } from "../../src/config/load.ts";
import { folderWith, sluice } from "../kit/cli.ts";
import { type Behaviour, testGateway } from "../kit/gateway.ts";
import { ask } from "../kit/serve.ts";

/** The author's own file, beside the config. */
const functions = `
export const seen: { args?: unknown; deadline?: number; reason?: unknown } = {};

export function score(args: { names: string[] }) {
	return args.names.map((name) => ({ name, score: name.length }));
}

export async function count({ id }: { id: number }, { call }) {
	const { status, headers, body } = await call(\`users/users/\${id}\`, {
		query: { tag: ["a", "b&c"] },
		headers: { "X-From": "count" },
	});
	const saved = await call("keyed/log", { query: { page: 2 }, body: { status } });
	return { status, type: headers.content_type, name: body.name, saved: saved.body };
}

export function note(args: unknown, { deadline }) {
	seen.args = args;
	seen.deadline = deadline;
}

export async function hangs(_: unknown, { signal }) {
	signal.addEventListener("abort", () => { seen.reason = signal.reason; });
	await new Promise(() => {});
}

export async function callsForEver(_: unknown, { call }) {
	await call("users/slow");
}

export function changes(args: { list: number[] }) { args.list.push(9); return args.list; }
export function leavesBehind(_: unknown, { call }) {
	call("users/slow");
	setImmediate(() => setImmediate(() => { call("users/late"); }));
	return "done";
}
export function throws() { throw new Error("secret words of the function"); }
export async function rejects() { throw new TypeError("late"); }
export function circular() { const it: { self?: unknown } = {}; it.self = it; return it; }
export const noFunction = 7;
export const returns = ({ kind }: { kind: string }) => ({
	date: new Date(0), nan: NaN, map: new Map(), function: () => 1, class: new (class A {})(),
	undefined: undefined, bigint: 12345678901234567890n, holes: { a: undefined, b: [undefined] },
	proto: JSON.parse('{"__proto__": {"admin": true}}'),
})[kind];
export const calls = async ({ to, options }, { call }) => (await call(to, options)).body;
`;

const upstreams = `upstreams:
  users: { url: "http://users.test/v1" }
  keyed: { url: "http://keyed.test", query: { key: ours, page: 1 } }`;

/** A gateway whose config lies in a folder, with the functions beside it. */
async function gatewayWith(
	step: string,
	behave?: Behaviour,
	rest = "",
	files: Record<string, string> = {},
) {
	const folder = folderWith({
		...files,
		"own.ts": functions,
		"package.json": '{ "type": "module" }',
		"sluice.yaml": `${upstreams}
routes:
  POST /x:
    request: { query: { "kind?": { type: string }, "to?": { type: string } }, "body?": {} }
${rest}
    steps:
      it: ${step}
    respond: \${it}
`,
	});
	const loaded = await loadConfig(join(folder.path, "sluice.yaml"), {});
	const url = pathToFileURL(join(folder.path, "own.ts")).href;
	const { seen } = (await import(url)) as {
		seen: { args?: unknown; deadline?: number; reason?: unknown };
	};
	return {
		...testGateway(configOrThrow(loaded), behave),
		seen,
		[Symbol.dispose]: () => folder[Symbol.dispose](),
	};
}

const post = { method: "POST" };
const codeOf = ({ json }: { json: unknown }) => (json as { code: string }).code;

describe("a `run` step", () => {
	it("calls the function with its arguments, and what it returns is its value", async () => {
		using it = await gatewayWith(
			'{ run: "./own.ts#score", args: { names: [Ada, Bo] } }',
		);
		assert.deepEqual((await it.ask("/x", post)).json, [
			{ name: "Ada", score: 3 },
			{ name: "Bo", score: 2 },
		]);
	});

	it("calls it with null where there are no `args`, and tells it the deadline", async () => {
		using it = await gatewayWith(
			'{ run: "./own.ts#note" }',
			undefined,
			"    deadline: 7s",
		);
		assert.equal((await it.ask("/x", post)).json, null);
		assert.equal(it.seen.args, null);
		const left = (it.seen.deadline ?? 0) - Date.now();
		assert.ok(left > 0 && left <= 7000, String(left));
	});

	it("lets it call upstreams, with all that a step's call has", async () => {
		using it = await gatewayWith(
			'{ run: "./own.ts#count", args: { id: 7 } }',
			({ request }) =>
				request.method === "GET"
					? {
							status: 404,
							headers: ["Content-Type", "application/json"],
							json: { name: "nobody" },
						}
					: { json: "saved" },
		);
		const headers = [
			"traceparent",
			"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		];
		const answer = await it.ask("/x", { ...post, headers });
		assert.deepEqual(answer.json, {
			status: 404,
			type: "application/json",
			name: "nobody",
			saved: "saved",
		});
		const [first, second] = it.calls.map(({ request }) => request);
		assert.equal(first?.target, "/v1/users/7?tag=a&tag=b%26c");
		assert.deepEqual(first?.headers, [
			"accept",
			"application/json",
			"accept-encoding",
			"identity",
			"user-agent",
			"sluice",
			"x-from",
			"count",
		]);
		assert.match(first?.along ?? "", /traceparent: 00-0af7651916cd43dd/);
		assert.deepEqual(
			[second?.method, second?.target, second?.body],
			["POST", "/log?key=ours&page=2", '{"status":404}'],
		);
	});

	it("fails with what a call of its failed with", async () => {
		using it = await gatewayWith(
			'{ run: "./own.ts#count", args: { id: 7 } }',
			() => ({
				afterMs: Number.POSITIVE_INFINITY,
			}),
		);
		const answer = await it.ask("/x", post);
		assert.equal(codeOf(answer), "upstream_timeout");
		assert.equal(answer.atMs, 2000);
	});

	it("counts its calls among those of the request", async () => {
		using it = await gatewayWith(
			'{ run: "./own.ts#count", args: { id: 7 } }',
			() => ({ json: {} }),
			"    calls: 1",
		);
		assert.equal(codeOf(await it.ask("/x", post)), "limit_exceeded");
		assert.equal(it.calls.length, 1);
	});

	for (const name of ["throws", "rejects"]) {
		it(`fails with step_failed where the function ${name}, and tells the client nothing of it`, async () => {
			using it = await gatewayWith(`{ run: "./own.ts#${name}" }`);
			const answer = await it.ask("/x", post);
			assert.equal(answer.status, 500);
			assert.equal(codeOf(answer), "step_failed");
			assert.doesNotMatch(String(answer.body), /secret|late/);
		});
	}

	it("has its fallback, and is null where it is optional", async () => {
		using filled = await gatewayWith('{ run: "./own.ts#throws", fallback: 0 }');
		const answer = await filled.ask("/x", post);
		assert.deepEqual(
			[answer.json, answer.header("sluice-missing")],
			[0, "it;error=step_failed"],
		);
		using none = await gatewayWith(
			'{ run: "./own.ts#throws", optional: true }',
		);
		assert.equal((await none.ask("/x", post)).json, null);
	});

	for (const kind of ["date", "nan", "map", "function", "class"]) {
		it(`fails where it returns what is no data: ${kind}`, async () => {
			using it = await gatewayWith(
				'{ run: "./own.ts#returns", args: { kind: "${query.kind}" } }',
			);
			assert.equal(
				codeOf(await it.ask(`/x?kind=${kind}`, post)),
				"step_failed",
			);
		});
	}

	it("fails where it returns what never ends", async () => {
		using it = await gatewayWith('{ run: "./own.ts#circular" }');
		assert.equal(codeOf(await it.ask("/x", post)), "step_failed");
	});

	it("makes null of undefined, keeps the digits of bigints, and changes no prototype", async () => {
		using it = await gatewayWith(
			'{ run: "./own.ts#returns", args: { kind: "${query.kind}" } }',
		);
		for (const [kind, printed] of [
			["undefined", "null"],
			["bigint", "12345678901234567890"],
			["holes", '{"a":null,"b":[null]}'],
			["proto", '{"__proto__":{"admin":true}}'],
		]) {
			assert.equal((await it.ask(`/x?kind=${kind}`, post)).body, printed);
		}
		assert.equal(({} as { admin?: true }).admin, undefined);
	});

	it("changes nothing by changing its arguments", async () => {
		using it = await gatewayWith(
			`{ run: "./own.ts#changes", args: { list: "\${list}" } }
      list: { value: [1, 2] }
      both: { value: "\${[it, list]}" }`,
			undefined,
			'    status: "${both[1].length === 2 ? 200 : 500}"',
		);
		const answer = await it.ask("/x", post);
		assert.deepEqual([answer.status, answer.json], [200, [1, 2, 9]]);
	});

	it("leaves no call behind that it did not wait for, and makes none later", async () => {
		using it = await gatewayWith('{ run: "./own.ts#leavesBehind" }', () => ({
			afterMs: Number.POSITIVE_INFINITY,
		}));
		const answer = await it.ask("/x", post);
		assert.equal(answer.json, "done");
		await new Promise(setImmediate);
		await new Promise(setImmediate);
		assert.deepEqual(
			it.calls.map(({ request, aborted }) => [
				request.target,
				aborted !== null,
			]),
			[["/v1/slow", true]],
		);
	});

	it("ends within its time though the function does not, and aborts its signal", async () => {
		using it = await gatewayWith(
			'{ run: "./own.ts#hangs", within: 300ms, optional: true }',
		);
		const answer = await it.ask("/x", post);
		assert.equal(answer.atMs, 300);
		assert.equal(answer.header("sluice-missing"), "it;error=upstream_timeout");
		assert.equal((it.seen.reason as { code: string }).code, "upstream_timeout");
	});

	it("ends at the route's deadline", async () => {
		using it = await gatewayWith(
			'{ run: "./own.ts#hangs" }',
			undefined,
			"    deadline: 1s",
		);
		const answer = await it.ask("/x", post);
		assert.deepEqual([answer.status, answer.atMs], [504, 1000]);
		assert.equal(
			(it.seen.reason as { code: string }).code,
			"deadline_exceeded",
		);
	});

	it("ends when the client leaves, and its calls are aborted", async () => {
		using it = await gatewayWith('{ run: "./own.ts#callsForEver" }', () => ({
			afterMs: Number.POSITIVE_INFINITY,
		}));
		const { answer, scope } = it.send("/x", post);
		while (it.calls.length === 0) await new Promise(setImmediate);
		scope.cancel(new Error("the client left"));
		await answer;
		assert.notEqual(it.calls[0]?.aborted, null);
		await it.clock.settle();
		assert.equal(it.clock.pending, 0);
	});

	for (const [title, to, options] of [
		["an upstream that is none", "nobody/x", {}],
		["a path that is not encoded", "users/a b", {}],
		["a path with dots", "users/../admin", {}],
		["a path with a query", "users/x?admin=1", {}],
		["a path that leaves", "users//evil.test\\x", {}],
		[
			"a line break in a header",
			"users/x",
			{ headers: { "x-a": "a\r\nb: c" } },
		],
		[
			"a header of the framing",
			"users/x",
			{ headers: { "Content-Length": "5" } },
		],
		["a host of its own", "users/x", { headers: { Host: "evil.test" } }],
		["a map in the query", "users/x", { query: { a: {} } }],
		["a method that is none", "users/x", { method: "TRACE" }],
	] as const) {
		it(`refuses a call with ${title}`, async () => {
			const args = JSON.stringify({ to, options });
			using it = await gatewayWith(`{ run: "./own.ts#calls", args: ${args} }`);
			assert.equal(codeOf(await it.ask("/x", post)), "step_failed");
			assert.equal(it.calls.length, 0);
		});
	}

	for (const [title, given] of [
		["null", "{ query: { user: null } }"],
		["undefined", "{ query: { user: undefined } }"],
		["an empty list", "{ query: { user: [] } }"],
		["a list with null", "{ query: { user: [1, null] } }"],
		["null in a header", "{ headers: { 'x-user': null } }"],
	]) {
		it(`refuses ${title} as a step does, and does not leave it out`, async () => {
			using it = await gatewayWith(
				'{ run: "./null.ts#calls" }',
				undefined,
				"",
				{
					"null.ts": `export const calls = (_, { call }) => call("users/x", ${given});`,
				},
			);
			assert.equal(codeOf(await it.ask("/x", post)), "reference_missing");
			assert.equal(it.calls.length, 0);
		});
	}

	it("does what docs/language.md shows of it", async () => {
		const page = readFileSync(
			new URL("../../docs/language.md", import.meta.url),
			"utf8",
		);
		const [, code = ""] = /^```ts\n([^]*?)^```/m.exec(page) ?? [];
		using it = await gatewayWith(
			'{ run: "./score.ts#score", args: { user: { id: a/b }, orders: [1] } }',
			({ request }) =>
				request.target === "/v1/users/a%2Fb?limit=5"
					? { json: [{ stars: 4 }, { stars: 5 }] }
					: { status: 500 },
			"",
			{ "score.ts": code.replace("ratings/", "users/") },
		);
		assert.equal((await it.ask("/x", post)).json, 10);
	});

	it("runs once per item with `each`, and keeps their order", async () => {
		using it = await gatewayWith(
			'{ each: "${[3, 1]}", as: id, run: "./own.ts#calls", args: { to: "${`users/${id}`}" } }',
			({ request }) => ({
				json: request.target,
				afterMs: Number(request.target.at(-1)),
			}),
		);
		assert.deepEqual((await it.ask("/x", post)).json, ["/v1/3", "/v1/1"]);
	});
});

describe("functions that cannot be loaded", () => {
	async function problemsOf(reference: string) {
		using folder = folderWith({
			"own.ts": functions,
			"package.json": '{ "type": "module" }',
			"broken.ts": "export const a = ;",
			"fails.ts": 'throw new Error("at load");',
			"sluice.yaml": `routes:\n  GET /x:\n    steps:\n      it: { run: "${reference}" }\n`,
		});
		const file = join(folder.path, "sluice.yaml");
		const { config, problems } = await loadConfig(file, {});
		assert.equal(config, null);
		return problems.map(
			({ line, column, message }) => `${line}:${column}: ${message}`,
		);
	}

	for (const [reference, message] of [
		[
			"./own.ts#scores",
			"4:18: ./own.ts exports no function `scores` — did you mean `score`?",
		],
		["./own.ts#noFunction", "4:18: ./own.ts exports no function `noFunction`"],
		[
			"./fails.ts#a",
			"4:18: ./fails.ts cannot be loaded: at load (line 1 of fails.ts)",
		],
		["./none.ts#a", "4:18: ./none.ts cannot be loaded: there is no such file"],
		["own.ts", "4:18: `run` takes `./file.ts#function`"],
	] as const) {
		it(`are told at their place: ${reference}`, async () => {
			assert.deepEqual(await problemsOf(reference), [message]);
		});
	}

	it("are told at their place where they are no TypeScript", async () => {
		const [problem = ""] = await problemsOf("./broken.ts#a");
		assert.match(problem, /^4:18: \.\/broken\.ts cannot be loaded: /);
	});
});

describe("the command", () => {
	const files = {
		"own.ts": functions,
		"package.json": '{ "type": "module" }',
		"sluice.yaml":
			'routes:\n  GET /x:\n    steps:\n      it: { run: "./own.ts#score", args: { names: [Ada] } }\n',
	};

	it("checks a config with functions, whatever folder it is called from", async () => {
		using folder = folderWith(files);
		using elsewhere = folderWith({});
		const good = sluice(["check", join(folder.path, "sluice.yaml")], {
			cwd: elsewhere.path,
		});
		assert.equal(await good.ended, 0, good.stderr());
	});

	it("refuses a config whose function does not exist", async () => {
		using folder = folderWith({
			...files,
			"own.ts": "export function scored() {}",
		});
		const bad = sluice(["check"], { cwd: folder.path });
		assert.equal(await bad.ended, 2);
		assert.match(
			bad.stdout() + bad.stderr(),
			/4:18: .*exports no function `score`/,
		);
	});

	it("serves a config with functions", async () => {
		using folder = folderWith(files);
		const serving = sluice(["serve", "--port", "0"], { cwd: folder.path });
		await serving.printed("http://");
		const [url = ""] =
			/http:\/\/[\d.:]+/.exec(serving.stdout() + serving.stderr()) ?? [];
		const answer = await ask(`${url}/x`);
		serving.process.kill("SIGTERM");
		assert.deepEqual(answer.json, [{ name: "Ada", score: 3 }]);
		assert.equal(await serving.ended, 0);
	});
});
