import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ResolvedUpstream } from "../../src/config/resolve-upstream.ts";
import type { GatewayRequest } from "../../src/core/http/messages.ts";
import type { Frame } from "../../src/expression/evaluate.ts";
import type { Layout } from "../../src/run/layout.ts";
import { prepareProxyHeaders } from "../../src/run/proxy-target.ts";

/** A server gives one frozen list to all requests whose heads are equal. What is made of it is kept. */

const fieldsFor = prepareProxyHeaders(
	{ headers: [], pass: ["x-tenant"] },
	{
		headers: [["x-own", "1"]],
		forwarded: false,
	} as unknown as ResolvedUpstream,
	{} as Layout,
);
const frame = {} as Frame;
const listFor = (headers: readonly string[]) =>
	fieldsFor({ headers } as GatewayRequest, frame);

const given = ["Accept", "a", "X-Tenant", "t", "Cookie", "c"];
const sent = [
	...["x-own", "1", "accept", "a", "x-tenant", "t"],
	...["user-agent", "sluice"],
];

describe("the fields of a call that passes a request on", () => {
	test("are made once for a list that nobody can change", () => {
		const headers = Object.freeze([...given]);
		const first = listFor(headers);
		assert.deepEqual(first, sent);
		assert.equal(listFor(headers), first);
		assert.ok(Object.isFrozen(first), "whoever changed it would change others");
	});

	test("are each list's own, also beside one that is equal but for a value", () => {
		listFor(Object.freeze([...given]));
		const other = Object.freeze(given.with(3, "u"));
		assert.deepEqual(listFor(other), sent.with(5, "u"));
	});

	test("follow a list that may be changed", () => {
		const headers = [...given];
		listFor(headers);
		headers[3] = "u";
		assert.deepEqual(listFor(headers), sent.with(5, "u"));
	});
});
