import { parseDuration } from "../core/units.ts";
import type { Template } from "../expression/template.ts";
import { longestCallMs } from "../policy/retry.ts";
import type { RouteConfig, UpstreamConfig } from "./config.ts";
import {
	inWaitingOrder,
	ownReadsLater,
	readsAfterwards,
	readsIn,
	readsToStart,
	stepsInside,
} from "./graph.ts";
import type { Problem } from "./problem.ts";
import type { Source } from "./source.ts";
import type { CallConfig } from "./steps/call.ts";
import type { Durations } from "./steps/kind.ts";
import type { StepConfig } from "./steps/kinds.ts";
import { kindOf } from "./steps/kinds.ts";

/** An instant in milliseconds from the route's start, with the steps that make it so late, in their order. */
export interface Moment {
	/** Infinity if only the route's deadline bounds it. */
	readonly ms: number;
	/** A step in a group is named by its path: `orders.items`. */
	readonly chain: Chain | null;
}

/** A step behind those before it. A list would be copied for each step, which is quadratic. */
interface Chain {
	readonly step: string;
	readonly before: Chain | null;
	readonly length: number;
}

/** The steps of a chain, in their order. */
export function stepsOf({ chain }: Pick<Moment, "chain">): string[] {
	const steps: string[] = [];
	for (let link = chain; link; link = link.before) steps.push(link.step);
	return steps.reverse();
}

/**
 * When a step starts and ends at the latest. Its chain ends with itself, or with the step of its group that ends last.
 */
export interface StepTimes {
	readonly start: Moment;
	readonly end: Moment;
	/** How many of its items run one after another; 1 without `each`. */
	readonly waves: number;
	/** A group's own steps, by name; with `each` those of its first items. */
	readonly inner: ReadonlyMap<string, StepTimes>;
}

/** The surroundings of a block of steps: a route's own, or a group's. */
interface Surroundings {
	/** When the block itself starts. */
	readonly from: Moment;
	/** When a step around the block has ended; null for a name that is no step. */
	readonly endOf: (name: string) => Moment | null;
	/** `orders.` in the group `orders`. */
	readonly path: string;
	/** How many such blocks run at once at most, because of lists around. */
	readonly atOnce: number;
}

/** How often something is done, and the wait between two times. */
interface Row {
	readonly times: number;
	readonly waitMs: number;
}

const theRoute: Surroundings = {
	from: { ms: 0, chain: null },
	endOf: () => null,
	path: "",
	atOnce: 1,
};

/**
 * The worst case of steps that depend on each other: every step at its longest. A cycle, which is reported elsewhere,
 * is cut somewhere.
 */
export function timesOf(
	steps: readonly StepConfig[],
	durations: Durations,
	{ from, endOf, path, atOnce } = theRoute,
): ReadonlyMap<string, StepTimes> {
	const byName = new Map(steps.map((step) => [step.name, step]));
	const known = new Map<string, StepTimes>();
	const endOfStep = (name: string) => {
		if (!byName.has(name)) return endOf(name);
		return known.get(name)?.end ?? from;
	};
	const lastOf = (names: Iterable<string>, own: string) =>
		[...names].flatMap((name) => (name === own ? [] : (endOfStep(name) ?? [])));

	function timesOfStep(step: StepConfig): StepTimes {
		const { name } = step;
		const before = [...readsToStart(step), ...step.after];
		const start = latest(from, ...lastOf(before, name));
		return { start, ...workOf(step, start) };
	}

	function workOf(step: StepConfig, start: Moment): Omit<StepTimes, "start"> {
		const { name, withinMs, each } = step;
		const waves = each ? durations.waves(each, atOnce) : 1;
		const waits = (names: ReadonlySet<string>) =>
			lastOf(names, name).map((read) => then(read, 0, path + name));
		const fallback = waits(readsIn([step.fallback]));
		const reads = [...waits(ownReadsLater(step)), ...fallback];
		const round = (from: Moment) => {
			const { end, inner } = carryOut(step, from);
			return { end: latest(end, ...reads), inner };
		};
		const item = (from: Moment) => {
			const { end: first, inner } = round(from);
			const end = inARow(roundsOf(step), step, start, first, (from) => {
				return round(from).end;
			});
			return { end, inner };
		};
		const { end: first, inner } = item(start);
		const all = inARow(
			{ times: waves, waitMs: 0 },
			step,
			start,
			first,
			(from) => {
				return item(from).end;
			},
		);
		if (withinMs === null) return { end: all, waves, inner };
		const cut = earliest(then(start, withinMs, path + name), all);
		// The steps that a fallback reads are waited for, although the step's own time is over.
		return { end: latest(cut, ...fallback), waves, inner };
	}

	function roundsOf({ repeat }: StepConfig): Row {
		if (repeat === null) return { times: 1, waitMs: 0 };
		return { times: durations.rounds(repeat), waitMs: repeat.waitMs ?? 0 };
	}

	/** One round of one item, or the step itself. */
	function carryOut(
		step: StepConfig,
		from: Moment,
	): Pick<StepTimes, "end" | "inner"> {
		const itself = path + step.name;
		const inner = timesOf(stepsInside(step), durations, {
			from,
			endOf: endOfStep,
			path: `${itself}.`,
			atOnce: itemsAtOnce(step, atOnce),
		});
		const own = then(from, kindOf(step).longestMs(step, durations), itself);
		return { end: latest(own, ...endsOf(inner)), inner };
	}

	/**
	 * The items after the first ones, or the rounds after the first. A `within` inside a group may end one before a step
	 * around the group has ended. Then the next ones wait for that step too. After all such steps have ended, each takes
	 * the same time. None takes longer than one before it, so the last one tried bounds those that follow.
	 */
	function inARow(
		{ times, waitMs }: Row,
		step: StepConfig,
		start: Moment,
		first: Moment,
		once: (from: Moment) => Moment,
	): Moment {
		let left = times - 1;
		let end = first;
		const around = lastOf(readsAfterwards(step), step.name);
		const settledMs = Math.max(0, ...around.map(({ ms }) => ms));
		const next = () => once({ ms: end.ms + waitMs, chain: start.chain });
		for (let tried = 0; tried < triedMax; tried++) {
			if (left === 0 || end.ms >= settledMs) break;
			const after = next();
			// What takes no time never will.
			if (after.ms === end.ms) return end;
			end = after;
			left--;
		}
		if (left === 0 || end.ms === Number.POSITIVE_INFINITY) return end;
		return then(end, left * (next().ms - end.ms));
	}

	for (const name of inWaitingOrder(steps)) {
		const step = byName.get(name);
		if (step) known.set(name, timesOfStep(step));
	}
	return known;
}

/** How many are worked out one by one. Lists and groups stand in each other, so the work is multiplied at each level. */
const triedMax = 4;

/** How many items of a step run at once at most, if so many of its lists do. */
function itemsAtOnce({ each }: StepConfig, lists: number): number {
	return each ? Math.min(each.parallel, each.max * lists) : lists;
}

/** When the last of these steps has ended. */
export function lastEnd(times: ReadonlyMap<string, StepTimes>): Moment {
	return latest(theRoute.from, ...endsOf(times));
}

function endsOf(times: ReadonlyMap<string, StepTimes>): Moment[] {
	return [...times.values()].map(({ end }) => end);
}

function then({ ms, chain }: Moment, moreMs: number, step?: string): Moment {
	if (!step) return { ms: ms + moreMs, chain };
	const length = lengthOf(chain) + 1;
	return { ms: ms + moreMs, chain: { step, before: chain, length } };
}

function lengthOf(chain: Chain | null): number {
	return chain?.length ?? 0;
}

/** The latest one; of equal ones the longer chain, because it says more. */
function latest(first: Moment, ...others: readonly Moment[]): Moment {
	return others.reduce(
		(last, one) =>
			one.ms > last.ms ||
			(one.ms === last.ms && lengthOf(one.chain) > lengthOf(last.chain))
				? one
				: last,
		first,
	);
}

function earliest(one: Moment, other: Moment): Moment {
	return other.ms < one.ms ? other : one;
}

interface Warned {
	readonly upstreams: ReadonlyMap<string, UpstreamConfig>;
	readonly problems: Problem[];
}

/**
 * A step that can start only when its route's time is over is likely a mistake, but may be meant. Only one item of a
 * list and one round are counted, and nothing for functions. A full list whose every item is slow is no reason to warn.
 */
export function warnOfLongChains(
	{ deadlineMs }: RouteConfig,
	steps: readonly { readonly step: StepConfig; readonly at: number }[],
	proxy: Source | null,
	{ upstreams, problems }: Warned,
): void {
	const times = timesOf(
		steps.map(({ step }) => step),
		{
			callMs: (step) =>
				longestMs(
					step,
					step.timeoutMs ?? writtenTimeoutMs(step, upstreams),
					upstreams,
				),
			functionMs: 0,
			waves: () => 1,
			rounds: () => 1,
		},
	);
	for (const { step, at } of steps) {
		const startMs = times.get(step.name)?.start.ms ?? 0;
		if (kindOf(step).free || startMs < deadlineMs) continue;
		problems.push({
			at,
			warning: true,
			message: `the steps before \`${step.name}\` may take ${startMs} ms, and the route's deadline is ${deadlineMs} ms: it may never start`,
		});
	}
	const { ms } = lastEnd(times);
	if (proxy === null || ms < deadlineMs) return;
	problems.push({
		at: proxy.at,
		warning: true,
		message: `the steps before \`proxy\` may take ${ms} ms, and the route's deadline is ${deadlineMs} ms: a request may never be passed on`,
	});
}

/** How long a call takes at the longest if each attempt takes `timeoutMs`. */
function longestMs(
	step: CallConfig,
	timeoutMs: number,
	upstreams: ReadonlyMap<string, UpstreamConfig>,
): number {
	const retry = upstreams.get(step.upstream)?.retry ?? null;
	if (retry === null || !step.repeatable) return timeoutMs;
	return longestCallMs(timeoutMs, retry);
}

/** The same, with the waits for tokens: one before the call, and one before it is sent once more after a 401. */
export function longestWithTokensMs(
	step: CallConfig,
	timeoutMs: number,
	upstreams: ReadonlyMap<string, UpstreamConfig>,
): number {
	const callMs = longestMs(step, timeoutMs, upstreams);
	const tokenMs = upstreams.get(step.upstream)?.auth?.timeoutMs ?? null;
	return tokenMs === null ? callMs : 2 * (tokenMs + callMs);
}

/** The timeout of the call's upstream; 0 if the environment sets it. */
function writtenTimeoutMs(
	{ upstream }: CallConfig,
	upstreams: ReadonlyMap<string, UpstreamConfig>,
): number {
	const timeout = upstreams.get(upstream)?.timeout;
	return parseDuration(textOf(timeout)) ?? 0;
}

function textOf(template: Template | undefined): string {
	return template?.kind === "literal" ? String(template.value) : "";
}
