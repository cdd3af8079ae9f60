import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import { virtualClock } from "../../src/tasks/clock.ts";
import type { Log } from "../../src/telemetry/log/log.ts";
import { logEvents } from "../../src/telemetry/log/log-events.ts";
import { readable } from "../../src/telemetry/log/log-line.ts";
import { logRefusal } from "../../src/telemetry/log/log-requests.ts";
import { Repeats } from "../../src/telemetry/log/repeats.ts";
import { byPath, hanging, type Reply, testRoute } from "../kit/gateway.ts";
import { linesOf } from "../kit/log.ts";
import { serve } from "../kit/serve.ts";

const missing = "an answer lacks a part: a fallback or null stands in";

describe("the log", () => {
	it("tells once a second of an optional part that is missing, with upstream, call, time and status", async () => {
		const route = {
			steps: {
				a: { get: "users/users/${request.method}/x", optional: true },
				b: { value: 1 },
			},
			respond: ["${a}", "${b}"],
		};
		const down: Reply = { status: 503, afterMs: 120 };
		const test = testRoute(route, () => down);
		const lines = linesOf(test.gateway);
		for (let count = 0; count < 20; count++) await test.ask("/x");
		const line = {
			level: "warn",
			words: missing,
			route: "GET /x",
			step: "a",
			code: "upstream_status",
			message: "users answered 503",
			upstream: "users",
			upstreamStatus: 503,
			call: "GET users/users/${request.method}/x",
			callMs: 120,
		};
		// The 20 requests took 2.4 seconds.
		assert.deepEqual(lines.slice(0, 2), [line, { ...line, count: 9 }]);
		assert.ok(lines.length <= 3, `${lines.length} lines`);
	});

	it("tells of a fallback in a list and in a group, with its place", async () => {
		const route = {
			steps: {
				g: {
					steps: {
						a: {
							get: "users/${item}",
							each: "${['1', '2']}",
							as: "item",
							fallback: 0,
						},
					},
				},
			},
			respond: "${g}",
		};
		const html = { text: "<html>" };
		const test = testRoute(route, byPath({ "/1": {}, "/2": html }));
		const lines = linesOf(test.gateway);
		await test.ask("/x");
		assert.deepEqual(lines, [
			{
				level: "warn",
				words: missing,
				route: "GET /x",
				step: "g.a",
				index: [1],
				code: "upstream_invalid",
				message:
					"users answered what is not JSON: HTML (status 200, no media type)",
				upstream: "users",
				upstreamStatus: 200,
				call: "GET users/${item}",
				callMs: 0,
			},
		]);
	});

	it("tells of a stale answer that stands in for a failed one", async () => {
		const route = { steps: { a: { get: "users/a" } }, respond: "${a}" };
		let reply: Reply = { json: 1 };
		const cache = { for: "1s", stale: "1h" };
		const users = { url: "http://users.test", cache };
		const test = testRoute(route, () => reply, { upstreams: { users } });
		const lines = linesOf(test.gateway);
		await test.ask("/x");
		await test.clock.advance(2000);
		reply = { status: 500 };
		await test.ask("/x");
		await test.ask("/x");
		assert.deepEqual(
			lines.map(({ words, code, reason }) => [words, code ?? reason]),
			[
				["a cache could not get a newer answer", "upstream_status"],
				["an answer has a stale part", "upstream_status"],
			],
		);
	});

	it("tells when a breaker opens, why, and when it closes", async () => {
		const route = { steps: { a: { get: "users/a" } }, respond: "${a}" };
		let reply: Reply = { status: 500 };
		const users = {
			url: "http://users.test",
			breaker: { calls: 2, probeEvery: "1s" },
		};
		const test = testRoute(route, () => reply, { upstreams: { users } });
		const lines = linesOf(test.gateway);
		for (let count = 0; count < 5; count++) await test.ask("/x");
		reply = {};
		await test.clock.advance(1000);
		await test.ask("/x");
		const told = lines.map(({ words, code, reason, count }) =>
			[words, code ?? reason, count].filter((part) => part !== undefined),
		);
		assert.deepEqual(told, [
			["request failed", "upstream_status"],
			[
				"a breaker opened: calls are refused until one succeeds",
				"upstream_status",
			],
			["request failed", "upstream_status"],
			["request failed", "breaker_open"],
			["request failed", "breaker_open", 2],
			["a breaker closed"],
		]);
	});

	it("tells when a URL is left out", async () => {
		const route = { steps: { a: { get: "users/a" } }, respond: "${a}" };
		const users = { urls: ["http://one.test", "http://two.test"] };
		const test = testRoute(
			route,
			({ origin }) => ({ status: origin.includes("two") ? 500 : 200 }),
			{ upstreams: { users } },
		);
		const lines = linesOf(test.gateway);
		for (let count = 0; count < 30; count++) await test.ask("/x");
		assert.deepEqual(
			lines.filter(({ words }) => words !== "request failed"),
			[
				{
					level: "warn",
					words: "a URL is left out for a while",
					upstream: "users",
					url: 2,
					reason: "upstream_status",
				},
			],
		);
	});

	it("tells of clients that leave, once a second", async () => {
		const route = { steps: { a: { get: "users/a" } }, respond: "${a}" };
		const test = testRoute(route, () => hanging);
		const lines = linesOf(test.gateway);
		for (let count = 0; count < 10; count++) {
			const { answer, leave } = test.send("/x");
			leave();
			await answer;
		}
		await test.clock.advance(1000);
		const line = {
			level: "info",
			words: "the client left before it had its answer",
			route: "GET /x",
		};
		assert.deepEqual(lines, [line, { ...line, count: 9 }]);
	});

	it("says why a client was cut off, in lines of their own", async () => {
		const route = { steps: { a: { get: "users/a" } }, respond: "${a}" };
		const test = testRoute(route, () => hanging);
		const lines = linesOf(test.gateway);
		const message = "the client took nothing of its answer";
		for (let count = 0; count < 3; count++) {
			const { answer, scope, leave } = test.send("/x");
			scope.cancel(
				new GatewayError("client_closed", message, { cutOff: true }),
			);
			await answer;
			const other = test.send("/x");
			other.leave();
			leave();
			await other.answer;
		}
		await test.clock.advance(1000);
		const words = "the client was cut off before it had its answer";
		assert.deepEqual(
			lines.map(({ words, message, count }) => [words, message, count]),
			[
				[words, message, undefined],
				["the client left before it had its answer", undefined, undefined],
				[words, message, 2],
				["the client left before it had its answer", undefined, 2],
			],
		);
	});

	it("tells of a proxied answer that broke off after its head", async () => {
		const upstream = createServer((_, response) => {
			response.writeHead(200, { "content-length": "10" });
			response.write("12345", () => response.destroy());
		});
		await new Promise<void>((resolve) =>
			upstream.listen(0, "127.0.0.1", resolve),
		);
		const { port } = upstream.address() as AddressInfo;
		await using served = await serve(
			'upstreams: { up: { url: "${env.URL}" } }\nroutes: { "GET /f/{rest*}": { proxy: "up/files/{rest*}" } }',
			{ URL: `http://127.0.0.1:${port}` },
		);
		const lines = linesOf(served.gateway);
		await assert.rejects(served.get("/f/planted-secret"));
		upstream.close();
		const [line] = lines;
		assert.equal(lines.length, 1);
		assert.equal(line?.words, "answer cut");
		assert.equal(line?.call, "GET up/files/{rest*}");
		assert.equal(line?.code, "upstream_invalid");
		assert.equal(typeof line?.callMs, "number");
	});

	it("tells of answers from 400 to 499 only if it is asked to, and nothing that clients sent", async () => {
		const route = {
			request: { query: { n: { type: "integer" } } },
			respond: "${query.n}",
		};
		for (const clientErrors of [false, true]) {
			const test = testRoute(route);
			const lines = linesOf(test.gateway, { clientErrors });
			for (let count = 0; count < 5; count++) {
				await test.ask("/x?n=planted-secret", { method: "GET" });
				await test.ask("/planted-secret");
				await test.ask("/x", { method: "DELETE" });
				await test.ask("/x", { method: "PLANTED-SECRET" });
			}
			await test.clock.advance(1000);
			const told = lines.map(({ code, status, route = null, count = 1 }) => [
				...[code, status, route, count],
			]);
			const refused = [
				["request_invalid", 400, "GET /x"],
				["route_not_found", 404, null],
				["method_not_allowed", 405, null],
				["request_invalid", 501, null],
			];
			const faults = lines.map(({ faults }) => faults);
			if (clientErrors) assert.deepEqual(faults[0], ["query.n"]);
			assert.deepEqual(
				told,
				clientErrors
					? [1, 4].flatMap((count) => refused.map((line) => [...line, count]))
					: [],
			);
			assert.ok(!JSON.stringify(lines).toLowerCase().includes("planted"));
		}
	});

	it("names no place in a body, because clients make up its names", async () => {
		const body = {
			type: "object",
			additionalProperties: { type: "integer" },
		};
		const route = { request: { body }, respond: "${body}" };
		const test = testRoute(route, undefined, { key: "POST /x" });
		const lines = linesOf(test.gateway, { clientErrors: true });
		await test.ask("/x", { method: "POST", body: { planted: "secret" } });
		assert.deepEqual(lines[0]?.faults, ["body"]);
		assert.ok(!JSON.stringify(lines).includes("planted"));
	});

	it("tells of requests that the server itself refused, if it is asked to", () => {
		const clock = virtualClock();
		const lines: object[] = [];
		const info = (fields: object) => lines.push(fields);
		const log = { repeats: new Repeats(clock), info } as unknown as Log;
		const refused = new GatewayError("misdirected", "its words");
		const full = new GatewayError("overloaded", "too many connections");
		const { log: settings } = testRoute({ respond: 1 }).gateway.plan;
		const asked = { ...settings, clientErrors: true };
		logRefusal(refused, "1", log, settings);
		logRefusal(full, "2", log, asked);
		for (const id of ["3", "4", "5"]) {
			logRefusal(refused, id, log, asked);
		}
		log.repeats.writeHeld();
		const line = { route: null, status: 421, code: "misdirected" };
		assert.deepEqual(lines, [
			{ requestId: "3", ...line, message: "its words" },
			{ requestId: "5", ...line, message: "its words", count: 2 },
		]);
	});

	it("hears nothing any more once it is detached, and others still do", async () => {
		const route = { steps: { a: { get: "users/a" } }, respond: "${a}" };
		const test = testRoute(route, () => ({ status: 500 }));
		const lines: string[] = [];
		const error = (_: object, words: string) => lines.push(words);
		const log = { repeats: new Repeats(test.clock), error } as unknown as Log;
		const detach = logEvents(test.gateway, log, test.gateway.plan.log);
		const others = linesOf(test.gateway);
		await test.ask("/x");
		detach();
		detach();
		await test.ask("/x");
		assert.deepEqual([lines.length, others.length], [1, 2]);
	});

	it("tells nothing of an answer that is whole", async () => {
		const route = {
			steps: { a: { get: "users/a", optional: true } },
			respond: "${a}",
		};
		const test = testRoute(route, () => ({ json: 1 }));
		const lines = linesOf(test.gateway, { clientErrors: true });
		await test.ask("/x");
		assert.deepEqual(lines, []);
	});
});

describe("a line of the log on a terminal", () => {
	const json = (fields: object) =>
		JSON.stringify({
			level: 50,
			time: new Date(2026, 10, 29, 3, 4, 5).toISOString(),
			...fields,
		});

	it("has the time, what happened and why, and then the fields", () => {
		const line = json({
			msg: "request failed",
			code: "upstream_status",
			message: "users answered 500",
			route: "GET /x",
			step: null,
			index: [0, 1],
			callMs: 12,
		});
		assert.equal(
			readable(line, false),
			'03:04:05 error request failed: upstream_status: users answered 500 route="GET /x" index=[0,1] callMs=12\n',
		);
		assert.equal(
			readable(json({ level: 40, msg: "draining" }), true),
			"03:04:05 \x1b[33mwarn \x1b[39m draining\x1b[2m\x1b[22m\n",
		);
	});

	it("cannot be made to look like two lines, or to change the terminal", () => {
		const line = readable(
			json({
				msg: "a\nb\x1b[2J",
				code: "\u202e",
				why: "\x9b1m\n",
				stack: "s\x07",
			}),
			false,
		);
		assert.equal(
			line,
			'03:04:05 error a\\u000ab\\u001b[2J: \\u202e why="\\u009b1m\\n"\ns\\u0007\n',
		);
	});
});

describe("the log of a request that has written", () => {
	const ordering = {
		steps: {
			order: { post: "orders/order" },
			payment: { post: "users/charge", after: ["order"] },
		},
		respond: "${payment}",
	};
	const failing = byPath({
		"/order": { afterMs: 100 },
		"/charge": { status: 500, afterMs: 100 },
	});

	it("has a line for each that fails, with what it wrote and may have written", async () => {
		const test = testRoute(ordering, failing);
		const lines = linesOf(test.gateway);
		for (let count = 0; count < 20; count++) {
			test.send("/x");
		}
		await test.clock.settle();
		assert.equal(lines.length, 20);
		assert.deepEqual(lines[19], {
			level: "error",
			words: "request failed",
			method: "GET",
			route: "GET /x",
			status: 502,
			code: "upstream_status",
			message: "users answered 500",
			step: "payment",
			upstream: "users",
			upstreamStatus: 500,
			callMs: 100,
			call: "POST users/charge",
			wrote: ["order"],
			mayHaveWritten: ["payment"],
		});
	});

	it("says that the client had left", async () => {
		const test = testRoute(ordering, failing);
		const lines = linesOf(test.gateway);
		const { leave } = test.send("/x");
		await test.clock.advance(150);
		leave();
		await test.clock.settle();
		const [{ words, status, wrote } = {}, ...others] = lines;
		assert.deepEqual(
			[words, status, wrote, others],
			["request failed after its client had left", 499, ["order"], []],
		);
	});

	it("says that it was finished, and what its answer would have lacked", async () => {
		const { order, payment } = ordering.steps;
		const steps = { order, payment: { ...payment, optional: true } };
		const test = testRoute({ ...ordering, steps }, failing);
		const lines = linesOf(test.gateway);
		const { leave } = test.send("/x");
		await test.clock.advance(150);
		leave();
		await test.clock.settle();
		assert.deepEqual(
			lines.map(({ level, words, step }) => [level, words, step]),
			[
				[
					"info",
					"the client left before it had its answer, and its request was finished",
					undefined,
				],
				["warn", missing, "payment"],
			],
		);
	});

	it("tells of one that was refused memory afterwards, and not of one that had written nothing", async () => {
		const overloaded = new GatewayError("overloaded", "no memory");
		for (const [outcome, count] of [
			["done", 1],
			["unknown", 1],
			["refused", 0],
		] as const) {
			const test = testRoute(ordering, failing);
			const lines = linesOf(test.gateway);
			for (const listen of test.gateway.events.requestEnded) {
				listen({
					requestId: "1",
					method: "GET",
					route: "GET /x",
					status: 503,
					durationMs: 1,
					error: overloaded,
					missing: [],
					outlived: false,
					parts: null,
					writes: [{ step: "order", index: [], outcome }],
				});
			}
			assert.equal(lines.length, count);
		}
	});

	it("names sixteen writes, and how many more there are", async () => {
		const test = testRoute(
			{
				steps: {
					all: { each: Array.from({ length: 20 }, () => 1), put: "users/put" },
					bad: { get: "orders/bad", after: ["all"] },
				},
				respond: ["${all}", "${bad}"],
			},
			byPath({ "/bad": { status: 500 } }),
		);
		const lines = linesOf(test.gateway);
		await test.ask("/x");
		const wrote = lines[0]?.wrote as string[];
		assert.deepEqual(
			[wrote.length, wrote[0], wrote[15], wrote[16]],
			[17, "all[0]", "all[15]", "4 more"],
		);
	});
});

describe("the log of writes that are undone", () => {
	const undoing = {
		steps: {
			a: {
				each: [1, 2],
				parallel: 1,
				post: "users/a",
				undo: { post: "users/undo", body: { id: "${answer.id}" } },
			},
			bad: { get: "orders/bad", after: ["a"] },
		},
		respond: ["${a}", "${bad}"],
	};

	it("has a line for each that could not be, with all that is needed to do it by hand", async () => {
		const test = testRoute(
			undoing,
			byPath({
				"/a": { json: { id: 7 } },
				"/bad": { status: 500 },
				"/undo": { status: 503 },
			}),
		);
		const lines = linesOf(test.gateway);
		for (let count = 0; count < 20; count++) await test.ask("/x");
		const failed = lines.filter(({ undo }) => undo !== undefined);
		assert.equal(failed.length, 40);
		assert.deepEqual(failed[0], {
			level: "error",
			words: "a write could not be undone: look at it by hand",
			route: "GET /x",
			code: "upstream_status",
			message: "users answered 503",
			upstream: "users",
			upstreamStatus: 503,
			step: "a",
			index: [1],
			write: "POST users /a",
			undo: "POST users /undo",
			body: '{"id":7}',
		});
	});

	it("tells once a second of those that were", async () => {
		const test = testRoute(
			undoing,
			byPath({ "/a": { json: { id: 7 } }, "/bad": { status: 500 } }),
		);
		const lines = linesOf(test.gateway);
		await test.ask("/x");
		const undone = lines.filter(({ level }) => level === "info");
		assert.deepEqual(
			undone.map(({ words, step }) => [words, step]),
			[["a write was undone", "a"]],
		);
	});
});
