import type { RequestQuery } from "../traffic/request-filter.ts";
import type { RequestDetail, RequestSummary } from "../trail/shown-request.ts";
import type { PackedRows } from "./rows.ts";

/** The file of a history, and its bounds. */
export interface HistoryFile {
	readonly file: string;
	readonly keptMs: number;
	readonly fileBytesMax: number;
	/** The author's own columns, of all routes. */
	readonly columns: readonly string[];
}

/** Why rows cannot be written now. The words are labels of a metric. */
export type HistoryFault =
	/** The disk is, or other processes keep the file from being made smaller. */
	| "full"
	/** Another process has it for itself. */
	| "locked"
	/** It cannot be opened or written, or is not a history of this version. */
	| "unwritable"
	/** What stands in it is no database. */
	| "damaged";

/** Which kept requests somebody wants, and which page of them. */
export interface HistoryQuery extends RequestQuery {
	/** Those that arrived since then, in milliseconds since 1970. Null: any. */
	readonly sinceMs: number | null;
}

/** What the author's own columns hold; null without any. */
export type RecordedColumns = Readonly<
	Record<string, string | number | boolean | null>
> | null;

export interface KeptSummary extends RequestSummary {
	readonly record: RecordedColumns;
}

export interface KeptDetail extends RequestDetail {
	readonly record: RecordedColumns;
}

/** The newest first. */
export interface HistoryPage {
	readonly requests: readonly KeptSummary[];
	/** The `before` of the next, older page. Null: there are no older ones. */
	readonly next: string | null;
}

/** To the thread of the database. */
export type ToDatabase =
	| { readonly kind: "write"; readonly rows: PackedRows }
	| {
			readonly kind: "search";
			readonly call: number;
			readonly query: HistoryQuery;
	  }
	| { readonly kind: "detail"; readonly call: number; readonly id: string }
	| { readonly kind: "close" };

/** From the thread of the database. */
export type FromDatabase =
	| { readonly kind: "written"; readonly fileBytes: number }
	| {
			readonly kind: "failed";
			readonly fault: HistoryFault;
			/** For operators. */
			readonly message: string;
	  }
	| {
			readonly kind: "answered";
			readonly call: number;
			readonly value: HistoryPage | KeptDetail | null;
	  }
	| {
			readonly kind: "refused";
			readonly call: number;
			readonly message: string;
	  };
