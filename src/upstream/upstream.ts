import { allRead } from "../core/all-read.ts";
import { GatewayError } from "../core/errors.ts";
import { createEvents, type Events } from "../core/events.ts";
import { Memory } from "../core/memory.ts";
import type { Secrets } from "../core/secrets.ts";
import { attempts } from "../policy/attempts.ts";
import { authorize } from "../policy/auth/auth.ts";
import type { AuthOptions, TokenOptions } from "../policy/auth/options.ts";
import { balance } from "../policy/balance.ts";
import {
	type BreakerOptions,
	type BreakerState,
	breaker,
} from "../policy/breaker.ts";
import {
	type BudgetOptions,
	type BudgetState,
	createBudget,
} from "../policy/budget.ts";
import {
	type CacheOptions,
	type CacheState,
	cache,
} from "../policy/cache/cache.ts";
import { coalesce } from "../policy/coalesce.ts";
import { type HedgeOptions, hedge } from "../policy/hedge.ts";
import {
	type LimiterOptions,
	type LimiterState,
	limiter,
} from "../policy/limiter.ts";
import type { Blamable, Call, StreamCall } from "../policy/policy.ts";
import { type RetryOptions, retry } from "../policy/retry.ts";
import { stall } from "../policy/stall.ts";
import { timeout } from "../policy/timeout.ts";
import type { Store } from "../store/store.ts";
import type { Clock } from "../tasks/clock.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import { headBytesMax } from "./wire/head.ts";
import { openWire } from "./wire/open-wire.ts";
import type { OpenWire, WireSettings, WireState } from "./wire/wire.ts";

export interface UpstreamSettings
	extends Omit<WireSettings, "origin" | "originFrom" | "url" | "nameServers"> {
	/** At least one. */
	readonly origins: readonly string[];
	/** The variables from which each of them was read, in words; empty if the config says it. Absent: none. */
	readonly originsFrom?: readonly string[];
	/** How many calls run at once, each on its own connection. */
	readonly connections: number;
	/** How many streams are open at once, each on its own connection. */
	readonly streams: number;
	/** Whether equal calls in flight that only read share one. */
	readonly coalesce: boolean;
	/** Null or absent means off, as with every policy. */
	readonly cache?: CacheOptions | null;
	/** The credentials of every call by field, which are the gateway's own and no user's. Absent if there are none. */
	readonly credentials?: ReadonlyMap<string, string>;
	/** As whom it is asked. */
	readonly auth?: AuthOptions | null;
	readonly retry?: RetryOptions | null;
	/** Bounds the extra attempts. Without it there are none. */
	readonly budget?: BudgetOptions | null;
	/** Never beside `retry`. */
	readonly hedge?: HedgeOptions | null;
	readonly breaker?: BreakerOptions | null;
	/** Without it `connections` calls run, and the usual number waits. */
	readonly limiter?: LimiterOptions | null;
}

/** The means that an upstream takes from its gateway. */
export interface UpstreamContext {
	readonly clock: Clock;
	/** Hears the decisions of its policies. */
	readonly events: Events;
	/** Counts what its answers and its cache hold. Default: nothing bounds it. */
	readonly memory?: Memory;
	/** Where gateways share answers. Absent or null: nowhere. */
	readonly store?: Store | null;
	/** Learns tokens that are fetched, and says which answers are no business of a store's. Default: nobody does. */
	readonly secrets?: Secrets;
	/** From 0 to below 1. Default: the machine's. */
	readonly random?: () => number;
	/** Default: the machine's. */
	readonly nameServers?: readonly string[];
	/** Milliseconds since 1970, for what is read on other machines. Default: the machine's. */
	readonly wallMs?: () => number;
}

/** A service we call, behind its protection. */
export interface Upstream {
	readonly name: string;
	readonly call: Call;
	readonly stream: StreamCall;
	/** An answer of its was of no use, although its status is good: `breaker` and `urls` count it as failed. */
	readonly blame: Blamable["blame"];
	/** The lifetime of work that may outlive a request, such as a write that was sent. `close` cancels it. */
	readonly scope: Scope;
	/** How it is now, for whoever looks. */
	state(): UpstreamState;
	/** Ends all connections. Calls that still run or wait fail with `gateway_draining`. */
	close(): Promise<void>;
}

export interface UpstreamState extends LimiterState, WireState {
	readonly name: string;
	/** Null without one. */
	readonly breaker: BreakerState | null;
	readonly cache: CacheState | null;
	/** Null if no policy makes extra attempts. */
	readonly budget: BudgetState | null;
}

const noBudget: BudgetOptions = { ratio: 0, perSecond: 0 };

/** Makes an upstream. Nothing is connected before the first call. `open` opens the part that sends. */
export function createUpstream(
	settings: UpstreamSettings,
	context: UpstreamContext,
	open: OpenWire = openWire,
): Upstream {
	const { name, origins, bodyBytesMax, tls, ...numbers } = settings;
	const { connections, streams: streamsMax, ...heads } = numbers;
	const { host = null, headerBytesMax = headBytesMax, ...ages } = heads;
	const { connectionAgeMs, pipelining = 1, ...others } = ages;
	const { credentials = new Map(), ...policies } = others;
	const { cache: kept, coalesce: joined, retry: again, ...bounds } = policies;
	const { hedge: hedged, budget: extra, breaker: breaks, ...rest } = bounds;
	const { limiter: limits = null, originsFrom = [], ...more } = rest;
	const { auth = null, ...unread } = more;
	allRead(unread);
	const scope = openScope({ clock: context.clock });
	const { random = Math.random, memory = new Memory() } = context;
	const { nameServers, store = null } = context;
	const wires = origins.map((origin, index) => {
		const from = { origin, originFrom: originsFrom[index] ?? "" };
		const bounds = { bodyBytesMax, headerBytesMax, pipelining };
		const wire = {
			...{ name, ...from, ...bounds, tls, host },
			...(origins.length > 1 && { url: index }),
			...(connectionAgeMs !== undefined && { connectionAgeMs }),
			...(nameServers !== undefined && { nameServers }),
		};
		return open(wire, context.clock, memory);
	});
	const shared = { ...context, upstream: name };
	const budget = createBudget(extra ?? noBudget, context.clock);
	const limit = limiter(limits, {
		...shared,
		connections,
		streams: streamsMax,
	});
	const keeping = kept
		? cache(kept, {
				...shared,
				memory,
				scope,
				origins,
				credentials,
				coalesced: joined,
				store,
			})
		: null;
	let endpoint: Upstream | null = null;
	const openEndpoint = (options: TokenOptions) => {
		endpoint = openTokenEndpoint(name, options, context, open);
		return endpoint.call;
	};
	const authorizing =
		auth &&
		authorize(auth, {
			...{ ...shared, scope, openEndpoint, wallMs: context.wallMs ?? Date.now },
			host: host ?? new URL(origins[0] ?? "").host,
		});
	const breaking = breaks ? breaker(breaks, shared) : null;
	const noted = attempts(context.events);
	// The guards, from the outside in.
	const guards = [
		// Inside retry and hedge: each of their attempts has a record of its own, also if it is refused.
		noted,
		// Outside the limiter: a call that would fail is refused before it takes a slot, or waits for one.
		breaking,
		// Outside the timeout: the wait for a connection is our doing, not the upstream's, and must not shorten its time.
		limit,
	].filter((guard) => guard !== null);
	// Next to the wire: bounds one attempt, from the moment it has its slot to the last byte of the answer.
	const calls = wires.map(({ send }, url) => timeout(name, url)(send));
	// A body may take as long as it moves. It takes no slot from the calls meanwhile.
	const streams = wires.map(({ stream }, url) => stall(name, url)(stream));
	// Inside the limiter: a call that waits for a slot does not yet wait for one of the URLs.
	const balanced = origins.length > 1 ? balance(origins.length, shared) : null;
	return {
		name,
		call: around(balanced ? balanced.call(calls) : (calls[0] as Call), [
			// Outermost: a kept answer needs none of the other policies.
			keeping && keeping.call,
			// Next: a shared call needs its protection once for all who share it.
			joined ? coalesce({ ...shared, scope }) : null,
			// Inside `coalesce`: a shared call looks once. Outside all that protects the upstream: it is not asked.
			keeping?.second?.call ?? null,
			// Inside the cache: a kept answer needs no token. Outside the others: to wait for one is not the upstream's doing.
			authorizing && authorizing.call,
			// Outside the breaker: each attempt counts there separately, and none is made while the breaker is open.
			again ? retry(again, { ...shared, budget, random }) : null,
			// In place of `retry`: each would multiply the attempts of the other.
			hedged
				? hedge(hedged, { ...shared, budget, hasFree: limit.hasFree })
				: null,
			...guards.map((guard) => guard.call),
		]),
		stream: around(
			balanced ? balanced.stream(streams) : (streams[0] as StreamCall),
			[
				keeping && keeping.stream,
				keeping?.second?.stream ?? null,
				authorizing && authorizing.stream,
				...guards.map((guard) => guard.stream),
			],
		),
		blame: blaming([breaking, balanced].filter((policy) => policy !== null)),
		scope,
		state() {
			const states = wires.map((wire) => wire.state());
			const sum = (all: number, one: number) => all + one;
			return {
				name,
				...limit.state(),
				connections: states.map((one) => one.connections).reduce(sum, 0),
				idle: states.map((one) => one.idle).reduce(sum, 0),
				breaker: breaking?.state() ?? null,
				cache: keeping?.state() ?? null,
				budget: again || hedged ? budget.state() : null,
			};
		},
		async close() {
			const message = "the upstream was closed";
			scope.cancel(
				new GatewayError("gateway_draining", message, { upstream: name }),
			);
			const closing = wires.map((wire) => wire.close());
			await Promise.all([...closing, endpoint?.close()]);
		},
	};
}

/** A token endpoint is protected like any upstream. Nobody hears its events: what matters of them is told of its upstream. */
function openTokenEndpoint(
	upstream: string,
	{ token, tokenFrom }: TokenOptions,
	context: UpstreamContext,
	open: OpenWire,
): Upstream {
	const settings: UpstreamSettings = {
		name: `${upstream}.auth`,
		origins: [new URL(token).origin],
		originsFrom: [tokenFrom],
		...{ connections: 8, streams: 1, coalesce: false, tls: null },
		bodyBytesMax: tokenAnswerBytesMax,
		breaker: {
			errorRate: 0.5,
			windowMs: 10_000,
			calls: 20,
			probeEveryMs: 2000,
		},
	};
	const { store: _, ...own } = context;
	return createUpstream(settings, { ...own, events: createEvents() }, open);
}

/** A token has at most 16 KiB. */
const tokenAnswerBytesMax = 64 * 1024;

/** Those who share an answer share its body, and blame it once. */
function blaming(policies: readonly Blamable[]): Upstream["blame"] {
	const blamed = new WeakSet<Uint8Array>();
	return (response, asker) => {
		if (blamed.has(response.body)) return;
		blamed.add(response.body);
		for (const policy of policies) policy.blame(response, asker);
	};
}

/** The first policy is outermost. A policy that is off (null) is not in the chain and costs nothing. */
function around<T>(
	innermost: T,
	policies: readonly (((next: T) => T) | null)[],
): T {
	return policies
		.filter((policy) => policy !== null)
		.reduceRight((next, policy) => policy(next), innermost);
}
