import assert from "node:assert/strict";
import { test } from "node:test";
import {
	hasContent,
	hasFramedBody,
	isInterim,
	isStatus,
} from "../../../src/core/http/status.ts";

const all = Array.from({ length: 500 }, (_, index) => index + 100);
const exceptIn = (rule: (status: number) => boolean) =>
	all.filter((status) => status >= 200 && !rule(status));

test("an answer has no content only with 204, 205 and 304, or where it is not final", () => {
	assert.deepEqual(exceptIn(hasContent), [204, 205, 304]);
	assert.ok(!hasContent(100) && !hasContent(103) && !hasContent(199));
});

test("a body follows every final head but those of 204 and 304: that of 205, too, of no bytes", () => {
	assert.deepEqual(exceptIn(hasFramedBody), [204, 304]);
	assert.ok(!hasFramedBody(100) && !hasFramedBody(199));
});

test("what has content is framed", () => {
	const unframed = all.filter((one) => hasContent(one) && !hasFramedBody(one));
	assert.deepEqual(unframed, []);
});

test("answers below 200 only announce another", () => {
	assert.ok(isInterim(100) && isInterim(199));
	assert.ok(!isInterim(200) && !isInterim(599));
});

test("a status of a final answer is a whole number from 200 to 599", () => {
	for (const status of [200, 204, 599]) assert.ok(isStatus(status));
	for (const value of [199, 600, 200.5, Number.NaN, "200", 200n, null]) {
		assert.ok(!isStatus(value), String(value));
	}
});
