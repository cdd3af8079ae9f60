import type {
	AuthConfig,
	ChannelConfig,
	ChannelTarget,
	JobConfig,
	ListenConfig,
	LiveConfig,
	LogConfig,
	OverloadConfig,
	PoolConfig,
	ProxyConfig,
	ProxyTarget,
	RateLimitConfig,
	RouteConfig,
	ServerConfig,
	UpstreamConfig,
	WebhookConfig,
} from "../config/config.ts";
import type { CallConfig } from "../config/steps/call.ts";
import type { GroupConfig } from "../config/steps/group.ts";
import type { StepConfig } from "../config/steps/kinds.ts";
import type { PublishConfig } from "../config/steps/publish.ts";
import type { UndoConfig } from "../config/steps/undo.ts";
import type { MemberPath } from "./answer-members.ts";

/**
 * The plan of a gateway, as deep-frozen data, without a closure of ours, socket or timer. Expressions are checked
 * trees, a user's function is a reference, and a secret is the name of a variable. So it prints, diffs, and never shows
 * a secret.
 */
export interface Plan {
	readonly server: ServerConfig;
	/** Null if no step runs on a thread. */
	readonly pool: PoolConfig | null;
	readonly upstreams: readonly UpstreamConfig[];
	readonly routes: readonly RoutePlan[];
	readonly channels: readonly ChannelConfig[];
	readonly auth: readonly AuthPlan[];
	readonly rateLimits: readonly RateLimitConfig[];
	readonly overload: OverloadConfig | null;
	readonly log: LogConfig;
}

/** Credentials of one kind, without what could let somebody in. */
export type AuthPlan =
	| (Omit<OfKind<"jwt">, "keys"> & {
			/** Where its keys are; null if they are a text. */
			readonly keys: string | null;
	  })
	| Omit<OfKind<"keys">, "list">
	| Omit<OfKind<"basic">, "list">
	| OfKind<"mtls">;

type OfKind<Kind extends AuthConfig["kind"]> = Extract<
	AuthConfig,
	{ readonly kind: Kind }
>;

/** A route with its steps in written order, which is the order of parts in every answer. */
export interface RoutePlan
	extends Omit<RouteConfig, "steps" | "proxy" | "listen" | "live" | "job"> {
	readonly proxy: ProxyPlan | null;
	readonly listen: ListenPlan | null;
	readonly live: LivePlan | null;
	readonly job: JobPlan | null;
	readonly steps: readonly StepPlan[];
	/** The indexes into the plan's `auth` of those that let a client in, in the order in which they are asked. */
	readonly authIndexes: readonly number[];
	/** The header fields in which credentials for it come, in lower case. */
	readonly credentialFields: readonly string[];
	/** The query parameters in which they come. */
	readonly credentialParameters: readonly string[];
	/** The steps that the answer is made of, or that passing a request on reads, by index. */
	readonly respondReads: readonly number[];
}

export interface JobPlan extends Omit<JobConfig, "webhook"> {
	readonly webhook: WebhookPlan | null;
}

export interface WebhookPlan extends WebhookConfig {
	/** Index into the plan's upstreams. */
	readonly upstreamIndex: number;
}

export interface ProxyPlan extends Omit<ProxyConfig, "targets"> {
	readonly targets: readonly TargetPlan[];
}

export interface LivePlan extends Omit<LiveConfig, "on"> {
	readonly on: HeardPlan | null;
}

/** A channel whose messages are heard. */
export interface HeardPlan extends ChannelTarget {
	/** Index into the plan's channels. */
	readonly channelIndex: number;
}

export interface ListenPlan extends ListenConfig {
	/** Index into the plan's channels. */
	readonly channelIndex: number;
}

export interface TargetPlan extends ProxyTarget {
	/** Index into the plan's upstreams. */
	readonly upstreamIndex: number;
}

/** A step as another one sees it: `up` groups outwards, at `index` in written order there. */
export interface StepRef {
	readonly up: number;
	readonly index: number;
}

/** How a step depends on the others. */
export interface StepLinks {
	/** The steps that must have ended before this one starts. */
	readonly startsAfter: readonly StepRef[];
	/** The steps that may be read after it has started: by a call when it has ended, by a group in its steps. */
	readonly readsLater: readonly StepRef[];
	/** Whether it does something besides giving a value. Then it is waited for although nothing reads it. */
	readonly effect: boolean;
}

export interface UndoPlan extends UndoConfig {
	/** Index into the plan's upstreams. */
	readonly upstreamIndex: number;
}

export interface CallPlan extends Omit<CallConfig, "undo">, StepLinks {
	readonly undo: UndoPlan | null;
	/** Index into the plan's upstreams. */
	readonly upstreamIndex: number;
	/** The most attempts of the call. */
	readonly attempts: number;
	/** The members of its answer that are read. The rest is only checked. Null: the whole may be read. */
	readonly answerMembers: readonly MemberPath[] | null;
}

export interface GroupPlan extends Omit<GroupConfig, "steps">, StepLinks {
	readonly steps: readonly StepPlan[];
	/** The steps of the group that its value and the condition of its `repeat` read, by index. */
	readonly valueReads: readonly number[];
}

export type PublishPlan = PublishConfig &
	StepLinks & {
		/** Index into the plan's channels. */
		readonly channelIndex: number;
	};

/** For the other kinds a plan knows only their config, and how they depend on each other. */
type OtherPlan = Exclude<StepConfig, CallConfig | GroupConfig | PublishConfig> &
	StepLinks;

export type StepPlan = CallPlan | GroupPlan | PublishPlan | OtherPlan;
