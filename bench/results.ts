import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { barChart, lineChart } from "./chart.ts";
import { type CompetitorName, competitors, policiesOn } from "./competitors.ts";
import { type Growth, sharesOf } from "./growth.ts";
import type { Latency } from "./latency.ts";
import type { RouteResult } from "./measure.ts";
import { kindsTable, type RouteProfile } from "./profile.ts";
import {
	aimsTable,
	growthTables,
	latencyTable,
	routeTable,
	titleOf,
} from "./report.ts";
import { routes, sluiceConfig } from "./routes.ts";
import { quartilesOf } from "./statistics.ts";

/** Fewer show little but what else the machine was doing. */
const roundsThatCount = 9;

/** Everything that one run of the bench showed. */
export interface Results {
	readonly date: Date;
	readonly machine: readonly string[];
	/** How the sides were kept apart. */
	readonly apart: string;
	readonly rounds: number;
	readonly routes: readonly RouteResult[];
	/** Of the routes that miss an aim. */
	readonly profiles: readonly RouteProfile[];
	/** How long clients wait; empty if that was not measured. */
	readonly latency: readonly Latency[];
	readonly growth: Growth | null;
}

/** Writes `results.md`, its charts, and `results.json` with every slice of every round. */
export function writeResults(folder: string, results: Results): void {
	mkdirSync(folder, { recursive: true });
	const write = (name: string, text: string) =>
		writeFileSync(join(folder, name), text);
	write("results.md", resultsPage(results));
	write("results.json", `${JSON.stringify(raw(results))}\n`);
	write("routes.svg", routesChart(results));
	if (results.growth) write("growth.svg", growthChart(results, results.growth));
}

/** All tables with what they were measured on, as a page of Markdown. */
export function resultsPage(results: Results): string {
	const { machine, apart, growth } = results;
	const parts = [
		"# Results of the bench",
		[
			`${dateOf(results)}, ${roundsOf(results)}.`,
			...machine.map((fact) => `${fact}.`),
			`Pinning: ${apart}.`,
		].join("\n"),
		"Medians, in parentheses the quartiles. `npm run bench` writes this page; what it means stands in the [README](../../README.md#speed).",
		aimsTable(results.routes, growth),
		...results.profiles.map(kindsTable),
		"![CPU time per request](routes.svg)",
		...results.routes.map(routeTable),
		...results.latency.map(latencyTable),
		...(growth ? ["![Growth](growth.svg)", growthTables(growth)] : []),
		configs(results.routes),
	];
	return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

/** The code of everybody who was measured, and Sluice's whole config. */
function configs(measured: readonly RouteResult[]): string {
	const names = new Set<CompetitorName>(
		measured.flatMap(({ samples }) => Array.from(samples.keys())),
	);
	const sources = competitors
		.filter(({ name }) => names.has(name))
		.map(({ title, source }) => `- ${title}: [${source}](../${source})`);
	const config = sluiceConfig("http://127.0.0.1:8000", policiesOn);
	return [
		"### What was measured",
		`${sources.join("\n")}\n- the upstream, nginx: [upstream.ts](../upstream.ts)`,
		"The config of Sluice with features on. Metrics are taken of everything besides.",
		`\`\`\`yaml\n${stringify(config, { lineWidth: 100, aliasDuplicateObjects: false })}\`\`\``,
	].join("\n\n");
}

function routesChart(results: Results): string {
	const words = {
		title: "CPU time per request, in microseconds: less is better",
		note: `Medians with quartiles of ${results.rounds} interleaved rounds · ${noteOf(results)}`,
	};
	const panels = results.routes.map(({ route, samples }) => ({
		title: routes[route].title,
		bars: Array.from(samples, ([name, slices]) => ({
			label: titleOf(name),
			value: quartilesOf(slices.map(({ cpuUs }) => cpuUs)),
			strong: name === "sluice",
		})),
	}));
	return barChart(words, panels);
}

function growthChart(results: Results, { curves }: Growth): string {
	const words = {
		title: "How CPU time grows: a flat line is a constant price",
		note: `Sluice with all features on, and by hand with undici · ${noteOf(results)}`,
	};
	const panels = curves.map((curve) => ({
		title: `${curve.title}: µs per ${curve.per}`,
		axis: curve.of,
		lines: curve.lines.map(({ title: label, points }) => ({
			label,
			strong: label === "Sluice" || label === "one asked",
			points: points.map((point) => ({
				x: point.x,
				value: quartilesOf(sharesOf(curve, point)),
			})),
		})),
	}));
	return lineChart(words, panels);
}

function noteOf(results: Results): string {
	const trial = results.rounds < roundsThatCount ? " · only a trial" : "";
	return `${results.machine[0] ?? ""} · ${dateOf(results)}${trial}`;
}

/** Nobody should believe what was only tried out. */
function roundsOf({ rounds }: Results): string {
	return rounds < roundsThatCount
		? `only a trial (rounds: ${rounds}), from which nothing follows`
		: `${rounds} interleaved rounds`;
}

function dateOf({ date }: Results): string {
	return date.toISOString().slice(0, 10);
}

/** The other functions of a profile take next to nothing. */
const functionsMax = 100;

/** Maps become objects. */
function raw({ routes, latency, profiles, ...results }: Results): object {
	return {
		...results,
		profiles: profiles.map(({ times, ...profile }) => ({
			...profile,
			times: times.slice(0, functionsMax),
		})),
		routes: routes.map(({ route, samples }) => ({
			route,
			samples: Object.fromEntries(samples),
		})),
		latency: latency.map(({ route, points }) => ({
			route,
			points: points.map(({ connections, samples }) => ({
				connections,
				samples: Object.fromEntries(samples),
			})),
		})),
	};
}
