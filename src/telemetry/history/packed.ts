import type { ErrorCode, GatewayError } from "../../core/errors.ts";
import type {
	PartsFace,
	SentParts,
	StepFailure,
	StepWrite,
	TrailEnded,
	WatchRole,
} from "../../core/events.ts";
import type {
	AttemptTrail,
	CallTrail,
	StepTrail,
	Trail,
} from "../../core/trail.ts";
import {
	type ShownSlowest,
	shownError,
	summaryOf,
} from "../trail/shown-request.ts";

/**
 * A request's end and its record as lists, because to write names costs more than to write what they name. All times are
 * hundredths of a millisecond from its arrival. The views of the database read some of the positions.
 */
export type PackedEnd = [
	method: string,
	outlived: 0 | 1,
	readAt: number | null,
	begunAt: number | null,
	more: number,
	/** The position of the step whose end was the run's; -1 if it ended by itself. */
	last: number,
	error: PackedError,
	missing: [
		step: string,
		index: readonly number[],
		PackedError,
		stale: 0 | 1,
	][],
	writes: [step: string, index: readonly number[], StepWrite["outcome"]][],
	steps: PackedStep[],
	/** Only if the steps were left out. */
	calls?: number | null,
	slowest?: ShownSlowest | null,
	/** Only if the answer was sent in parts. */
	parts?: [face: PartsFace, firstAt: number] | null,
	/** Only if it has to do with a watch. */
	watch?: WatchRole,
];

type PackedError =
	| null
	| [
			code: ErrorCode,
			message: string | null,
			status: number,
			step?: string | null,
			upstream?: string | null,
			upstreamStatus?: number | null,
	  ];

type PackedStep = [
	path: string,
	index: readonly number[],
	after: number,
	readyAt: number,
	startedAt: number | null,
	endedAt: number | null,
	end: StepTrail["end"],
	error: PackedError,
	waits: [steps: readonly string[], fromAt: number, toAt: number | null][],
	calls: PackedCall[],
];

type PackedCall = [
	upstream: string,
	method: string,
	template: string | null,
	startedAt: number,
	endedAt: number | null,
	status: number | null,
	error: PackedError,
	attempts: PackedAttempt[],
	decisions: [
		at: number,
		policy: string,
		decision: string,
		number: number | null,
		reason: string | null,
	][],
];

type PackedAttempt = [
	url: number,
	startedAt: number,
	placedAt: number | null,
	sentAt: number | null,
	headAt: number | null,
	endedAt: number | null,
	kept: 0 | 1,
	bytes: number,
	status: number | null,
	error: PackedError,
];

/* Packing, on the event loop */

/** Holds no data of the client or of an answer. Without the steps it has what a summary says of them. */
export function packEnd(end: TrailEnded, withSteps: boolean): PackedEnd {
	const { trail, method, outlived, error, missing, writes } = end;
	const { parts, watch } = end;
	const { steps, more, arrivedMs } = trail;
	const head: PackedEnd = [
		method,
		outlived ? 1 : 0,
		maybe(trail.readMs, arrivedMs),
		maybe(trail.begunMs, arrivedMs),
		withSteps ? more : steps.length + more,
		-1,
		packError(error),
		missing.map(({ step, index, error, stale }) => [
			...[step, index, packError(error)],
			stale ? 1 : 0,
		]) as PackedEnd[7],
		writes.map(({ step, index, outcome }) => [step, index, outcome]),
		[],
	];
	const summary = withSteps ? null : summaryOf(end, 0);
	if (parts !== null || watch !== undefined) {
		const sent = parts && packParts(parts);
		head.push(summary?.calls ?? null, summary?.slowest ?? null, sent);
		if (watch !== undefined) head.push(watch);
	} else if (summary !== null) head.push(summary.calls, summary.slowest);
	if (!withSteps) return head;
	const positions = new Map<StepTrail, number>();
	for (const step of steps) {
		positions.set(step, positions.size);
		head[9].push(packStep(step, positions, arrivedMs));
	}
	if (trail.last !== null) head[5] = positions.get(trail.last) ?? -1;
	return head;
}

/** More digits would only be noise. */
function times(atMs: number, arrivedMs: number): number {
	return Math.round((atMs - arrivedMs) * 100);
}

function maybe(atMs: number | null, arrivedMs: number): number | null {
	return atMs === null ? null : times(atMs, arrivedMs);
}

function packError(error: GatewayError | null): PackedError {
	if (error === null) return null;
	const { code, message, step, upstream, upstreamStatus } = shownError(error);
	const { status } = error;
	if (step === undefined && upstream === undefined) {
		return [code, message, status];
	}
	return [
		...([code, message, status, step ?? null, upstream ?? null] as const),
		upstreamStatus ?? null,
	];
}

/** A step that made this one ready stands before it. */
function packStep(
	step: StepTrail,
	positions: ReadonlyMap<StepTrail, number>,
	arrivedMs: number,
): PackedStep {
	const { after } = step;
	return [
		step.path,
		step.index,
		after === null ? -1 : (positions.get(after) ?? -1),
		times(step.readyMs, arrivedMs),
		maybe(step.startedMs, arrivedMs),
		maybe(step.endedMs, arrivedMs),
		step.end,
		packError(step.error),
		step.waits.map(({ steps, fromMs, toMs }) => [
			steps,
			times(fromMs, arrivedMs),
			maybe(toMs, arrivedMs),
		]),
		step.calls.map((call) => packCall(call, arrivedMs)),
	];
}

function packCall(call: CallTrail, arrivedMs: number): PackedCall {
	return [
		call.upstream,
		call.method,
		call.template,
		times(call.startedMs, arrivedMs),
		maybe(call.endedMs, arrivedMs),
		call.status,
		packError(call.error),
		call.attempts.map((attempt) => packAttempt(attempt, arrivedMs)),
		call.decisions.map(({ atMs, policy, decision, number, reason }) => [
			times(atMs, arrivedMs),
			...([policy, decision, number, reason] as const),
		]),
	];
}

function packAttempt(attempt: AttemptTrail, arrivedMs: number): PackedAttempt {
	return [
		attempt.url,
		times(attempt.startedMs, arrivedMs),
		maybe(attempt.placedMs, arrivedMs),
		maybe(attempt.sentMs, arrivedMs),
		maybe(attempt.headMs, arrivedMs),
		maybe(attempt.endedMs, arrivedMs),
		attempt.kept ? 1 : 0,
		attempt.bytes,
		attempt.status,
		packError(attempt.error),
	];
}

function packParts({ face, firstMs }: SentParts): [PartsFace, number] {
	return [face, Math.round(firstMs * 100)];
}

/* Unpacking, for whoever reads */

/** What stands beside the packed end in its row. */
export interface RowHead {
	readonly id: string;
	readonly route: string | null;
	readonly status: number;
	readonly durationMs: number;
}

/** As `packEnd` was given it, but that it arrived at 0. An error has only what is shown of it. */
export function unpackEnd(
	{ id, route, status, durationMs }: RowHead,
	[method, outlived, readAt, begunAt, more, last, ...rest]: PackedEnd,
): TrailEnded {
	const [error, missing, writes, packed, _, _1, parts, watch] = rest;
	const steps: StepTrail[] = [];
	for (const step of packed) steps.push(unpackStep(step, steps));
	const trail = {
		...{ requestId: id, method, route, arrivedMs: 0, more, steps },
		...{ readMs: ms(readAt), begunMs: ms(begunAt), recorded: null },
		last: steps[last] ?? null,
	} as unknown as Trail;
	return {
		...{ requestId: id, method, route, status, durationMs, trail },
		outlived: outlived === 1,
		error: unpackError(error),
		missing: missing.map(
			([step, index, error, stale]) =>
				({
					...{ step, index, error: unpackError(error) },
					...(stale === 1 && { stale: true }),
				}) as StepFailure,
		),
		writes: writes.map(([step, index, outcome]) => ({ step, index, outcome })),
		parts: parts ? { face: parts[0], firstMs: parts[1] / 100 } : null,
		...(watch !== undefined && { watch }),
	};
}

function ms(at: number | null): number | null {
	return at === null ? null : at / 100;
}

function unpackError(packed: PackedError): GatewayError | null {
	if (packed === null) return null;
	const [code, message, status, step, upstream, upstreamStatus] = packed;
	const facts = {
		...(step != null && { step }),
		...(upstream != null && { upstream }),
		...(upstreamStatus != null && { upstreamStatus }),
	};
	return { code, message, status, facts } as GatewayError;
}

function unpackStep(
	[path, index, after, readyAt, startedAt, endedAt, ...rest]: PackedStep,
	before: readonly StepTrail[],
): StepTrail {
	const [end, error, waits, calls] = rest;
	return {
		...{ path, index, after: before[after] ?? null, end },
		...{ readyMs: readyAt / 100, startedMs: ms(startedAt) },
		...{ endedMs: ms(endedAt), error: unpackError(error) },
		waits: waits.map(([steps, fromAt, toAt]) => ({
			...{ steps, fromMs: fromAt / 100, toMs: ms(toAt) },
		})),
		calls: calls.map(unpackCall),
	} as unknown as StepTrail;
}

function unpackCall([upstream, method, template, ...rest]: PackedCall) {
	const [startedAt, endedAt, status, error, attempts, decisions] = rest;
	return {
		...{ upstream, method, template, status, error: unpackError(error) },
		...{ startedMs: startedAt / 100, endedMs: ms(endedAt) },
		attempts: attempts.map(unpackAttempt),
		decisions: decisions.map(([at, policy, decision, number, reason]) => ({
			...{ atMs: at / 100, policy, decision, number, reason },
		})),
	};
}

function unpackAttempt([url, startedAt, placedAt, ...rest]: PackedAttempt) {
	const [sentAt, headAt, endedAt, kept, bytes, status, error] = rest;
	return {
		...{ url, kept: kept === 1, bytes, status, error: unpackError(error) },
		...{ startedMs: startedAt / 100, placedMs: ms(placedAt) },
		...{ sentMs: ms(sentAt), headMs: ms(headAt), endedMs: ms(endedAt) },
	};
}
