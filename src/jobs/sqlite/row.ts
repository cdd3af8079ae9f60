import type { SQLOutputValue } from "node:sqlite";
import {
	type Job,
	type JobState,
	jobStates,
	type StoredAnswer,
	type StoredRequest,
	type TakenJob,
} from "../job.ts";
import type { Found, JobCounts } from "../job-store.ts";

export type Row = Readonly<Record<string, SQLOutputValue>>;

export function jobOf(row: Row): Job {
	return {
		id: String(row.id),
		route: String(row.route),
		owner: row.owner === null ? null : String(row.owner),
		requestId: String(row.request_id),
		state: row.state as JobState,
		begun: Number(row.begun),
		acceptedAt: Number(row.accepted_at),
		startedAt: numberOrNull(row.started_at),
		endedAt: numberOrNull(row.ended_at),
		keptMs: Number(row.kept_ms),
		progress: JSON.parse(String(row.progress)),
		status: numberOrNull(row.status),
		code: (row.code ?? null) as Job["code"],
	};
}

export function foundOf(row: Row | undefined): Found {
	if (row === undefined) return null;
	return row.state === "gone"
		? { kind: "gone" }
		: { kind: "found", job: jobOf(row) };
}

export function takenOf(row: Row, run: string): TakenJob {
	const told = JSON.parse(String(row.request)) as Omit<StoredRequest, "body">;
	const body = row.request_body as Uint8Array;
	return { job: jobOf(row), request: { ...told, body }, run };
}

/** Null if it has none, or none any more. */
export function answerOf(row: Row): StoredAnswer | null {
	if (row.headers === null) return null;
	return {
		status: Number(row.status),
		headers: JSON.parse(String(row.headers)),
		body: row.body as Uint8Array | null,
	};
}

export function countsOf(rows: readonly Row[]): JobCounts {
	const counted = new Map(rows.map(({ state, count }) => [state, count]));
	return Object.fromEntries(
		jobStates.map((state) => [state, Number(counted.get(state) ?? 0)]),
	) as JobCounts;
}

function numberOrNull(value: SQLOutputValue | undefined): number | null {
	return value === null || value === undefined ? null : Number(value);
}
