import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import fc from "fast-check";
import { encodeTarget, readRequest } from "../../src/cli/request.ts";
import { indentJson } from "../../src/cli/terminal.ts";
import { shown, shownInOneLine } from "../../src/core/shown.ts";
import { anyText } from "../kit/random.ts";

describe("what a terminal is shown", () => {
	it("is JSON indented as JSON.stringify does it", () => {
		fc.assert(
			fc.property(fc.jsonValue(), (value) => {
				assert.equal(
					indentJson(JSON.stringify(value)),
					JSON.stringify(value, null, 2),
				);
			}),
		);
	});

	it("keeps every digit, key and escape of the JSON", () => {
		const text = '{"a":9223372036854775807,"a":1.0,"b":"\\u001b{\\"[,:"}';
		assert.equal(
			indentJson(text),
			'{\n  "a": 9223372036854775807,\n  "a": 1.0,\n  "b": "\\u001b{\\"[,:"\n}',
		);
	});

	it("shows control characters instead of obeying them", () => {
		assert.equal(
			shown("a\r\nb\t\x1b[31mred\x9b\x07\rгород"),
			"a\nb\t\\u001b[31mred\\u009b\\u0007\\u000dгород",
		);
		assert.equal(
			shown("a\u2028b\u202ec\u2066d\x7f"),
			"a\\u2028b\\u202ec\\u2066d\\u007f",
		);
		assert.equal(shownInOneLine("a\nb\tc"), "a\\u000ab\\u0009c");
	});

	it("is the same JSON as before", () => {
		fc.assert(
			fc.property(fc.jsonValue({ stringUnit: "binary" }), (value) => {
				const text = shown(JSON.stringify(value));
				assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
				assert.doesNotMatch(text, /[\x00-\x1f\x7f-\x9f]/);
			}),
		);
	});

	it("goes through one file", () => {
		const folder = new URL("../../src/cli/", import.meta.url);
		const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
		const sources = files.filter((name) => name.endsWith(".ts"));
		const writing = sources.filter((name) =>
			/console\.|std(?:out|err)\.write|\bwriteSync\(/.test(
				readFileSync(new URL(name, folder), "utf8"),
			),
		);
		assert.deepEqual(writing, ["terminal.ts"]);
	});
});

describe("a request's target", () => {
	it("may be written as people write it", () => {
		for (const [written, sent] of [
			[
				"/weather?city=Москва",
				"/weather?city=%D0%9C%D0%BE%D1%81%D0%BA%D0%B2%D0%B0",
			],
			["/a b?c=d e", "/a%20b?c=d%20e"],
			["/a%20b?c=%D0%9C", "/a%20b?c=%D0%9C"],
			["/a?part=100%&x=%zz", "/a?part=100%25&x=%25zz"],
			["/a?x=1+1&y[]=2", "/a?x=1+1&y[]=2"],
			['/a?q="<#>"\n', "/a?q=%22%3C%23%3E%22%0A"],
			["/🎉", "/%F0%9F%8E%89"],
		] as const) {
			assert.equal(encodeTarget(written), sent);
		}
	});

	it("is visible ASCII whatever was written, and the same when encoded again", () => {
		fc.assert(
			fc.property(anyText(), (text) => {
				const sent = encodeTarget(`/${text}`);
				assert.match(sent, /^[\x21-\x7e]+$/);
				assert.equal(encodeTarget(sent), sent);
			}),
		);
		assert.throws(() => encodeTarget("/\ud800"), /half a character/);
	});
});

describe("a request on the command line", () => {
	it("is a method and a path in one word or two, or a path alone, behind a config or none", () => {
		for (const [words, file, method] of [
			[["/users/7"], undefined, "GET"],
			[["GET /users/7"], undefined, "GET"],
			[["delete", "/users/7"], undefined, "DELETE"],
			[["shop.yaml", "/users/7"], "shop.yaml", "GET"],
			[["/etc/shop.yaml", "put   /users/7"], "/etc/shop.yaml", "PUT"],
			[["shop.yaml", "HEAD", "/users/7"], "shop.yaml", "HEAD"],
		] as const) {
			const request = readRequest(words, {});
			assert.deepEqual(
				[request.file, request.method, request.target],
				[file, method, "/users/7"],
			);
		}
	});

	it("has a body with `--data`, and is a JSON POST then unless it says otherwise", () => {
		const post = readRequest(["/orders"], { data: "{}" });
		assert.equal(post.method, "POST");
		assert.equal(Buffer.from(post.body).toString(), "{}");
		assert.deepEqual(post.headers, ["content-type", "application/json"]);
		const put = readRequest(["PUT /orders"], {
			data: "<a/>",
			header: ["Content-Type:text/xml ", "x-empty:"],
		});
		assert.equal(put.method, "PUT");
		assert.deepEqual(put.headers, ["content-type", "text/xml", "x-empty", ""]);
	});

	it("is refused in words where it is none", () => {
		for (const [words, options, message] of [
			[["users/7"], {}, /a path that begins with `\/`.*not `users\/7`/],
			[["sluice.yaml"], {}, /a request is a method and a path/],
			[["FETCH /users/7"], {}, /`FETCH` is no method: one of GET/],
			[["a.yaml", "b.yaml", "/users/7"], {}, /one config and one request/],
			[["/users/7"], { header: ["no colon"] }, /--header takes `name: value`/],
			[["/users/7"], { header: ["x: Москва"] }, /in visible ASCII/],
			[["/users/7"], { header: ["a\nb: 1"] }, /--header takes/],
			[
				["/orders"],
				{ data: "@nowhere.json" },
				/--data: there is no file `nowhere\.json`/,
			],
		] as const) {
			assert.throws(() => readRequest(words, options), { message });
		}
	});
});
