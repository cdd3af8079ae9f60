import type { Position } from "./source.ts";

/**
 * One fault of a config: its offset in characters from the start of the file, what is wrong, and what to write instead.
 */
export interface Problem {
	readonly at: number;
	/** A function if the message takes time to make: it is called only if the problem is listed. */
	readonly message: string | (() => string);
	/** A warning does not keep the gateway from starting. */
	readonly warning?: boolean;
}

/** The message as an author reads it. */
export function messageOf({ message }: Problem): string {
	return typeof message === "string" ? message : message();
}

/** A problem with the position that an author reads. */
export type PlacedProblem = Position & {
	/** The file's name, or the config's name. */
	readonly file: string;
	readonly message: string;
	readonly warning: boolean;
};

/**
 * `sluice.yaml:12:9: unknown key …`, the form that editors and terminals turn into a link, or `sluice.ts: routes["GET
 * /x"].steps.now.get: unknown upstream …`.
 */
export function printProblem(problem: PlacedProblem): string {
	const { file, message, warning } = problem;
	const place =
		"line" in problem
			? `:${problem.line}:${problem.column}`
			: problem.path && `: ${problem.path}`;
	return `${file}${place}: ${warning ? "warning: " : ""}${message}`;
}
