import { readFileSync, realpathSync, statSync } from "node:fs";
import module from "node:module";
import { basename, isAbsolute, relative, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";
import {
	type ModuleDeclaration,
	type Pattern,
	parse,
	type Statement,
} from "acorn";
import { suggest } from "../core/suggest.ts";
import type { UserFunction, WorkerFunction } from "./config.ts";
import type { Problem } from "./problem.ts";
import type { Reference } from "./steps/common.ts";

/** The things that were found by name, and the problems of the others. */
export interface Found<T> {
	readonly found: ReadonlyMap<string, T>;
	readonly problems: readonly Problem[];
}

/** A function that a step names, in the file that the name leads to. */
interface NamedFunction {
	readonly at: number;
	/** As the author wrote it. */
	readonly written: string;
	/** Its real path, without symbolic links. */
	readonly file: string;
	readonly name: string;
	readonly worker: boolean;
}

/** Finds the files of functions, by their names. Only files below the config's folder count, whatever links lead there. */
export function findFunctions(
	references: readonly Reference[],
	folder: string,
): Found<NamedFunction> {
	const root = realpathSync(folder);
	const found = new Map<string, NamedFunction>();
	const problems: Problem[] = [];
	for (const { name: reference, at, call, worker } of references) {
		if (call !== null) continue;
		const [written = "", name = ""] = reference.split("#");
		const file = realFileOf(resolve(folder, written));
		const message =
			typeof file !== "string"
				? `${written} cannot be loaded: ${file.fault}`
				: isBelow(root, file)
					? null
					: `${written} is not below the config's folder: put it there, or import it in a file that is`;
		if (message !== null) problems.push({ at, message });
		else if (typeof file === "string") {
			const thread = worker || found.get(reference)?.worker === true;
			found.set(reference, { at, written, file, name, worker: thread });
		}
	}
	return { found, problems };
}

function realFileOf(path: string): string | { readonly fault: string } {
	try {
		const file = realpathSync(path);
		return statSync(file).isFile() ? file : { fault: "this is no file" };
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		const missing = code === "ENOENT";
		return { fault: missing ? "there is no such file" : firstLineOf(error) };
	}
}

function isBelow(folder: string, file: string): boolean {
	const way = relative(folder, file);
	return !isAbsolute(way) && way.split(sep, 1)[0] !== "..";
}

/** Runs the files, and takes the functions that they export. */
export async function loadFunctions({
	found: named,
}: Found<NamedFunction>): Promise<Found<UserFunction>> {
	const found = new Map<string, UserFunction>();
	const problems: Problem[] = [];
	for (const [reference, { at, written, file, name }] of named) {
		const loaded = await loadFunction(file, name);
		if (typeof loaded === "function") found.set(reference, loaded);
		else problems.push({ at, message: `${written} ${loaded}` });
	}
	return { found, problems };
}

/** The function, or its fault as a text. */
async function loadFunction(
	file: string,
	name: string,
): Promise<UserFunction | string> {
	const module = await importModule(file);
	if (typeof module === "string") return module;
	const found = module[name];
	if (typeof found === "function") return found as UserFunction;
	const others = Object.keys(module).filter(
		(key) => typeof module[key] === "function",
	);
	return noFunction(name, others);
}

/** Where threads find their functions. They are loaded here too, so it is known that they exist. */
export function workersOf({
	found: named,
}: Found<NamedFunction>): ReadonlyMap<string, WorkerFunction> {
	const workers = [...named].filter(([, { worker }]) => worker);
	return new Map(
		workers.map(([reference, { file, name }]) => [
			reference,
			{ file: pathToFileURL(file).href, name },
		]),
	);
}

/** Reads the files and runs nothing of them: says which functions they do not export, as far as that can be read. */
export function inspectFunctions({
	found: named,
}: Found<NamedFunction>): Found<UserFunction> {
	const problems: Problem[] = [];
	for (const { at, written, file, name } of named.values()) {
		const names = exportsOf(file);
		if (names === null) continue;
		if (typeof names === "string") {
			problems.push({ at, message: `${written} ${names}` });
		} else if (!names.includes(name)) {
			problems.push({ at, message: `${written} ${noFunction(name, names)}` });
		}
	}
	return { found: new Map(), problems };
}

function noFunction(name: string, others: readonly string[]): string {
	return `exports no function \`${name}\`${suggest(name, others)}`;
}

/** The names that may be functions. Null if they cannot be read, a text if the file cannot be parsed. */
function exportsOf(file: string): readonly string[] | string | null {
	try {
		const text = readFileSync(file, "utf8");
		const plain = /\.[cm]?ts$/.test(file) ? withoutTypes(text) : text;
		const exported = declarationsIn(plain).map(exportedBy);
		// Without any declaration it may be CommonJS.
		return exported.length === 0 || exported.includes(null)
			? null
			: exported.flatMap((names) => names ?? []);
	} catch (error) {
		return `cannot be loaded: ${firstLineOf(error)}`;
	}
}

/** The imports and exports of a module; none if it can only be CommonJS. */
function declarationsIn(text: string): readonly ModuleDeclaration[] {
	try {
		const { body } = parse(text, {
			ecmaVersion: "latest",
			sourceType: "module",
		});
		return body.filter(isOfModules);
	} catch (error) {
		if (isCommonJs(text)) return [];
		throw error;
	}
}

function isCommonJs(text: string): boolean {
	try {
		parse(text, { ecmaVersion: "latest", sourceType: "commonjs" });
		return true;
	} catch {
		return false;
	}
}

/** Node warns that this function of its own may change. An author can do nothing about it. */
export function withoutTypes(text: string): string {
	const { emitWarning } = process;
	process.emitWarning = () => {};
	try {
		return module.stripTypeScriptTypes(text);
	} finally {
		process.emitWarning = emitWarning;
	}
}

function isOfModules(
	node: Statement | ModuleDeclaration,
): node is ModuleDeclaration {
	return /^(Import|Export)/.test(node.type);
}

/** Null if it exports what another file has. */
function exportedBy(node: ModuleDeclaration): readonly string[] | null {
	switch (node.type) {
		case "ImportDeclaration":
			return [];
		case "ExportDefaultDeclaration":
			return ["default"];
		case "ExportAllDeclaration":
			return node.exported ? [nameOf(node.exported)] : null;
		case "ExportNamedDeclaration": {
			const { declaration } = node;
			const own = node.specifiers.map(({ exported }) => nameOf(exported));
			if (declaration?.type !== "VariableDeclaration") {
				return declaration ? [declaration.id.name] : own;
			}
			return declaration.declarations.flatMap(({ id, init }) =>
				plainValues.has(init?.type ?? "") ? [] : namesIn(id),
			);
		}
	}
}

/** What is certainly no function. */
const plainValues: ReadonlySet<string> = new Set([
	"ArrayExpression",
	"Literal",
	"ObjectExpression",
	"TemplateLiteral",
]);

function nameOf(exported: {
	readonly name?: string;
	readonly value?: unknown;
}): string {
	return exported.name ?? String(exported.value);
}

/** The names that a pattern declares. */
function namesIn(pattern: Pattern | null): readonly string[] {
	switch (pattern?.type) {
		case "Identifier":
			return [pattern.name];
		case "ArrayPattern":
			return pattern.elements.flatMap(namesIn);
		case "ObjectPattern":
			return pattern.properties.flatMap((property) =>
				namesIn(
					property.type === "Property" ? property.value : property.argument,
				),
			);
		case "AssignmentPattern":
			return namesIn(pattern.left);
		case "RestElement":
			return namesIn(pattern.argument);
		default:
			return [];
	}
}

/** The module's exports, or the reason why there are none. Runs it. */
export async function importModule(
	file: string,
): Promise<Record<string, unknown> | string> {
	try {
		return await import(pathToFileURL(resolve(file)).href);
	} catch (error) {
		return `cannot be loaded: ${firstLineOf(error)}${lineOf(error)}`;
	}
}

/** The line that the error names, as ` (line 3 of sluice.ts)`. Empty if it names none. */
function lineOf(error: unknown): string {
	const stack = error instanceof Error ? (error.stack ?? "") : "";
	const [above = ""] = stack.split(import.meta.url);
	const [, file, line] =
		/(?:^|\(| at )(?:file:\/\/)?(\/[^\n()]*\.[cm]?[jt]s):(\d+)/.exec(above) ??
		[];
	return file === undefined ? "" : ` (line ${line} of ${basename(file)})`;
}

/** The error's message up to its first line break; the rest would be a stack or a picture of code. */
export function firstLineOf(error: unknown): string {
	const words = error instanceof Error ? error.message : String(error);
	return words.split("\n", 1)[0] ?? "";
}
