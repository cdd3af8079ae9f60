import { readFileSync } from "node:fs";
import { folderWith, type RunningCommand, sluice } from "./cli.ts";
import { ask, type HttpAnswer } from "./serve.ts";
import { until } from "./until.ts";

/** `sluice serve` with several workers, in a folder of its own. It is killed at the end if it still runs. */
export interface RunningWorkers extends AsyncDisposable {
	readonly command: RunningCommand;
	readonly folder: string;
	readonly url: string;
	/** Of the admin server; empty without one. */
	readonly admin: string;
	get(path: string): Promise<HttpAnswer>;
	/** A number of `/metrics`, over all labels. */
	metric(name: string): Promise<number>;
	/** The processes of the workers. */
	pids(): number[];
	/** The lines of the log with these words. */
	lines(words: string): Record<string, unknown>[];
}

/** A function by which a route says which process answers. */
export const pidFile = "export const pid = () => process.pid;\n";

/** Starts it, and waits until it has begun. */
export async function startWorkers(
	files: Record<string, string>,
	{
		args = ["--workers", "2"],
		env = {},
	}: { args?: readonly string[]; env?: Record<string, string> } = {},
): Promise<RunningWorkers> {
	const folder = folderWith({ "f.js": pidFile, ...files });
	const command = sluice(["serve", ...args], { cwd: folder.path, env });
	const end = async () => {
		command.process.kill("SIGKILL");
		// The workers hold the pipes open until they have ended, too.
		await command.ended;
		folder[Symbol.dispose]();
	};
	try {
		await command.printed('"msg":"started"');
	} catch (error) {
		await end();
		throw error;
	}
	const [, url = ""] = /listening on (\S+)/.exec(command.stdout()) ?? [];
	const [, admin = ""] = /admin page: (\S+)/.exec(command.stdout()) ?? [];
	return {
		...{ command, url, admin, folder: folder.path },
		get: (path) => ask(url + path),
		async metric(name) {
			const { text } = await ask(`${admin}/metrics`);
			return text
				.split("\n")
				.filter(
					(line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`),
				)
				.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
		},
		pids: () => childrenOf(command.process.pid ?? 0),
		lines: (words) =>
			command
				.stderr()
				.split("\n")
				.filter((line) => line.startsWith("{"))
				.map((line) => JSON.parse(line))
				.filter(({ msg }) => msg === words),
		[Symbol.asyncDispose]: end,
	};
}

function childrenOf(pid: number): number[] {
	const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
	return text.split(" ").filter(Boolean).map(Number);
}

/** Resolves when a process has ended that is no child of ours, so that nobody tells us. */
export async function gone(pid: number): Promise<void> {
	await until(() => !isAlive(pid));
}

/** Whether a process still runs. One that has ended may be there until somebody asks how. */
function isAlive(pid: number): boolean {
	try {
		return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
	} catch {
		return false;
	}
}
