/**
 * Sluice as a process of the bench: `sluice.ts <config> [listen]`. With `listen` somebody listens to every event, as a log
 * or metrics would.
 */
import { loadConfig } from "../../src/config/load.ts";
import { printProblem } from "../../src/config/problem.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import { serve } from "../../src/server/serve.ts";
import { announce } from "./listen.ts";

const [file = "", listen] = process.argv.slice(2);
const startedMs = performance.now();
const { config, problems } = await loadConfig(file);
if (config === null) throw new Error(problems.map(printProblem).join("\n"));
const gateway = createGateway(config);
const server = await serve(gateway, { host: "127.0.0.1", port: 0 });
const loadMs = performance.now() - startedMs;

/** What a metric would keep: numbers by name. */
const seen = { requests: 0, calls: 0, failures: 0, ms: 0 };
if (listen === "listen") {
	gateway.events.requestEnded.push(({ durationMs, error }) => {
		seen.requests++;
		seen.ms += durationMs;
		if (error !== null) seen.failures++;
	});
	gateway.events.callEnded.push(({ durationMs }) => {
		seen.calls++;
		seen.ms += durationMs;
	});
}

globalThis.gc?.();
announce({
	url: server.url,
	loadMs,
	heapBytes: process.memoryUsage().heapUsed,
});
