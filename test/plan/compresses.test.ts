import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkText, configOrThrow } from "../../src/config/load.ts";
import { compile } from "../../src/plan/compile.ts";
import { compresses } from "../../src/plan/compresses.ts";

function compressesOf(key: string, route: string, more = ""): boolean {
	const text = `
upstreams:
  users: { url: "http://users.test" }
  own: { url: "http://own.test", auth: { pass: true } }
auth:
  staff: { keys: { list: [{ name: ada, hash: "sha256:2qG7Zk1P:mYgVYcnc9MHbKpQZ0xPHqZ0Yxw0hR2z8fJ1nJ3yq0aY" }], header: x-key } }
${more}
routes:
  ${key}:
    ${route}
`;
	const plan = compile(configOrThrow(checkText(text, "test.yaml", {})));
	const [first] = plan.routes;
	return first !== undefined && compresses(first, plan.upstreams);
}

const text = "{ type: string }";

describe("a route compresses", () => {
	const cases: readonly [
		what: string,
		key: string,
		route: string,
		compresses: boolean,
	][] = [
		["that reads nothing", "GET /x", "respond: a", true],
		[
			"that reads a query",
			"GET /x",
			`{ request: { query: { q: ${text} } }, respond: "\${query.q}" }`,
			true,
		],
		[
			"that reads a cookie and nothing else",
			"GET /me",
			`{ request: { cookies: { session: ${text} } }, respond: a }`,
			true,
		],
		[
			"that reads a cookie and a query",
			"GET /x",
			`{ request: { cookies: { session: ${text} }, query: { q: ${text} } }, respond: "\${query.q}" }`,
			false,
		],
		[
			"that reads `authorization` and a parameter of the path",
			"GET /users/{id}",
			`{ request: { headers: { authorization: ${text} } }, respond: "\${params.id}" }`,
			false,
		],
		[
			"that asks an upstream as the client itself, and reads a query",
			"GET /x",
			`{ request: { query: { q: ${text} } }, steps: { mine: { get: own/mine } }, respond: "\${mine}" }`,
			false,
		],
		[
			"that asks an upstream as the client itself, and nothing else",
			"GET /x",
			`{ steps: { mine: { get: own/mine } }, respond: "\${mine}" }`,
			true,
		],
		[
			"that reads a cookie and another field",
			"GET /x",
			`{ request: { cookies: { session: ${text} }, headers: { accept-language: ${text} } }, respond: a }`,
			false,
		],
		[
			"that reads a cookie and a body",
			"POST /x",
			`{ request: { cookies: { session: ${text} }, body: {} }, respond: "\${body}" }`,
			false,
		],
		[
			"that knows who asks, and no more",
			"GET /me",
			"{ auth: staff, respond: a }",
			true,
		],
		[
			"that knows who asks, and reads a query",
			"GET /x",
			`{ auth: staff, request: { query: { q: ${text} } }, respond: a }`,
			false,
		],
		["that passes requests on", "GET /x", "proxy: users/x", true],
		[
			"that passes cookies on",
			"GET /x",
			"proxy: { to: users/x, pass: [cookie] }",
			false,
		],
		[
			"that passes `authorization` on",
			"GET /x",
			"proxy: { to: users/x, pass: [authorization] }",
			false,
		],
		[
			"that passes everything on",
			"GET /x",
			"proxy: { to: users/x, pass: all }",
			false,
		],
		[
			"that passes other fields on",
			"GET /x",
			"proxy: { to: users/x, pass: [x-version] }",
			true,
		],
	];
	for (const [what, key, route, expected] of cases) {
		it(`${expected ? "" : "not "}${what}`, () => {
			assert.equal(compressesOf(key, route), expected);
			const asked = route.startsWith("{")
				? route.replace("{", "{ compress: true,")
				: `${route}\n    compress: true`;
			assert.equal(compressesOf(key, asked), true, "if it says so");
			const off = asked.replace("compress: true", "compress: false");
			assert.equal(compressesOf(key, off), false, "if it says no");
			const none = compressesOf(key, route, "defaults: { compress: false }");
			assert.equal(none, false, "if all say no");
			const own = compressesOf(key, asked, "defaults: { compress: false }");
			assert.equal(own, true, "if it alone says so");
		});
	}
});
