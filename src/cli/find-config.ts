import { existsSync } from "node:fs";
import {
	inspectConfig,
	type Loaded,
	loadConfig,
	printUnlisted,
} from "../config/load.ts";
import { printProblem } from "../config/problem.ts";
import { GatewayError } from "../core/errors.ts";
import { shownInOneLine } from "../core/shown.ts";
import { hideSecrets } from "./hidden.ts";
import { printError } from "./terminal.ts";

const defaultFiles = [
	"sluice.yaml",
	"sluice.yml",
	"sluice.json",
	"sluice.ts",
	"sluice.js",
];

/** The named file, or the first default one that exists. Throws `config_invalid` if there is none. */
export function findConfig(file: string | undefined): string {
	if (file !== undefined) return file;
	const found = defaultFiles.find((name) => existsSync(name));
	if (found !== undefined) return found;
	throw new GatewayError(
		"config_invalid",
		`there is no sluice.yaml, .yml, .json, .ts or .js here: name a config, or see \`sluice --help\` for a first one`,
	);
}

/** Loads a config with its functions, and prints its problems, one a line, to stderr. */
export function loadAndReport(file: string): Promise<Loaded> {
	return report(loadConfig(file, process.env));
}

/** The same without running its functions. */
export function inspectAndReport(file: string): Promise<Loaded> {
	return report(inspectConfig(file, process.env));
}

/** Loads a config with its functions, and prints nothing. `faults` are why it cannot be used, one line each. */
export async function loadQuietly(
	file: string,
): Promise<Pick<Loaded, "config"> & { readonly faults: readonly string[] }> {
	const { config, problems, secrets } = await loadConfig(file, process.env);
	hideSecrets(secrets);
	const faults = problems
		.filter(({ warning }) => !warning)
		.map((problem) => shownInOneLine(printProblem(problem)));
	return { config, faults };
}

async function report(loading: Promise<Loaded>): Promise<Loaded> {
	return reported(await loading);
}

function reported(loaded: Loaded): Loaded {
	hideSecrets(loaded.secrets);
	for (const problem of loaded.problems) {
		printError(shownInOneLine(printProblem(problem)));
	}
	const unlisted = printUnlisted(loaded);
	if (unlisted !== null) printError(unlisted);
	return loaded;
}
