import type { Config } from "../../config/config.ts";
import type { GatewayError } from "../../core/errors.ts";
import type { Gateway } from "../../gateway/gateway.ts";
import type { Clock } from "../../tasks/clock.ts";
import { createLog, type Log } from "./log.ts";
import { logBug, logEvents } from "./log-events.ts";
import { logRefusal } from "./log-requests.ts";

/** Where the log of a gateway goes. */
export interface LogOptions {
	/** The number of a file, pipe or terminal that is open. Its owner closes it after the log. Default: 2, stderr. */
	readonly fd?: number;
	/** Whether it is a terminal, for `format: auto`. Default: false. */
	readonly isTerminal?: boolean;
	/** Whether lines for people have colours. Default: false. */
	readonly colour?: boolean;
	/** The number of the process, if several write to this log. It stands in each line. Default: null, there is no other. */
	readonly worker?: number | null;
}

/** The log of one gateway. */
export interface GatewayLog extends Log {
	/** For `serve`, which tells it of bugs. */
	readonly onInternal: (error: unknown, requestId: string) => void;
	/** For `serve`, which tells it of requests that the server itself refused. */
	readonly onRefused: (error: GatewayError, requestId: string) => void;
	/** Listens no more. Resolves when all lines are written, or after a second. */
	close(): Promise<void>;
}

/** A log of which nothing is told yet. */
export function openLog(
	clock: Clock,
	{ log: { format: asked }, secrets }: Pick<Config, "log" | "secrets">,
	{
		fd = 2,
		isTerminal = false,
		colour = false,
		worker = null,
	}: LogOptions = {},
	shared = worker !== null,
): Log {
	const text = asked === "auto" ? isTerminal : asked === "text";
	const format = text ? "text" : "json";
	return createLog(clock, { fd, shared, format, colour, worker, secrets });
}

/** Writes what happens in a gateway, as its config's `log` says. It keeps no request waiting, and none fails with it. */
export function attachLog(
	gateway: Pick<Gateway, "plan" | "events" | "clock" | "secrets">,
	options: LogOptions = {},
): GatewayLog {
	const { secrets } = gateway;
	const { log: settings } = gateway.plan;
	const log = openLog(gateway.clock, { log: settings, secrets }, options);
	const detach = logEvents(gateway, log, settings);
	return {
		...log,
		onInternal: (error, requestId) =>
			logBug(log, error, { requestId }, "request failed"),
		onRefused: (error, requestId) =>
			logRefusal(error, requestId, log, settings),
		close() {
			detach();
			return log.close();
		},
	};
}
