import type { AttemptEnded, RequestEnded } from "../../core/events.ts";
import type { StepTrail } from "../../core/trail.ts";
import type { Plan, StepPlan } from "../../plan/plan.ts";
import { errorTypeOf, isCancelled } from "../trail/attempt-end.ts";
import { isOpenEnded } from "../trail/shown-request.ts";
import {
	Numbers,
	type Outcome,
	type Rate,
	Recent,
	rateOf,
	sumOfRates,
} from "./rate.ts";

/** What happened in the time since the one before. */
export interface Rates {
	/** When it ended, as RFC 3339 has it. */
	readonly at: string;
	readonly forMs: number;
	readonly requests: Rate;
	readonly routes: readonly (Rate & { readonly route: string | null })[];
	readonly upstreams: readonly (Rate & { readonly upstream: string })[];
}

/** The numbers of a route or an upstream. Those of the last moment are kept only while somebody wants them. */
class Series {
	readonly recent = new Recent();
	readonly moment = new Numbers();
}

class RouteSeries extends Series {
	readonly steps: ReadonlyMap<string, StepSeries>;

	constructor(steps: ReadonlyMap<string, StepSeries>) {
		super();
		this.steps = steps;
	}
}

/** The numbers of a step. Records of its items and rounds are longer than `depth`. */
interface StepSeries {
	readonly depth: number;
	readonly recent: Recent;
}

/** The recent numbers of one route. */
export interface RecentRoute {
	readonly recent: Rate;
	readonly steps: readonly (Rate & { readonly step: string })[];
}

/** Counts and times of all that a plan names. They take the same room however much happens. */
export class RateCounter {
	/** Whether the numbers of the last moment are kept. */
	live = false;
	readonly #all = new Numbers();
	/** Null has requests without a route. */
	readonly #routes: ReadonlyMap<string | null, RouteSeries>;
	readonly #upstreams: ReadonlyMap<string, Series>;

	/** Whether rates have their buckets. */
	readonly #adds: boolean;

	constructor({ routes, upstreams }: Plan, adds = false) {
		this.#adds = adds;
		this.#routes = new Map([
			[null, ofSteps([])],
			...routes.map(({ key, steps }) => [key, ofSteps(steps)] as const),
		]);
		this.#upstreams = new Map(
			upstreams.map(({ name }) => [name, new Series()]),
		);
	}

	request(end: RequestEnded, steps: readonly StepTrail[], atMs: number): void {
		const series = this.#routes.get(end.route);
		if (series === undefined) return;
		const { durationMs } = end;
		const outcome = outcomeOf(end);
		if (!isOpenEnded(end)) {
			series.recent.add(atMs, durationMs, outcome);
			if (this.live) {
				series.moment.add(durationMs, outcome);
				this.#all.add(durationMs, outcome);
			}
		}
		for (const step of steps) {
			const { path, index, readyMs, endedMs, end: ended, error } = step;
			const of = series.steps.get(path);
			if (of === undefined || index.length !== of.depth) continue;
			if (ended !== "ok" && ended !== "filled" && ended !== "failed") continue;
			const ms = (endedMs ?? atMs) - readyMs;
			of.recent.add(atMs, ms, error === null ? "ok" : "error");
		}
	}

	attempt({ call, attempt }: AttemptEnded): void {
		const series = this.#upstreams.get(call.upstream);
		const { placedMs, endedMs } = attempt;
		if (series === undefined || placedMs === null || endedMs === null) return;
		if (isCancelled(attempt)) return;
		const outcome = errorTypeOf(attempt) === "" ? "ok" : "error";
		const ms = endedMs - placedMs;
		series.recent.add(endedMs, ms, outcome);
		if (this.live) series.moment.add(ms, outcome);
	}

	/** The recent numbers of a route's requests, and of its steps in the plan's order. */
	ofRoute(key: string | null, atMs: number): RecentRoute {
		const { recent, steps } = this.#routes.get(key) ?? ofSteps([]);
		return {
			recent: recent.rate(atMs, this.#adds),
			steps: [...steps].map(([step, { recent: own }]) => ({
				step,
				...own.rate(atMs, this.#adds),
			})),
		};
	}

	/** The recent numbers of an upstream's attempts. */
	ofUpstream(name: string, atMs: number): Rate {
		const { recent } = this.#upstreams.get(name) ?? new Series();
		return recent.rate(atMs, this.#adds);
	}

	/** The numbers since the last time. Then they begin anew. */
	takeMoment(): Omit<Rates, "at" | "forMs"> {
		const taken = (moment: Numbers) => {
			const rate = rateOf([moment], this.#adds);
			moment.clear();
			return rate;
		};
		const requests = taken(this.#all);
		const some = ([, { moment }]: readonly [unknown, Series]) =>
			moment.count > 0;
		return {
			requests,
			routes: [...this.#routes]
				.filter(some)
				.map(([route, { moment }]) => ({ route, ...taken(moment) })),
			upstreams: [...this.#upstreams]
				.filter(some)
				.map(([upstream, { moment }]) => ({ upstream, ...taken(moment) })),
		};
	}
}

/** The rates of several processes as one. */
export function ratesTogether(
	all: readonly Rates[],
	{ at, forMs }: Pick<Rates, "at" | "forMs">,
): Rates {
	const routes = Map.groupBy(
		all.flatMap((one) => one.routes),
		({ route }) => route,
	);
	const upstreams = Map.groupBy(
		all.flatMap((one) => one.upstreams),
		({ upstream }) => upstream,
	);
	return {
		...{ at, forMs },
		requests: sumOfRates(all.map(({ requests }) => requests)),
		routes: [...routes].map(([route, some]) => ({
			route,
			...sumOfRates(some),
		})),
		upstreams: [...upstreams].map(([upstream, some]) => ({
			upstream,
			...sumOfRates(some),
		})),
	};
}

function outcomeOf({ status, missing }: RequestEnded): Outcome {
	if (status >= 500) return "error";
	return missing.length > 0 ? "partial" : "ok";
}

function ofSteps(steps: readonly StepPlan[]): RouteSeries {
	return new RouteSeries(new Map(seriesOf(steps, "", 0)));
}

/** `depth` is the number of lists and repeats around them. */
function* seriesOf(
	steps: readonly StepPlan[],
	before: string,
	depth: number,
): Iterable<[string, StepSeries]> {
	for (const step of steps) {
		const path = before + step.name;
		yield [path, { depth, recent: new Recent() }];
		if (!("steps" in step)) continue;
		const inner =
			depth + Number(step.each !== null) + Number(step.repeat !== null);
		yield* seriesOf(step.steps, `${path}.`, inner);
	}
}
