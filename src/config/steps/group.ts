import { printTemplate } from "../../expression/print.ts";
import { readsOf } from "../../expression/template.ts";
import type { GroupConfig } from "../config.ts";
import type { Traits } from "./traits.ts";

/** What the steps inside read, do and take is their own. */
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
