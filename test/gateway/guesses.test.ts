import assert from "node:assert/strict";
import { test } from "node:test";
import { createGateway } from "../../src/gateway/gateway.ts";

const env = { API_KEY: "a.Winter2024x.b" };

test("a client that guesses secrets reads its own words, whether a guess is right or not", async () => {
	const gateway = createGateway(
		{
			upstreams: {
				u: {
					url: "http://localhost:1",
					headers: { "x-key": `\${env.API_KEY}` },
				},
			},
			routes: {
				"GET /u": { steps: { a: { get: "u/x" } }, respond: `\${a}` },
				"POST /p": {
					request: { body: { properties: {}, additionalProperties: false } },
					respond: 1,
				},
			},
		},
		{ env },
	);
	const { secrets } = gateway;
	assert.ok(secrets.has(env.API_KEY));
	for (const guess of [env.API_KEY, "a.Summer2024x.b"]) {
		const none = await gateway.fetch(
			new Request("http://localhost/nothing", {
				headers: { "x-request-id": guess },
			}),
		);
		assert.equal(none.status, 404);
		const { instance } = (await none.json()) as { instance: string };
		assert.equal(instance, guess);
		const refused = await gateway.fetch(
			new Request("http://localhost/p", {
				method: "POST",
				headers: { "content-type": "application/json" },
				body: JSON.stringify({ [guess]: 1 }),
			}),
		);
		assert.equal(refused.status, 400);
		const text = await refused.text();
		assert.ok(text.includes(`not declared: ${guess}`), text);
	}
	await gateway.close();
});
