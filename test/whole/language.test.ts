import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { headerOf } from "../../src/core/http/headers.ts";
import { testGateway } from "../kit/gateway.ts";

const upstreams = `
upstreams:
  users: { url: "http://users.test" }
  orders: { url: "http://orders.test" }
  search: { url: "http://search.test", safe: true }
`;

const never = { afterMs: Number.POSITIVE_INFINITY };

describe("a group", () => {
	const nested = `${upstreams}
routes:
  GET /page:
    steps:
      user: { get: users/1 }
      orders:
        each: \${user.orders}
        as: id
        steps:
          order: { get: "orders/orders/\${id}" }
          items:
            each: \${order.items}
            as: item_id
            get: "orders/items/\${item_id}"
            pick: \${answer.name}
            optional: true
        value: { id: "\${order.id}", user: "\${user.name}", items: "\${items}" }
    respond: { name: "\${user.name}", orders: "\${orders}" }
`;

	it("runs per item, nested, its steps seeing the names around them", async () => {
		const { ask, calls } = testGateway(nested, ({ request: { target } }) => {
			if (target === "/1") return { json: { name: "Ann", orders: [7, 8] } };
			if (target.startsWith("/orders/")) {
				const id = Number(target.at(-1));
				return { json: { id, items: [id * 10, id * 10 + 1] }, afterMs: 100 };
			}
			if (target === "/items/80") return { status: 500 };
			return { json: { name: `item${target.slice(7)}` }, afterMs: 100 };
		});
		const answer = await ask("/page");
		assert.deepEqual(answer.json, {
			name: "Ann",
			orders: [
				{ id: 7, user: "Ann", items: ["item70", "item71"] },
				{ id: 8, user: "Ann", items: [null, "item81"] },
			],
		});
		assert.equal(answer.atMs, 200);
		assert.equal(calls.length, 7);
		assert.equal(
			answer.header("sluice-missing"),
			'orders.items;index="1.0";error=upstream_status',
		);
	});

	it("fails where a step of it fails, and aborts its others", async () => {
		const { ask, calls } = testGateway(
			`${upstreams}
routes:
  GET /x:
    steps:
      both:
        steps:
          a: { get: users/a }
          b: { get: users/b }
        fallback: none
    respond: \${both}
`,
			({ request }) =>
				request.target === "/a" ? { status: 500, afterMs: 10 } : never,
		);
		const answer = await ask("/x");
		assert.equal(answer.json, "none");
		assert.equal(answer.atMs, 10);
		assert.notEqual(calls[1]?.aborted, null);
		assert.equal(answer.header("sluice-missing"), "both;error=upstream_status");
	});

	it("is an object of its steps without a value", async () => {
		const { ask } = testGateway(
			`${upstreams}
routes:
  GET /x:
    steps:
      both:
        steps:
          a: { value: "\${1}" }
          b: { value: "\${a + 1}" }
`,
		);
		assert.deepEqual((await ask("/x")).json, { a: 1, b: 2 });
	});

	it("starts its steps when what they read around them is there, not later", async () => {
		const { ask, calls } = testGateway(
			`${upstreams}
routes:
  GET /x:
    steps:
      slow: { get: users/slow }
      group:
        steps:
          free: { get: users/free }
          bound: { get: users/bound, query: { slow: "\${slow}", free: "\${free}" } }
    respond: \${group}
`,
			({ request }) => ({
				json: 1,
				afterMs: request.target === "/slow" ? 100 : 10,
			}),
		);
		const answer = await ask("/x");
		assert.equal(answer.atMs, 110);
		assert.deepEqual(
			calls.map(({ request, startedMs }) => [request.target, startedMs]),
			[
				["/slow", 0],
				["/free", 0],
				["/bound?slow=1&free=1", 100],
			],
		);
	});

	it("ends within its time, and its fallback fills in", async () => {
		const { ask } = testGateway(
			`${upstreams}
routes:
  GET /x:
    steps:
      group:
        within: 300ms
        steps: { a: { get: users/a, optional: true } }
        optional: true
    respond: \${group}
`,
			() => never,
		);
		const answer = await ask("/x");
		assert.equal(answer.json, null);
		assert.equal(answer.atMs, 300);
		assert.equal(
			answer.header("sluice-missing"),
			"group;error=upstream_timeout",
		);
	});
});

describe("a reply", () => {
	const yaml = `${upstreams}
routes:
  POST /x:
    headers: { x-route: "yes" }
    steps:
      user: { get: users/1, answers: { 404: null } }
      gone:
        when: \${user === null}
        reply: { status: 404, headers: { x-why: gone }, body: { error: no such user } }
      slow: { get: users/slow }
      write: { post: orders/orders, body: { user: "\${user.id}" } }
    respond: [ "\${user}", "\${slow}" ]
`;

	it("ends the run before other steps start, and aborts what runs", async () => {
		const { ask, calls } = testGateway(yaml, ({ request: { target } }) =>
			target === "/1" ? { status: 404, afterMs: 50 } : never,
		);
		const answer = await ask("/x", { method: "POST" });
		assert.equal(answer.status, 404);
		assert.equal(answer.atMs, 50);
		assert.deepEqual(answer.json, { error: "no such user" });
		assert.equal(answer.header("x-why"), "gone");
		assert.equal(answer.header("x-route"), null);
		assert.equal(answer.header("sluice-complete"), "?1");
		assert.deepEqual(
			calls.map(({ request }) => request.target),
			["/1", "/slow"],
		);
		assert.notEqual(calls[1]?.aborted, null);
	});

	it("is passed over where its condition does not hold", async () => {
		const { ask } = testGateway(yaml, () => ({ json: { id: 1 } }));
		const answer = await ask("/x", { method: "POST" });
		assert.equal(answer.status, 200);
		assert.equal(answer.header("x-route"), "yes");
	});

	for (const afterMs of [10, 90]) {
		it(`lacks only what it read itself, whether other steps fail before it or not: ${afterMs} ms`, async () => {
			const { ask } = testGateway(
				`${upstreams}
routes:
  GET /x:
    steps:
      user: { get: users/1, answers: { 404: null } }
      read: { get: users/read, optional: true }
      other: { get: users/other, optional: true }
      write: { post: orders/write, optional: true }
      gone: { when: "\${user === null}", reply: { status: 404, body: "\${read}" } }
    respond: [ "\${user}", "\${read}", "\${other}" ]
`,
				({ request: { target } }) => {
					if (target === "/1") return { status: 404, afterMs: 50 };
					return { status: 500, afterMs: target === "/read" ? 5 : afterMs };
				},
			);
			const answer = await ask("/x");
			assert.equal(answer.atMs, 50);
			assert.equal(
				answer.header("sluice-missing"),
				"read;error=upstream_status",
			);
		});
	}

	it("leaves a write that was sent alone", async () => {
		const { ask, calls } = testGateway(
			`${upstreams}
routes:
  POST /x:
    steps:
      write: { post: orders/orders, body: 1 }
      user: { get: users/1 }
      done: { when: "\${user.done}", reply: { status: 202 } }
    respond: \${user}
`,
			({ upstream }) =>
				upstream === "orders"
					? { afterMs: 500 }
					: { json: { done: true }, afterMs: 10 },
		);
		const answer = await ask("/x", { method: "POST" });
		assert.equal(answer.status, 202);
		assert.equal(answer.atMs, 10);
		assert.equal(calls[0]?.endedMs, 500);
		assert.equal(calls[0]?.aborted, null);
	});
});

describe("an answer of an upstream", () => {
	const one = (step: string, rest = "respond: ${it}") =>
		`${upstreams}\nroutes:\n  GET /x:\n    steps:\n      it: ${step}\n    ${rest}\n`;

	it("is invalid where it is not as expected", async () => {
		const yaml = one(
			'{ post: "search/graphql", body: {}, expect: "${answer.errors === null}", pick: "${answer.data}" }',
		);
		const good = testGateway(yaml, () => ({ json: { data: 1 } }));
		assert.equal((await good.ask("/x")).json, 1);
		const bad = testGateway(yaml, () => ({
			json: { data: null, errors: ["x"] },
		}));
		const answer = await bad.ask("/x");
		assert.equal(answer.status, 502);
		assert.equal((answer.json as { code: string }).code, "upstream_invalid");
	});

	it("is a text with `decode: text`, and bytes pass through", async () => {
		const text = testGateway(one("{ get: users/x, decode: text }"), () => ({
			text: "<a>ü</a>",
		}));
		assert.equal((await text.ask("/x")).json, "<a>ü</a>");
		const bytes = testGateway(
			one(
				"{ get: users/x, decode: bytes }",
				"respond: ${it}\n    headers: { content-type: image/png }",
			),
			() => ({ text: "\u0089PNG" }),
		);
		const { answer, scope } = bytes.send("/x");
		await bytes.clock.settle();
		assert.equal(scope.listeners, 0);
		assert.deepEqual(
			(await answer).body,
			new TextEncoder().encode("\u0089PNG"),
		);
	});

	it("is no JSON where it is bytes", async () => {
		const { ask } = testGateway(one("{ get: users/x, decode: bytes }"), () => ({
			text: "x",
		}));
		const answer = await ask("/x");
		assert.equal((answer.json as { code: string }).code, "step_failed");
	});
});

describe("a call", () => {
	it("sends a form, and a text", async () => {
		const { ask, calls } = testGateway(`${upstreams}
routes:
  POST /x:
    request: { query: { name: { type: string } } }
    steps:
      form: { post: users/login, form: { user: "\${query.name}", scope: [read, write], "left?": "\${null}" } }
      text: { post: users/soap, headers: { content-type: text/xml }, text: "<n>\${escapeXml(query.name)}</n>" }
      plain: { post: users/plain, text: "hello" }
    respond: done
`);
		await ask("/x?name=a%26b%20%3Cc%3E", { method: "POST" });
		const sent = calls.map(({ request: { body, headers } }) => [
			body,
			headerOf(headers, "content-type"),
		]);
		assert.deepEqual(sent, [
			[
				"user=a%26b%20%3Cc%3E&scope=read&scope=write",
				"application/x-www-form-urlencoded",
			],
			["<n>a&amp;b &lt;c&gt;</n>", "text/xml"],
			["hello", "text/plain; charset=utf-8"],
		]);
	});

	it("that is safe must be read and is aborted; one that is not may be unread", async () => {
		assert.throws(
			() =>
				testGateway(
					`${upstreams}\nroutes:\n  POST /x:\n    steps: { it: { post: users/x, safe: true } }\n    respond: 1\n`,
				),
			/nobody reads `it`/,
		);
		const { ask, calls } = testGateway(
			`${upstreams}\nroutes:\n  POST /x:\n    steps: { it: { post: search/x, safe: false } }\n    respond: 1\n`,
		);
		await ask("/x", { method: "POST" });
		assert.equal(calls.length, 1);
	});
});

describe("a call that may be sent again", () => {
	for (const [upstream, step, expected] of [
		["{}", "get: u/x", true],
		["{}", "put: u/x", true],
		["{}", "delete: u/x", true],
		["{}", "post: u/x", false],
		["{}", "patch: u/x", false],
		["{}", "post: u/x, safe: true", true],
		["{}", "post: u/x, idempotent: true", true],
		["{}", "put: u/x, idempotent: false", false],
		["{ safe: true }", "post: u/x", true],
		["{ safe: true }", "post: u/x, safe: false", false],
		["{ idempotent: true }", "post: u/x", true],
		["{ idempotent: true }", "post: u/x, idempotent: false", false],
	] as const) {
		it(`is told by its upstream's ${upstream} and its own { ${step} }: ${expected}`, async () => {
			const settings = `{ url: "http://u.test"${upstream.slice(1, -1).replace(/^ /, ", ")} }`;
			const { ask, calls } = testGateway(
				`upstreams: { u: ${settings} }\nroutes:\n  POST /x:\n    steps: { it: { ${step} } }\n    respond: "\${it}"\n`,
			);
			await ask("/x", { method: "POST" });
			assert.equal(calls[0]?.request.idempotent, expected);
		});
	}
});

describe("what is missing of items", () => {
	it("is told in the order of the lists, also of lists inside lists, whichever item fails first", async () => {
		const { ask } = testGateway(
			`${upstreams}
routes:
  GET /x:
    steps:
      orders:
        each: \${[0, 1]}
        as: order
        steps:
          items:
            each: \${[0, 1]}
            get: "orders/\${order}/\${item}"
            optional: true
    respond: done
    headers: { x-orders: "\${orders.length}" }
`,
			({ request: { target } }) => {
				const [, order, item] = target.split("/").map(Number);
				return {
					status: 500,
					afterMs: 100 - 20 * Number(order) - 10 * Number(item),
				};
			},
		);
		assert.equal(
			(await ask("/x")).header("sluice-missing"),
			["0.0", "0.1", "1.0", "1.1"]
				.map((index) => `orders.items;index="${index}";error=upstream_status`)
				.join(", "),
		);
	});

	it("has the first item's code as the step's, whichever item fails first", async () => {
		const { ask } = testGateway(
			`${upstreams}
routes:
  GET /x:
    steps:
      parts: { each: "\${[0, 1]}", get: "orders/\${item}", timeout: 50ms, optional: true }
    respond: [ "\${parts}", "\${missing.parts}" ]
`,
			({ request: { target } }) => (target === "/0" ? never : { status: 500 }),
		);
		assert.deepEqual((await ask("/x")).json, [
			[null, null],
			"upstream_timeout",
		]);
	});
});

describe("missing.<step>", () => {
	it("is the step's error code once it has ended, and null where it did not fail", async () => {
		const { ask } = testGateway(
			`${upstreams}
routes:
  GET /x:
    steps:
      good: { get: users/good }
      bad: { get: users/bad, optional: true }
      why: { value: "\${missing.bad ?? 'nothing'}" }
      inside:
        steps:
          worse: { get: users/worse, fallback: 0 }
          codes: { value: "\${[missing.bad, missing.good, missing.worse]}" }
        value: \${codes}
    respond: { why: "\${why}", inside: "\${inside}", good: "\${missing.good}", bad: "\${bad}" }
    status: "\${missing.bad === 'upstream_status' ? 203 : 200}"
`,
			({ request: { target } }) =>
				target === "/good" ? { json: 1 } : { status: 500, afterMs: 20 },
		);
		const answer = await ask("/x");
		assert.equal(answer.status, 203);
		assert.deepEqual(answer.json, {
			why: "upstream_status",
			inside: ["upstream_status", null, "upstream_status"],
			good: null,
			bad: null,
		});
		assert.equal(
			answer.header("sluice-missing"),
			"bad;error=upstream_status, inside.worse;error=upstream_status",
		);
	});

	it("may be read by the answer alone, and by a group's value alone", async () => {
		const { ask } = testGateway(
			`${upstreams}
routes:
  GET /x:
    steps:
      bad: { get: users/bad, optional: true }
      group:
        steps: { worse: { get: users/worse, optional: true } }
        value: "\${missing.worse}"
    respond: [ "\${missing.bad}", "\${group}" ]
`,
			() => ({ status: 500 }),
		);
		assert.deepEqual((await ask("/x")).json, [
			"upstream_status",
			"upstream_status",
		]);
	});
});

describe("cookies", () => {
	it("are read where they are declared", async () => {
		const { ask } = testGateway(`${upstreams}
routes:
  GET /x:
    request: { cookies: { session-id: { type: string }, "theme?": { type: string } } }
    respond: [ "\${cookies.session_id}", "\${cookies.theme}" ]
`);
		const answer = await ask("/x", {
			headers: ["cookie", 'a=b; session-id="s=1"; x'],
		});
		assert.deepEqual(answer.json, ["s=1", null]);
		const without = await ask("/x");
		assert.deepEqual((without.json as { errors: unknown }).errors, [
			{ at: "cookies.session_id", message: "is required" },
		]);
	});
});
