import type { Decision, PolicyKey } from "../../src/core/events.ts";
import type {
	PathPart,
	Spent,
} from "../../src/telemetry/trail/critical-path.ts";
import type {
	RequestDetail,
	ShownAttempt,
	ShownCall,
	ShownError,
	ShownStep,
} from "../../src/telemetry/trail/shown-request.ts";
import { shownBytes, shownMs, shownStep } from "./format.ts";

/** A stretch of a request's time, in milliseconds from its arrival. */
export interface Stretch {
	readonly fromMs: number;
	readonly toMs: number;
	readonly spent: Spent;
}

/** What stands on a bar and in the legend. */
export const wordOf: Readonly<Record<Spent, string>> = {
	reading: "reads input",
	queue: "in queue",
	turn: "waits for its turn",
	parallel: "waits in list",
	computing: "computes",
	slot: "waits for a place",
	connection: "connects",
	upstream: "upstream",
	body: "body comes",
	retry: "pauses",
	repeat: "pauses",
	hedge: "second attempt",
	shared: "shared",
	step: "waits for steps",
	answer: "makes answer",
	unfinished: "cut",
};

/** Says what a step's time was spent on, as a sentence without a subject: "waited 40 ms for a place among the calls to users". */
export function sentenceOf(stretch: Stretch, step: ShownStep | null): string {
	const ms = shownMs(stretch.toMs - stretch.fromMs);
	const call = step && callAt(step, stretch);
	const attempt = call && attemptAt(call, stretch);
	const upstream = call?.upstream ?? "the upstream";
	switch (stretch.spent) {
		case "reading":
			return `read and judged the request's input for ${ms}`;
		case "queue":
			return `waited ${ms} for its place among the requests in progress`;
		case "turn":
			return `waited ${ms} for its turn to compute`;
		case "parallel":
			return `waited ${ms} for its place in the list, because only so many items run at once`;
		case "computing":
			return `computed for ${ms}`;
		case "slot":
			return `waited ${ms} for a place among the calls to ${upstream}`;
		case "connection":
			return `waited ${ms} for ${attempt?.kept ? "an open" : "a new"} connection to ${upstream}`;
		case "upstream":
			return upstreamSentence(upstream, ms, call, attempt);
		case "body":
			return `read the body of the answer of ${upstream} for ${ms}${attempt ? ` (${shownBytes(attempt.bytes)})` : ""}`;
		case "retry":
			return `paused ${ms} before another attempt${whyAgain(call)}`;
		case "repeat":
			return `paused ${ms} before the next round`;
		case "hedge":
			return `waited ${ms} for ${upstream} with a second attempt, because the first one took long`;
		case "shared":
			return sharedSentence(call, ms);
		case "step":
			return `waited ${ms} for ${step ? awaited(step, stretch) : "a step"}`;
		case "answer":
			return `made the answer for ${ms}, after all steps had ended`;
		case "unfinished":
			return `ended after ${ms}, before its steps did`;
	}
}

function upstreamSentence(
	upstream: string,
	ms: string,
	call: ShownCall | null,
	attempt: ShownAttempt | null,
): string {
	if (call === null || attempt === null) return `waited ${ms} for ${upstream}`;
	const number = call.attempts.indexOf(attempt) + 1;
	const which = call.attempts.length > 1 ? `, attempt ${number}` : "";
	const result =
		attempt.status === null
			? attempt.error && `in vain: ${attempt.error.code}`
			: `which answered ${attempt.status}`;
	return `waited ${ms} for ${upstream}${which}${result ? `, ${result}` : ""}`;
}

function sharedSentence(call: ShownCall | null, ms: string): string {
	const made = new Set(call?.decisions.map(({ decision }) => decision));
	const upstream = call?.upstream ?? "the upstream";
	if (made.has("joined")) {
		return `waited ${ms} for an equal call to ${upstream} that was under way already`;
	}
	if (made.has("hit")) return `took the answer of ${upstream} from the cache`;
	if (made.has("stale")) {
		return `took a stale answer of ${upstream} from the cache`;
	}
	if (call?.error) return `was not sent to ${upstream}: ${call.error.code}`;
	return `got its answer within ${ms} without an attempt of its own`;
}

function whyAgain(call: ShownCall | null): string {
	const again = call?.decisions.find(
		({ policy, decision }) => policy === "retry" && decision === "attempt",
	);
	return again?.reason ? `, because of ${again.reason}` : "";
}

function awaited(step: ShownStep, stretch: Stretch): string {
	const middle = middleOf(stretch);
	const wait = step.waits.find(
		({ fromMs, toMs }) =>
			fromMs <= middle && (toMs ?? Number.POSITIVE_INFINITY) >= middle,
	);
	return wait && wait.steps.length > 0 ? listed(wait.steps) : "its steps";
}

function listed(names: readonly string[]): string {
	if (names.length < 2) return names.join("");
	return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

function callAt(step: ShownStep, stretch: Stretch): ShownCall | null {
	return lastAround(step.calls, stretch) ?? step.calls.at(-1) ?? null;
}

function attemptAt(call: ShownCall, stretch: Stretch): ShownAttempt | null {
	return lastAround(call.attempts, stretch);
}

function lastAround<
	T extends { readonly startedMs: number; readonly endedMs: number | null },
>(all: readonly T[], stretch: Stretch): T | null {
	const middle = middleOf(stretch);
	const found = all.findLast(
		({ startedMs, endedMs }) =>
			startedMs <= middle && (endedMs ?? Number.POSITIVE_INFINITY) >= middle,
	);
	return found ?? null;
}

function middleOf({ fromMs, toMs }: Stretch): number {
	return (fromMs + toMs) / 2;
}

/** How a step ended, and why, in a few words. */
export function endOf({ end, error, calls }: ShownStep): string {
	// Nothing went wrong: nobody needed it any more.
	if (error?.code === "call_aborted") return "cut";
	switch (end) {
		case "aborted":
			return "cut";
		case "ok":
			return String(calls.at(-1)?.status ?? "done");
		case "filled":
			return `filled in: ${error?.code ?? "failed"}`;
		case "failed":
			return `failed: ${error?.code ?? "failed"}`;
		case "skipped":
			return "skipped: its condition did not hold";
		case "dropped":
			return "dropped: nothing needed it any more";
		case "never_begun":
			return "never begun: it still waited";
		case null:
			return "";
	}
}

type DecisionWords = {
	readonly [Policy in PolicyKey]: Readonly<Record<Decision<Policy>, string>>;
};

/** `#` is the number that stands with a decision. */
const decisionWords: DecisionWords = {
	cache: {
		hit: "the cache had the answer",
		miss: "the cache had no answer",
		stale: "a stale answer of the cache stood in",
		revalidated: "the upstream confirmed the answer of the cache",
		refresh_failed: "the cache could not get a newer answer",
		invalidated: "the cache forgot answers that this write changed",
		shared: "another gateway had it",
	},
	coalesce: { joined: "joined an equal call that was under way" },
	retry: {
		attempt: "began attempt #",
		no_time: "made no further attempt, because there was no time for it",
		no_budget: "made no further attempt, because the budget was used up",
	},
	hedge: {
		attempt: "began attempt # beside the first, which took long",
		won: "attempt # answered first",
		no_slot: "began no second attempt, because no place was free",
		no_budget: "began no second attempt, because the budget was used up",
	},
	breaker: {
		opened: "the breaker opened",
		refused: "the open breaker refused the call",
		probe: "the call tried whether the upstream is well again",
		stays_open: "the breaker stays open",
		closed: "the breaker closed",
	},
	limiter: {
		limit: "the limiter now lets # calls run at once",
		refused: "the limiter refused the call",
	},
	urls: {
		chosen: "URL # is chosen again",
		left_out: "URL # is left out from now on",
	},
	auth: {
		waited: "waited for a token",
		renewed: "sent the call once more, with another token",
		failed: "there was no token",
	},
};

/** What a policy did, in words. */
export function decisionSentence({
	policy,
	decision,
	number,
	reason,
}: ShownCall["decisions"][number]): string {
	const words = (decisionWords[policy] as Readonly<Record<string, string>>)[
		decision
	];
	const said = (words ?? `${policy}: ${decision}`).replace("#", `${number}`);
	return reason === null ? said : `${said} (${reason})`;
}

/** A word for each thing that policies did about a step's calls: `retried 2×`, `from cache`. */
export function marksOf({ calls }: ShownStep): string[] {
	const made = calls.flatMap(({ decisions }) => decisions);
	const count = (policy: PolicyKey, decision: Decision) =>
		made.filter((one) => one.policy === policy && one.decision === decision)
			.length;
	const retries = count("retry", "attempt");
	const marks: readonly (readonly [string, unknown])[] = [
		[`retried ${retries}×`, retries],
		["no time to retry", count("retry", "no_time")],
		["retry budget used up", count("retry", "no_budget")],
		["hedged", count("hedge", "attempt")],
		["hedge won", count("hedge", "won")],
		["from cache", count("cache", "hit")],
		["stale", count("cache", "stale")],
		["revalidated", count("cache", "revalidated")],
		["joined", count("coalesce", "joined")],
		["breaker open", count("breaker", "refused")],
		["limiter full", count("limiter", "refused")],
	];
	return marks.flatMap(([word, made]) => (made ? [word] : []));
}

/** An error in one line, for operators. */
export function errorLine({
	code,
	message,
	upstreamStatus,
}: ShownError): string {
	const status = upstreamStatus === undefined ? "" : ` (${upstreamStatus})`;
	return `${code}${status}${message === null ? "" : `: ${message}`}`;
}

/** A line of the critical path in words. */
export interface PathLine {
	readonly fromMs: number;
	readonly toMs: number;
	readonly subject: string;
	readonly sentence: string;
}

/** The shortest part of a request that is told in words. */
export function leastMs({
	durationMs,
}: Pick<RequestDetail, "durationMs">): number {
	return Math.max(0.1, durationMs / 1000);
}

/** The critical path as lines, in order. Parts that are too short to speak of are left out. */
export function pathLines(
	detail: Pick<RequestDetail, "criticalPath" | "steps" | "durationMs">,
): PathLine[] {
	const least = leastMs(detail);
	const told = joined(detail.criticalPath).filter(
		({ fromMs, toMs }) => toMs - fromMs >= least,
	);
	return told.map((part) => {
		const step =
			detail.steps.find(
				({ path, index }) =>
					path === part.step && index.join() === part.index.join(),
			) ?? null;
		const subject =
			part.step === null ? "the request" : shownStep(part.step, part.index);
		const { fromMs, toMs } = part;
		return { fromMs, toMs, subject, sentence: sentenceOf(part, step) };
	});
}

/** Without cuts between parts that say the same. */
function joined(path: RequestDetail["criticalPath"]): PathPart[] {
	const parts: PathPart[] = [];
	for (const part of path) {
		const last = parts.at(-1);
		const same =
			last?.spent === part.spent &&
			part.spent === "computing" &&
			last.step === part.step &&
			last.index.join() === part.index.join();
		if (same) parts[parts.length - 1] = { ...last, toMs: part.toMs };
		else parts.push(part);
	}
	return parts;
}
