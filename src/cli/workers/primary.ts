import { randomBytes } from "node:crypto";
import { serveAdminOfWorkers } from "../../admin/admin.ts";
import type { Config } from "../../config/config.ts";
import { realClock } from "../../tasks/clock.ts";
import { openLog } from "../../telemetry/log/attach-log.ts";
import { eachWorkerHas } from "../each-worker-has.ts";
import { exitCodes } from "../exit-codes.ts";
import type { ServerFlags } from "../flags.ts";
import { cannotListen, openAdmin } from "../listening.ts";
import { listOfRoutes } from "../overview.ts";
import type { ServeHooks, ServePlace } from "../serve.ts";
import { stderrForLog } from "../serving.ts";
import { hearSignals } from "../signals.ts";
import { print, printError } from "../terminal.ts";
import { Asking } from "./asking.ts";
import { startChild } from "./child.ts";
import { canHoldSockets, type HeldSockets, holdSockets } from "./sockets.ts";
import { Supervisor } from "./supervisor.ts";

/** Where several workers serve, and what. */
export interface WorkersPlace extends ServePlace {
	/** The file of the config, which each worker reads. */
	readonly path: string;
	readonly count: number;
	/** What each of them takes instead of what the file says. */
	readonly flags: ServerFlags;
}

/** Serves with several workers. This process holds the port, watches them, and has the admin server. */
export async function serveWithWorkers(
	config: Config,
	{ host, port, namedHost, path, count, flags }: WorkersPlace,
	hooks: ServeHooks,
): Promise<number> {
	if (!canHoldSockets()) {
		printError(
			`${count} workers need Node 26.4 or newer, and no Windows: this is ${process.versions.node} on ${process.platform}`,
		);
		return exitCodes.failed;
	}
	const clock = realClock();
	const { secrets } = config;
	const { tls } = config.server;
	let sockets: HeldSockets;
	let redirect: HeldSockets | null = null;
	try {
		sockets = await holdSockets({ host, port });
		if (tls?.redirect) {
			redirect = await holdBeside(sockets, { host, port: tls.redirect });
		}
	} catch (error) {
		const { anotherPort: another } = hooks;
		const asked = { host: namedHost, port, another };
		printError(cannotListen(error as NodeJS.ErrnoException, asked));
		return exitCodes.failed;
	}
	const close = () => {
		sockets.close();
		redirect?.close();
	};
	const log = openLog(clock, config, stderrForLog(), true);
	const descriptors = [
		...sockets.descriptors,
		...(redirect?.descriptors ?? []),
	];
	// A client may come back to another worker.
	const ticketKeys = tls && randomBytes(48);
	const asking = new Asking(clock, () => supervisor);
	const supervisor = new Supervisor({
		...{ count, clock, log },
		start(number, hears) {
			const start = {
				...{ file: path, flags, number, count, host },
				port: sockets.port,
				sockets: sockets.descriptors.length,
				redirectSockets: redirect?.descriptors.length ?? 0,
			};
			const worker = startChild(start, descriptors, hears);
			if (ticketKeys) worker.send({ kind: "ticket keys", keys: ticketKeys });
			return worker;
		},
		onSaying: (worker, saying) => asking.hear(worker, saying),
		onEnd: (worker) => asking.ended(worker),
	});
	let serves = false;
	const signals = hearSignals(() => {
		// Those that are being started have just read the config.
		if (serves && !supervisor.ending) void supervisor.roll();
	});
	const fail = async () => {
		signals.leave();
		close();
		await supervisor.cut();
		await log.close();
		return exitCodes.failed;
	};
	const begun = await Promise.race([
		supervisor.begin(),
		signals.first.then(() => true),
	]);
	if (!begun) return await fail();
	const admin =
		config.admin &&
		(await openAdmin(config.admin, log, (door) =>
			serveAdminOfWorkers(asking, { ...door, clock, secrets }),
		));
	if (admin === "failed") return await fail();
	const url = urlOf(sockets, tls ? "https" : "http");
	const lines = [
		`listening on ${url} with ${count} workers`,
		...listOfRoutes(config),
	];
	if (redirect) lines.push(`redirecting from port ${redirect.port}`);
	if (admin) lines.push(`admin page: ${admin.url}`);
	print(lines.join("\n"));
	log.info(
		{
			url,
			routes: config.routes.length,
			workers: count,
			...(redirect && { redirect: redirect.port }),
			...(admin && { admin: admin.url }),
			eachHas: eachWorkerHas(config),
		},
		"started",
	);
	if (config.channels.length > 0 && config.store === null) {
		log.warn(
			{ channels: config.channels.length },
			"each worker has its own channels: who listens in one does not hear what is published in another. With `store` they share them",
		);
	}
	hooks.onListening?.(url);
	serves = true;
	const signal = await signals.first;
	const { drainMs } = config.server;
	log.info({ signal, drainMs }, "draining");
	// Those of the workers keep the port open until they close it.
	close();
	const finished = await Promise.race([
		supervisor.drain(signal === "SIGINT" ? 0 : undefined),
		signals.second.then(() => false),
	]);
	if (!finished) await supervisor.cut();
	log.info({ finished }, "stopped");
	signals.leave();
	// Last, so that operators see the drain to its end.
	await admin?.close();
	await log.close();
	return finished ? exitCodes.ok : exitCodes.failed;
}

function urlOf({ host, port }: HeldSockets, scheme: string): string {
	return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Holds a second port. If it cannot be had, the first is let go. */
async function holdBeside(
	first: HeldSockets,
	where: { readonly host: string; readonly port: number },
): Promise<HeldSockets> {
	try {
		return await holdSockets(where);
	} catch (error) {
		first.close();
		throw error;
	}
}
