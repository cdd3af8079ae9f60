import { GatewayError } from "../../core/errors.ts";
import { conditionFields } from "../../core/http/fields.ts";
import {
	allHeadersOf,
	type HeaderList,
	hasHeaderOf,
} from "../../core/http/headers.ts";
import { directivesOf, parseSeconds, secondsOf } from "./directives.ts";
import type { Kept } from "./keeper.ts";

/**
 * The answers that a request accepts from a cache: all fresh ones, or none, or those within these milliseconds of age,
 * of freshness that is left, and of staleness. If none, its own answer is not kept.
 */
export type Wish =
	| "fresh"
	| "none"
	| {
			readonly ageMsMax: number;
			readonly freshMsMin: number;
			readonly staleMsMax: number;
	  };

/**
 * RFC 9111, 5.2.1. A request for a part, or with conditions of its own, skips the cache.
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

/** RFC 9111, 5.2.1.7: nothing is kept, and nothing else is wanted. */
export function notCached(upstream: string): GatewayError {
	const message = `only a kept answer of ${upstream} is wanted, and none is kept`;
	return new GatewayError("not_cached", message, { upstream });
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
	const stale = directives.get("max-stale");
	if (!anew && age === null && fresh === null && stale === undefined) {
		return "fresh";
	}
	// Without a number, an answer of any staleness is accepted (RFC 9111, 5.2.1.2).
	const staleSeconds =
		stale === "" ? Number.POSITIVE_INFINITY : parseSeconds(stale ?? "");
	return {
		ageMsMax: anew ? -1 : 1000 * (age ?? Number.POSITIVE_INFINITY),
		freshMsMin: 1000 * (fresh ?? 0),
		staleMsMax: 1000 * staleSeconds,
	};
}

/** Whether a kept answer is what a request wants, as it is. */
export function serves(kept: Kept, wish: Wish, now: number): boolean {
	if (wish === "fresh") return now < kept.freshUntilMs;
	if (wish === "none") return false;
	const { ageMsMax, freshMsMin, staleMsMax } = wish;
	// Not if the upstream forbids it (RFC 9111, 4.2.4).
	const untilMs = kept.freshUntilMs + (kept.mayBeStale ? staleMsMax : 0);
	return now + freshMsMin < untilMs && now - kept.bornMs <= ageMsMax;
}
