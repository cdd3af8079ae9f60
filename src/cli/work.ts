import { serveAdmin } from "../admin/admin.ts";
import type { Config } from "../config/config.ts";
import type { Clock } from "../tasks/clock.ts";
import { drainWithJobs } from "./draining.ts";
import { exitCodes } from "./exit-codes.ts";
import { findConfig, loadAndReport } from "./find-config.ts";
import { portOf } from "./flags.ts";
import { openAdmin } from "./listening.ts";
import { createServing } from "./serving.ts";
import { hearSignals } from "./signals.ts";
import { print, printError } from "./terminal.ts";

/** What the command line says. */
export interface WorkFlags {
	readonly adminPort?: string;
}

/** `sluice work`: runs jobs, and takes no requests. Ends when a signal has drained it. */
export async function workCommand(
	file: string | undefined,
	{ adminPort }: WorkFlags,
): Promise<number> {
	const port = portOf(adminPort);
	if (port === "invalid") {
		printError(`--admin-port takes a number from 0 to 65535, not ${adminPort}`);
		return exitCodes.failed;
	}
	const { config } = await loadAndReport(findConfig(file));
	if (config === null) return exitCodes.configInvalid;
	if (config.jobs === null) {
		printError("the config has no route with `job`: there is no work");
		return exitCodes.failed;
	}
	if (port !== null && config.admin === null) {
		printError("--admin-port: the config has no admin server");
		return exitCodes.failed;
	}
	return await work(config, port);
}

async function work(config: Config, adminPort: number | null): Promise<number> {
	const { host, port } = config.server;
	const serving = await createServing(config, { host, port, worker: null });
	const { gateway, log, metrics, history } = serving;
	const signals = hearSignals();
	const admin =
		config.admin &&
		metrics &&
		(await openAdmin(
			config.admin,
			log,
			(door) => serveAdmin(gateway, { ...door, metrics, history }),
			{ port: adminPort },
		));
	const failed = admin === "failed";
	if (!failed) {
		await gateway.settled;
		gateway.jobs?.work();
		const parallel = config.jobs?.parallel ?? 0;
		const lines = [`working: ${parallel} jobs at once`];
		if (admin) lines.push(`admin page: ${admin.url}`);
		print(lines.join("\n"));
		log.info({ parallel, ...(admin && { admin: admin.url }) }, "working");
		const stopKeeping = keepAlive(gateway.clock);
		const signal = await signals.first;
		log.info({ signal, drainMs: config.server.drainMs }, "draining");
		await Promise.race([
			drainWithJobs(gateway, Promise.resolve(true)),
			signals.second,
		]);
		stopKeeping();
	}
	signals.leave();
	await serving.close(signals.second);
	if (admin && !failed) await admin.close();
	await log.close();
	return failed ? exitCodes.failed : exitCodes.ok;
}

/** Nothing else keeps a process that waits for work. */
function keepAlive(clock: Clock): () => void {
	const everyMs = 3_600_000;
	let timer = clock.after(everyMs, again);
	function again(): void {
		timer = clock.after(everyMs, again);
	}
	return () => timer.cancel();
}
