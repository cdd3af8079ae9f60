import type { RetryOptions } from "../policy/retry.ts";
import type {
	BreakerConfig,
	BudgetConfig,
	CacheConfig,
	HedgeConfig,
	LimiterConfig,
	ProtectionConfig,
} from "./config.ts";
import type { Problem } from "./problem.ts";
import { durationAt, entryOf, numberAt, plainOf, sizeAt } from "./shape.ts";
import type { Source } from "./source.ts";

/** Reads the policies of an upstream: `true`, or a map of what is to differ. What the shape refused counts as unwritten. */
export function readProtection(
	source: Source,
	problems: Problem[],
): ProtectionConfig {
	const retry = policyAt(source, "retry");
	const hedge = policyAt(source, "hedge");
	const limiter = policyAt(source, "limiter");
	const budget = entryOf(source, "budget");
	const say = (found: Source | null, message: string) => {
		if (found !== null) problems.push({ at: found.at, message });
	};
	if (retry !== null) {
		say(hedge, "`hedge` stands instead of `retry`: write one of the two");
	} else if (hedge === null) {
		say(
			budget,
			"`budget` bounds what `retry` and `hedge` do, and neither is here",
		);
	}
	if (entryOf(source, "connections") !== null) {
		say(
			entryOf(limiter, "concurrent"),
			"`concurrent` stands instead of `connections`: write one of the two",
		);
	}
	return {
		cache: readCache(policyAt(source, "cache")),
		retry: readRetry(retry),
		budget: retry === null && hedge === null ? null : readBudget(budget),
		hedge: readHedge(hedge),
		limiter: readLimiter(limiter),
		breaker: readBreaker(policyAt(source, "breaker")),
	};
}

/** Null where the policy is off. */
function policyAt(source: Source, key: string): Source | null {
	const found = entryOf(source, key);
	return found === null || plainOf(found) === false ? null : found;
}

function readCache(source: Source | null): CacheConfig | null {
	return (
		source && {
			forMs: durationAt(source, "for"),
			staleMs: durationAt(source, "stale") ?? 0,
			bytesMax: sizeAt(source, "maxBytes") ?? 64 * 1024 ** 2,
			entriesMax: numberAt(source, "maxEntries") ?? 10_000,
			answerBytesMax: sizeAt(source, "maxAnswer") ?? 1024 ** 2,
		}
	);
}

function readRetry(source: Source | null): RetryOptions | null {
	return (
		source && {
			attempts: numberAt(source, "attempts") ?? 3,
			waitMs: 50,
			waitMsMax: 1000,
		}
	);
}

function readHedge(source: Source | null): HedgeConfig | null {
	return (
		source && {
			percentile: numberAt(source, "percentile") ?? 95,
			calls: numberAt(source, "calls") ?? 50,
		}
	);
}

function readLimiter(source: Source | null): LimiterConfig | null {
	if (source === null) return null;
	const concurrent = numberAt(source, "concurrent");
	const adaptive = entryOf(source, "adaptive");
	return {
		concurrent,
		waiting: numberAt(source, "waiting"),
		// Who gives a number means that one, who gives none wants it found.
		adaptive: adaptive ? plainOf(adaptive) === true : concurrent === null,
	};
}

function readBudget(source: Source | null): BudgetConfig {
	return {
		ratio: numberAt(source, "ratio") ?? 0.2,
		perSecond: numberAt(source, "perSecond") ?? 10,
	};
}

function readBreaker(source: Source | null): BreakerConfig | null {
	return (
		source && {
			errorRate: numberAt(source, "errorRate") ?? 0.5,
			windowMs: durationAt(source, "window") ?? 10_000,
			calls: numberAt(source, "calls") ?? 20,
			probeEveryMs: durationAt(source, "probeEvery") ?? 2000,
		}
	);
}
