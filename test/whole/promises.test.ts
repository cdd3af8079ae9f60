import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Canary, startCanary } from "../kit/canary.ts";
import { serve } from "../kit/serve.ts";
import { json, startUpstream } from "../kit/upstream.ts";

/** What a run promises, over real sockets: what the upstream saw decides. */
const header = (url: string) => `
upstreams:
  users: { url: "${url}", timeout: 20s }
`;

/** Leaves once so much has happened. */
function leaving() {
	const controller = new AbortController();
	return { signal: controller.signal, leave: () => controller.abort() };
}

describe("a client that leaves", () => {
	it("aborts every call that only reads, and leaves nothing behind", async () => {
		await using users = await startUpstream(() => {});
		await using gateway = await serve(`${header(users.url)}
routes:
  GET /x:
    steps:
      one: { get: users/1 }
      two: { get: users/2 }
      many: { each: "\${[1, 2, 3]}", get: "users/many/\${item}" }
    respond: [ "\${one}", "\${two}", "\${many}" ]
`);
		const { signal, leave } = leaving();
		const answer = gateway.get("/x", { signal });
		await users.arrived(5);
		leave();
		await assert.rejects(answer);
		await users.aborted(5);
		assert.equal(gateway.gateway.clock.pending, 0);
		assert.equal(gateway.ended[0]?.status, 499);
	});

	it("does not end a run that has written, nor what it reads", async () => {
		const { promise: released, resolve: release } =
			Promise.withResolvers<void>();
		const finished: Promise<void>[] = [];
		await using users = await startUpstream((_request, response) => {
			const { promise, resolve } = Promise.withResolvers<void>();
			finished.push(promise);
			response.on("finish", resolve);
			void released.then(() => json(response, { ok: true }));
		});
		await using gateway = await serve(`${header(users.url)}
routes:
  POST /x:
    steps:
      write: { post: users/orders, body: { amount: 1 } }
      read: { get: users/1 }
    respond: \${read}
`);
		const { signal, leave } = leaving();
		const answer = gateway.get("/x", { method: "POST", signal });
		await users.arrived(2);
		leave();
		await assert.rejects(answer);
		release();
		await Promise.all(finished);
		assert.deepEqual(
			users.seen.map(({ aborted }) => aborted),
			[false, false],
		);
	});
});

describe("a required step that fails", () => {
	it("aborts its running siblings", async () => {
		await using users = await startUpstream((request, response) => {
			if (request.target === "/fails") {
				void users.arrived(3).then(() => json(response, {}, 500));
			}
		});
		await using gateway = await serve(`${header(users.url)}
routes:
  GET /x:
    steps:
      fails: { get: users/fails }
      one: { get: users/1 }
      two: { get: users/2, optional: true }
    respond: [ "\${fails}", "\${one}", "\${two}" ]
`);
		const answer = await gateway.get("/x");
		assert.equal(answer.status, 502);
		await users.aborted(2);
		assert.equal(gateway.gateway.clock.pending, 0);
	});
});

describe("a value in an address", () => {
	const routes = `
routes:
  POST /path:
    request: { body: { type: object } }
    steps:
      it: { get: "users/before/\${body.value}/after", query: { fixed: yes } }
  POST /query:
    request: { body: { type: object } }
    steps:
      it: { get: users/x, query: { value: "\${body.value}", "left?": "\${body.left}" } }
  POST /header:
    request: { body: { type: object } }
    steps:
      it: { get: users/x, headers: { x-value: "\${body.value}" } }
`;

	let canary: Canary;
	before(async () => {
		canary = await startCanary();
	});
	after(() => canary[Symbol.asyncDispose]());

	async function send(path: string, value: unknown) {
		await using users = await startUpstream((_request, response) =>
			json(response, "ok"),
		);
		await using gateway = await serve(header(users.url) + routes);
		const answer = await gateway.get(path, {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: JSON.stringify({ value }),
		});
		const code =
			answer.status === 200 ? null : (answer.json as { code: string }).code;
		return { status: answer.status, code, seen: users.seen[0] ?? null };
	}

	const segments: [string, string][] = [
		["a/b?x=1&y=2 z", "a%2Fb%3Fx%3D1%26y%3D2%20z"],
		["%2F", "%252F"],
		["🦊", "%F0%9F%A6%8A"],
		["a\r\nb", "a%0D%0Ab"],
		["...", "..."],
		["a#b", "a%23b"],
		["a\\b", "a%5Cb"],
	];
	for (const [value, segment] of segments) {
		it(`is one segment of the path: ${JSON.stringify(value)}`, async () => {
			const { status, seen } = await send("/path", value);
			assert.equal(status, 200);
			assert.equal(seen?.target, `/before/${segment}/after?fixed=yes`);
		});
	}

	for (const value of [
		"..",
		".",
		"",
		"../admin",
		"%2e%2e",
		"\\..\\",
		"\ud800",
	]) {
		it(`is refused in a path where it is no segment: ${JSON.stringify(value)}`, async () => {
			const { code, seen } = await send("/path", value);
			assert.equal(code, "request_invalid");
			assert.equal(seen, null);
		});
	}

	for (const value of ["a\r\nx-admin: 1", "🦊", "\u0000", "é"]) {
		it(`is refused in a header: ${JSON.stringify(value)}`, async () => {
			const { code, seen } = await send("/header", value);
			assert.equal(code, "request_invalid");
			assert.equal(seen, null);
		});
	}

	for (const value of [
		"a&b=c",
		"a+b c",
		"🦊",
		"%2F",
		"a\r\nb",
		"../..",
		"#",
		"=",
		"'\"<>",
	]) {
		it(`arrives unchanged in a query: ${JSON.stringify(value)}`, async () => {
			const { seen } = await send("/query", value);
			const arrived = new URL(seen?.target ?? "", "http://x").searchParams;
			assert.deepEqual([...arrived], [["value", value]]);
		});
	}

	it("leads nobody elsewhere: not where it is a URL, nor where it is a redirect's", async () => {
		for (const path of ["/path", "/query", "/header"]) {
			for (const value of [canary.url, `@${canary.url.slice(7)}`]) {
				assert.equal((await send(path, value)).status, 200);
			}
		}
		await using users = await startUpstream((_request, response) => {
			response.writeHead(302, { location: canary.url });
			response.end();
		});
		await using gateway = await serve(header(users.url) + routes);
		const answer = await gateway.get("/path", {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: '{"value":1}',
		});
		assert.equal(answer.status, 502);
	});

	it("fails where it is null, and is left out where its key ends in ?", async () => {
		const { status, code, seen } = await send("/query", null);
		assert.deepEqual([status, code, seen], [400, "reference_missing", null]);
		const left = await send("/query", 1);
		assert.equal(left.seen?.target, "/x?value=1");
	});
});

describe("an upstream's hostile JSON", () => {
	async function pass(text: string, respond = "${it}") {
		await using users = await startUpstream((_request, response) => {
			response.writeHead(200, { "content-type": "application/json" });
			response.end(text);
		});
		await using gateway = await serve(`${header(users.url)}
routes:
  GET /x:
    steps: { it: { get: users/x } }
    respond: ${respond}
`);
		const answer = await gateway.get("/x");
		assert.equal(({} as { admin?: unknown }).admin, undefined);
		return answer;
	}

	for (const text of [
		'{"__proto__":{"admin":true}}',
		'{"constructor":{"prototype":{"admin":true}}}',
		'{"id":9223372036854775807,"small":-12345678901234567890}',
		'{"1e21":1000000000000000000000,"float":0.1}',
	]) {
		it(`passes unchanged: ${text}`, async () => {
			const answer = await pass(text);
			assert.equal(answer.status, 200);
			assert.equal(answer.text, text);
		});
	}

	it("takes the last of two equal keys", async () => {
		assert.equal((await pass('{"a":1,"a":2}')).text, '{"a":2}');
	});

	it("is refused 65 and 10,000 levels deep, and passes at 64", async () => {
		const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
		assert.equal((await pass(nested(64))).text, nested(64));
		for (const levels of [65, 10_000]) {
			const answer = await pass(nested(levels));
			assert.equal(answer.status, 502);
			assert.equal((answer.json as { code: string }).code, "upstream_invalid");
		}
	});

	it("changes no prototype on its way through expressions", async () => {
		const text = '{"__proto__":{"admin":true},"id":9223372036854775807}';
		const through = [
			"${({ ...it })}",
			"${Object.fromEntries(Object.entries(it))}",
			"${omit(it, 'nothing')}",
			"${compact(it)}",
			"${JSON.parse(JSON.stringify(it))}",
		];
		for (const respond of through) {
			const answer = await pass(text, `"${respond}"`);
			assert.equal(answer.text, text, respond);
		}
	});
});

describe("a gateway", () => {
	it("sends no header of the client's that is not listed, but its trace", async () => {
		await using users = await startUpstream((_request, response) =>
			json(response, {}),
		);
		await using gateway = await serve(`${header(users.url)}
routes:
  GET /x:
    steps: { it: { get: users/x } }
`);
		const traceparent =
			"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
		const answer = await gateway.get("/x", {
			headers: {
				authorization: "Bearer x",
				cookie: "a=b",
				"x-forwarded-for": "1.2.3.4",
				traceparent,
			},
		});
		assert.equal(answer.status, 200);
		const sent = users.seen[0]?.rawHeaders ?? [];
		const names = sent
			.filter((_, index) => index % 2 === 0)
			.map((name) => name.toLowerCase());
		assert.deepEqual(names.toSorted(), [
			"accept",
			"accept-encoding",
			"connection",
			"host",
			"traceparent",
			"user-agent",
			"via",
			"x-request-id",
		]);
		const trace = traceparent.slice(0, 36);
		assert.ok(sent.some((value) => value.startsWith(trace)));
	});

	it("shares nothing with another of the same config", async () => {
		await using users = await startUpstream((_request, response) =>
			json(response, {}),
		);
		const yaml = `${header(users.url)}
routes:
  GET /x:
    steps: { it: { get: users/x } }
`;
		await using first = await serve(yaml);
		await using second = await serve(yaml);
		await first.get("/x");
		await first.gateway.close();
		assert.equal((await second.get("/x")).status, 200);
		assert.equal((await first.get("/x")).status, 503);
		assert.deepEqual([first.ended.length, second.ended.length], [2, 1]);
	});
});
