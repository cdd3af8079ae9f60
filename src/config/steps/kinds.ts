import type { StepConfig } from "../config.ts";
import { call } from "./call.ts";
import { run } from "./function.ts";
import { group } from "./group.ts";
import { reply } from "./reply.ts";
import type { Traits } from "./traits.ts";
import { value } from "./value.ts";

type Kinds = {
	readonly [Name in StepConfig["kind"]]: Traits<
		Extract<StepConfig, { readonly kind: Name }>
	>;
};

const traits: Kinds = { call, group, run, reply, value };

/** The traits of the kind of a step. */
export function traitsOf<Name extends keyof Kinds>({
	kind,
}: {
	readonly kind: Name;
}): Traits<Extract<StepConfig, { readonly kind: Name }>> {
	return traits[kind];
}
