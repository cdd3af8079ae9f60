import type { TrailEnded } from "../../core/events.ts";
import type { StepTrail, Trail } from "../../core/trail.ts";
import { isLarge, togetherMax } from "../trail/together.ts";
import { type Log, wordsOf } from "./log.ts";
import { type Calls, callOf } from "./log-calls.ts";
import {
	countOf,
	type Ending,
	endingOf,
	endingWords,
	finishedWords,
	nameOf,
	whyRefused,
	writtenOf,
} from "./log-requests.ts";

/** Endings of which `sample` takes a share. `requests: partial` tells of all others. */
const sampled: ReadonlySet<Ending> = new Set([
	...(["whole", "left", "unwatched", "refused"] as const),
]);

/** How many parts of one answer are named as missing. */
const missingMax = 16;

/** A request that has ended, and when, in milliseconds since 1970. */
interface Ended {
	readonly end: TrailEnded;
	readonly atMs: number;
}

/** A line while it is made. Most requests need no other fields. */
interface Line extends Record<string, unknown> {
	requestId: string;
	traceId?: string;
	method?: string;
	route: string | null;
	status: number;
	durationMs: number;
}

/**
 * Makes a listener that tells of each request in one line. `random` gives numbers from 0 to below 1, of which `sample` lets
 * its share through. What is refused for overload is one line a second, because no line may cost more than the refusal.
 */
export function tellEach(
	calls: Calls,
	log: Log,
	sample: number,
	random: () => number,
): (end: TrailEnded) => void {
	let waiting: Ended[] = [];
	const tellAll = () => {
		const all = waiting;
		waiting = [];
		for (const one of all) tellOne(one, calls, log);
	};
	return (end) => {
		const ending = endingOf(end);
		if (ending === "overloaded") return tellOverloaded(end, log);
		if (sample < 1 && sampled.has(ending) && random() >= sample) return;
		if (waiting.length === togetherMax) tellAll();
		waiting.push({ end, atMs: Date.now() });
		if (isLarge(end.trail)) tellAll();
		else if (waiting.length === 1) log.putOff(tellAll);
	};
}

function tellOne({ end, atMs }: Ended, calls: Calls, log: Log): void {
	const ending = endingOf(end);
	const line = lineOf(end);
	if (ending === "whole") {
		log.info(line, "answered", atMs);
		return;
	}
	addMissing(line, end);
	addError(line, end, ending, calls);
	if (ending === "partial") log.warn(line, "answered in part", atMs);
	else if (ending === "refused" || ending === "unwatched") {
		log.info(line, endingWords[ending], atMs);
	} else if (ending === "left") {
		const words = end.outlived ? finishedWords : endingWords.left;
		log.info(line, words, atMs);
	} else log.error(line, endingWords[ending as keyof typeof endingWords], atMs);
}

function lineOf({
	requestId,
	traceId,
	method,
	route,
	status,
	durationMs,
	error,
	missing,
	parts,
	watch,
	job,
	closeCode,
	trail,
}: TrailEnded): Line {
	const line: Line = {
		requestId,
		route,
		status,
		durationMs: Math.round(durationMs),
	};
	if (traceId !== undefined) line.traceId = traceId;
	// Without a route it may be a word of the client's own.
	if (route !== null) line.method = method;
	if (error === null) line.complete = missing.length === 0;
	if (parts !== null) {
		line.face = parts.face;
		line.firstPartMs = Math.round(parts.firstMs);
	}
	if (watch !== undefined) line.watch = watch;
	if (job) line.job = true;
	if (closeCode !== undefined) line.closeCode = closeCode;
	addCalls(line, trail, durationMs);
	return line;
}

/** A call that had not ended counts up to the request's end, also if it has ended since. */
function addCalls(
	line: Line,
	{ steps, arrivedMs }: Trail,
	durationMs: number,
): void {
	const endMs = arrivedMs + durationMs;
	let count = 0;
	let attempts = 0;
	let slowest: StepTrail | null = null;
	let slowestMs = -1;
	for (const step of steps) {
		for (const { startedMs, endedMs, attempts: made } of step.calls) {
			count++;
			attempts += made.length;
			const untilMs = endedMs === null || endedMs > endMs ? endMs : endedMs;
			const ms = untilMs - startedMs;
			if (ms <= slowestMs) continue;
			slowest = step;
			slowestMs = ms;
		}
	}
	line.calls = count;
	// Fewer are those that a cache or another's call has answered.
	if (attempts !== count) line.attempts = attempts;
	if (slowest === null) return;
	line.slowest = nameOf({ step: slowest.path, index: slowest.index });
	line.slowestMs = Math.round(slowestMs);
}

function addMissing(line: Line, { missing }: TrailEnded): void {
	if (missing.length === 0) return;
	line.missing = missing
		.slice(0, missingMax)
		.map(({ error, stale, ...of }) => ({
			step: nameOf(of),
			code: error.code,
			message: error.message,
			...(stale ? { stale } : {}),
		}));
	const more = missing.length - missingMax;
	if (more > 0) line.missingMore = more;
}

function addError(
	line: Line,
	{ error, route, writes }: TrailEnded,
	ending: Ending,
	calls: Calls,
): void {
	if (error === null || ending === "left" || ending === "unwatched") return;
	if (ending === "refused") {
		line.code = error.code;
		Object.assign(line, whyRefused(error));
		return;
	}
	Object.assign(line, wordsOf(error), callOf(calls, route, error));
	Object.assign(line, writtenOf(writes));
}

function tellOverloaded(
	{ requestId, traceId, route, status }: TrailEnded,
	log: Log,
): void {
	const code = "overloaded";
	log.repeats.tell(`${code} ${route}`, 1, (count) =>
		log.warn(
			{ requestId, traceId, route, status, code, ...countOf(count) },
			endingWords.overloaded,
		),
	);
}
