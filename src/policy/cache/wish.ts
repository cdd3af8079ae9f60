import { conditionFields } from "../../core/http/fields.ts";
import {
	allHeadersOf,
	type HeaderList,
	hasHeaderOf,
} from "../../core/http/headers.ts";
import { directivesOf, secondsOf } from "./directives.ts";
import type { Kept } from "./keeper.ts";

/**
 * The answers that a request accepts from a cache: all fresh ones, or none, or only those within these milliseconds of
 * age and freshness. If none, its own answer is not kept.
 */
export type Wish =
	| "fresh"
	| "none"
	| { readonly ageMsMax: number; readonly freshMsMin: number };

/**
 * RFC 9111, 5.2.1, except `max-stale`, which is ignored. A request for a part, or with conditions of its own, skips the
 * cache.
 */
export function wishOf(headers: HeaderList): Wish {
	if (hasHeaderOf(headers, conditionFields)) return "none";
	return hasHeaderOf(headers, directing) ? directedWish(headers) : "fresh";
}

/** RFC 9111, 5.2.1.7: whether an answer that is not kept is not wanted. */
export function wantsOnlyKept(headers: HeaderList): boolean {
	return (
		hasHeaderOf(headers, directing) &&
		directivesOf(headers).has("only-if-cached")
	);
}

const directing: ReadonlySet<string> = new Set(["cache-control", "pragma"]);

function directedWish(headers: HeaderList): Wish {
	const directives = directivesOf(headers);
	if (directives.has("no-store")) return "none";
	const pragma = allHeadersOf(headers, "pragma").some((text) =>
		/no-cache/i.test(text),
	);
	const anew = directives.has("no-cache") || (directives.size === 0 && pragma);
	const age = secondsOf(directives, "max-age");
	const fresh = secondsOf(directives, "min-fresh");
	if (!anew && age === null && fresh === null) return "fresh";
	return {
		ageMsMax: anew ? -1 : 1000 * (age ?? Number.POSITIVE_INFINITY),
		freshMsMin: 1000 * (fresh ?? 0),
	};
}

/** Whether a kept answer is what a request wants, as it is. */
export function serves(kept: Kept, wish: Wish, now: number): boolean {
	if (wish === "fresh") return now < kept.freshUntilMs;
	if (wish === "none") return false;
	const { ageMsMax, freshMsMin } = wish;
	return now + freshMsMin < kept.freshUntilMs && now - kept.bornMs <= ageMsMax;
}
