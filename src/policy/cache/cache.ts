import { allRead } from "../../core/all-read.ts";
import { Memory } from "../../core/memory.ts";
import { Secrets } from "../../core/secrets.ts";
import { SharedAnswers } from "../../store/answers.ts";
import type { Store } from "../../store/store.ts";
import type { Scope } from "../../tasks/scope.ts";
import { createReporter, type Guard, type PolicyContext } from "../policy.ts";
import { cacheCalls } from "./calls.ts";
import { Intake } from "./intake.ts";
import { Keeper, type KeeperOptions } from "./keeper.ts";
import { Misses } from "./misses.ts";
import type { CacheParts } from "./parts.ts";
import { Refreshes } from "./refresh.ts";
import type { RuleOptions } from "./rules.ts";
import { SecondLevel } from "./shared.ts";
import { cacheStreams } from "./streams.ts";

export interface CacheOptions
	extends Omit<RuleOptions, "credentials">,
		KeeperOptions {
	/** The longest body that is kept, in bytes. */
	readonly answerBytesMax: number;
	/** Whether answers are also kept in the store, if there is one. Absent: they are. */
	readonly shared?: boolean;
}

/** The means that a cache takes from its upstream. */
export interface CacheContext extends PolicyContext {
	/** The origins of the upstream. A `Location` elsewhere is not its own. */
	readonly origins: readonly string[];
	/** The credentials of every call by field, which are the gateway's own and no user's. */
	readonly credentials: ReadonlyMap<string, string>;
	/** The lifetime of refreshes, and of answers that others wait for: the upstream's. */
	readonly scope: Scope;
	/** Whether equal calls share one already. */
	readonly coalesced: boolean;
	/** What gateways share. Absent or null: each keeps its own answers. */
	readonly store?: Store | null;
	/** What no store may hold. Default: nothing. */
	readonly secrets?: Secrets;
	/** Counts what is kept. Default: nothing bounds it but its own keys. */
	readonly memory?: Memory;
}

/** What a cache keeps. */
export interface CacheState {
	readonly bytes: number;
	readonly entries: number;
}

/** A guard that knows what it keeps. */
export interface CacheGuard extends Guard {
	/** What stands between it and the upstream: answers that gateways share. Null if they share none. */
	readonly second: Guard | null;
	state(): CacheState;
}

/**
 * Keeps answers to calls that only read, as a cache that many share (RFC 9111). Fresh answers are given at once. Stale
 * ones are validated; if that is allowed they are served while they are asked for anew (RFC 5861), or because asking
 * failed. A stale answer says that it is stale. A call that may change something drops the answers that it may change.
 */
export function cache(
	options: CacheOptions,
	context: CacheContext,
): CacheGuard {
	const { bytesMax, entriesMax, answerBytesMax, ...others } = options;
	const { forMs, staleMs, ifErrorMs, shared = true, ...unread } = others;
	allRead(unread);
	const { upstream, clock, scope, credentials, origins, coalesced } = context;
	const { memory = new Memory(), store = null } = context;
	const { secrets = new Secrets() } = context;
	const report = createReporter("cache", context);
	const keeper = new Keeper({ bytesMax, entriesMax }, memory);
	const rules = { forMs, staleMs, ifErrorMs, credentials };
	const second =
		store && shared
			? new SecondLevel({
					...{ clock, report, secrets, memory },
					answers: new SharedAnswers(
						store,
						JSON.stringify([upstream, origins, [...credentials], forMs]),
						(target) => intake.changedElsewhere(target),
					),
				})
			: null;
	const intake = new Intake(
		{ ...rules, answerBytesMax, origins },
		...([keeper, clock, report, second] as const),
	);
	const parts: CacheParts = {
		upstream,
		clock,
		report,
		memory,
		keeper,
		intake,
		refreshes: new Refreshes({
			upstream,
			scope,
			onFailed: (asker, { code }) => report(asker, "refresh_failed", code),
		}),
		misses: {
			calls: coalesced ? null : new Misses({ upstream, clock, scope }),
			streams: new Misses({ upstream, clock, scope }),
		},
	};
	return {
		call: cacheCalls(parts),
		stream: cacheStreams(parts),
		second: second && second.guard(intake),
		state: () => ({ bytes: keeper.bytes, entries: keeper.entries }),
	};
}
