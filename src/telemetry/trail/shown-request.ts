import {
	type ErrorCode,
	type GatewayError,
	messageForOperators,
} from "../../core/errors.ts";
import type {
	RequestEnded,
	SentParts,
	StepWrite,
	TrailEnded,
	WatchRole,
} from "../../core/events.ts";
import type {
	AttemptTrail,
	CallTrail,
	DecisionMark,
	StepEnd,
	StepTrail,
	Trail,
} from "../../core/trail.ts";
import { criticalPath, type PathPart } from "./critical-path.ts";
import { type Segment, segmentsOf } from "./segments.ts";

/** Why something failed, for operators. */
export interface ShownError {
	readonly code: ErrorCode;
	/** Null if it may quote the client. */
	readonly message: string | null;
	readonly step?: string;
	readonly upstream?: string;
	readonly upstreamStatus?: number;
}

/** What came of a request: everything, a part of it, an error, or nothing because nobody wanted it any more. */
export type Completeness = "whole" | "partial" | "failed" | "left";

/** A request that has ended, in one line. It prints as JSON, and holds no data of its client or of an answer. */
export interface RequestSummary {
	readonly id: string;
	/** When it arrived, as RFC 3339 has it, in UTC. */
	readonly at: string;
	/** Null without a route, because then it may be a word of the client's own. */
	readonly method: string | null;
	/** As in the plan: `GET /weather/{id}`. Null if none matched. */
	readonly route: string | null;
	/** 499 if the client left. */
	readonly status: number;
	readonly durationMs: number;
	readonly completeness: Completeness;
	/** True if the run went on after its client had left. */
	readonly outlived: boolean;
	readonly error: ShownError | null;
	readonly missing: readonly ShownMissing[];
	readonly writes: readonly StepWrite[];
	/** In which form its answer was sent in parts, and when the first went out, from its arrival. Null: not in parts. */
	readonly parts: SentParts | null;
	/** Present if its client watched a live route or listened to a channel, and for a run for all who watch. */
	readonly watch?: WatchRole;
	/** Present if it is the run of a job. */
	readonly job?: true;
	/** Present if its answer was a WebSocket: the code with which that was closed. */
	readonly closeCode?: number;
	/** How many calls its steps made. */
	readonly calls: number;
	/** The step or item with the slowest call: `orders.items`. Null if there was no call. */
	readonly slowest: ShownSlowest | null;
}

export interface ShownSlowest {
	readonly step: string;
	readonly index: readonly number[];
	readonly durationMs: number;
}

/** A part that a partial answer lacks, or that is stale. */
export interface ShownMissing {
	readonly step: string;
	readonly index: readonly number[];
	readonly error: ShownError;
	readonly stale: boolean;
}

/** A request with all that was done for it. All times are milliseconds from its arrival. */
export interface RequestDetail extends RequestSummary {
	/** When its input had been read; null if it was refused before. */
	readonly readMs: number | null;
	/** When its run began; null if it was refused before. */
	readonly begunMs: number | null;
	/** In the order in which they became ready. */
	readonly steps: readonly ShownStep[];
	/** How many steps and items are not noted. */
	readonly more: number;
	/** The true longest chain of what waited for what. Its parts follow each other without a gap, up to the end. */
	readonly criticalPath: readonly PathPart[];
}

export interface ShownStep {
	readonly path: string;
	readonly index: readonly number[];
	/** The position in `steps` of the one whose end made it ready. Null if it waited for none. */
	readonly after: number | null;
	readonly readyMs: number;
	readonly startedMs: number | null;
	readonly endedMs: number | null;
	readonly end: StepEnd | null;
	readonly error: ShownError | null;
	/** What its time was spent on. Of pieces that overlap the later one says more. */
	readonly segments: readonly Segment[];
	readonly waits: readonly ShownWait[];
	readonly calls: readonly ShownCall[];
}

export interface ShownWait {
	/** Empty for the pause between two rounds of `repeat`. */
	readonly steps: readonly string[];
	readonly fromMs: number;
	readonly toMs: number | null;
}

export interface ShownCall {
	readonly upstream: string;
	readonly method: string;
	/** The path with its holes unfilled; null if a function made it. */
	readonly template: string | null;
	readonly startedMs: number;
	readonly endedMs: number | null;
	readonly status: number | null;
	readonly error: ShownError | null;
	readonly attempts: readonly ShownAttempt[];
	readonly decisions: readonly DecisionMark[];
}

export interface ShownAttempt {
	/** Which of the upstream's `urls` was asked, from 0. */
	readonly url: number;
	readonly startedMs: number;
	readonly placedMs: number | null;
	readonly sentMs: number | null;
	readonly headMs: number | null;
	readonly endedMs: number | null;
	/** Whether its connection had carried a call before. */
	readonly kept: boolean;
	readonly bytes: number;
	readonly status: number | null;
	readonly error: ShownError | null;
}

/** `endedAt` is the wall clock's time in milliseconds when it ended. */
export function summaryOf(end: TrailEnded, endedAt: number): RequestSummary {
	const { requestId, method, route, status, durationMs, error, missing } = end;
	const { parts, watch, job, closeCode } = end;
	return {
		id: requestId,
		at: new Date(endedAt - durationMs).toISOString(),
		method: route === null ? null : method,
		route,
		status,
		durationMs: rounded(durationMs),
		completeness: completenessOf(end),
		outlived: end.outlived,
		error: error && shownError(error),
		missing: missing.map(({ step, index, error, stale }) => ({
			...{ step, index, error: shownError(error) },
			stale: stale ?? false,
		})),
		writes: end.writes,
		parts: parts && { ...parts, firstMs: rounded(parts.firstMs) },
		...(watch && { watch }),
		...(job && { job }),
		...(closeCode !== undefined && { closeCode }),
		...callsOf(end),
	};
}

/** As `summaryOf`, with all that was done for it. */
export function detailOf(end: TrailEnded, endedAt: number): RequestDetail {
	const { trail, durationMs } = end;
	const times = timesFrom(trail);
	const positions = new Map(trail.steps.map((step, at) => [step, at]));
	const endMs = trail.arrivedMs + durationMs;
	return {
		...summaryOf(end, endedAt),
		readMs: times.maybe(trail.readMs),
		begunMs: times.maybe(trail.begunMs),
		steps: trail.steps.map((step) => shownStep(step, times, positions, endMs)),
		more: trail.more,
		criticalPath: criticalPath(end).map((part) => ({
			...part,
			fromMs: rounded(part.fromMs),
			toMs: rounded(part.toMs),
		})),
	};
}

/** A client that leaves is no failure of anybody's, and neither is a run that nobody waits for any more. */
export function completenessOf({
	error,
	missing,
}: Pick<RequestEnded, "error" | "missing">): Completeness {
	if (error !== null) return error.code === "client_closed" ? "left" : "failed";
	return missing.length > 0 ? "partial" : "whole";
}

/** Whether no client waits for it: the gateway runs it for those who watch, or as a job. */
export function isOwnRun({
	watch,
	job,
}: Pick<RequestEnded, "watch" | "job">): boolean {
	return watch === "run" || job === true;
}

/** Whether its client decided how long it took: it watched, listened, or held a WebSocket open. */
export function isOpenEnded({
	watch,
	status,
}: Pick<RequestEnded, "watch" | "status">): boolean {
	return watch === undefined ? status === 101 : watch !== "run";
}

/** What operators are told of an error. */
export function shownError(error: GatewayError): ShownError {
	const { code, facts } = error;
	const { step, upstream, upstreamStatus } = facts;
	return {
		code,
		message: messageForOperators(error),
		...(step === undefined ? {} : { step }),
		...(upstream === undefined ? {} : { upstream }),
		...(upstreamStatus === undefined ? {} : { upstreamStatus }),
	};
}

/** A call that had not ended counts up to the request's end. */
function callsOf({
	trail: { steps, arrivedMs },
	durationMs,
}: TrailEnded): Pick<RequestSummary, "calls" | "slowest"> {
	let calls = 0;
	let slowest: ShownSlowest | null = null;
	for (const { path: step, index, calls: made } of steps) {
		for (const { startedMs, endedMs } of made) {
			calls++;
			const ms = rounded((endedMs ?? arrivedMs + durationMs) - startedMs);
			if (slowest !== null && ms <= slowest.durationMs) continue;
			slowest = { step, index, durationMs: ms };
		}
	}
	return { calls, slowest };
}

/** Instants of the gateway's clock as milliseconds from the request's arrival. */
interface Times {
	of(atMs: number): number;
	maybe(atMs: number | null): number | null;
}

function timesFrom({ arrivedMs }: Trail): Times {
	const of = (atMs: number) => rounded(atMs - arrivedMs);
	return { of, maybe: (atMs) => (atMs === null ? null : of(atMs)) };
}

/** To a hundredth: more digits would only be noise. */
function rounded(ms: number): number {
	return Math.round(ms * 100) / 100;
}

function shownStep(
	step: StepTrail,
	times: Times,
	positions: ReadonlyMap<StepTrail, number>,
	endMs: number,
): ShownStep {
	const { path, index, end, error, after } = step;
	return {
		...{ path, index, end },
		after: after === null ? null : (positions.get(after) ?? null),
		readyMs: times.of(step.readyMs),
		startedMs: times.maybe(step.startedMs),
		endedMs: times.maybe(step.endedMs),
		error: error && shownError(error),
		segments: segmentsOf(step, endMs).map(({ fromMs, toMs, spent }) => ({
			fromMs: times.of(fromMs),
			toMs: times.of(toMs),
			spent,
		})),
		waits: step.waits.map(({ steps, fromMs, toMs }) => ({
			steps,
			fromMs: times.of(fromMs),
			toMs: times.maybe(toMs),
		})),
		calls: step.calls.map((call) => shownCall(call, times)),
	};
}

function shownCall(call: CallTrail, times: Times): ShownCall {
	const { upstream, method, template, status, error } = call;
	return {
		...{ upstream, method, template, status },
		startedMs: times.of(call.startedMs),
		endedMs: times.maybe(call.endedMs),
		error: error && shownError(error),
		attempts: call.attempts.map((attempt) => shownAttempt(attempt, times)),
		decisions: call.decisions.map((mark) => ({
			...mark,
			atMs: times.of(mark.atMs),
		})),
	};
}

function shownAttempt(attempt: AttemptTrail, times: Times): ShownAttempt {
	const { url, kept, bytes, status, error } = attempt;
	return {
		...{ url, kept, bytes, status },
		startedMs: times.of(attempt.startedMs),
		placedMs: times.maybe(attempt.placedMs),
		sentMs: times.maybe(attempt.sentMs),
		headMs: times.maybe(attempt.headMs),
		endedMs: times.maybe(attempt.endedMs),
		error: error && shownError(error),
	};
}
