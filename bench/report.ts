import { type CompetitorName, competitors } from "./competitors.ts";
import { type Curve, type Growth, type Line, sharesOf } from "./growth.ts";
import type { Latency } from "./latency.ts";
import type { RouteResult } from "./measure.ts";
import { routes } from "./routes.ts";
import {
	medianOf,
	pairedRatios,
	type Quartiles,
	quartilesOf,
} from "./statistics.ts";

/** A table as Markdown, its numbers to the right. */
export function markdownTable(
	head: readonly string[],
	rows: readonly (readonly string[])[],
): string {
	const widths = head.map((title, column) =>
		Math.max(3, title.length, ...rows.map((row) => row[column]?.length ?? 0)),
	);
	const line = (row: readonly string[]) =>
		`| ${row.map((cell, column) => pad(cell, widths[column] ?? 0, column)).join(" | ")} |`;
	const rule = widths.map((width, column) =>
		column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
	);
	return [line(head), `| ${rule.join(" | ")} |`, ...rows.map(line)].join("\n");
}

/** One route: every competitor's figures, and how much of its CPU time Sluice with all features on takes. */
export function routeTable({ route, samples }: RouteResult): string {
	const own = samples.get("sluice") ?? [];
	const rows = Array.from(samples, ([name, slices]) => [
		titleOf(name),
		spread(quartilesOf(slices.map(({ cpuUs }) => cpuUs)), 1),
		medianOf(slices.map(({ perSecond }) => perSecond)).toFixed(0),
		milliseconds(medianOf(slices.map(({ p50Us }) => p50Us))),
		milliseconds(medianOf(slices.map(({ p99Us }) => p99Us))),
		name === "sluice" ? "" : spread(ratioOf(own, slices), 2),
	]);
	const head = [
		"",
		"CPU µs per request",
		"requests per second",
		"p50 ms",
		"p99 ms",
		"Sluice takes of it",
	];
	const { title, connections } = routes[route];
	return `### ${title}\n\n${connections} connections.\n\n${markdownTable(head, rows)}`;
}

/** How long clients of one route wait: the half that waits less, and all but one in a hundred. */
export function latencyTable({ route, points }: Latency): string {
	const names = Array.from(points[0]?.samples.keys() ?? []);
	const rows = points.map(({ connections, samples }) => [
		`${connections}`,
		...names.flatMap((name) => {
			const slices = samples.get(name) ?? [];
			return [
				milliseconds(medianOf(slices.map(({ p50Us }) => p50Us))),
				milliseconds(medianOf(slices.map(({ p99Us }) => p99Us))),
			];
		}),
	]);
	const head = [
		"connections",
		...names.flatMap((name) => [`${titleOf(name)}: p50 ms`, "p99 ms"]),
	];
	const { title } = routes[route];
	return `### ${title}: how long clients wait\n\n${markdownTable(head, rows)}`;
}

/** What the figures are held against. */
interface Aim {
	readonly route: RouteResult["route"];
	readonly against: CompetitorName;
	readonly atMost: number;
}

const aims: readonly Aim[] = [
	{ route: "three", against: "undici", atMost: 0.65 },
	{ route: "three", against: "nginx-lua", atMost: 0.85 },
	{ route: "three", against: "sluice-off", atMost: 1.1 },
	{ route: "pass", against: "undici", atMost: 0.72 },
	{ route: "pass", against: "nginx", atMost: 1.7 },
	{ route: "reshaped", against: "undici", atMost: 0.75 },
	{ route: "chain", against: "undici", atMost: 0.75 },
	{ route: "each", against: "undici", atMost: 0.75 },
	{ route: "three", against: "fastify", atMost: 0.12 },
	{ route: "three", against: "krakend", atMost: 0.25 },
];

/** How much more a unit may cost at one size than at another. */
interface GrowthAim {
	readonly of: string;
	readonly from: number;
	readonly to: number;
	readonly atMost: number;
}

const growthAims: readonly GrowthAim[] = [
	{ of: "steps", from: 10, to: 100, atMost: 1.1 },
	{ of: "items", from: 10, to: 1_000, atMost: 1.1 },
	{ of: "routes", from: 10, to: 10_000, atMost: 1.05 },
];

/** Each aim with what was measured; empty where nothing of it was. */
export function aimsTable(
	results: readonly RouteResult[],
	growth: Growth | null,
): string {
	const rows = [
		...aims.flatMap((aim) => aimRow(aim, results)),
		...growthAims.flatMap((aim) => growthAimRow(aim, growth?.curves ?? [])),
	];
	if (rows.length === 0) return "";
	const head = [
		"CPU of Sluice, features on: ratio of",
		"aim",
		"measured",
		"reached",
	];
	return `### Aims\n\n${markdownTable(head, rows)}`;
}

/** The routes that miss an aim, each once. A miss is of no use without its profile. */
export function missedRoutes(
	results: readonly RouteResult[],
): readonly RouteResult["route"][] {
	const missed = aims.filter((aim) =>
		aimRow(aim, results).some((row) => row.at(-1) === "no"),
	);
	return [...new Set(missed.map(({ route }) => route))];
}

function aimRow(
	{ route, against, atMost }: Aim,
	results: readonly RouteResult[],
): readonly (readonly string[])[] {
	const samples = results.find((one) => one.route === route)?.samples;
	const own = samples?.get("sluice");
	const other = samples?.get(against);
	if (!own || !other) return [];
	const what = `${routes[route].title}, to ${titleOf(against)}`;
	return [rowOf(what, atMost, ratioOf(own, other))];
}

function growthAimRow(
	{ of, from, to, atMost }: GrowthAim,
	curves: readonly Curve[],
): readonly (readonly string[])[] {
	const curve = curves.find((one) => one.of === of);
	const line = curve?.lines[0];
	if (!curve || !line) return [];
	const what = `CPU per ${curve.per} at ${to} ${of}, to ${from}`;
	const ratio = ratioBetween(curve, line, from, to);
	return [rowOf(what, atMost, ratio)];
}

function rowOf(
	what: string,
	atMost: number,
	ratio: Quartiles,
): readonly string[] {
	return [
		what,
		`at most ${atMost}`,
		spread(ratio, 2),
		ratio[1] <= atMost ? "yes" : "no",
	];
}

/** Each curve as a table, and what many routes take to begin with. */
export function growthTables({ curves, starts }: Growth): string {
	return [...curves.map(curveTable), startTable(starts)].join("\n\n");
}

function curveTable(curve: Curve): string {
	const { title, of, per, lines } = curve;
	const xs = lines[0]?.points.map(({ x }) => x) ?? [];
	const base = xs.includes(10) ? 10 : (xs[0] ?? 1);
	const rows = xs.map((x) => [
		`${x}`,
		...lines.flatMap((line) => [
			spread(quartilesOf(sharesAt(curve, line, x)), 2),
			spread(ratioBetween(curve, line, base, x), 2),
		]),
	]);
	const head = [
		of,
		...lines.flatMap(({ title }) => [
			`${title}: CPU µs per ${per}`,
			`to ${base} ${of}`,
		]),
	];
	return `### ${title}\n\n${markdownTable(head, rows)}`;
}

/** How much a unit costs at one size of what it costs at another, round by round. */
function ratioBetween(
	curve: Curve,
	line: Line,
	from: number,
	to: number,
): Quartiles {
	const [ones, others] = [
		sharesAt(curve, line, to),
		sharesAt(curve, line, from),
	];
	return quartilesOf(pairedRatios(ones, others));
}

function sharesAt(
	curve: Curve,
	{ points }: Line,
	x: number,
): readonly number[] {
	const point = points.find((each) => each.x === x);
	return point ? sharesOf(curve, point) : [];
}

function startTable(starts: Growth["starts"]): string {
	const [first] = starts;
	const rows = starts.map(({ routes, loadMs, heapBytes, residentBytes }) => {
		const more = heapBytes - (first?.heapBytes ?? 0);
		const perRoute = more / 1_024 / (routes - (first?.routes ?? 0));
		return [
			`${routes}`,
			loadMs.toFixed(0),
			(heapBytes / 2 ** 20).toFixed(1),
			(residentBytes / 2 ** 20).toFixed(1),
			first?.routes === routes ? "" : perRoute.toFixed(1),
		];
	});
	const head = [
		"routes",
		"ms from config to port",
		"MiB of heap",
		"MiB in RAM",
		"KiB of heap per route",
	];
	return `### Beginning\n\n${markdownTable(head, rows)}`;
}

export function titleOf(name: CompetitorName): string {
	return competitors.find((one) => one.name === name)?.title ?? name;
}

function ratioOf(
	own: readonly { readonly cpuUs: number }[],
	other: readonly { readonly cpuUs: number }[],
): Quartiles {
	const cpu = (slice: { readonly cpuUs: number }) => slice.cpuUs;
	return quartilesOf(pairedRatios(own.map(cpu), other.map(cpu)));
}

/** The median, and in parentheses the quartiles around it. */
function spread([first, median, third]: Quartiles, digits: number): string {
	return `${median.toFixed(digits)} (${first.toFixed(digits)}–${third.toFixed(digits)})`;
}

function milliseconds(microseconds: number): string {
	return (microseconds / 1_000).toFixed(2);
}

function pad(cell: string, width: number, column: number): string {
	return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}
