import { styleText } from "node:util";
import { shownInOneLine } from "../core/shown.ts";
import type { Spent } from "../telemetry/trail/critical-path.ts";
import type { Segment } from "../telemetry/trail/segments.ts";
import type {
	RequestDetail,
	ShownStep,
} from "../telemetry/trail/shown-request.ts";
import { pad, widthOf, wrapped } from "./columns.ts";

/** The part of a request that a chart shows. */
type ChartedRequest = Pick<
	RequestDetail,
	"steps" | "more" | "criticalPath" | "durationMs"
>;

export interface ChartOptions {
	/** The width of the terminal in characters. */
	readonly columns: number;
	readonly colour: boolean;
}

/** The most lines; more would not be read. */
const rowsMax = 40;
const nameWidthMax = 24;
const barWidthMin = 10;
const gap = "  ";

/** A character for what time was spent on, and its word in the legend. They differ without colours, too. */
const upstream = ["█", "upstream"] as const;
const waits = ["·", "waits"] as const;
const pause = ["~", "pause"] as const;
const own = ["-", "computes"] as const;
const signs: Readonly<Record<Spent, readonly [sign: string, word: string]>> = {
	upstream,
	body: ["▓", "body"],
	hedge: ["▚", "hedge"],
	connection: ["▒", "connects"],
	slot: ["░", "place"],
	shared: ["≈", "kept"],
	retry: pause,
	repeat: pause,
	step: waits,
	turn: waits,
	parallel: waits,
	queue: waits,
	reading: own,
	computing: own,
	answer: own,
	unfinished: own,
};
const critical = "*";

interface Row {
	readonly step: ShownStep;
	readonly name: string;
	readonly times: string;
	readonly result: string;
	/** Empty if the step never began. */
	readonly segments: readonly Segment[];
}

/**
 * A request's steps and items as bars on one time axis, in the order in which they became ready. A row on the critical path
 * has a star. Never wider than the terminal, unless that is tiny.
 */
export function printChart(
	{ steps, more, criticalPath, durationMs }: ChartedRequest,
	{ columns, colour }: ChartOptions,
): string {
	const onPath = new Set(
		criticalPath.map(({ step, index }) => keyOf(step ?? "", index)),
	);
	const shown = steps.filter(isWorthARow);
	const rows = shown.slice(0, rowsMax).map((step) => {
		const star = onPath.has(keyOf(step.path, step.index)) ? critical : " ";
		return rowOf(step, star, durationMs);
	});
	const widest = (texts: readonly string[]) =>
		Math.max(0, ...texts.map(widthOf));
	const nameWidth = widest(rows.map(({ name }) => name));
	const timesWidth = widest(rows.map(({ times }) => times));
	const resultWidth = widest(rows.map(({ result }) => result));
	const taken = nameWidth + timesWidth + resultWidth + 3 * gap.length;
	// The last column stays free, because some terminals break the line when it is written.
	const width = Math.max(barWidthMin, columns - taken - 1);
	const scale = scaleOf(durationMs, rows, width);
	const bars = rows.map(({ segments }) => barOf(segments, scale, width));
	const lines = rows.map((row, at) =>
		[
			pad(row.name, nameWidth),
			painted(bars[at] as string, row.step, colour),
			row.times.padStart(timesWidth),
			painted(row.result, row.step, colour),
		]
			.join(gap)
			.trimEnd(),
	);
	const left = shown.length - rows.length + more;
	if (left > 0) lines.push(`and ${left} more`);
	if (rows.length > 0) lines.push(...legendOf(bars.join(""), columns));
	return [...lines, `answered after ${Math.round(durationMs)} ms`].join("\n");
}

/** A value that was computed at once tells nothing. */
function isWorthARow({ end, calls, readyMs, endedMs }: ShownStep): boolean {
	return end !== "ok" || calls.length > 0 || (endedMs ?? readyMs) > readyMs;
}

function rowOf(step: ShownStep, star: string, durationMs: number): Row {
	const segments = hasNoTime(step) ? [] : step.segments;
	const from = Math.round(step.readyMs);
	const to = Math.round(step.endedMs ?? durationMs);
	return {
		step,
		segments,
		name: `${star} ${nameOf(step)}`,
		times: segments.length === 0 ? "" : `${from}–${to} ms`,
		result: resultOf(step),
	};
}

/** It never began, or was skipped at once. */
function hasNoTime({ end, readyMs, startedMs, endedMs }: ShownStep): boolean {
	if (end === "skipped") return (endedMs ?? readyMs) - readyMs < 1;
	return end === "never_begun" || (end === "dropped" && startedMs === null);
}

function resultOf({ end, error, calls }: ShownStep): string {
	// Nothing went wrong: nobody needed it any more.
	if (error?.code === "call_aborted") return "cut";
	switch (end) {
		case "ok":
			return String(calls.at(-1)?.status ?? "");
		case "filled":
			return `${error?.code ?? ""}, filled in`;
		case "failed":
			return error?.code ?? "failed";
		case "never_begun":
			return "never begun";
		case "aborted":
			return "cut";
		default:
			return end ?? "";
	}
}

/** Gives the column of an instant. */
function scaleOf(
	durationMs: number,
	rows: readonly Row[],
	width: number,
): (atMs: number) => number {
	const ends = rows.flatMap(({ segments }) => segments.map(({ toMs }) => toMs));
	const lastMs = Math.max(1, durationMs, ...ends);
	return (atMs) => (atMs * width) / lastMs;
}

function barOf(
	segments: readonly Segment[],
	scale: (atMs: number) => number,
	width: number,
): string {
	const cells = new Array<string>(width).fill(" ");
	for (const { fromMs, toMs, spent } of segments) {
		const to = Math.min(width, Math.round(scale(toMs)));
		cells.fill(signs[spent][0], Math.max(0, Math.round(scale(fromMs))), to);
	}
	const bar = cells.join("");
	const longest = longestOf(segments);
	if (longest === null || bar.trim() !== "") return bar;
	const at = Math.min(width - 1, Math.max(0, scale(longest.fromMs)));
	return pad(" ".repeat(at) + signs[longest.spent][0], width);
}

/** The one that a bar of one character stands for. */
function longestOf(segments: readonly Segment[]): Segment | null {
	let longest: Segment | null = null;
	for (const one of segments) {
		const ms = one.toMs - one.fromMs;
		if (longest === null || ms >= longest.toMs - longest.fromMs) longest = one;
	}
	return longest;
}

/** The signs that some bar has. All of them fit into a line of 80 columns. */
function legendOf(bars: string, columns: number): string[] {
	const words = [...new Set(Object.values(signs))]
		.filter(([sign]) => bars.includes(sign))
		.map(([sign, word]) => `${sign}${word}`);
	const line = [...words, `${critical}critical`].join(" ");
	return wrapped(line, Math.max(barWidthMin, columns - 1));
}

function painted(text: string, step: ShownStep, colour: boolean): string {
	// The caller has decided whether the stream takes colours.
	return colour
		? styleText(styleOf(step), text, { validateStream: false })
		: text;
}

function styleOf({ end, error, calls }: ShownStep) {
	if (error?.code === "call_aborted") return "gray";
	switch (end) {
		case "ok":
			return (calls.at(-1)?.status ?? 0) < 400 ? "green" : "yellow";
		case "filled":
			return "yellow";
		case "failed":
			return "red";
		default:
			return "gray";
	}
}

function keyOf(path: string, index: readonly number[]): string {
	return `${path} ${index.join(".")}`;
}

/** `orders.items[0.2]`, so that each item of a list has a name of its own. */
function nameOf({ path, index }: ShownStep): string {
	const item = index.length > 0 ? `[${index.join(".")}]` : "";
	const letters = [...shownInOneLine(path)];
	const room = Math.max(1, nameWidthMax - item.length);
	return letters.length <= room
		? letters.join("") + item
		: `${letters.slice(0, room - 1).join("")}…${item}`;
}
