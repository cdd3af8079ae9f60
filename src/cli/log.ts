import pino from "pino";
import {
	asGatewayError,
	type ErrorFacts,
	type GatewayError,
} from "../core/errors.ts";
import type { Events, RequestEnded } from "../core/events.ts";
import type { Clock } from "../tasks/clock.ts";
import { LogOutput } from "./log-output.ts";
import { Repeats } from "./repeats.ts";
import { shown } from "./terminal.ts";

/** The log: lines of JSON on stderr. To write one never waits and never fails. */
export interface Log extends Pick<pino.Logger, "info" | "warn" | "error"> {
	/** Bounds the lines of events that may come in thousands. */
	readonly repeats: Repeats;
	/** Resolves when all lines are written, or after a second. */
	close(): Promise<void>;
}

const flushMs = 1000;

export function createLog(clock: Clock): Log {
	const output = new LogOutput(clock, (dropped) =>
		log.warn({ dropped }, "lines of the log were dropped: nobody took them"),
	);
	const log = pino(
		{ base: null, timestamp: pino.stdTimeFunctions.isoTime },
		// JSON escapes the control characters of ASCII alone.
		{ write: (line: string) => output.write(shown(line)) },
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

/** How many lines a second each kind of failure gets. */
const failureLinesMax = 10;

/** Failures that cost nothing and come with every request. */
const refusals: ReadonlySet<string> = new Set(["breaker_open", "limiter_full"]);

/**
 * Writes a line for an answer of 500 and above, with its cause, and with the stack for `internal`. Of each kind there are
 * ten lines a second, and one of those that refuse without asking. Requests refused for overload get no line, because
 * `logLoad` says it once.
 */
export function logFailures(events: Events, log: Log): void {
	events.requestEnded.push((end) => {
		const { error, status, route } = end;
		if (error === null || status < 500 || error.code === "overloaded") return;
		const { code, facts } = error;
		const [kind, linesMax] = refusals.has(code)
			? [`${code} ${facts.upstream}`, 1]
			: [`${code} ${route} ${facts.step}`, failureLinesMax];
		log.repeats.tell(kind, linesMax, (count) =>
			log.error({ ...lineOf(end, error), ...countOf(count) }, "request failed"),
		);
	});
}

/** Writes a line for an error that is a bug. */
export function logBug(
	log: Log,
	thrown: unknown,
	fields: object,
	words: string,
): void {
	const error = asGatewayError(thrown);
	log.repeats.tell(`${words} ${error.code}`, failureLinesMax, (count) =>
		log.error({ ...fields, ...wordsOf(error), ...countOf(count) }, words),
	);
}

/** A line that stands for itself alone has no count. */
function countOf(count: number): object {
	return count > 1 ? { count } : {};
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
function wordsOf(error: GatewayError): object {
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
