import { appendFileSync, readFileSync } from "node:fs";
import { relative } from "node:path";

/** What Linux counts by, on every machine. */
const ticksPerSecond = 100;

/**
 * Writes a line into the file that `SUITE_COST` names when this file of tests ends: the processor time of its process and of the
 * processes that it started, how long it took, and its name. Times are in seconds. A process whose parent was killed is not
 * counted, because the system gives it to another one: the workers of a killed `sluice serve`.
 */
export function tellCost(to: string): void {
	const [file = ""] = process.argv.slice(1);
	process.once("exit", () => {
		const took = process.uptime().toFixed(1);
		const words = [computed().toFixed(2), took, relative("", file)];
		appendFileSync(to, `${words.join("\t")}\n`);
	});
}

/** Times of the user and the system, of this process and of its children that have ended. */
function computed(): number {
	const stat = readFileSync("/proc/self/stat", "latin1");
	// The name of the program is in brackets, and may have spaces.
	const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
	const ticks = fields.slice(11, 15).map(Number);
	return ticks.reduce((sum, one) => sum + one, 0) / ticksPerSecond;
}
