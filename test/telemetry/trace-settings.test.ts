import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	type TraceSettings,
	traceSettings,
	type Variables,
} from "../../src/telemetry/traces/trace-settings.ts";

const base = "OTEL_EXPORTER_OTLP_ENDPOINT";
const own = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

function read(env: Variables) {
	const warned: string[] = [];
	const words: string[] = [];
	const settings = traceSettings(env, (variable, message) => {
		warned.push(variable);
		words.push(message);
	});
	return { settings, warned, words: words.join("\n") };
}

const endpoint = { [base]: "http://collector:4318" };

/** What variables make of the settings, beside an endpoint. */
const good: readonly (readonly [Variables, Partial<TraceSettings>])[] = [
	[{}, { url: "http://collector:4318/v1/traces", timeoutMs: 10_000 }],
	[{ [base]: "https://c/otlp/" }, { url: "https://c/otlp/v1/traces" }],
	[{ [base]: "http://c/?a=1" }, { url: "http://c/v1/traces?a=1" }],
	[{ [own]: "http://t:1/own" }, { url: "http://t:1/own" }],
	[{ [own]: "http://t:1" }, { url: "http://t:1/" }],
	[{ [own]: "" }, { url: "http://collector:4318/v1/traces" }],
	[
		{ [base]: "", OTEL_TRACES_EXPORTER: "otlp" },
		{ url: "http://localhost:4318/v1/traces" },
	],
	[
		{
			OTEL_EXPORTER_OTLP_HEADERS: "a=1, B=x%20y,c=2",
			OTEL_EXPORTER_OTLP_TRACES_HEADERS: "c=3",
		},
		{ headers: { a: "1", b: "x y", c: "3" } },
	],
	[{ OTEL_EXPORTER_OTLP_TIMEOUT: "500" }, { timeoutMs: 500 }],
	[
		{
			OTEL_EXPORTER_OTLP_TIMEOUT: "500",
			OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: "1",
		},
		{ timeoutMs: 1 },
	],
	[{}, { gzip: false }],
	[{ OTEL_EXPORTER_OTLP_COMPRESSION: "gzip" }, { gzip: true }],
	[
		{
			OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
			OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: "none",
		},
		{ gzip: false },
	],
	[{ OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf" }, {}],
	[
		{
			OTEL_EXPORTER_OTLP_CERTIFICATE: "/ca",
			OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: "/key",
		},
		{ tls: { ca: "/ca", cert: null, key: "/key" } },
	],
	[{}, { resource: { "service.name": "sluice" } }],
	[
		{
			OTEL_RESOURCE_ATTRIBUTES:
				"service.name=a,deployment.environment.name=b%2C",
		},
		{ resource: { "service.name": "a", "deployment.environment.name": "b," } },
	],
	[
		{ OTEL_RESOURCE_ATTRIBUTES: "service.name=a", OTEL_SERVICE_NAME: "shop" },
		{ resource: { "service.name": "shop" } },
	],
	[{}, { sampler: "parentbased_always_on", ratio: 1 }],
	[
		{ OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: ".25" },
		{ sampler: "traceidratio", ratio: 0.25 },
	],
	[{ OTEL_TRACES_SAMPLER_ARG: "0" }, { ratio: 0 }],
	[{}, { waitingMax: 2048, batchMax: 512, delayMs: 5000, exportMs: 30_000 }],
	[
		{
			OTEL_BSP_MAX_QUEUE_SIZE: "10",
			OTEL_BSP_SCHEDULE_DELAY: "0",
			OTEL_BSP_EXPORT_TIMEOUT: "1",
		},
		{ waitingMax: 10, batchMax: 10, delayMs: 0, exportMs: 1 },
	],
	[{ OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "1" }, { batchMax: 1 }],
	[{ OTEL_SDK_DISABLED: "false", OTEL_TRACES_EXPORTER: "otlp" }, {}],
	[{ OTEL_SDK_DISABLED: "" }, {}],
];

/** Variables that are wrong beside an endpoint, the one that is named, and what is used instead. */
const secret = "s3cr3t";
const wrong: readonly (readonly [
	Variables,
	string,
	Partial<TraceSettings> | null,
])[] = [
	[{ [own]: secret }, own, null],
	[{ [base]: `ftp://${secret}` }, base, null],
	[{ [base]: `http://${secret}:port` }, base, null],
	[{ OTEL_SDK_DISABLED: secret }, "OTEL_SDK_DISABLED", {}],
	[{ OTEL_TRACES_EXPORTER: secret }, "OTEL_TRACES_EXPORTER", null],
	[{ OTEL_TRACES_EXPORTER: "otlp,console" }, "OTEL_TRACES_EXPORTER", {}],
	[{ OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }, "OTEL_EXPORTER_OTLP_PROTOCOL", {}],
	[
		{ OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/json" },
		"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
		{},
	],
	[
		{ OTEL_EXPORTER_OTLP_HEADERS: `a=1,${secret}` },
		"OTEL_EXPORTER_OTLP_HEADERS",
		{ headers: { a: "1" } },
	],
	[
		{ OTEL_EXPORTER_OTLP_TRACES_HEADERS: `a=%zz${secret}` },
		"OTEL_EXPORTER_OTLP_TRACES_HEADERS",
		{ headers: {} },
	],
	...[`a=%0d%0a${secret}`, `b=1,a b=${secret}`, `a%20b=${secret}`].map(
		(text) =>
			[
				{ OTEL_EXPORTER_OTLP_HEADERS: text },
				"OTEL_EXPORTER_OTLP_HEADERS",
				null,
			] as const,
	),
	[
		{ OTEL_EXPORTER_OTLP_TIMEOUT: secret },
		"OTEL_EXPORTER_OTLP_TIMEOUT",
		{ timeoutMs: 10_000 },
	],
	[
		{ OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: "0" },
		"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
		{ timeoutMs: 10_000 },
	],
	[
		{ OTEL_EXPORTER_OTLP_COMPRESSION: secret },
		"OTEL_EXPORTER_OTLP_COMPRESSION",
		{ gzip: false },
	],
	[
		{ OTEL_RESOURCE_ATTRIBUTES: `=${secret}` },
		"OTEL_RESOURCE_ATTRIBUTES",
		{ resource: { "service.name": "sluice" } },
	],
	[
		{ OTEL_TRACES_SAMPLER: secret },
		"OTEL_TRACES_SAMPLER",
		{ sampler: "parentbased_always_on" },
	],
	...["1.5", "-1", "1e1", secret].map(
		(text) =>
			[
				{ OTEL_TRACES_SAMPLER_ARG: text },
				"OTEL_TRACES_SAMPLER_ARG",
				{ ratio: 1 },
			] as const,
	),
	...["-1", "1.5", "1e3", "9".repeat(10), secret].map(
		(text) =>
			[
				{ OTEL_BSP_SCHEDULE_DELAY: text },
				"OTEL_BSP_SCHEDULE_DELAY",
				{ delayMs: 5_000 },
			] as const,
	),
	[
		{ OTEL_BSP_MAX_QUEUE_SIZE: "0" },
		"OTEL_BSP_MAX_QUEUE_SIZE",
		{ waitingMax: 2048 },
	],
];

/** Only what is expected of the settings. */
function part(
	settings: TraceSettings | null,
	of: Partial<TraceSettings>,
): object {
	const found: object = settings ?? assert.fail("no settings");
	return Object.fromEntries(
		Object.keys(of).map((key) => [key, Reflect.get(found, key)]),
	);
}

describe("the variables of OpenTelemetry", () => {
	it("ask for no traces if none says where to, or if they switch it off", () => {
		for (const env of [
			{},
			{ [base]: " ", [own]: "" },
			{ OTEL_TRACES_SAMPLER: secret, OTEL_SERVICE_NAME: "a" },
			{ ...endpoint, OTEL_SDK_DISABLED: "TRUE" },
			{ ...endpoint, OTEL_TRACES_EXPORTER: "none" },
		]) {
			assert.deepEqual(read(env), { settings: null, warned: [], words: "" });
		}
	});

	for (const [env, expected] of good) {
		it(`make ${JSON.stringify(expected)} of ${JSON.stringify(env)}`, () => {
			const { settings, warned } = read({ ...endpoint, ...env });
			assert.deepEqual(warned, []);
			assert.deepEqual(part(settings, expected), expected);
		});
	}

	for (const [env, variable, instead] of wrong) {
		it(`are named and not shown when they are wrong: ${JSON.stringify(env)}`, () => {
			const { settings, warned, words } = read({ ...endpoint, ...env });
			assert.deepEqual(warned, [variable]);
			assert.ok(!words.includes(secret));
			if (instead === null) assert.equal(settings, null);
			else assert.deepEqual(part(settings, instead), instead);
		});
	}
});
