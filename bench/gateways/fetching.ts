import type { Weather } from "../weather.ts";
import { upstreamUrl } from "./listen.ts";

const upstream = upstreamUrl();

/** The compositions as people write them, with Node's `fetch` and `Promise.all`; each becomes the JSON of an answer. */
export const compositions = {
	reshaped: async () => {
		const { name, sys, main, weather } = await get("/weather/kaliningrad");
		return {
			city: name,
			country: sys.country,
			temp: main.temp,
			feels: main.feels_like,
			sky: weather[0]?.main,
		};
	},
	three: () => three("/weather/london"),
	slow: () => three("/slow/london"),
	chain: async () => {
		const start = await get("/weather/kaliningrad");
		const middle = await get(`/echo/${start.id}`);
		const end = await get(`/echo/${middle.echo}-${middle.name}`);
		return { first: start.id, second: middle.echo, third: end.echo };
	},
	each: (cities: readonly string[]) =>
		Promise.all(
			cities.map(async (city) => {
				const { echo, main } = await get(`/echo/${encodeURIComponent(city)}`);
				return { city: echo, temp: main.temp };
			}),
		),
};

/** An answer of the upstream, not yet read. */
export function ask(path: string): Promise<Response> {
	return fetch(upstream + path);
}

async function three(lastPath: string) {
	const [kaliningrad, moscow, london] = await Promise.all([
		get("/weather/kaliningrad"),
		get("/weather/moscow"),
		get(lastPath),
	]);
	return {
		kaliningrad: pick(kaliningrad),
		moscow: pick(moscow),
		london: pick(london),
	};
}

async function get(path: string): Promise<Weather> {
	const response = await ask(path);
	if (!response.ok) throw new Error(`upstream answered ${response.status}`);
	return response.json() as Promise<Weather>;
}

function pick({ name, main }: Weather) {
	return { name, main: { temp: main.temp } };
}
