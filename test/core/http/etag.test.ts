import assert from "node:assert/strict";
import { test } from "node:test";
import {
	confirmsEtag,
	etagOf,
	knowsEtag,
	namesEtag,
} from "../../../src/core/http/etag.ts";

test("a list names a tag weakly, or by `*`, and never a part of one", () => {
	assert.ok(namesEtag('"1"', '"1"'));
	assert.ok(namesEtag('W/"1"', '"1"'));
	assert.ok(namesEtag('"1"', 'W/"1"'));
	assert.ok(namesEtag('"0", W/"a,b" , "2"', '"a,b"'));
	assert.ok(namesEtag(" * ", '"1"'));
	for (const list of ["", "1", '"11"', '"*"', '"1', '"0", "2"']) {
		assert.ok(!namesEtag(list, '"1"'), list);
	}
});

test("a request knows a tag that one of its lines names", () => {
	const headers = ["If-None-Match", '"1", "2"', "if-none-match", 'W/"3"'];
	assert.ok(knowsEtag(headers, '"2"'));
	assert.ok(knowsEtag(headers, '"3"'));
	assert.ok(!knowsEtag(headers, '"4"'));
	assert.ok(!knowsEtag(["if-match", '"1"'], '"1"'));
});

test("an upstream confirms by a strong tag that very tag, by a weak one either kind", () => {
	assert.ok(confirmsEtag('"1"', '"1"'));
	assert.ok(!confirmsEtag('"1"', 'W/"1"'));
	assert.ok(confirmsEtag('W/"1"', 'W/"1"'));
	assert.ok(confirmsEtag('W/"1"', '"1"'));
	assert.ok(!confirmsEtag('W/"1"', '"2"'));
});

test("equal bodies have one tag, a text the same as its bytes, and others another", () => {
	const bytes = new TextEncoder().encode("Привет");
	assert.match(etagOf("Привет"), /^"[\w-]{27}"$/);
	assert.equal(etagOf(bytes), etagOf("Привет"));
	assert.notEqual(etagOf("привет"), etagOf("Привет"));
});
