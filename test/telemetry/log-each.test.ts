import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import { checkText } from "../../src/config/load.ts";
import { GatewayError } from "../../src/core/errors.ts";
import { createEvents, raise, type TrailEnded } from "../../src/core/events.ts";
import { Secrets } from "../../src/core/secrets.ts";
import { Trail } from "../../src/core/trail.ts";
import { attachLog } from "../../src/telemetry/log/attach-log.ts";
import type { Log } from "../../src/telemetry/log/log.ts";
import {
	type CallFacts,
	tellEach,
	UsualLine,
} from "../../src/telemetry/log/log-each.ts";
import { writeLine } from "../../src/telemetry/log/log-line.ts";
import { JsonBytes } from "../../src/telemetry/trail/json-bytes.ts";
import { folderWith } from "../kit/cli.ts";
import { byPath, hanging, type Reply, testRoute } from "../kit/gateway.ts";
import { linesOf } from "../kit/log.ts";

const all = { requests: "all" } as const;

const parts = {
	steps: {
		a: { get: "users/a" },
		b: {
			get: "users/b/${item}",
			each: "${['1','2']}",
			as: "item",
			optional: true,
		},
		c: { value: 1 },
	},
	respond: ["${a}", "${b}", "${c}"],
};

function problemsOf(log: string): string[] {
	const text = `routes: { GET /x: { respond: 1 } }\nlog: ${log}`;
	return checkText(text, "x.yaml", {}).problems.map(({ message }) => message);
}

describe("a line for each request", () => {
	it("says that a part is missing, why, and what the slowest call was", async () => {
		const replies = byPath({
			"/a": { json: 1, afterMs: 20 },
			"/b/1": { json: 1, afterMs: 5 },
			"/b/2": { status: 503, afterMs: 120 },
		});
		const test = testRoute(parts, replies);
		const lines = linesOf(test.gateway, all);
		await test.ask("/x");
		assert.deepEqual(lines, [
			{
				...{ level: "warn", words: "answered in part" },
				...{ route: "GET /x", method: "GET", status: 200, complete: false },
				...{ calls: 3, slowest: "b[1]", slowestMs: 120 },
				missing: [
					{
						step: "b[1]",
						code: "upstream_status",
						message: "users answered 503",
					},
				],
			},
		]);
	});

	it("says how many attempts its calls made, if that is another number", async () => {
		let failures = 2;
		const users = {
			url: "http://users.test",
			retry: { attempts: 3 },
			cache: { for: "1h" },
		};
		const route = { steps: { a: { get: "users/a" } }, respond: "${a}" };
		const replies = () => (failures-- > 0 ? { status: 503 } : { json: 1 });
		const test = testRoute(route, replies, { upstreams: { users } });
		const lines = linesOf(test.gateway, all);
		for (let count = 0; count < 2; count++) await test.ask("/x");
		await test.clock.advance(3_600_000);
		await test.ask("/x");
		assert.deepEqual(
			lines
				.filter(({ words }) => words === "answered")
				.map(({ calls, attempts }) => [calls, attempts]),
			[
				[1, 3],
				[1, 0],
				[1, undefined],
			],
		);
	});

	it("names sixteen missing parts, and how many more there are", async () => {
		for (const [count, named, more] of [
			[15, 15, undefined],
			[16, 16, undefined],
			[17, 16, 1],
		] as const) {
			const items = Array.from({ length: count }, () => 1);
			const steps = { a: { get: "users/a", each: items, optional: true } };
			const test = testRoute({ steps, respond: "${a}" }, () => ({
				status: 500,
			}));
			const lines = linesOf(test.gateway, all);
			await test.ask("/x");
			const [line] = lines as { missing?: unknown[]; missingMore?: number }[];
			assert.deepEqual(
				[line?.missing?.length, line?.missingMore],
				[named, more],
			);
		}
	});

	it("has the cause of a failure, and what was written", async () => {
		const steps = {
			order: { post: "users/order" },
			pay: { post: "users/pay", after: ["order"] },
		};
		const replies = byPath({ "/order": {}, "/pay": { status: 500 } });
		const test = testRoute({ steps, respond: "${pay}" }, replies);
		const lines = linesOf(test.gateway, all);
		for (let count = 0; count < 20; count++) await test.ask("/x");
		assert.equal(lines.length, 20);
		assert.deepEqual(lines[19], {
			...{ level: "error", words: "request failed" },
			...{ route: "GET /x", method: "GET", status: 502 },
			...{ calls: 2, slowest: "order", slowestMs: 0 },
			...{ code: "upstream_status", message: "users answered 500" },
			...{ step: "pay", upstream: "users", upstreamStatus: 500, callMs: 0 },
			...{ call: "POST users/pay", wrote: ["order"], mayHaveWritten: ["pay"] },
		});
	});

	it("counts a call that had not ended up to the request's end", async () => {
		const steps = { a: { get: "users/a" } };
		const route = { steps, deadline: "50ms", respond: "${a}" };
		const test = testRoute(route, () => hanging);
		const lines = linesOf(test.gateway, all);
		await test.ask("/x");
		const [{ words, code, calls, slowest, slowestMs } = {}] = lines;
		assert.deepEqual(
			[words, code, calls, slowest, slowestMs],
			["request failed", "deadline_exceeded", 1, "a", 50],
		);
	});

	it("has the trace's id in each line of a request that is traced, and in no other", async () => {
		const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
		const route = {
			steps: { a: { get: "users/a" }, b: { get: "users/b", optional: true } },
			respond: "${[a, b]}",
		};
		for (const [requests, of, words] of [
			["all", { a: 200, b: 200 }, ["answered"]],
			["all", { a: 200, b: 500 }, ["answered in part"]],
			["all", { a: 500, b: 200 }, ["request failed"]],
			["partial", { a: 500, b: 200 }, ["request failed"]],
			[
				"partial",
				{ a: 200, b: 500 },
				["an answer lacks a part: a fallback or null stands in"],
			],
		] as const) {
			for (const samples of [true, false]) {
				const replies = { "/a": { status: of.a }, "/b": { status: of.b } };
				const test = testRoute(route, byPath(replies));
				test.gateway.events.tracers.push({
					...{ spansMax: 10, samples: () => samples, ended() {} },
					state: () => assert.fail("nobody asks"),
				});
				const lines = linesOf(test.gateway, { requests });
				const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
				await test.ask("/x", { headers: ["traceparent", traceparent] });
				assert.deepEqual(
					lines.map((line) => [line.words, line.traceId]),
					words.map((one) => [one, samples ? traceId : undefined]),
				);
			}
		}
	});

	it("says that its client left", async () => {
		const test = testRoute(
			{ steps: { a: { get: "users/a" } }, respond: "${a}" },
			() => hanging,
		);
		const lines = linesOf(test.gateway, all);
		for (let count = 0; count < 3; count++) {
			const { answer, leave } = test.send("/x");
			leave();
			await answer;
		}
		assert.deepEqual(
			lines.map(({ level, words, code }) => [level, words, code]),
			Array(3).fill([
				"info",
				"the client left before it had its answer",
				undefined,
			]),
		);
	});

	it("says why its client was cut off", async () => {
		const route = { steps: { a: { get: "users/a" } }, respond: "${a}" };
		const test = testRoute(route, () => hanging);
		const lines = linesOf(test.gateway, all);
		const { answer, scope } = test.send("/x");
		const facts = { cutOff: true } as const;
		scope.cancel(new GatewayError("client_closed", "its words", facts));
		await answer;
		assert.deepEqual(
			lines.map(({ level, words, message }) => [level, words, message]),
			[
				[
					...["info", "the client was cut off before it had its answer"],
					"its words",
				],
			],
		);
	});

	it("holds nothing of a client's but its request's id", async () => {
		const route = {
			request: { query: { n: { type: "integer" } } },
			respond: "${query.n}",
		};
		const test = testRoute(route);
		const lines = linesOf(test.gateway, all);
		await test.ask("/x?n=planted-secret");
		await test.ask("/planted-secret");
		await test.ask("/x", { method: "DELETE" });
		await test.ask("/x", { method: "PLANTED-SECRET" });
		assert.deepEqual(
			lines.map(({ route = null, code, method, calls }) => [
				...[route, code, method, calls],
			]),
			[
				["GET /x", "request_invalid", "GET", 0],
				[null, "route_not_found", undefined, 0],
				[null, "method_not_allowed", undefined, 0],
				[null, "request_invalid", undefined, 0],
			],
		);
		assert.ok(!JSON.stringify(lines).toLowerCase().includes("planted"));
	});

	it("is one a second for what is refused for overload, unless something was written", async () => {
		const test = testRoute({ respond: 1 });
		const lines = linesOf(test.gateway, all);
		const end = (outcome: "done" | "refused") => {
			const error = new GatewayError("overloaded", "too many requests");
			const of = { requestId: "1", method: "GET", arrivedMs: 0 };
			raise(test.gateway.events.trailEnded, {
				...{ ...of, route: "GET /x", status: 503, durationMs: 1, error },
				...{ missing: [], outlived: false, parts: null },
				writes: [{ step: "order", index: [], outcome }],
				trail: new Trail(test.clock, of),
			});
		};
		for (let count = 0; count < 50; count++) end("refused");
		end("done");
		await test.clock.advance(1000);
		assert.deepEqual(
			lines.map(({ level, code, count, wrote }) => [level, code, count, wrote]),
			[
				["warn", "overloaded", undefined, undefined],
				["error", "overloaded", undefined, ["order"]],
				["warn", "overloaded", 49, undefined],
			],
		);
	});
});

describe("which requests have a line", () => {
	const replies: Reply[] = [
		{ json: 1 },
		{ status: 500 },
		{ json: 1 },
		{ json: 1 },
	];
	const route = {
		request: { query: { "bad?": { type: "integer" } } },
		steps: {
			a: { get: "users/a" },
			b: { get: "users/b", optional: true },
		},
		respond: ["${a}", "${b}"],
	};
	const told = async (
		settings: Parameters<typeof linesOf>[1],
		random?: () => number,
	) => {
		let at = 0;
		let b: Reply = { json: 1 };
		const test = testRoute(route, ({ request: { target } }) =>
			target === "/b" ? b : (replies[at++ % replies.length] as Reply),
		);
		const lines = linesOf(test.gateway, settings, random);
		await test.ask("/x");
		await test.ask("/x");
		b = { status: 500 };
		await test.ask("/x");
		b = { json: 1 };
		await test.ask("/x?bad=x");
		return lines.map(({ words }) => words);
	};
	const failed = "request failed";
	const lacks = "an answer lacks a part: a fallback or null stands in";

	it("is what `requests` says", async () => {
		assert.deepEqual(await told({ requests: "none" }), []);
		assert.deepEqual(await told({ requests: "failed" }), [failed]);
		assert.deepEqual(await told({}), [failed, lacks]);
		assert.deepEqual(await told({ clientErrors: true }), [
			...[failed, lacks, "request refused"],
		]);
		assert.deepEqual(await told(all), [
			...["answered", failed, "answered in part", "request refused"],
		]);
	});

	it("is a share of the good ones, and of failed and partial ones all", async () => {
		const sampled = { ...all, sample: 0.25 };
		const kept = [failed, "answered in part"];
		assert.deepEqual(await told(sampled, () => 0.25), kept);
		assert.deepEqual(await told(sampled, () => 0.999), kept);
		assert.deepEqual(await told(sampled, () => 0.249), [
			...["answered", failed, "answered in part", "request refused"],
		]);
	});

	it("counts a call that goes on up to the end of its request, also if the line is made later", async () => {
		const { clock } = testRoute({ respond: 1 });
		const lines: object[] = [];
		let make = () => {};
		const log = {
			info: (line: object) => lines.push(line),
			putOff(later: () => void) {
				make = later;
			},
		} as unknown as Log;
		const tell = tellEach(new Map(), log, 1, Math.random, clock);
		const of = { requestId: "a", method: "GET", arrivedMs: clock.now() };
		const trail = new Trail(clock, of);
		const call = trail
			.step("a", [], null)
			?.call({ upstream: "users", method: "GET", template: null });
		await clock.advance(50);
		trail.close();
		tell({
			...{ ...of, route: "GET /x", status: 200, durationMs: 50, trail },
			...{ error: null, missing: [], writes: [], parts: null, outlived: false },
		});
		assert.deepEqual(lines, []);
		await clock.advance(30);
		call?.ended(null);
		make();
		const [line] = lines as { calls?: number; slowestMs?: number }[];
		assert.deepEqual([line?.calls, line?.slowestMs], [1, 50]);
	});

	it("of a usual request is written as its fields are, whatever stands in them", async () => {
		const out = new JsonBytes();
		const written = (fields: object) => {
			writeLine(out, 30, fields, "answered", null, 1_000);
			const line = out.slice(0, out.length).toString();
			out.cut(0);
			return line;
		};
		const text = fc.oneof(
			fc.string({ unit: "binary", maxLength: 100 }),
			fc.constantFrom('a "b" \\c', "\u001b[2K", "x".repeat(500), ""),
		);
		const ends = fc.record({
			...{ requestId: text, method: text, route: text },
			...{ status: fc.nat(599), durationMs: fc.double({ min: 0, max: 1e12 }) },
		});
		const calls = fc.record({
			...{ count: fc.nat(), slowest: fc.option(fc.record({ path: text })) },
			slowestMs: fc.double({ min: 0, max: 1e12 }),
		});
		fc.assert(
			fc.property(ends, calls, (end, made) => {
				const line = new UsualLine(
					end as unknown as TrailEnded,
					made as unknown as CallFacts,
				);
				assert.equal(written(line), written({ ...line }));
			}),
		);
	});

	it("of a usual request has the fields of any other, in their order", async () => {
		using folder = folderWith({ log: "" });
		const path = join(folder.path, "log");
		const fd = openSync(path, "a");
		const test = testRoute(parts, () => ({ json: 1, afterMs: 3 }));
		const { plan } = test.gateway;
		const settings = { ...plan.log, ...all, format: "json" as const };
		const log = attachLog(
			{
				...{ plan: { ...plan, log: settings }, secrets: new Secrets() },
				...{ events: test.gateway.events, clock: test.clock },
			},
			{ fd },
		);
		await test.ask("/x");
		// As a job's its line is no usual one.
		test.gateway.events.trailEnded.unshift((end) =>
			Object.assign(end, { job: true }),
		);
		await test.ask("/x");
		await log.close();
		closeSync(fd);
		const same = (line: string) => ({
			...JSON.parse(line),
			...{ requestId: "", time: "" },
		});
		const [usual = "", other = ""] = readFileSync(path, "utf8").split("\n");
		assert.deepEqual(same(other), { ...same(usual), job: true });
		assert.deepEqual(
			Object.keys(same(other)).filter((key) => key !== "job"),
			Object.keys(same(usual)),
		);
	});

	it("has the time at which its request ended, also if the line is made later", async () => {
		const { clock } = testRoute({ respond: 1 });
		const times: number[] = [];
		let make = () => {};
		const log = {
			info: (_: object, _1: string, atMs: number) => times.push(atMs),
			putOff(later: () => void) {
				make = later;
			},
		} as unknown as Log;
		const tell = tellEach(new Map(), log, 1, Math.random, clock);
		for (let count = 0; count < 3; count++) {
			const of = { requestId: "a", method: "GET", arrivedMs: clock.now() };
			await clock.advance(50);
			tell({
				...{ ...of, route: "GET /x", status: 200, durationMs: 50 },
				...{ trail: new Trail(clock, of), error: null, missing: [] },
				...{ writes: [], parts: null, outlived: false },
			});
		}
		await clock.advance(30);
		const nowMs = Date.now();
		make();
		const [first = 0, second = 0, third = 0] = times;
		assert.deepEqual([second - first, third - second], [50, 50]);
		assert.ok(Math.abs(third + 30 - nowMs) <= 5, `${nowMs - third} ms`);
	});

	it("builds no trail unless every request has a line", () => {
		for (const requests of ["none", "failed", "partial", "all"] as const) {
			const { plan } = testRoute({ respond: 1 }).gateway;
			const events = createEvents();
			const gateway = {
				...{ plan: { ...plan, log: { ...plan.log, requests } }, events },
				clock: testRoute({ respond: 1 }).clock,
				secrets: new Secrets(),
			};
			const log = attachLog(gateway);
			assert.equal(events.trailEnded.length, requests === "all" ? 1 : 0);
			assert.deepEqual([events.callEnded, events.attemptEnded], [[], []]);
			void log.close();
			const left = Object.values(events).flat();
			assert.deepEqual(left, []);
		}
	});
});

describe("the keys of `log`", () => {
	it("are refused if one would do nothing", () => {
		assert.deepEqual(problemsOf("{ requests: all, sample: 0.5 }"), []);
		assert.deepEqual(problemsOf("{ sample: 1 }"), []);
		for (const [log, message] of [
			["{ sample: 0.5 }", /only `requests: all` tells/],
			["{ requests: failed, sample: 0.5 }", /only `requests: all`/],
			["{ requests: all, sample: 0 }", /a share above 0, at most 1/],
			["{ requests: all, sample: 1.1 }", /a share above 0, at most 1/],
			["{ requests: none, clientErrors: true }", /tells of none/],
			["{ requests: some }", /none/],
			["{ format: xml }", /json/],
		] as const) {
			const problems = problemsOf(log);
			assert.equal(problems.length, 1, log);
			assert.match(problems[0] ?? "", message);
		}
	});

	it("have taken the place of `server.logClientErrors`, which says so", () => {
		const text = `routes: { GET /x: { respond: 1 } }\nserver: { logClientErrors: true }`;
		const [problem] = checkText(text, "x.yaml", {}).problems;
		assert.match(
			problem?.message ?? "",
			/unknown key `logClientErrors`.*write `log: \{ clientErrors: true \}` beside `server`/,
		);
	});
});

describe("a log that a program attaches", () => {
	it("takes the number of an open file, and nothing else", () => {
		const { gateway } = testRoute({ respond: 1 });
		const before = Object.values(gateway.events).flat();
		for (const fd of [-1, 1.5, Number.NaN, 2 ** 31]) {
			assert.throws(() => attachLog(gateway, { fd }), RangeError);
		}
		assert.deepEqual(Object.values(gateway.events).flat(), before);
	});
});
