import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Reply, testRoute } from "../kit/gateway.ts";

/** The log's message when this is the answer to the only call. */
async function messageFor(reply: Reply, step: object = {}): Promise<string> {
	const route = { steps: { a: { get: "users/a", ...step } }, respond: "${a}" };
	const test = testRoute(route, () => reply);
	const answer = await test.ask("/x");
	assert.equal(answer.status, 502);
	const error = test.ended[0]?.error;
	assert.equal(error?.facts.upstreamStatus, reply.status ?? 200);
	assert.ok(!answer.text.includes(error.message));
	return error.message;
}

const html = ["content-type", "text/html; charset=utf-8"];
const asJson = ["content-type", "application/json"];

describe("the message of an answer that is no JSON", () => {
	const gzip = new Uint8Array([0x1f, 0x8b, 8, 0]);
	const latin = new Uint8Array([0x22, 0xe9, 0x22]);
	const cases: readonly (readonly [string, Reply])[] = [
		[
			"what is not JSON: HTML (status 200, text/html)",
			{ text: "\n<!doctype html><title>Maintenance</title>", headers: html },
		],
		[
			"what is not JSON: HTML (status 200, no media type)",
			{ text: "\ufeff<html lang=en>" },
		],
		[
			"what is not JSON: XML or HTML (status 203, application/soap+xml)",
			{
				status: 203,
				text: '<?xml version="1.0"?>',
				headers: ["content-type", "Application/SOAP+XML"],
			},
		],
		[
			"what is not JSON: JSON that is cut (status 200, application/json)",
			{ text: '{"a": [1, 2', headers: asJson },
		],
		[
			"what is not JSON: JSON that is cut (status 200, application/json)",
			{ text: '{"a": "b', headers: asJson },
		],
		[
			"what is not JSON: JSON that is cut (status 200, application/json)",
			{ text: '{"a": {"b": 1}', headers: asJson },
		],
		[
			"what is not JSON: JSON with a fault (status 200, application/json)",
			{ text: "{'a': 1}", headers: asJson },
		],
		[
			"what is not JSON: text (status 200, text/plain)",
			{ text: "planted-secret", headers: ["content-type", "text/plain"] },
		],
		[
			"what is not JSON: text (status 200, a media type that is not well known)",
			{ text: "no", headers: ["content-type", "text/Planted-Secret-1"] },
		],
		[
			"what is not JSON: text (status 200, no media type)",
			{ text: "no", headers: ["content-type", "planted secret/\u00e9"] },
		],
		[
			"JSON in which a number is too large (status 200, application/json)",
			{ text: '{"a": 1e400}', headers: asJson },
		],
		[
			"what is not UTF-8 (status 200, application/json)",
			{ bytes: latin, headers: asJson },
		],
		["what is not UTF-8 (status 200, no media type)", { bytes: gzip }],
	];
	for (const [words, reply] of cases) {
		it(`says: ${words}`, async () => {
			assert.equal(await messageFor(reply), `users answered ${words}`);
		});
	}
});

describe("the message of an answer with another status", () => {
	it("says so if the upstream speaks TLS", async () => {
		for (const text of [
			"<html><h1>400 Bad Request</h1>The plain HTTP request was sent to HTTPS port",
			"Client sent an HTTP request to an HTTPS server.\n",
		]) {
			assert.equal(
				await messageFor({ status: 400, text }),
				"users answered 400: it speaks TLS: write `https://`",
			);
		}
	});

	it("has nothing else of the answer", async () => {
		const reply = { status: 400, text: "planted-secret" };
		assert.equal(await messageFor(reply), "users answered 400");
	});
});

describe("the message of a GraphQL answer with errors", () => {
	const step = {
		get: undefined,
		post: "users/graphql",
		safe: true,
		body: {
			query: "query ($id: ID!) { user(id: $id) { name email2 } }",
			variables: { id: "${request.method}" },
		},
		expect: "${!answer.errors}",
	};
	const cases: Readonly<Record<string, string>> = {
		'Cannot query field "email2" on type "Person".':
			'Cannot query field "email2" on type ….',
		'Variable "$id" got invalid value "planted-secret"; Expected type "ID".':
			'Variable "$id" got invalid value …; Expected type "ID".',
		"No user ann@example.com (4711) here, said `root`":
			"No user … … here, said …",
		"It can't be read: token abc-def/ghi": "It can't be read: token …",
		'cut "planted-secret': "cut …",
		[`${"It is so. ".repeat(19)}planted-secret`]: `${"It is so. ".repeat(19)}…`,
	};
	for (const [said, told] of Object.entries(cases)) {
		it(`tells “${told}” of its first error`, async () => {
			const json = {
				data: null,
				errors: [{ message: said }, { message: "b" }],
			};
			assert.equal(
				await messageFor({ json }, step),
				`the answer is not as expected: GraphQL says: ${told}`,
			);
		});
	}

	it("says no more than before if there is no such error", async () => {
		for (const errors of [[], [null], [{ message: 7 }], "planted-secret", {}]) {
			assert.equal(
				await messageFor(
					{ json: { errors } },
					{ ...step, expect: "${answer.data}" },
				),
				"the answer is not as expected",
			);
		}
	});
});
