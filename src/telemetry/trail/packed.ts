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
import { asciiJson, JsonBytes, Pieces } from "./json-bytes.ts";
import { type ShownSlowest, shownError, summaryOf } from "./shown-request.ts";

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
	/** Only if it has to do with a watch, or something of what follows. */
	watch?: WatchRole | null,
	/** Whether it is the run of a job. */
	job?: 0 | 1,
	/** Of a WebSocket. */
	closeCode?: number,
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

const text = new JsonBytes();

/** The JSON of a `PackedEnd`, as `writePacked` writes it. */
export function packEnd(end: TrailEnded, withSteps: boolean): string {
	writePacked(text, end, withSteps);
	const packed = text.slice(0, text.length).toString("latin1");
	text.cut(0);
	return packed;
}

/**
 * Writes the JSON of a `PackedEnd`, in ASCII. It holds no data of the client or of an answer. Without the steps it has what
 * a summary says of them.
 */
export function writePacked(
	out: JsonBytes,
	end: TrailEnded,
	withSteps: boolean,
): void {
	const { trail, outlived, error, missing, writes } = end;
	const { steps, more, arrivedMs } = trail;
	out.open();
	// It may be a word of the client's own, of which there are many.
	if (end.route === null) out.value(end.method);
	else out.name(end.method);
	out.number(outlived ? 1 : 0);
	packTime(out, trail.readMs, arrivedMs);
	packTime(out, trail.begunMs, arrivedMs);
	out.number(withSteps ? more : steps.length + more);
	out.number(withSteps ? positionOf(trail.last, steps) : -1);
	if (error === null && missing.length === 0 && writes.length === 0) {
		out.piece(wholeEnd);
	} else packFaults(out, end);
	out.open();
	if (withSteps) {
		for (let at = 0; at < steps.length; at++)
			packStep(out, steps, at, arrivedMs);
	}
	out.close();
	const summary = withSteps ? null : summaryOf(end, 0);
	const isSpecial = isOfFew(end);
	if (summary !== null || isSpecial) {
		out.number(summary?.calls ?? null);
		out.value(summary?.slowest ?? null);
	}
	if (isSpecial) packFew(out, end);
	out.close();
	out.end();
}

/** As `packFaults` writes a whole answer that has written nothing. */
const wholeEnd = Buffer.from("null,[],[],");

function packFaults(
	out: JsonBytes,
	{ error, missing, writes }: TrailEnded,
): void {
	packError(out, error);
	out.open();
	for (const { step, index, error, stale } of missing) {
		out.open();
		out.name(step);
		packIndex(out, index);
		packError(out, error);
		out.number(stale ? 1 : 0);
		out.close();
	}
	out.close();
	out.open();
	for (const { step, index, outcome } of writes) {
		out.value([step, index, outcome]);
	}
	out.close();
}

/** Whether it has anything that only few requests have. */
function isOfFew({ parts, watch, job, closeCode }: TrailEnded): boolean {
	return (
		parts !== null ||
		watch !== undefined ||
		job !== undefined ||
		closeCode !== undefined
	);
}

function packFew(
	out: JsonBytes,
	{ parts, watch, job, closeCode }: TrailEnded,
): void {
	out.value(parts && packParts(parts));
	out.name(watch ?? null);
	out.number(job ? 1 : 0);
	if (closeCode !== undefined) out.number(closeCode);
}

/** More digits would only be noise. */
function packTime(
	out: JsonBytes,
	atMs: number | null,
	arrivedMs: number,
): void {
	if (atMs === null) return out.number(null);
	const hundredths = (atMs - arrivedMs) * 100;
	const isUsual = hundredths >= 0 && hundredths < 2 ** 31 - 1;
	out.number(isUsual ? (hundredths + 0.5) | 0 : Math.round(hundredths));
}

function packIndex(out: JsonBytes, index: readonly number[]): void {
	out.open();
	for (const position of index) out.number(position);
	out.close();
}

function positionOf(
	step: StepTrail | null,
	steps: readonly StepTrail[],
	before = steps.length,
): number {
	// Of thousands it is one of the last.
	return step === null ? -1 : steps.lastIndexOf(step, before - 1);
}

function packError(out: JsonBytes, error: GatewayError | null): void {
	if (error === null) return out.number(null);
	const { code, message, step, upstream, upstreamStatus } = shownError(error);
	const { status } = error;
	const places = [step ?? null, upstream ?? null, upstreamStatus ?? null];
	const hasPlace = step !== undefined || upstream !== undefined;
	out.value([code, message, status, ...(hasPlace ? places : [])]);
}

/** A step that made this one ready stands before it. */
function packStep(
	out: JsonBytes,
	steps: readonly StepTrail[],
	at: number,
	arrivedMs: number,
): void {
	const step = steps[at] as StepTrail;
	const call = usualCallOf(step);
	if (call !== null) {
		packUsual(out, step, positionOf(step.after, steps, at), call, arrivedMs);
		return;
	}
	out.open();
	out.name(step.path);
	packIndex(out, step.index);
	out.number(positionOf(step.after, steps, at));
	packTime(out, step.readyMs, arrivedMs);
	packTime(out, step.startedMs, arrivedMs);
	packTime(out, step.endedMs, arrivedMs);
	out.name(step.end);
	packError(out, step.error);
	out.open();
	for (const { steps: awaited, fromMs, toMs } of step.waits) {
		out.open();
		out.value(awaited);
		packTime(out, fromMs, arrivedMs);
		packTime(out, toMs, arrivedMs);
		out.close();
	}
	out.close();
	out.open();
	for (const call of step.calls) packCall(out, call, arrivedMs);
	out.close();
	out.close();
}

/** The call of a step that is as most are: in no list, with one call, one attempt, and nothing else; null if it is not. */
function usualCallOf({
	index,
	end,
	error,
	waits,
	calls,
}: StepTrail): CallTrail | null {
	if (end !== "ok" || error !== null || calls.length !== 1) return null;
	if (index.length + waits.length > 0) return null;
	const call = calls[0] as CallTrail;
	const { attempts, decisions } = call;
	if (call.error !== null || attempts.length !== 1) return null;
	if (decisions.length > 0 || attempts[0]?.error !== null) return null;
	return call;
}

const stepBegins = new Pieces<string>((path) => `[${asciiJson(path)},[],`);
const callBegins = new Pieces<string>(
	(upstream) => `"ok",null,[],[[${asciiJson(upstream)},`,
);
const attemptBegin = Buffer.from("null,[[");
const usualEnd = Buffer.from("null]],[]]]],");

/** As `packStep` writes such a step. The parts between its numbers are made before: that takes half the time. */
function packUsual(
	out: JsonBytes,
	{ path, readyMs, startedMs, endedMs }: StepTrail,
	after: number,
	call: CallTrail,
	arrivedMs: number,
): void {
	const attempt = call.attempts[0] as AttemptTrail;
	out.piece(stepBegins.of(path));
	out.number(after);
	packTime(out, readyMs, arrivedMs);
	packTime(out, startedMs, arrivedMs);
	packTime(out, endedMs, arrivedMs);
	out.piece(callBegins.of(call.upstream));
	out.name(call.method);
	out.name(call.template);
	packTime(out, call.startedMs, arrivedMs);
	packTime(out, call.endedMs, arrivedMs);
	out.number(call.status);
	out.piece(attemptBegin);
	packNumbers(out, attempt, arrivedMs);
	out.piece(usualEnd);
}

function packCall(out: JsonBytes, call: CallTrail, arrivedMs: number): void {
	out.open();
	out.name(call.upstream);
	out.name(call.method);
	out.name(call.template);
	packTime(out, call.startedMs, arrivedMs);
	packTime(out, call.endedMs, arrivedMs);
	out.number(call.status);
	packError(out, call.error);
	out.open();
	for (const attempt of call.attempts) packAttempt(out, attempt, arrivedMs);
	out.close();
	out.open();
	for (const { atMs, policy, decision, number, reason } of call.decisions) {
		out.open();
		packTime(out, atMs, arrivedMs);
		out.name(policy);
		out.name(decision);
		out.number(number);
		out.name(reason);
		out.close();
	}
	out.close();
	out.close();
}

function packAttempt(
	out: JsonBytes,
	attempt: AttemptTrail,
	arrivedMs: number,
): void {
	out.open();
	packNumbers(out, attempt, arrivedMs);
	packError(out, attempt.error);
	out.close();
}

function packNumbers(
	out: JsonBytes,
	attempt: AttemptTrail,
	arrivedMs: number,
): void {
	out.number(attempt.url);
	packTime(out, attempt.startedMs, arrivedMs);
	packTime(out, attempt.placedMs, arrivedMs);
	packTime(out, attempt.sentMs, arrivedMs);
	packTime(out, attempt.headMs, arrivedMs);
	packTime(out, attempt.endedMs, arrivedMs);
	out.number(attempt.kept ? 1 : 0);
	out.number(attempt.bytes);
	out.number(attempt.status);
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
	const [, , , , , , , , job, closeCode] = rest;
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
		...(watch != null && { watch }),
		...(job === 1 && { job: true }),
		...(closeCode !== undefined && { closeCode }),
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
