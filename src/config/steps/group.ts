import { printTemplate } from "../../expression/print.ts";
import { readsOf, type Template } from "../../expression/template.ts";
import { key } from "../keys/key.ts";
import { named } from "../keys/kind.ts";
import { section } from "../keys/section.ts";
import { createMap } from "../source.ts";
import {
	commonKeys,
	commonOf,
	type StepCommon,
	type StepSource,
	templateReadBy,
} from "./common.ts";
import { onlyCommonKeys, type StepKind } from "./kind.ts";
// Types only: a group holds steps of every kind.
import type { StepConfig } from "./kinds.ts";
import { readsOfRepeat, repeatKey } from "./repeat.ts";

/** Steps that end together. Null for `value` is an object of the steps' values. */
export type GroupConfig = StepCommon & {
	readonly kind: "group";
	readonly steps: readonly StepConfig[];
	readonly value: Template | null;
};

const templateInside = templateReadBy(({ inside }) => inside);

const steps = named<object>("a map of steps");

/** Refused steps count as no steps. The rest of the group is checked all the same. */
const innerSteps: typeof steps = {
	...steps,
	take: (source, judged, context) =>
		steps.take(source, judged, context) ?? createMap(source.at, []),
};

export const groupKeys = {
	steps: section({
		steps: key(innerSteps, {
			required: true,
			description:
				"A group. Its steps see the names around them, and end together. With `each` the whole group runs once per item.",
			example: "steps:\n  page: { get: users/page }\nvalue: ${page.items}",
		}),
		value: key(templateInside, {
			description:
				"The group's value. Without it the value is an object of its steps' values.",
			example: "steps:\n  page: { get: users/page }\nvalue: ${page.items}",
		}),
		repeat: repeatKey(({ inside }) => inside, {
			what: "the group's steps",
			example:
				'steps:\n  page: { get: users/page, query: { "cursor?": "${last.next}" } }\nvalue: ${page}\nrepeat: { while: "${page.next}", max: 20 }',
		}),
		...commonKeys,
	}),
};

/** The reads, effects and times of the steps inside are their own. */
export const group: StepKind<GroupConfig> = {
	keys: groupKeys,
	check,
	readsFirst: () => [],
	readsLater: ({ value, repeat }) => [
		...readsOf(value),
		...readsOfRepeat(repeat),
	],
	writes: () => "never",
	repeatable: () => true,
	longestMs: () => 0,
	free: false,
	pure: true,
	endsRun: false,
	print({ kind: _, steps: _1, value, ...ofEveryStep }) {
		onlyCommonKeys(ofEveryStep);
		return { value: value && printTemplate(value) };
	},
};

/** Groups deeper than this are a mistake, or an attack on the checker. */
const depthMax = 8;

function check(step: StepSource): GroupConfig | null {
	const { source, judged, reading, context } = step;
	const read = groupKeys.steps.read(source, judged, reading);
	if (read === undefined) return null;
	const { steps: inner, value, ...own } = read;
	const common = commonOf(own, step);
	const { problems, depth } = context;
	if (depth >= depthMax) {
		problems.push({
			at: source.at,
			message: `groups stand in each other at most ${depthMax} deep`,
		});
		return { ...common, kind: "group", steps: [], value: null };
	}
	const { entries } = inner;
	for (const { key, at } of entries) {
		if (!reading.reader.names.has(key)) continue;
		problems.push({
			at,
			message: `\`${key}\` means something else around this group: take another name`,
		});
	}
	const around = { ...context, reader: reading.inside, depth: depth + 1 };
	const condition = common.repeat?.condition ?? null;
	const made = value && [value, condition];
	const steps = step.checkInside(entries, made, around);
	return { ...common, kind: "group", steps, value };
}
