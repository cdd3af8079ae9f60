import { statSync } from "node:fs";
import { GatewayError } from "../core/errors.ts";
import { suggest } from "../core/suggest.ts";
import { compile } from "../plan/compile.ts";
import { explain, type RouteExplanation } from "../plan/explain.ts";
import { usualColumns } from "./columns.ts";
import { exitCodes } from "./exit-codes.ts";
import { printExplanation } from "./explain-text.ts";
import { findConfig, inspectAndReport } from "./find-config.ts";
import { hiddenIn } from "./hidden.ts";
import { printMermaid } from "./mermaid.ts";
import { print } from "./terminal.ts";

export interface ExplainOptions {
	readonly json?: boolean;
	readonly mermaid?: boolean;
}

/** `sluice explain`. If its one argument is no file and looks like a route, the default config is read. */
export async function explainCommand(
	args: readonly string[],
	{ json = false, mermaid = false }: ExplainOptions,
): Promise<number> {
	if (json && mermaid) {
		throw misuse("--json and --mermaid: choose one");
	}
	const { file, route } = readArguments(args);
	const { config } = await inspectAndReport(findConfig(file));
	if (config === null) return exitCodes.configInvalid;
	const timeoutsMs = config.resolved.reveal().map(({ timeoutMs }) => timeoutMs);
	// Before lines are broken.
	const all = hiddenIn(explain(compile(config), timeoutsMs));
	const routes = route === null ? all : routesNamed(route, all);
	if (json) print(JSON.stringify({ routes }, null, 2));
	else
		print(
			mermaid
				? printMermaid(routes)
				: printExplanation(routes, process.stdout.columns || usualColumns),
		);
	return exitCodes.ok;
}

function readArguments(args: readonly string[]): {
	readonly file: string | undefined;
	readonly route: string | null;
} {
	const words = [...args];
	const [first] = words;
	const file =
		first !== undefined && (!looksLikeRoute(first) || isFile(first))
			? words.shift()
			: undefined;
	return { file, route: words.length > 0 ? words.join(" ") : null };
}

/** A folder, such as `/home`, is no config, so its name is a route's path. */
function isFile(path: string): boolean {
	return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function looksLikeRoute(word: string): boolean {
	return /^([A-Za-z]+ +)?\//.test(word) || /^[A-Z]+$/.test(word);
}

/** Finds routes by a key, or by a path alone for every method. */
function routesNamed(
	name: string,
	routes: readonly RouteExplanation[],
): RouteExplanation[] {
	const [, method, path] = /^(?:(\S+)\s+)?(.*)$/.exec(name.trim()) ?? [];
	const key = method ? `${method.toUpperCase()} ${path}` : path;
	const found = routes.filter(
		({ route }) => route === key || route.endsWith(` ${key}`),
	);
	if (found.length > 0) return found;
	const keys = routes.map(({ route }) => route);
	const answering = keys.find((one) => answers(one, method, path ?? ""));
	const near = answering
		? ` — did you mean \`${answering}\`?`
		: suggest(method ? name : `GET ${name}`, keys) ||
			suggest(path ?? "", keys.map(pathOf));
	const list = keys.map((one) => `  ${one}`).join("\n");
	throw misuse(`there is no route \`${name}\`${near}\nThe routes:\n${list}`);
}

/** Whether a route takes requests of this path, with values where it has parameters. */
function answers(key: string, method: string | undefined, path: string) {
	const own = key.slice(0, key.indexOf(" "));
	if (method && own !== "ANY" && own !== method.toUpperCase()) return false;
	const segments = pathOf(key).split("/");
	const given = path.split("/");
	const isRest = segments.at(-1)?.endsWith("*}") ?? false;
	return (
		(isRest || segments.length === given.length) &&
		segments.every((segment, at) =>
			segment.startsWith("{") ? given[at] : segment === given[at],
		)
	);
}

function pathOf(key: string): string {
	return key.slice(key.indexOf(" ") + 1);
}

function misuse(message: string): GatewayError {
	return new GatewayError("request_invalid", message);
}
