import type { Database } from "./database.ts";
import type {
	HistoryPage,
	HistoryQuery,
	KeptDetail,
	RecordedColumns,
} from "./messages.ts";

/** How many rows are looked at before something else may have its turn. */
const pieceMax = 5_000;

/** How long a search may look for a page. Then the page ends where it is. */
const searchMs = 1_000;

/** How much JSON a page is made of, in characters. */
const pageCharactersMax = 4 * 1024 ** 2;

/** Null stands for any. The route and the columns before it decide most rows, so they stand first. */
const found = `
SELECT r.n, r.record, d.json FROM request r JOIN detail d ON d.n = r.n
WHERE r.n < :before AND r.n >= :from
	AND (:route IS NULL OR r.route = :route)
	AND (:completeness IS NULL OR r.completeness = :completeness)
	AND (:least IS NULL OR r.status BETWEEN :least AND :most)
	AND (:slowMs IS NULL OR r.duration_ms >= :slowMs)
	AND (:sinceMs IS NULL OR r.at_ms >= :sinceMs)
	AND (:upstream IS NULL OR EXISTS (SELECT 1 FROM json_each(r.upstreams) WHERE value = :upstream))
	AND (:error IS NULL AND :step IS NULL OR EXISTS (
		SELECT 1 FROM json_each(r.faults)
		WHERE (:error IS NULL OR value ->> '$.code' = :error) AND (:step IS NULL OR value ->> '$.step' = :step)))
ORDER BY r.n DESC LIMIT :limit`;

interface FoundRow {
	readonly n: number;
	readonly record: string | null;
	readonly json: string;
}

/** Looks for requests from the newest to the oldest, piece by piece: others have their turn between two. */
export async function search(
	db: Database,
	{ limit, before, ...filter }: HistoryQuery,
): Promise<HistoryPage> {
	const select = db.prepare(found);
	const least = boundOf(db, "min(n)");
	const rows: FoundRow[] = [];
	const untilMs = performance.now() + searchMs;
	let characters = 0;
	let at = before ?? boundOf(db, "max(n)") + 1;
	while (at > least && rows.length < limit) {
		const from = Math.max(least, at - pieceMax);
		const range = { before: at, from, limit: limit - rows.length };
		const more = select.all({ ...range, ...parametersOf(filter) });
		at = from;
		for (const row of more as unknown as FoundRow[]) {
			rows.push(row);
			characters += row.json.length + (row.record?.length ?? 0);
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
			"SELECT r.n, r.record, d.json FROM request r JOIN detail d ON d.n = r.n WHERE substr(r.id, 1, length(:id)) = :id ORDER BY r.n DESC LIMIT 1",
		)
		.get({ id }) as FoundRow | undefined;
	if (row === undefined) return null;
	return { ...JSON.parse(row.json), record: recordIn(row) };
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

function pageOf(rows: readonly FoundRow[], next: number | null): HistoryPage {
	const requests = rows.map((row) => {
		const { readMs: _, begunMs: _1, steps: _2, ...rest } = JSON.parse(row.json);
		const { more: _3, criticalPath: _4, ...summary } = rest;
		return { ...summary, record: recordIn(row) };
	});
	return { requests, next: next === null ? null : String(next) };
}

function recordIn({ record }: FoundRow): RecordedColumns {
	return record === null ? null : JSON.parse(record);
}
