import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { from } from "../../src/config/from.ts";
import { checkText } from "../../src/config/load.ts";
import { printProblem } from "../../src/config/problem.ts";
import { testRoute } from "../kit/gateway.ts";

const upstreams = {
	keyed: {
		url: "http://keyed.test",
		query: { key: "secret" },
		headers: { "x-api-key": "secret", "user-agent": "ours" },
	},
};

/** Sends a map that an upstream gives as `part` of a call, or one of the client's. */
async function send(part: object, map: unknown, by: "client" | "upstream") {
	const { ask, calls } = testRoute(
		{
			request: { body: {} },
			steps: {
				m: { get: "orders/m" },
				a: { post: "keyed/a", ...part },
			},
			respond: ["${a}", "${m}"],
		},
		({ upstream }) => (upstream === "orders" ? { json: map } : { json: 1 }),
		{ key: "POST /x", upstreams },
	);
	const body = JSON.stringify(by === "client" ? map : null);
	const answer = await ask("/x", { method: "POST", body });
	const [sent] = calls.filter(({ upstream }) => upstream === "keyed");
	return { answer, sent: sent?.request ?? null };
}

const ofUpstream = (name: string) => ({ [name]: "${m}" });
const ofClient = (name: string) => ({ [name]: "${body}" });

describe("a whole map as `query`", () => {
	it("is sent beside the upstream's own parameters, each value by the same rules", async () => {
		const map = { q: "a&b=ü", "k?": 1.5, list: [1, "x"], on: true, __x: "" };
		const { sent } = await send(ofUpstream("query"), map, "upstream");
		assert.equal(
			sent?.target,
			"/a?key=secret&q=a%26b%3D%C3%BC&k%3F=1.5&list=1&list=x&on=true&__x=",
		);
		assert.equal(
			(await send(ofUpstream("query"), {}, "upstream")).sent?.target,
			"/a?key=secret",
		);
	});

	it("never has a name that may be taken for one of the upstream's own parameters", async () => {
		const names = [
			"key",
			"KEY",
			"key[]",
			"key[a]",
			"key\0x",
			" key",
			"k%65y",
			"key[",
			"\ud800",
			"",
		];
		for (const name of names) {
			const map = { a: 1, [name]: "stolen" };
			const theirs = await send(ofUpstream("query"), map, "upstream");
			assert.deepEqual(
				[theirs.sent, theirs.answer.code],
				[null, "step_failed"],
				name,
			);
			const clients = await send(ofClient("query"), map, "client");
			assert.deepEqual(
				[clients.sent, clients.answer.status],
				[null, 400],
				name,
			);
			assert.equal(clients.answer.code, "request_invalid");
		}
		for (const name of ["keys", "akey", "ke", "__proto__"]) {
			const map = JSON.parse(`{"${name}":1}`);
			const { sent } = await send(ofUpstream("query"), map, "upstream");
			assert.equal(sent?.target, `/a?key=secret&${name}=1`);
		}
	});

	it("fails for null, for a value that is null or an empty list, and for what is no map", async () => {
		const cases: [map: unknown, code: string, clientStatus: number][] = [
			[null, "reference_missing", 400],
			[{ a: null }, "reference_missing", 400],
			[{ a: [] }, "reference_missing", 400],
			[{ a: [null] }, "reference_missing", 400],
			[[], "step_failed", 500],
			["a=1", "step_failed", 500],
			[1234567890123456789, "step_failed", 500],
			[{ a: {} }, "step_failed", 500],
		];
		for (const part of ["query", "form", "headers"]) {
			for (const [map, code, status] of cases) {
				// A field with an empty list is not sent, as in a map of YAML.
				if (part === "headers" && JSON.stringify(map) === '{"a":[]}') continue;
				const theirs = await send(ofUpstream(part), map, "upstream");
				assert.deepEqual([theirs.sent, theirs.answer.code], [null, code]);
				const clients = await send(ofClient(part), map, "client");
				assert.deepEqual(
					[clients.sent, clients.answer.status],
					[null, status],
					JSON.stringify(map),
				);
			}
		}
	});
});

describe("a whole map as `form`", () => {
	it("is the body, encoded", async () => {
		const { sent } = await send(
			ofUpstream("form"),
			{ a: "x y", b: [1, 2], key: "k" },
			"upstream",
		);
		assert.equal(String(sent?.body), "a=x%20y&b=1&b=2&key=k");
		assert.ok(sent?.headers.includes("application/x-www-form-urlencoded"));
	});
});

describe("a whole map as `headers`", () => {
	it("is sent beside the upstream's own fields, and replaces only the gateway's defaults", async () => {
		const map = {
			Accept: "text/csv",
			"X-One": [1, 2],
			authorization: "Bearer t",
		};
		const { sent } = await send(
			{ ...ofUpstream("headers"), body: {} },
			map,
			"upstream",
		);
		assert.deepEqual(sent?.headers, [
			...["accept-encoding", "identity", "content-type", "application/json"],
			...["x-api-key", "secret", "user-agent", "ours"],
			...["accept", "text/csv", "x-one", "1", "x-one", "2"],
			...["authorization", "Bearer t"],
		]);
	});

	it("has no name that the upstream has, that HTTP or the gateway sets, or that servers believe", async () => {
		const names = [
			...["X-Api-Key", "x_api_key", "user-agent", "Host", "content-length"],
			...["Transfer-Encoding", "transfer_encoding", "connection", "upgrade"],
			...["te", "expect", "content-type", "accept-encoding", "x-request-id"],
			...["via", "traceparent", "forwarded", "X-Forwarded-For", "x-real-ip"],
			...["proxy-authorization", "x-http-method-override", "a b", "a:b", ""],
			...["é", "a\r\nb", "__proto__"],
		];
		for (const name of names) {
			const map = JSON.parse(`{"a":1,${JSON.stringify(name)}:"x"}`);
			const { sent, answer } = await send(
				ofUpstream("headers"),
				map,
				"upstream",
			);
			assert.deepEqual([sent, answer.code], [null, "step_failed"], name);
			const client = await send(ofClient("headers"), map, "client");
			assert.deepEqual([client.sent, client.answer.status], [null, 400], name);
		}
	});

	it("has no value that would begin another line", async () => {
		for (const value of ["a\r\nx: y", "é", "a\0b"]) {
			const { sent, answer } = await send(
				ofUpstream("headers"),
				{ a: value },
				"upstream",
			);
			assert.deepEqual([sent, answer.code], [null, "step_failed"]);
		}
	});
});

describe("a whole map", () => {
	it("is waited for, and may be made by a function", async () => {
		const { ask, calls } = testRoute(
			{
				request: {
					query: { "page?": { type: "integer" }, "q?": { type: "string" } },
				},
				steps: {
					one: { get: "users/one" },
					two: {
						get: "users/two",
						query: "${compact({ ...query, page: 1, id: one })}",
					},
					three: {
						get: "users/three",
						query: from(["two"], (two) => ({ two: two as number })),
					},
				},
				respond: "${three}",
			},
			() => ({ json: 7, afterMs: 10 }),
		);
		const answer = await ask("/x?q=a");
		assert.deepEqual([answer.json, answer.atMs], [7, 30]);
		assert.deepEqual(
			calls.map(({ request }) => request.target),
			["/one", "/two?page=1&q=a&id=7", "/three?two=7"],
		);
	});

	it("is an expression with nothing around it, and its names are checked", () => {
		const problemsOf = (value: string) =>
			checkText(
				`upstreams: { u: { url: "http://u.test" } }\nroutes: { GET /x: { steps: { a: { get: u, query: ${value} } }, respond: "\${a}" } }`,
				"a.yaml",
				{},
			).problems.map(printProblem);
		const around =
			/^a.yaml:2:50: here stands a map of names to values, or one expression/;
		assert.deepEqual(problemsOf('"${query}"'), []);
		assert.match(problemsOf('"a=${query}"').join(), around);
		assert.match(
			problemsOf('"a=1"').join(),
			/`query` takes a map of names to values, or an expression/,
		);
		assert.match(
			problemsOf("[1]").join(),
			/`query` takes a map of names to values, or an expression/,
		);
		assert.match(
			problemsOf('"${quer}"').join(),
			/^a.yaml:2:53: unknown name `quer`/,
		);
	});
});
