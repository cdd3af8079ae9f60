import type { GatewayError } from "../../core/errors.ts";
import type { Secrets } from "../../core/secrets.ts";
import type { Clock } from "../../tasks/clock.ts";
import { readable, writeLine } from "./log-line.ts";
import { LogOutput } from "./log-output.ts";
import { Repeats } from "./repeats.ts";

/** Where a log writes, and how. */
export interface LogTarget {
	/** A descriptor whose writes should not wait. Its owner closes it. */
	readonly fd: number;
	/** Whether other processes write to it, too. Then lines of up to 4 KiB stay whole. Default: false. */
	readonly shared?: boolean;
	/** `text` is for people, who watch the lines on a terminal. */
	readonly format: "text" | "json";
	/** Whether a text has colours. */
	readonly colour: boolean;
	/** Stands in each line, because several processes write to one log. Default: null, it stands in none. */
	readonly worker?: number | null;
	/** What no line may show. Default: nothing. */
	readonly secrets?: Secrets;
}

/**
 * Writes one line: its fields, which must print as JSON, and what happened. An undefined field is left out. `atMs` is when
 * it happened, in milliseconds since 1970; without it, now.
 */
type Tell = (fields: object, words: string, atMs?: number) => void;

/** To write a line never waits and never fails. */
export interface Log {
	readonly info: Tell;
	readonly warn: Tell;
	readonly error: Tell;
	/**
	 * Lets `make` write its lines later, but before any other line, before the next write and before the end. So lines keep
	 * their order. Only one may be waiting.
	 */
	putOff(make: () => void): void;
	/** Bounds the lines of events that may come in thousands. */
	readonly repeats: Repeats;
	/** Resolves when all lines are written, or after a second. */
	close(): Promise<void>;
}

const flushMs = 1000;

export function createLog(
	clock: Clock,
	{ fd, shared = false, format, colour, worker = null, secrets }: LogTarget,
): Log {
	const onGap = (dropped: number) =>
		log.warn({ dropped }, "lines of the log were dropped: nobody took them");
	let putOff: (() => void) | null = null;
	const makeRest = () => {
		const make = putOff;
		putOff = null;
		make?.();
	};
	const hide =
		secrets &&
		((piece: Buffer) =>
			format === "json"
				? secrets.hideInJsonBytes(piece)
				: secrets.hideInBytes(piece));
	const output = new LogOutput(fd, clock, onGap, shared, hide);
	output.onDue = makeRest;
	const { out } = output;
	const teller =
		(level: number): Tell =>
		(fields, words, atMs) => {
			if (putOff !== null) makeRest();
			const from = out.length;
			writeLine(out, level, fields, words, worker, atMs);
			if (format === "text") {
				const json = out.slice(from, out.length).toString();
				out.cut(from);
				out.raw(readable(json, colour));
			}
			output.endLine();
		};
	const repeats = new Repeats(clock);
	const onExit = () => output.writeRest();
	process.once("exit", onExit);
	const log: Log = {
		repeats,
		putOff(make) {
			putOff = make;
			output.want();
		},
		info: teller(30),
		warn: teller(40),
		error: teller(50),
		async close() {
			repeats.writeHeld();
			await output.flush(flushMs);
			process.off("exit", onExit);
		},
	};
	return log;
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
