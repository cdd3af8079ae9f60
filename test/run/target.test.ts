import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Answer, testRoute } from "../kit/gateway.ts";

/** Values as clients and upstreams may send them; those a client's query cannot hold come from an upstream. */
const hostile: Record<string, string> = {
	"a path and a query": "a/b?x=1&y=2 z",
	"an encoded slash": "%2F",
	"dots inside a name": "a..b",
	"three dots": "...",
	"a fragment": "a#b",
	"an emoji": "🏔",
	"a line break": "a\r\nHost: evil",
	"a backslash": "a\\b",
	"an at": "@evil.test",
	"a semicolon": "a;b=c",
};

interface Outcome {
	readonly answer: Answer;
	/** What the upstream was asked for, or null where it was not. */
	readonly target: string | null;
	readonly headers: readonly string[];
}

/** Asks a route with one call that reads `query.v`, or `v` from an upstream. */
async function call(
	step: object,
	value: unknown,
	from: "client" | "upstream",
): Promise<Outcome> {
	const client = from === "client";
	const { ask, calls } = testRoute(
		{
			request: { "body?": {} },
			steps: {
				v: { get: "orders/v" },
				a: JSON.parse(
					JSON.stringify(step).replaceAll("$v", client ? "body" : "v"),
				),
			},
			respond: ["${a}", "${v}"],
		},
		({ upstream }) => (upstream === "orders" ? { json: value } : {}),
	);
	const answer = await ask(
		"/x",
		client && value !== null ? { body: JSON.stringify(value) } : {},
	);
	const [sent] = calls.filter(({ upstream }) => upstream === "users");
	return {
		answer,
		target: sent?.request.target ?? null,
		headers: sent?.request.headers.slice(6) ?? [],
	};
}

const origins = ["client", "upstream"] as const;

describe("a value in a path", () => {
	for (const [title, value] of Object.entries(hostile)) {
		it(`is one segment as sent: ${title}`, async () => {
			for (const from of origins) {
				const { target } = await call(
					{ get: "users/u/${$v}/end" },
					value,
					from,
				);
				assert.equal(target, `/u/${encodeURIComponent(value)}/end`);
				assert.match(target ?? "", /^\/u\/[\w\-.~!'()*%]+\/end$/);
			}
		});
	}

	for (const value of [
		"",
		".",
		"..",
		"../admin",
		"a/..",
		"..\\admin",
		"%2e%2e",
		"..;a",
		" ..",
		"a\0b",
		`%${"25".repeat(8)}`,
		"\ud800",
		"a\udc00b",
	]) {
		it(`is refused: ${JSON.stringify(value)}`, async () => {
			const step = { get: "users/u/${$v}/end" };
			const theirs = await call(step, value, "client");
			assert.equal(theirs.target, null);
			assert.deepEqual(
				[theirs.answer.status, theirs.answer.code],
				[400, "request_invalid"],
			);
			const ours = await call(step, value, "upstream");
			assert.equal(ours.target, null);
			assert.deepEqual(
				[ours.answer.status, ours.answer.code],
				[500, "step_failed"],
			);
		});
	}

	it("prints where it is a number or a boolean", async () => {
		for (const value of [7, -1.5, true, false]) {
			const { target } = await call({ get: "users/${$v}" }, value, "upstream");
			assert.equal(target, `/${value}`);
		}
	});

	it("that is null fails with reference_missing, for the client with 400", async () => {
		const step = { get: "users/${$v}" };
		const theirs = await call(step, null, "client");
		assert.deepEqual(
			[theirs.answer.status, theirs.answer.code, theirs.target],
			[400, "reference_missing", null],
		);
		const ours = await call(step, null, "upstream");
		assert.deepEqual(
			[ours.answer.status, ours.answer.code, ours.target],
			[502, "reference_missing", null],
		);
	});

	it("that is a list or a map fails with step_failed", async () => {
		for (const value of [[], ["a"], {}]) {
			const { answer, target } = await call(
				{ get: "users/${$v}" },
				value,
				"upstream",
			);
			assert.deepEqual([answer.code, target], ["step_failed", null]);
		}
	});

	const composed: [path: string, value: string, sent: string | null][] = [
		[".${$v}", ".", null],
		["${$v}.", ".", null],
		["${$v}${$v}", ".", null],
		["%2e${$v}", ".", null],
		["%2E${$v}", "", null],
		[".${$v}", "", null],
		["${$v}%2e", ".", null],
		["${$v}${$v}", "", null],
		[".${$v}", "..", "/..."],
		[".${$v}", "a", "/.a"],
		["%2e${$v}", "%2e", null],
		["%2e${$v}", "%2ea", "/%2e%252ea"],
		["a-${$v}", "", "/a-"],
		["${$v}.json", "../b", null],
		["${$v}.json", "a/b", "/a%2Fb.json"],
		["${$v}:${$v}", "1", "/1:1"],
	];
	for (const [path, value, sent] of composed) {
		it(`beside text is one segment or refused: ${path} of ${JSON.stringify(value)}`, async () => {
			for (const from of origins) {
				const { target } = await call({ get: `users/${path}` }, value, from);
				assert.equal(target, sent);
			}
		});
	}

	it("never becomes the upstream's name or host", () => {
		for (const get of ["${query.q}/a", "us${query.q}/a", "${query.q}"]) {
			const request = { query: { q: { type: "string" } } };
			assert.throws(() => testRoute({ request, steps: { a: { get } } }));
		}
	});

	it("that the config itself holds is not the client's fault", async () => {
		const { ask } = testRoute({ steps: { a: { get: "users/${''}" } } });
		const answer = await ask("/x");
		assert.deepEqual([answer.status, answer.code], [500, "step_failed"]);
	});
});

describe("a value in a query", () => {
	for (const [title, value] of Object.entries({
		...hostile,
		empty: "",
		dots: "..",
	})) {
		it(`arrives unchanged: ${title}`, async () => {
			for (const from of origins) {
				const { target } = await call(
					{ get: "users/u", query: { "q&=": "${$v}", last: 1 } },
					value,
					from,
				);
				const url = new URL(target ?? "", "http://users.test");
				assert.deepEqual(
					[url.pathname, [...url.searchParams]],
					[
						"/u",
						[
							["q&=", value],
							["last", "1"],
						],
					],
				);
			}
		});
	}

	it("repeats the key where it is a list; an empty one is refused, or left out by `key?`", async () => {
		const step = { get: "users/u", query: { id: "${$v}" } };
		for (const from of origins) {
			const several = await call(step, [1, "b&c", true], from);
			assert.equal(several.target, "/u?id=1&id=b%26c&id=true");
			const none = await call(step, [], from);
			assert.deepEqual(
				[none.answer.code, none.target],
				["reference_missing", null],
			);
			const left = { get: "users/u", query: { "id?": "${$v}" } };
			assert.equal((await call(left, [], from)).target, "/u");
		}
	});

	it("is refused with half a surrogate pair", async () => {
		const step = { get: "users/u", query: { q: "${$v}" } };
		const theirs = await call(step, "a\ud83d", "client");
		assert.deepEqual([theirs.answer.status, theirs.target], [400, null]);
		const ours = await call(step, "a\ud83d", "upstream");
		assert.deepEqual([ours.answer.code, ours.target], ["step_failed", null]);
	});

	it("that is null fails, alone, in a list and inside longer text", async () => {
		const templates = ["${$v}", ["${$v}", "b"], "to ${$v}"];
		for (const q of templates) {
			for (const [from, status] of [
				["client", 400],
				["upstream", 502],
			] as const) {
				const { answer, target } = await call(
					{ get: "users/u", query: { q } },
					null,
					from,
				);
				assert.deepEqual(
					[answer.status, answer.code, target],
					[status, "reference_missing", null],
				);
			}
		}
		const { answer } = await call(
			{ get: "users/u", query: { q: "${$v}" } },
			["a", null],
			"upstream",
		);
		assert.equal(answer.code, "reference_missing");
	});

	it("that is null leaves the key out where it ends in ?", async () => {
		const { target } = await call(
			{ get: "users/u", query: { "q?": "${$v}", r: 1 } },
			null,
			"upstream",
		);
		assert.equal(target, "/u?r=1");
		const there = await call(
			{ get: "users/u", query: { "q?": "${$v}" } },
			0,
			"upstream",
		);
		assert.equal(there.target, "/u?q=0");
	});

	it("that is a map, or a list of lists, fails with step_failed", async () => {
		for (const value of [{ a: 1 }, [["a"]], [{}]]) {
			const { answer, target } = await call(
				{ get: "users/u", query: { q: "${$v}" } },
				value,
				"upstream",
			);
			assert.deepEqual([answer.code, target], ["step_failed", null]);
		}
		const text = await call(
			{ get: "users/u", query: { q: "a${$v}" } },
			["b"],
			"upstream",
		);
		assert.equal(text.answer.code, "step_failed");
	});

	for (const [q, status] of [
		["${query.q}-${v}", 400],
		["${query.q + v}", 502],
	] as const) {
		it(`is the client's fault where its expression reads nothing else: ${q}`, async () => {
			const { ask } = testRoute(
				{
					request: { query: { "q?": { type: "string" } } },
					steps: {
						v: { get: "orders/v" },
						a: { get: "users/a", query: { q } },
					},
					respond: "${a}",
				},
				() => ({ json: "v" }),
			);
			assert.equal((await ask("/x")).status, status);
		});
	}

	it("left out does not let the upstream's own of that name through", async () => {
		const { ask, calls } = testRoute(
			{ steps: { a: { get: "users/a", query: { "key?": "${null}" } } } },
			() => ({}),
			{ upstreams: { users: { url: "http://u.test", query: { key: "k" } } } },
		);
		await ask("/x");
		assert.equal(calls[0]?.request.target, "/a");
	});
});

describe("a value in a header", () => {
	const step = { get: "users/u", headers: { "X-V": "${$v}" } };

	for (const value of ["a\r\nb: c", "a\nb", "🏔", "é", "\0", "\x7f"]) {
		it(`is refused: ${JSON.stringify(value)}`, async () => {
			const theirs = await call(step, value, "client");
			assert.deepEqual(
				[theirs.answer.status, theirs.answer.code, theirs.target],
				[400, "request_invalid", null],
			);
			const ours = await call(step, value, "upstream");
			assert.deepEqual([ours.answer.code, ours.target], ["step_failed", null]);
		});
	}

	it("is sent as it is where it is visible ASCII, space and tab", async () => {
		for (const value of ["", "a b\tc", '"~!%0d%0a;,=']) {
			assert.deepEqual((await call(step, value, "client")).headers, [
				"x-v",
				value,
			]);
		}
	});

	it("repeats the header where it is a list", async () => {
		const { headers } = await call(step, ["a", 2], "upstream");
		assert.deepEqual(headers, ["x-v", "a", "x-v", "2"]);
	});

	it("that is null fails, or leaves a header out whose key ends in ?", async () => {
		assert.equal((await call(step, null, "client")).answer.status, 400);
		assert.equal((await call(step, null, "upstream")).answer.status, 502);
		const optional = { get: "users/u", headers: { "x-v?": "${$v}" } };
		const { target, headers } = await call(optional, null, "upstream");
		assert.deepEqual([target, headers], ["/u", []]);
	});

	it("that is a map fails with step_failed", async () => {
		assert.equal((await call(step, {}, "upstream")).answer.code, "step_failed");
	});
});

describe("a client whose value is refused", () => {
	const request = {
		query: { "q?": { type: "string" } },
		headers: { "x-own?": { type: "string" } },
		"body?": {},
	};
	async function faults(step: object, options: object): Promise<unknown> {
		const { ask } = testRoute({ request, steps: { a: step } });
		const { json } = await ask("/x?q=.", options);
		return (json as { errors: unknown }).errors;
	}

	it("is told where it was given, and not where it was to go", async () => {
		const upwards = "makes a path's segment empty, `.` or `..`";
		assert.deepEqual(await faults({ get: "users/${query.q}" }, {}), [
			{ at: "query.q", message: upwards },
		]);
		const names = {
			get: "users/a",
			headers: { "x-secret": "${headers.x_own}" },
		};
		assert.deepEqual(await faults(names, { headers: ["X-Own", "é"] }), [
			{ at: "headers.x-own", message: "holds what is not visible ASCII" },
		]);
		const each = { each: "${body.ids}", get: "users/${item.id}${query.q}" };
		assert.deepEqual(await faults(each, { body: { ids: [{ id: "" }] } }), [
			{ at: "body/ids", message: upwards },
			{ at: "query.q", message: upwards },
		]);
	});
});

describe("a value in a body", () => {
	it("stays what it is, null included", async () => {
		const value = { a: null, b: ["\ud800", 1e21, -0], c: "🏔", d: {} };
		const { ask, calls } = testRoute(
			{
				steps: {
					v: { get: "orders/v" },
					a: { post: "users/a", body: { v: "${v}", none: "${v.none}" } },
				},
				respond: "${a}",
			},
			() => ({ json: value }),
		);
		await ask("/x");
		assert.equal(
			calls[1]?.request.body,
			'{"v":{"a":null,"b":["\\ud800",1e+21,0],"c":"🏔","d":{}},"none":null}',
		);
	});

	it("inside longer text fails where it is null", async () => {
		const step = { post: "users/a", body: { text: "to ${$v}" } };
		assert.equal((await call(step, null, "client")).answer.status, 400);
		assert.equal((await call(step, null, "upstream")).answer.status, 502);
	});

	it("that is a text is refused where half a surrogate pair would become another character", async () => {
		const step = { post: "users/a", text: "to ${$v}" };
		for (const [whose, code] of [
			["client", "request_invalid"],
			["upstream", "step_failed"],
		] as const) {
			const { answer } = await call(step, "a\ud83e", whose);
			assert.equal(answer.code, code);
		}
	});
});
