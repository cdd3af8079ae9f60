import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { surveyLines } from "../../src/core/json-lines.ts";
import { surveyXml } from "../../src/core/xml.ts";
import { type Reply, testRoute } from "../kit/gateway.ts";

const typed = (type: string) => ["content-type", type];

/** What becomes of an answer, and what the log says of it. */
async function decoded(step: object, reply: Reply, upstream: object = {}) {
	const { ask, callsEnded } = testRoute(
		{ steps: { a: { get: "users/a", ...step } } },
		() => reply,
		{ upstreams: { users: { url: "http://users.test", ...upstream } } },
	);
	const answer = await ask("/x");
	const error = callsEnded[0]?.error;
	return {
		value: error ? answer.code : answer.json,
		words: error?.message ?? null,
	};
}

describe("an answer as lines", () => {
	const lines = (text: string, step = {}, upstream = {}) =>
		decoded({ decode: "lines", ...step }, { text }, upstream);

	it("may have as many values as `maxValues` says, and not one more", async () => {
		const text = '{"a":1}\n'.repeat(100);
		const { values } = surveyLines(Buffer.from(text));
		for (const [maxValues, words] of [
			[values - 1, /^users answered more than \d+ values and keys/],
			[values, null],
			[values + 1, null],
		] as const) {
			const told = (await lines(text, {}, { maxValues })).words;
			if (words === null) assert.equal(told, null);
			else assert.match(told ?? "", words);
		}
	});

	it("says which line is wrong, and shows nothing of it", async () => {
		const told = async (text: string) => (await lines(text)).words;
		assert.equal(
			await told('1\n{"secret"\n2'),
			"users answered lines of which line 2 is not JSON (status 200, no media type)",
		);
		assert.equal(
			await told('1\n{"secret":'),
			"users answered lines of which line 2 is not JSON, perhaps because it is cut (status 200, no media type)",
		);
		assert.equal(
			await told("1\n1e999\n"),
			"users answered lines of which line 2 is not JSON: a number is too large (status 200, no media type)",
		);
	});

	it("is an empty list without a line, and null if a listed status brings something else", async () => {
		assert.deepEqual((await lines("")).value, []);
		assert.deepEqual((await lines("\n")).value, []);
		const html = { status: 404, text: "<html>" };
		const step = { decode: "lines", answers: [404] };
		assert.equal((await decoded(step, html)).value, null);
	});

	it("is bounded by `maxRead`", async () => {
		const { ask } = testRoute(
			{ maxRead: "1KiB", steps: { a: { get: "users/a", decode: "lines" } } },
			() => ({ text: "1\n".repeat(200) }),
		);
		assert.equal((await ask("/x")).code, "limit_exceeded");
	});
});

describe("an answer as a text", () => {
	const text = (bytes: Uint8Array, type?: string, step = {}) =>
		decoded(
			{ decode: "text", ...step },
			{ bytes, headers: type === undefined ? [] : typed(type) },
		);

	it("is read in the charset that it announces", async () => {
		const latin = Buffer.from("Müller", "latin1");
		const { value } = await text(latin, "text/plain; charset=iso-8859-1");
		assert.equal(value, "Müller");
	});

	it("is refused if it is not in its charset, or nobody knows that", async () => {
		const latin = Buffer.from("Müller", "latin1");
		assert.deepEqual(await text(latin), {
			value: "upstream_invalid",
			words: "users answered what is not UTF-8 (status 200, no media type)",
		});
		assert.deepEqual(
			await text(latin.subarray(1), "text/plain; charset=utf-16"),
			{
				value: "upstream_invalid",
				words:
					"users answered what is not in the charset that it announces (status 200, text/plain)",
			},
		);
		assert.deepEqual(await text(latin, "text/plain; charset=secret"), {
			value: "upstream_invalid",
			words:
				"users answered a text in a charset that is not known (status 200, text/plain)",
		});
		const listed = await text(latin, undefined, { answers: ["2xx"] });
		assert.equal(listed.value, null);
	});
});

describe("an answer as XML", () => {
	const xml = (text: string, step = {}, upstream = {}) =>
		decoded({ decode: "xml", ...step }, { text }, upstream);

	it("may have as many values as `maxValues` says, and not one more", async () => {
		const text = `<a>${"<b c=''>&amp;</b>".repeat(100)}</a>`;
		const { values } = surveyXml(text);
		assert.equal(values, 503);
		for (const [maxValues, words] of [
			[values - 1, /^users answered more than 502 values and keys/],
			[values, null],
			[values + 1, null],
		] as const) {
			const told = (await xml(text, {}, { maxValues })).words;
			if (words === null) assert.equal(told, null);
			else assert.match(told ?? "", words);
		}
	});

	it("is bounded by `maxRead`, and by `maxBody`", async () => {
		const text = `<a>${"<b/>".repeat(200)}</a>`;
		const { ask } = testRoute(
			{ maxRead: "1KiB", steps: { a: { get: "users/a", decode: "xml" } } },
			() => ({ text }),
		);
		assert.equal((await ask("/x")).code, "limit_exceeded");
	});

	it("says why it is none, and shows nothing of it", async () => {
		const told = async (text: string) => (await xml(text)).words;
		assert.equal(
			await told("<!DOCTYPE secret><secret/>"),
			"users answered XML with a document type (status 200, no media type)",
		);
		assert.equal(
			await told("<secret>"),
			"users answered XML without an end (status 200, no media type)",
		);
		assert.equal(
			await told('{"secret":1}'),
			"users answered what is not XML (status 200, no media type)",
		);
	});

	it("is null without a body, and if a listed status brings something else", async () => {
		assert.equal((await xml("")).value, null);
		const html = { status: 404, text: "<!DOCTYPE html>" };
		const step = { decode: "xml", answers: [404] };
		assert.equal((await decoded(step, html)).value, null);
	});

	it("is made once for all whose lists are the same, and else anew", async () => {
		const lists = { xml: { lists: ["b"] } };
		const { ask, calls } = testRoute(
			{
				steps: {
					plain: { get: "users/a", decode: "xml" },
					listed: { get: "users/a", decode: lists, after: ["plain"] },
					again: { get: "users/a", decode: lists, after: ["listed"] },
				},
				respond: ["${plain}", "${listed}", "${again}"],
			},
			() => ({ text: "<a><b/></a>", headers: ["cache-control", "max-age=9"] }),
			{ upstreams: { users: { url: "http://users.test", cache: true } } },
		);
		const one = { a: { b: [""] } };
		assert.deepEqual((await ask("/x")).json, [{ a: { b: "" } }, one, one]);
		assert.equal(calls.length, 1);
	});
});

it("one kept answer is read in each way that steps ask for", async () => {
	const { ask, calls } = testRoute(
		{
			steps: {
				lines: { get: "users/a", decode: "lines" },
				text: { get: "users/a", decode: "text", after: ["lines"] },
				json: { get: "users/a", after: ["text"], optional: true },
				bytes: { get: "users/a", decode: "bytes", after: ["json"] },
			},
			respond: ["${lines}", "${text}", "${missing.json}", "${bytes !== null}"],
		},
		() => ({
			text: '{"a":1}\n2',
			headers: ["cache-control", "max-age=60"],
		}),
		{ upstreams: { users: { url: "http://users.test", cache: true } } },
	);
	const expected = [[{ a: 1 }, 2], '{"a":1}\n2', "upstream_invalid", true];
	assert.deepEqual((await ask("/x")).json, expected);
	assert.deepEqual((await ask("/x")).json, expected);
	// JSON is of no use, so it is not kept for others.
	assert.ok(calls.length <= 6, String(calls.length));
});
