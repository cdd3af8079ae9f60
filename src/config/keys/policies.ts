import type { BreakerOptions } from "../../policy/breaker.ts";
import type { BudgetOptions } from "../../policy/budget.ts";
import type { CacheOptions } from "../../policy/cache/cache.ts";
import type { HedgeOptions } from "../../policy/hedge.ts";
import type { LimiterOptions } from "../../policy/limiter.ts";
import type { RetryOptions } from "../../policy/retry.ts";
import { bounds } from "./defaults.ts";
import { part } from "./key.ts";
import {
	count,
	flag,
	keeping,
	numberFrom,
	period,
	share,
	size,
} from "./kinds.ts";
import { sectionFor } from "./section.ts";

export const cacheKeys = sectionFor<CacheOptions>()(
	{
		for: part(keeping, { field: "forMs" }),
		stale: part(keeping, { field: "staleMs" }),
		maxBytes: part(size, { field: "bytesMax", default: "64MiB" }),
		maxEntries: part(count(1_000_000), {
			field: "entriesMax",
			default: 10_000,
		}),
		maxAnswer: part(size, { field: "answerBytesMax", default: "1MiB" }),
	},
	{ finish: (read) => ({ ...read, staleMs: read.staleMs ?? 0 }) },
);

export const retryKeys = sectionFor<RetryOptions>()(
	{ attempts: part(count(10, 2), { default: 3 }) },
	{ finish: (read) => ({ ...read, waitMs: 50, waitMsMax: 1000 }) },
);

export const hedgeKeys = sectionFor<HedgeOptions>()({
	percentile: part(numberFrom(50, 99.9), { default: 95 }),
	calls: part(count(2000), { default: 50 }),
});

export const budgetKeys = sectionFor<BudgetOptions>()(
	{
		ratio: part(numberFrom(0, 1), { default: 0.2 }),
		perSecond: part(numberFrom(0, 1000), { default: 10 }),
	},
	{ words: "a map with `ratio`, `perSecond` or both" },
);

export const breakerKeys = sectionFor<BreakerOptions>()({
	errorRate: part(share, { default: 0.5 }),
	window: part(period, { field: "windowMs", default: "10s" }),
	calls: part(count(10_000), { default: 20 }),
	probeEvery: part(period, { field: "probeEveryMs", default: "2s" }),
});

export const limiterKeys = sectionFor<LimiterOptions>()(
	{
		concurrent: part(count(bounds.connections), {}),
		waiting: part(count(100_000, 0), {}),
		adaptive: part(flag, {}),
	},
	{
		// An author who gives a number means that number. One who gives none wants it found.
		finish: (read) => ({
			...read,
			adaptive: read.adaptive ?? read.concurrent === null,
		}),
	},
);
