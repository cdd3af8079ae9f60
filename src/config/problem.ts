/** One fault of a config: where it is, in characters from the start of the file, what is wrong and what to write. */
export interface Problem {
	readonly at: number;
	readonly message: string;
	/** A warning does not keep the gateway from starting. */
	readonly warning?: boolean;
}

/** A problem as an author reads it. */
export interface PlacedProblem {
	readonly file: string;
	/** From 1. */
	readonly line: number;
	/** From 1. */
	readonly column: number;
	readonly message: string;
	readonly warning: boolean;
}

/** `sluice.yaml:12:9: unknown key …`: the form editors and terminals make a link of. */
export function printProblem(problem: PlacedProblem): string {
	const { file, line, column, message, warning } = problem;
	return `${file}:${line}:${column}: ${warning ? "warning: " : ""}${message}`;
}
