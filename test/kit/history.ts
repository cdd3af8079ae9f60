import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sqlite from "node:sqlite";
import type { HistoryConfig } from "../../src/config/config.ts";
import { checkValue, configOrThrow } from "../../src/config/load.ts";
import { createGateway, type Gateway } from "../../src/gateway/gateway.ts";
import {
	type History,
	openHistory,
} from "../../src/telemetry/history/history.ts";
import type { Log } from "../../src/telemetry/log/log.ts";

/** A line of the log about a history. */
export interface HistoryLine {
	readonly words: string;
	readonly fields: Readonly<Record<string, unknown>>;
}

/** A gateway on the real clock that keeps its requests in a file. */
export interface KeptGateway extends AsyncDisposable {
	readonly file: string;
	readonly gateway: Gateway;
	readonly history: History;
	readonly lines: readonly HistoryLine[];
	/** Resolves with the next line that has these words. */
	line(words: string): Promise<HistoryLine>;
	/** The status of each request, in the order of the paths. */
	ask(...paths: readonly string[]): Promise<number[]>;
	/** Writes what waits, and reads the file. */
	closeAndRead(sql: string): Promise<unknown[]>;
}

export const everything = {
	sinceMs: null,
	route: null,
	upstream: null,
	completeness: null,
	status: null,
	slowMs: null,
	error: null,
	step: null,
	limit: 200,
	before: null,
} as const;

/** Routes for all that a row can say. No call leaves the process: the port is closed. */
export const keptConfig = {
	history: true,
	// On a busy machine optional parts would be left out.
	overload: false,
	upstreams: {
		users: { url: "http://127.0.0.1:9", timeout: "1s" },
		orders: { url: "http://127.0.0.1:9", timeout: "1s" },
	},
	routes: {
		"GET /whole/{id}": {
			respond: "${params.id}",
			record: { city: "${params.id}" },
		},
		"GET /partial": {
			steps: { user: { get: "users/1", optional: true } },
			respond: { user: "${user}" },
		},
		"GET /failed": {
			steps: {
				user: { get: "users/1", optional: true },
				order: { get: "orders/${user.id ?? 1}" },
			},
			respond: "${order}",
		},
		"GET /refused": {
			request: { query: { n: { type: "integer" } } },
			respond: "${query.n}",
		},
	},
};

export function keptGateway(
	settings: Partial<HistoryConfig> = {},
	config: object = keptConfig,
): KeptGateway {
	const folder = mkdtempSync(join(tmpdir(), "sluice-history-"));
	const file = settings.file ?? join(folder, "sluice.db");
	const checked = configOrThrow(checkValue(config, "test", {}));
	const gateway = createGateway(checked, { env: {} });
	const lines: HistoryLine[] = [];
	const watchers = new Set<(line: HistoryLine) => void>();
	const tell = (fields: object, words: string) => {
		const line = { words, fields: { ...fields } };
		lines.push(line);
		for (const watch of watchers) watch(line);
	};
	const log = { info: tell, warn: tell } as unknown as Pick<
		Log,
		"info" | "warn"
	>;
	const all = { ...(checked.history as HistoryConfig), ...settings, file };
	const history = openHistory(gateway, all, log);
	return {
		file,
		gateway,
		history,
		lines,
		line: (words) =>
			new Promise((resolve) => {
				const watch = (line: HistoryLine) => {
					if (line.words !== words) return;
					watchers.delete(watch);
					resolve(line);
				};
				watchers.add(watch);
			}),
		ask: (...paths) =>
			Promise.all(
				paths.map(async (path) => {
					const answer = await gateway.fetch(new Request(`http://x${path}`));
					await answer.arrayBuffer();
					return answer.status;
				}),
			),
		async closeAndRead(sql) {
			await history.close();
			return readSql(file, sql);
		},
		async [Symbol.asyncDispose]() {
			await history.close();
			await gateway.close();
			rmSync(folder, { recursive: true });
		},
	};
}

/** Reads a file as another program would. */
export function readSql(file: string, sql: string): unknown[] {
	const db = new sqlite.DatabaseSync(file, { readOnly: true });
	try {
		return db
			.prepare(sql)
			.all()
			.map((row) => ({ ...row }));
	} finally {
		db.close();
	}
}
