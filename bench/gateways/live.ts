/**
 * Sluice with a channel as a process of the bench: `live.ts <config>`. Metrics and the last requests are kept, as the
 * command does it.
 */
import { loadConfig } from "../../src/config/load.ts";
import { printProblem } from "../../src/config/problem.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import { serve } from "../../src/server/serve.ts";
import { createMetrics } from "../../src/telemetry/metrics/metrics.ts";
import { createTraffic } from "../../src/telemetry/traffic/traffic.ts";
import { announceWithMemory } from "./listen.ts";

const [file = ""] = process.argv.slice(2);
const { config, problems } = await loadConfig(file);
if (config === null) throw new Error(problems.map(printProblem).join("\n"));
const gateway = createGateway(config);
createMetrics(gateway);
createTraffic(gateway);
const server = await serve(gateway, { host: "127.0.0.1", port: 0 });
announceWithMemory(server.url);
