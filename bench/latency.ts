import {
	type Competitor,
	type CompetitorName,
	competitors,
	type Place,
	type StartedGateway,
} from "./competitors.ts";
import { load, type Slice } from "./load.ts";
import { warmUp } from "./measure.ts";
import { interleave } from "./rounds.ts";
import { type RouteName, routes } from "./routes.ts";

/** How long clients of one route wait, by how many ask at once. */
export interface Latency {
	readonly route: RouteName;
	readonly points: readonly {
		readonly connections: number;
		readonly samples: ReadonlyMap<CompetitorName, readonly Slice[]>;
	}[];
}

/** A route, and beside whom Sluice is measured on it. */
const asked: readonly {
	readonly route: RouteName;
	readonly of: readonly CompetitorName[];
}[] = [
	{ route: "three", of: ["sluice", "sluice-before", "undici", "nginx-lua"] },
	{ route: "pass", of: ["sluice", "sluice-before", "undici", "nginx"] },
];

/** One alone, few, as many as elsewhere in the bench, and a crowd. */
const connectionCounts = [1, 8, 32, 256];

/**
 * Measures how long clients wait. Each asks again as soon as it has its answer, so more clients always wait longer: what
 * counts is the difference between the gateways.
 */
export async function measureLatency(
	place: Place,
	rounds: number,
): Promise<readonly Latency[]> {
	const measured: Latency[] = [];
	for (const { route, of } of asked) {
		const taking = competitors.filter(
			(one) => of.includes(one.name) && one.missing() === null,
		);
		measured.push(await measureRoute(route, taking, place, rounds));
	}
	return measured;
}

interface Contender {
	readonly name: CompetitorName;
	readonly connections: number;
	readonly gateway: StartedGateway;
}

async function measureRoute(
	route: RouteName,
	taking: readonly Competitor[],
	place: Place,
	rounds: number,
): Promise<Latency> {
	const contenders: Contender[] = [];
	const started: StartedGateway[] = [];
	const slice = ({ gateway: { pid, url }, connections }: Contender) => {
		const target = { pid, url: url + routes[route].target, connections };
		return load(place.processes, { ...target, seconds: 1 });
	};
	try {
		for (const one of taking) {
			const gateway = await one.start(place);
			started.push(gateway);
			const own = connectionCounts.map((connections) => ({
				...{ name: one.name, connections, gateway },
			}));
			for (const contender of own) await warmUp(() => slice(contender));
			contenders.push(...own);
		}
		const samples = await interleave(contenders, rounds, slice);
		const points = connectionCounts.map((connections) => ({
			connections,
			samples: new Map(
				Array.from(samples)
					.filter(([contender]) => contender.connections === connections)
					.map(([{ name }, slices]) => [name, slices]),
			),
		}));
		return { route, points };
	} finally {
		for (const gateway of started) await gateway.end();
	}
}
