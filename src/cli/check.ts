import { linesOfTls } from "../config/tls-files.ts";
import { eachWorkerHas } from "./each-worker-has.ts";
import { exitCodes } from "./exit-codes.ts";
import { findConfig, inspectAndReport } from "./find-config.ts";
import { print, printError } from "./terminal.ts";

export interface CheckOptions {
	/** Asks every upstream once, too. */
	readonly connect?: boolean;
}

/** `sluice check`: prints every problem and how many there are. */
export async function checkCommand(
	file: string | undefined,
	{ connect = false }: CheckOptions,
): Promise<number> {
	const path = findConfig(file);
	const { config, problems, unlisted } = await inspectAndReport(path);
	if (config === null) {
		const listed = problems.filter(({ warning }) => !warning).length;
		printError(`${count(listed + unlisted.faults, "problem")} in ${path}`);
		return exitCodes.configInvalid;
	}
	const { routes, upstreams, channels } = config;
	const counts = [
		count(routes.length, "route"),
		count(upstreams.length, "upstream"),
		...(channels.length > 0 ? [count(channels.length, "channel")] : []),
	];
	print(`${path} is valid: ${counts.join(", ")}`);
	const { tls } = config.server;
	for (const line of tls === null ? [] : linesOfTls(tls)) print(line);
	if (config.server.workers !== 1) {
		const own = eachWorkerHas(config).join(", ");
		print(`each worker has its own: ${own} (docs/scaling.md)`);
	}
	if (!connect) return exitCodes.ok;
	const { askUpstreams } = await import("./connect.ts");
	const answered = await askUpstreams(config.resolved.reveal());
	return answered ? exitCodes.ok : exitCodes.failed;
}

function count(number: number, noun: string): string {
	return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
