/**
 * Fetches a list of addresses, four at once and each within five seconds, and tells their sizes; an address that fails
 * costs nobody else anything.
 *
 *     npx node examples/tasks/sizes.ts [address...]
 *
 * Without addresses it fetches those of a site on loopback.
 */
import { gather, run, type Scope, timeout } from "../../src/tasks/index.ts"; // elsewhere: "sluice/tasks"
import { pages, serveSite } from "./server.ts";
import { endInterrupted, showProgress, stopwatch } from "./terminal.ts";

/** An outcome for each address, in order; `got` is told of each piece as it comes. */
export function sizesOf(
	addresses: readonly string[],
	got: (bytes: number) => void,
	scope: Scope,
) {
	const works = addresses.map(
		(address) => (scope: Scope) =>
			timeout(5000, (scope) => sizeOf(address, got, scope), scope),
	);
	return gather.settled(works, { scope, limit: 4 });
}

async function sizeOf(
	address: string,
	got: (bytes: number) => void,
	scope: Scope,
) {
	const answer = await fetch(address, { signal: scope.signal });
	let size = 0;
	for await (const piece of answer.body ?? []) {
		size += piece.length;
		got(piece.length);
	}
	if (!answer.ok) throw new Error(`status ${answer.status}`);
	return size;
}

async function main(scope: Scope) {
	await using site = await serveSite(scope);
	const given = process.argv.slice(2);
	const addresses =
		given.length > 0 ? given : pages.map((page) => `${site.url}/${page}`);
	const elapsed = stopwatch(scope);
	let bytes = 0;
	using progress = showProgress(scope, () => `${bytes} bytes`);
	const outcomes = await sizesOf(addresses, (more) => (bytes += more), scope);
	for (const [index, outcome] of outcomes.entries()) {
		const told = outcome.ok ? outcome.value : causeOf(outcome.error);
		progress.print(`${String(told).padStart(12)}  ${addresses[index]}`);
	}
	if (scope.cancelled) throw scope.reason;
	progress.print(`${addresses.length} addresses in ${elapsed()}`);
}

/** What `fetch` says is only that it failed; the reason is the error's cause. */
function causeOf(error: unknown) {
	const { cause, message } = error as Error;
	return cause instanceof Error ? cause.message : message;
}

if (import.meta.main) await run(main).catch(endInterrupted);
