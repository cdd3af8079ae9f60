import type { TrailEnded } from "../../core/events.ts";
import { shown } from "../../core/shown.ts";
import type { StepTrail } from "../../core/trail.ts";
import type { Clock } from "../../tasks/clock.ts";
import { type JsonBytes, Pieces } from "../trail/json-bytes.ts";
import { isLarge, togetherMax } from "../trail/together.ts";
import { WallTime } from "../trail/wall-time.ts";
import { type Log, wordsOf } from "./log.ts";
import { type Calls, callOf } from "./log-calls.ts";
import { OwnFields, writeField } from "./log-line.ts";
import {
	countOf,
	type Ending,
	endingOf,
	endingWords,
	nameOf,
	whyCutOff,
	whyRefused,
	wordsOfEnd,
	writtenOf,
} from "./log-requests.ts";

/** Endings of which `sample` takes a share. `requests: partial` tells of all others. */
const sampled: ReadonlySet<Ending> = new Set([
	...(["whole", "left", "unwatched", "refused"] as const),
]);

/** Endings that are no failure of ours. */
const quiet: ReadonlySet<Ending> = new Set([
	...(["left", "unwatched", "refused"] as const),
]);

/** How many parts of one answer are named as missing. */
const missingMax = 16;

/** A line while it is made. Most requests need no other fields. */
interface Line extends Record<string, unknown> {
	requestId: string;
	traceId?: string;
	method?: string;
	route: string | null;
	status: number;
	durationMs: number;
}

/** What the calls of a request were, as far as they had come when it ended. */
export interface CallFacts {
	readonly count: number;
	/** Fewer are those that a cache or another's call has answered. */
	readonly attempts: number;
	/** The step with the slowest; null if there was none. */
	readonly slowest: StepTrail | null;
	readonly slowestMs: number;
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
	clock: Pick<Clock, "now">,
): (end: TrailEnded) => void {
	const wall = new WallTime(clock);
	let waiting: TrailEnded[] = [];
	const tellAll = () => {
		const all = waiting;
		waiting = [];
		wall.compare();
		for (const end of all) {
			const atMs = wall.at(end.trail.arrivedMs + end.durationMs);
			tellOne(end, atMs, calls, log);
		}
	};
	return (end) => {
		const ending = endingOf(end);
		if (ending === "overloaded") return tellOverloaded(end, log);
		if (sample < 1 && sampled.has(ending) && random() >= sample) return;
		if (waiting.length === togetherMax) tellAll();
		waiting.push(end);
		if (isLarge(end.trail)) tellAll();
		else if (waiting.length === 1) log.putOff(tellAll);
	};
}

function tellOne(end: TrailEnded, atMs: number, calls: Calls, log: Log): void {
	const ending = endingOf(end);
	const made = callFactsOf(end);
	if (ending === "whole") {
		const isUsual = end.route !== null && !hasOthers(end, made);
		const line = isUsual ? new UsualLine(end, made) : lineOf(end, made);
		log.info(line, "answered", atMs);
		return;
	}
	const line = lineOf(end, made);
	addMissing(line, end);
	addError(line, end, ending, calls);
	if (ending === "partial") log.warn(line, "answered in part", atMs);
	else {
		if (ending === "left" && end.error) {
			Object.assign(line, whyCutOff(end.error));
		}
		const words = wordsOfEnd(ending, end);
		if (quiet.has(ending)) log.info(line, words, atMs);
		else log.error(line, words, atMs);
	}
}

/** A call that had not ended counts up to the request's end, also if it has ended since. */
function callFactsOf({
	trail: { steps, arrivedMs },
	durationMs,
}: TrailEnded): CallFacts {
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
	return { count, attempts, slowest, slowestMs };
}

/** Whether its line has fields that most requests need not. */
function hasOthers(
	{ traceId, parts, watch, job, closeCode }: TrailEnded,
	{ count, attempts, slowest }: CallFacts,
): boolean {
	return (
		traceId !== undefined ||
		parts !== null ||
		watch !== undefined ||
		job !== undefined ||
		closeCode !== undefined ||
		attempts !== count ||
		(slowest !== null && slowest.index.length > 0)
	);
}

function lineOf(
	{
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
	}: TrailEnded,
	{ count, attempts, slowest, slowestMs }: CallFacts,
): Line {
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
	line.calls = count;
	if (attempts !== count) line.attempts = attempts;
	if (slowest === null) return line;
	line.slowest = nameOf({ step: slowest.path, index: slowest.index });
	line.slowestMs = Math.round(slowestMs);
	return line;
}

const routes = new Pieces<string>(
	(route) => `"route":${shown(JSON.stringify(route))},"status":`,
);
const durationMs = Buffer.from('"durationMs":');
const methods = new Pieces<string>(
	(method) =>
		`"method":${shown(JSON.stringify(method))},"complete":true,"calls":`,
);
const slowests = new Pieces<string>(
	(step) => `"slowest":${shown(JSON.stringify(step))},"slowestMs":`,
);

/**
 * The line of a whole answer of a route, which most are: the fields of `lineOf`, in their order. To write their names and
 * what the plan says together takes a third of the time.
 */
export class UsualLine extends OwnFields {
	readonly requestId: string;
	readonly route: string;
	readonly status: number;
	readonly durationMs: number;
	readonly method: string;
	readonly complete = true;
	readonly calls: number;
	readonly slowest: string | undefined;
	readonly slowestMs: number | undefined;

	constructor(
		{ requestId, route, status, durationMs, method }: TrailEnded,
		{ count, slowest, slowestMs }: CallFacts,
	) {
		super();
		this.requestId = requestId;
		this.route = route as string;
		this.status = status;
		this.durationMs = Math.round(durationMs);
		this.method = method;
		this.calls = count;
		this.slowest = slowest?.path;
		this.slowestMs = slowest === null ? undefined : Math.round(slowestMs);
	}

	override writeTo(out: JsonBytes): void {
		writeField(out, "requestId", this.requestId);
		out.piece(routes.of(this.route));
		out.number(this.status);
		out.piece(durationMs);
		out.number(this.durationMs);
		out.piece(methods.of(this.method));
		out.number(this.calls);
		if (this.slowest === undefined) return;
		out.piece(slowests.of(this.slowest));
		out.number(this.slowestMs as number);
	}
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
