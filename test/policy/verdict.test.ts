import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import {
	type ErrorCode,
	errorTable,
	GatewayError,
} from "../../src/core/errors.ts";
import {
	codeVerdicts,
	notOfCalls,
	type Verdict,
	verdictOfError,
	verdictOfStatus,
} from "../../src/policy/verdict.ts";

const codes = Object.keys(errorTable) as ErrorCode[];
const statuses = Array.from({ length: 400 }, (_, at) => 200 + at);

const codesWhere = (holds: (verdict: Verdict) => boolean) =>
	codes.filter((code) => holds(codeVerdicts[code])).sort();
const statusesWhere = (holds: (verdict: Verdict) => boolean) =>
	statuses.filter((status) => holds(verdictOfStatus(status)));

test("an upstream is to blame for what it did not answer, or answered with 5xx", () => {
	assert.deepEqual(
		codesWhere(({ fault }) => fault),
		["upstream_invalid", "upstream_timeout", "upstream_unreachable"],
	);
	assert.deepEqual(
		statusesWhere(({ fault }) => fault),
		statuses.filter((status) => status >= 500),
	);
});

test("another attempt is worth it where the next moment may be better", () => {
	assert.deepEqual(
		codesWhere(({ again }) => again !== "no"),
		["upstream_timeout", "upstream_unreachable"],
	);
	assert.deepEqual(
		statusesWhere(({ again }) => again === "yes"),
		[502, 503, 504],
	);
	assert.deepEqual(
		statusesWhere(({ again }) => again === "when told"),
		[429],
	);
});

test("a stale answer stands in for none, and for the statuses of RFC 5861", () => {
	assert.deepEqual(
		codesWhere(({ stale }) => stale),
		[
			"breaker_open",
			"deadline_exceeded",
			"limiter_full",
			"overloaded",
			"upstream_auth_failed",
			"upstream_invalid",
			"upstream_timeout",
			"upstream_unreachable",
		],
	);
	assert.deepEqual(
		statusesWhere(({ stale }) => stale),
		[500, 502, 503, 504],
	);
});

test("an upstream has too much to do that says so, or does not answer in time", () => {
	assert.deepEqual(
		codesWhere(({ tooMuch }) => tooMuch),
		["upstream_timeout"],
	);
	assert.deepEqual(
		statusesWhere(({ tooMuch }) => tooMuch),
		[429, 503],
	);
});

test("an upstream was asked where it answered, or failed by itself", () => {
	assert.deepEqual(
		codesWhere(({ asked }) => asked),
		["upstream_invalid", "upstream_timeout", "upstream_unreachable"],
	);
	assert.deepEqual(
		statusesWhere(({ asked }) => asked),
		statuses,
	);
});

test("what is no error of ours is a bug, and judged as one", () => {
	assert.equal(verdictOfError(new TypeError("a bug")), codeVerdicts.internal);
	const error = new GatewayError("breaker_open", "open");
	assert.equal(verdictOfError(error), codeVerdicts.breaker_open);
});

test("a code without a verdict is raised neither by a policy nor by a wire", () => {
	const root = new URL("../../src/", import.meta.url);
	const raised = globSync("{policy,upstream}/**/*.ts", { cwd: root }).flatMap(
		(file) => {
			const text = readFileSync(new URL(file, root), "utf8");
			return [...text.matchAll(/new GatewayError\(\s*"(\w+)"/g)].map(
				([, code = ""]) => ({ file, code }),
			);
		},
	);
	assert.ok(raised.length > 5, "none was found");
	const wrong = raised.filter(
		({ code }) => codeVerdicts[code as ErrorCode] === notOfCalls,
	);
	// The cache names the status for which a stale answer stands in: nobody ever catches it.
	assert.deepEqual(
		wrong.map(({ code }) => code),
		["upstream_status"],
	);
});
