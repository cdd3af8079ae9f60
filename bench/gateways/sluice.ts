/**
 * Sluice as a process of the bench: `sluice.ts <config> [listen]`. With `listen` metrics are taken of everything, as
 * `sluice serve` does.
 */
import { loadConfig } from "../../src/config/load.ts";
import { printProblem } from "../../src/config/problem.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import { serve } from "../../src/server/serve.ts";
import { createMetrics } from "../../src/telemetry/metrics/metrics.ts";
import { announce } from "./listen.ts";

const [file = "", listen] = process.argv.slice(2);
const startedMs = performance.now();
const { config, problems } = await loadConfig(file);
if (config === null) throw new Error(problems.map(printProblem).join("\n"));
const gateway = createGateway(config);
const server = await serve(gateway, { host: "127.0.0.1", port: 0 });
const loadMs = performance.now() - startedMs;

if (listen === "listen") createMetrics(gateway);

globalThis.gc?.();
announce({
	url: server.url,
	loadMs,
	heapBytes: process.memoryUsage().heapUsed,
});
