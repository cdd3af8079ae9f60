import {
	faultOfHistoryMarks,
	historyApplicationId,
	historyVersion,
} from "../../config/history-file.ts";
import type { Database } from "./database.ts";

/** `n` grows with the end of requests, so that the oldest have the least. */
const tables = `
CREATE TABLE request (
	n INTEGER PRIMARY KEY,
	id TEXT NOT NULL,
	at_ms INTEGER NOT NULL,
	method TEXT,
	route TEXT,
	status INTEGER NOT NULL,
	duration_ms REAL NOT NULL,
	completeness TEXT NOT NULL,
	code TEXT,
	faults TEXT,
	calls INTEGER NOT NULL,
	upstreams TEXT,
	slowest TEXT,
	slowest_ms REAL,
	record TEXT
) STRICT;
CREATE TABLE detail (n INTEGER PRIMARY KEY, json TEXT NOT NULL) STRICT;
`;

const callsView = `CREATE VIEW calls AS
SELECT
	r.id AS request_id,
	r.route,
	strftime('%Y-%m-%dT%H:%M:%fZ', (r.at_ms + (call.value ->> '$.startedMs')) / 1000.0, 'unixepoch') AS at,
	step.value ->> '$.path' AS step,
	step.value ->> '$.index' AS item,
	call.value ->> '$.upstream' AS upstream,
	call.value ->> '$.method' AS method,
	call.value ->> '$.template' AS template,
	call.value ->> '$.status' AS status,
	(call.value ->> '$.endedMs') - (call.value ->> '$.startedMs') AS duration_ms,
	json_array_length(call.value, '$.attempts') AS attempts,
	call.value ->> '$.error.code' AS code
FROM request r
JOIN detail d ON d.n = r.n
JOIN json_each(d.json, '$.steps') step
JOIN json_each(step.value, '$.calls') call`;

/** The author's columns are names of small letters, digits and `_`. */
function requestsView(columns: readonly string[]): string {
	const own = columns.map((name) => `,\n\trecord ->> '$.${name}' AS "${name}"`);
	return `CREATE VIEW requests AS
SELECT
	n,
	id,
	strftime('%Y-%m-%dT%H:%M:%fZ', at_ms / 1000.0, 'unixepoch') AS at,
	method,
	route,
	status,
	duration_ms,
	completeness,
	code,
	faults,
	calls,
	upstreams,
	slowest,
	slowest_ms${own.join("")}
FROM request`;
}

/** Throws if the database is not a history of this version, or a new one. */
export function refuseOther(db: Database): void {
	const marks = faultOfHistoryMarks(
		numberOf(db, "PRAGMA application_id"),
		numberOf(db, "PRAGMA user_version"),
	);
	const fault =
		marks ?? (isOthers(db) ? "is a database of something else" : null);
	if (fault !== null) throw new Error(`the file ${fault}`);
}

function isOthers(db: Database): boolean {
	if (numberOf(db, "PRAGMA application_id") === historyApplicationId)
		return false;
	return numberOf(db, "SELECT count(*) FROM sqlite_schema") > 0;
}

/** Makes the tables of a new file, and the views of these columns. */
export function prepareSchema(db: Database, columns: readonly string[]): void {
	db.exec("BEGIN IMMEDIATE");
	try {
		// Another process may have made them meanwhile.
		if (numberOf(db, "PRAGMA user_version") === 0) {
			db.exec(tables);
			db.exec(`PRAGMA application_id = ${historyApplicationId}`);
			db.exec(`PRAGMA user_version = ${historyVersion}`);
		}
		keepView(db, "requests", requestsView(columns));
		keepView(db, "calls", callsView);
		db.exec("COMMIT");
	} catch (error) {
		if (db.isTransaction) db.exec("ROLLBACK");
		throw error;
	}
}

function keepView(db: Database, name: string, sql: string): void {
	const found = db
		.prepare("SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?")
		.get(name);
	if (found?.sql === sql) return;
	db.exec(`DROP VIEW IF EXISTS ${name}`);
	db.exec(sql);
}

/** The one number that a statement gives. */
export function numberOf(db: Database, sql: string): number {
	const row = db.prepare(sql).get() ?? {};
	return Number(Object.values(row)[0] ?? 0);
}
