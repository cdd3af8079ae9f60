import {
	faultOfHistoryMarks,
	historyApplicationId,
	historyVersion,
} from "../../config/database-file.ts";
import type { Database } from "./database.ts";

/** `n` grows with the end of requests, so that the oldest have the least. `trail` is a `PackedEnd`. */
const table = `
CREATE TABLE request (
	n INTEGER PRIMARY KEY,
	id TEXT NOT NULL,
	at_ms INTEGER NOT NULL,
	route TEXT,
	status INTEGER NOT NULL,
	duration_ms REAL NOT NULL,
	completeness TEXT NOT NULL,
	code TEXT,
	faults TEXT,
	trail TEXT NOT NULL,
	record TEXT
) STRICT;
`;

/** The positions are those of `PackedEnd`. */
const eachCall =
	"json_each(trail, '$[9]') step JOIN json_each(step.value, '$[9]') call";

const instant = (ms: string) =>
	`strftime('%Y-%m-%dT%H:%M:%fZ', (${ms}) / 1000.0, 'unixepoch')`;

const callsView = `CREATE VIEW calls AS
SELECT
	request.id AS request_id,
	route,
	${instant("at_ms + (call.value ->> '$[3]') / 100.0")} AS at,
	step.value ->> '$[0]' AS step,
	step.value ->> '$[1]' AS item,
	call.value ->> '$[0]' AS upstream,
	call.value ->> '$[1]' AS method,
	call.value ->> '$[2]' AS template,
	call.value ->> '$[5]' AS status,
	((call.value ->> '$[4]') - (call.value ->> '$[3]')) / 100.0 AS duration_ms,
	json_array_length(call.value, '$[7]') AS attempts,
	call.value ->> '$[6][0]' AS code
FROM request JOIN ${eachCall}`;

/** The author's columns are names of small letters, digits and `_`. */
function requestsView(columns: readonly string[]): string {
	const own = columns.map((name) => `,\n\trecord ->> '$.${name}' AS "${name}"`);
	const slowest = (what: string) =>
		`(SELECT ${what} FROM ${eachCall} WHERE call.value ->> '$[4]' IS NOT NULL ORDER BY (call.value ->> '$[4]') - (call.value ->> '$[3]') DESC LIMIT 1)`;
	return `CREATE VIEW requests AS
SELECT
	n,
	id,
	${instant("at_ms")} AS at,
	iif(route IS NULL, NULL, trail ->> '$[0]') AS method,
	route,
	status,
	duration_ms,
	completeness,
	code,
	faults,
	coalesce(trail ->> '$[10]', (SELECT count(*) FROM ${eachCall})) AS calls,
	(SELECT json_group_array(DISTINCT call.value ->> '$[0]') FROM ${eachCall}) AS upstreams,
	${slowest("step.value ->> '$[0]'")} AS slowest,
	${slowest("((call.value ->> '$[4]') - (call.value ->> '$[3]')) / 100.0")} AS slowest_ms,
	trail ->> '$[12][0]' AS face,
	(trail ->> '$[12][1]') / 100.0 AS first_part_ms,
	trail ->> '$[13]' AS watch,
	coalesce(trail ->> '$[14]', 0) AS job,
	trail ->> '$[15]' AS close_code${own.join("")}
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

/** Whether its table was made. */
export function hasRequests(db: Database): boolean {
	const made = "SELECT count(*) FROM sqlite_schema WHERE name = 'request'";
	return numberOf(db, made) > 0;
}

function isOthers(db: Database): boolean {
	if (numberOf(db, "PRAGMA application_id") === historyApplicationId)
		return false;
	return numberOf(db, "SELECT count(*) FROM sqlite_schema") > 0;
}

/** Makes the table of a new file, and the views of these columns. */
export function prepareSchema(db: Database, columns: readonly string[]): void {
	db.exec("BEGIN IMMEDIATE");
	try {
		// Another process may have made them meanwhile.
		if (numberOf(db, "PRAGMA user_version") === 0) {
			db.exec(table);
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
	return oneNumber(db.prepare(sql));
}

/** The same of one that is kept. */
export function oneNumber(
	statement: ReturnType<Database["prepare"]>,
	...values: readonly number[]
): number {
	return Number(Object.values(statement.get(...values) ?? {})[0] ?? 0);
}
