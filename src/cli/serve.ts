import {
	type AdminServer,
	serveAdmin,
	usualAdminPort,
} from "../admin/admin.ts";
import type { AdminConfig } from "../config/config.ts";
import { allRead } from "../core/all-read.ts";
import type { GatewayError } from "../core/errors.ts";
import { createGateway, type Gateway } from "../gateway/gateway.ts";
import {
	type RunningServer,
	type Served,
	type ServeOptions,
	serve,
} from "../server/serve.ts";
import { type History, openHistory } from "../telemetry/history/history.ts";
import { attachLog } from "../telemetry/log/attach-log.ts";
import type { Log } from "../telemetry/log/log.ts";
import { logBug } from "../telemetry/log/log-events.ts";
import { createMetrics, type Metrics } from "../telemetry/metrics/metrics.ts";
import { attachTraces } from "../telemetry/traces/attach-traces.ts";
import { exitCodes } from "./exit-codes.ts";
import { findConfig, loadAndReport } from "./find-config.ts";
import { listOfRoutes, withOverview } from "./overview.ts";
import { openStderr, print, printError } from "./terminal.ts";

/** What the caller of the command hears. */
export interface ServeHooks {
	/** Called once, when the server takes requests. */
	readonly onListening?: (url: string) => void;
	/** Called if something of a library's goes on after the end, for which nobody waits. */
	readonly onLeftBehind?: () => void;
}

interface ServeFlags {
	readonly port?: string;
	readonly host?: string;
}

/** `sluice serve`: ends when a signal has drained the server. */
export async function serveCommand(
	file: string | undefined,
	options: ServeFlags,
	hooks: ServeHooks,
): Promise<number> {
	const port = portOf(options);
	if (port === "invalid") {
		printError(`--port takes a number from 0 to 65535, not ${options.port}`);
		return exitCodes.failed;
	}
	const { config } = await loadAndReport(findConfig(file));
	if (config === null) return exitCodes.configInvalid;
	const { server: settings } = config;
	const address = {
		host: options.host ?? settings.host,
		port: port ?? settings.port,
	};
	const gateway = createGateway(config);
	const served = {
		...gateway,
		handle: withOverview(gateway.handle, config, address),
	};
	const { isTTY } = process.stderr;
	const log = attachLog(gateway, {
		fd: openStderr(),
		isTerminal: isTTY,
		colour: isTTY && !process.env.NO_COLOR,
	});
	const metrics = config.admin && createMetrics(gateway);
	const traces = await attachTraces(gateway, { log });
	const history = config.history && openHistory(gateway, config.history, log);
	// Before anybody is told that the server listens, because a signal may follow at once.
	const signals = hearSignals();
	const { onInternal } = log;
	const opening = {
		...address,
		onInternal,
		onRefused: (error: GatewayError, requestId: string) => {
			metrics?.refused(error);
			log.onRefused(error, requestId);
		},
	};
	// The first requests are to be counted where all others are.
	await gateway.settled;
	const server = await open(served, opening, options.host);
	const admin =
		server &&
		config.admin &&
		metrics &&
		(await openAdmin(config.admin, gateway, { server, metrics, history, log }));
	if (server === null || admin === "failed") {
		signals.leave();
		await server?.close();
		await gateway.close();
		await traces?.close(0);
		await history?.close();
		await log.close();
		return exitCodes.failed;
	}
	const lines = [`listening on ${server.url}`, ...listOfRoutes(config)];
	if (admin) lines.push(`admin page: ${admin.url}`);
	print(lines.join("\n"));
	log.info(
		{
			url: server.url,
			routes: config.routes.length,
			...(admin && { admin: admin.url }),
			...(traces && { traces: true }),
		},
		"started",
	);
	hooks.onListening?.(server.url);
	// A user's function may leave a promise that nobody waits for. If it fails, the log tells its author, and the process
	// goes on.
	const onLeftover = (reason: unknown) =>
		logBug(log, reason, {}, "a promise nobody waited for failed");
	process.on("unhandledRejection", onLeftover);
	const { drainMs } = settings;
	const finished = await drainOnSignal(server, signals, drainMs, log);
	signals.leave();
	await gateway.close();
	const flushed = await Promise.race([
		traces?.close() ?? true,
		signals.second.then(() => false),
	]);
	if (!flushed) hooks.onLeftBehind?.();
	await history?.close();
	// Last, so that operators see the drain to its end.
	await admin?.close();
	process.off("unhandledRejection", onLeftover);
	await log.close();
	return finished ? exitCodes.ok : exitCodes.failed;
}

function portOf({ port }: ServeFlags): number | null | "invalid" {
	if (port === undefined) return null;
	return /^\d{1,5}$/.test(port) && Number(port) <= 65_535
		? Number(port)
		: "invalid";
}

/** Null if the address cannot be listened on. Then stderr says why. `host` is what the command was told. */
async function open(
	gateway: Served,
	options: ServeOptions & { readonly port: number },
	host: string | undefined,
): Promise<RunningServer | null> {
	try {
		return await serve(gateway, options);
	} catch (error) {
		const { port } = options;
		printError(cannotListen(error as NodeJS.ErrnoException, host, port));
		return null;
	}
}

interface AdminParts {
	readonly server: RunningServer;
	readonly metrics: Metrics;
	readonly history: History | null;
	readonly log: Log;
}

/**
 * Null if nobody chose the port of the admin server and another process has it. It failed if the
 * config's own address cannot be listened on. Then stderr says why.
 */
async function openAdmin(
	config: AdminConfig,
	gateway: Gateway,
	{ server, metrics, history, log }: AdminParts,
): Promise<AdminServer | null | "failed"> {
	const { port, host, hosts, token, ...unread } = config;
	allRead(unread);
	const taken = port ?? usualAdminPort;
	try {
		return await serveAdmin(gateway, {
			...{ server, metrics, history, port: taken, host, hosts },
			token: token?.reveal() ?? null,
			onInternal: (error, requestId) =>
				logBug(log, error, { requestId }, "admin request failed"),
		});
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (port === null && code === "EADDRINUSE") {
			log.warn(
				{ port: taken },
				"there is no admin server: its usual port is taken, so choose another as `admin.port`",
			);
			return null;
		}
		printError(
			`the admin server cannot listen on \`admin.host\` and port ${taken}: ${code}`,
		);
		return "failed";
	}
}

/** The host is named by its key, because it may come from the environment. */
function cannotListen(
	{ code }: NodeJS.ErrnoException,
	host: string | undefined,
	port: number,
): string {
	switch (code) {
		case "EADDRINUSE":
			return `port ${port} is taken by another process: stop it, or choose another with --port`;
		case "EACCES":
			return `listening on port ${port} is not allowed: ports below 1024 need rights`;
		case "EADDRNOTAVAIL":
		case "ENOTFOUND":
			return `${host ?? "`server.host`"} is no address of this machine`;
		default:
			return `cannot listen on ${host ?? "`server.host`"} and port ${port}: ${code}`;
	}
}

/** The signals that ask the gateway to end. Ctrl-C is for whoever sits before it and does not want to wait. */
const ending = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const;

/** The signals that do nothing. By default the first opens a port for debuggers, and the second ends the process. */
const ignored = ["SIGUSR1", "SIGUSR2"] as const;

/** The signals that the process gets from now on. */
interface Signals {
	/** Resolves with the first signal that ends. */
	readonly first: Promise<string>;
	/** Resolves at the second one. */
	readonly second: Promise<string>;
	/** From then on they do again what the system does with them. */
	leave(): void;
}

function hearSignals(): Signals {
	const first = Promise.withResolvers<string>();
	const second = Promise.withResolvers<string>();
	let count = 0;
	const onEnding = (name: string) => {
		(count++ === 0 ? first : second).resolve(name);
	};
	const onIgnored = () => {};
	for (const name of ending) process.on(name, onEnding);
	for (const name of ignored) process.on(name, onIgnored);
	return {
		first: first.promise,
		second: second.promise,
		leave() {
			for (const name of ending) process.off(name, onEnding);
			for (const name of ignored) process.off(name, onIgnored);
		},
	};
}

/** Waits for a signal that ends, then for the running requests. False if one had to be cut. A second signal cuts at once. */
async function drainOnSignal(
	server: RunningServer,
	signals: Signals,
	drainMs: number,
	log: Log,
): Promise<boolean> {
	const signal = await signals.first;
	log.info({ signal, drainMs }, "draining");
	const delayMs = signal === "SIGINT" ? 0 : undefined;
	const finished = await Promise.race([
		server.drain(drainMs, delayMs),
		signals.second.then(() => false),
	]);
	if (!finished) await server.close();
	log.info({ finished }, "stopped");
	return finished;
}
