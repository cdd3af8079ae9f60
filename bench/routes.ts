import { cities } from "./weather.ts";

/** One route that every gateway answers, if it can. */
export interface BenchRoute {
	readonly title: string;
	/** What is asked for, path and query. */
	readonly target: string;
	/** The route's key and config in Sluice's language. */
	readonly key: string;
	readonly config: object;
	/** How many connections ask at once. */
	readonly connections: number;
}

export type RouteName =
	| "pass"
	| "reshaped"
	| "three"
	| "chain"
	| "each"
	| "slow";

const pick = { name: "${answer.name}", main: { temp: "${answer.main.temp}" } };

const [first, second, third] = cities;

function call(path: string): object {
	return { get: `weather/${path}`, pick };
}

function three(lastPath: string): object {
	return {
		steps: {
			[first]: call(`weather/${first}`),
			[second]: call(`weather/${second}`),
			[third]: call(lastPath),
		},
		respond: Object.fromEntries(cities.map((city) => [city, `\${${city}}`])),
	};
}

const twenty = Array.from({ length: 20 }, (_, index) => `city-${index + 1}`);

export const routes: Readonly<Record<RouteName, BenchRoute>> = {
	pass: {
		title: "Passed through",
		target: `/pass/weather/${first}`,
		key: "GET /pass/{rest*}",
		config: { proxy: "weather/{rest*}" },
		connections: 32,
	},
	reshaped: {
		title: "One reshaped",
		target: "/reshaped",
		key: "GET /reshaped",
		config: {
			steps: { now: { get: `weather/weather/${first}` } },
			respond: {
				city: "${now.name}",
				country: "${now.sys.country}",
				temp: "${now.main.temp}",
				feels: "${now.main.feels_like}",
				sky: "${now.weather[0].main}",
			},
		},
		connections: 32,
	},
	three: {
		title: "Three merged",
		target: "/three",
		key: "GET /three",
		config: three(`weather/${third}`),
		connections: 32,
	},
	chain: {
		title: "Chain of three",
		target: "/chain",
		key: "GET /chain",
		config: {
			steps: {
				start: { get: `weather/weather/${first}` },
				middle: { get: "weather/echo/${start.id}" },
				end: { get: "weather/echo/${middle.echo}-${middle.name}" },
			},
			respond: {
				first: "${start.id}",
				second: "${middle.echo}",
				third: "${end.echo}",
			},
		},
		connections: 32,
	},
	each: {
		title: "Each of twenty",
		target: `/each?${twenty.map((city) => `city=${city}`).join("&")}`,
		key: "GET /each",
		config: {
			request: {
				query: {
					city: { type: "array", items: { type: "string" }, maxItems: 20 },
				},
			},
			steps: {
				cities: {
					each: "${query.city}",
					as: "city",
					parallel: 20,
					get: "weather/echo/${city}",
					pick: { city: "${answer.echo}", temp: "${answer.main.temp}" },
				},
			},
			respond: "${cities}",
		},
		connections: 16,
	},
	slow: {
		title: "Three, one 50 ms slow",
		target: "/slow",
		key: "GET /slow",
		config: three(`slow/${third}`),
		connections: 256,
	},
};

export const routeNames = Object.keys(routes) as readonly RouteName[];

/** More than a route's calls at once, so that no competitor is measured waiting for a connection. */
export const upstreamConnections = 4_096;

/** The config with all routes; `policies` go to the upstream. */
export function sluiceConfig(
	upstreamUrl: string,
	policies: object,
): BenchConfig {
	const entries = Object.values(routes).map(({ key, config }) => [key, config]);
	return sluiceConfigOf(upstreamUrl, policies, Object.fromEntries(entries));
}

/** A config of other routes, to the same upstream. */
export function sluiceConfigOf(
	upstreamUrl: string,
	policies: object,
	routes: object,
): BenchConfig {
	return {
		// Both are set and watched in every request, but long: others slow down on a busy machine, and only we would give up.
		defaults: { deadline: "30s", timeout: "10s" },
		upstreams: {
			weather: {
				url: upstreamUrl,
				connections: upstreamConnections,
				...policies,
			},
		},
		routes,
	};
}

export interface BenchConfig {
	readonly defaults: object;
	readonly upstreams: object;
	readonly routes: object;
}
