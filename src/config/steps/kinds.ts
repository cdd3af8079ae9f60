import { type CallConfig, call, callKeys } from "./call.ts";
import { type RunConfig, run, runKeys } from "./function.ts";
import { type GroupConfig, group, groupKeys } from "./group.ts";
import type { StepKind } from "./kind.ts";
import { type PublishConfig, publish, publishKeys } from "./publish.ts";
import { type ReplyConfig, reply, replyKeys } from "./reply.ts";
import { type ValueConfig, value, valueKeys } from "./value.ts";

export type StepConfig =
	| CallConfig
	| ValueConfig
	| GroupConfig
	| RunConfig
	| PublishConfig
	| ReplyConfig;

type Kinds = {
	readonly [Name in StepConfig["kind"]]: StepKind<
		Extract<StepConfig, { readonly kind: Name }>
	>;
};

const kinds: Kinds = { call, group, run, publish, reply, value };

/** The keys of a step, by the key that makes it what it is. */
export const stepKeys = {
	...callKeys,
	...groupKeys,
	...runKeys,
	...publishKeys,
	...replyKeys,
	...valueKeys,
};

export type StepKey = keyof typeof stepKeys;
export const stepKeyNames = Object.keys(stepKeys) as StepKey[];

/** The kind that a key makes of a step. */
export function kindMadeBy(key: StepKey): StepKind<StepConfig> {
	const made = Object.values(kinds).find(({ keys }) =>
		Object.hasOwn(keys, key),
	);
	return made as StepKind<StepConfig>;
}

/** The kind of a step. */
export function kindOf<Name extends keyof Kinds>({
	kind,
}: {
	readonly kind: Name;
}): StepKind<Extract<StepConfig, { readonly kind: Name }>> {
	return kinds[kind];
}
