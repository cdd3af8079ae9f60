import { type CompetitorName, competitors } from "./competitors.ts";
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
		"CPU µs a request",
		"requests a second",
		"p50 ms",
		"p99 ms",
		"Sluice takes of it",
	];
	const { title, connections } = routes[route];
	return `### ${title}\n\n${connections} connections.\n\n${markdownTable(head, rows)}`;
}

/** What the figures are held against. */
interface Aim {
	readonly route: RouteResult["route"];
	readonly against: CompetitorName;
	readonly atMost: number;
	/** Whether it must be, or is aimed at. */
	readonly must: boolean;
}

const aims: readonly Aim[] = [
	{ route: "three", against: "undici", atMost: 0.8, must: true },
	{ route: "three", against: "undici", atMost: 0.65, must: false },
	{ route: "three", against: "sluice-off", atMost: 1.15, must: true },
	{ route: "three", against: "nginx-lua", atMost: 1, must: false },
	{ route: "three", against: "krakend", atMost: 0.25, must: false },
	{ route: "three", against: "fastify", atMost: 0.12, must: false },
	{ route: "pass", against: "undici", atMost: 0.75, must: false },
	{ route: "pass", against: "nginx", atMost: 2.5, must: false },
];

/** Each aim with what was measured; empty where nothing of it was. */
export function aimsTable(results: readonly RouteResult[]): string {
	const rows = aims.flatMap(({ route, against, atMost, must }) => {
		const samples = results.find((one) => one.route === route)?.samples;
		const own = samples?.get("sluice");
		const other = samples?.get(against);
		if (!own || !other) return [];
		const ratio = ratioOf(own, other);
		return [
			[
				`${routes[route].title}, to ${titleOf(against)}`,
				`${must ? "at most" : "aim"} ${atMost}`,
				spread(ratio, 2),
				ratio[1] <= atMost ? "yes" : "no",
			],
		];
	});
	if (rows.length === 0) return "";
	const head = ["CPU of Sluice, features on", "limit", "measured", "reached"];
	return `### Aims\n\n${markdownTable(head, rows)}`;
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
