import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testGateway } from "./kit/gateway.ts";

const upstreams = `
upstreams:
  users: { url: "http://users.test" }
  orders: { url: "http://orders.test", timeout: 1s }
`;

describe("a run", () => {
	it("starts every step when what it reads is there", async () => {
		const { ask, calls } = testGateway(
			`${upstreams}
routes:
  GET /x:
    steps:
      a: { get: users/a }
      b: { get: users/b }
      c: { get: users/c, query: { a: "\${a.id}" } }
    respond: { a: "\${a.id}", b: "\${b.id}", c: "\${c.id}" }
`,
			({ request }) => ({
				json: { id: request.target[1] },
				afterMs: request.target.startsWith("/b") ? 150 : 100,
			}),
		);
		const answer = await ask("/x");
		assert.deepEqual(answer.json, { a: "a", b: "b", c: "c" });
		assert.equal(answer.atMs, 200);
		assert.equal(answer.header("sluice-complete"), "?1");
		assert.deepEqual(
			calls.map(({ request, startedMs }) => [request.target, startedMs]),
			[
				["/a", 0],
				["/b", 0],
				["/c?a=a", 100],
			],
		);
	});

	it("fails with the first required step and aborts its siblings", async () => {
		const { ask, calls } = testGateway(
			`${upstreams}
routes:
  GET /x:
    steps:
      a: { get: users/a }
      b: { get: users/b }
    respond: [ "\${a}", "\${b}" ]
`,
			({ request }) =>
				request.target === "/a"
					? { status: 500, afterMs: 50 }
					: { afterMs: Number.POSITIVE_INFINITY },
		);
		const answer = await ask("/x");
		assert.equal(answer.status, 502);
		assert.equal((answer.json as { code: string }).code, "upstream_status");
		assert.equal(answer.atMs, 50);
		assert.notEqual(calls[1]?.aborted, null);
	});

	it("sends a partial answer at the deadline where the rest is optional", async () => {
		const { ask } = testGateway(
			`${upstreams}
routes:
  GET /x:
    deadline: 500ms
    steps:
      a: { get: users/a }
      b: { get: users/b, optional: true }
      c: { get: users/c, query: { b: "\${b}" }, fallback: none }
    respond: { a: "\${a}", b: "\${b}", c: "\${c}" }
`,
			({ request }) =>
				request.target === "/a"
					? { json: 1 }
					: { afterMs: Number.POSITIVE_INFINITY },
		);
		const answer = await ask("/x");
		assert.equal(answer.status, 200);
		assert.deepEqual(answer.json, { a: 1, b: null, c: "none" });
		assert.equal(answer.atMs, 500);
		assert.equal(answer.header("sluice-complete"), "?0");
		assert.equal(
			answer.header("sluice-missing"),
			"b;error=deadline_exceeded, c;error=reference_missing",
		);
		assert.equal(answer.header("cache-control"), "no-store");
	});
});
