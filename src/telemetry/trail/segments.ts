import type { AttemptTrail, CallTrail, StepTrail } from "../../core/trail.ts";
import type { Spent } from "./critical-path.ts";

/** A piece of a step's time, in milliseconds on the gateway's clock. */
export interface Segment {
	readonly fromMs: number;
	readonly toMs: number;
	readonly spent: Spent;
}

/**
 * What a step's time was spent on, from when it was ready. Of segments that overlap the later one says more. `endMs` ends
 * what had not ended.
 */
export function segmentsOf(step: StepTrail, endMs: number): Segment[] {
	const toMs = step.endedMs ?? endMs;
	// A list that was carried out has only its items' starts.
	const startedMs =
		step.startedMs ?? (isCarriedOut(step) ? step.readyMs : toMs);
	const waits = step.waits.map(
		({ steps, fromMs, toMs: until }): Segment => ({
			...{ fromMs, toMs: until ?? toMs },
			spent: steps.length === 0 ? "repeat" : "step",
		}),
	);
	return [
		{ fromMs: step.readyMs, toMs: startedMs, spent: "turn" },
		{ fromMs: startedMs, toMs, spent: "computing" },
		...waits,
		...step.calls.flatMap((call) => segmentsOfCall(call, toMs)),
	];
}

function isCarriedOut({ end }: StepTrail): boolean {
	return end === "ok" || end === "filled" || end === "failed";
}

function segmentsOfCall(call: CallTrail, endMs: number): Segment[] {
	const { startedMs: fromMs, attempts } = call;
	const toMs = call.endedMs ?? endMs;
	const [first] = attempts;
	const lastStartMs = attempts.at(-1)?.startedMs ?? toMs;
	if (first === undefined) return [{ fromMs, toMs, spent: "shared" }];
	return [
		{ fromMs, toMs: first.startedMs, spent: "slot" },
		{ fromMs: first.startedMs, toMs: lastStartMs, spent: "retry" },
		...attempts.flatMap((attempt, at) =>
			segmentsOfAttempt(attempt, toMs, isHedge(attempts, at)),
		),
	];
}

/** Whether an attempt of a call began while the one before it was under way. */
export function isHedge(
	attempts: readonly AttemptTrail[],
	at: number,
): boolean {
	const before = attempts[at - 1];
	if (before === undefined) return false;
	const { startedMs } = attempts[at] as AttemptTrail;
	return (before.endedMs ?? Number.POSITIVE_INFINITY) > startedMs;
}

/** An attempt that lost goes on as long as its call at most. */
function segmentsOfAttempt(
	{ startedMs, placedMs, sentMs, headMs, endedMs }: AttemptTrail,
	callEndMs: number,
	hedges: boolean,
): Segment[] {
	const begun = [
		[startedMs, "slot"],
		[placedMs, "connection"],
		[sentMs, hedges ? "hedge" : "upstream"],
		[headMs, "body"],
	] as const;
	const reached = begun.filter(([atMs]) => atMs !== null);
	const lastMs = Math.min(endedMs ?? callEndMs, callEndMs);
	return reached.map(([atMs, spent], at) => ({
		fromMs: atMs as number,
		toMs: Math.min(reached[at + 1]?.[0] ?? lastMs, lastMs),
		spent,
	}));
}
