/**
 * What it costs to see inside: CPU microseconds of the whole process per request, three merged, beside the same gateway of
 * which nobody sees anything. Run with `npm run bench:seeing [-- <rounds> <seconds>]`; needs nginx and wrk.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { policiesOn, startSeeing } from "./competitors.ts";
import { load } from "./load.ts";
import { createProcesses } from "./processes.ts";
import { markdownTable } from "./report.ts";
import { interleave } from "./rounds.ts";
import { routes, sluiceConfig } from "./routes.ts";
import { medianOf, pairedRatios, quartilesOf } from "./statistics.ts";
import { startUpstream } from "./upstream.ts";

const [rounds = 15, seconds = 1] = process.argv.slice(2).map(Number);
const { target, connections } = routes.three;

/** What is seen, and the most that it may cost: the ratio to nothing. */
const kinds = [
	{ title: "nothing", sees: [], atMost: null },
	{ title: "metrics", sees: ["metrics"], atMost: 1.04 },
	{ title: "the last requests", sees: ["traffic"], atMost: 1.08 },
	{ title: "a log of all requests", sees: ["log"], atMost: 1.08 },
	{ title: "a history of all requests", sees: ["history"], atMost: 1.1 },
	{
		title: "all of it",
		sees: ["metrics", "traffic", "log", "history"],
		atMost: 1.2,
	},
	{ title: "traces of all requests", sees: ["traces"], atMost: null },
	{ title: "traces of a tenth", sees: ["tenth of traces"], atMost: null },
] as const;

const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
try {
	await using processes = createProcesses();
	const upstreamUrl = await startUpstream(processes, join(folder, "upstream"));
	// nginx takes whatever is posted, and answers 200.
	process.env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT = `${upstreamUrl}/echo/traces`;
	// Else what does not fit is dropped, and would cost nothing.
	process.env.OTEL_BSP_MAX_QUEUE_SIZE = "100000";
	const place = { processes, upstreamUrl, folder };
	const config = {
		...sluiceConfig(upstreamUrl, policiesOn),
		log: { requests: "all", format: "json" },
		history: { requests: "all" },
	};
	const started = new Map(
		await Promise.all(
			kinds.map(
				async (kind) =>
					[kind, await startSeeing(place, config, kind.sees)] as const,
			),
		),
	);
	const slice = (kind: (typeof kinds)[number]) => {
		const { pid, url } = started.get(kind) as { pid: number; url: string };
		return load(processes, { pid, url: url + target, connections, seconds });
	};
	for (let round = 0; round < 3; round++) {
		for (const kind of kinds) await slice(kind);
	}
	const samples = await interleave(kinds, rounds, slice);
	const usOf = (kind: (typeof kinds)[number]) =>
		(samples.get(kind) ?? []).map(({ cpuUs }) => cpuUs);
	const spread = (values: readonly number[], digits: number) => {
		const [low, middle, high] = quartilesOf(values);
		const bounds = `${low.toFixed(digits)}–${high.toFixed(digits)}`;
		return `${middle.toFixed(digits)} (${bounds})`;
	};
	const nothing = usOf(kinds[0]);
	const rows = kinds.map((kind) => {
		const ratios = pairedRatios(usOf(kind), nothing);
		if (kind.atMost !== null && medianOf(ratios) > kind.atMost) {
			process.exitCode = 1;
		}
		const atMost = kind.atMost === null ? "" : kind.atMost.toFixed(2);
		return [kind.title, spread(usOf(kind), 1), spread(ratios, 3), atMost];
	});
	console.log(`${processes.apart}; ${rounds} rounds of ${seconds} s\n`);
	console.log(
		markdownTable(["seen", "CPU µs a request", "ratio", "at most"], rows),
	);
} finally {
	rmSync(folder, { recursive: true, force: true });
}
