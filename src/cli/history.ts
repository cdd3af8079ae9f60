import { statSync } from "node:fs";
import sqlite from "node:sqlite";
import { GatewayError } from "../core/errors.ts";
import { suggest } from "../core/suggest.ts";
import type {
	HistoryQuery,
	KeptSummary,
} from "../telemetry/history/messages.ts";
import { readHistoryQuery } from "../telemetry/history/query.ts";
import { refuseOther } from "../telemetry/history/schema.ts";
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
			: { file: options.file, routes: null };
	if (place === null) return exitCodes.configInvalid;
	const db = openToRead(place.file);
	try {
		if (id !== undefined) return showOne(db, id, json);
		// Before a table breaks its lines and CSV doubles its quotes.
		const requests = hiddenIn(await readUpTo(limit, db, query));
		if (requests.length > 0 || json || csv) show(requests, { json, csv });
		else printError(noneKept(query.route, place.routes));
		return exitCodes.ok;
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

/** Where requests are kept, and the routes of the config that says so; null if only `--file` does. */
interface KeptPlace {
	readonly file: string;
	readonly routes: readonly string[] | null;
}

/** Null if the config has problems, which have been printed. */
async function placeIn(config: string | undefined): Promise<KeptPlace | null> {
	const path = findConfig(config);
	const loaded = await inspectAndReport(path);
	if (loaded.config === null) return null;
	const { history, routes } = loaded.config;
	if (history !== null) {
		return { file: history.file, routes: routes.map(({ key }) => key) };
	}
	throw misuse(
		`${path} has no history: add \`history: true\`, or name a database with --file`,
	);
}

/** Throws with words for people if there is nothing to read. The path may come from the environment, so it is not named. */
function openToRead(file: string): Database {
	if (statSync(file, { throwIfNoEntry: false }) === undefined) {
		throw misuse(
			"there is no history yet: the gateway makes the file when it is first asked",
		);
	}
	try {
		const db = new sqlite.DatabaseSync(file, {
			...{ readOnly: true, timeout: busyMs },
		});
		refuseOther(db);
		return db;
	} catch (error) {
		throw misuse(`the history cannot be read: ${(error as Error).message}`);
	}
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

/** A route that the config no longer has may have requests that are kept, so its name is only doubted if none is found. */
function noneKept(
	route: string | null,
	routes: readonly string[] | null,
): string {
	const none = "no request is kept that fits";
	if (route === null || routes === null || routes.includes(route)) return none;
	const paths = routes.filter(
		(key) => key.slice(key.indexOf(" ") + 1) === route,
	);
	const near =
		paths.length > 0
			? `: write \`${paths.join("` or `")}\``
			: suggest(route, routes);
	return `${none}, and the config has no route \`${route}\`${near}`;
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
