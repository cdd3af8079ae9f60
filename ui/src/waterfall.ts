import type {
	RequestDetail,
	ShownStep,
} from "../../src/telemetry/trail/shown-request.ts";
import { shownMs, shownStep } from "./format.ts";
import { endOf, marksOf, type Stretch, sentenceOf } from "./sentences.ts";

/** A piece of a bar. Pieces of a row do not overlap. */
export interface Piece extends Omit<Stretch, "spent"> {
	/** `before`: what it waited for had not ended. `inside`: steps or items in it were under way. */
	readonly spent: Stretch["spent"] | "before" | "inside";
	readonly sentence: string;
}

/** A line of the waterfall: the request itself, a step, or an item of a list. */
export interface Row {
	readonly name: string;
	/** How many groups and lists are around it. */
	readonly depth: number;
	/** Null for the request itself. */
	readonly step: ShownStep | null;
	readonly fromMs: number;
	readonly toMs: number;
	readonly pieces: readonly Piece[];
	/** The parts of its time that the request's end waited for. */
	readonly critical: readonly { fromMs: number; toMs: number }[];
	/** Whether these are enough of the request's time to speak of. */
	readonly isCritical: boolean;
	/** How it ended. */
	readonly end: string;
	readonly marks: readonly string[];
	readonly tone: "good" | "quiet" | "warning" | "bad";
}

/** The rows of a request's waterfall: the request, then each step with what is inside it, in the order in which they were ready. */
export function rowsOf(detail: RequestDetail): Row[] {
	const children = new Map<ShownStep | null, ShownStep[]>();
	const around = aroundOf(detail.steps);
	for (const step of detail.steps) {
		const outer = around(step);
		const inner = children.get(outer) ?? [];
		inner.push(step);
		children.set(outer, inner);
	}
	const rows: Row[] = [requestRow(detail)];
	const add = (outer: ShownStep | null, depth: number) => {
		for (const step of children.get(outer) ?? []) {
			const pieces = children.has(step) ? insideOf(step) : piecesOf(step);
			rows.push(stepRow(step, pieces, { outer, depth, detail }));
			add(step, depth + 1);
		}
	};
	add(null, 0);
	return rows;
}

/** Gives the record around a step: the list of an item, the group of a step, or null. */
function aroundOf(
	steps: readonly ShownStep[],
): (step: ShownStep) => ShownStep | null {
	const named = new Map(
		steps.map((step) => [keyOf(step.path, step.index), step]),
	);
	return ({ path, index }) => {
		const list = named.get(keyOf(path, index.slice(0, -1)));
		if (index.length > 0 && list) return list;
		const dot = path.lastIndexOf(".");
		return dot < 0
			? null
			: (named.get(keyOf(path.slice(0, dot), index)) ?? null);
	};
}

function keyOf(path: string, index: readonly number[]): string {
	return `${path} ${index.join(".")}`;
}

function requestRow(detail: RequestDetail): Row {
	const own = detail.criticalPath.filter(({ step }) => step === null);
	return {
		name: "the request",
		depth: 0,
		step: null,
		fromMs: 0,
		toMs: detail.durationMs,
		pieces: own.map((part) => ({ ...part, sentence: sentenceOf(part, null) })),
		critical: own,
		isCritical: isMuch(own, detail),
		end: String(detail.status),
		marks: [
			...(detail.parts ? [partsMark(detail.parts)] : []),
			...ownMarks(detail),
			...(detail.outlived ? ["went on without its client"] : []),
		],
		tone: toneOfRequest(detail),
	};
}

/** `sent in parts, the first after 12 ms`. */
function partsMark({ firstMs }: NonNullable<RequestDetail["parts"]>): string {
	return `sent in parts, the first after ${shownMs(firstMs)}`;
}

/** How it was followed, or whose run it is, and how its WebSocket ended: `followed over WebSocket`, `closed with 1000`. */
export function ownMarks({
	watch,
	job,
	closeCode,
}: Pick<RequestDetail, "watch" | "job" | "closeCode">): string[] {
	return [
		...(watch ? [watchMark(watch)] : []),
		...(job ? ["run of a job"] : []),
		...(closeCode === undefined ? [] : [`closed with ${closeCode}`]),
	];
}

/** `followed by events`; a run of the gateway's own is `run for those who watch`. */
function watchMark(watch: NonNullable<RequestDetail["watch"]>): string {
	switch (watch) {
		case "run":
			return "run for those who watch";
		case "events":
			return "followed by events";
		case "websocket":
			return "followed over WebSocket";
		case "wait":
			return "waited for news";
	}
}

/** Which colour a request's result has. */
export function toneOfRequest({
	completeness,
}: Pick<RequestDetail, "completeness">): Row["tone"] {
	if (completeness === "failed") return "bad";
	if (completeness === "left") return "quiet";
	return completeness === "partial" ? "warning" : "good";
}

/** A hundredth of the request's time. */
function isMuch(
	parts: Row["critical"],
	{ durationMs }: RequestDetail,
): boolean {
	const ms = parts.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
	return ms > durationMs / 100;
}

interface RowPlace {
	readonly outer: ShownStep | null;
	readonly depth: number;
	readonly detail: RequestDetail;
}

function stepRow(
	step: ShownStep,
	pieces: readonly Piece[],
	{ outer, depth, detail }: RowPlace,
): Row {
	const toMs = step.endedMs ?? detail.durationMs;
	const begun = step.end !== "never_begun" && step.segments.length > 0;
	const before = beforeOf(step, outer, detail);
	const critical = detail.criticalPath.filter(
		(part) =>
			part.step === step.path && part.index.join() === step.index.join(),
	);
	return {
		name: shownStep(step.path, step.index),
		depth,
		step,
		fromMs: step.readyMs,
		toMs,
		pieces: [...before, ...(begun ? pieces : [])],
		critical,
		isCritical: isMuch(critical, detail),
		end: endOf(step),
		marks: marksOf(step),
		tone: toneOf(step),
	};
}

/** Before it was ready it waited for other steps of its block. */
function beforeOf(
	step: ShownStep,
	outer: ShownStep | null,
	{ steps, begunMs }: RequestDetail,
): Piece[] {
	const after = step.after === null ? null : steps[step.after];
	const fromMs = outer?.readyMs ?? begunMs ?? 0;
	const never = step.end === "never_begun";
	if ((!after && !never) || step.readyMs <= fromMs) return [];
	const ms = shownMs(step.readyMs - fromMs);
	const sentence = after
		? `could begin after ${ms}, when ${shownStep(after.path, after.index)} had ended`
		: `waited ${ms} for other steps, and was never begun`;
	return [{ fromMs, toMs: step.readyMs, spent: "before", sentence }];
}

/** Cuts segments that overlap, so that the later one is seen whole. */
function piecesOf(step: ShownStep): Piece[] {
	const { segments } = step;
	const cuts = [
		...new Set(segments.flatMap(({ fromMs, toMs }) => [fromMs, toMs])),
	].toSorted((one, other) => one - other);
	const stretches: Stretch[] = [];
	for (const [at, fromMs] of cuts.entries()) {
		const toMs = cuts[at + 1] ?? fromMs;
		const top = segments.findLast(
			(one) => one.fromMs <= fromMs && one.toMs >= toMs && toMs > fromMs,
		);
		if (top === undefined) continue;
		const last = stretches.at(-1);
		const continues = last?.spent === top.spent && top.fromMs < fromMs;
		if (last && continues) {
			stretches[stretches.length - 1] = { ...last, toMs };
		} else stretches.push({ fromMs, toMs, spent: top.spent });
	}
	return stretches.map((one) => ({ ...one, sentence: sentenceOf(one, step) }));
}

/** A list or a group computes nothing itself while what is in it is under way. */
function insideOf(step: ShownStep): Piece[] {
	return piecesOf(step).map((piece) => {
		if (piece.spent !== "computing") return piece;
		const ms = shownMs(piece.toMs - piece.fromMs);
		const sentence = `had the rows below under way for ${ms}`;
		return { ...piece, spent: "inside", sentence };
	});
}

function toneOf({ end, error }: ShownStep): Row["tone"] {
	if (error?.code === "call_aborted") return "quiet";
	switch (end) {
		case "filled":
			return "warning";
		case "failed":
			return "bad";
		case "ok":
			return "good";
		default:
			return "quiet";
	}
}
