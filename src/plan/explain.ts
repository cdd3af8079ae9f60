import type { EachConfig } from "../config/steps/common.ts";
import type { Durations } from "../config/steps/kind.ts";
import { printCallTarget, printChannelTarget } from "../config/steps/sent.ts";
import {
	lastEnd,
	longestWithTokensMs,
	type StepTimes,
	stepsOf,
	timesOf,
} from "../config/timing.ts";
import { allRead } from "../core/all-read.ts";
import { printTemplate } from "../expression/print.ts";
import {
	type AsksAs,
	type AuthExplanation,
	explainAsked,
	explainAuth,
} from "./explain-auth.ts";
import { firstWrites } from "./first-writes.ts";
import { partsOf } from "./parts.ts";
import type { LivePlan, Plan, RoutePlan, StepPlan, StepRef } from "./plan.ts";
import { type PrintedTarget, printTargets } from "./print.ts";
import { watchedBy } from "./watched.ts";

/**
 * A route's steps, and the longest time that it takes. Plain JSON, and public: `sluice explain --json` prints it. Names
 * are those of the config. Times are milliseconds from the start of the route.
 */
export interface RouteExplanation {
	readonly route: string;
	readonly summary: string | null;
	/** Who may ask; null if the config has no `auth`. */
	readonly auth: AuthExplanation | null;
	/** As whom it asks upstreams. One without `auth` and certificate is not there, also if its `headers` or `query` hold credentials. */
	readonly asks: readonly AsksAs[];
	readonly deadlineMs: number;
	/** Where a proxied route passes requests on to; null for a route that makes its answer itself. */
	readonly proxy: {
		/** A request goes to the first whose condition holds. The last has none. */
		readonly targets: readonly PrintedTarget[];
		/** When a request is passed on at the latest: after its steps. Null: only the deadline bounds it. */
		readonly passedOnMs: number | null;
		/** How long the answer's body may stand still. It has no other bound. */
		readonly idleMs: number;
		/** How long a WebSocket may stand still. Null: none is passed on. */
		readonly websocketIdleMs: number | null;
	} | null;
	/** What clients listen to: `room/${params.id}`; null for a route that makes an answer. */
	readonly listen: string | null;
	/**
	 * When the answer is there at the latest: after the longest chain, or at the deadline. For a proxied answer this is
	 * its head. For a route that listens this is when it begins to.
	 */
	readonly worstMs: number;
	/** The longest chain of steps, one after the other. Its time is null if only the deadline ends it. */
	readonly longestChain: {
		readonly steps: readonly string[];
		readonly ms: number | null;
	};
	readonly steps: readonly StepExplanation[];
	/** The steps that the answer is made of, or that passing a request on reads. */
	readonly answerReads: readonly string[];
	/** The parts in which clients may ask for the answer; null if it is always sent whole. */
	readonly parts: readonly PartExplanation[] | null;
	/** How clients may watch the answer; null if it is not live. */
	readonly live: LiveExplanation | null;
	/**
	 * The steps that may be the first to write: `order`, `orders.item` in a group. Once a write was sent, the run goes on
	 * to its end or its deadline, although the client leaves. Empty: a client that leaves ends the run.
	 */
	readonly finishedFrom: readonly string[];
	/** The author's own columns in the history. */
	readonly records: readonly string[];
}

export interface LiveExplanation {
	/** From one run to the next. Null without a time. */
	readonly everyMs: number | null;
	/**
	 * The channel after whose messages it runs: `room/${params.id}`. Null for none. Without both it runs again when an answer of
	 * an upstream is no longer fresh.
	 */
	readonly on: string | null;
	/** Whether changes are sent as JSON Merge Patch. */
	readonly diff: boolean;
	/**
	 * What all have in common who share a run: `params.id`, `request.ip`, or `forwarded` for what an upstream is told of the
	 * client. Empty: everybody shares it.
	 */
	readonly sharedBy: readonly string[];
	/** The most that are watched at once, and the most clients that watch. */
	readonly watchesMax: number;
	readonly watchersMax: number;
}

export interface PartExplanation {
	/** The name of a member, or the number of an item; null for an answer that is one part. */
	readonly at: string | number | null;
	/** The steps that have to end before it is sent. */
	readonly waitsFor: readonly string[];
	/**
	 * Present if it is a list whose items are sent one by one: the step that makes them, and the steps that have to end before
	 * the first.
	 */
	readonly items: {
		readonly step: string;
		readonly waitsFor: readonly string[];
	} | null;
}

export interface StepExplanation {
	readonly name: string;
	readonly kind: StepPlan["kind"];
	/** `GET users/users/${params.id}`, `publish room/7`, or `./score.ts#score`; null for the other kinds. */
	readonly call: string | null;
	/** The most attempts of its call; null if it is no call. */
	readonly attempts: number | null;
	/**
	 * The members of its answer that are read: `main.temp`. The rest is only checked. Null: the whole may be read, or it is no
	 * call.
	 */
	readonly answerMembers: readonly string[] | null;
	/** Whether it may change something. Then it is waited for although nothing reads it. */
	readonly writes: boolean;
	/** The call that undoes it: `DELETE users/orders/${answer.id}`; null if there is none. */
	readonly undo: string | null;
	/** Whether it is a reply that has everything undone that was written. */
	readonly undoes: boolean;
	/** Whether it is a function that runs on a thread. */
	readonly onThread: boolean;
	/** The condition, as written; null if it always runs. */
	readonly when: unknown;
	/** `waves` is how many items run one after another before `max` are done. */
	readonly each:
		| (Omit<EachConfig, "list"> & {
				readonly list: unknown;
				readonly waves: number;
		  })
		| null;
	/** Its rounds, one after the other; null if it is not repeated. */
	readonly repeat: {
		/** The condition, as written. */
		readonly while: unknown;
		readonly max: number;
		/** Null: the next round begins at once. */
		readonly waitMs: number | null;
	} | null;
	/** The steps that it waits for before it starts. */
	readonly startsAfter: readonly string[];
	/** The steps that it may read after it has started. It waits for them only if it reads them. */
	readonly readsLater: readonly string[];
	/** Null: only the deadline bounds it. */
	readonly latestStartMs: number | null;
	readonly latestEndMs: number | null;
	/** The effect of its failure on the route. */
	readonly onFailure: "fails the route" | "fallback" | "null";
	/** A group's own steps; empty for the other kinds. With `each` the times are those of its first items. */
	readonly steps: readonly StepExplanation[];
}

/** Explains every route of a plan. `timeoutsMs` are those of the plan's upstreams, in its order. Pure. */
export function explain(
	plan: Plan,
	timeoutsMs: readonly number[],
): RouteExplanation[] {
	const timeouts = new Map(
		plan.upstreams.map(({ name }, index) => [name, timeoutsMs[index] ?? 0]),
	);
	const upstreams = new Map(plan.upstreams.map((one) => [one.name, one]));
	const durations: Durations = {
		callMs: (step) =>
			longestWithTokensMs(
				step,
				step.timeoutMs ?? timeouts.get(step.upstream) ?? 0,
				upstreams,
			),
		functionMs: Number.POSITIVE_INFINITY,
		waves: wavesOf,
		rounds: ({ max }) => max,
	};
	return plan.routes.map((route) => ({
		...explainRoute(route, durations, plan),
		live: route.live && explainLive(route, route.live, plan),
	}));
}

function explainRoute(
	route: RoutePlan,
	durations: Durations,
	plan: Plan,
): Omit<RouteExplanation, "live"> {
	const times = timesOf(route.steps, durations);
	const { proxy } = route;
	const { ms, chain } = lastEnd(times);
	const wholeMs = proxy ? Number.POSITIVE_INFINITY : ms;
	const names = route.steps.map(({ name }) => name);
	return {
		route: route.key,
		summary: route.summary,
		auth: explainAuth(route, plan),
		asks: explainAsked(route, plan),
		deadlineMs: route.deadlineMs,
		proxy: proxy && {
			targets: printTargets(route, proxy),
			passedOnMs: ms < route.deadlineMs ? ms : null,
			idleMs: proxy.idleMs,
			websocketIdleMs: proxy.websocket?.idleMs ?? null,
		},
		listen: route.listen && printChannelTarget(route.listen),
		worstMs: Math.min(wholeMs, route.deadlineMs),
		longestChain: { steps: stepsOf({ chain }), ms: finite(ms) },
		steps: explainSteps(route.steps, times, []),
		answerReads: route.respondReads.flatMap((index) => names[index] ?? []),
		parts: explainParts(route, names),
		finishedFrom: firstWrites(route.steps),
		records: route.record.map(({ name }) => name),
	};
}

function explainParts(
	route: RoutePlan,
	names: readonly string[],
): RouteExplanation["parts"] {
	const named = (indexes: readonly number[]) =>
		indexes.flatMap((index) => names[index] ?? []);
	const parts = partsOf(route)?.map(({ at, waitsFor, items }) => ({
		at,
		waitsFor: named(waitsFor),
		items: items && {
			step: names[items.step] ?? "",
			waitsFor: named(items.waitsFor),
		},
	}));
	return parts ?? null;
}

function explainLive(
	route: RoutePlan,
	{ everyMs, on, diff, watchesMax, watchersMax, ...unread }: LivePlan,
	{ upstreams }: Plan,
): LiveExplanation {
	allRead(unread);
	const { values, ip, path, way, credentials } = watchedBy(route, upstreams);
	const sharedBy = [
		...values,
		...(ip ? ["request.ip"] : []),
		...(path ? ["request.path"] : []),
		...(way ? ["forwarded"] : []),
		...(credentials ? ["authorization"] : []),
	];
	return {
		...{ everyMs, on: on && printChannelTarget(on), diff, sharedBy },
		...{ watchesMax, watchersMax },
	};
}

function explainSteps(
	steps: readonly StepPlan[],
	times: ReadonlyMap<string, StepTimes>,
	around: readonly (readonly string[])[],
): StepExplanation[] {
	const blocks = [steps.map(({ name }) => name), ...around];
	return steps.flatMap((step) => {
		const found = times.get(step.name);
		return found ? [explainStep(step, found, blocks)] : [];
	});
}

/** `blocks` are the names of the steps of the step's own block, then of each block around it. */
function explainStep(
	step: StepPlan,
	{ start, end, waves, inner }: StepTimes,
	blocks: readonly (readonly string[])[],
): StepExplanation {
	const { each, repeat } = step;
	const namesOf = (refs: readonly StepRef[]) =>
		refs.flatMap(({ up, index }) => blocks[up]?.[index] ?? []);
	return {
		name: step.name,
		kind: step.kind,
		...workOf(step),
		when: step.when && printTemplate(step.when),
		each: each && {
			...each,
			list: printTemplate(each.list),
			waves,
		},
		repeat: repeat && {
			while: printTemplate(repeat.condition),
			max: repeat.max,
			waitMs: repeat.waitMs,
		},
		startsAfter: namesOf(step.startsAfter),
		readsLater: namesOf(step.readsLater),
		latestStartMs: finite(start.ms),
		latestEndMs: finite(end.ms),
		onFailure: onFailureOf(step),
		steps: "steps" in step ? explainSteps(step.steps, inner, blocks) : [],
	};
}

/** The facts about calls, messages and functions alone. */
function workOf(
	step: StepPlan,
): Pick<
	StepExplanation,
	| "call"
	| "attempts"
	| "answerMembers"
	| "writes"
	| "undo"
	| "undoes"
	| "onThread"
> {
	const other = {
		...{ call: null, attempts: null, answerMembers: null, writes: false },
		...{ undo: null, undoes: false, onThread: false },
	};
	switch (step.kind) {
		case "call": {
			const { attempts, write: writes } = step;
			const call = printCallTarget(step);
			const undo = step.undo && printCallTarget(step.undo);
			const answerMembers =
				step.answerMembers?.map((path) => path.join(".")) ?? null;
			return { ...other, call, attempts, answerMembers, writes, undo };
		}
		case "publish": {
			const call = `publish ${printChannelTarget(step)}`;
			return { ...other, call, writes: true };
		}
		case "reply":
			return { ...other, undoes: step.undo };
		case "run":
			return { ...other, call: step.reference, onThread: step.worker };
		default:
			return other;
	}
}

function onFailureOf(step: StepPlan): StepExplanation["onFailure"] {
	if (step.fallback !== null) return "fallback";
	if (step.optional) return "null";
	return "fails the route";
}

/** Each list has so many items under way, and all lists share the places. Whoever has come first has the next place. */
function wavesOf({ max, parallel }: EachConfig, lists: number): number {
	const lines = Math.min(max, parallel);
	return Math.ceil(max / lines) * Math.ceil((lists * lines) / parallel);
}

function finite(ms: number): number | null {
	return Number.isFinite(ms) ? ms : null;
}
