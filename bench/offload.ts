/**
 * What a hundred equations do to the loop: solved on it, and on a pool beside it. Per round each in turn, with a server
 * of this process being asked meanwhile; medians of the rounds, with the least and the most. Then what one call on a
 * thread costs. Run with `node bench/offload.ts [rounds]`.
 */
import { createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import { availableParallelism } from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";
import { createPool } from "../src/tasks/index.ts";
import { solve } from "../test/tasks/work.ts";

const rounds = Number(process.argv[2] ?? 7);
const slopes = Array.from({ length: 100 }, (_, index) => 1 + index / 100);
const work = new URL("../test/tasks/work.ts", import.meta.url);

const pool = createPool();
const server = createServer((_, response) => response.end("here"));
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const { port } = server.address() as AddressInfo;

/** Each begins when it is called, and not before: an async function runs at once to its first await. */
const contenders = {
	"on the loop": () => Promise.all(slopes.map(async (slope) => solve(slope))),
	"on the pool": () =>
		Promise.all(slopes.map((slope) => pool.offload(work, "solve", [slope]))),
	"nothing to do": () => setTimeout(300),
};

interface Round {
	readonly p99Ms: number;
	readonly maxMs: number;
	readonly tookMs: number;
	readonly answers: number;
}

const seen = new Map<string, Round[]>();
// The first round starts threads and compiles: it is not counted.
for (let round = 0; round <= rounds; round++) {
	for (const [name, run] of Object.entries(contenders)) {
		const measured = await measure(run);
		if (round > 0) seen.set(name, [...(seen.get(name) ?? []), measured]);
	}
}

console.log(
	`100 equations, ${rounds} rounds, ${pool.size} of ${availableParallelism()} cores for the pool; median (least–most)\n`,
);
for (const [name, results] of seen) {
	const column = (key: keyof Round) => spread(results.map((one) => one[key]));
	console.log(
		`${name.padEnd(14)} loop delay p99 ${column("p99Ms")} ms, max ${column("maxMs")} ms; took ${column("tookMs")} ms; ${column("answers")} answers meanwhile`,
	);
}

const calls = 2000;
const begun = performance.now();
for (let call = 0; call < calls; call++) {
	await pool.offload(work, "same", [call]);
}
const each = ((performance.now() - begun) / calls) * 1000;
console.log(
	`\none call of a function that does nothing: ${each.toFixed(0)} µs`,
);

await pool.close();
server.close();
server.closeAllConnections();

async function measure(run: () => Promise<unknown>): Promise<Round> {
	const delay = monitorEventLoopDelay({ resolution: 1 });
	let answers = 0;
	let over = false;
	const asking = (async () => {
		while (!over) {
			await ask();
			if (!over) answers++;
		}
	})();
	delay.enable();
	// A delay is what is between two ticks of the histogram: it must tick before and after.
	await setTimeout(20);
	answers = 0;
	const beginMs = performance.now();
	await run();
	const tookMs = performance.now() - beginMs;
	over = true;
	await asking;
	await setTimeout(20);
	delay.disable();
	return {
		p99Ms: delay.percentile(99) / 1e6,
		maxMs: delay.max / 1e6,
		tookMs,
		answers,
	};
}

function ask(): Promise<void> {
	return new Promise((resolve, reject) => {
		get({ port, host: "127.0.0.1" }, (response) => {
			response.resume().on("end", resolve);
		}).on("error", reject);
	});
}

function spread(values: readonly number[]): string {
	const sorted = values.toSorted((a, b) => a - b);
	const at = (share: number) =>
		(sorted[Math.round(share * (sorted.length - 1))] ?? 0).toPrecision(3);
	return `${Number(at(0.5))} (${Number(at(0))}–${Number(at(1))})`;
}
