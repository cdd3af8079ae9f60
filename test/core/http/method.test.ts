import assert from "node:assert/strict";
import { METHODS } from "node:http";
import { test } from "node:test";
import {
	announcesBody,
	isIdempotent,
	isSafe,
	passesProxies,
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

test("of methods that few know, those that only read or may be sent twice are IANA's", () => {
	const of = (rule: (method: string) => boolean) => METHODS.filter(rule);
	assert.equal(
		of(isSafe).join(" "),
		"GET HEAD OPTIONS PROPFIND QUERY REPORT SEARCH",
	);
	assert.equal(
		of((method) => !isIdempotent(method)).join(" "),
		"CHECKOUT CONNECT LOCK M-SEARCH NOTIFY PATCH POST PURGE SOURCE SUBSCRIBE TRACE UNSUBSCRIBE",
	);
	assert.equal(isIdempotent("BREW"), false);
});

test("a proxy passes on every method but CONNECT and TRACE", () => {
	assert.deepEqual(
		METHODS.filter((method) => !passesProxies(method)),
		["CONNECT", "TRACE"],
	);
	assert.equal(passesProxies("BREW"), true);
	for (const none of ["", "A B", "A\r\nB: c", "Ä"])
		assert.equal(passesProxies(none), false);
});
