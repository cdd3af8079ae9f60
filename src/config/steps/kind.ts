import { handedOn } from "../../core/all-read.ts";
import type { Read } from "../../expression/parse.ts";
import {
	type NamedTemplates,
	readsOf,
	type Template,
} from "../../expression/template.ts";
import type { PathSegment } from "../config.ts";
import type { AnySection } from "../keys/section.ts";
import type { CallConfig } from "./call.ts";
import type { EachConfig, StepCommon, StepSource } from "./common.ts";
import type { RepeatConfig } from "./repeat.ts";

/** The properties of one kind of step, for checking, compiling, timing and printing a step of it. */
export interface StepKind<Step> {
	/** The keys that make a step one of this kind, each with all keys that stand beside it. */
	readonly keys: Readonly<Record<string, AnySection>>;
	/** Null if nothing sensible can be said of the step. */
	readonly check: (step: StepSource) => Step | null;
	/** The names that its work reads before it starts. */
	readonly readsFirst: (step: Step) => readonly Read[];
	/** The names that its work reads after it has started. It waits for those steps then, not before. */
	readonly readsLater: (step: Step) => readonly Read[];
	/** Whether its own work changes something elsewhere. */
	readonly writes: (step: Step) => Writing;
	/** Whether its own work, cut off at any point, may be done once more. */
	readonly repeatable: (step: Step) => boolean;
	/** How long its own work takes at the longest. */
	readonly longestMs: (step: Step, durations: Durations) => number;
	/** Whether it is done when it starts, and costs nothing. Then it is never too late, and needs no fallback. */
	readonly free: boolean;
	/** Whether equal inputs and equal answers of upstreams always give the same value. */
	readonly pure: boolean;
	/** Whether it ends the run. Then the answer is made of it alone. */
	readonly endsRun: boolean;
	/** Its own keys as written. Null and undefined are left out. */
	readonly print: (step: Step) => Readonly<Record<string, unknown>>;
}

/** `"perhaps"` is what nobody knows before it is done: a function may write, by its `call`. */
export type Writing = "never" | "perhaps" | "surely";

/**
 * How long calls and functions take at the longest. The wait for a free connection is not counted, because nothing
 * bounds it.
 */
export interface Durations {
	/** A call, with all its attempts and the waits between them. */
	callMs(step: CallConfig): number;
	/** A user's function. */
	readonly functionMs: number;
	/** How many items of an `each` run one after another, if so many of its lists share its places. */
	waves(each: EachConfig, lists: number): number;
	/** How many rounds of a `repeat` there are. */
	rounds(repeat: RepeatConfig): number;
}

/** Takes the rest of a step whose kind has printed its own keys. A key that is not printed is an error of types. */
export const onlyCommonKeys = handedOn<StepCommon>();

export function readsOfAll(templates: readonly (Template | null)[]): Read[] {
	return templates.flatMap(readsOf);
}

export function readsOfSegment(segment: PathSegment): readonly Read[] {
	if (typeof segment === "string") return [];
	return segment.flatMap((part) =>
		typeof part === "string" ? [] : part.reads,
	);
}

export function valuesOf(templates: NamedTemplates): Template[] {
	return "all" in templates
		? [templates.all]
		: templates.map(({ value }) => value);
}
