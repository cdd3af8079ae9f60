import {
	type RequestQuery,
	readRequestQuery,
} from "../telemetry/traffic/request-filter.ts";
import type {
	NumberedRequest,
	TrafficPage,
} from "../telemetry/traffic/traffic.ts";
import type { TrafficAnswer } from "./traffic-pages.ts";

/** A place in the requests of several workers: by their ids, a number of each. It is written `id-number.id-number`. */
export type Place = ReadonlyMap<string, number>;

export function printPlace(place: Place): string {
	return [...place].map(([id, number]) => `${id}-${number}`).join(".");
}

/** Null if it is none. */
export function readPlace(text: string): Place | null {
	if (!/^[a-z\d]+-\d{1,15}(?:\.[a-z\d]+-\d{1,15}){0,255}$/.test(text))
		return null;
	return new Map(
		text.split(".").map((one) => {
			const [id = "", number] = one.split("-");
			return [id, Number(number)] as const;
		}),
	);
}

/** Reads the parameters of `/traffic`. Throws `request_invalid` with all that are wrong. */
export function readMergedQuery(target: string): {
	readonly query: RequestQuery;
	/** Null for the first page. */
	readonly before: Place | null;
} {
	const mark = target.indexOf("?");
	const given = new URLSearchParams(mark < 0 ? "" : target.slice(mark));
	const [text, ...more] = given.getAll("before");
	const before = text === undefined || more.length > 0 ? null : readPlace(text);
	// One that is no place is judged with the others.
	if (before !== null) given.delete("before");
	else if (text !== undefined) given.set("before", "none");
	return { query: readRequestQuery(`?${given}`), before };
}

/** What one worker has. */
export interface WorkerPage {
	readonly id: string;
	/** The `before` that it was asked with. */
	readonly before: number | null;
	/** Null: it did not answer. */
	readonly page: TrafficPage | null;
}

/** Pages of several workers as one: the newest first. */
export function mergedTraffic(
	pages: readonly WorkerPage[],
	limit: number,
): TrafficAnswer {
	const there = pages.flatMap(({ id, before, page }) =>
		page === null ? [] : [{ id, before, page }],
	);
	const all: (NumberedRequest & { readonly id: string })[] = there.flatMap(
		({ id, page }) => page.found.map((one) => ({ ...one, id })),
	);
	all.sort((a, b) => b.endedAt - a.endedAt || b.number - a.number);
	const shown = all.slice(0, limit);
	const more = all.length > limit || there.some(({ page }) => page.more);
	const next = new Map<string, number>();
	for (const { id, before, page } of there) {
		const last = shown.findLast((one) => one.id === id);
		next.set(id, last?.number ?? before ?? page.ended + 1);
	}
	const sum = (of: (page: TrafficPage) => number) =>
		there.reduce((total, { page }) => total + of(page), 0);
	const since = there.map(({ page }) => page.since).sort()[0];
	return {
		requests: shown.map(({ summary }) => summary),
		next: more ? printPlace(next) : null,
		since: since ?? new Date().toISOString(),
		ended: sum(({ ended }) => ended),
		dropped: sum(({ dropped }) => dropped),
		last: printPlace(
			new Map(there.map(({ id, page }) => [id, page.ended] as const)),
		),
	};
}
