import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { endsWithUs } from "./with-us.ts";

/** In the whole check the packed one (`packed.ts`), which starts in half of the time. */
const bin =
	process.env["SUITE_BIN"] ??
	new URL("../../bin/sluice.js", import.meta.url).pathname;

/** A program of its own process, as a user runs it. */
export interface RunningCommand {
	readonly process: ChildProcess;
	readonly stdout: () => string;
	readonly stderr: () => string;
	/** Resolves when the output holds the text; fails when the command ends without. */
	printed(text: string): Promise<void>;
	/** The exit code, when it has ended. */
	readonly ended: Promise<number | null>;
}

interface CommandOptions {
	readonly cwd: string;
	readonly env?: Record<string, string>;
	/** Descriptors for its stdout and stderr, instead of pipes that the test reads. */
	readonly stdout?: number;
	readonly stderr?: number;
	/** The command that runs it, such as `setpriv` with its options. */
	readonly prefix?: readonly string[];
}

export function sluice(
	args: readonly string[],
	options: CommandOptions,
): RunningCommand {
	return runNode([bin, ...args], options);
}

/** Runs a file, with its arguments behind it. */
export function runNode(
	args: readonly string[],
	{ cwd, env = {}, stdout: outTo, stderr: errTo, prefix = [] }: CommandOptions,
): RunningCommand {
	const [program = "", ...words] = [...prefix, process.execPath, ...args];
	const child = spawn(program, words, {
		cwd,
		stdio: ["pipe", outTo ?? "pipe", errTo ?? "pipe"],
		env: {
			PATH: process.env.PATH ?? "",
			// Programs of ours need not compile again what the tests have compiled.
			NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? "",
			...env,
		},
	});
	endsWithUs(child);
	let stdout = "";
	let stderr = "";
	const watchers = new Set<() => void>();
	const note = () => {
		for (const watch of watchers) watch();
	};
	child.stdout?.on("data", (chunk) => {
		stdout += chunk;
		note();
	});
	child.stderr?.on("data", (chunk) => {
		stderr += chunk;
		note();
	});
	const ended = once(child, "close").then(([code]) => code as number | null);
	return {
		process: child,
		stdout: () => stdout,
		stderr: () => stderr,
		ended,
		printed: (text) =>
			new Promise((resolve, reject) => {
				const watch = () => {
					if (!(stdout + stderr).includes(text)) return;
					watchers.delete(watch);
					resolve();
				};
				watchers.add(watch);
				watch();
				void ended.then(() =>
					reject(new Error(`ended without "${text}":\n${stdout}${stderr}`)),
				);
			}),
	};
}

/** A folder with these files, gone at the end. */
export function folderWith(
	files: Record<string, string>,
): { readonly path: string } & Disposable {
	const path = mkdtempSync(join(tmpdir(), "sluice-test-"));
	for (const [name, text] of Object.entries(files)) {
		const file = join(path, name);
		mkdirSync(dirname(file), { recursive: true });
		writeFileSync(file, text);
	}
	return {
		path,
		[Symbol.dispose]: () => rmSync(path, { recursive: true }),
	};
}
