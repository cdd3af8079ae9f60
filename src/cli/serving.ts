import type { Config } from "../config/config.ts";
import type { GatewayError } from "../core/errors.ts";
import { createGateway, type Gateway } from "../gateway/gateway.ts";
import {
	type RunningServer,
	type ServeOptions,
	serve,
} from "../server/serve.ts";
import { type History, openHistory } from "../telemetry/history/history.ts";
import { attachLog, type GatewayLog } from "../telemetry/log/attach-log.ts";
import { logBug } from "../telemetry/log/log-events.ts";
import { createMetrics, type Metrics } from "../telemetry/metrics/metrics.ts";
import { attachTraces } from "../telemetry/traces/attach-traces.ts";
import { hideSecrets } from "./hidden.ts";
import { withOverview } from "./overview.ts";
import { openStderr } from "./terminal.ts";

/** A process of `serve`: a gateway with all that listens to it, not yet on a port. */
export interface Serving {
	readonly gateway: Gateway;
	readonly log: GatewayLog;
	/** Null if nobody can look at them. */
	readonly metrics: Metrics | null;
	readonly history: History | null;
	readonly traces: boolean;
	/** Takes requests from now on. Fails with the system's error if it cannot listen. */
	open(sockets?: SharedSockets): Promise<RunningServer>;
	/**
	 * Ends everything but the log. False if spans were left behind, because `hurry` came first. Their library may go on.
	 * Without `hurry` no spans are waited for.
	 */
	close(hurry?: Promise<unknown>): Promise<boolean>;
}

/** The sockets of a worker, which other processes share. */
type SharedSockets = Pick<
	Required<ServeOptions>,
	"sockets" | "redirectSockets" | "handOver"
>;

/** Where a process of `serve` takes requests, and which one it is. */
export interface ServingPlace {
	readonly host: string;
	readonly port: number;
	/** Null if it is the only one. */
	readonly worker: { readonly number: number; readonly count: number } | null;
}

/** Makes a gateway of the config, with its log, its metrics, its traces and its history. */
export async function createServing(
	config: Config,
	{ host, port, worker }: ServingPlace,
): Promise<Serving> {
	const gateway = createGateway(config, { processes: worker?.count ?? 1 });
	hideSecrets(gateway.secrets);
	const served = {
		...gateway,
		handle: withOverview(gateway.handle, config, { host }),
	};
	const log = attachLog(gateway, {
		...stderrForLog(),
		worker: worker?.number ?? null,
	});
	const metrics = config.admin && createMetrics(gateway);
	const traces = await attachTraces(gateway, { log });
	const history = config.history && openHistory(gateway, config.history, log);
	// A user's function may leave a promise that nobody waits for. If it fails, the log tells its author, and the process
	// goes on.
	const onLeftover = (reason: unknown) =>
		logBug(log, reason, {}, "a promise nobody waited for failed");
	return {
		...{ gateway, log, metrics, history },
		traces: traces !== null,
		async open(sockets) {
			// The first requests are to be counted where all others are.
			await gateway.settled;
			const server = await serve(served, {
				...{ host, port, onInternal: log.onInternal },
				...sockets,
				onRefused: (error: GatewayError, requestId: string) => {
					metrics?.refused(error);
					log.onRefused(error, requestId);
				},
			});
			process.on("unhandledRejection", onLeftover);
			gateway.jobs?.begin();
			return server;
		},
		async close(hurry) {
			await gateway.close();
			const flushed = hurry
				? await Promise.race([traces?.close() ?? true, hurry.then(() => false)])
				: await (traces?.close(0) ?? true);
			await history?.close();
			process.off("unhandledRejection", onLeftover);
			return flushed;
		},
	};
}

/** How the log writes to this process's stderr. */
export function stderrForLog() {
	const { isTTY } = process.stderr;
	return {
		fd: openStderr(),
		isTerminal: isTTY,
		colour: isTTY && !process.env.NO_COLOR,
	};
}
