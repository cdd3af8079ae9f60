/**
 * Sluice as a process whose event loop is watched: `watched.ts <config>`. It announces the gateway's URL, and behind it
 * the URL of its watch. There `/begin` begins, and `/end` tells the longest turn since then, in milliseconds of
 * processor time.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { loadConfig } from "../../src/config/load.ts";
import { printProblem } from "../../src/config/problem.ts";
import { createGateway } from "../../src/gateway/gateway.ts";
import { serve } from "../../src/server/serve.ts";
import { announce } from "./listen.ts";

const [file = ""] = process.argv.slice(2);
const { config, problems } = await loadConfig(file);
if (config === null) throw new Error(problems.map(printProblem).join("\n"));
const gateway = createGateway(config);
const server = await serve(gateway, { host: "127.0.0.1", port: 0 });

let longestMs = 0;
let lookedMs = 0;
let watching = false;
function look(): void {
	const nowMs = cpuMs();
	longestMs = Math.max(longestMs, nowMs - lookedMs);
	lookedMs = nowMs;
	if (watching) setImmediate(look);
}

/** The processor time of this thread: a busy machine is not the request's fault. */
function cpuMs(): number {
	const { user, system } = process.threadCpuUsage();
	return (user + system) / 1000;
}

const watch = createServer((request, response) => {
	if (request.url === "/begin") {
		globalThis.gc?.();
		watching = true;
		lookedMs = cpuMs();
		longestMs = 0;
		setImmediate(look);
		response.end("{}");
	} else {
		watching = false;
		look();
		response.end(JSON.stringify({ longestMs }));
	}
});
watch.listen(0, "127.0.0.1", () => {
	const { port } = watch.address() as AddressInfo;
	announce({ url: server.url, watchUrl: `http://127.0.0.1:${port}` });
});
