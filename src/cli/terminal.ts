import { constants, openSync } from "node:fs";
import { inspect } from "node:util";
import { shown } from "../core/shown.ts";
import { guardStreams, writeData } from "./hidden.ts";

/** The only place of the command that writes to a terminal. The log has a writer of its own, which never waits. */

/**
 * Hides secrets in all that this process writes, its warnings and its last words too. Node would write those itself, with
 * whatever they say, and the whole environment into a report of a crash.
 */
export function guardProcess(): void {
	guardStreams();
	const { report } = process as { report?: { excludeEnv?: boolean } };
	if (report !== undefined) report.excludeEnv = true;
	process.once("uncaughtException", (error: unknown) => {
		printError(inspect(error));
		process.exit(1);
	});
	// Not there if the options of Node ask for no warnings.
	const [warn] = process.listeners("warning");
	if (warn === undefined) return;
	process.off("warning", warn);
	process.on("warning", ({ name, message }) =>
		printError(`(node:${process.pid}) ${name}: ${message}`),
	);
}

/** Writes to stdout, with a line break behind it. */
export function print(text: string): void {
	process.stdout.write(`${shown(text)}\n`);
}

/** Writes to stderr, with a line break behind it. */
export function printError(text: string): void {
	process.stderr.write(`${shown(text)}\n`);
}

/** Writes what has colours, with a line break behind it. The caller has shown its texts. */
export function printColoured(
	text: string,
	to: NodeJS.WriteStream = process.stderr,
): void {
	to.write(`${text}\n`);
}

/** Writes a body to stdout: to a terminal `forPeople` and without secrets, else byte for byte, because it is data. */
export function printBody(
	body: string | Uint8Array,
	forPeople: () => string,
): void {
	const { stdout } = process;
	if (stdout.isTTY) stdout.write(`${shown(forPeople())}\n`);
	else writeData(stdout, body);
}

/**
 * A descriptor of stderr whose writes do not wait. A thread that waits for a reader would keep the process from ending.
 * Node itself makes pipes and sockets so. A terminal belongs to others too, so it is opened anew.
 */
export function openStderr(): number {
	const { fd, isTTY } = process.stderr;
	if (!isTTY) return fd;
	const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
	try {
		return openSync("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY);
	} catch {
		return fd;
	}
}

/** JSON with a line per value. It works on the text, so that no number and no key changes. */
export function indentJson(text: string): string {
	const tokens =
		text.match(/"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+/g) ?? [];
	let depth = 0;
	const line = () => `\n${"  ".repeat(depth)}`;
	return tokens
		.map((token, index) => {
			switch (token) {
				case "{":
				case "[":
					depth++;
					return closing.has(tokens[index + 1]) ? token : token + line();
				case "}":
				case "]":
					depth--;
					return opening.has(tokens[index - 1]) ? token : line() + token;
				case ",":
					return token + line();
				case ":":
					return ": ";
				default:
					return token;
			}
		})
		.join("");
}

const opening: ReadonlySet<string | undefined> = new Set(["{", "["]);
const closing: ReadonlySet<string | undefined> = new Set(["}", "]"]);
