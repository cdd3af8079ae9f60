import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import fc from "fast-check";
import { GatewayError } from "../../src/core/errors.ts";
import type { UpstreamRequest } from "../../src/core/http/messages.ts";
import { coalesce } from "../../src/policy/coalesce.ts";
import type { Call } from "../../src/policy/policy.ts";
import { promised } from "../../src/policy/promised.ts";
import { sameRequestKey } from "../../src/policy/same-request.ts";
import {
	openScope,
	outcomeOf,
	type VirtualClock,
	virtualClock,
} from "../../src/tasks/index.ts";
import { type Behaviour, hanging, testGateway } from "../kit/gateway.ts";
import { answer, contextOf, policySetting, requestOf } from "../kit/policy.ts";
import { conforms } from "./conformance.ts";

function optionsOn(clock: VirtualClock) {
	return { ...contextOf(clock), scope: openScope({ clock }) };
}

conforms("coalesce", () => coalesce(optionsOn(virtualClock())));

/** The policy around a call the test decides, with requests that may be shared. */
function setting() {
	const { clock, context, decided, next, begun } = policySetting("coalesce");
	const options = { ...context, scope: openScope({ clock }) };
	const call = promised(coalesce(options)(next));
	const ask = (changes: Partial<UpstreamRequest> = {}) => {
		const scope = openScope({ clock });
		const request = requestOf({ safe: true, ...changes });
		return { scope, outcome: outcomeOf(call(request, scope)) };
	};
	return { clock, options, decided, begun, ask, call };
}

describe("calls that only read", () => {
	it("share one where they are equal, and its answer object", async () => {
		const { ask, begun, clock, options, decided } = setting();
		const asked = Array.from({ length: 1000 }, () => ask());
		assert.equal(begun.length, 1);
		begun[0]?.resolve(answer);
		const outcomes = await Promise.all(asked.map(({ outcome }) => outcome));
		const [first] = outcomes;
		assert.ok(first?.ok);
		for (const outcome of outcomes) {
			assert.ok(outcome.ok && outcome.value === first.value);
		}
		assert.equal(first.value.body, answer.body);
		assert.equal(decided.length, 999);
		assert.deepEqual(decided[0], {
			requestId: "test-request",
			upstream: "weather",
			policy: "coalesce",
			decision: "joined",
			number: null,
			reason: null,
		});
		for (const { scope } of asked) assert.equal(scope.listeners, 0);
		assert.deepEqual([options.scope.listeners, clock.pending], [0, 0]);
	});

	it("have a call of their own once the shared one has ended", async () => {
		const { ask, begun } = setting();
		const first = ask();
		begun[0]?.resolve(answer);
		await first.outcome;
		const second = ask();
		assert.equal(begun.length, 2);
		begun[1]?.reject(new Error("down"));
		await second.outcome;
		ask();
		assert.equal(begun.length, 3);
	});

	it("share a failure, too, as the same error", async () => {
		const { ask, begun } = setting();
		const asked = [ask(), ask(), ask()];
		const error = new GatewayError("upstream_unreachable", "refused");
		begun[0]?.reject(error);
		for (const { outcome } of asked) {
			assert.deepEqual(await outcome, { ok: false, error });
		}
	});

	it("share what is thrown before there is a promise", async () => {
		const error = new Error("at once");
		const policy = coalesce(optionsOn(virtualClock()));
		const call = promised(
			policy(() => {
				throw error;
			}),
		);
		const scope = openScope({ clock: virtualClock() });
		const asked = call(requestOf({ safe: true }), scope);
		await assert.rejects(asked, (thrown) => thrown === error);
	});

	it("are not aborted when one of them leaves, be it the first", async () => {
		const { ask, begun } = setting();
		const [first, second, third] = [ask(), ask(), ask()];
		const reason = new Error("left");
		first.scope.cancel(reason);
		assert.deepEqual(await first.outcome, { ok: false, error: reason });
		third.scope.cancel(reason);
		assert.equal(begun[0]?.scope.cancelled, false);
		begun[0]?.resolve(answer);
		assert.equal((await second.outcome).ok, true);
	});

	it("are aborted, for the last one's reason, when the last one leaves", async () => {
		const { ask, begun, options } = setting();
		const asked = [ask(), ask(), ask()];
		const reasons = asked.map((_, index) => new Error(String(index)));
		for (const [index, { scope }] of asked.entries()) {
			assert.equal(begun[0]?.scope.cancelled, false);
			scope.cancel(reasons[index]);
		}
		assert.equal(begun[0]?.scope.reason, reasons[2]);
		assert.equal(options.scope.listeners, 0);
		const later = ask();
		assert.equal(begun.length, 2, "nobody joins a call that was aborted");
		begun[1]?.resolve(answer);
		assert.equal((await later.outcome).ok, true);
	});

	it("are not made for one who has left already", async () => {
		const { call, begun, clock } = setting();
		const scope = openScope({ clock });
		scope.cancel("gone");
		const asked = call(requestOf({ safe: true }), scope);
		await assert.rejects(asked, (thrown) => thrown === "gone");
		assert.equal(begun.length, 0);
	});

	it("end with their upstream", async () => {
		const { ask, options } = setting();
		const { outcome } = ask();
		options.scope.cancel("closed");
		assert.deepEqual(await outcome, { ok: false, error: "closed" });
	});

	it("are all told that they were sent, whenever they joined", async () => {
		const told: string[] = [];
		let sent = () => {};
		const next: Call = ({ onSent }) => {
			sent = () => onSent?.();
		};
		const clock = virtualClock();
		const call = promised(coalesce(optionsOn(clock))(next));
		const ask = (name: string) => {
			const onSent = () => told.push(name);
			void call(requestOf({ safe: true, onSent }), openScope({ clock }));
		};
		ask("a");
		ask("b");
		assert.deepEqual(told, []);
		sent();
		assert.deepEqual(told, ["a", "b"]);
		ask("c");
		assert.deepEqual(told, ["a", "b", "c"]);
		sent();
		assert.deepEqual(told, ["a", "b", "c"], "a retry is no second sending");
	});
});

test("each waits until its own deadline, and the call until the latest", async () => {
	const { call, begun, clock } = setting();
	const deadlines = [50, 200, 100];
	const ended = deadlines.map(async (deadline, index) => {
		const scope = openScope({ clock, deadline, deadlineReason: () => index });
		const error = await call(requestOf({ safe: true }), scope).catch(
			(reason: unknown) => reason,
		);
		return [error, clock.now()];
	});
	await clock.settle();
	assert.deepEqual(await Promise.all(ended), [
		[0, 50],
		[1, 200],
		[2, 100],
	]);
	assert.equal(begun.length, 1);
	assert.equal(begun[0]?.scope.reason, 1);
});

test("what may change something is never shared", () => {
	const { ask, begun } = setting();
	for (const method of ["GET", "POST", "PUT", "DELETE"] as const) {
		ask({ method, safe: false });
		ask({ method, safe: false });
	}
	assert.equal(begun.length, 8);
});

describe("what makes two calls equal", () => {
	const base = requestOf({
		safe: true,
		method: "POST",
		target: "/a?b=1",
		headers: ["accept", "text/plain", "authorization", "one"],
		body: "1",
	});
	const others: Partial<UpstreamRequest>[] = [
		{ method: "GET" },
		{ target: "/a?b=2" },
		{ body: "2" },
		{ body: null },
		{ timeoutMs: 999 },
		{ headers: ["accept", "text/plain", "authorization", "two"] },
		{ headers: ["accept", "text/plain"] },
		{ headers: ["accept", "text/plain", "authorization", "one", "x", ""] },
		{ headers: [...base.headers, "proxy-authorization", "one"] },
	];
	for (const change of others) {
		it(`is not the same with ${JSON.stringify(change)}`, () => {
			const other = { ...base, ...change };
			assert.notEqual(sameRequestKey(base), sameRequestKey(other));
		});
	}

	it("is not the trace, nor what is one connection's, nor who asks", () => {
		const traced = [
			...base.headers,
			...["traceparent", "00-1-2-00", "tracestate", "a=1", "TE", "trailers"],
			...["connection", "close"],
		];
		const other = { ...base, headers: traced, requestId: "another" };
		assert.equal(sameRequestKey(base), sameRequestKey(other));
	});

	it("is nothing else: two requests with one key are the same", () => {
		const word = fc.constantFrom("", "a", "b", '"', ",", '","', "null", "[]");
		const name = fc.constantFrom("a", "b", "accept", '"a"');
		const fields = {
			method: fc.constantFrom("GET", "HEAD", "POST"),
			target: word,
			headers: fc
				.array(fc.tuple(name, word), { maxLength: 3 })
				.map((list) => list.flat()),
			body: fc.option(word),
			timeoutMs: fc.constantFrom(1, 2),
		};
		const requests = fc.record(fields, {
			noNullPrototype: true,
		}) as fc.Arbitrary<Partial<UpstreamRequest>>;
		fc.assert(
			fc.property(requests, requests, (one, two) => {
				const same =
					sameRequestKey(requestOf(one)) === sameRequestKey(requestOf(two));
				let equal = true;
				try {
					assert.deepEqual(one, two);
				} catch {
					equal = false;
				}
				assert.equal(same, equal);
			}),
			{ numRuns: 1000 },
		);
	});
});

describe("in a gateway", () => {
	const config = {
		upstreams: {
			users: { url: "http://users.test", timeout: "2s", coalesce: true },
		},
		routes: {
			"GET /x": {
				request: { headers: { "authorization?": { type: "string" } } },
				deadline: "1s",
				steps: {
					a: {
						get: "users/a",
						headers: { "authorization?": "${headers.authorization}" },
					},
				},
			},
			"POST /x": { steps: { a: { post: "users/a", body: 1 } } },
			"GET /optional": {
				steps: { mine: { get: "users/a", optional: true } },
				respond: ["${mine}"],
			},
		},
	};
	const slow: Behaviour = () => ({ json: { a: [1] }, afterMs: 100 });

	it("1,000 equal requests make one call", async () => {
		const { send, settle, calls, assertNothingLeft } = testGateway(
			config,
			slow,
		);
		const sent = Array.from({ length: 1000 }, () => send("/x"));
		await settle();
		for (const { answer } of sent) {
			assert.deepEqual((await answer).json, { a: [1] });
		}
		assert.equal(calls.length, 1);
		assertNothingLeft();
	});

	it("two users with different `Authorization` make two", async () => {
		const { send, settle, calls } = testGateway(config, slow);
		for (const user of ["one", "two", "one", "two"]) {
			send("/x", { headers: ["authorization", user] });
		}
		await settle();
		assert.equal(calls.length, 2);
	});

	it("different traces make one", async () => {
		const { send, settle, calls } = testGateway(config, slow);
		for (const trace of ["1", "2"]) {
			const id = `00-${trace.repeat(32)}-${trace.repeat(16)}-01`;
			send("/x", { headers: ["traceparent", id] });
		}
		await settle();
		assert.equal(calls.length, 1);
	});

	it("the first client leaves, and the other 999 are answered", async () => {
		const { send, settle, clock, calls } = testGateway(config, slow);
		const sent = Array.from({ length: 1000 }, () => send("/x"));
		await clock.advance(10);
		sent[0]?.leave();
		await settle();
		const answers = await Promise.all(sent.map(({ answer }) => answer));
		const statuses = answers.map(({ status }) => status);
		assert.deepEqual(statuses, [499, ...new Array(999).fill(200)]);
		assert.deepEqual([calls.length, calls[0]?.aborted], [1, null]);
	});

	it("the last client leaves, and the call is aborted", async () => {
		const { send, clock, calls, assertNothingLeft } = testGateway(
			config,
			() => hanging,
		);
		const sent = Array.from({ length: 1000 }, () => send("/x"));
		await clock.advance(10);
		for (const { leave } of sent.slice(1)) leave();
		assert.equal(calls[0]?.aborted, null);
		sent[0]?.leave();
		assert.notEqual(calls[0]?.aborted, null);
		await clock.advance(0);
		assertNothingLeft();
	});

	it("equal POSTs are never merged", async () => {
		const { send, settle, calls } = testGateway(config, slow);
		for (let count = 0; count < 3; count++) send("/x", { method: "POST" });
		await settle();
		assert.equal(calls.length, 3);
	});

	it("a follower's later deadline keeps the call, an earlier one does not", async () => {
		const { send, settle, clock, calls } = testGateway(config, () => hanging);
		const first = send("/x");
		await clock.advance(600);
		const second = send("/x");
		await settle();
		assert.deepEqual(
			[(await first.answer).atMs, (await second.answer).atMs],
			[1000, 1600],
		);
		assert.deepEqual([calls.length, calls[0]?.endedMs], [1, 1600]);
	});

	it("a failure is everybody's, each in its own step", async () => {
		const { send, settle, calls, ended } = testGateway(config, () => ({
			error: new GatewayError("upstream_unreachable", "refused"),
			afterMs: 10,
		}));
		const [plain, optional] = [send("/x"), send("/optional")];
		await settle();
		assert.equal((await plain.answer).code, "upstream_unreachable");
		assert.equal(
			(await optional.answer).header("sluice-missing"),
			"mine;error=upstream_unreachable",
		);
		assert.equal(ended[0]?.error?.facts.step, "a");
		assert.equal(ended[1]?.missing[0]?.error.facts.step, "mine");
		assert.equal(calls.length, 1);
	});
});

describe("a shared answer", () => {
	const upstreams = { users: { url: "http://users.test", coalesce: true } };
	it("that a user's function changes fails that function's own request only", async () => {
		const { defineGateway } = await import("../../src/index.ts");
		const { checkValue, configOrThrow } = await import(
			"../../src/config/load.ts"
		);
		const config = defineGateway({
			upstreams,
			routes: {
				"GET /changes": {
					steps: {
						a: {
							async run(_args, { call }) {
								const { body } = await call("users/a");
								(body as { list: number[] }).list.push(3);
								return body;
							},
						},
					},
				},
				"GET /reads": { steps: { a: { get: "users/a" } } },
			},
		});
		const { send, settle, calls } = testGateway(
			configOrThrow(checkValue(config, "config", {})),
			() => ({ json: { list: [1, 2] }, afterMs: 5 }),
		);
		const sent = [send("/changes"), send("/reads"), send("/reads")];
		await settle();
		const answers = await Promise.all(sent.map(({ answer }) => answer));
		assert.equal(answers[0]?.code, "step_failed");
		assert.deepEqual(answers[1]?.json, { list: [1, 2] });
		assert.deepEqual(answers[2]?.json, { list: [1, 2] });
		assert.equal(calls.length, 1);
	});

	it("that is no JSON fails every reader alike, and is still a text to who wants that", async () => {
		const { send, settle, calls } = testGateway(
			{
				upstreams,
				routes: {
					"GET /json": { steps: { a: { get: "users/a" } } },
					"GET /text": { steps: { a: { get: "users/a", decode: "text" } } },
				},
			},
			() => ({ text: "{", afterMs: 5 }),
		);
		const sent = [send("/json"), send("/text"), send("/json")];
		await settle();
		const answers = await Promise.all(sent.map(({ answer }) => answer));
		assert.equal(answers[0]?.code, "upstream_invalid");
		assert.equal(answers[1]?.json, "{");
		assert.equal(answers[2]?.code, "upstream_invalid");
		assert.equal(calls.length, 1);
	});
});
