import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { byPath, testGateway } from "../kit/gateway.ts";

const server = { maxAnswer: "100B" };
const upstreams = {
	users: { url: "http://users.test", cache: { for: "1m" } },
};
const plain = { "content-type": "text/plain" };

/** Answers of so many bytes, and the route that makes them. */
const makers: Record<string, (bytes: number) => object> = {
	"a text as JSON": (bytes) => ({ respond: "a".repeat(bytes - 2) }),
	"two bytes for a character": (bytes) => ({
		respond: `${"ü".repeat(Math.floor((bytes - 2) / 2))}${"a".repeat(bytes % 2)}`,
	}),
	"six for a control character": (bytes) => ({
		respond: `\${'\\u0001'.repeat(10) + 'a'.repeat(${bytes - 62})}`,
	}),
	"a list of numbers": (bytes) => ({
		respond: Array.from({ length: (bytes - 1) / 2 }, () => 1),
	}),
	"a text": (bytes) => ({ headers: plain, respond: "a".repeat(bytes) }),
	bytes: (bytes) => ({
		headers: { "content-type": "image/png" },
		steps: { one: { get: `users/${bytes}`, decode: "bytes" } },
	}),
	"a kept value": (bytes) => ({ steps: { one: { get: `users/${bytes}` } } }),
	"a reply": (bytes) => ({
		steps: { one: { reply: { body: "a".repeat(bytes - 2) } } },
		respond: "late",
	}),
};

const replies = byPath(
	Object.fromEntries(
		[97, 98, 99, 100, 101, 102, 103].map((bytes) => [
			`/${bytes}`,
			{ text: `"${"a".repeat(bytes - 2)}"` },
		]),
	),
);

describe("an answer is bounded by its bytes", () => {
	for (const [what, routeOf] of Object.entries(makers)) {
		// A list of digits has an odd length.
		const lengths =
			what === "a list of numbers" ? [97, 99, 101] : [99, 100, 101];
		for (const bytes of lengths) {
			it(`${what}: ${bytes} of 100`, async () => {
				const routes = { "GET /x": routeOf(bytes) };
				const { ask } = testGateway({ server, upstreams, routes }, replies);
				const answer = await ask("/x");
				const { status, body, text } = answer;
				if (bytes <= 100) {
					assert.equal(status, 200, text);
					assert.equal(Buffer.byteLength(body as string), bytes);
				} else {
					assert.equal(status, 500);
					assert.equal(answer.code, "limit_exceeded");
				}
			});
		}
	}

	it("says what it is longer than, and by which key", async () => {
		const routes = { "GET /x": { respond: "a".repeat(100) } };
		const kit = testGateway({ server, routes });
		await kit.ask("/x");
		assert.equal(
			kit.ended[0]?.error?.message,
			"the answer (`maxAnswer` of the server) would be longer than 100 bytes",
		);
	});
});
