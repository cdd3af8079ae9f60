import { printTemplate } from "../../expression/print.ts";
import { readsOf } from "../../expression/template.ts";
import type { RunConfig } from "../config.ts";
import type { Traits } from "./traits.ts";

/** A function may do anything: read clocks and files, and change something. */
export const run: Traits<RunConfig> = {
	readsFirst: ({ args }) => readsOf(args),
	readsLater: () => [],
	hasEffect: () => true,
	longestMs: (_, { functionMs }) => functionMs,
	free: false,
	repeats: false,
	endsRun: false,
	print: ({ reference, args, worker }) => ({
		run: reference,
		args: args && { value: printTemplate(args) },
		worker: worker || null,
	}),
};
