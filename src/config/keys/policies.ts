import type { BreakerOptions } from "../../policy/breaker.ts";
import type { BudgetOptions } from "../../policy/budget.ts";
import type { CacheOptions } from "../../policy/cache/cache.ts";
import type { HedgeOptions } from "../../policy/hedge.ts";
import type { LimiterOptions } from "../../policy/limiter.ts";
import type { RetryOptions } from "../../policy/retry.ts";
import { bounds } from "./defaults.ts";
import { key, part } from "./key.ts";
import {
	count,
	flag,
	keeping,
	numberFrom,
	period,
	share,
	size,
} from "./kinds.ts";
import { map, policy, sectionFor } from "./section.ts";

const cacheKeys = sectionFor<CacheOptions>()(
	{
		for: part(keeping, { field: "forMs" }),
		stale: part(keeping, { field: "staleMs" }),
		staleIfError: part(keeping, { field: "ifErrorMs" }),
		maxBytes: part(size, { field: "bytesMax", default: "64MiB" }),
		maxEntries: part(count(1_000_000), {
			field: "entriesMax",
			default: 10_000,
		}),
		maxAnswer: part(size, { field: "answerBytesMax", default: "1MiB" }),
		shared: part(flag, { default: true }),
	},
	{
		finish: (read) => ({
			...read,
			staleMs: read.staleMs ?? 0,
			ifErrorMs: read.ifErrorMs ?? read.staleMs ?? 0,
		}),
	},
);

const retryKeys = sectionFor<RetryOptions>()(
	{ attempts: part(count(10, 2), { default: 3 }) },
	{ finish: (read) => ({ ...read, waitMs: 50, waitMsMax: 1000 }) },
);

const hedgeKeys = sectionFor<HedgeOptions>()({
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

const breakerKeys = sectionFor<BreakerOptions>()({
	errorRate: part(share, { default: 0.5 }),
	window: part(period, { field: "windowMs", default: "10s" }),
	calls: part(count(10_000), { default: 20 }),
	probeEvery: part(period, { field: "probeEveryMs", default: "2s" }),
});

const limiterKeys = sectionFor<LimiterOptions>()(
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

/** How an upstream's calls are protected. */
export const policyKeys = {
	cache: key(policy(cacheKeys), {
		description:
			"Keeps answers to calls that only read, as their `Cache-Control`, `Expires`, `Vary`, `ETag` and `Age` say (RFC 9111, a cache that many share). `for` is how long an answer without directives is fresh. `stale` is how long it may be served after that, during a refresh or if asking fails, unless it says otherwise. `staleIfError` (default: `stale`) is how long if asking fails. Bounded by `maxBytes` (default {maxBytes}), `maxEntries` ({maxEntries}) and, for one body, `maxAnswer` ({maxAnswer}). With a `store`, gateways share the answers that are kept, unless `shared` (default {shared}) is `false`.",
		example:
			"cache: { for: 1m, stale: 10m, staleIfError: 1h, maxBytes: 16MiB, maxEntries: 1000, maxAnswer: 64KiB, shared: false }",
	}),
	retry: key(policy(retryKeys), {
		description:
			"Tries a failed call again: `attempts` (default {attempts}) in all, after a random wait. Only calls that may be sent twice: `get`, `head`, `put`, `delete`, `safe` and `idempotent` ones. Only if that may help: after no connection or a broken one, no answer within `timeout`, 502, 503, 504, and 429 with `Retry-After`. Never later than the deadline, never beyond `budget`.",
		example: "retry: { attempts: 2 }",
	}),
	hedge: key(policy(hedgeKeys), {
		description:
			"Makes a second attempt of a call that is slower than most, and takes the answer that comes first. It stands instead of `retry`, for calls that may be sent twice. A call is slow beyond `percentile` (default {percentile}) of the upstream's latency, once `calls` ({calls}) were measured. Only if a slot is free and `budget` allows.",
		example: "hedge: { percentile: 99, calls: 100 }",
	}),
	budget: key(map(budgetKeys), {
		description:
			"How many extra attempts there may be, so that an upstream in trouble does not get many more calls: `ratio` of its calls (default {ratio}) and `perSecond` ({perSecond}) besides. If the budget is empty, a call has one attempt.",
		example: "retry: true\nbudget: { ratio: 0.1, perSecond: 5 }",
	}),
	breaker: key(policy(breakerKeys), {
		description:
			"Refuses calls at once with `breaker_open` while too many fail: `errorRate` (default {errorRate}) of at least `calls` ({calls}) in the last `window` ({window}). Then every `probeEvery` ({probeEvery}) one call may try. The first that goes well ends it. Failures are timeouts, no connection, invalid answers and 5xx. A call that a deadline, `within` or a leaving client cut short does not count.",
		example:
			"breaker: { errorRate: 0.3, window: 30s, calls: 50, probeEvery: 5s }",
	}),
	limiter: key(policy(limiterKeys), {
		description:
			"How many calls run and wait. `true` finds by latency how many the upstream can carry, at most `connections`. The rest is refused at once with `limiter_full`. `concurrent` (default: `connections`) is the most calls that run, `adaptive` (default: `true` without `concurrent`) whether fewer are tried, `waiting` how many wait (default `1024`; adaptive: as many as run).",
		example: "limiter: { concurrent: 32, waiting: 64, adaptive: true }",
	}),
};
