import type { TrailEnded } from "../../core/events.ts";
import type { Secrets } from "../../core/secrets.ts";
import type { Recorded } from "../../core/trail.ts";
import { type PackedEnd, unpackEnd, writePacked } from "../trail/packed.ts";
import {
	completenessOf,
	detailOf,
	type RequestDetail,
	type RequestSummary,
	summaryOf,
} from "../trail/shown-request.ts";
import type { KeptDetail, KeptSummary } from "./messages.ts";
import type { RowChunk } from "./rows.ts";

/** Of a request with more steps and items only the summary is kept: to pack the rest takes longer than a turn may. */
const stepsMax = 500;

/** A longer record would fill the database with one request. */
const trailMax = 256 * 1024;

/**
 * Writes the row of a request, without what is secret. `endedAt` is the wall clock's time in milliseconds when it ended. A row
 * is searched as a whole, and nearly never has to be written again.
 */
export function writeRow(
	row: RowChunk,
	end: TrailEnded,
	endedAt: number,
	recorded: Recorded | null,
	secrets: Secrets,
): void {
	writeColumns(row, end, endedAt, recorded, null);
	if (!secrets.has(row.nextTexts())) return;
	row.dropRow();
	writeColumns(row, end, endedAt, recorded, secrets);
}

function writeColumns(
	row: RowChunk,
	end: TrailEnded,
	endedAt: number,
	recorded: Recorded | null,
	secrets: Secrets | null,
): void {
	const { requestId, route, status, durationMs, error } = end;
	row.number(Math.round(endedAt - durationMs));
	row.number(status);
	row.number(Math.round(durationMs * 100) / 100);
	row.name(route);
	row.name(completenessOf(end));
	row.name(error?.code ?? null);
	const id = requestId.toWellFormed();
	row.text(secrets?.hide(id) ?? id);
	row.text(faultsOf(end));
	writeTrail(row, end, secrets);
	const record = recorded && JSON.stringify(recorded.values);
	row.text(record && (secrets?.hideInJson(record) ?? record));
}

function writeTrail(
	row: RowChunk,
	end: TrailEnded,
	secrets: Secrets | null,
): void {
	const { texts } = row;
	const from = texts.length;
	const isShort = end.trail.steps.length <= stepsMax;
	writePacked(texts, end, isShort);
	if (texts.length - from > trailMax) {
		texts.cut(from);
		writePacked(texts, end, false);
	}
	if (secrets !== null) {
		const json = texts.slice(from, texts.length).toString();
		texts.cut(from);
		texts.raw(secrets.hideInJson(json));
	}
	row.written();
}

/** The steps that failed, with their codes: `[{"step":"now","code":"upstream_timeout"}]`. */
function faultsOf({ error, missing }: TrailEnded): string | null {
	if (error === null && missing.length === 0) return null;
	const own = error && { step: error.facts.step ?? null, code: error.code };
	const parts = missing.map(({ step, error }) => ({ step, code: error.code }));
	return JSON.stringify(own === null ? parts : [own, ...parts]);
}

/** What is read of a row. */
export interface ReadRow {
	readonly n: number;
	readonly id: string;
	readonly at_ms: number;
	readonly route: string | null;
	readonly status: number;
	readonly duration_ms: number;
	readonly trail: string;
	readonly record: string | null;
}

export function keptSummary(row: ReadRow): KeptSummary {
	return withRecord(row, summaryOf);
}

export function keptDetail(row: ReadRow): KeptDetail {
	return withRecord<RequestDetail>(row, detailOf);
}

function withRecord<Shown extends RequestSummary>(
	row: ReadRow,
	show: (end: TrailEnded, endedAt: number) => Shown,
): Shown & Pick<KeptSummary, "record"> {
	const { id, route, status, duration_ms: durationMs } = row;
	const packed = packedOf(row.trail);
	const end = unpackEnd({ id, route, status, durationMs }, packed);
	const [, , , , , , , , , , calls = null, slowest = null] = packed;
	return {
		...show(end, row.at_ms + durationMs),
		...(calls !== null && { calls, slowest }),
		record: row.record === null ? null : JSON.parse(row.record),
	};
}

/** One row that cannot be read is no reason to keep back the others: it is shown as a request without steps. */
function packedOf(trail: string): PackedEnd {
	try {
		const packed = JSON.parse(trail) as PackedEnd;
		const [, , , , , , , ...lists] = packed;
		if ([0, 1, 2].every((at) => Array.isArray(lists[at]))) return packed;
	} catch {
		// Such as a trail that an earlier version has hidden as a whole.
	}
	return ["?", 0, null, null, 0, -1, null, [], [], []];
}
