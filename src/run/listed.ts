import type { StatusKey } from "../config/steps/answers.ts";

/** Finds what is listed for a status: by itself, by its class, or by `any`. Undefined if nothing is. */
export function listedBy<T>(
	entries: readonly (readonly [StatusKey, T])[],
): (status: number) => T | undefined {
	if (entries.length === 0) return () => undefined;
	const exact = new Map(entries);
	const ofClass = Array.from({ length: 10 }, (_, digit) => {
		const own = exact.get(`${digit}xx` as StatusKey);
		return own === undefined && digit !== 2 ? exact.get("any") : own;
	});
	return (status) => {
		const own = exact.get(status);
		return own === undefined ? ofClass[Math.trunc(status / 100)] : own;
	};
}
