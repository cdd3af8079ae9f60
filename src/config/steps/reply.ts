import { printEntries, printTemplate } from "../../expression/print.ts";
import type { ReplyConfig } from "../config.ts";
import { readsOfAll, type Traits, valuesOf } from "./traits.ts";

export const reply: Traits<ReplyConfig> = {
	readsFirst: ({ status, body, headers }) =>
		readsOfAll([status, body, ...valuesOf(headers)]),
	readsLater: () => [],
	hasEffect: () => true,
	longestMs: () => 0,
	free: false,
	repeats: true,
	endsRun: true,
	print: ({ status, headers, body }) => ({
		status: printTemplate(status),
		headers: printEntries(headers),
		body: { value: printTemplate(body) },
	}),
};
