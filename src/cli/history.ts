import { statSync } from "node:fs";
import sqlite from "node:sqlite";
import { GatewayError } from "../core/errors.ts";
import { suggest } from "../core/suggest.ts";
import type {
	HistoryQuery,
	KeptSummary,
} from "../telemetry/history/messages.ts";
import { readHistoryQuery } from "../telemetry/history/query.ts";
import { hasRequests, refuseOther } from "../telemetry/history/schema.ts";
import { detailIn, search } from "../telemetry/history/search.ts";
import { usualColumns } from "./columns.ts";
import { exitCodes } from "./exit-codes.ts";
import { findConfig, inspectAndReport } from "./find-config.ts";
import { hidden, hiddenIn } from "./hidden.ts";
import { printCsv, printKept, printTable } from "./history-text.ts";
import { print, printBody, printColoured, printError } from "./terminal.ts";

export interface HistoryOptions {
	readonly file?: string;
	readonly since?: string;
	readonly route?: string;
	readonly upstream?: string;
	readonly status?: string;
	readonly slow?: string;
	readonly error?: string;
	readonly step?: string;
	readonly failed?: boolean;
	readonly partial?: boolean;
	readonly limit?: string;
	readonly id?: string;
	readonly json?: boolean;
	readonly csv?: boolean;
}

type Database = InstanceType<typeof sqlite.DatabaseSync>;

/** How long it waits for a writer that has the file for itself. */
const busyMs = 2_000;

/** The most requests that are read into memory. */
const requestsMax = 100_000;

/** `sluice history`: reads the database of requests, also while a gateway writes it. */
export async function historyCommand(
	config: string | undefined,
	options: HistoryOptions,
): Promise<number> {
	const { id, json = false, csv = false } = options;
	if (json && csv) throw misuse("--json and --csv: choose one");
	const { limit, query } = readOptions(options);
	const place =
		options.file === undefined
			? await placeIn(config)
			: { file: options.file, known: null };
	if (place === null) return exitCodes.configInvalid;
	const db = openToRead(place.file);
	try {
		if (id !== undefined) return showOne(db, id, json);
		// Before a table breaks its lines and CSV doubles its quotes.
		const requests = hiddenIn(await readUpTo(limit, db, query));
		if (requests.length > 0 || json || csv) show(requests, { json, csv });
		else printError(noneKept(query, place.known));
		return exitCodes.ok;
	} catch (error) {
		// A part of the file may be broken.
		const { code } = error as NodeJS.ErrnoException;
		throw code === "ERR_SQLITE_ERROR" ? unreadable(error) : error;
	} finally {
		db.close();
	}
}

/** The filters are those of the admin server's `/history`, so its words judge them. */
function readOptions({
	failed = false,
	partial = false,
	limit: written = "20",
	...options
}: HistoryOptions): { readonly limit: number; readonly query: HistoryQuery } {
	if (failed && partial) throw misuse("--failed and --partial: choose one");
	const limit = /^\d{1,6}$/.test(written) ? Number(written) : 0;
	if (limit < 1 || limit > requestsMax) {
		throw misuse(`--limit takes a number from 1 to ${requestsMax}`);
	}
	const given = new URLSearchParams();
	if (failed) given.set("completeness", "failed");
	if (partial) given.set("completeness", "partial");
	for (const name of filters) {
		const value = options[name];
		if (value !== undefined) given.set(name, value);
	}
	try {
		return { limit, query: readHistoryQuery(`?${given}`) };
	} catch (error) {
		const { facts } = error as GatewayError;
		const faults = (facts.errors ?? []).map(
			({ at, message }) => `${at.replace("query.", "--")} ${message}`,
		);
		throw misuse(faults.join("\n"));
	}
}

const filters = [
	...(["since", "route", "upstream", "status"] as const),
	...(["slow", "error", "step"] as const),
] as const;

function misuse(message: string): GatewayError {
	return new GatewayError("request_invalid", message);
}

/** Where requests are kept, and the names of the config that says so; null if only `--file` does. */
interface KeptPlace {
	readonly file: string;
	readonly known: Known | null;
}

interface Known {
	readonly routes: readonly string[];
	readonly upstreams: readonly string[];
}

/** Null if the config has problems, which have been printed. */
async function placeIn(config: string | undefined): Promise<KeptPlace | null> {
	const path = findConfig(config);
	const loaded = await inspectAndReport(path);
	if (loaded.config === null) return null;
	const { history, routes, upstreams } = loaded.config;
	if (history !== null) {
		const known = {
			routes: routes.map(({ key }) => key),
			upstreams: upstreams.map(({ name }) => name),
		};
		return { file: history.file, known };
	}
	throw misuse(
		`${path} has no history: add \`history: true\`, or name a database with --file`,
	);
}

/** Throws with words for people if there is nothing to read. The path may come from the environment, so it is not named. */
function openToRead(file: string): Database {
	const found = statSync(file, { throwIfNoEntry: false });
	if (found === undefined) {
		throw misuse(
			"there is no history yet: the gateway makes the file when it is first asked",
		);
	}
	if (found.isDirectory()) {
		throw misuse(
			"the history cannot be read: this is a folder, so name a file",
		);
	}
	const db = openUnjudged(file);
	try {
		refuseOther(db);
		if (hasRequests(db)) return db;
	} catch (error) {
		db.close();
		throw unreadable(error);
	}
	db.close();
	throw misuse(
		"the file holds no history: the gateway has written nothing yet, or it was moved without the `-wal` file that stands beside it",
	);
}

function openUnjudged(file: string): Database {
	try {
		return new sqlite.DatabaseSync(file, {
			...{ readOnly: true, timeout: busyMs },
		});
	} catch (error) {
		throw unreadable(error);
	}
}

function unreadable(error: unknown): GatewayError {
	return misuse(`the history cannot be read: ${(error as Error).message}`);
}

async function readUpTo(
	limit: number,
	db: Database,
	query: HistoryQuery,
): Promise<KeptSummary[]> {
	const found: KeptSummary[] = [];
	let { before } = query;
	do {
		const left = Math.min(query.limit, limit - found.length);
		const page = await search(db, { ...query, limit: left, before });
		found.push(...page.requests);
		before = page.next === null ? null : Number(page.next);
	} while (before !== null && found.length < limit);
	return found;
}

/**
 * Names that the config no longer has may have requests that are kept, so they are only doubted if none is found.
 */
function noneKept(
	{ route, upstream }: Pick<HistoryQuery, "route" | "upstream">,
	known: Known | null,
): string {
	let words = "no request is kept that fits";
	if (known === null) return words;
	const { routes, upstreams } = known;
	if (route !== null && !routes.includes(route)) {
		words += `, and the config has no route \`${route}\`${nearRoute(route, routes)}`;
	}
	if (upstream !== null && !upstreams.includes(upstream)) {
		const near = suggest(upstream, upstreams);
		words += `, and the config has no upstream \`${upstream}\`${near}`;
	}
	return words;
}

function nearRoute(route: string, routes: readonly string[]): string {
	const paths = routes.filter(
		(key) => key.slice(key.indexOf(" ") + 1) === route,
	);
	return paths.length > 0
		? `: write \`${paths.join("` or `")}\``
		: suggest(route, routes);
}

/** Whatever is no table goes out as it is, because programs read it. */
function show(
	requests: readonly KeptSummary[],
	{ json, csv }: { readonly json: boolean; readonly csv: boolean },
): void {
	if (csv) {
		const text = hidden(printCsv(requests));
		printBody(text, () => text.replace(/\r\n$/, ""));
	} else if (json) {
		for (const request of requests) print(JSON.stringify(request));
	} else print(printTable(requests, process.stdout.columns || usualColumns));
}

function showOne(db: Database, id: string, json: boolean): number {
	const detail = hiddenIn(detailIn(db, id));
	if (detail === null) throw misuse(`no request is kept whose id begins so`);
	if (json) {
		print(JSON.stringify(detail, null, 2));
		return exitCodes.ok;
	}
	const { isTTY, columns } = process.stdout;
	const text = printKept(detail, {
		columns: columns || usualColumns,
		colour: isTTY && !process.env.NO_COLOR,
	});
	printColoured(text, process.stdout);
	return exitCodes.ok;
}
