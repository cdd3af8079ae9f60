import type { WatchRole } from "../core/events.ts";
import { shownInOneLine } from "../core/shown.ts";
import type {
	KeptDetail,
	KeptSummary,
	RecordedColumns,
} from "../telemetry/history/messages.ts";
import type { ShownError } from "../telemetry/trail/shown-request.ts";
import { type ChartOptions, printChart } from "./chart.ts";
import { printColumns } from "./columns.ts";

/** An id is shown so far. It is enough to find a request by. */
const idShown = 8;

/** A longer value is cut in the table. */
const valueShown = 40;

/** Requests as a table for people, the newest first. No line is wider than the terminal. */
export function printTable(
	requests: readonly KeptSummary[],
	columns: number,
): string {
	const head = ["at (UTC)", "id", "ms", "status", "request"];
	const rows = requests.map((request) => [
		timeOf(request.at),
		cut(shownInOneLine(request.id), idShown, ""),
		String(Math.round(request.durationMs)),
		String(request.status),
		linesOf(request).join("\n"),
	]);
	return printColumns([head, ...rows], columns);
}

/** `11-29 15:03:05`. */
function timeOf(at: string): string {
	return at.slice(5, 19).replace("T", " ");
}

/** The route, the author's own columns, and what went wrong. */
function linesOf(request: KeptSummary): string[] {
	return [
		shownInOneLine(request.route ?? "no route"),
		...recordLine(request.record),
		...faultsOf(request),
	];
}

function recordLine(record: RecordedColumns): string[] {
	const values = Object.entries(record ?? {})
		.filter(([, value]) => value !== null)
		.map(([name, value]) => `${shownInOneLine(name)}=${shownValue(value)}`);
	return values.length === 0 ? [] : [values.join(" ")];
}

/** A text with a space in it is quoted, so that its end can be seen. */
function shownValue(value: unknown): string {
	const text = shownInOneLine(String(value));
	const shown = cut(text, valueShown, "…");
	return /\s/.test(shown) ? `"${shown}"` : shown;
}

function cut(text: string, most: number, end: string): string {
	const letters = [...text];
	return letters.length <= most
		? text
		: letters.slice(0, most - end.length).join("") + end;
}

function faultsOf({ error, missing }: KeptSummary): string[] {
	const parts = missing.map(
		({ step, index, error, stale }) =>
			`${stale ? "stale" : "without"} ${nameOf(step, index)}: ${error.code}`,
	);
	const failed = error === null ? [] : [`failed: ${inStep(error.code, error)}`];
	const faults = [...failed, ...parts].map(shownInOneLine);
	const more = faults.length - faultsShown;
	return more > 0
		? [...faults.slice(0, faultsShown), `and ${more} more`]
		: faults;
}

/** The lines about one request's faults. */
const faultsShown = 4;

function inStep(words: string, { step }: ShownError): string {
	return step === undefined ? words : `${step}: ${words}`;
}

function nameOf(step: string, index: readonly number[]): string {
	return index.length > 0 ? `${step}[${index.join(".")}]` : step;
}

/** One request with all that was done for it: the chart of `sluice call`. */
export function printKept(detail: KeptDetail, options: ChartOptions): string {
	const { id, at, method, route, status, record, steps, error, parts } = detail;
	const { watch, job, closeCode } = detail;
	const facts = [
		["id", id],
		["at", at],
		["request", route ?? `${method ?? ""} no route`.trim()],
		["status", String(status)],
		...Object.entries(record ?? {}).map(([name, value]) => [
			name,
			value === null ? "null" : String(value),
		]),
		...(parts === null ? [] : [["in parts", partsWords(parts)]]),
		...(watch === undefined
			? []
			: [[watch === "run" ? "watched" : "followed", watchWords[watch]]]),
		...(job ? [["job", "its client had its answer later"]] : []),
		...(closeCode === undefined ? [] : [["closed", `with ${closeCode}`]]),
		...(error === null ? [] : [["failed", inStep(wordsOf(error), error)]]),
		...detail.missing.map(({ step, index, error }) => [
			`without ${nameOf(step, index)}`,
			wordsOf(error),
		]),
	].map((cells) => cells.map(shownInOneLine));
	const chart = steps.length > 0 ? ["", printChart(detail, options)] : [];
	return [printColumns(facts, options.columns), ...chart].join("\n");
}

const watchWords: Readonly<Record<WatchRole, string>> = {
	run: "by others: the gateway ran it for them",
	events: "by events",
	websocket: "over WebSocket",
	wait: "by long polling",
};

function partsWords({
	face,
	firstMs,
}: NonNullable<KeptDetail["parts"]>): string {
	return `${face}, the first after ${Math.round(firstMs)} ms`;
}

function wordsOf({ code, message }: ShownError): string {
	return message === null ? code : `${code}: ${message}`;
}

/** The columns before the author's own. */
const csvColumns = [
	...["at", "id", "method", "route", "status", "duration_ms"],
	...["completeness", "code", "faults", "calls", "slowest", "slowest_ms"],
	...["face", "first_part_ms"],
];

/** As RFC 4180 has it, with a line of names. Whoever opens it in a spreadsheet runs no formula of a client's. */
export function printCsv(requests: readonly KeptSummary[]): string {
	const own = [
		...new Set(requests.flatMap(({ record }) => Object.keys(record ?? {}))),
	];
	const rows = requests.map((request) => [
		...cellsOf(request),
		...own.map((name) => request.record?.[name] ?? null),
	]);
	return [[...csvColumns, ...own], ...rows]
		.map((cells) => `${cells.map(csvCell).join(",")}\r\n`)
		.join("");
}

type Cell = string | number | boolean | null;

function cellsOf(request: KeptSummary): Cell[] {
	const { at, id, method, route, status, durationMs, completeness } = request;
	const { error, missing, calls, slowest, parts } = request;
	const faults = missing.map(
		({ step, index, error }) => `${nameOf(step, index)}: ${error.code}`,
	);
	return [
		...[at, id, method, route, status, durationMs, completeness],
		...[error?.code ?? null, faults.join("; "), calls],
		slowest && nameOf(slowest.step, slowest.index),
		slowest && slowest.durationMs,
		...[parts && parts.face, parts && parts.firstMs],
	];
}

/** A spreadsheet takes a text that begins so for a formula. An apostrophe before it is not shown there. */
const formula = /^[=+\-@\t\r\n]/;

function csvCell(value: Cell): string {
	if (typeof value !== "string") return value === null ? "" : String(value);
	const text = formula.test(value) ? `'${value}` : value;
	return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
