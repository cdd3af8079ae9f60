import {
	type Competitor,
	type CompetitorName,
	competitors,
	type Place,
	type StartedGateway,
} from "./competitors.ts";
import { load, type Slice } from "./load.ts";
import { interleave } from "./rounds.ts";
import { type RouteName, routes } from "./routes.ts";
import { checkSameAnswers } from "./same.ts";

/** What one route showed: each competitor's slices, one a round. */
export interface RouteResult {
	readonly route: RouteName;
	readonly samples: ReadonlyMap<CompetitorName, readonly Slice[]>;
}

/** Answers before any counts; then until a slice is no longer cheaper, for then the compilers have done their work. */
const warmUpAnswers = 3_000;
const warmUpSlicesMax = 8;

/**
 * Measures one route. Every competitor begins anew for it, so that no result depends on which routes were measured before;
 * all give the same answer before any is timed.
 */
export async function measureRoute(
	name: RouteName,
	place: Place,
	rounds: number,
): Promise<RouteResult> {
	const route = routes[name];
	const taking = competitors.filter(
		(one) => one.routes.includes(name) && one.missing() === null,
	);
	const started = new Map<Competitor, StartedGateway>();
	try {
		for (const one of taking) started.set(one, await one.start(place));
		const answering = Array.from(started, ([one, { url }]) => ({
			name: one.title,
			url,
		}));
		await checkSameAnswers(answering, route.target);
		const slice = (one: Competitor) => {
			const { pid, url } = started.get(one) as StartedGateway;
			const { connections } = route;
			const asked = { pid, url: url + route.target, connections, seconds: 1 };
			return load(place.processes, asked);
		};
		for (const one of taking) await warmUp(() => slice(one));
		const samples = await interleave(taking, rounds, slice);
		return {
			route: name,
			samples: new Map(Array.from(samples, ([one, of]) => [one.name, of])),
		};
	} finally {
		for (const gateway of started.values()) await gateway.end();
	}
}

/** Asks until the compilers have done their work. */
export async function warmUp(slice: () => Promise<Slice>): Promise<void> {
	let answers = 0;
	let best = Infinity;
	for (let count = 0; count < warmUpSlicesMax; count++) {
		const { cpuUs, requests } = await slice();
		answers += requests;
		if (answers >= warmUpAnswers && cpuUs > best * 0.97) return;
		best = Math.min(best, cpuUs);
	}
}
