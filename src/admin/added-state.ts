import type { LoadLevel } from "../core/events.ts";
import { sumOfRates } from "../telemetry/traffic/rate.ts";
import type {
	ShownRoute,
	ShownStore,
	ShownUpstream,
	ShownWorker,
	State,
} from "./state-page.ts";

/** What a process says of itself; null if it does not answer. */
export interface WorkerState {
	readonly worker: number;
	readonly state: State | null;
}

/** From the best to the worst. */
const loads: readonly LoadLevel[] = ["normal", "skipping", "refusing"];
const breakers = ["closed", "half_open", "open"] as const;
const stores = ["up", "connecting", "away"] as const;

/** The states of several processes as one. Null if none answers. */
export function addedState(
	all: readonly WorkerState[],
	own: Pick<State, "at" | "startedAt" | "draining">,
): State | null {
	const states = all.flatMap(({ state }) => state ?? []);
	const [first] = states;
	if (first === undefined) return null;
	return {
		...first,
		...own,
		load: worst(
			loads,
			states.map(({ load }) => load),
		),
		requests: summed(states.map(({ requests }) => requests)),
		threads: summed(states.map(({ threads }) => threads)),
		live: byName(
			states.map(({ live }) => live),
			"route",
			summed,
		),
		store: addedStore(states.flatMap(({ store }) => store ?? [])),
		jobs: addedJobs(states.flatMap(({ jobs }) => jobs ?? [])),
		memory: summed(states.map(({ memory }) => memory)),
		loop: {
			lateMs: Math.max(...states.map(({ loop }) => loop.lateMs)),
			busy: rounded(mean(states.map(({ loop }) => loop.busy))),
		},
		connections: summed(states.map(({ connections }) => connections)),
		upstreams: byName(
			states.map(({ upstreams }) => upstreams),
			"upstream",
			addedUpstream,
		),
		channels: byName(
			states.map(({ channels }) => channels),
			"name",
			summed,
		),
		routes: byName(
			states.map(({ routes }) => routes),
			"route",
			addedRoute,
		),
		workers: all.map(shownWorker),
	};
}

function shownWorker({ worker, state }: WorkerState): ShownWorker {
	if (state === null) return { worker, state };
	const { startedAt, hash, draining, load, requests } = state;
	const { memory, loop, connections } = state;
	const shown = { startedAt, hash, draining, load, requests };
	return { worker, state: { ...shown, memory, loop, connections } };
}

/** Null if there is none. */
function addedStore(all: readonly ShownStore[]): ShownStore | null {
	if (all.length === 0) return null;
	const state = worst(
		stores,
		all.map(({ state }) => state),
	);
	const some = all.filter((one) => one.state === state);
	return {
		state,
		reason: some[0]?.reason ?? null,
		forMs: Math.max(...some.map(({ forMs }) => forMs)),
		calls: summed(all.map(({ calls }) => calls)),
		local: summed(all.map(({ local }) => local)),
	};
}

/** All see the same jobs, and each runs some of them. */
function addedJobs(all: readonly NonNullable<State["jobs"]>[]): State["jobs"] {
	if (all.length === 0) return null;
	return {
		counts: all.find(({ counts }) => counts !== null)?.counts ?? null,
		running: all.reduce((sum, { running }) => sum + running, 0),
	};
}

function addedUpstream(all: readonly ShownUpstream[]): ShownUpstream {
	const [first] = all as [ShownUpstream];
	const states = all.flatMap(({ breaker }) => breaker ?? []);
	return {
		...first,
		...summed(all.map(({ recent: _, breaker: _1, ...numbers }) => numbers)),
		breaker: states.length === 0 ? null : worst(breakers, states),
		recent: sumOfRates(all.map(({ recent }) => recent)),
	};
}

function addedRoute(all: readonly ShownRoute[]): ShownRoute {
	const [first] = all as [ShownRoute];
	return {
		...first,
		...summed(all.map(({ recent: _, steps: _1, ...numbers }) => numbers)),
		recent: sumOfRates(all.map(({ recent }) => recent)),
		steps: byName(
			all.map(({ steps }) => steps),
			"step",
			(some) => ({
				step: (some[0] as (typeof some)[0])?.step ?? "",
				...sumOfRates(some),
			}),
		),
	};
}

function worst<Level>(
	order: readonly Level[],
	levels: readonly Level[],
): Level {
	const places = levels.map((level) => order.indexOf(level));
	return order[Math.max(...places)] as Level;
}

/** Lists of maps as one list: those of one name together, in the order in which they come. */
function byName<One, Key extends keyof One>(
	lists: readonly (readonly One[])[],
	key: Key,
	together: (some: readonly One[]) => One,
): One[] {
	const groups = Map.groupBy(lists.flat(), (one) => one[key]);
	return [...groups.values()].map(together);
}

/** Of maps of the same shape: numbers are added up, at any depth. Of anything else the first counts. */
function summed<Value>(all: readonly Value[]): Value {
	const there = all.filter((one) => one !== null && one !== undefined);
	const [first] = there;
	if (first === undefined) return all[0] as Value;
	if (typeof first === "number") {
		const sum = (there as number[]).reduce((sum, one) => sum + one, 0);
		return rounded(sum) as Value;
	}
	if (typeof first !== "object") return first as Value;
	const keys = new Set(there.flatMap((one) => Object.keys(one as object)));
	return Object.fromEntries(
		[...keys].map((key) => [
			key,
			summed(there.map((one) => (one as Record<string, unknown>)[key])),
		]),
	) as Value;
}

function mean(numbers: readonly number[]): number {
	return numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
}

function rounded(number: number): number {
	return Number(number.toFixed(3));
}
