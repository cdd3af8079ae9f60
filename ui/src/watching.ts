import { counted } from "./format.ts";
import type { LiveState } from "./state.ts";

/** `3 clients watch 1 answer. 12 runs for them since the start: 2 with another answer, 10 with the same, 0 failed.` */
export function watchingWords({ watches, watchers, runs }: LiveState): string {
	const { changed, unchanged, failed } = runs;
	const now =
		watchers === 0
			? "Nobody watches it now."
			: `${counted(watchers, "client")} ${watchers === 1 ? "watches" : "watch"} ${counted(watches, "answer")}.`;
	const all = changed + unchanged + failed;
	if (all === 0) return now;
	return `${now} ${counted(all, "run")} for those who watch since the start: ${changed} with another answer, ${unchanged} with the same, ${failed} failed.`;
}
