import { randomUUID } from "node:crypto";
import { closeSync, openSync, statSync } from "node:fs";
import sqlite, { type SQLInputValue } from "node:sqlite";
import {
	endCodes,
	type Job,
	type NewJob,
	type RunOutcome,
	type StepProgress,
	type StoredAnswer,
	type TakenJob,
} from "../job.ts";
import type { Added, DueHook, Found, JobCounts } from "../job-store.ts";
import {
	answerOf,
	countsOf,
	foundOf,
	jobOf,
	type Row,
	takenOf,
} from "./row.ts";
import { type Database, numberOf, prepareSchema } from "./schema.ts";

type Statement = ReturnType<Database["prepare"]>;

/** Where the jobs of a machine stand, and their bounds. */
export interface JobFile {
	readonly file: string;
	readonly fileBytesMax: number;
	readonly queuedMax: number;
	readonly keptMax: number;
}

/** How long it waits for another process that writes. */
const busyMs = 2_000;

/** A process that has not renewed its leases for so long is dead. It renews them every second, on a thread of its own. */
const leaseMs = 5_000;

/** For so long it is remembered that a job was there. */
const rememberedMs = 24 * 3_600_000;

/** More ids than that are not remembered. */
const rememberedMax = 100_000;

/** So much of the file stays free for the answers of jobs that were taken on. */
const answersShare = 1 / 4;

const ended = "'done', 'failed', 'cancelled', 'expired', 'interrupted'";

/** From then on its end is to be told, if anybody wants to know. */
const endedAt = "ended_at = ?, hook_at = iif(hook, 0, NULL)";

/** Whoever is to tell an end has so long for it. */
const tellingMs = 60_000;

/** What is dropped of a job when it has ended. */
const withoutRequest =
	"run = NULL, lease = NULL, request = NULL, request_body = NULL";

/** What is dropped of a job that is not kept any more. */
const withoutAnswer =
	"headers = NULL, body = NULL, progress = '[]', hook_at = NULL";

/** The process that had it is dead, or the machine has started anew. */
const lapsed = "lease NOT BETWEEN ? AND ?";

function leaseNow(): [number, number] {
	const now = monotonicMs();
	return [now, now + leaseMs];
}

/** Of the machine, so that its processes agree. It does not jump when somebody sets the time. */
function monotonicMs(): number {
	return Number(process.hrtime.bigint() / 1_000_000n);
}

/** The jobs of this machine. All processes that open the file share them. One thread of each uses it. */
export class JobDatabase {
	readonly #options: JobFile;
	readonly #inode: bigint;
	readonly #db: Database;
	readonly #statements = new Map<string, Statement>();
	readonly #pagesMax: number;
	/** The runs of this process. */
	readonly #runs = new Set<string>();

	/** Opens the file, or makes it. Throws if it cannot be written. */
	constructor(options: JobFile) {
		const { file, fileBytesMax } = options;
		this.#options = options;
		createPrivately(file);
		this.#inode = inodeOf(file) ?? 0n;
		this.#db = new sqlite.DatabaseSync(file, { timeout: busyMs });
		try {
			this.#db.exec("PRAGMA journal_mode = WAL");
			// What was acknowledged outlives a power cut.
			this.#db.exec("PRAGMA synchronous = FULL");
			this.#db.exec("PRAGMA secure_delete = ON");
			prepareSchema(this.#db);
			const pageBytes = numberOf(this.#db, "PRAGMA page_size");
			this.#pagesMax = Math.floor(fileBytesMax / pageBytes);
			this.#db.exec(`PRAGMA max_page_count = ${this.#pagesMax}`);
		} catch (error) {
			this.#db.close();
			throw error;
		}
	}

	/** Whether the file is still the one that was opened. */
	get isThere(): boolean {
		return inodeOf(this.#options.file) === this.#inode;
	}

	add(job: NewJob): Added {
		return this.#write((): Added => {
			this.#tidy();
			const { key, request } = job;
			const same =
				key && this.#get("SELECT * FROM job WHERE key = ?", key.text);
			if (same) {
				if (same.fingerprint !== key.fingerprint) return { kind: "other" };
				return same.state === "gone"
					? { kind: "gone" }
					: { kind: "added", job: jobOf(same), again: true };
			}
			const what = this.#whatIsFull();
			if (what !== null) return { kind: "full", what };
			const { body, ...told } = request;
			const row = this.#get(
				`INSERT INTO job (id, route, owner, request_id, state, attempts, accepted_at, expires_at, kept_ms, hook, key, fingerprint, request, request_body)
				VALUES (?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *`,
				...[job.id, job.route, job.owner, job.requestId, job.attempts],
				...[job.acceptedAt, job.expiresAt, job.keptMs, Number(job.hook)],
				...[key?.text ?? null, key?.fingerprint ?? null],
				...[JSON.stringify(told), body],
			);
			return { kind: "added", job: jobOf(row as Row), again: false };
		});
	}

	find(id: string): Found {
		return foundOf(this.#get("SELECT * FROM job WHERE id = ?", id));
	}

	answer(id: string): StoredAnswer | null {
		const row = this.#get("SELECT * FROM job WHERE id = ?", id);
		return row === undefined ? null : answerOf(row);
	}

	take(): TakenJob | null {
		// Most of the time nothing waits, and then nothing is written.
		const waits = this.#get("SELECT 1 FROM job WHERE state = 'queued' LIMIT 1");
		if (waits === undefined) return null;
		const run = randomUUID();
		const row = this.#write(() => {
			this.#tidy();
			return this.#get(
				`UPDATE job SET state = 'running', begun = begun + 1, started_at = ?, progress = '[]', run = ?, lease = ?
				WHERE n = (SELECT n FROM job WHERE state = 'queued' ORDER BY n LIMIT 1) RETURNING *`,
				...[Date.now(), run, monotonicMs() + leaseMs],
			);
		});
		if (row === undefined) return null;
		this.#runs.add(run);
		return takenOf(row, run);
	}

	progress(id: string, run: string, steps: readonly StepProgress[]): boolean {
		const row = this.#write(() =>
			this.#get(
				"UPDATE job SET progress = ? WHERE id = ? AND run = ? RETURNING 1",
				...[JSON.stringify(steps), id, run],
			),
		);
		return row !== undefined;
	}

	end(
		id: string,
		run: string,
		outcome: RunOutcome,
		steps: readonly StepProgress[],
	): Job | null {
		const row = this.#write(() =>
			outcome.state === "left"
				? this.#leave(id, run, outcome.wrote)
				: this.#get(
						`UPDATE job SET state = ?, code = ?, status = ?, headers = ?, body = ?, progress = ?, ${endedAt}, ${withoutRequest}
						WHERE id = ? AND run = ? RETURNING *`,
						...[outcome.state, outcome.code, outcome.answer.status],
						...[JSON.stringify(outcome.answer.headers), outcome.answer.body],
						...[JSON.stringify(steps), Date.now(), id, run],
					),
		);
		this.#runs.delete(run);
		return row === undefined ? null : jobOf(row);
	}

	cancel(id: string): Found {
		return this.#write(() => {
			const row = this.#get("SELECT * FROM job WHERE id = ?", id);
			if (row === undefined || row.state === "gone") return foundOf(row);
			const isOver = row.ended_at !== null;
			const changed = this.#get(
				isOver
					? `UPDATE job SET state = 'gone', ${withoutAnswer} WHERE id = ? RETURNING *`
					: `UPDATE job SET state = 'cancelled', code = ?, ${endedAt}, ${withoutRequest} WHERE id = ? RETURNING *`,
				...(isOver ? [id] : [endCodes.cancelled, Date.now(), id]),
			);
			return foundOf(changed);
		});
	}

	takeHook(): DueHook | null {
		const now = Date.now();
		const due = "SELECT n FROM job WHERE hook_at <= ? ORDER BY hook_at LIMIT 1";
		if (this.#get(due, now) === undefined) return null;
		const row = this.#write(() =>
			this.#get(
				`UPDATE job SET hook_at = ?, hook_tries = hook_tries + 1 WHERE n = (${due}) RETURNING *`,
				...[now + tellingMs, now],
			),
		);
		return row ? { job: jobOf(row), tries: Number(row.hook_tries) } : null;
	}

	hookEnded(id: string, nextAt: number | null): void {
		this.#write(() =>
			this.#get(
				"UPDATE job SET hook_at = ? WHERE id = ? AND hook_at IS NOT NULL",
				...[nextAt, id],
			),
		);
	}

	counts(): JobCounts {
		return countsOf(
			this.#all(
				`SELECT state, count(*) AS count FROM job WHERE state IN ('queued', 'running', ${ended}) GROUP BY state`,
			),
		);
	}

	/** Says that this process lives, and ends what others have left. Called every second. */
	beat(): void {
		const due = this.#get(
			`SELECT 1 FROM job WHERE (state = 'running' AND ${lapsed}) OR (state = 'queued' AND expires_at < ?)
			OR (state IN (${ended}) AND ended_at + kept_ms < ?) LIMIT 1`,
			...[...leaseNow(), Date.now(), Date.now()],
		);
		if (this.#runs.size === 0 && due === undefined) return;
		this.#write(() => {
			for (const run of this.#runs) {
				const lease = monotonicMs() + leaseMs;
				this.#get("UPDATE job SET lease = ? WHERE run = ?", ...[lease, run]);
			}
			this.#tidy();
		});
	}

	/** The jobs of this process are left to others as if it had died. */
	close(): void {
		try {
			this.#write(() => {
				for (const run of this.#runs) {
					this.#get("UPDATE job SET lease = 0 WHERE run = ?", run);
				}
				this.#tidy();
			});
		} finally {
			this.#db.close();
		}
	}

	/** A run that wrote nothing was as good as never begun. */
	#leave(id: string, run: string, wrote: boolean): Row | undefined {
		if (!wrote) {
			return this.#get(
				"UPDATE job SET state = 'queued', begun = begun - 1, started_at = NULL, run = NULL, lease = NULL WHERE id = ? AND run = ? RETURNING *",
				...[id, run],
			);
		}
		const row = this.#get(
			"UPDATE job SET lease = 0 WHERE id = ? AND run = ? RETURNING *",
			...[id, run],
		);
		this.#tidy();
		return row && this.#get("SELECT * FROM job WHERE id = ?", id);
	}

	/** Ends what its process has left, what has waited for too long, and what was kept long enough. */
	#tidy(): void {
		const now = Date.now();
		this.#get(
			`UPDATE job SET state = 'queued', run = NULL, lease = NULL WHERE state = 'running' AND begun < attempts AND ${lapsed}`,
			...leaseNow(),
		);
		this.#get(
			`UPDATE job SET state = 'interrupted', code = ?, ${endedAt}, ${withoutRequest} WHERE state = 'running' AND ${lapsed}`,
			...[endCodes.interrupted, now, ...leaseNow()],
		);
		this.#get(
			`UPDATE job SET state = 'expired', code = ?, ${endedAt}, ${withoutRequest} WHERE state = 'queued' AND expires_at < ?`,
			...[endCodes.expired, now, now],
		);
		this.#get(
			`UPDATE job SET state = 'gone', ${withoutAnswer} WHERE state IN (${ended}) AND ended_at + kept_ms < ?`,
			now,
		);
		this.#get(
			`DELETE FROM job WHERE state = 'gone' AND (ended_at + kept_ms < ? OR n < (SELECT max(n) FROM job) - ?)`,
			...[now - rememberedMs, rememberedMax],
		);
	}

	#whatIsFull(): Extract<Added, { kind: "full" }>["what"] | null {
		const { queuedMax, keptMax } = this.#options;
		const counts = this.counts();
		if (counts.queued >= queuedMax) return "queued";
		const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
		if (all - counts.queued - counts.running >= keptMax) return "kept";
		const pages = numberOf(this.#db, "PRAGMA page_count");
		const free = numberOf(this.#db, "PRAGMA freelist_count");
		return pages - free > this.#pagesMax * (1 - answersShare) ? "disk" : null;
	}

	/** One transaction: all of it, or nothing and it throws. */
	#write<Value>(work: () => Value): Value {
		this.#db.exec("BEGIN IMMEDIATE");
		try {
			const value = work();
			this.#db.exec("COMMIT");
			return value;
		} catch (error) {
			if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
			throw error;
		}
	}

	#get(sql: string, ...values: readonly SQLInputValue[]) {
		return this.#statement(sql).get(...values) as Row | undefined;
	}

	#all(sql: string): readonly Row[] {
		return this.#statement(sql).all() as unknown as Row[];
	}

	#statement(sql: string): Statement {
		let statement = this.#statements.get(sql);
		if (statement === undefined) {
			statement = this.#db.prepare(sql);
			this.#statements.set(sql, statement);
		}
		return statement;
	}
}

/** What stands in it is for its owner alone. SQLite makes its other files with the same rights. */
function createPrivately(file: string): void {
	try {
		closeSync(openSync(file, "ax", 0o600));
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
	}
}

function inodeOf(file: string): bigint | null {
	return statSync(file, { bigint: true, throwIfNoEntry: false })?.ino ?? null;
}
