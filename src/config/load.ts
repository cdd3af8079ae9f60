import { readFileSync } from "node:fs";
import { GatewayError } from "../core/errors.ts";
import { check } from "./check.ts";
import type { Environment } from "./check-upstream.ts";
import type { Config } from "./config.ts";
import { type PlacedProblem, type Problem, printProblem } from "./problem.ts";
import { readSource } from "./source.ts";

export interface Loaded {
	/** Null where there is any problem that is not a warning. */
	readonly config: Config | null;
	/** In the order of the file. */
	readonly problems: readonly PlacedProblem[];
}

/** Reads and checks a file of YAML or JSON. Throws `config_invalid` where the file itself cannot be read. */
export function loadConfig(file: string, env: Environment): Loaded {
	let text: string;
	try {
		text = readFileSync(file, "utf8");
	} catch (error) {
		const reason = error instanceof Error ? error.message : String(error);
		throw new GatewayError("config_invalid", `${file}: ${reason}`);
	}
	return checkText(text, file, env);
}

/** Checks a config that is already a text; `file` names it in problems. */
export function checkText(
	text: string,
	file: string,
	env: Environment,
): Loaded {
	const source = readSource(text);
	const checked =
		source.root === null && source.problems.length > 0
			? { config: null, problems: [] }
			: check(source.root, env);
	// A line that could not be read leaves names unread and values missing: only its own problem is told.
	const followed = checked.problems.filter(
		({ at, message }) =>
			!source.unreadable.has(source.positionOf(at).line) &&
			!(source.unreadable.size > 0 && message.startsWith("nobody reads")),
	);
	const problems = firstAtEachPlace([...source.problems, ...followed]).map(
		({ at, message, warning = false }) => ({
			file,
			...source.positionOf(at),
			message,
			warning,
		}),
	);
	return {
		config: source.problems.length > 0 ? null : checked.config,
		problems,
	};
}

/** In the order of the file. A second problem at one place is most likely the first in other words. */
function firstAtEachPlace(problems: readonly Problem[]): Problem[] {
	const places = new Map<number, Problem>();
	for (const problem of problems) {
		if (!places.has(problem.at)) places.set(problem.at, problem);
	}
	return [...places.values()].toSorted((a, b) => a.at - b.at);
}

/** The config, or a `config_invalid` that lists every problem, one a line. */
export function configOrThrow({ config, problems }: Loaded): Config {
	if (config !== null) return config;
	const faults = problems.filter(({ warning }) => !warning).map(printProblem);
	throw new GatewayError("config_invalid", faults.join("\n"));
}
