import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import type { Metric } from "../../src/telemetry/metrics/exposition.ts";
import {
	decisionMetrics,
	metrics as families,
	workerMetrics,
} from "../../src/telemetry/metrics/families.ts";
import { createMetrics } from "../../src/telemetry/metrics/metrics.ts";
import { type Reply, type SeenCall, testGateway } from "../kit/gateway.ts";
import { promtool, withoutPromtool } from "../kit/promtool.ts";

const yaml = `
upstreams:
  users:
    url: http://users.test
    retry: { attempts: 2 }
    cache: true
    breaker: true
  slow: { url: "http://slow.test", timeout: 100ms }
routes:
  GET /users/{id}:
    steps:
      user: { get: "users/users/\${params.id}" }
      extra: { get: slow/extra, optional: true }
    respond: { user: "\${user}", extra: "\${extra}" }
  GET /first:
    steps:
      quick: { get: users/quick }
      other: { get: slow/other }
      done: { reply: { body: "\${quick}" } }
    respond: "\${other}"
  ANY /files/{rest*}: { proxy: "slow/{rest*}" }
`;

async function counted(
	reply: (call: SeenCall) => Reply,
	asked: readonly (readonly [string, string?])[],
) {
	const { gateway, ask } = testGateway(yaml, reply);
	const metrics = createMetrics(gateway);
	for (const [target, method = "GET"] of asked) await ask(target, { method });
	const text = metrics.print("prometheus");
	const lines = text.split("\n");
	return {
		gateway,
		metrics,
		ask,
		text,
		/** The value of a sample; its labels in any order. */
		value(name: string, labels: Record<string, string> = {}): number {
			const found = lines.filter(
				(line) =>
					(line.startsWith(`${name}{`) || line.startsWith(`${name} `)) &&
					Object.entries(labels).every(([label, one]) =>
						line.includes(`${label}="${one}"`),
					),
			);
			return found.reduce(
				(sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))),
				0,
			);
		},
	};
}

const server = "http_server_request_duration_seconds";
const client = "http_client_request_duration_seconds";

describe("metrics", () => {
	it("counts requests by route, method and status, with the error's code", async () => {
		const { value } = await counted(
			({ request }) => (request.target === "/users/2" ? { status: 500 } : {}),
			[["/users/1"], ["/users/2"], ["/users/1", "HEAD"], ["/nowhere"]],
		);
		const http_route = "/users/{id}";
		assert.equal(value(`${server}_count`, { http_route }), 3);
		assert.equal(
			value(`${server}_count`, { http_route, http_request_method: "HEAD" }),
			1,
		);
		assert.equal(
			value(`${server}_count`, {
				http_route,
				http_response_status_code: "502",
				error_type: "upstream_status",
			}),
			1,
		);
		const unknown = { error_type: "route_not_found" };
		assert.equal(value(`${server}_count`, unknown), 1);
	});

	it("counts each bucket up to its bound, and what is beyond all", async () => {
		const { value } = await counted(
			({ upstream }) => (upstream === "users" ? { afterMs: 10 } : {}),
			[["/users/1"]],
		);
		const bucket = (le: string) =>
			value(`${client}_bucket`, { upstream: "users", le });
		assert.deepEqual(
			["0.005", "0.01", "0.025", "+Inf"].map(bucket),
			[0, 1, 1, 1],
		);
		assert.equal(value(`${client}_sum`, { upstream: "users" }), 0.01);
	});

	it("counts attempts with the path's template, retries among them", async () => {
		const { value } = await counted(
			({ request }) => (request.target === "/users/7" ? { status: 503 } : {}),
			[["/users/7"]],
		);
		const of = { upstream: "users", url_template: "/users/${params.id}" };
		assert.equal(value(`${client}_count`, of), 2);
		const failed = { ...of, error_type: "upstream_status" };
		assert.equal(value(`${client}_count`, failed), 2);
		assert.equal(
			value("sluice_retry_decisions_total", {
				upstream: "users",
				decision: "attempt",
			}),
			1,
		);
	});

	it("counts a call that was cancelled as no error of its upstream", async () => {
		const { value } = await counted(
			({ request }) => (request.target === "/other" ? { afterMs: 50 } : {}),
			[["/first"]],
		);
		assert.equal(
			value("sluice_cancelled_attempts_total", { upstream: "slow" }),
			1,
		);
		assert.equal(value(`${client}_count`, { upstream: "slow" }), 0);
	});

	it("tells partial answers from whole ones, and which part was missing and why", async () => {
		const { value } = await counted(
			({ request }) => (request.target === "/extra" ? { afterMs: 500 } : {}),
			[["/users/1"]],
		);
		const route = "GET /users/{id}";
		const count = (completeness: string) =>
			value("sluice_answers_total", { route, completeness });
		assert.deepEqual(["whole", "partial", "failed"].map(count), [0, 1, 0]);
		const missing = { route, step: "extra", error_type: "upstream_timeout" };
		assert.equal(value("sluice_missing_parts_total", missing), 1);
		const timedOut = { upstream: "slow", error_type: "upstream_timeout" };
		assert.equal(value(`${client}_count`, timedOut), 1);
	});

	it("gets no label value from 10,000 paths, methods and clients", async () => {
		const gateway = createGateway({
			routes: { "GET /hello/{name}": { respond: "${params.name}" } },
		});
		const metrics = createMetrics(gateway);
		const askedAt = (at: number) =>
			gateway.handle({
				method: at % 4 < 2 ? "GET" : `M${at}`,
				target: at % 2 === 0 ? `/hello/${at}` : `/nowhere/${at}`,
				ip: `10.${at >> 8}.${at & 255}.1`,
				headers: [],
			});
		for (let at = 0; at < 4; at++) await askedAt(at);
		const linesNow = () => metrics.print("prometheus").split("\n").length;
		const before = linesNow();
		for (let at = 4; at < 10_000; at++) await askedAt(at);
		assert.equal(linesNow(), before);
		assert.match(
			metrics.print("prometheus"),
			/_count\{http_route="\/hello\/\{name\}",http_request_method="GET",http_response_status_code="200"\} 2500$/m,
		);
		await gateway.close();
	});

	it("gets no label value from paths and statuses of calls", async () => {
		let status = 400;
		const { metrics, ask } = await counted(() => ({ status: status++ }), []);
		for (let at = 0; at < 99; at++) await ask(`/files/${at}`);
		const lines = metrics
			.print("prometheus")
			.split("\n")
			.filter((line) => line.startsWith(`${client}_count`));
		const templates = lines.map(
			(line) => /url_template="([^"]*)"/.exec(line)?.[1],
		);
		assert.deepEqual([...new Set(templates)], ["/{rest*}"]);
		// The 28 statuses that a standard has, and one for all others.
		assert.ok(lines.length < 32, `${lines.length}`);
	});

	it("counts what the server refused, by code", async () => {
		const { metrics } = await counted(() => ({}), []);
		metrics.refused(new GatewayError("request_invalid", "x"));
		assert.match(
			metrics.print("prometheus"),
			/^sluice_refused_requests_total\{error_type="request_invalid"\} 1$/m,
		);
	});

	it("counts nothing once it is detached, and leaves no listener", async () => {
		const { gateway, metrics, ask } = await counted(() => ({}), []);
		const { requestEnded, attemptEnded, policyDecided } = gateway.events;
		const all = [requestEnded, attemptEnded, policyDecided];
		const before = all.map((list) => list.length);
		metrics.detach();
		assert.deepEqual(
			all.map((list) => list.length),
			before.map((count) => count - 1),
		);
		await ask("/users/1");
		assert.ok(!metrics.print("prometheus").includes(`${server}_count{`));
	});

	it("shows the WebSockets of its server, and none without one", async () => {
		const { metrics, text } = await counted(() => ({}), []);
		assert.doesNotMatch(text, /^sluice_websocket/m);
		const shown = metrics.print("prometheus", {
			connections: () => 3,
			sessions: () => ({
				...{ open: 2, received: 5, sent: 7 },
				closed: new Map([
					["1000", 4],
					["4xxx", 1],
				]),
			}),
		});
		for (const line of [
			"sluice_websockets_open 2",
			'sluice_websocket_messages_total{direction="received"} 5',
			'sluice_websocket_messages_total{direction="sent"} 7',
			'sluice_websockets_closed_total{code="1000"} 4',
			'sluice_websockets_closed_total{code="4xxx"} 1',
		]) {
			assert.ok(shown.includes(`\n${line}\n`), line);
		}
	});

	it("shows breakers, slots and caches as they are", async () => {
		const { value } = await counted(() => ({}), [["/users/1"]]);
		const upstream = "users";
		const state = (state: string) =>
			value("sluice_breaker_state", { upstream, state });
		assert.deepEqual(["closed", "half_open", "open"].map(state), [1, 0, 0]);
		assert.equal(value("sluice_calls_running", { upstream }), 0);
		assert.ok(value("sluice_calls_limit", { upstream }) > 0);
		assert.equal(value("sluice_requests_running"), 0);
	});

	it("ends OpenMetrics as it must end, and names counters without their ending", async () => {
		const { metrics } = await counted(() => ({}), [["/users/1"]]);
		const text = metrics.print("openmetrics");
		assert.match(text, /\n# EOF\n$/);
		assert.match(text, /^# TYPE sluice_answers counter$/m);
		assert.match(text, /^sluice_answers_total\{/m);
		assert.match(text, /^# TYPE sluice_build info$/m);
	});

	it("tells of channels by their names in the config, and of no instance", async () => {
		const { gateway, ask } = testGateway(`
channels:
  room: { keep: { last: 1 } }
routes:
  POST /rooms/{id}:
    steps: { said: { publish: "room/\${params.id}", message: hello } }
    respond: "\${said}"
  GET /rooms/{id}: { listen: "room/\${params.id}" }
`);
		const metrics = createMetrics(gateway);
		await ask("/rooms/planted", { method: "POST" });
		await ask("/rooms/planted", { method: "POST" });
		await ask("/rooms/planted");
		const lines = metrics.print("prometheus").split("\n");
		const of = (name: string) =>
			lines.find((line) => line.startsWith(`sluice_channel_${name}{`));
		for (const [name, value] of [
			["published_total", 2],
			["delivered_total", 1],
			["instances", 1],
			["listeners", 0],
			["dropped_listeners_total", 0],
		]) {
			const sample = `sluice_channel_${name}{channel="room"} ${value}`;
			assert.equal(of(`${name}`), sample);
		}
		assert.ok(!metrics.print("prometheus").includes("planted"));
	});

	it("is described in docs/operating.md, metric by metric, and no other is", () => {
		const page = readFileSync(
			new URL("../../docs/operating.md", import.meta.url),
			"utf8",
		);
		const rows = [...page.matchAll(/^\| `((?:http|sluice|process)_\w+)`/gm)];
		assert.deepEqual(
			rows.map(([, name]) => name).sort(),
			[families, decisionMetrics, workerMetrics]
				.flatMap((some) => Object.values<Metric>(some))
				.map(({ name }) => name)
				.sort(),
		);
	});

	const skip = withoutPromtool();
	it("passes `promtool check metrics`", { skip }, async () => {
		const { text } = await counted(
			({ request }) => (request.target === "/extra" ? { status: 500 } : {}),
			[["/users/1"], ["/users/1"], ["/nowhere"], ["/files/a"]],
		);
		assert.equal(promtool(["check", "metrics"], text), "");
		const test = testGateway({ routes: { "GET /x": { respond: 1 } } });
		test.gateway.events.tracers.push({
			spansMax: 1,
			samples: () => false,
			ended() {},
			state: () => ({ sent: 1, failed: 2, dropped: 3, leftOut: 4, waiting: 5 }),
		});
		const traced = createMetrics(test.gateway).print("prometheus");
		assert.match(
			traced,
			/^sluice_traces_spans_total\{outcome="left_out"\} 4$/m,
		);
		assert.match(traced, /^sluice_traces_spans_waiting 5$/m);
		assert.equal(promtool(["check", "metrics"], traced), "");
	});

	it("has alerts that pass `promtool check rules`", { skip }, () => {
		const file = new URL("../../docs/alerts.yaml", import.meta.url).pathname;
		assert.equal(promtool(["check", "rules", file]), "");
	});
});
