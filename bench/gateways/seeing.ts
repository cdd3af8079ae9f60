/**
 * Sluice as a process of which one sees something: `seeing.ts <config> <folder> [what …]`. `what` is as in `sights`. Files
 * that are written lie in the folder.
 */
import { openSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../../src/config/config.ts";
import { loadConfig } from "../../src/config/load.ts";
import { printProblem } from "../../src/config/problem.ts";
import { createGateway, type Gateway } from "../../src/gateway/gateway.ts";
import { serve } from "../../src/server/serve.ts";
import { openHistory } from "../../src/telemetry/history/history.ts";
import { attachLog } from "../../src/telemetry/log/attach-log.ts";
import { createMetrics } from "../../src/telemetry/metrics/metrics.ts";
import { attachTraces } from "../../src/telemetry/traces/attach-traces.ts";
import { createTraffic } from "../../src/telemetry/traffic/traffic.ts";
import { announce } from "./listen.ts";

/** What can be seen, each as `sluice serve` does it. */
const sights: Readonly<
	Record<string, (gateway: Gateway, config: Config) => unknown>
> = {
	metrics: createMetrics,
	traffic: (gateway) => createTraffic(gateway),
	history: (gateway, { history }) => history && openHistory(gateway, history),
	log: (gateway) =>
		attachLog(gateway, { fd: openSync(join(folder, "log.json"), "a") }),
	traces: (gateway) => attachTraces(gateway),
	"tenth of traces": (gateway) =>
		attachTraces(gateway, {
			env: {
				...process.env,
				OTEL_TRACES_SAMPLER: "traceidratio",
				OTEL_TRACES_SAMPLER_ARG: "0.1",
			},
		}),
};

const [file = "", folder = "", ...asked] = process.argv.slice(2);
const { config, problems } = await loadConfig(file);
if (config === null) throw new Error(problems.map(printProblem).join("\n"));
const gateway = createGateway(config);
for (const name of asked) {
	const attach = sights[name];
	if (attach === undefined) throw new Error(`${name} is not to be seen`);
	await attach(gateway, config);
}
const server = await serve(gateway, { host: "127.0.0.1", port: 0 });
announce({ url: server.url });
