import type { Position } from "./source.ts";

/**
 * One fault of a config: its offset in characters from the start of the file, what is wrong, and what to write instead.
 */
export interface Problem {
	readonly at: number;
	/** A function if the message takes time to make: it is called only if the problem is listed. */
	readonly message: string | (() => string);
	/** Whether another fault may be its cause, such as a value that could not be read. Then it is not listed beside one. */
	readonly follows?: boolean;
	/** A warning does not keep the gateway from starting. */
	readonly warning?: boolean;
}

/** Whether a fault that follows from no other was added since there were `before` problems. */
export function hasFault(problems: readonly Problem[], before = 0): boolean {
	return problems
		.slice(before)
		.some(({ warning, follows }) => !warning && !follows);
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
 * `sluice.yaml:12:9: unknown key …`, the form that editors and terminals turn into a link, or `sluice.ts:12:9:
 * routes["GET /x"].steps.now.get: unknown upstream …`. Values without a file have only the path.
 */
export function printProblem(problem: PlacedProblem): string {
	const { file, message, warning } = problem;
	const { line, column, path } = problem;
	const place = line === undefined ? "" : `:${line}:${column}`;
	return `${file}${place}${path ? `: ${path}` : ""}: ${warning ? "warning: " : ""}${message}`;
}
