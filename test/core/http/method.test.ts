import assert from "node:assert/strict";
import { test } from "node:test";
import {
	announcesBody,
	isIdempotent,
	isSafe,
	proxyMethods,
} from "../../../src/core/http/method.ts";

const those = (rule: (method: string) => boolean) =>
	proxyMethods.filter(rule).join(" ");

test("GET, HEAD and OPTIONS only read", () => {
	assert.equal(those(isSafe), "GET HEAD OPTIONS");
});

test("all but POST and PATCH may be sent twice, among them whatever only reads", () => {
	assert.equal(those(isIdempotent), "GET PUT DELETE HEAD OPTIONS");
});

test("POST, PUT and PATCH say that they have no body", () => {
	assert.equal(those(announcesBody), "POST PUT PATCH");
});
