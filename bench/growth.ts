import {
	competitors,
	type Place,
	policiesOn,
	type StartedGateway,
	startSluice,
} from "./competitors.ts";
import { residentBytes } from "./cpu.ts";
import { load, type Slice } from "./load.ts";
import { interleave } from "./rounds.ts";
import { routes, sluiceConfig, sluiceConfigOf } from "./routes.ts";
import { checkSameAnswers } from "./same.ts";
import { bodySizes } from "./upstream.ts";

/** How CPU time per request grows with one quantity. */
export interface Curve {
	readonly title: string;
	/** What is counted along the axis. */
	readonly of: string;
	/** What the time is divided by: per step tells more than per request of a hundred steps. */
	readonly per: string;
	/** How much of what is counted makes one of it; null where it is a request, whatever is counted. */
	readonly unit: number | null;
	readonly lines: readonly Line[];
}

export interface Line {
	readonly title: string;
	readonly points: readonly {
		readonly x: number;
		readonly slices: readonly Slice[];
	}[];
}

/** What it takes to begin with so many routes. */
export interface Start {
	readonly routes: number;
	readonly loadMs: number;
	readonly heapBytes: number;
	readonly residentBytes: number;
}

export interface Growth {
	readonly curves: readonly Curve[];
	readonly starts: readonly Start[];
}

/** One quantity at one size, as both gateways are asked for it. */
interface Point {
	readonly x: number;
	readonly target: string;
	readonly connections: number;
	/** Long enough for some dozen requests of the largest. */
	readonly seconds: number;
}

interface Shape {
	readonly title: string;
	readonly of: string;
	readonly per: string;
	readonly unit: number | null;
	readonly points: readonly Point[];
}

const stepCounts = [1, 10, 100];
const itemCounts = [1, 10, 100, 1_000];
const routeCounts = [10, 100, 1_000, 10_000];
const connectionCounts = [16, 128, 1_024];

/** Few enough that even 100 calls of each at once find a connection. */
const fewConnections = 4;

const shapes: readonly Shape[] = [
	{
		title: "Steps of a route, all at once",
		of: "steps",
		per: "step",
		unit: 1,
		points: stepCounts.map((x) => few(x, `/steps/${x}`)),
	},
	{
		title: "Items of an each, 16 at once",
		of: "items",
		per: "item",
		unit: 1,
		points: itemCounts.map((x) => few(x, `/items/${x}`, x < 1_000 ? 1 : 2)),
	},
	{
		title: "Bytes of a body that is read",
		of: "bytes",
		per: "KiB",
		unit: 1_024,
		points: bodySizes.map((x) => few(x, `/read/${x}`, x < 2 ** 20 ? 1 : 2)),
	},
	{
		title: "Bytes of a body that is passed on",
		of: "bytes",
		per: "KiB",
		unit: 1_024,
		points: bodySizes.map((x) => few(x, `/pass/bodies/${x}`)),
	},
	{
		title: "Connections, three merged",
		of: "connections",
		per: "request",
		unit: null,
		points: connectionCounts.map((x) => ({
			x,
			target: routes.three.target,
			connections: x,
			seconds: x < 1_024 ? 1 : 2,
		})),
	},
];

function few(x: number, target: string, seconds = 1): Point {
	return { x, target, connections: fewConnections, seconds };
}

/** The CPU time of each slice per unit of the curve, at one place of it, in microseconds. */
export function sharesOf(
	{ unit }: Curve,
	{ x, slices }: Line["points"][number],
): readonly number[] {
	const units = unit === null ? 1 : x / unit;
	return slices.map(({ cpuUs }) => cpuUs / units);
}

/** Measures all curves: Sluice with all features on beside what is written by hand, and Sluice alone by its routes. */
export async function measureGrowth(
	place: Place,
	rounds: number,
): Promise<Growth> {
	const byHand = competitors.find(({ name }) => name === "undici");
	if (byHand === undefined) throw new Error("nothing is written by hand");
	const sluice = await startOn(place, growthConfig(place.upstreamUrl));
	const hand = await byHand.start(place);
	const gateways = new Map([
		["Sluice", sluice],
		["by hand", hand],
	]);
	const curves: Curve[] = [];
	try {
		for (const shape of shapes) {
			curves.push(await measureCurve(place, shape, gateways, rounds));
		}
	} finally {
		await sluice.end();
		await hand.end();
	}
	const { curve, starts } = await measureRoutes(place, rounds);
	return { curves: [...curves, curve], starts };
}

interface Contender {
	readonly title: string;
	readonly point: Point;
	readonly gateway: StartedGateway;
	readonly routes?: number;
}

async function measureCurve(
	place: Place,
	{ points, ...shape }: Shape,
	gateways: ReadonlyMap<string, StartedGateway>,
	rounds: number,
): Promise<Curve> {
	const answering = Array.from(gateways, ([name, { url }]) => ({ name, url }));
	for (const { target } of points) await checkSameAnswers(answering, target);
	const contenders: Contender[] = points.flatMap((point) =>
		Array.from(gateways, ([title, gateway]) => ({ title, point, gateway })),
	);
	const samples = await measureContenders(place, contenders, rounds);
	const lines = Array.from(gateways.keys(), (title) => ({
		title,
		points: pointsOf(samples, title),
	}));
	return { ...shape, lines };
}

async function measureContenders(
	{ processes }: Place,
	contenders: readonly Contender[],
	rounds: number,
): Promise<ReadonlyMap<Contender, readonly Slice[]>> {
	const slice = ({ gateway, point, routes }: Contender) =>
		load(processes, {
			pid: gateway.pid,
			url: gateway.url + point.target,
			connections: point.connections,
			seconds: point.seconds,
			...(routes !== undefined && { routes }),
		});
	// The first slice is to get warm.
	for (const contender of contenders) await slice(contender);
	return interleave(contenders, rounds, slice);
}

function pointsOf(
	samples: ReadonlyMap<Contender, readonly Slice[]>,
	title: string,
): Line["points"] {
	return Array.from(samples)
		.filter(([contender]) => contender.title === title)
		.map(([{ point }, slices]) => ({ x: point.x, slices }));
}

/**
 * Each number of routes is a process of its own. Asked for one route, it shows what the others cost that one; asked for all
 * in turn, also what is due to the processor's caches, which hold the data of few.
 */
async function measureRoutes(
	place: Place,
	rounds: number,
): Promise<{ curve: Curve; starts: readonly Start[] }> {
	const started: StartedGateway[] = [];
	try {
		const starts: Start[] = [];
		const contenders: Contender[] = [];
		for (const count of routeCounts) {
			const config = manyRoutes(place.upstreamUrl, count);
			const gateway = await startOn(place, config);
			started.push(gateway);
			const { loadMs = 0, heapBytes = 0 } = gateway.listening;
			starts.push({
				routes: count,
				loadMs,
				heapBytes,
				residentBytes: residentBytes(gateway.pid),
			});
			const point = { x: count, connections: 32, seconds: 1 };
			const one = `/services/service${count >> 1}/items/7`;
			const all = "/services/serviceN/items/7";
			contenders.push(
				{ title: "one asked", point: { ...point, target: one }, gateway },
				{
					title: "all in turn",
					point: { ...point, target: all },
					gateway,
					routes: count,
				},
			);
		}
		const samples = await measureContenders(place, contenders, rounds);
		const curve = {
			title: "Routes there are",
			of: "routes",
			per: "request",
			unit: null,
			lines: ["one asked", "all in turn"].map((title) => ({
				title,
				points: pointsOf(samples, title),
			})),
		};
		return { curve, starts };
	} finally {
		for (const gateway of started) await gateway.end();
	}
}

/** With `--expose-gc`, so that it tells what it really holds. */
function startOn(place: Place, config: object): Promise<StartedGateway> {
	const flags = ["--expose-gc"];
	return startSluice(place, config, { listen: true, flags });
}

/** The routes that are only asked here, beside those of the bench. */
function growthConfig(upstreamUrl: string): object {
	const { routes } = sluiceConfig(upstreamUrl, policiesOn);
	return sluiceConfigOf(upstreamUrl, policiesOn, {
		...routes,
		...Object.fromEntries(
			stepCounts.map((count) => [`GET /steps/${count}`, stepsRoute(count)]),
		),
		...Object.fromEntries(
			itemCounts.map((count) => [`GET /items/${count}`, itemsRoute(count)]),
		),
		"GET /read/{bytes}": {
			steps: { document: { get: "weather/bodies/${params.bytes}" } },
			respond: { name: "${document.name}" },
		},
	});
}

function stepsRoute(count: number): object {
	const names = Array.from({ length: count }, (_, index) => `step${index}`);
	return {
		steps: Object.fromEntries(
			names.map((name) => [
				name,
				{
					get: "weather/weather/kaliningrad",
					pick: "${answer.main.temp}",
				},
			]),
		),
		respond: names.map((name) => `\${${name}}`),
	};
}

function itemsRoute(count: number): object {
	return {
		calls: count,
		steps: {
			list: { value: `\${'x'.repeat(${count}).split('')}` },
			cities: {
				each: "${list}",
				as: "city",
				max: count,
				parallel: 16,
				get: "weather/echo/${city}",
				pick: { city: "${answer.echo}", temp: "${answer.main.temp}" },
			},
		},
		respond: "${cities}",
	};
}

function manyRoutes(upstreamUrl: string, count: number): object {
	const entries = Array.from({ length: count }, (_, index) => [
		`GET /services/service${index}/items/{id}`,
		{
			steps: {
				thing: {
					get: "weather/weather/kaliningrad",
					query: { id: "${params.id}" },
				},
			},
			respond: { name: "${thing.name}", temp: "${thing.main.temp}" },
		},
	]);
	return sluiceConfigOf(upstreamUrl, policiesOn, Object.fromEntries(entries));
}
