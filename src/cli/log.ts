import pino from "pino";
import type { ErrorFacts, GatewayError } from "../core/errors.ts";
import type { Events, RequestEnded } from "../core/events.ts";
import { shown } from "./terminal.ts";

export type Log = pino.Logger;

/** The log: lines of JSON on stderr. They are written synchronously, so that the last one is not lost. */
export function createLog(): Log {
	const stderr = pino.destination({ dest: 2, sync: true });
	return pino(
		{ base: null, timestamp: pino.stdTimeFunctions.isoTime },
		// JSON escapes the control characters of ASCII alone.
		{ write: (line: string) => stderr.write(shown(line)) },
	);
}

/**
 * Writes a line for each answer of 500 and above, with its cause, and with the stack for `internal`. Requests refused
 * for overload get no line: it would be more work than the refusal, and `logLoad` says it once.
 */
export function logFailures(events: Events, log: Log): void {
	events.requestEnded.push((end) => {
		const { error, status } = end;
		if (error === null || status < 500 || error.code === "overloaded") return;
		log.error(lineOf(end, error), "request failed");
	});
}

/** Writes a line when the gateway begins to leave out or to refuse, and one when that is over. */
export function logLoad({ loadChanged }: Events, log: Log): void {
	loadChanged.push(({ level, reason }) => {
		if (level === "normal") log.info({ load: level }, "load is normal again");
		else log.warn({ load: level, reason }, loadWords[level]);
	});
}

const loadWords = {
	skipping: "too much load: optional parts are left out",
	refusing: "too much load: requests are refused",
};

function lineOf(end: RequestEnded, error: GatewayError): object {
	const { requestId, method, route, status, durationMs } = end;
	return {
		requestId,
		method,
		route,
		status,
		durationMs: Math.round(durationMs),
		...wordsOf(error),
	};
}

/** The log's words for an error: its message and where it happened, never the data that was sent or received. */
export function wordsOf(error: GatewayError): object {
	const { code, message, facts } = error;
	const stack = code === "internal" ? { stack: stackOf(error) } : {};
	return { code, message, ...factsOf(facts), ...stack };
}

function factsOf({ step, upstream, upstreamStatus }: ErrorFacts): object {
	return { step, upstream, upstreamStatus };
}

function stackOf(error: GatewayError): string | undefined {
	const { cause } = error.facts;
	return cause instanceof Error ? cause.stack : error.stack;
}
