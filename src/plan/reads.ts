import type { Read } from "../expression/parse.ts";

/** The reads of every expression in a plan's data. */
export function readsInPlan(data: unknown): Read[] {
	if (typeof data !== "object" || data === null) return [];
	const { reads } = data as { reads?: readonly Read[] };
	if (Array.isArray(reads)) return [...reads];
	return Object.values(data).flatMap(readsInPlan);
}
