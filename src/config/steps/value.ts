import { printTemplate } from "../../expression/print.ts";
import { readsOf } from "../../expression/template.ts";
import type { ValueConfig } from "../config.ts";
import type { Traits } from "./traits.ts";

export const value: Traits<ValueConfig> = {
	readsFirst: (step) => readsOf(step.value),
	readsLater: () => [],
	hasEffect: () => false,
	longestMs: () => 0,
	free: true,
	repeats: true,
	endsRun: false,
	print: (step) => ({ value: printTemplate(step.value) }),
};
