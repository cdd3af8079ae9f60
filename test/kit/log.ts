import type { LogConfig } from "../../src/config/config.ts";
import type { Gateway } from "../../src/gateway/gateway.ts";
import type { Log } from "../../src/telemetry/log/log.ts";
import { logEvents } from "../../src/telemetry/log/log-events.ts";
import { Repeats } from "../../src/telemetry/log/repeats.ts";

export type Line = Readonly<Record<string, unknown>>;

/** The lines that the gateway's log gets from now on, without what differs from run to run. */
export function linesOf(
	gateway: Gateway,
	settings: Partial<LogConfig> = {},
	random?: () => number,
): Line[] {
	const lines: Line[] = [];
	const add = (level: string) => (fields: object, words: string) => {
		const { requestId: _, durationMs: _1, ...told } = fields as Line;
		const known = Object.entries(told).filter(([, value]) => value != null);
		lines.push({ level, words, ...Object.fromEntries(known) });
	};
	const log = {
		repeats: new Repeats(gateway.clock),
		putOff: (make: () => void) => make(),
		info: add("info"),
		warn: add("warn"),
		error: add("error"),
		close: async () => {},
	};
	const all = { ...gateway.plan.log, ...settings };
	logEvents(gateway, log as unknown as Log, all, random);
	return lines;
}
