import { allHeadersOf, type HeaderList, membersOf } from "./headers.ts";

/**
 * How many seconds a client would wait for its answer, by `Prefer: wait=25` (RFC 7240, 4.3), 999,999,999 at most. Null if it
 * does not say. Of a preference that is given twice, the first counts (2). What is malformed says nothing.
 */
export function preferredWaitOf(headers: HeaderList): number | null {
	const given = allHeadersOf(headers, "prefer").flatMap(membersOf);
	for (const member of given) {
		const [, value = ""] = wait.exec(member) ?? [];
		if (value === "") continue;
		return /^\d+$/.test(value) ? Math.min(Number(value), secondsMax) : null;
	}
	return null;
}

/** As good as for ever. A client that says more must not poll without a pause. */
const secondsMax = 999_999_999;

/** Parameters of a preference follow behind a semicolon. None is known of this one. */
const wait = /^wait[\t ]*=[\t ]*"?([^\t ";]+)"?[\t ]*(?:;|$)/i;

/** Whether a client would have its answer later (RFC 7240, 4.1). */
export function prefersAsync(headers: HeaderList): boolean {
	return allHeadersOf(headers, "prefer")
		.flatMap(membersOf)
		.some((member) => /^respond-async[\t ]*(?:$|[;=])/i.test(member));
}
