import { subscribe } from "node:diagnostics_channel";
import { writeSync } from "node:fs";
import { relative } from "node:path";
import { isMainThread } from "node:worker_threads";
import { tellCost } from "./cost.ts";
import "./untracked.ts";

/** How long a file may keep its process after its last test. */
const patienceMs = Number(process.env["SUITE_PATIENCE_MS"] ?? 5000);

/** What held the process open when a test had ended. */
interface Ended {
	readonly test: string;
	readonly open: readonly string[];
}

/**
 * Preloaded into every test file: ends the process if something that a test has left behind keeps it open. The runner
 * would wait for ever.
 */
if (isMainThread) {
	const costTo = process.env["SUITE_COST"];
	// The runner has the whole time of all files.
	if (costTo && process.env["NODE_TEST_CONTEXT"]) tellCost(costTo);
	const ended: Ended[] = [];
	subscribe("tracing:node.test:end", (message) => {
		const { name = "", file = "", type } = message as Record<string, string>;
		if (type === "suite") return;
		if (name !== "<root>") ended.push({ test: name, open: open() });
		// The root ends after the last test. A timer without a reference runs out only if something else is left.
		else setTimeout(giveUp, patienceMs, file, ended).unref();
	});
}

/** The kinds of what keeps the process open: `Timeout`, `TCPServerWrap`. Its own output is a pipe or a terminal. */
function open(): string[] {
	return process
		.getActiveResourcesInfo()
		.filter((kind) => kind !== "PipeWrap" && kind !== "TTYWrap");
}

function giveUp(file: string, ended: readonly Ended[]): never {
	const kinds = [...Map.groupBy(open(), (kind) => kind)];
	const left = kinds.map(
		([kind, { length }]) => `${kind} left ${byWhom(kind, length, ended)}`,
	);
	const line = `${relative(process.cwd(), file)} did not end after its last test: ${left.join("; ")}`;
	// The process ends here, before a stream would have written.
	writeSync(2, `${line}\n`);
	process.exit(1);
}

/** The test since whose end there were always at least so many of a kind. */
function byWhom(kind: string, count: number, ended: readonly Ended[]): string {
	const fewer = ended.findLastIndex(
		({ open }) => open.filter((one) => one === kind).length < count,
	);
	const first = ended[fewer + 1];
	return first ? `by "${first.test}"` : "by what followed it";
}
