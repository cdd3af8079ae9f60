import type { Read } from "../../expression/parse.ts";
import {
	readsOf,
	type Template,
	type TemplateEntry,
} from "../../expression/template.ts";
import type { CallConfig, EachConfig } from "../config.ts";

/** What one kind of step is, to whoever checks, compiles, times or prints a step of it. */
export interface Traits<Step> {
	/** What its work reads before it starts. */
	readonly readsFirst: (step: Step) => readonly Read[];
	/** What its work reads once it has started: it waits for those steps then, not before. */
	readonly readsLater: (step: Step) => readonly Read[];
	/** Whether its own work does something besides giving a value: then it may be unread, and is waited for. */
	readonly hasEffect: (step: Step) => boolean;
	/** How long its own work takes at the longest. */
	readonly longestMs: (step: Step, durations: Durations) => number;
	/** Whether it is done when it starts, and costs nothing: then it is never too late, and needs no fallback. */
	readonly free: boolean;
	/** Whether it gives the same value whenever what it reads and what upstreams answer is the same. */
	readonly repeats: boolean;
	/** Whether it ends the run: the answer is then made of it alone. */
	readonly endsRun: boolean;
	/** Its own keys as they were written. Null and undefined are left out. */
	readonly print: (step: Step) => Readonly<Record<string, unknown>>;
}

/** How long what takes time takes at the longest. Waiting for a free connection is not counted: nothing bounds it. */
export interface Durations {
	/** A call, with all its attempts and the waits between them. */
	callMs(step: CallConfig): number;
	/** A user's function. */
	readonly functionMs: number;
	/** How many times in a row a step with `each` takes the time of one item. */
	waves(each: EachConfig): number;
}

export function readsOfAll(templates: readonly (Template | null)[]): Read[] {
	return templates.flatMap(readsOf);
}

export function valuesOf(entries: readonly TemplateEntry[]): Template[] {
	return entries.map(({ value }) => value);
}
