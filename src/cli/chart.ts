import { styleText } from "node:util";
import type { CallEnded } from "../core/events.ts";
import { shownInOneLine } from "../core/shown.ts";
import { pad, widthOf } from "./columns.ts";

/** The part of a call that a chart shows. */
export type ShownCall = Omit<CallEnded, "trail">;

export interface ChartOptions {
	/** When the answer was there, in milliseconds from the request's arrival. */
	readonly totalMs: number;
	/** The width of the terminal in characters. */
	readonly columns: number;
	readonly colour: boolean;
}

/** The most lines; more would not be read. */
const rowsMax = 40;
const nameWidthMax = 24;
const barWidthMin = 10;

/**
 * Calls as bars on one time axis, in the order in which they started. Never wider than the terminal, unless that is
 * tiny.
 */
export function printChart(
	calls: readonly ShownCall[],
	{ totalMs, columns, colour }: ChartOptions,
): string {
	const ordered = calls.toSorted((a, b) => a.startedMs - b.startedMs);
	const rows = ordered.slice(0, rowsMax).map((call) => ({
		name: nameOf(call),
		times: `${ms(call.startedMs)}–${ms(endOf(call))} ms`,
		result: String(call.error?.code ?? call.status ?? ""),
		call,
	}));
	const widest = (texts: readonly string[]) =>
		Math.max(0, ...texts.map(widthOf));
	const nameWidth = widest(rows.map(({ name }) => name));
	const timesWidth = widest(rows.map(({ times }) => times));
	const resultWidth = widest(rows.map(({ result }) => result));
	const taken = nameWidth + timesWidth + resultWidth + 3 * gap.length;
	// The last column stays free, because some terminals break the line when it is written.
	const width = Math.max(barWidthMin, columns - taken - 1);
	const lastMs = Math.max(totalMs, ...ordered.map(endOf));
	const lines = rows.map(({ name, times, result, call }) => {
		const bar = barOf(call, width / Math.max(lastMs, 1), width);
		const cells = [
			pad(name, nameWidth),
			painted(pad(bar, width), call, colour),
			times.padStart(timesWidth),
			painted(result, call, colour),
		];
		return cells.join(gap).trimEnd();
	});
	const left = ordered.length - rows.length;
	if (left > 0) lines.push(`and ${left} more`);
	return [...lines, `answered after ${ms(totalMs)} ms`].join("\n");
}

const gap = "  ";

function barOf(call: ShownCall, perMs: number, width: number): string {
	const start = Math.min(width - 1, Math.floor(call.startedMs * perMs));
	const end = Math.min(width, Math.round(endOf(call) * perMs));
	return " ".repeat(start) + "█".repeat(Math.max(1, end - start));
}

function painted(text: string, call: ShownCall, colour: boolean): string {
	if (!colour) return text;
	const style = call.error
		? call.error.code === "call_aborted"
			? "gray"
			: "red"
		: (call.status ?? 0) < 400
			? "green"
			: "yellow";
	// The caller has decided whether the stream takes colours.
	return styleText(style, text, { validateStream: false });
}

function endOf({ startedMs, durationMs }: ShownCall): number {
	return startedMs + durationMs;
}

function ms(time: number): number {
	return Math.round(time);
}

/** `orders.items[0.2]`, so that each item of a list has a name of its own. */
function nameOf({ step, index }: ShownCall): string {
	const item = index.length > 0 ? `[${index.join(".")}]` : "";
	const letters = [...shownInOneLine(step)];
	const room = Math.max(1, nameWidthMax - item.length);
	return letters.length <= room
		? letters.join("") + item
		: `${letters.slice(0, room - 1).join("")}…${item}`;
}
