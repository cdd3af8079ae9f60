import type sqlite from "node:sqlite";

export type Database = InstanceType<typeof sqlite.DatabaseSync>;

/** `Sluj`: says that a database has jobs of ours. */
const applicationId = 0x536c756a;

/** Counts up with each change of the tables. */
const version = 1;

/**
 * `n` is the order in which jobs came. `lease` is an instant on the machine's monotonic clock until which `run` has the job.
 * `hook_at` is when its end is to be told, once it has ended. `gone` is a job of which only its id is left. Texts of JSON: `progress`, `request`, `headers`.
 */
const tables = `
CREATE TABLE job (
	n INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	route TEXT NOT NULL,
	owner TEXT,
	request_id TEXT NOT NULL,
	state TEXT NOT NULL,
	begun INTEGER NOT NULL DEFAULT 0,
	attempts INTEGER NOT NULL,
	accepted_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	started_at INTEGER,
	ended_at INTEGER,
	kept_ms INTEGER NOT NULL,
	hook INTEGER NOT NULL,
	hook_at INTEGER,
	hook_tries INTEGER NOT NULL DEFAULT 0,
	run TEXT,
	lease INTEGER,
	status INTEGER,
	code TEXT,
	key TEXT UNIQUE,
	fingerprint TEXT,
	progress TEXT NOT NULL DEFAULT '[]',
	request TEXT,
	request_body BLOB,
	headers TEXT,
	body BLOB
) STRICT;
CREATE INDEX job_state ON job (state, n);
CREATE INDEX job_hook ON job (hook_at) WHERE hook_at IS NOT NULL;
CREATE INDEX job_ended ON job (ended_at) WHERE ended_at IS NOT NULL;
`;

/** Makes the tables of a new file. Throws if the file is another's, or a newer version's. */
export function prepareSchema(db: Database): void {
	db.exec("BEGIN IMMEDIATE");
	try {
		const application = numberOf(db, "PRAGMA application_id");
		const written = numberOf(db, "PRAGMA user_version");
		if (application === 0 && written === 0) {
			if (numberOf(db, "SELECT count(*) FROM sqlite_schema") > 0)
				throw others();
			db.exec(tables);
			db.exec(`PRAGMA application_id = ${applicationId}`);
			db.exec(`PRAGMA user_version = ${version}`);
		} else if (application !== applicationId) throw others();
		else if (written > version) {
			throw new Error("the file was written by a newer version");
		}
		db.exec("COMMIT");
	} catch (error) {
		if (db.isTransaction) db.exec("ROLLBACK");
		throw error;
	}
}

function others(): Error {
	return new Error("the file is a database of something else");
}

/** The one number that a statement gives. */
export function numberOf(db: Database, sql: string): number {
	return Number(Object.values(db.prepare(sql).get() ?? {})[0] ?? 0);
}
