import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { headerOf } from "../../src/core/http/headers.ts";
import { createMetrics } from "../../src/telemetry/metrics/metrics.ts";
import { attachTraces } from "../../src/telemetry/traces/attach-traces.ts";
import { type CollectorAnswer, startCollector } from "../kit/collector.ts";
import { type ServedGateway, serve } from "../kit/serve.ts";
import { json, type RealUpstream, startUpstream } from "../kit/upstream.ts";

const traceId = "12345678901234567890123456789012";
const parentId = "1234567890123456";
const traceparent = `00-${traceId}-${parentId}-01`;

let stack: AsyncDisposableStack;
let upstream: RealUpstream;
let gateway: ServedGateway;
let lines: { readonly words: string; readonly fields: object }[];

beforeEach(async () => {
	stack = new AsyncDisposableStack();
	lines = [];
	let failing = 2;
	upstream = stack.use(
		await startUpstream(({ target }, response) => {
			if (target.startsWith("/retried") && failing-- > 0) {
				return json(response, {}, 503);
			}
			json(response, { id: 7 });
		}),
	);
	gateway = stack.use(
		await serve(`
upstreams:
  users: { url: "${upstream.url}", retry: { attempts: 3 } }
routes:
  GET /plain: { respond: hello }
  GET /whole/{id}:
    steps:
      user: { get: "users/users/\${params.id}" }
      orders: { get: "users/orders/\${user.id}" }
      retried: { get: users/retried }
    respond: ["\${user}", "\${orders}", "\${retried}"]
  GET /proxied: { proxy: users/proxied }
`),
	);
});

afterEach(() => stack.disposeAsync());

async function attach(endpoint: string, env: Record<string, string> = {}) {
	const warn = (fields: object, words: string) => lines.push({ fields, words });
	const traces = await attachTraces(gateway.gateway, {
		env: {
			OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
			OTEL_BSP_SCHEDULE_DELAY: "0",
			...env,
		},
		log: { warn } as never,
	});
	return traces ?? assert.fail("there are no traces");
}

/** The numbers of spans by outcome, as Prometheus reads them. */
function outcomes(): Record<string, number> {
	const text = createMetrics(gateway.gateway).print("prometheus");
	const found = text.matchAll(
		/^sluice_traces_spans_total\{outcome="(\w+)"\} (\d+)$/gm,
	);
	return Object.fromEntries(
		[...found].map(([, name, count]) => [name, Number(count)]),
	);
}

describe("traces", () => {
	it("come as spans below each other, with the ids that the upstream saw", async () => {
		await using collector = await startCollector();
		const traces = await attach(collector.url, {
			OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20t",
			OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
			OTEL_SERVICE_NAME: "shop",
			OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test",
		});
		const headers = { traceparent, tracestate: "v=1" };
		const answer = await gateway.get("/whole/7?secret=1", { headers });
		assert.equal(answer.status, 200);
		await collector.received(9);
		assert.equal(await traces.close(), true);
		const { spans } = collector;
		assert.equal(spans.length, 9);
		const byId = new Map(spans.map((span) => [span.spanId, span]));
		const parentOf = (id: string) => byId.get(byId.get(id)?.parentSpanId ?? "");
		const [request] = spans.filter(({ kind }) => kind === "SERVER");
		assert.ok(request);
		assert.deepEqual(
			[request.name, request.parentSpanId, request.traceState],
			["GET /whole/{id}", parentId, "v=1"],
		);
		assert.deepEqual(
			new Set(spans.map((span) => span.traceId)),
			new Set([traceId]),
		);
		const called = upstream.seen.map(({ target, rawHeaders }) => {
			const [, trace, id = "", flags] =
				headerOf(rawHeaders, "traceparent")?.split("-") ?? [];
			assert.deepEqual([trace, flags], [traceId, "01"]);
			assert.equal(headerOf(rawHeaders, "tracestate"), "v=1");
			assert.equal(byId.get(id)?.kind, "CLIENT");
			const step = parentOf(id);
			assert.equal(step && parentOf(step.spanId), request);
			return `${step?.name} ${target} ${byId.get(id)?.attributes["http.request.resend_count"]}`;
		});
		assert.deepEqual(called.toSorted(), [
			"orders /orders/7 undefined",
			"retried /retried 1",
			"retried /retried 2",
			"retried /retried undefined",
			"user /users/7 undefined",
		]);
		const [user] = spans.filter(({ name }) => name === "user");
		const [orders] = spans.filter(({ name }) => name === "orders");
		assert.deepEqual(orders?.links, [
			{
				spanId: user?.spanId,
				attributes: { "sluice.link": "starts_after", "sluice.last": true },
			},
		]);
		for (const { startMs, endMs } of spans) {
			assert.ok(
				startMs >= request.startMs - 0.01 && endMs <= request.endMs + 0.01,
			);
			assert.ok(Math.abs(Date.now() - endMs) < 60_000);
		}
		const [first] = collector.requests;
		assert.equal(first?.path, "/v1/traces");
		assert.equal(first?.headers.authorization, "Bearer t");
		assert.equal(first?.headers["content-encoding"], "gzip");
		const { resource } = collector;
		assert.equal(resource["service.name"], "shop");
		assert.equal(resource["deployment.environment.name"], "test");
		assert.equal(resource["telemetry.sdk.name"], "opentelemetry");
		assert.ok(
			!Buffer.concat(collector.requests.map(({ body }) => body)).includes(
				"secret",
			),
		);
	});

	it("have the span of a proxied request, which ends with its body", async () => {
		await using collector = await startCollector();
		const traces = await attach(collector.url);
		await gateway.get("/proxied");
		await collector.received(3);
		await traces.close();
		const [call] = upstream.seen;
		const [, , sent] =
			headerOf(call?.rawHeaders ?? [], "traceparent")?.split("-") ?? [];
		const attempt = collector.spans.find(({ kind }) => kind === "CLIENT");
		assert.equal(attempt?.spanId, sent);
		assert.equal(attempt?.attributes["http.response.body.size"], 8);
	});

	for (const [sampler, flags, argument, expected] of [
		["parentbased_always_on", "01", "", true],
		["parentbased_always_on", "00", "", false],
		["parentbased_always_on", null, "", true],
		["parentbased_always_off", "01", "", true],
		["parentbased_always_off", null, "", false],
		["always_on", "00", "", true],
		["always_off", "01", "", false],
		["traceidratio", "01", "0", false],
		["traceidratio", "00", "1", true],
		["parentbased_traceidratio", "01", "0", true],
		["parentbased_traceidratio", null, "0", false],
	] as const) {
		it(`are sampled as ${sampler} ${argument} says of ${flags ?? "no trace"}`, async () => {
			await using collector = await startCollector();
			const traces = await attach(collector.url, {
				OTEL_TRACES_SAMPLER: sampler,
				OTEL_TRACES_SAMPLER_ARG: argument,
			});
			const headers = flags
				? { traceparent: `00-${traceId}-${parentId}-${flags}` }
				: {};
			await gateway.get("/proxied", { headers });
			assert.equal(await traces.close(), true);
			assert.equal(collector.spans.length, expected ? 3 : 0);
			const sent =
				headerOf(upstream.seen[0]?.rawHeaders ?? [], "traceparent") ?? "";
			assert.equal(sent.slice(-2), expected ? "01" : "00");
		});
	}

	const refusals: readonly (readonly [
		string,
		CollectorAnswer | null,
		RegExp,
	])[] = [
		[
			"answers 500",
			{ status: 500, body: "s3cr3t" },
			/^the collector answered 500$/,
		],
		[
			"answers 400",
			{ status: 400, body: "s3cr3t" },
			/^the collector answered 400$/,
		],
		[
			"answers 503 each time",
			{ status: 503 },
			/^the collector answered 429, 502, 503 or 504/,
		],
		[
			"answers too much",
			{ status: 200, body: Buffer.alloc(5 * 1024 * 1024) },
			/^the collector did not take them$/,
		],
		["does not answer", null, /^the collector did not answer in time$/],
	];
	for (const [when, answer, why] of refusals) {
		it(`cost no request when the collector ${when}, are counted, and told once`, async () => {
			await using collector = await startCollector(() => answer);
			const traces = await attach(collector.url, {
				OTEL_EXPORTER_OTLP_TIMEOUT: "300",
			});
			assert.equal((await gateway.get("/plain")).text, '"hello"');
			await collector.asked(1);
			assert.equal(await traces.close(), true);
			assert.deepEqual(
				lines.map(({ words }) => words),
				["spans of traces were lost"],
			);
			const [{ fields } = { fields: {} }] = lines;
			assert.match(Reflect.get(fields, "why"), why);
			assert.equal(Reflect.get(fields, "spans"), 1);
			assert.ok(!JSON.stringify(lines).includes("s3cr3t"));
		});
	}

	it("count garbage that the collector answers as taken", async () => {
		await using collector = await startCollector(() => ({
			body: "\xff\xffgarbage",
		}));
		const traces = await attach(collector.url);
		await gateway.get("/plain");
		await collector.asked(1);
		assert.equal(await traces.close(), true);
		assert.deepEqual(lines, []);
	});

	it("cost no request when nobody listens, and one line a minute", async () => {
		const traces = await attach(await closedPort(), {
			OTEL_EXPORTER_OTLP_TIMEOUT: "100",
		});
		for (let count = 0; count < 20; count++) {
			assert.equal((await gateway.get("/plain")).status, 200);
		}
		assert.equal(await traces.close(), true);
		assert.ok(lines.length >= 1 && lines.length <= 2, `${lines.length}`);
		const told = lines.map(({ fields }) => Reflect.get(fields, "spans"));
		assert.equal(
			told.reduce((sum, one) => sum + one, 0),
			20,
		);
		assert.equal(
			Reflect.get(lines[0]?.fields ?? {}, "why"),
			"the collector could not be reached: ECONNREFUSED",
		);
	});

	for (const [waitingMax, requests, dropped] of [
		["4", 4, 0],
		["4", 5, 1],
	] as const) {
		it(`of ${requests} requests drop ${dropped} if ${waitingMax} spans may wait`, async () => {
			await using collector = await startCollector();
			const traces = await attach(collector.url, {
				OTEL_BSP_MAX_QUEUE_SIZE: waitingMax,
				OTEL_BSP_MAX_EXPORT_BATCH_SIZE: waitingMax,
				OTEL_BSP_SCHEDULE_DELAY: "60000",
			});
			const asked = Array.from({ length: requests }, () =>
				gateway.gateway.fetch(new Request("http://x/plain")),
			);
			await Promise.all(asked);
			assert.equal(outcomes().dropped, dropped);
			assert.equal(lines.length, dropped);
			assert.equal(await traces.close(), true);
			assert.equal(collector.spans.length, 4);
		});
	}

	it("show in the metrics what has become of them", async () => {
		await using collector = await startCollector();
		assert.deepEqual(outcomes(), {});
		const traces = await attach(collector.url);
		await gateway.get("/plain");
		await collector.received(1);
		const { tracers } = gateway.gateway.events;
		const [tracer] = tracers;
		// It has heard what the collector answered when it has closed.
		await traces.close();
		assert.deepEqual(outcomes(), {});
		tracers.push(tracer ?? assert.fail());
		assert.deepEqual(outcomes(), {
			...{ sent: 1, failed: 0, dropped: 0, left_out: 0 },
		});
	});

	it("cost a trace and nothing else when one cannot be made", async () => {
		await using collector = await startCollector();
		const traces = await attach(collector.url);
		gateway.gateway.events.trailEnded.push(({ trail }) =>
			Object.defineProperty(trail, "readMs", {
				get: () => assert.fail("a bug"),
			}),
		);
		assert.equal((await gateway.get("/plain")).status, 200);
		assert.equal(await traces.close(), true);
		assert.deepEqual(collector.spans, []);
		assert.deepEqual(
			lines.map(({ fields }) => Reflect.get(fields, "why")),
			["they could not be made"],
		);
	});

	it("end within their time when the collector hangs", async () => {
		await using collector = await startCollector(() => null);
		const traces = await attach(collector.url, {
			OTEL_EXPORTER_OTLP_TIMEOUT: "400",
		});
		await gateway.get("/plain");
		assert.equal(await traces.close(20), false);
		assert.deepEqual(gateway.gateway.events.tracers, []);
		await collector.asked(1);
	});

	it("go over TLS to a collector that a certificate vouches for, and to no other", async () => {
		const file = (name: string) =>
			new URL(`../upstream/tls/${name}.pem`, import.meta.url).pathname;
		const read = (name: string) => readFileSync(file(name), "utf8");
		const tls = { cert: read("cert"), key: read("key") };
		await using collector = await startCollector(() => ({}), tls);
		for (const [env, sent] of [
			[{}, 0],
			[{ OTEL_EXPORTER_OTLP_CERTIFICATE: file("cert") }, 1],
		] as const) {
			const traces = await attach(collector.url, env);
			await gateway.get("/plain");
			assert.equal(await traces.close(), true);
			assert.equal(collector.spans.length, sent);
		}
		const why = lines.map(({ fields }) => Reflect.get(fields, "why"));
		assert.deepEqual(why, [
			"the collector could not be reached: DEPTH_ZERO_SELF_SIGNED_CERT",
		]);
	});

	it("are not sent if a certificate cannot be read, and a line says why", async () => {
		const warn = (fields: object, words: string) =>
			lines.push({ fields, words });
		const env = {
			OTEL_EXPORTER_OTLP_ENDPOINT: "https://127.0.0.1:9",
			OTEL_EXPORTER_OTLP_CERTIFICATE: "./s3cr3t.pem",
		};
		const log = { warn } as never;
		assert.equal(await attachTraces(gateway.gateway, { env, log }), null);
		assert.match(
			JSON.stringify(lines),
			/ENOENT.*no traces are sent.*OTLP_CERTIFICATE/,
		);
		assert.ok(!JSON.stringify(lines).includes("s3cr3t"));
		assert.deepEqual(gateway.gateway.events.tracers, []);
	});
});

/** An address at which nobody listens any more. */
async function closedPort(): Promise<string> {
	const server: Server = createServer();
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as { port: number };
	server.close();
	await once(server, "close");
	return `http://127.0.0.1:${port}`;
}
