import { counted, shownMs } from "./format.ts";
import type { StoreState } from "./state.ts";

const words = {
	up: "good",
	connecting: "warning",
	away: "bad",
} as const;

/** How the shared store is, what came of its calls, and what this gateway has decided alone: a tone and two sentences. */
export function storeWords({
	state,
	reason,
	forMs,
	calls,
	local,
}: StoreState): { readonly tone: string; readonly text: string } {
	const { answered, slow, failed } = calls;
	const now = {
		up: `up for ${shownMs(forMs)}`,
		connecting: "not reached yet: each process is alone",
		away: `away for ${shownMs(forMs)} (${reason ?? "unknown"}): each process is alone`,
	}[state];
	const made = answered + slow + failed;
	const came =
		made === 0
			? "not asked yet"
			: `${counted(made, "call")} since the start, ${slow} late, ${failed} failed`;
	const alone = Object.entries(local)
		.filter(([, count]) => count > 0)
		.map(([use, count]) => `${count} of ${use}`);
	const decided = alone.length === 0 ? "" : `; alone: ${alone.join(", ")}`;
	return { tone: words[state], text: `${now}; ${came}${decided}` };
}
