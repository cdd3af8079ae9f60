import type {
	CallConfig,
	RouteConfig,
	ServerConfig,
	UpstreamConfig,
	ValueConfig,
} from "../config/config.ts";

/**
 * What will be done, as deep-frozen data: no closure, socket or timer; expressions as checked trees, secrets as
 * references to the environment by name. So it prints, diffs, and never shows a secret.
 */
export interface Plan {
	readonly server: ServerConfig;
	readonly upstreams: readonly UpstreamConfig[];
	readonly routes: readonly RoutePlan[];
}

/** A route with its steps in the order written, which is the order of parts in every answer. */
export interface RoutePlan extends Omit<RouteConfig, "steps"> {
	readonly steps: readonly StepPlan[];
	/** Steps, by index, that the answer is made of. */
	readonly respondReads: readonly number[];
}

/** How a step hangs together with the others, all by their index in the route. */
export interface StepLinks {
	/** Must have ended before this one starts. */
	readonly startsAfter: readonly number[];
	/** May be read once the call has ended. */
	readonly readsLater: readonly number[];
}

export interface CallPlan extends CallConfig, StepLinks {
	/** Index into the plan's upstreams. */
	readonly upstreamIndex: number;
	/** Whether the call may change something: waited for though unread, and not aborted once sent. */
	readonly write: boolean;
}

export interface ValuePlan extends ValueConfig, StepLinks {}

export type StepPlan = CallPlan | ValuePlan;
