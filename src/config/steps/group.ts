import { printTemplate } from "../../expression/print.ts";
import { readsOf } from "../../expression/template.ts";
import type { GroupConfig } from "../config.ts";
import type { Traits } from "./traits.ts";

/** The reads, effects and times of the steps inside are their own. */
export const group: Traits<GroupConfig> = {
	readsFirst: () => [],
	readsLater: ({ value }) => readsOf(value),
	hasEffect: () => false,
	longestMs: () => 0,
	free: false,
	repeats: true,
	endsRun: false,
	print: ({ value }) => ({ value: value && printTemplate(value) }),
};
