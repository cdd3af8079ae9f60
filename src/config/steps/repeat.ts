import { readsOf, type Template } from "../../expression/template.ts";
import { bounds } from "../keys/defaults.ts";
import type { Written } from "../keys/input.ts";
import { key, part } from "../keys/key.ts";
import type { Kind } from "../keys/kind.ts";
import { count, duration } from "../keys/kinds.ts";
import { map, section } from "../keys/section.ts";
import type { Reader } from "../read-template.ts";
import { conditionReadBy, type StepReading } from "./common.ts";

/** How often a step is carried out, one round after the other. */
export interface RepeatConfig {
	/** Evaluated after each round. False or null: that round was the last one. */
	readonly condition: Template;
	/** The most rounds. */
	readonly max: number;
	/** The wait between two rounds; null if there is none. */
	readonly waitMs: number | null;
}

/** The names that a round has besides those of its step. */
export const roundNames = ["last", "round"] as const;

/** The condition of a call reads its answer, that of a group its steps. */
export function repeatKey(
	readerOf: (reading: StepReading) => Reader,
	{ what, example }: { readonly what: string; readonly example: string },
) {
	const rounds = section({
		while: part(conditionReadBy(readerOf), {
			field: "condition",
			required: true,
		}),
		max: part(count(bounds.calls), { required: true }),
		wait: part(duration, { field: "waitMs" }),
	});
	const { types: _, ...ofMap } = map(rounds);
	const kind: Kind<Written<"rounds">, RepeatConfig, StepReading> = ofMap;
	return key(kind, {
		description: `The step runs again as long as \`while\` holds, which reads ${what}. Its value is the list of the rounds' values. Each round sees the value of the one before as \`last\`, and its number as \`round\`. If \`while\` still holds after \`max\` rounds, the step fails with \`limit_exceeded\`. \`wait\` is the time between two rounds.`,
		example,
	});
}

/** The names that the condition of a repeat reads. */
export function readsOfRepeat(repeat: RepeatConfig | null) {
	return readsOf(repeat && repeat.condition);
}
