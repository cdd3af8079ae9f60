import type { LiveContender } from "./live-contenders.ts";
import { markdownTable } from "./report.ts";
import { pairedRatios, quartilesOf } from "./statistics.ts";

/** What one listener takes. */
export interface MemoryPerListener {
	readonly residentBytes: number;
	/** Null if there is no heap. */
	readonly heapBytes: number | null;
}

/** CPU microseconds per listener and message, one number a round. */
export interface CpuResult {
	/** How many listened. */
	readonly count: number;
	readonly samples: ReadonlyMap<LiveContender, readonly number[]>;
}

/** What the bench of listeners has measured. */
export interface LiveResults {
	readonly date: Date;
	readonly machine: readonly string[];
	readonly apart: string;
	readonly rounds: number;
	/** How many were idle. */
	readonly memoryCounts: readonly number[];
	/** In each round one for each of these numbers. */
	readonly memory: ReadonlyMap<
		LiveContender,
		readonly (readonly MemoryPerListener[])[]
	>;
	readonly cpu: readonly CpuResult[];
}

/** What one listener should take at most, what it should cost to send it one message, and how much of what it costs by hand. */
const aims = { bytes: 8 * 1024, us: 8, ofHand: 1 };

const formTitles = { events: "event stream", websocket: "WebSocket" } as const;

/** The results as a page of Markdown. */
export function livePage(results: LiveResults): string {
	const { date, rounds, machine, apart } = results;
	const parts = [
		"# What listeners cost",
		[
			`${date.toISOString().slice(0, 10)}, ${rounds} rounds.`,
			...machine.map((fact) => `${fact}.`),
			`Pinning: ${apart}.`,
		].join("\n"),
		"All who listen get each message of 200 bytes, and the next one is sent when all have it. Sluice has a channel, with ids, kept messages, bounds, metrics and the last requests. By hand there is a set of connections and a loop. Medians, in parentheses the quartiles. `npm run bench:live` writes this page.",
		`## Memory of an idle listener\n\n${memoryTable(results)}`,
		"By difference to the same process before. `RSS` is what is in RAM, without what the system's sockets take. `heap` is what is in use of V8's heap and beside it, after a garbage collection. A process with many listeners also has a larger young generation: some 20 MB, however many they are. So a figure of few listeners has more of it. `each more` has none: it is the slope between the numbers of listeners, and what one more listener takes.",
		`## CPU per listener and message\n\n${cpuTable(results)}`,
		"CPU microseconds of the process, all threads, with the kernel's part and the POST that says the message. The ratio is that of Sluice in the same form, taken round by round. What writes alone does nothing but write each message to each connection: a program in C by `send`, and Node by `net.Socket`.",
		`## Aims\n\n${aimsTable(results)}`,
		...beyondReach(results),
	];
	return `${parts.join("\n\n")}\n`;
}

function nameOf({ title, form }: LiveContender): string {
	return `${title}, ${formTitles[form]}`;
}

function memoryTable({ memory, memoryCounts }: LiveResults): string {
	const rows = Array.from(memory, ([contender, roundsOf]) => [
		nameOf(contender),
		...memoryCounts.flatMap((_, at) =>
			memoryCells(roundsOf.map((round) => round[at] as MemoryPerListener)),
		),
		...memoryCells(slopesOf(roundsOf, memoryCounts)),
	]);
	const head = [
		...memoryCounts.map((count) => `at ${count}`),
		...(hasSlope(memoryCounts) ? ["each more"] : []),
	].flatMap((of) => [`RSS KiB ${of}`, `heap KiB ${of}`]);
	return markdownTable(["", ...head], rows);
}

/** None if there is nothing. */
function memoryCells(of: readonly MemoryPerListener[]): readonly string[] {
	if (of.length === 0) return [];
	const heaps = of.flatMap(({ heapBytes }) => heapBytes ?? []);
	return [
		kibibytes(of.map(({ residentBytes }) => residentBytes)),
		heaps.length === 0 ? "" : kibibytes(heaps),
	];
}

function hasSlope(counts: readonly number[]): boolean {
	return counts.length > 1;
}

/** What one more listener takes between the least and the most of them, one for each round. None if there is one number only. */
function slopesOf(
	rounds: readonly (readonly MemoryPerListener[])[],
	counts: readonly number[],
): readonly MemoryPerListener[] {
	if (!hasSlope(counts)) return [];
	const few = counts[0] as number;
	const many = counts.at(-1) as number;
	const slope = (ofFew: number, ofMany: number) =>
		(ofMany * many - ofFew * few) / (many - few);
	return rounds.map((round) => {
		const [atFew, atMany] = [round[0], round.at(-1)] as [
			MemoryPerListener,
			MemoryPerListener,
		];
		const [heapFew, heapMany] = [atFew.heapBytes, atMany.heapBytes];
		const hasHeap = heapFew !== null && heapMany !== null;
		return {
			residentBytes: slope(atFew.residentBytes, atMany.residentBytes),
			heapBytes: hasHeap ? slope(heapFew, heapMany) : null,
		};
	});
}

function cpuTable({ cpu }: LiveResults): string {
	const contenders = Array.from(cpu[0]?.samples.keys() ?? []);
	const rows = contenders.map((contender) => [
		nameOf(contender),
		...cpu.flatMap(({ samples }) => {
			const own = samples.get(contender) ?? [];
			const ours = samples.get(oursFor(contender, contenders)) ?? [];
			return [
				spread(own, 1),
				contender.isOurs || ours.length === 0
					? ""
					: spread(pairedRatios(ours, own), 2),
			];
		}),
	]);
	const head = cpu.flatMap(({ count }) => [
		`µs at ${count}`,
		"Sluice takes of it",
	]);
	return markdownTable(["", ...head], rows);
}

/** Sluice in the same form. */
function oursFor(
	{ form }: LiveContender,
	all: readonly LiveContender[],
): LiveContender {
	return all.find((one) => one.isOurs && one.form === form) ?? noOne;
}

const noOne = {} as LiveContender;

/** What Sluice's listeners should take, and what was measured. */
function aimsTable({ memory, memoryCounts, cpu }: LiveResults): string {
	const ours = Array.from(memory.keys()).filter(({ isOurs }) => isOurs);
	const memoryAim = (what: string, of: readonly MemoryPerListener[]) => {
		const bytes = of.map(({ residentBytes }) => residentBytes);
		return [
			what,
			`${aims.bytes / 1024} KiB`,
			`${kibibytes(bytes)} KiB`,
			quartilesOf(bytes)[1] <= aims.bytes ? "yes" : "no",
		];
	};
	const rows = ours.flatMap((one) => [
		...memoryCounts.map((count, at) =>
			memoryAim(
				`${nameOf(one)}: memory of one of ${count}`,
				(memory.get(one) ?? []).flatMap((round) => round[at] ?? []),
			),
		),
		...(hasSlope(memoryCounts)
			? [
					memoryAim(
						`${nameOf(one)}: memory of each more`,
						slopesOf(memory.get(one) ?? [], memoryCounts),
					),
				]
			: []),
		...cpu.flatMap(({ count, samples }) => {
			const of = samples.get(one) ?? [];
			const aim = [
				`${nameOf(one)}: a message to one of ${count}`,
				`${aims.us} µs`,
				`${spread(of, 1)} µs`,
				quartilesOf(of)[1] <= aims.us ? "yes" : "no",
			];
			const byHand = samplesOf(samples, "hand", one.form);
			if (byHand.length === 0) return [aim];
			const ratios = pairedRatios(of, byHand);
			return [
				aim,
				[
					`${nameOf(one)}: of what it costs by hand to one of ${count}`,
					aims.ofHand.toFixed(2),
					spread(ratios, 2),
					quartilesOf(ratios)[1] <= aims.ofHand ? "yes" : "no",
				],
			];
		}),
	]);
	return markdownTable(["", "aim at most", "measured", "reached"], rows);
}

function samplesOf(
	samples: CpuResult["samples"],
	role: LiveContender["role"],
	form: LiveContender["form"],
): readonly number[] {
	for (const [contender, of] of samples) {
		if (contender.role === role && contender.form === form) return of;
	}
	return [];
}

const writers = {
	system: "the system's write alone",
	node: "Node's write alone",
} as const;

/** Says for which numbers of listeners even what only writes takes more than the aim. None if it never does. */
function beyondReach({ cpu }: LiveResults): readonly string[] {
	const lines = cpu.flatMap(({ count, samples }) =>
		Array.from(samples).flatMap(([{ role, form }, of]) => {
			const isWriter = role === "system" || role === "node";
			if (!isWriter || quartilesOf(of)[1] <= aims.us) return [];
			return [
				`- ${formTitles[form]} at ${count}: ${writers[role]} takes ${spread(of, 1)} µs.`,
			];
		}),
	);
	if (lines.length === 0) return [];
	return [
		`What does nothing but write takes more than ${aims.us} µs here, so nothing that stands on it can reach that:`,
		lines.join("\n"),
	];
}

function kibibytes(bytes: readonly number[]): string {
	return spread(
		bytes.map((one) => one / 1024),
		1,
	);
}

function spread(values: readonly number[], digits: number): string {
	const [low, middle, high] = quartilesOf(values);
	return `${middle.toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
}
