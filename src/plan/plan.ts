import type {
	CallConfig,
	GroupConfig,
	OverloadConfig,
	PoolConfig,
	ProxyConfig,
	RateLimitConfig,
	RouteConfig,
	ServerConfig,
	StepConfig,
	UpstreamConfig,
} from "../config/config.ts";

/**
 * What will be done, as deep-frozen data: no closure of ours, socket or timer; expressions as checked trees, a user's
 * function by reference, secrets as references to the environment by name. So it prints, diffs, and never shows a secret.
 */
export interface Plan {
	readonly server: ServerConfig;
	/** Null where no step runs on a thread. */
	readonly pool: PoolConfig | null;
	readonly upstreams: readonly UpstreamConfig[];
	readonly routes: readonly RoutePlan[];
	readonly rateLimit: RateLimitConfig | null;
	readonly overload: OverloadConfig | null;
}

/** A route with its steps in the order written, which is the order of parts in every answer. */
export interface RoutePlan extends Omit<RouteConfig, "steps" | "proxy"> {
	readonly proxy: ProxyPlan | null;
	readonly steps: readonly StepPlan[];
	/** Steps, by index, that the answer is made of. */
	readonly respondReads: readonly number[];
}

export interface ProxyPlan extends ProxyConfig {
	/** Index into the plan's upstreams. */
	readonly upstreamIndex: number;
}

/** A step, seen from another: `up` groups outwards, at `index` in the order written there. */
export interface StepRef {
	readonly up: number;
	readonly index: number;
}

/** How a step hangs together with the others. */
export interface StepLinks {
	/** Must have ended before this one starts. */
	readonly startsAfter: readonly StepRef[];
	/** May be read once it has started: a call when it has ended, a group by its steps. */
	readonly readsLater: readonly StepRef[];
	/** Whether it does something besides giving a value: then it is waited for though unread. */
	readonly effect: boolean;
}

export interface CallPlan extends CallConfig, StepLinks {
	/** Index into the plan's upstreams. */
	readonly upstreamIndex: number;
	/** How often it is tried at most. */
	readonly attempts: number;
}

export interface GroupPlan extends Omit<GroupConfig, "steps">, StepLinks {
	readonly steps: readonly StepPlan[];
	/** Steps of the group, by index, that its value is made of. */
	readonly valueReads: readonly number[];
}

/** Of the other kinds a plan knows no more than their config, and how they hang together. */
type OtherPlan = Exclude<StepConfig, CallConfig | GroupConfig> & StepLinks;

export type StepPlan = CallPlan | GroupPlan | OtherPlan;
