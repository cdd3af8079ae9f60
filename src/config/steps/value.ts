import { printTemplate } from "../../expression/print.ts";
import { readsOf, type Template } from "../../expression/template.ts";
import { key } from "../keys/key.ts";
import { section } from "../keys/section.ts";
import { template } from "../keys/templates.ts";
import {
	commonKeys,
	commonOf,
	type StepCommon,
	type StepSource,
} from "./common.ts";
import { onlyCommonKeys, type StepKind } from "./kind.ts";

/** A template, and no call. */
export type ValueConfig = StepCommon & {
	readonly kind: "value";
	readonly value: Template;
};

export const valueKeys = {
	value: section({
		value: key(template, {
			required: true,
			description: "The step's value: a template, and no call.",
			example: "value: ${query.ids.length}",
		}),
		...commonKeys,
	}),
};

export const value: StepKind<ValueConfig> = {
	keys: valueKeys,
	check,
	readsFirst: (step) => readsOf(step.value),
	readsLater: () => [],
	writes: () => "never",
	repeatable: () => true,
	longestMs: () => 0,
	free: true,
	pure: true,
	endsRun: false,
	print({ kind: _, value: template, ...ofEveryStep }) {
		onlyCommonKeys(ofEveryStep);
		return { value: printTemplate(template) };
	},
};

function check(step: StepSource): ValueConfig | null {
	const read = valueKeys.value.read(step.source, step.judged, step.reading);
	if (read === undefined) return null;
	const { value, ...common } = read;
	return { ...commonOf(common, step), kind: "value", value };
}
