import { main } from "../../src/cli/main.ts";

/**
 * Runs commands of the command line, each in an environment, in one process of their own. `process.argv[2]` is a file
 * with a list of `Command`. Prints a list of `Ran`. The runner of tests itself uses stdout, so that a test cannot do this.
 */
export interface Command {
	readonly args: readonly string[];
	readonly env: Readonly<Record<string, string>>;
}

/** What came of a command: its exit code, and all that it wrote. */
export interface Ran {
	readonly code: number;
	readonly printed: string;
}

if (import.meta.main) {
	const { readFileSync } = await import("node:fs");
	const commands: Command[] = JSON.parse(
		readFileSync(process.argv[2] ?? "", "utf8"),
	);
	const { stdout, stderr } = process;
	const write = stdout.write.bind(stdout);
	let printed = "";
	const note = (text: string | Uint8Array) => {
		printed += Buffer.from(text as string).toString();
		return true;
	};
	stdout.write = note as typeof stdout.write;
	stderr.write = note as typeof stderr.write;
	const all: Ran[] = [];
	for (const { args, env } of commands) {
		printed = "";
		Object.assign(process.env, env);
		const code = await main(args);
		for (const name of Object.keys(env)) delete process.env[name];
		all.push({ code, printed });
	}
	write(JSON.stringify(all));
}
