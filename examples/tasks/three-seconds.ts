/**
 * Two functions that wait three seconds each are done in three, not six:
 *
 *     npx node examples/tasks/three-seconds.ts [seconds]
 */
import { run, type Scope, sleep } from "../../src/tasks/index.ts"; // elsewhere: "sluice/tasks"
import { endInterrupted, showProgress, stopwatch } from "./terminal.ts";

/** A task runs from its start on; asking for its result waits for it. */
export async function breakfast(seconds: number, scope: Scope) {
	const tea = scope.start((scope) => make("tea", seconds, scope));
	const toast = scope.start((scope) => make("toast", seconds, scope));
	return `${await tea.result()} and ${await toast.result()}`;
}

async function make(what: string, seconds: number, scope: Scope) {
	await sleep(seconds * 1000, scope);
	return what;
}

async function main(scope: Scope) {
	const seconds = Number(process.argv[2] ?? 3);
	const elapsed = stopwatch(scope);
	using progress = showProgress(scope);
	progress.print("tea and toast are being made");
	const made = await breakfast(seconds, scope);
	progress.print(`${made} are ready after ${elapsed()}, not ${2 * seconds} s`);
}

if (import.meta.main) await run(main).catch(endInterrupted);
