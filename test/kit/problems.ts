import { checkText } from "../../src/config/load.ts";
import { printProblem } from "../../src/config/problem.ts";

/** What is wrong with a config, as the command prints it. */
export function problemsOf(
	yaml: string,
	env: Record<string, string> = {},
): string[] {
	return checkText(yaml, "test.yaml", env).problems.map(printProblem);
}
