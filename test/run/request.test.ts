import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	type Answer,
	type AskOptions,
	testGateway,
	testRoute,
} from "../kit/gateway.ts";

type Faults = readonly { readonly at: string; readonly message: string }[];

function faultsOf(answer: Answer): Faults {
	assert.deepEqual([answer.status, answer.code], [400, "request_invalid"]);
	return (answer.json as { errors: Faults }).errors;
}

/** Answers with what a route reads of a request. */
function echo(request: object, respond: unknown, key = "GET /x") {
	return testRoute({ request, respond }, undefined, { key });
}

/** What becomes of one query parameter `v`: its value as text, or the messages of its faults. */
async function read(
	schema: object,
	query: string,
	name = "v",
): Promise<string | readonly string[]> {
	const { ask } = echo({ query: { [name]: schema } }, "${query.v}");
	const answer = await ask(`/x?${query}`);
	if (answer.status === 200) return answer.text;
	const faults = faultsOf(answer);
	for (const { at } of faults) assert.equal(at, "query.v");
	return faults.map(({ message }) => message);
}

describe("a parameter", () => {
	const coerced: [type: string, given: string, value: string | string[]][] = [
		["string", "v=a", '"a"'],
		["string", "v=", '""'],
		["string", "v", '""'],
		["string", "v=12", '"12"'],
		["string", "v=a+b%20c%2B", '"a b c+"'],
		["string", "v=a=b", '"a=b"'],
		["string", "%76=%F0%9F%8F%94", '"🏔"'],
		["integer", "v=12", "12"],
		["integer", "v=-7", "-7"],
		["integer", "v=0", "0"],
		["integer", "v=9007199254740991", "9007199254740991"],
		["integer", "v=9007199254740993", "9007199254740993"],
		["integer", "v=9223372036854775807", "9223372036854775807"],
		["integer", "v=12.5", ["is not of type integer"]],
		["integer", "v=1e3", ["is not of type integer"]],
		["integer", "v=", ["is not of type integer"]],
		["integer", "v=0x10", ["is not of type integer"]],
		["integer", "v=%2012", ["is not of type integer"]],
		["integer", `v=${"9".repeat(41)}`, ["is not of type integer"]],
		["number", "v=1.5", "1.5"],
		["number", "v=-1e3", "-1000"],
		["number", "v=9007199254740993", "9007199254740993"],
		["number", "v=1e400", ["is not of type number"]],
		["number", "v=NaN", ["is not of type number"]],
		["number", "v=Infinity", ["is not of type number"]],
		["number", "v=", ["is not of type number"]],
		["boolean", "v=true", "true"],
		["boolean", "v=false", "false"],
		["boolean", "v=1", ["is not of type boolean"]],
		["boolean", "v=TRUE", ["is not of type boolean"]],
	];
	for (const [type, given, value] of coerced) {
		it(`of type ${type} given as ${given.slice(0, 30)} is ${value}`, async () => {
			assert.deepEqual(await read({ type }, given), value);
		});
	}

	it("given twice is a fault where it is a scalar", async () => {
		for (const type of ["string", "integer"]) {
			assert.deepEqual(await read({ type }, "v=1&v=1"), [
				"is given more than once",
			]);
		}
	});

	it("of type array reads repeated names, and one is a list of one", async () => {
		const schema = { type: "array", items: { type: "integer" } };
		assert.equal(await read(schema, "v=3&w=9&v=1&v=2"), "[3,1,2]");
		assert.equal(await read(schema, "v=3"), "[3]");
		assert.deepEqual(await read(schema, ""), ["is required"]);
		assert.deepEqual(await read(schema, "v=1&v=a&v=b"), [
			"is not of type integer",
		]);
		assert.deepEqual(await read(schema, "v=1,2"), ["is not of type integer"]);
	});

	it("is required unless its name ends in ? or it has a default", async () => {
		const string = { type: "string" };
		assert.deepEqual(await read(string, ""), ["is required"]);
		assert.equal(await read(string, "", "v?"), "null");
		assert.equal(await read({ ...string, default: "d" }, ""), '"d"');
		assert.equal(await read({ ...string, default: "d" }, "v="), '""');
		const list = { type: "array", items: string, default: ["d"] };
		assert.equal(await read(list, ""), '["d"]');
		assert.equal(await read({ ...list, default: [] }, ""), "[]");
	});

	it("that is not UTF-8 is a fault, and only that", async () => {
		for (const given of [
			"v=%FF",
			"v=%",
			"v=%E2%82",
			"v=a&v=%ff",
			"v=%ED%A0%80",
		]) {
			assert.deepEqual(await read({ type: "string" }, given), [
				"is not percent-encoded UTF-8",
			]);
		}
		assert.equal(await read({ type: "string" }, "w=%FF&%FF=1&v=a"), '"a"');
	});

	it("undeclared is ignored", async () => {
		assert.equal(
			await read({ type: "string" }, "__proto__=x&v=a&&=&w=1"),
			'"a"',
		);
	});

	const bounds: [
		schema: object,
		below: string,
		at: string,
		above: string,
		message: string,
	][] = [
		[
			{ type: "string", minLength: 2 },
			"bb",
			"bbb",
			"b",
			"is shorter than 2 characters",
		],
		[
			{ type: "string", maxLength: 2 },
			"b",
			"bb",
			"bbb",
			"is longer than 2 characters",
		],
		[
			{ type: "string", maxLength: 2 },
			"🏔",
			"🏔🏔",
			"🏔🏔🏔",
			"is longer than 2 characters",
		],
		[{ type: "integer", minimum: 2 }, "3", "2", "1", "is less than 2"],
		[{ type: "integer", maximum: 2 }, "1", "2", "3", "is more than 2"],
		[
			{ type: "number", exclusiveMinimum: 2 },
			"3",
			"2.1",
			"2",
			"is not more than 2",
		],
		[
			{ type: "number", exclusiveMaximum: 2 },
			"1",
			"1.9",
			"2",
			"is not less than 2",
		],
		[
			{ type: "integer", maximum: 9007199254740991 },
			"1",
			"9007199254740991",
			"9007199254740992",
			"is more than 9007199254740991",
		],
		[
			{ type: "integer", multipleOf: 3 },
			"0",
			"9007199254740993",
			"9007199254740994",
			"is not a multiple of 3",
		],
		[
			{ type: "number", multipleOf: 0.01 },
			"1.1",
			"0.29",
			"0.295",
			"is not a multiple of 0.01",
		],
		[{ type: "string", enum: ["a", "b"] }, "a", "b", "c", "is not one of a, b"],
		[{ type: "integer", enum: [1, 2] }, "1", "2", "3", "is not one of 1, 2"],
		[
			{ type: "string", pattern: "^\\p{L}+$", maxLength: 9 },
			"é",
			"яя",
			"a1",
			"does not match ^\\p{L}+$",
		],
	];
	for (const [schema, below, at, above, message] of bounds) {
		it(`keeps its bound: ${JSON.stringify(schema)}`, async () => {
			const reads = (text: string) =>
				read(schema, `v=${encodeURIComponent(text)}`);
			assert.equal(typeof (await reads(below)), "string");
			assert.equal(typeof (await reads(at)), "string");
			assert.deepEqual(await reads(above), [message]);
		});
	}

	it("of type array keeps its bounds", async () => {
		const schema = {
			type: "array",
			items: { type: "string" },
			minItems: 2,
			maxItems: 3,
		};
		assert.deepEqual(await read(schema, "v=a"), ["needs at least 2 values"]);
		assert.equal(await read(schema, "v=a&v=a"), '["a","a"]');
		assert.equal(await read(schema, "v=a&v=a&v=a"), '["a","a","a"]');
		assert.deepEqual(await read(schema, "v=a&v=a&v=a&v=a"), [
			"takes at most 3 values",
		]);
		const unique = {
			type: "array",
			items: { type: "integer" },
			uniqueItems: true,
		};
		assert.equal(await read(unique, "v=1&v=2"), "[1,2]");
		assert.deepEqual(await read(unique, "v=1&v=01"), ["repeats a value"]);
		assert.deepEqual(await read(unique, "v=a&v=b"), ["is not of type integer"]);
	});

	it("tries no pattern on a text over maxLength", async () => {
		const schema = { type: "string", pattern: "^a+$", maxLength: 3 };
		assert.deepEqual(await read(schema, "v=aab%F0%9F%8F%94"), [
			"is longer than 3 characters",
		]);
	});
});

describe("a path parameter", () => {
	const key = "GET /u/{id}/{tail}";

	it("needs no declaration, and is text then", async () => {
		const { ask } = echo({}, ["${params.id}", "${params.tail}"], key);
		assert.deepEqual((await ask("/u/12/a%2Fb%20%F0%9F%8F%94")).json, [
			"12",
			"a/b 🏔",
		]);
		assert.deepEqual((await ask("/u/%2e%2e/%252F")).json, ["..", "%2F"]);
		assert.deepEqual((await ask("/u/a+b/c;d=1?id=2")).json, ["a+b", "c;d=1"]);
	});

	it("is coerced where it is declared, and 400 where it cannot be", async () => {
		const request = { params: { id: { type: "integer", minimum: 1 } } };
		const { ask } = echo(request, ["${params.id}", "${params.tail}"], key);
		assert.deepEqual((await ask("/u/12/x")).json, [12, "x"]);
		assert.deepEqual(faultsOf(await ask("/u/0/x")), [
			{ at: "params.id", message: "is less than 1" },
		]);
		assert.deepEqual(faultsOf(await ask("/u/a/x")), [
			{ at: "params.id", message: "is not of type integer" },
		]);
	});
});

describe("a header", () => {
	const request = {
		headers: {
			"X-Count?": { type: "integer" },
			"x-tags?": { type: "array", items: { type: "string" } },
		},
	};
	const { ask } = echo(request, ["${headers.x_count}", "${headers.x_tags}"]);

	it("is read in any case, by its name with _ for -", async () => {
		const headers = ["x-COUNT", "3", "X-Tags", "a", "x-tags", "b, c"];
		assert.deepEqual((await ask("/x", { headers })).json, [3, ["a", "b", "c"]]);
		assert.deepEqual((await ask("/x")).json, [null, null]);
	});

	it("at fault is named as it travels", async () => {
		const headers = ["x-count", "3", "x-count", "4"];
		assert.deepEqual(faultsOf(await ask("/x", { headers })), [
			{ at: "headers.x-count", message: "is not of type integer" },
		]);
	});

	const lists: [lines: string[], asText: string, asList: string[]][] = [
		[["a"], "a", ["a"]],
		[["a", "b, c"], "a, b, c", ["a", "b", "c"]],
		[["a,b"], "a,b", ["a", "b"]],
		[[" a ,, b,"], " a ,, b,", ["a", "b"]],
		[
			['a, "b, c"', '"d\\"," ,e'],
			'a, "b, c", "d\\"," ,e',
			["a", '"b, c"', '"d\\","', "e"],
		],
		[['"a, b'], '"a, b', ['"a, b']],
		[["é"], "é", ["é"]],
	];
	for (const [lines, asText, asList] of lists) {
		it(`of the lines ${JSON.stringify(lines)} is one text, and a list is split at its commas`, async () => {
			const headers = lines.flatMap((line) => [
				"x-list",
				Buffer.from(line).toString("latin1"),
			]);
			const read = (schema: object) =>
				echo({ headers: { "x-list": schema } }, "${headers.x_list}").ask("/x", {
					headers,
				});
			assert.equal((await read({ type: "string" })).json, asText);
			const items = { type: "string" };
			assert.deepEqual((await read({ type: "array", items })).json, asList);
		});
	}

	it("of a list with a bound is judged by all its lines together", async () => {
		const items = { type: "integer", maximum: 9 };
		const schema = { type: "array", items, maxItems: 3 };
		const { ask } = echo({ headers: { "x-n": schema } }, "${headers.x_n}");
		const read = (...values: string[]) =>
			ask("/x", { headers: values.flatMap((value) => ["x-n", value]) });
		assert.deepEqual((await read("1, 2", "3")).json, [1, 2, 3]);
		assert.deepEqual(faultsOf(await read("1, 2", "3, 4")), [
			{ at: "headers.x-n", message: "takes at most 3 values" },
		]);
		assert.deepEqual(faultsOf(await read("1, 10")), [
			{ at: "headers.x-n", message: "is more than 9" },
		]);
		assert.deepEqual(faultsOf(await read(" , ")), [
			{ at: "headers.x-n", message: "is required" },
		]);
	});

	it("`cookie` in two lines is joined as cookies are", async () => {
		const { ask } = echo(
			{ headers: { cookie: { type: "string" } } },
			"${headers.cookie}",
		);
		const headers = ["cookie", "a=1", "cookie", "b=2; c=3"];
		assert.equal((await ask("/x", { headers })).json, "a=1; b=2; c=3");
	});
});

describe("a cookie", () => {
	const given: [lines: string[], value: string | null][] = [
		[["s=1"], "1"],
		[["s=1; s=2"], "1"],
		[["a=0; s=1", "s=2"], "1"],
		[["s=; s=2"], ""],
		[['s="1"; s=2'], "1"],
		[["s", "s=2"], "2"],
		[["S=1; s=2"], "2"],
		[["ss=1; s =2"], "2"],
		[["a=s=1"], null],
		[[], null],
	];
	for (const [lines, value] of given) {
		it(`in ${JSON.stringify(lines)} is ${JSON.stringify(value)}: the first of its name counts`, async () => {
			const headers = lines.flatMap((line) => ["cookie", line]);
			const { ask } = echo(
				{ cookies: { "s?": { type: "string" } } },
				"${cookies.s}",
			);
			assert.equal((await ask("/x", { headers })).json, value);
		});
	}
});

describe("a body", () => {
	const schema = {
		type: "object",
		required: ["name"],
		additionalProperties: false,
		properties: {
			name: { type: "string", maxLength: 3 },
			ids: { type: "array", items: { type: "integer" } },
		},
	};

	function post(body: unknown, options: AskOptions = {}, name = "body") {
		const { ask } = echo({ [name]: schema }, "${body}", "POST /x");
		return ask("/x", { method: "POST", body, ...options });
	}

	it("is read as its schema says", async () => {
		const body = { name: "a", ids: [1, 2] };
		assert.deepEqual((await post(body)).json, body);
		for (const contentType of [
			"application/json; charset=utf-8",
			"APPLICATION/JSON",
			"application/merge-patch+json",
		]) {
			assert.equal((await post(body, { contentType })).status, 200);
		}
	});

	it("is 400 with every fault at its place", async () => {
		const answer = await post({ name: "long", ids: [1, "b", 2.5], more: 1 });
		assert.deepEqual(
			faultsOf(answer).map(({ at }) => at),
			["body", "body/name", "body/ids/1", "body/ids/2"],
		);
		assert.deepEqual(faultsOf(await post({})), [
			{ at: "body/name", message: "is required" },
		]);
	});

	it("is required unless its key ends in ?", async () => {
		const required = [{ at: "body", message: "is required" }];
		assert.deepEqual(faultsOf(await post(undefined)), required);
		assert.deepEqual(faultsOf(await post("")), required);
		assert.equal((await post(undefined, {}, "body?")).json, null);
	});

	it("is 415 where it has a coding that is not understood", async () => {
		for (const coding of ["x", "compress", "identity, x", "gzip;q=1"]) {
			const answer = await post(
				{ name: "a" },
				{ headers: ["content-encoding", coding] },
			);
			assert.deepEqual(
				[answer.status, answer.code],
				[415, "unsupported_media_type"],
			);
			assert.match(answer.text, /headers\.content-encoding/);
			const understood = "gzip, br, zstd, deflate";
			assert.equal(answer.header("accept-encoding"), understood);
		}
		const plain = ["content-encoding", "identity"];
		const answer = await post({ name: "a" }, { headers: plain });
		assert.equal(answer.status, 200);
	});

	it("is 415 where it is not announced as JSON", async () => {
		for (const contentType of [
			null,
			"text/plain",
			"application/jsonp",
			"",
			"multipart/form-data",
		]) {
			const answer = await post({ name: "a" }, { contentType });
			assert.deepEqual(
				[answer.status, answer.code],
				[415, "unsupported_media_type"],
			);
			assert.equal(answer.header("accept"), "application/json");
			assert.equal(answer.header("accept-encoding"), null);
		}
	});

	it("is 400 where it is not JSON, and says the place, and no more", async () => {
		const faults: readonly [string | Uint8Array, string][] = [
			["{", "is not JSON: line 1, column 2"],
			["{'a':1}", "is not JSON: line 1, column 2"],
			["nil", "is not JSON: line 1, column 1"],
			['{\n "a": "ä", \n "ключ": secret }', "is not JSON: line 3, column 10"],
			['{ "a": [1, 2,] }', "is not JSON: line 1, column 14"],
			['"a\tb"', "is not JSON: line 1, column 1"],
			[Uint8Array.of(0x22, 0xff, 0x22), "is not in UTF-8"],
		];
		for (const [body, message] of faults) {
			assert.deepEqual(faultsOf(await post(body)), [{ at: "body", message }]);
		}
	});

	it("is 413 beyond a mebibyte, whatever it holds", async () => {
		const of = (length: number) => `"${"x".repeat(length - 2)}"`;
		const { ask } = echo({ body: {} }, "${body.length}", "POST /x");
		const status = async (length: number) =>
			(await ask("/x", { method: "POST", body: of(length) })).status;
		assert.deepEqual(
			[
				await status(2 ** 20 - 1),
				await status(2 ** 20),
				await status(2 ** 20 + 1),
			],
			[200, 200, 413],
		);
	});

	it("may nest 64 levels deep", async () => {
		const { ask } = echo({ body: {} }, 1, "POST /x");
		const nested = (levels: number) =>
			ask("/x", {
				method: "POST",
				body: "[".repeat(levels) + "]".repeat(levels),
			});
		assert.equal((await nested(63)).status, 200);
		assert.equal((await nested(64)).status, 200);
		for (const levels of [65, 10_000]) {
			assert.deepEqual(faultsOf(await nested(levels)), [
				{ at: "body", message: "is nested deeper than 64 levels" },
			]);
		}
	});

	it("keeps integers beyond 2^53, and judges them as numbers", async () => {
		const request = {
			body: {
				type: "object",
				properties: { id: { type: "integer", minimum: 9007199254740992 } },
			},
		};
		const { ask } = echo(request, "${body.id}", "POST /x");
		const text = (id: string) =>
			ask("/x", { method: "POST", body: `{"id":${id}}` });
		assert.equal(
			(await text("9223372036854775807")).text,
			"9223372036854775807",
		);
		assert.equal((await text("9007199254740993")).text, "9007199254740993");
		assert.equal(faultsOf(await text("5"))[0]?.at, "body/id");
	});

	it("has no property that it was not sent", async () => {
		const request = {
			body: {
				type: "object",
				required: ["constructor"],
				properties: {
					constructor: { type: "string" },
					toString: { type: "string" },
				},
			},
		};
		const { ask } = echo(request, "${body.constructor}", "POST /x");
		const sent = (body: object) => ask("/x", { method: "POST", body });
		assert.equal((await sent({ constructor: "McLaren" })).json, "McLaren");
		assert.deepEqual(faultsOf(await sent({})), [
			{ at: "body/constructor", message: "is required" },
		]);
	});

	it("of many faults names the first sixteen", async () => {
		const { ask } = echo(
			{ body: { type: "array", items: { type: "string" } } },
			1,
			"POST /x",
		);
		const count = async (length: number) =>
			faultsOf(
				await ask("/x", { method: "POST", body: new Array(length).fill(1) }),
			).length;
		assert.deepEqual(
			[await count(15), await count(16), await count(17)],
			[15, 16, 16],
		);
	});

	it("is judged by its own route's schema, though another has the same `$id`", async () => {
		const route = (type: string) => ({
			request: { body: { $id: "urn:test:body", type } },
			respond: "${body}",
		});
		const { ask } = testGateway({
			routes: {
				"POST /text": route("string"),
				"POST /number": route("number"),
			},
		});
		assert.equal(
			(await ask("/text", { method: "POST", body: '"a"' })).text,
			'"a"',
		);
		assert.equal((await ask("/number", { method: "POST", body: 1 })).text, "1");
		faultsOf(await ask("/text", { method: "POST", body: 1 }));
		faultsOf(await ask("/number", { method: "POST", body: '"a"' }));
	});
});

describe("a request at fault", () => {
	it("is told all its faults at once, and no step runs", async () => {
		const { ask, calls, ended } = testRoute(
			{
				request: {
					params: { id: { type: "integer" } },
					query: { a: { type: "integer" }, b: { type: "string", enum: ["x"] } },
					headers: { "x-c": { type: "boolean" } },
					body: { type: "object" },
				},
				steps: { a: { get: "users/a" } },
			},
			undefined,
			{ key: "POST /u/{id}" },
		);
		const answer = await ask("/u/secret1?a=secret2&b=secret3", {
			method: "POST",
			headers: ["x-c", "secret4"],
			body: ["secret5"],
		});
		assert.deepEqual(
			faultsOf(answer).map(({ at }) => at),
			["params.id", "query.a", "query.b", "headers.x-c", "body"],
		);
		assert.ok(!answer.text.includes("secret"));
		assert.ok(!ended[0]?.error?.message.includes("secret"));
		assert.equal(calls.length, 0);
	});
});
