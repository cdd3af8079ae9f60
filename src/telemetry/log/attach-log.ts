import type { GatewayError } from "../../core/errors.ts";
import type { Gateway } from "../../gateway/gateway.ts";
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

/** Writes what happens in a gateway, as its config's `log` says. It keeps no request waiting, and none fails with it. */
export function attachLog(
	gateway: Pick<Gateway, "plan" | "events" | "clock">,
	{ fd = 2, isTerminal = false, colour = false }: LogOptions = {},
): GatewayLog {
	const settings = gateway.plan.log;
	const { format: asked } = settings;
	const text = asked === "auto" ? isTerminal : asked === "text";
	const format = text ? "text" : "json";
	const log = createLog(gateway.clock, { fd, format, colour });
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
