import pino from "pino";
import type { GatewayError } from "../../core/errors.ts";
import { shown } from "../../core/shown.ts";
import type { Clock } from "../../tasks/clock.ts";
import { readable } from "./log-line.ts";
import { LogOutput } from "./log-output.ts";
import { Repeats } from "./repeats.ts";

/** Where a log writes, and how. */
export interface LogTarget {
	/** A descriptor whose writes should not wait. Its owner closes it. */
	readonly fd: number;
	/** `text` is for people, who watch the lines on a terminal. */
	readonly format: "text" | "json";
	/** Whether a text has colours. */
	readonly colour: boolean;
}

/** To write a line never waits and never fails. */
export interface Log extends Pick<pino.Logger, "info" | "warn" | "error"> {
	/** Bounds the lines of events that may come in thousands. */
	readonly repeats: Repeats;
	/** Resolves when all lines are written, or after a second. */
	close(): Promise<void>;
}

const flushMs = 1000;

export function createLog(
	clock: Clock,
	{ fd, format, colour }: LogTarget,
): Log {
	const output = new LogOutput(fd, clock, (dropped) =>
		log.warn({ dropped }, "lines of the log were dropped: nobody took them"),
	);
	// JSON escapes the control characters of ASCII alone.
	const lineOf = (json: string) =>
		format === "text" ? readable(json, colour) : shown(json);
	const log = pino(
		{ base: null, timestamp: pino.stdTimeFunctions.isoTime },
		{ write: (json: string) => output.write(lineOf(json)) },
	);
	const repeats = new Repeats(clock);
	const onExit = () => output.writeRest();
	process.once("exit", onExit);
	return {
		repeats,
		info: log.info.bind(log),
		warn: log.warn.bind(log),
		error: log.error.bind(log),
		async close() {
			repeats.writeHeld();
			await output.flush(flushMs);
			process.off("exit", onExit);
		},
	};
}

/** The log's words for an error: its message and where it happened, never the data that was sent or received. */
export function wordsOf(error: GatewayError): object {
	const { code, message, facts, callMs } = error;
	const { step, upstream, upstreamStatus } = facts;
	return {
		...{ code, message, step, upstream, upstreamStatus },
		...(callMs === null ? {} : { callMs: Math.round(callMs) }),
		...(code === "internal" ? { stack: stackOf(error) } : {}),
	};
}

function stackOf(error: GatewayError): string | undefined {
	const { cause } = error.facts;
	return cause instanceof Error ? cause.stack : error.stack;
}
