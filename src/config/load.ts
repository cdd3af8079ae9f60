import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { GatewayError } from "../core/errors.ts";
import { Secrets } from "../core/secrets.ts";
import { withAuthFiles } from "./auth-files.ts";
import { type Checked, check } from "./check.ts";
import { tlsProblems } from "./check-tls.ts";
import type { FileReference } from "./check-upstream.ts";
import type { Config, UserFunction, WorkerFunction } from "./config.ts";
import { faultOfHistoryFile, faultOfPlace } from "./database-file.ts";
import type { Environment } from "./environment.ts";
import {
	type Found,
	findFunctions,
	firstLineOf,
	importModule,
	inspectFunctions,
	loadFunctions,
	workersOf,
} from "./functions.ts";
import { positionsInModule } from "./module-positions.ts";
import { isPem } from "./pem.ts";
import {
	hasFault,
	messageOf,
	type PlacedProblem,
	type Problem,
	printProblem,
} from "./problem.ts";
import { readSource } from "./read-yaml.ts";
import { ResolvedUpstreams, withFiles } from "./resolve-upstream.ts";
import { addKeys, addNamedSecrets } from "./secret-values.ts";
import { entryOf } from "./shape.ts";
import {
	type LinePosition,
	lineStartsOf,
	positionIn,
	type Source,
	type SourceFile,
} from "./source.ts";
import { readValue } from "./source-value.ts";
import { faultsOfTls, inFolder } from "./tls-files.ts";

export interface Loaded {
	/** Null if there is any problem that is not a warning. */
	readonly config: Config | null;
	/** The problems, in the order of the file: at most 100, and at most 100 warnings. */
	readonly problems: readonly PlacedProblem[];
	/** What is secret of the environment in which it was read. */
	readonly secrets: Secrets;
	/** How many more there are. */
	readonly unlisted: { readonly faults: number; readonly warnings: number };
}

/**
 * Reads and checks a file: YAML, JSON, or a module of TypeScript or JavaScript whose default export is the config. If
 * nothing is wrong with it, loads the functions that its steps name. Throws `config_invalid` if the file itself cannot
 * be read.
 */
export function loadConfig(
	file: string,
	env: Environment = process.env,
): Promise<Loaded> {
	return load(file, env, true);
}

/**
 * The same without the functions: they are found, and not run. Of a config in YAML or JSON nothing runs at all. No
 * gateway can be made of it.
 */
export function inspectConfig(file: string, env: Environment): Promise<Loaded> {
	return load(file, env, false);
}

async function load(
	file: string,
	env: Environment,
	runs: boolean,
): Promise<Loaded> {
	const source = isModule(file)
		? await readModule(file)
		: readSource(readText(file));
	const checked = checkSource(source, env);
	const files = readFiles(checked.files, dirname(file));
	const named = findFunctions(checked.references, dirname(file));
	const sound =
		checked.config !== null &&
		[files, named].every(({ problems }) => problems.length === 0);
	const functions =
		runs && sound ? await loadFunctions(named) : inspectFunctions(named);
	const found = withLoaded(checked, {
		functions: {
			...functions,
			problems: [...named.problems, ...functions.problems],
		},
		workers: workersOf(named),
		files,
	});
	const { draft, secrets } = checked;
	const looks = draft === null ? [] : looksAt(draft, source, dirname(file));
	const problems = [
		...found.problems,
		...looks.flatMap(({ problems }) => problems),
	];
	const placed = looks.reduce<Config | null>(
		(config, { problems, of }) =>
			config !== null && !hasFault(problems) ? { ...config, ...of } : null,
		found.config,
	);
	return place({ config: placed, problems, secrets }, source, file);
}

/** What a part of the config names on the disk: the part with its files found from the config's folder, and what is wrong. */
interface Look {
	readonly of: Partial<Config>;
	readonly problems: readonly Problem[];
}

/** Looks at the parts one by one, so that a fault of one hides none of another. */
function looksAt(
	config: Config,
	{ root }: SourceFile,
	folder: string,
): readonly Look[] {
	const nowMs = Date.now();
	const { config: found, problems } = withAuthFiles(
		config,
		root,
		folder,
		nowMs,
	);
	return [
		certificatesOf(config, root, folder),
		historyOf(config, root, folder),
		jobsOf(config, root, folder),
		{ of: { auth: found.auth }, problems },
	];
}

function certificatesOf(
	{ server, secrets }: Config,
	root: Source | null,
	folder: string,
): Look {
	if (!server.tls) return { of: {}, problems: [] };
	const tls = inFolder(server.tls, folder);
	const faults = faultsOfTls(tls, Date.now(), secrets);
	const problems = faults.map(({ keys, ...fault }) => {
		const path = ["server", "tls", ...keys];
		let at = root;
		for (const key of path) at = (at && entryOf(at, key)) ?? at;
		return { at: at?.at ?? 0, ...fault };
	});
	return { of: { server: { ...server, tls } }, problems };
}

function historyOf(
	{ history: kept }: Config,
	root: Source | null,
	folder: string,
): Look {
	if (!kept) return { of: {}, problems: [] };
	const history = { ...kept, file: resolve(folder, kept.file) };
	const fault = faultOfHistoryFile(history.file);
	return { of: { history }, problems: placedAt(root, "history", fault) };
}

/** With a store the file is not used. */
function jobsOf(
	{ jobs, store }: Config,
	root: Source | null,
	folder: string,
): Look {
	if (!jobs) return { of: {}, problems: [] };
	const file = resolve(folder, jobs.file);
	const fault = store === null ? faultOfPlace(file, "takes no jobs") : null;
	return {
		of: { jobs: { ...jobs, file } },
		problems: placedAt(root, "jobs", fault),
	};
}

/** The fault of a file, where the config names it. */
function placedAt(
	root: Source | null,
	key: string,
	fault: Omit<Problem, "at"> | null,
): Problem[] {
	const written = entryOf(root, key);
	const { at = 0 } = entryOf(written, "file") ?? written ?? {};
	return fault ? [{ at, ...fault }] : [];
}

function isModule(file: string): boolean {
	return /\.[cm]?[jt]s$/.test(file);
}

/** Its values, with the lines on which they are written. */
async function readModule(file: string): Promise<SourceFile> {
	const source = readValue(await importDefault(file));
	let positions: ((path: string) => LinePosition | null) | null = null;
	return {
		...source,
		positionOf(offset) {
			positions ??= positionsInModule(readText(file), file);
			const { path = "" } = source.positionOf(offset);
			return { ...positions(path), path };
		},
	};
}

async function importDefault(file: string): Promise<unknown> {
	const module = await importModule(file);
	if (typeof module === "string") throw unreadable(file, module);
	if ("default" in module) return module.default;
	throw unreadable(
		file,
		"exports no config: write `export default defineGateway({ … })`",
	);
}

function readText(file: string): string {
	let bytes: Buffer;
	try {
		bytes = readFileSync(file);
	} catch (error) {
		throw unreadable(file, whyUnread(error as NodeJS.ErrnoException));
	}
	if (isUtf8(bytes)) return bytes.toString("utf8");
	const [first = 0, second = 0] = bytes;
	if (first + second === 0xff + 0xfe) {
		throw unreadable(file, "this file is UTF-16: save it as UTF-8");
	}
	const text = bytes.toString("utf8");
	const { line, column } = positionIn(
		lineStartsOf(text),
		text.indexOf("\ufffd"),
	);
	throw unreadable(
		`${file}:${line}:${column}`,
		"this is not UTF-8: save the file as UTF-8",
	);
}

function whyUnread(error: NodeJS.ErrnoException): string {
	if (error.code === "ENOENT") return "there is no such file";
	if (error.code === "EISDIR") return "this is a folder, not a config";
	return firstLineOf(error);
}

function unreadable(file: string, reason: string): GatewayError {
	return new GatewayError("config_invalid", `${file}: ${reason}`);
}

/** Checks a config that is already a text. `file` names it in problems. Loads no function. */
export function checkText(
	text: string,
	file: string,
	env: Environment,
): Loaded {
	const source = readSource(text);
	return place(checkSource(source, env), source, file);
}

/**
 * Checks a config of JavaScript values, such as `defineGateway` returns. `name` stands before its problems. Loads no
 * function: a function that is named instead of given is a problem.
 */
export function checkValue(
	value: unknown,
	name: string,
	env: Environment,
): Loaded {
	const source = readValue(value);
	const checked = checkSource(source, env);
	const problems = checked.references.flatMap(({ name, at, call, worker }) => {
		if (call !== null || name === "") return [];
		const remedy = worker
			? "load the config by its file"
			: "write the function itself";
		return [{ at, message: `\`${name}\` is not loaded here: ${remedy}` }];
	});
	const functions = { found: new Map<string, UserFunction>(), problems };
	const files = {
		found: new Map<string, string>(),
		problems: checked.files.map(({ at }) => ({
			at,
			message: "a file is not read here: write the PEM text itself",
		})),
	};
	const loaded = { functions, workers: new Map(), files };
	const { secrets } = checked;
	return place({ ...withLoaded(checked, loaded), secrets }, source, name);
}

interface FoundAll {
	readonly functions: Found<UserFunction>;
	readonly workers: ReadonlyMap<string, WorkerFunction>;
	readonly files: Found<string>;
}

function withLoaded(
	checked: Checked,
	{ functions, workers, files }: FoundAll,
): Pick<Checked, "config" | "problems"> {
	const problems = [...functions.problems, ...files.problems];
	for (const text of files.found.values()) addKeys(text, checked.secrets);
	const config = problems.length > 0 ? null : checked.config;
	return {
		problems: [...checked.problems, ...problems],
		config: config && {
			...config,
			functions: new Map([...config.functions, ...functions.found]),
			workers,
			files: files.found,
			resolved: new ResolvedUpstreams(
				config.resolved.reveal().map((upstream) => ({
					...upstream,
					tls: withFiles(upstream.tls, files.found).tls,
				})),
			),
		},
	};
}

function checkSource(source: SourceFile, env: Environment): Checked {
	if (source.root === null && hasFault(source.problems)) {
		const secrets = new Secrets();
		addNamedSecrets(env, secrets);
		return {
			config: null,
			draft: null,
			problems: source.problems,
			references: [],
			files: [],
			secrets,
		};
	}
	const checked = check(source.root, env);
	// A line that could not be read leaves names unread and values missing, so only its own problem is reported.
	const isUnreadable = (at: number) => {
		const position = source.positionOf(at);
		return source.unreadable.has(position.line ?? 0);
	};
	const unread = hasFault(source.problems);
	const followed = checked.problems.filter(
		({ at, follows }) => !isUnreadable(at) && !(unread && follows),
	);
	return {
		...checked,
		config: unread ? null : checked.config,
		draft: unread ? null : checked.draft,
		problems: [...source.problems, ...followed],
	};
}

function place(
	{
		config: sound,
		problems,
		secrets,
	}: Pick<Checked, "config" | "problems" | "secrets">,
	source: SourceFile,
	file: string,
): Loaded {
	const upstreams = sound?.resolved.reveal() ?? [];
	const more = tlsProblems(upstreams, source.root);
	const config = more.length > 0 ? null : sound;
	const all = firstAtEachPlace([...problems, ...more]);
	const faults = all.filter(({ warning }) => !warning);
	const warnings = all.filter(({ warning }) => warning);
	const listed = [
		...faults.slice(0, listedMax),
		...warnings.slice(0, listedMax),
	].toSorted((a, b) => a.at - b.at);
	return {
		...{ config, secrets },
		problems: listed.map((problem) => ({
			file,
			...source.positionOf(problem.at),
			message: secrets.hide(messageOf(problem)),
			warning: problem.warning ?? false,
		})),
		unlisted: {
			faults: Math.max(0, faults.length - listedMax),
			warnings: Math.max(0, warnings.length - listedMax),
		},
	};
}

/** Nobody reads a longer list before the first of it are mended. */
const listedMax = 100;

function readFiles(
	references: readonly FileReference[],
	folder: string,
): Found<string> {
	const found = new Map<string, string>();
	const problems: Problem[] = [];
	for (const { path, words, at } of references) {
		const text = readPem(resolve(folder, path));
		if (text === null) {
			const message = `${words} cannot be read, or holds no PEM text`;
			problems.push({ at, message });
		} else found.set(path, text);
	}
	return { found, problems };
}

function readPem(file: string): string | null {
	try {
		const text = readFileSync(file, "utf8");
		return isPem(text) ? text : null;
	} catch {
		return null;
	}
}

/**
 * In the order of the file. A second problem at one position is most likely the first in other words. A warning stands
 * in for no fault.
 */
function firstAtEachPlace(problems: readonly Problem[]): Problem[] {
	const places = new Map<number, Problem>();
	for (const problem of problems) {
		const first = places.get(problem.at);
		if (first && (problem.warning || !first.warning)) continue;
		places.set(problem.at, problem);
	}
	return [...places.values()].toSorted((a, b) => a.at - b.at);
}

/** `and 1900 more problems`; null if all are listed. */
export function printUnlisted({
	unlisted,
}: Pick<Loaded, "unlisted">): string | null {
	const more = unlisted.faults + unlisted.warnings;
	if (more === 0) return null;
	return `and ${more} more ${more === 1 ? "problem" : "problems"}`;
}

/** The config, or a `config_invalid` that lists every problem, one a line. */
export function configOrThrow(loaded: Loaded): Config {
	const { config, problems, unlisted } = loaded;
	if (config !== null) return config;
	const faults = problems.filter(({ warning }) => !warning).map(printProblem);
	const rest = printUnlisted({ unlisted: { ...unlisted, warnings: 0 } });
	if (rest !== null) faults.push(rest);
	throw new GatewayError("config_invalid", faults.join("\n"));
}
