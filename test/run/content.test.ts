import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, it } from "node:test";
import { defineGateway } from "../../src/config/define.ts";
import { checkText } from "../../src/config/load.ts";
import { printProblem } from "../../src/config/problem.ts";
import { headerOf } from "../../src/core/http/headers.ts";
import type { UpstreamRequest } from "../../src/core/http/messages.ts";
import { printJson } from "../../src/core/json.ts";
import { sameRequestKey } from "../../src/policy/same-request.ts";
import { type Answer, type AskOptions, testRoute } from "../kit/gateway.ts";

type Faults = readonly { readonly at: string; readonly message: string }[];

function faultsOf(answer: Answer): Faults {
	assert.deepEqual([answer.status, answer.code], [400, "request_invalid"]);
	return (answer.json as { errors: Faults }).errors;
}

const urlencoded = "application/x-www-form-urlencoded";
const multipart = "multipart/form-data; boundary=b";

/** Posts a body to a route that answers with what it reads. */
function post(
	request: object,
	respond: unknown,
	body: unknown,
	contentType: string | null,
	options: AskOptions & { readonly server?: object } = {},
): Promise<Answer> {
	const { server = {}, ...others } = options;
	const { ask } = testRoute({ request, respond }, undefined, {
		key: "POST /x",
		server,
	});
	return ask("/x", { method: "POST", body, contentType, ...others });
}

const part = (name: string, value: string, more = "") =>
	`--b\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`;
const parts = (...all: string[]) => `${all.join("")}--b--\r\n`;

/** The same fields, in both ways in which forms come. */
function bothForms(
	fields: readonly (readonly [string, string])[],
): [string, string][] {
	return [
		[
			new URLSearchParams(fields.map((pair) => [...pair])).toString(),
			urlencoded,
		],
		[parts(...fields.map(([name, value]) => part(name, value))), multipart],
	];
}

describe("a form", () => {
	const form = {
		user: { type: "string", maxLength: 5 },
		"age?": { type: "integer", minimum: 1 },
		"tags?": { type: "array", items: { type: "string" }, maxItems: 2 },
		"max-price": { type: "number", default: 9.5 },
	};
	const cases: [
		what: string,
		fields: [string, string][],
		read: object | Faults,
	][] = [
		[
			"one value of each",
			[
				["user", "Ada"],
				["age", "36"],
				["tags", "a"],
				["max-price", "1.50"],
			],
			{ user: "Ada", age: 36, tags: ["a"], "max-price": 1.5 },
		],
		[
			"what must be there",
			[["user", "é +&%"]],
			{ user: "é +&%", age: null, tags: null, "max-price": 9.5 },
		],
		[
			"a list",
			[
				["tags", "a,b"],
				["user", ""],
				["tags", "c"],
			],
			{ user: "", age: null, tags: ["a,b", "c"], "max-price": 9.5 },
		],
		[
			"others besides",
			[
				["__proto__", "x"],
				["user", "Ada"],
				["constructor", "x"],
				["toString", "x"],
			],
			{ user: "Ada", age: null, tags: null, "max-price": 9.5 },
		],
		[
			"a digit too many",
			[
				["user", "Ada"],
				["age", "9007199254740993"],
			],
			{
				user: "Ada",
				age: 9007199254740993n,
				tags: null,
				"max-price": 9.5,
			},
		],
		[
			"nothing of its own",
			[["x", "1"]],
			[{ at: "form.user", message: "is required" }],
		],
		[
			"faults of all kinds",
			[
				["user", "Ada L."],
				["age", "0"],
				["age", "x"],
				["tags", "a"],
				["tags", "b"],
				["tags", "c"],
				["max-price", ""],
			],
			[
				{ at: "form.user", message: "is longer than 5 characters" },
				{ at: "form.age", message: "is given more than once" },
				{ at: "form.age", message: "is less than 1" },
				{ at: "form.tags", message: "takes at most 2 values" },
				{ at: "form.max-price", message: "is not of type number" },
			],
		],
	];
	for (const [what, fields, read] of cases) {
		for (const [body, type] of bothForms(fields)) {
			it(`with ${what} is read and coerced as ${type}`, async () => {
				const answer = await post({ form }, "${form}", body, type);
				if (Array.isArray(read)) assert.deepEqual(faultsOf(answer), read);
				else assert.equal(answer.text, printJson(read));
			});
		}
	}

	it("has a space for each plus, and for nothing that looks like one in bytes", async () => {
		const own = { "a b": { type: "string" } };
		const sent = "a+b=\u012b+%2B+\u2b00+";
		const answer = await post({ form: own }, "${form}", sent, urlencoded);
		assert.deepEqual(answer.json, { "a b": "\u012b + \u2b00 " });
	});

	it("may have no field if none is required", async () => {
		const own = { "a?": { type: "string" } };
		for (const [body, type] of [
			["&&", urlencoded],
			["&".repeat(999), urlencoded],
			["--b--", multipart],
			["", urlencoded],
		] as const) {
			const answer = await post({ form: own }, "${form}", body, type);
			assert.deepEqual(answer.json, { a: null });
		}
	});

	it("is null if it may be absent and is, and its members are null", async () => {
		const own = { a: { type: "string" } };
		const ask = (body: string | undefined) =>
			post({ "form?": own }, ["${form}", "${form.a}"], body, urlencoded);
		assert.deepEqual((await ask(undefined)).json, [null, null]);
		assert.deepEqual((await ask("a=1")).json, [{ a: "1" }, "1"]);
		assert.deepEqual(faultsOf(await ask("b=1")), [
			{ at: "form.a", message: "is required" },
		]);
		const required = await post({ form: own }, 1, undefined, null);
		assert.deepEqual(faultsOf(required), [
			{ at: "form.a", message: "is required" },
		]);
	});

	it("is 415 in another media type, and the answer says which are taken", async () => {
		for (const type of [
			null,
			"application/json",
			"text/plain",
			"multipart/mixed; boundary=b",
			"x",
			`${urlencoded}; charset="`,
		]) {
			const answer = await post({ form }, 1, "user=Ada", type);
			assert.deepEqual(
				[answer.status, answer.code],
				[415, "unsupported_media_type"],
				String(type),
			);
			assert.equal(
				answer.header("accept"),
				"application/x-www-form-urlencoded, multipart/form-data",
			);
		}
		const named = "Application/X-WWW-Form-Urlencoded ; charset=UTF-8";
		assert.equal((await post({ form }, 1, "user=Ada", named)).status, 200);
	});

	it("that cannot be read is a fault of its own", async () => {
		const long = "b".repeat(70);
		const bodies: [
			body: string | Buffer,
			type: string,
			at: string,
			fault: RegExp,
		][] = [
			["user=%ff", urlencoded, "form.user", /^is not UTF-8$/],
			["user=%", urlencoded, "form.user", /^is not UTF-8$/],
			[
				Buffer.from("user=\xff", "latin1"),
				urlencoded,
				"form",
				/^is not UTF-8$/,
			],
			[
				Buffer.from(parts(part("user", "\xff")), "latin1"),
				multipart,
				"form.user",
				/^is not UTF-8$/,
			],
			[
				parts(
					'--b\r\nContent-Disposition: form-data; name="user"\r\nContent-Type: text/plain; charset=latin1\r\n\r\na\r\n',
				),
				multipart,
				"form.user",
				/^is not UTF-8$/,
			],
			[part("user", "Ada"), multipart, "form", /^has no end/],
			["user=Ada", multipart, "form", /^does not begin/],
			[
				parts(part("user", "Ada")),
				"multipart/form-data",
				"form",
				/^has no boundary/,
			],
			[
				parts(part("user", "Ada")),
				`multipart/form-data; boundary=${long}b`,
				"form",
				/^has no boundary/,
			],
			[
				parts(part("user", "Ada")),
				'multipart/form-data; boundary="b "',
				"form",
				/^has no boundary/,
			],
			[
				parts(part("user", "Ada", "; filename=a")),
				multipart,
				"form.user",
				/^is a file$/,
			],
		];
		for (const [body, type, at, message] of bodies) {
			const [fault, ...more] = faultsOf(await post({ form }, 1, body, type));
			assert.deepEqual([fault?.at, more], [at, []], type);
			assert.match(fault?.message ?? "", message);
		}
	});

	it("with a quoted boundary, or one of 70 characters, is read", async () => {
		for (const boundary of ['"b"', "b".repeat(70), '"a b"']) {
			const bare = boundary.replaceAll('"', "");
			const body = parts(part("user", "Ada")).replaceAll("--b", `--${bare}`);
			const type = `multipart/form-data; boundary=${boundary}`;
			const answer = await post({ form }, "${form.user}", body, type);
			assert.equal(answer.json, "Ada");
		}
	});

	it("has at most 1,000 fields, declared or not", async () => {
		const own = { "a?": { type: "array", items: { type: "string" } } };
		for (const name of ["a", "b"]) {
			for (const count of [999, 1000, 1001]) {
				const fields = Array.from(
					{ length: count },
					() => [name, "1"] as const,
				);
				for (const [body, type] of bothForms(fields)) {
					const answer = await post(
						{ form: own },
						"${(form.a ?? []).length}",
						body,
						type,
					);
					if (count > 1000) {
						assert.deepEqual(
							[answer.status, answer.code],
							[413, "request_too_large"],
						);
						assert.match(answer.text, /has more than 1000 fields/);
					} else assert.equal(answer.json, name === "a" ? count : 0);
				}
			}
		}
	});

	it("costs no more than its length, whatever is in it", async () => {
		const size = 1 << 20;
		const bodies: [string, string][] = [
			["&".repeat(size), urlencoded],
			["%".repeat(size), urlencoded],
			[`a=${"%41".repeat(size / 3 - 1)}`, urlencoded],
			[`a=${"+".repeat(size - 2)}`, urlencoded],
			[`a=${"+%41".repeat((size >> 2) - 1)}`, urlencoded],
			["=".repeat(size), urlencoded],
			[part("a", "\r\n--".repeat(size / 4 - 40)), multipart],
			[part("a", "\r\n\r\n".repeat(size / 4 - 40)), multipart],
		];
		for (const [body, type] of bodies) {
			const { user, system } = process.cpuUsage();
			await post({ form: { "a?": { type: "string" } } }, 1, body, type);
			const spent = process.cpuUsage({ user, system });
			const ms = (spent.user + spent.system) / 1000;
			assert.ok(ms < 500, `${type} ${body.slice(0, 20)}: ${ms} ms`);
		}
	});
});

describe("a file of a form", () => {
	const file = (more: object = {}) => ({ photo: { type: "file", ...more } });
	const sent = (content: string, name = "a.png", type = "image/png") =>
		`--b\r\nContent-Disposition: form-data; name="photo"; filename="${name}"\r\nContent-Type: ${type}\r\n\r\n${content}\r\n`;
	const told = [
		"${form.photo.name}",
		"${form.photo.type}",
		"${form.photo.size}",
	];

	it("has a name, a type, a size and bytes", async () => {
		const { ask } = testRoute(
			{
				request: { form: file() },
				respond: "${form.photo.bytes}",
				headers: { "content-type": "image/png" },
			},
			undefined,
			{ key: "POST /x" },
		);
		const content = Buffer.from("\0\xff\r\n--c", "latin1");
		const [start = "", end = ""] = parts(sent("|")).split("|");
		const body = Buffer.concat([Buffer.from(start), content, Buffer.from(end)]);
		const options = { method: "POST", body, contentType: multipart };
		const answer = await ask("/x", options);
		assert.deepEqual(Buffer.from(answer.body as Uint8Array), content);
		const named = await post({ form: file() }, told, body, multipart);
		assert.deepEqual(named.json, ["a.png", "image/png", 7]);
	});

	it("is a text if its field says so", async () => {
		const respond = ["${form.photo.text}", "${form.photo.bytes}"];
		const form = file({ decode: "text" });
		const body = parts(sent("имя,1\r\n"));
		const answer = await post({ form }, respond, body, multipart);
		assert.deepEqual(answer.json, ["имя,1\r\n", null]);
		const bytes = Buffer.from(parts(sent("\xff")), "latin1");
		assert.deepEqual(faultsOf(await post({ form }, 1, bytes, multipart)), [
			{ at: "form.photo", message: "is not UTF-8" },
		]);
	});

	it("is bounded by its own `maxSize`", async () => {
		const form = file({ maxSize: "4B" });
		for (const length of [3, 4, 5]) {
			const body = parts(sent("x".repeat(length)));
			const answer = await post({ form }, told, body, multipart);
			if (length < 5) assert.equal(answer.status, 200);
			else {
				assert.deepEqual(faultsOf(answer), [
					{ at: "form.photo", message: "is longer than 4 bytes" },
				]);
			}
		}
	});

	it("is of one of its `types`", async () => {
		const form = file({ types: ["image/*", "text/csv"] });
		const types: [string, boolean][] = [
			["image/png", true],
			["IMAGE/PNG; x=1", true],
			["text/csv", true],
			["text/csv+x", false],
			["text/plain", false],
			["imagex/png", false],
		];
		for (const [type, fits] of types) {
			const body = parts(sent("x", "a", type));
			const answer = await post({ form }, 1, body, multipart);
			if (fits) assert.equal(answer.status, 200, type);
			else {
				assert.deepEqual(faultsOf(answer), [
					{ at: "form.photo", message: "is not of type image/*, text/csv" },
				]);
			}
		}
		const untyped = parts(part("photo", "x", "; filename=a"));
		faultsOf(await post({ form }, 1, untyped, multipart));
	});

	it("is none if a browser sends the field of a file that nobody has chosen", async () => {
		const body = parts(sent("", "", "application/octet-stream"));
		assert.deepEqual(
			faultsOf(await post({ form: file() }, 1, body, multipart)),
			[{ at: "form.photo", message: "is required" }],
		);
		const form = { "photo?": { type: "file" } };
		assert.equal(
			(await post({ form }, "${form.photo}", body, multipart)).json,
			null,
		);
	});

	it("is none if it is a text, or comes urlencoded", async () => {
		for (const [body, type] of bothForms([["photo", "x"]])) {
			assert.deepEqual(faultsOf(await post({ form: file() }, 1, body, type)), [
				{ at: "form.photo", message: "is no file" },
			]);
		}
	});

	it("may be one of several", async () => {
		const photo = { type: "array", items: { type: "file" }, maxItems: 2 };
		const respond = "${form.photo.map(({ name }) => name)}";
		const ask = (...names: string[]) =>
			post(
				{ form: { photo } },
				respond,
				parts(...names.map((name) => sent("x", name))),
				multipart,
			);
		assert.deepEqual((await ask("a", "b")).json, ["a", "b"]);
		assert.deepEqual((await ask("a")).json, ["a"]);
		assert.deepEqual(faultsOf(await ask("a", "b", "c")), [
			{ at: "form.photo", message: "takes at most 2 values" },
		]);
	});
});

describe("a body as a text", () => {
	it("is what came, of any media type", async () => {
		for (const type of [
			null,
			"text/plain",
			"application/json",
			urlencoded,
			"x",
		]) {
			const body = '\ufeff{"a": 1}\r\n';
			const answer = await post({ text: {} }, "${text}", body, type);
			assert.equal(answer.json, body);
		}
	});

	it("is decoded by its charset", async () => {
		const bodies: [type: string, bytes: Buffer, text: string][] = [
			["text/plain", Buffer.from("é😀"), "é😀"],
			['text/plain; charset="UTF-8"', Buffer.from("é"), "é"],
			["text/plain; charset=iso-8859-1", Buffer.from([0xe9, 0x80]), "é€"],
			["text/plain; charset=utf-16le", Buffer.from("é", "utf16le"), "é"],
			["text/plain; charset=shift_jis", Buffer.from([0x82, 0xa0]), "あ"],
		];
		for (const [type, body, text] of bodies) {
			const answer = await post({ text: {} }, "${text}", body, type);
			assert.equal(answer.json, text, type);
		}
	});

	it("is 400 if it is not of its charset, and 415 if nobody knows the charset", async () => {
		for (const type of [null, "text/plain; charset=shift_jis"]) {
			const body = Buffer.from([0x82, 0xff]);
			const [fault] = faultsOf(await post({ text: {} }, 1, body, type));
			assert.equal(fault?.at, "text");
		}
		for (const charset of ["x", "utf-7", "replacement", "iso-2022-kr"]) {
			const type = `text/plain; charset=${charset}`;
			const answer = await post({ text: {} }, 1, "a", type);
			assert.equal(answer.code, "unsupported_media_type");
			assert.match(answer.text, /names a charset that is not known/);
		}
	});

	it("is bounded, and matches its pattern", async () => {
		const text = { minLength: 2, maxLength: 3, pattern: "^a" };
		const ask = (body: string) => post({ text }, 1, body, null);
		for (const body of ["ab", "abc", "a😀😀"]) {
			assert.equal((await ask(body)).status, 200);
		}
		const bad: [string, string][] = [
			["a", "is shorter than 2 characters"],
			["abcd", "is longer than 3 characters"],
			["ba", "does not match ^a"],
		];
		for (const [body, message] of bad) {
			assert.deepEqual(faultsOf(await ask(body)), [{ at: "text", message }]);
		}
	});

	it("is required unless its key ends in ?", async () => {
		assert.deepEqual(faultsOf(await post({ text: {} }, 1, undefined, null)), [
			{ at: "text", message: "is required" },
		]);
		const answer = await post({ "text?": {} }, "${text}", undefined, null);
		assert.equal(answer.json, null);
	});

	it("is 415 in another media type than its own", async () => {
		const text = { types: ["text/csv", "application/*"] };
		assert.equal((await post({ text }, 1, "a", "text/csv; x=1")).status, 200);
		assert.equal((await post({ text }, 1, "a", "application/x")).status, 200);
		const answer = await post({ text }, 1, "a", "text/plain");
		assert.equal(answer.status, 415);
		assert.equal(answer.header("accept"), "text/csv, application/*");
	});
});

describe("a body as bytes", () => {
	const headers = { "content-type": "image/png" };
	const sent = Buffer.from([0, 255, 13, 10]);

	it("is what came", async () => {
		const { ask } = testRoute(
			{ request: { bytes: {} }, respond: "${bytes}", headers },
			undefined,
			{ key: "POST /x" },
		);
		const options = { method: "POST", body: sent, contentType: null };
		assert.deepEqual(
			Buffer.from((await ask("/x", options)).body as Uint8Array),
			sent,
		);
	});

	it("is bounded, required, and of its own types", async () => {
		const bytes = { maxSize: "4B", types: ["image/*"] };
		for (const length of [3, 4]) {
			const body = Buffer.alloc(length);
			assert.equal((await post({ bytes }, 1, body, "image/gif")).status, 200);
		}
		assert.deepEqual(
			faultsOf(await post({ bytes }, 1, Buffer.alloc(5), "image/gif")),
			[{ at: "bytes", message: "is longer than 4 bytes" }],
		);
		assert.deepEqual(faultsOf(await post({ bytes }, 1, undefined, null)), [
			{ at: "bytes", message: "is required" },
		]);
		assert.equal((await post({ bytes }, 1, sent, "text/plain")).status, 415);
		const none = await post(
			{ "bytes?": bytes },
			"${bytes === null}",
			undefined,
			null,
		);
		assert.equal(none.json, true);
	});
});

describe("a body read in several ways", () => {
	it("is JSON and its own text", async () => {
		const request = { body: { type: "object" }, text: {} };
		const body = '{ "b": 1,\n "a": 2.50 }';
		const respond = ["${body}", "${text}"];
		const answer = await post(request, respond, body, "application/json");
		assert.deepEqual(answer.json, [{ b: 1, a: 2.5 }, body]);
		const type = "text/plain";
		assert.equal((await post(request, 1, body, type)).status, 415);
		const faults = faultsOf(await post(request, 1, undefined, null));
		assert.deepEqual(
			faults.map(({ at }) => at),
			["body", "text"],
		);
	});

	it("is a form, its text and its bytes, given to a function", async () => {
		const key = "secret";
		const seen: unknown[] = [];
		const { ask } = testRoute(
			{
				request: {
					form: { amount: { type: "integer" } },
					text: {},
					bytes: {},
					headers: { "x-signature": { type: "string" } },
				},
				steps: {
					verified: {
						run: (args: { bytes: Uint8Array; signature: string }) => {
							seen.push(args.bytes instanceof Uint8Array);
							const own = createHmac("sha256", key).update(args.bytes);
							return own.digest("hex") === args.signature;
						},
						args: { bytes: "${bytes}", signature: "${headers.x_signature}" },
					},
				},
				respond: ["${verified}", "${form.amount}", "${text}"],
			},
			undefined,
			{ key: "POST /x" },
		);
		const body = "amount=12&x=%20";
		const signature = createHmac("sha256", key).update(body).digest("hex");
		for (const [given, verified] of [
			[signature, true],
			["0", false],
		] as const) {
			const answer = await ask("/x", {
				method: "POST",
				body,
				contentType: urlencoded,
				headers: ["x-signature", given],
			});
			assert.deepEqual(answer.json, [verified, 12, body]);
		}
		assert.deepEqual(seen, [true, true]);
	});

	it("counts its bytes in memory once", async () => {
		const length = 100_000;
		const body = JSON.stringify("x".repeat(length - 2));
		const ask = async (request: object) => {
			const { gateway, send } = testRoute(
				{ request, steps: { a: { get: "users/a" } }, respond: "${a}" },
				() => ({ afterMs: 1000 }),
				{ key: "POST /x" },
			);
			const sent = send("/x", { method: "POST", body });
			for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
			const { held } = gateway.memory;
			sent.leave();
			await sent.answer;
			return held;
		};
		const json = await ask({ body: { type: "string" } });
		const bytes = await ask({ body: { type: "string" }, bytes: {} });
		const text = await ask({ body: { type: "string" }, bytes: {}, text: {} });
		assert.equal(bytes, json);
		assert.equal(text, json + 2 * length);
	});
});

describe("a config of a body", () => {
	const problemsOf = (request: string, reads = "1") =>
		checkText(
			`routes:\n  POST /x:\n    request: ${request}\n    respond: ${reads}\n`,
			"sluice.yaml",
			{},
		).problems.map((problem) => printProblem(problem).replace(/^[^ ]* /, ""));
	const cases: [request: string, reads: string, problem: RegExp | null][] = [
		["{ form: { a: { type: string } } }", "${form.a}", null],
		["{ form: { max-price: { type: number } } }", "${form['max-price']}", null],
		["{ text: {} }", "${text.length}", null],
		["{ bytes: {} }", "${bytes}", null],
		["{ form: { a: { type: file, decode: text } } }", "${form.a.text}", null],
		[
			"{ form: { a: { type: string } } }",
			"${form.b}",
			/`form\.b` is not declared under `request\.form`/,
		],
		["{ form: { a: { type: string } } }", "${body}", /`body` is not declared/],
		[
			"{}",
			"${form.a}",
			/`form` is not declared: write its fields under `request\.form`/,
		],
		[
			"{}",
			"${text}",
			/`text` is not declared: write `text: \{\}` under `request`/,
		],
		[
			"{}",
			"${bytes}",
			/`bytes` is not declared: write `bytes: \{\}` under `request`/,
		],
		["{ text: {} }", "${request.text}", /write `text`/],
		["{ text: {} }", "${text.x}", /`text\.x`/],
		["{ form: { a: { type: strin } } }", "1", /needs a `type`/],
		[
			"{ query: { a: { type: file } } }",
			"1",
			/needs a `type`: one of `string`, `integer`, `number`, `boolean`, `array`$/,
		],
		["{ form: { a: { type: upload } } }", "1", /write `type: file`/],
		[
			"{ form: { a: { type: file, maxSize: 4 } } }",
			"1",
			/takes a size with its unit/,
		],
		["{ form: { a: { type: file, types: [png] } } }", "1", /media type/],
		[
			"{ form: { a: { type: file, maxLength: 4 } } }",
			"1",
			/unknown key `maxLength` in a file of a form/,
		],
		[
			"{ form: {}, body: {} }",
			"1",
			/a body is JSON or a form: keep `body` or `form`/,
		],
		["{ form?: {}, body?: {} }", "1", /a body is JSON or a form/],
		[
			"{ form: {}, form?: {} }",
			"1",
			/`form` and `form\?` are the same: keep one/,
		],
		["{ text: {}, text?: {} }", "1", /`text` and `text\?` are the same/],
		[
			"{ text: { types: [a/b] }, body: {} }",
			"1",
			/remove `types`: the types are those of `body`/,
		],
		[
			"{ text: { types: [a/b] }, bytes: { types: [a/b] } }",
			"1",
			/remove `types`: the types are those of `text`/,
		],
		["{ text: { types: [A/b] } }", "1", /small letters/],
		["{ text: { pattern: a } }", "1", /needs a `maxLength`/],
		[
			"{ formData: {} }",
			"1",
			/unknown key `formData` in `request`: write `form`/,
		],
		["{ rawBody: {} }", "1", /write `text: \{\}`, or `bytes: \{\}`/],
		["{ files: {} }", "1", /write `form: \{ photo: \{ type: file \} \}`/],
		["{ multipart: {} }", "1", /write `form`/],
		["{ json: {} }", "1", /write `body`/],
	];
	for (const [request, reads, problem] of cases) {
		it(`${request}, read by ${reads}, is ${problem ? "refused with what to write" : "taken"}`, () => {
			const found = problemsOf(request, `"${reads}"`);
			if (problem === null) assert.deepEqual(found, []);
			else {
				assert.equal(found.length, 1, found.join("\n"));
				assert.match(found[0] ?? "", problem);
			}
		});
	}

	it("leaves its names to steps and items where it does not declare them", () => {
		const problemsWith = (request: string, step: string) =>
			checkText(
				`upstreams: { u: { url: "http://u.test" } }\nroutes:\n  POST /x:\n    request: ${request}\n    steps: ${step}\n    respond: 1\n`,
				"sluice.yaml",
				{},
			).problems.map(printProblem);
		for (const name of ["form", "text", "bytes"]) {
			const steps: [step: string, fault: RegExp][] = [
				[`{ ${name}: { post: u/x } }`, /is the request's own here/],
				[
					`{ all: { each: "\${[1]}", as: ${name}, post: u/x } }`,
					/means something else here/,
				],
				[
					`{ all: { steps: { ${name}: { post: u/x } } } }`,
					/means something else around this group/,
				],
			];
			for (const [step, fault] of steps) {
				assert.deepEqual(problemsWith("{}", step), [], step);
				assert.match(problemsWith(`{ ${name}: {} }`, step).join(), fault);
			}
		}
		const { ask } = testRoute({
			steps: { text: { get: "users/a" } },
			respond: "${text}",
		});
		return ask("/x").then(({ json }) => assert.equal(json, null));
	});

	it("of a proxied route is refused", () => {
		for (const key of ["body", "body?", "form", "form?", "text", "bytes?"]) {
			const { problems } = checkText(
				`upstreams: { u: { url: "http://u.test" } }\nroutes:\n  POST /x:\n    request: { ${key}: {} }\n    proxy: u/x\n`,
				"sluice.yaml",
				{},
			);
			assert.match(
				problems.map(printProblem).join(),
				/a proxy passes the body on .*: remove/,
			);
		}
	});

	it("in TypeScript knows its keys", () => {
		defineGateway({
			routes: {
				"POST /x": {
					request: {
						form: {
							a: { type: "string" },
							b: { type: "file", maxSize: "1KiB", types: ["image/*"] },
							c: { type: "array", items: { type: "file" } },
						},
						text: { maxLength: 3, types: ["text/csv"] },
						"bytes?": { maxSize: "1MiB" },
						// @ts-expect-error a file is a field of a form alone
						query: { a: { type: "file" } },
					},
					respond: 1,
				},
			},
		});
	});
});

it("bytes of a request cannot become JSON", async () => {
	const answer = await post({ bytes: {} }, ["${bytes}"], "a", null);
	assert.equal(answer.status, 500);
});

describe("a call that sends bytes", () => {
	const routeWith = (step: object) => ({
		request: {
			"form?": { "photo?": { type: "file" }, "name?": { type: "string" } },
			"bytes?": {},
		},
		steps: { sent: { post: "users/a", ...step } },
		respond: "${sent}",
	});
	const file =
		'--b\r\nContent-Disposition: form-data; name="photo"; filename=a\r\n\r\né\xff\r\n--b--';
	const send = async (step: object, body?: Buffer) => {
		const { ask, calls } = testRoute(routeWith(step), undefined, {
			key: "POST /x",
		});
		const options = { method: "POST", body, contentType: multipart };
		return { answer: await ask("/x", options), calls };
	};
	const body = Buffer.from(file, "latin1");

	it("sends a file of a form as it came", async () => {
		const { answer, calls } = await send(
			{
				bytes: "${form.photo.bytes}",
				headers: { "content-type": "image/png" },
			},
			body,
		);
		assert.equal(answer.status, 200);
		const [call] = calls;
		assert.deepEqual(
			[call?.request.body, call?.request.binary],
			["é\xff", true],
		);
		assert.equal(
			headerOf(call?.request.headers ?? [], "content-type"),
			"image/png",
		);
	});

	it("has a type of its own, and no other body is binary", async () => {
		const { calls } = await send({ bytes: "${bytes}" }, body);
		const fields = calls[0]?.request.headers ?? [];
		assert.equal(headerOf(fields, "content-type"), "application/octet-stream");
		const { calls: texts } = await send({ text: "é" });
		assert.equal(texts[0]?.request.binary, undefined);
	});

	it("fails for null, by the client or not, and for what is no bytes", async () => {
		const cases: [bytes: string, status: number, code: string][] = [
			["${bytes}", 400, "reference_missing"],
			["${form.photo.bytes}", 400, "reference_missing"],
			["${request.id}", 500, "step_failed"],
			["${[1]}", 500, "step_failed"],
		];
		for (const [bytes, status, code] of cases) {
			const { answer } = await send({ bytes });
			assert.deepEqual([answer.status, answer.code], [status, code], bytes);
		}
	});

	it("is refused at load with a text, or with a second body", () => {
		const problemsOf = (step: string) =>
			checkText(
				`upstreams: { u: { url: "http://u.test" } }\nroutes:\n  POST /x:\n    request: { bytes: {} }\n    steps: { s: { post: u/x, ${step} } }\n`,
				"sluice.yaml",
				{},
			).problems.map(printProblem);
		assert.deepEqual(problemsOf('bytes: "${bytes}"'), []);
		for (const bytes of ["hello", '"a${bytes}"', "[1]", "{}", "1", "null"]) {
			const [problem = ""] = problemsOf(`bytes: ${bytes}`);
			assert.match(problem, /`bytes` takes what an expression gives/, bytes);
		}
		assert.match(problemsOf('bytes: "${bytes}", text: a').join(), /one body/);
	});

	it("is not taken for a text of the same characters", () => {
		const request = {
			...{ method: "POST", target: "/a", headers: [], body: "é" },
			timeoutMs: 1,
		} as unknown as UpstreamRequest;
		assert.notEqual(
			sameRequestKey(request),
			sameRequestKey({ ...request, binary: true }),
		);
	});
});
