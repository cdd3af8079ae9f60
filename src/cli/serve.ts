import { availableParallelism } from "node:os";
import { serveAdmin } from "../admin/admin.ts";
import { faultsOfPorts } from "../config/check-ports.ts";
import type { Config } from "../config/config.ts";
import { parseWorkers } from "../config/keys/server.ts";
import type { RunningServer } from "../server/serve.ts";
import { drainWithJobs } from "./draining.ts";
import { exitCodes } from "./exit-codes.ts";
import { findConfig, loadAndReport } from "./find-config.ts";
import { portOf, type ServerFlags, withFlags } from "./flags.ts";
import { type AskedPlace, cannotListen, openAdmin } from "./listening.ts";
import { listOfRoutes } from "./overview.ts";
import { createServing, type Serving } from "./serving.ts";
import { hearSignals, type Signals } from "./signals.ts";
import { print, printError } from "./terminal.ts";

/** What the caller of the command hears. */
export interface ServeHooks {
	/** Called once, when the server takes requests. */
	readonly onListening?: (url: string) => void;
	/** Called if something of a library's goes on after the end, for which nobody waits. */
	readonly onLeftBehind?: () => void;
	/** How another port is chosen, if not `with --port`. */
	readonly anotherPort?: string;
}

/** What the command line says. */
export interface ServeFlags {
	readonly port?: string;
	readonly host?: string;
	readonly workers?: string;
}

/** `sluice serve`: ends when a signal has drained the server. */
export async function serveCommand(
	file: string | undefined,
	options: ServeFlags,
	hooks: ServeHooks,
): Promise<number> {
	const port = portOf(options.port);
	if (port === "invalid") {
		printError(`--port takes a number from 0 to 65535, not ${options.port}`);
		return exitCodes.failed;
	}
	const workers = workersOf(options);
	if (workers === "invalid") {
		printError(
			`--workers takes a number from 1 to 64, or \`auto\`, not ${options.workers}`,
		);
		return exitCodes.failed;
	}
	const path = findConfig(file);
	const { config: loaded } = await loadAndReport(path);
	if (loaded === null) return exitCodes.configInvalid;
	const flags: ServerFlags = {
		...(options.host !== undefined && { host: options.host }),
		...(port !== null && { port }),
		...(workers !== null && { workers }),
	};
	const config = withFlags(loaded, flags);
	const faults = faultsOfPorts(config, { byCommand: port !== null });
	for (const fault of faults) printError(fault);
	if (faults.length > 0) return exitCodes.configInvalid;
	const { host, port: asked, workers: wanted } = config.server;
	const place: ServePlace = { host, port: asked, namedHost: options.host };
	const count = wanted === "auto" ? availableParallelism() : wanted;
	if (count === 1) return await serveAlone(config, place, hooks);
	const { serveWithWorkers } = await import("./workers/primary.ts");
	return await serveWithWorkers(
		config,
		{ ...place, path, count, flags },
		hooks,
	);
}

/** Where the command serves. */
export interface ServePlace {
	readonly host: string;
	readonly port: number;
	/** What the command was told; undefined if the config says it. */
	readonly namedHost: string | undefined;
}

async function serveAlone(
	config: Config,
	{ host, port, namedHost }: ServePlace,
	hooks: ServeHooks,
): Promise<number> {
	const serving = await createServing(config, { host, port, worker: null });
	const { gateway, log, metrics, history } = serving;
	// Before anybody is told that the server listens, because a signal may follow at once.
	const signals = hearSignals();
	const server = await open(serving, {
		...{ host: namedHost, port, another: hooks.anotherPort },
	});
	const admin =
		server &&
		config.admin &&
		metrics &&
		(await openAdmin(config.admin, log, (door) =>
			serveAdmin(gateway, { ...door, server, metrics, history }),
		));
	if (server === null || admin === "failed") {
		signals.leave();
		await server?.close();
		await serving.close();
		await log.close();
		return exitCodes.failed;
	}
	const { redirect } = server;
	const lines = [`listening on ${server.url}`, ...listOfRoutes(config)];
	if (redirect !== null) lines.push(`redirecting from port ${redirect}`);
	if (admin) lines.push(`admin page: ${admin.url}`);
	print(lines.join("\n"));
	log.info(
		{
			url: server.url,
			routes: config.routes.length,
			...(redirect !== null && { redirect }),
			...(admin && { admin: admin.url }),
			...(serving.traces && { traces: true }),
		},
		"started",
	);
	hooks.onListening?.(server.url);
	const { drainMs } = config.server;
	const finished = await drainOnSignal(serving, server, signals, drainMs);
	signals.leave();
	const flushed = await serving.close(signals.second);
	if (!flushed) hooks.onLeftBehind?.();
	// Last, so that operators see the drain to its end.
	await admin?.close();
	await log.close();
	return finished ? exitCodes.ok : exitCodes.failed;
}

function workersOf({
	workers,
}: ServeFlags): number | "auto" | null | "invalid" {
	return workers === undefined ? null : (parseWorkers(workers) ?? "invalid");
}

/** Null if the address cannot be listened on. Then stderr says why. */
async function open(
	serving: Serving,
	asked: AskedPlace,
): Promise<RunningServer | null> {
	try {
		return await serving.open();
	} catch (error) {
		printError(cannotListen(error as NodeJS.ErrnoException, asked));
		return null;
	}
}

/** Waits for a signal that ends, then for the running requests. False if one had to be cut. A second signal cuts at once. */
async function drainOnSignal(
	{ gateway, log }: Pick<Serving, "gateway" | "log">,
	server: RunningServer,
	signals: Signals,
	drainMs: number,
): Promise<boolean> {
	const signal = await signals.first;
	log.info({ signal, drainMs }, "draining");
	const delayMs = signal === "SIGINT" ? 0 : undefined;
	const finished = await Promise.race([
		drainWithJobs(gateway, server.drain(drainMs, delayMs)),
		signals.second.then(() => false),
	]);
	if (!finished) await server.close();
	log.info({ finished }, "stopped");
	return finished;
}
