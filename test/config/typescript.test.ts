import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parse } from "yaml";
import weather from "../../examples/weather/sluice.ts";
import { from } from "../../src/config/from.ts";
import {
	checkText,
	checkValue,
	configOrThrow,
	loadConfig,
} from "../../src/config/load.ts";
import { printProblem } from "../../src/config/problem.ts";
import { plainOf } from "../../src/config/shape.ts";
import { faultOfKey, type Source } from "../../src/config/source.ts";
import { readValue } from "../../src/config/source-value.ts";
import { GatewayError } from "../../src/core/errors.ts";
import { compile } from "../../src/plan/compile.ts";
import { printPlan } from "../../src/plan/print.ts";
import { folderWith } from "../kit/cli.ts";
import { type Behaviour, testGateway } from "../kit/gateway.ts";

const env = {
	TRANSLATE_URL: "http://translate.test",
	OPENWEATHER_KEY: "a-key-of-20-letters-1",
};
const upstreams = { users: { url: "http://users.test" } };

function problemsOf(config: unknown): string[] {
	return checkValue(config, "sluice.ts", env).problems.map(printProblem);
}

function route(steps: object, rest: object = {}) {
	return { upstreams, routes: { "GET /x": { steps, ...rest } } };
}

function gatewayWith(config: unknown, behave?: Behaviour) {
	return testGateway(configOrThrow(checkValue(config, "test.ts", {})), behave);
}

/** Stands for a function of a file: named as YAML names it. */
function functionNamed(value: unknown) {
	return Object.defineProperty(() => null, "name", { value });
}

/** Every value of a tree with the path that JavaScript has to it. */
function placesIn(source: Source, path: string): [Source, string][] {
	const inner =
		source.kind === "list"
			? source.items.map((item, index) => placesIn(item, `${path}[${index}]`))
			: source.kind === "map"
				? source.entries.map(({ key, value }) => {
						const plain = /^[A-Za-z_$][\w$]*$/.test(key);
						const dot = path === "" ? key : `.${key}`;
						const step = plain ? dot : `[${JSON.stringify(key)}]`;
						return placesIn(value, path + step);
					})
				: [];
	return [[source, path], ...inner.flat()];
}

describe("a config of JavaScript values", () => {
	it("compiles to the plan of the same config in YAML", () => {
		const file = new URL("../../examples/weather/sluice.yaml", import.meta.url);
		const yaml = checkText(readFileSync(file, "utf8"), "sluice.yaml", env);
		const typescript = checkValue(weather, "sluice.ts", env);
		assert.deepEqual(typescript.problems, []);
		assert.equal(
			printPlan(compile(configOrThrow(typescript))),
			printPlan(compile(configOrThrow(yaml))),
		);
	});

	const golden = new URL("../golden/plans/", import.meta.url);
	for (const name of globSync("*.yaml", { cwd: golden })) {
		// A function itself cannot go to a thread: such a config is a file.
		if (name === "pool.yaml") continue;
		// Anchors are YAML's own.
		if (name === "anchors.yaml") continue;
		it(`compiles to the plan of ${name} when it holds the same values`, () => {
			const text = readFileSync(new URL(name, golden), "utf8");
			const variables = {
				KEY: "key",
				USERS_URL: "http://users.test:3001/v1",
				HOOKS: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
			};
			const yaml = configOrThrow(checkText(text, name, variables));
			const config = parse(text, (key, value) =>
				key === "run" ? functionNamed(value) : value,
			);
			const values = configOrThrow(checkValue(config, name, variables));
			assert.equal(printPlan(compile(values)), printPlan(compile(yaml)));
		});
	}

	it("is read as the values it holds, whatever they are", () => {
		const keys = fc.string().filter((key) => faultOfKey(key) === null);
		const { tree } = fc.letrec((tie) => ({
			tree: fc.oneof(
				{ maxDepth: 4 },
				fc.string(),
				fc.boolean(),
				fc.constant(null),
				fc.double({ noNaN: true }),
				fc.array(tie("tree")),
				fc.dictionary(keys, tie("tree")),
			),
		}));
		fc.assert(
			fc.property(tree, (value) => {
				const { root, problems, positionOf } = readValue(value);
				assert.deepEqual(problems, []);
				assert.ok(root);
				const normal = (data: unknown) =>
					JSON.parse(JSON.stringify(data) ?? "null");
				assert.deepEqual(normal(plainOf(root)), normal(value));
				for (const [source, path] of placesIn(root, "")) {
					const position = positionOf(source.at);
					assert.ok("path" in position);
					assert.equal(position.path, path);
				}
			}),
		);
	});

	it("has its problems told by the path to them", () => {
		const steps = {
			now: { get: "weather/now", answers: { 404: "${answr}" } },
			"a-b": { get: "users/x", query: { list: ["${a}", "${nope} ${nope2}"] } },
		};
		const config = route(steps, { respond: "${now}" });
		assert.deepEqual(problemsOf({ ...config, sever: {} }), [
			'sluice.ts: routes["GET /x"].steps.now.get: unknown upstream `weather`: there is `users`',
			'sluice.ts: routes["GET /x"].steps.now.answers["404"]: unknown name `answr` — did you mean `answer`?',
			'sluice.ts: routes["GET /x"].steps["a-b"]: `a-b` cannot be a name: a small letter first, then letters, digits and `_`',
			'sluice.ts: routes["GET /x"].steps["a-b"].query.list[0]: unknown name `a`',
			'sluice.ts: routes["GET /x"].steps["a-b"].query.list[1]: unknown name `nope`',
			'sluice.ts: routes["GET /x"].steps["a-b"].query.list[1]: unknown name `nope2`',
			"sluice.ts: sever: unknown key `sever` in the config — did you mean `server`?",
		]);
	});

	it("takes an undefined value for an absent key", () => {
		const config = { ...route({ a: { get: "users/x", pick: undefined } }) };
		assert.deepEqual(problemsOf({ ...config, server: undefined }), []);
	});

	const circular: Record<string, unknown> = {};
	circular.self = circular;
	let deep: unknown = 1;
	for (let level = 0; level < 100; level++) deep = [deep];
	const refused: [string, unknown, RegExp][] = [
		["a date", new Date(0), /: an object of class Date is no data: write a/],
		["a map", new Map(), /: an object of class Map is no data/],
		["a class instance", new (class Own {})(), /class Own is no data/],
		["a regular expression", /x/, /class RegExp is no data/],
		["a promise", Promise.resolve(1), /a promise is no data: await it/],
		["a bigint", 12345678901234567890n, /12345678901234567890n .* quote it/],
		["a symbol", Symbol("x"), /a symbol is no data/],
		["NaN", Number.NaN, /NaN is no number that JSON can hold/],
		["an object that holds itself", circular, /body.self: this holds itself/],
		["what is nested too deep", deep, /nested deeper than 64 levels/],
		["a hole in a list", [1, , 2], /body\[1\]: there is no `undefined`/],
		["a function without inputs", () => 1, /needs its inputs: write `from/],
		["a key that is a template", { "${a}": 1 }, /a key is never a template/],
		["a key `__proto__`", JSON.parse('{"__proto__":1}'), /cannot be a key/],
		["from without a function", from([], null as never), /takes a list of/],
	];
	for (const [title, body, message] of refused) {
		it(`refuses ${title}, in words, at its place`, () => {
			const problems = problemsOf(route({ a: { post: "users/x", body } }));
			assert.equal(problems.length, 1, problems.join("\n"));
			assert.match(problems[0] ?? "", message);
			assert.match(
				problems[0] ?? "",
				/^sluice.ts: routes\["GET \/x"\].steps.a/,
			);
		});
	}

	it("refuses a getter, and does not call it", () => {
		const a = {
			get get() {
				return assert.fail("called");
			},
		};
		assert.match(problemsOf(route({ a })).join("\n"), /a.get: a getter is no/);
	});

	it("refuses a function where no data stands", () => {
		const parameter = {
			type: "array",
			items: { type: "string", default: Math },
		};
		const request = {
			query: { list: parameter },
			body: { properties: { a: () => 1 } },
		};
		const printed = problemsOf(
			route({ a: { get: () => 1 } }, { summary: () => 1, request }),
		).join("\n");
		assert.match(printed, /a.get: `get` takes a text/);
		assert.match(printed, /summary: `summary` takes a text/);
		assert.match(printed, /properties.a: a function is no part of a JSON Sch/);
	});

	it("says so where it is no map at all", () => {
		for (const config of [undefined, null, 1, [], () => 1, new Date()]) {
			const problems = problemsOf(config);
			assert.equal(problems.length, 1, problems.join("\n"));
			assert.match(problems[0] ?? "", /^sluice.ts: /);
		}
	});
});

describe("from", () => {
	it("computes a template of its inputs: in addresses, bodies, conditions and answers", async () => {
		const { ask, calls } = gatewayWith(
			route(
				{
					user: {
						get: "users/me",
						pick: from(["answer.user"], (user) => user),
					},
					list: {
						each: from(["user.ids"], (ids: number[]) =>
							ids.filter((id) => id > 1),
						),
						when: from(["item"], (id: number) => id !== 3),
						get: "users/x",
						query: {
							id: from(["item", "index"], (id, index) => `${id}-${index}`),
							"gone?": from([], () => null),
						},
					},
				},
				{
					respond: from(["user.name", "list", "user.none"], (...all) => all),
					status: from([], () => 202),
				},
			),
			({ request }) => ({
				json: request.target.endsWith("me")
					? { user: { name: "Ada", ids: [1, 2, 3, 4] } }
					: request.target,
			}),
		);
		const answer = await ask("/x");
		assert.equal(answer.status, 202);
		const list = ["/x?id=2-0", null, "/x?id=4-2"];
		assert.deepEqual(answer.json, ["Ada", list, null]);
		assert.equal(calls.length, 3);
	});

	it("waits for what it reads, as an expression does", () => {
		const { config } = checkValue(
			route(
				{
					a: { get: "users/a" },
					b: { value: from(["a.list[0].name"], (name) => name) },
				},
				{ respond: from(["b", "request.path"], (b) => b) },
			),
			"sluice.ts",
			{},
		);
		assert.ok(config);
		const { routes } = JSON.parse(printPlan(compile(config)));
		const { steps, respond } = routes["GET /x"];
		assert.deepEqual(steps.b.startsAfter, ["a"]);
		assert.equal(steps.b.value, "from(a.list[0].name)");
		assert.equal(respond, "from(b, request.path)");
	});

	it("has its inputs checked at load", () => {
		const value = from(
			[
				"ab",
				"query.town",
				"a + 1",
				"a.map((x) => x)",
				"",
				"a[b]",
				"missing.ab",
			],
			() => 1,
		);
		const config = route(
			{ a: { get: "users/a" } },
			{
				respond: [value, "${a}"],
				request: { query: { town2: { type: "string" } } },
			},
		);
		const printed = problemsOf(config);
		assert.equal(printed.length, 7, printed.join("\n"));
		const [first, second, third] = printed;
		assert.match(
			first ?? "",
			/respond\[0\]: unknown name `ab` — did you mean `a`/,
		);
		assert.match(second ?? "", /`query.town` is not declared .*`town2`/);
		assert.match(third ?? "", /`a \+ 1` is no input of `from`: a name with/);
		assert.match(printed[6] ?? "", /`missing.ab`: there is no such step/);
	});

	const failures: [string, () => unknown, code?: string][] = [
		[
			"throws",
			() => {
				throw new Error("secret");
			},
		],
		[
			"throws what is no error",
			() => {
				throw null;
			},
		],
		[
			"throws a GatewayError",
			() => {
				throw new GatewayError("misdirected", "no");
			},
		],
		["returns a date", () => new Date()],
		["returns a function", () => () => 1],
		["returns NaN", () => Number.NaN],
		[
			"returns a value that holds itself many times over",
			() => {
				let value: unknown = 1;
				for (let level = 0; level < 60; level++) value = [value, value];
				return value;
			},
			// Copying it is computing, and that has a bound of its own, which is smaller.
			"limit_exceeded",
		],
		["returns a promise that fails", () => Promise.reject(new Error("late"))],
	];
	for (const [title, call, code = "step_failed"] of failures) {
		it(`fails the step where it ${title}, and tells the client nothing of it`, async () => {
			const { ask } = gatewayWith(route({ a: { value: from([], call) } }));
			const answer = await ask("/x");
			assert.equal(answer.status, 500);
			assert.equal((answer.json as { code: string }).code, code);
			assert.ok(!JSON.stringify(answer.json).includes("secret"));
		});
	}

	it("reads the answer, its head, and what became of other steps", async () => {
		const { ask } = gatewayWith(
			route(
				{
					a: { get: "users/a", optional: true },
					b: {
						get: "users/b",
						pick: from(
							["answer", "response.status", "response.headers.x_page"],
							(...all) => all,
						),
					},
					c: { value: from(["missing.a", "missing.b"], (...all) => all) },
				},
				{ respond: ["${a}", "${b}", "${c}"] },
			),
			({ request }) =>
				request.target === "/a"
					? { status: 500 }
					: { json: "b", headers: ["x-page", "2"] },
		);
		const wanted = [null, ["b", 200, "2"], ["upstream_status", null]];
		assert.deepEqual((await ask("/x")).json, wanted);
	});

	it("computes a setting of an upstream from the environment", async () => {
		const config = {
			upstreams: {
				users: {
					url: "http://users.test",
					query: { key: from(["env.KEY"], (key: string) => key.slice(1)) },
				},
			},
			routes: { "GET /x": { steps: { a: { get: "users/x" } } } },
		};
		const env = { KEY: "-k" };
		const checked = configOrThrow(checkValue(config, "test.ts", env));
		const { ask, calls } = testGateway(checked, () => ({}), env);
		await ask("/x");
		assert.equal(calls[0]?.request.target, "/x?key=k");
		const { problems } = checkValue(config, "test.ts", {});
		assert.match(
			problems.map(printProblem).join("\n"),
			/users.query.key: this expression of `env` fails/,
		);
	});

	it("cannot change what others read", async () => {
		const clear = (list: unknown[]) => {
			list.length = 0;
			return list;
		};
		const { ask } = gatewayWith(
			route(
				{
					a: { value: { list: [1, 2] } },
					b: { value: from(["a.list"], clear) },
				},
				{ respond: ["${b}", "${a}"] },
			),
		);
		assert.deepEqual((await ask("/x")).json, [[], { list: [1, 2] }]);
	});

	it("is called once per evaluation, with what the client gave as the client's", async () => {
		let count = 0;
		const { ask } = gatewayWith(
			route(
				{
					a: {
						get: "users/x",
						query: {
							city: from(["query.city"], (city) => {
								count++;
								return city;
							}),
						},
					},
				},
				{ request: { query: { "city?": { type: "string" } } } },
			),
		);
		assert.equal((await ask("/x?city=Oslo")).status, 200);
		assert.equal(count, 1);
		const missing = await ask("/x");
		assert.equal(missing.status, 400);
		assert.equal((missing.json as { code: string }).code, "reference_missing");
	});
});

describe("run with a function itself", () => {
	it("calls it with its arguments and a call", async () => {
		async function score(
			{ id }: { id: number },
			{ call }: { call: (target: string) => Promise<{ body: unknown }> },
		) {
			return { id, user: (await call(`users/${id}`)).body };
		}
		const { ask, gateway } = gatewayWith(
			route({ a: { run: score, args: { id: 7 } } }),
			({ request }) => ({ json: request.target }),
		);
		assert.deepEqual((await ask("/x")).json, { id: 7, user: "/7" });
		assert.match(printPlan(gateway.plan), /"run": "score"/);
	});

	it("keeps two functions of one name apart", async () => {
		const one = { score: () => 1 };
		const two = { score: () => 2 };
		const { ask } = gatewayWith(
			route(
				{ a: { run: one.score }, b: { run: two.score }, c: { run: one.score } },
				{ respond: ["${a}", "${b}", "${c}"] },
			),
		);
		assert.deepEqual((await ask("/x")).json, [1, 2, 1]);
	});

	it("refuses the name of a function where no file is loaded, and what `from` made", () => {
		const named = problemsOf(route({ a: { run: "./score.ts#score" } }));
		assert.match(
			named.join("\n"),
			/a.run: `.\/score.ts#score` is not loaded here/,
		);
		const made = problemsOf(route({ a: { run: from([], () => 1) } }));
		assert.match(made.join("\n"), /a.run: `run` takes `.\/file.ts#function`/);
	});
});

describe("a file of TypeScript or JavaScript", () => {
	const config = `export default {
	routes: { "GET /x": { steps: { a: { run: "./score.mjs#score" } } } },
};`;
	const score = "export const score = () => 7;";

	for (const name of ["sluice.ts", "sluice.js", "sluice.mjs", "sluice.mts"]) {
		it(`is loaded with the functions it names: ${name}`, async () => {
			using folder = folderWith({
				"package.json": '{ "type": "module" }',
				"score.mjs": score,
				[name]: config,
			});
			const loaded = await loadConfig(`${folder.path}/${name}`, {});
			assert.deepEqual(loaded.problems, []);
			const { ask } = testGateway(configOrThrow(loaded));
			assert.equal((await ask("/x")).json, 7);
		});
	}

	it("has its problems told by file and path", async () => {
		using folder = folderWith({
			"sluice.mjs": 'export default { routes: { "GET /x": { respnd: 1 } } };',
		});
		const { problems } = await loadConfig(`${folder.path}/sluice.mjs`, {});
		assert.match(
			problems.map(printProblem).join("\n"),
			/sluice.mjs:1:40: routes\["GET \/x"\].respnd: unknown key `respnd` in a route — did/,
		);
	});

	const broken = [
		["does not parse", "export default {", /cannot be loaded: /],
		["throws", "throw new Error('no weather')", /cannot be loaded: no weather/],
		[
			"exports nothing",
			"export const config = {};",
			/write `export default def/,
		],
	] as const;
	for (const [title, text, message] of broken) {
		it(`is refused where it ${title}`, async () => {
			using folder = folderWith({ "sluice.mjs": text });
			await assert.rejects(
				loadConfig(`${folder.path}/sluice.mjs`, {}),
				(error) => {
					assert.ok(error instanceof GatewayError);
					assert.equal(error.code, "config_invalid");
					assert.match(error.message, message);
					return true;
				},
			);
		});
	}
});
