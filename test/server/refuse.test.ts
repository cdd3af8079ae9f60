import assert from "node:assert/strict";
import { test } from "node:test";
import { originForm, parserFault } from "../../src/server/refuse.ts";

function faultOf(code: string) {
	return parserFault(Object.assign(new Error("why"), { code }));
}

test("what the parser refuses is the client's fault, by status", () => {
	assert.equal(faultOf("HPE_INVALID_METHOD")?.status, 400);
	assert.equal(faultOf("HPE_HEADER_OVERFLOW")?.status, 431);
	assert.equal(faultOf("ERR_HTTP_REQUEST_TIMEOUT")?.status, 408);
	for (const code of ["HPE_INVALID_METHOD", "HPE_HEADER_OVERFLOW"]) {
		assert.equal(faultOf(code)?.code, "request_invalid");
	}
});

test("a connection that failed, or ended half-way, is not answered", () => {
	for (const code of ["ECONNRESET", "EPIPE", "HPE_INVALID_EOF_STATE"]) {
		assert.equal(faultOf(code), null);
	}
	assert.equal(parserFault(new Error("without a code")), null);
});

test("a target is brought to path and query, whoever it names", () => {
	assert.equal(originForm("/a?b"), "/a?b");
	assert.equal(
		originForm("http://user@other:1/a?b=http://c/"),
		"/a?b=http://c/",
	);
	assert.equal(originForm("https://other"), "/");
	assert.equal(originForm("https://other?a/b"), "/?a/b");
});
