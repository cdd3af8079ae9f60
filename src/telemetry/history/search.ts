import type { Database } from "./database.ts";
import type { HistoryPage, HistoryQuery, KeptDetail } from "./messages.ts";
import { keptDetail, keptSummary, type ReadRow } from "./row.ts";

/** How many rows are looked at before something else may have its turn. */
const pieceMax = 5_000;

/** How long a search may look for a page. Then the page ends where it is. */
const searchMs = 1_000;

/** How much JSON a page is made of, in characters. */
const pageCharactersMax = 4 * 1024 ** 2;

/** Null stands for any. The route and the columns before it decide most rows, so they stand first. */
const found = `
SELECT n, id, at_ms, route, status, duration_ms, trail, record FROM request
WHERE n < :before AND n >= :from
	AND (:route IS NULL OR route = :route)
	AND (:completeness IS NULL OR completeness = :completeness)
	AND (:least IS NULL OR status BETWEEN :least AND :most)
	AND (:slowMs IS NULL OR duration_ms >= :slowMs)
	AND (:sinceMs IS NULL OR at_ms >= :sinceMs)
	AND (:upstream IS NULL OR EXISTS (
		SELECT 1 FROM json_each(trail, '$[9]') step JOIN json_each(step.value, '$[9]') call
		WHERE call.value ->> '$[0]' = :upstream))
	AND (:error IS NULL AND :step IS NULL OR EXISTS (
		SELECT 1 FROM json_each(faults)
		WHERE (:error IS NULL OR value ->> '$.code' = :error) AND (:step IS NULL OR value ->> '$.step' = :step)))
ORDER BY n DESC LIMIT :limit`;

/** Looks for requests from the newest to the oldest, piece by piece: others have their turn between two. */
export async function search(
	db: Database,
	{ limit, before, ...filter }: HistoryQuery,
): Promise<HistoryPage> {
	const select = db.prepare(found);
	const least = boundOf(db, "min(n)");
	const rows: ReadRow[] = [];
	const untilMs = performance.now() + searchMs;
	let characters = 0;
	let at = before ?? boundOf(db, "max(n)") + 1;
	while (at > least && rows.length < limit) {
		const from = Math.max(least, at - pieceMax);
		const range = { before: at, from, limit: limit - rows.length };
		const more = select.all({ ...range, ...parametersOf(filter) });
		at = from;
		for (const row of more as unknown as ReadRow[]) {
			rows.push(row);
			characters += row.trail.length + (row.record?.length ?? 0);
			if (rows.length < limit && characters < pageCharactersMax) continue;
			at = row.n;
			break;
		}
		if (rows.length >= limit || characters >= pageCharactersMax) break;
		if (isBefore(db, from, filter.sinceMs)) return pageOf(rows, null);
		if (performance.now() > untilMs) break;
		await new Promise((resolve) => setImmediate(resolve));
	}
	return pageOf(rows, at > least ? at : null);
}

/** The newest one whose id begins so; null if there is none. */
export function detailIn(db: Database, id: string): KeptDetail | null {
	const row = db
		.prepare(
			"SELECT * FROM request WHERE substr(id, 1, length(:id)) = :id ORDER BY n DESC LIMIT 1",
		)
		.get({ id }) as ReadRow | undefined;
	return row === undefined ? null : keptDetail(row);
}

function boundOf(db: Database, of: "max(n)" | "min(n)"): number {
	const row = db.prepare(`SELECT ${of} AS n FROM request`).get();
	return Number(row?.n ?? 0);
}

function parametersOf({
	status,
	...filter
}: Omit<HistoryQuery, "before" | "limit">) {
	return { ...filter, least: status?.[0] ?? null, most: status?.[1] ?? null };
}

/** Whether all rows below this one ended before that instant. They stand in the order in which they ended. */
function isBefore(db: Database, n: number, sinceMs: number | null): boolean {
	if (sinceMs === null) return false;
	const row = db
		.prepare(
			"SELECT at_ms + duration_ms AS ended FROM request WHERE n < ? ORDER BY n DESC LIMIT 1",
		)
		.get(n);
	return Number(row?.ended ?? 0) < sinceMs;
}

function pageOf(rows: readonly ReadRow[], next: number | null): HistoryPage {
	const requests = rows.map(keptSummary);
	return { requests, next: next === null ? null : String(next) };
}
