import assert from "node:assert/strict";
import type { Answer } from "./gateway.ts";

/** An answer in parts, put together as docs/live.md tells clients to. */
export interface PutTogether {
	/** Undefined if no part has come. */
	readonly value: unknown;
	/** When each part came, by its place. */
	readonly times: Readonly<Record<string, number>>;
	/** The last line; null if the answer was cut. */
	readonly end: End | null;
}

export interface End {
	readonly complete: boolean;
	readonly missing?: readonly {
		readonly step: string;
		readonly index?: readonly number[];
		readonly stale?: true;
		readonly error?: string;
	}[];
	readonly more?: number;
	readonly problem?: { readonly code: string; readonly status: number };
}

interface Part {
	readonly at?: string | number;
	readonly value: unknown;
}

/** Reads NDJSON. Fails if a place is sent twice, or if anything follows the last line. */
export function putTogether({ pieces }: Pick<Answer, "pieces">): PutTogether {
	let value: unknown;
	let end: End | null = null;
	const times: Record<string, number> = {};
	for (const { text, atMs } of pieces) {
		for (const line of text.split("\n").slice(0, -1)) {
			assert.equal(end, null, "nothing follows the last line");
			const read = JSON.parse(line) as Part | End;
			if ("complete" in read) {
				end = read;
				continue;
			}
			const { at = "" } = read;
			assert.ok(!Object.hasOwn(times, at), `${at} came twice`);
			times[at] = atMs;
			if (at === "") value = read.value;
			else {
				value ??= typeof at === "number" ? [] : {};
				(value as Record<string | number, unknown>)[at] = read.value;
			}
		}
	}
	return { value, times, end };
}
