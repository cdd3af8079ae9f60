/**
 * One hundred equations solved on the worker pool while the event loop keeps answering requests; then inline, where nobody
 * is answered, and not even Ctrl-C is heard, before the last is solved.
 *
 *     npx node examples/tasks/equations.ts [n]
 */
import {
	createPool,
	gather,
	run,
	type Scope,
	sleep,
	type Work,
} from "../../src/tasks/index.ts"; // elsewhere: "sluice/tasks"
import { solutions } from "./equation.ts";
import { serve } from "./server.ts";
import { endInterrupted, showProgress, stopwatch } from "./terminal.ts";

const file = new URL("equation.ts", import.meta.url);

/** What the work gives, and how many requests were answered meanwhile, asked one after another. */
export async function answersWhile<T>(
	work: Work<T>,
	url: string,
	scope: Scope,
) {
	let answers = 0;
	const client = scope.start(async (scope) => {
		for (;;) {
			const answer = await fetch(url, { signal: scope.signal });
			await answer.text();
			answers++;
			await sleep(10, scope);
		}
	});
	const value = await work(scope);
	client.cancel();
	return { value, answers };
}

async function main(scope: Scope) {
	const first = Number(process.argv[2] ?? 30_000_000);
	const numbers = Array.from({ length: 100 }, (_, index) => first + index);
	console.log(`x² + y² + z² = n, for n from ${first} to ${numbers.at(-1)}`);
	await using server = await serve((_, answer) => void answer.end(), scope);
	await using pool = createPool();
	let solved = 0;
	using progress = showProgress(scope, () => `${solved} solved`);

	const works = numbers.map((n) => async (scope: Scope) => {
		const found = await pool.offload(file, "solutions", [n], { scope });
		solved++;
		return found as number;
	});
	await tell("on the pool", (scope) => gather(works, { scope }));
	await tell("inline", async () => numbers.map(solutions));

	async function tell(way: string, work: Work<number[]>) {
		const elapsed = stopwatch(scope);
		const { value, answers } = await answersWhile(work, server.url, scope);
		const found = value.reduce((sum, more) => sum + more);
		progress.print(
			`${way}: ${found} solutions in ${elapsed()}, ${answers} requests answered meanwhile`,
		);
	}
}

if (import.meta.main) await run(main).catch(endInterrupted);
