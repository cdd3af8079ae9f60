import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { folderWith, type RunningCommand, runNode } from "../kit/cli.ts";
import { startCollector } from "../kit/collector.ts";
import { ask } from "../kit/serve.ts";
import { startUpstream } from "../kit/upstream.ts";

const bin = new URL("../../bin/sluice.js", import.meta.url).pathname;

const config = `
server: { port: 0 }
admin: false
routes: { GET /x: { respond: 1 } }
`;

/** Node finds no package of OpenTelemetry, as where none is installed. */
const withoutSdk = `--import=data:text/javascript,${encodeURIComponent(`
	import { registerHooks } from "node:module";
	registerHooks({
		resolve(name, context, next) {
			if (!name.startsWith("@opentelemetry/")) return next(name, context);
			throw Object.assign(new Error("lacking"), { code: "ERR_MODULE_NOT_FOUND" });
		},
	});
`)}`;

/** Serves, asks once, and ends by SIGTERM. */
async function served(env: Record<string, string>, ...flags: string[]) {
	using folder = folderWith({ "sluice.yaml": config });
	const command = runNode([...flags, bin, "serve"], { cwd: folder.path, env });
	await command.printed('"started"');
	const [, url] = /listening on (\S+)/.exec(command.stdout()) ?? [];
	const answer = await ask(`${url}/x`);
	assert.equal(answer.text, "1");
	const signalled = performance.now();
	command.process.kill("SIGTERM");
	assert.equal(await command.ended, 0);
	return { lines: linesOf(command), endedMs: performance.now() - signalled };
}

function linesOf(command: RunningCommand): Record<string, unknown>[] {
	const lines = command.stderr().trim().split("\n");
	return lines.map((line) => JSON.parse(line));
}

const wordsOf = (lines: readonly Record<string, unknown>[]) =>
	lines.map(({ msg }) => String(msg));

describe("`sluice serve` with the variables of OpenTelemetry", () => {
	it("has sent all spans when SIGTERM has ended it", async () => {
		await using collector = await startCollector();
		const { lines } = await served({
			OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
			// So long that only the end of the process sends them.
			OTEL_BSP_SCHEDULE_DELAY: "600000",
		});
		assert.deepEqual(
			collector.spans.map(({ name }) => name),
			["GET /x"],
		);
		assert.equal(lines.find(({ msg }) => msg === "started")?.traces, true);
	});

	it("ends in time although the collector hangs, and says what was lost", async () => {
		await using collector = await startCollector(() => null);
		const { endedMs, lines } = await served({
			OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
			OTEL_EXPORTER_OTLP_TIMEOUT: "600000",
		});
		assert.equal(collector.requests.length, 1);
		assert.deepEqual(
			lines.filter(({ level }) => level === 40).map(({ spans }) => spans),
			[1],
		);
		assert.ok(endedMs >= 3_000 && endedMs < 20_000, `${endedMs}`);
	});

	it("has sent the spans of a request that the end has cut", async () => {
		await using collector = await startCollector();
		await using upstream = await startUpstream(() => {});
		using folder = folderWith({
			"sluice.yaml": `
server: { port: 0, drain: 50ms }
admin: false
upstreams: { users: { url: "${upstream.url}" } }
routes: { GET /x: { steps: { a: { get: users/a } }, respond: "\${a}" } }
`,
		});
		const env = {
			OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
			OTEL_BSP_SCHEDULE_DELAY: "600000",
		};
		const command = runNode([bin, "serve"], { cwd: folder.path, env });
		await command.printed('"started"');
		const [, url] = /listening on (\S+)/.exec(command.stdout()) ?? [];
		const cut = assert.rejects(ask(`${url}/x`));
		await upstream.arrived(1);
		command.process.kill("SIGTERM");
		assert.equal(await command.ended, 1);
		await cut;
		const names = collector.spans.map(({ name }) => name);
		assert.deepEqual(names, ["GET /x", "a", "GET /a"]);
	});

	it("says which variable is wrong, and serves", async () => {
		const { lines } = await served({
			OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "s3cr3t",
		});
		const warned = lines.filter(({ level }) => level === 40);
		assert.deepEqual(wordsOf(warned), [
			"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is no URL of http or https, so no traces are sent",
		]);
		assert.ok(!JSON.stringify(lines).includes("s3cr3t"));
	});

	it("names the packages that it lacks, and serves", async () => {
		const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" };
		const { lines } = await served(env, withoutSdk);
		assert.match(
			wordsOf(lines).join("\n"),
			/no traces are sent: install @opentelemetry\/api/,
		);
	});

	it("loads nothing of the SDK without them", async () => {
		const { lines } = await served({}, withoutSdk);
		assert.deepEqual(wordsOf(lines), ["started", "draining", "stopped"]);
	});
});
