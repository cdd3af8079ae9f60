import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import {
	curlLine,
	headersOf,
	holesOf,
	pathWith,
	type TrialRequest,
} from "../../ui/src/trial.ts";

const get: TrialRequest = { method: "GET", path: "/", headers: "", body: "" };

/** The words that a shell makes of a line. */
function words(line: string): string[] {
	const script = `${line.replace(/^curl/, "printf '%s\\0'")}`;
	return execFileSync("sh", ["-c", script], { encoding: "utf8" })
		.split("\0")
		.slice(0, -1);
}

describe("a request to try", () => {
	it("names the parameters of the path that are not filled in", () => {
		assert.deepEqual(holesOf("/a/{id}/b/{rest*}?x=1"), ["{id}", "{rest*}"]);
		assert.deepEqual(holesOf("/weather?city=Oslo"), []);
	});

	it("encodes what an address must not have, and nothing twice", () => {
		assert.equal(
			pathWith("/weather?city=Москва"),
			"/weather?city=%D0%9C%D0%BE%D1%81%D0%BA%D0%B2%D0%B0",
		);
		assert.equal(pathWith("/a%20b c?x=%D0%9C&y=1"), "/a%20b%20c?x=%D0%9C&y=1");
	});

	it("reads fields from lines, also one that comes twice", () => {
		assert.deepEqual(headersOf("Accept: a:b\n\nnothing\nX: 1\nx: 2\nX:3\n"), {
			accept: "a:b",
			x: ["1", "2", "3"],
		});
	});

	it("is a line that a shell takes as it is meant, whatever stands in it", () => {
		const line = curlLine(
			{
				method: "PUT",
				path: "/a?q=it's $HOME `id`",
				headers: "X-A: $(id) it's",
				body: '{"a":"it\'s\n$PATH"}',
			},
			"http://h:1",
		);
		assert.deepEqual(words(line), [
			...["-X", "PUT", "-H", "x-a: $(id) it's"],
			...["--data-raw", '{"a":"it\'s\n$PATH"}'],
			"http://h:1/a?q=it's%20$HOME%20%60id%60",
		]);
	});

	it("names the method only if curl would take another", () => {
		const line = (method: string, body = "") =>
			curlLine({ ...get, method, body }, "http://h");
		assert.equal(line("GET"), "curl 'http://h/'");
		assert.equal(line("HEAD"), "curl -I 'http://h/'");
		assert.equal(line("POST", "x"), "curl --data-raw 'x' 'http://h/'");
		assert.equal(line("POST"), "curl -X POST 'http://h/'");
		assert.equal(line("DELETE"), "curl -X DELETE 'http://h/'");
	});
});
