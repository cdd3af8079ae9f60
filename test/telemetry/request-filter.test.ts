import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import type { TrailEnded } from "../../src/core/events.ts";
import {
	matches,
	readRequestQuery,
} from "../../src/telemetry/traffic/request-filter.ts";
import { byPath, testRoute } from "../kit/gateway.ts";

const faultsOf = (target: string) => {
	try {
		readRequestQuery(target);
	} catch (error) {
		assert.ok(error instanceof GatewayError);
		assert.equal(error.code, "request_invalid");
		return error.facts.errors?.map(({ at }) => at);
	}
	return [];
};

describe("the parameters that choose requests", () => {
	it("are read, each with its own kind of value", () => {
		const target =
			"/traffic?route=GET%20/x&upstream=users&completeness=partial&status=5xx&slow=1.5s&error=breaker_open&step=a.b&limit=7&before=12";
		assert.deepEqual(readRequestQuery(target), {
			...{ route: "GET /x", upstream: "users", completeness: "partial" },
			...{ status: [500, 599], slowMs: 1500, error: "breaker_open" },
			...{ step: "a.b", limit: 7, before: 12 },
		});
		assert.deepEqual(
			readRequestQuery("/traffic?status=404").status,
			[404, 404],
		);
		const none = readRequestQuery("/traffic");
		assert.deepEqual([none.limit, none.route], [200, null]);
	});

	it("are refused one by one if they are wrong, unknown or there twice", () => {
		for (const [query, at] of [
			["status=600", "query.status"],
			["status=5x", "query.status"],
			["status=xx", "query.status"],
			["slow=500", "query.slow"],
			["slow=-1s", "query.slow"],
			["completeness=half", "query.completeness"],
			["error=no_code", "query.error"],
			["limit=0", "query.limit"],
			["limit=201", "query.limit"],
			["limit=1e2", "query.limit"],
			["route=", "query.route"],
			["before=x", "query.before"],
			["before=-1", "query.before"],
			["route=a&route=b", "query.route"],
			["colour=red", "query.colour"],
			["__proto__=1", "query.__proto__"],
		] as const) {
			assert.deepEqual(faultsOf(`/traffic?${query}`), [at], query);
		}
		assert.deepEqual(faultsOf("/traffic?limit=0&status=1&x=2"), [
			...["query.x", "query.status", "query.limit"],
		]);
		const many = Array.from({ length: 100 }, (_, at) => `x${at}=1`).join("&");
		assert.equal(faultsOf(`/traffic?${many}`)?.length, 16);
	});
});

const route = {
	steps: {
		a: { get: "users/a", optional: true },
		b: { get: "orders/b", when: "${query.b !== null}" },
	},
	request: { query: { "b?": { type: "string" } } },
	respond: ["${a}", "${b}"],
};

async function endOf(target: string, status: number): Promise<TrailEnded> {
	const test = testRoute(
		route,
		byPath({ "/a": { status, json: 1, afterMs: 40 }, "/b": { status: 500 } }),
	);
	await test.ask(target);
	return test.trails[0] as TrailEnded;
}

describe("a filter of requests", () => {
	it("wants those that have all that it names", async () => {
		const ends = {
			whole: await endOf("/x", 200),
			partial: await endOf("/x", 503),
			failed: await endOf("/x?b=1", 200),
			unknown: await endOf("/nowhere", 200),
		};
		for (const [query, wanted] of [
			["", "whole partial failed unknown"],
			["route=GET%20/x", "whole partial failed"],
			["completeness=partial", "partial"],
			["completeness=failed", "failed unknown"],
			["status=502", "failed"],
			["status=4xx", "unknown"],
			["slow=40ms", "whole partial"],
			["slow=41ms", ""],
			["error=upstream_status", "partial failed"],
			["step=a", "partial"],
			["step=b&error=upstream_status", "failed"],
			["step=b&error=upstream_timeout", ""],
			["upstream=orders", "failed"],
			["upstream=users", "whole partial failed"],
			["upstream=none", ""],
		] as const) {
			const filter = readRequestQuery(`/?${query}`);
			const found = Object.entries(ends)
				.filter(([, end]) => matches(filter, end))
				.map(([name]) => name);
			assert.equal(found.join(" "), wanted, query);
		}
	});
});
