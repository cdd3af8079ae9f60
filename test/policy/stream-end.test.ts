import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { emptyStream } from "../../src/core/body/byte-stream.ts";
import { GatewayError } from "../../src/core/errors.ts";
import type { StreamHead } from "../../src/core/http/messages.ts";
import { breaker } from "../../src/policy/breaker.ts";
import { limiter } from "../../src/policy/limiter.ts";
import type { StreamCall, StreamEnd } from "../../src/policy/policy.ts";
import { stall } from "../../src/policy/stall.ts";
import { StreamPolicyEnd } from "../../src/policy/stream-end.ts";
import { policySetting, streamRequestOf } from "../kit/policy.ts";

const head: StreamHead = { status: 200, headers: [], body: emptyStream(0) };
const request = streamRequestOf({ onHead() {} });
const broken = new GatewayError("upstream_invalid", "broken off");

/** The ends of a stream, each in its own way. */
const ends: readonly [how: string, call: StreamCall, told: string][] = [
	["ends", (_request, _scope, ended) => ended.done(), "done"],
	["fails", (_request, _scope, ended) => ended.failed(broken), "failed"],
	[
		"throws",
		() => {
			throw broken;
		},
		"failed",
	],
];

describe("a stream that", () => {
	for (const [how, call, last] of ends) {
		test(`${how} has given its place back before the end around hears`, () => {
			const { context, scope, assertNothingLeft } = policySetting(null);
			const limit = limiter(null, { ...context, connections: 1, streams: 1 });
			const told: string[] = [];
			const hear = (what: string) => {
				const { running, streams } = limit.state();
				told.push(`${what}: ${running} ${streams}`);
			};
			limit.stream(call)(request, scope, {
				head: () => hear("head"),
				done: () => hear("done"),
				failed: () => hear("failed"),
			});
			assert.deepEqual(told, [`${last}: 0 0`]);
			assertNothingLeft();
		});

		test(`${how} leaves no timer and no listener, and tells one end`, () => {
			const { context, scope, assertNothingLeft } = policySetting(null);
			const options = { errorRate: 1, windowMs: 1000, calls: 10 };
			const guard = breaker({ ...options, probeEveryMs: 1000 }, context);
			const twice: StreamCall = (request, scope, ended) => {
				call(request, scope, ended);
				ended.failed(broken);
				ended.done();
			};
			const told: string[] = [];
			const ended: StreamEnd = {
				head: () => told.push("head"),
				done: () => told.push("done"),
				failed: () => told.push("failed"),
			};
			guard.stream(stall("files")(twice))(request, scope, ended);
			assert.deepEqual(told, [last]);
			assertNothingLeft();
		});
	}

	test("ends where a policy throws at that has failed with this, and once", () => {
		class Faulty extends StreamPolicyEnd {
			protected override onDone(): void {
				throw broken;
			}
		}
		const { scope } = policySetting(null);
		const told: unknown[] = [];
		const faulty = new Faulty({
			head: () => told.push("head"),
			done: () => told.push("done"),
			failed: (error) => told.push(error),
		});
		faulty.begin((_request, _scope, ended) => ended.done(), request, scope);
		assert.deepEqual(told, [broken]);
	});

	test("has ended tells no head any more", () => {
		const { scope } = policySetting(null);
		const told: string[] = [];
		const end = new StreamPolicyEnd({
			head: () => told.push("head"),
			done: () => told.push("done"),
			failed: () => told.push("failed"),
		});
		end.begin(
			(_request, _scope, ended) => {
				ended.done();
				ended.head(head);
			},
			request,
			scope,
		);
		assert.deepEqual(told, ["done"]);
	});

	test("throws because whoever hears of its end has thrown tells no second end", () => {
		const { context, scope } = policySetting(null);
		const limit = limiter(null, { ...context, connections: 1, streams: 1 });
		const bug = new Error("a bug of the end around");
		const told: string[] = [];
		const answers: StreamCall = (_request, _scope, ended) => {
			ended.head(head);
			ended.done();
		};
		const begin = () =>
			limit.stream(answers)(request, scope, {
				head: () => told.push("head"),
				done() {
					told.push("done");
					throw bug;
				},
				failed: () => told.push("failed"),
			});
		assert.throws(begin, bug);
		assert.deepEqual(told, ["head", "done"]);
		assert.equal(limit.state().streams, 0);
	});
});
