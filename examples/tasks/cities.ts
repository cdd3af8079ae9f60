/**
 * The weather of twelve cities, all asked at once: printed as they come, then gathered in order, some at a time.
 *
 *     npx node examples/tasks/cities.ts [at a time]
 *
 * The service is on loopback and answers from recorded data, each call after 100–400 ms.
 */
import { completed, gather, run, type Scope } from "../../src/tasks/index.ts"; // elsewhere: "sluice/tasks"
import { startOpenWeather } from "../weather/upstreams.ts";
import { endInterrupted, showProgress, stopwatch } from "./terminal.ts";

export const cities =
	`Moscow, Saint Petersburg, Rostov-on-Don, Kaliningrad, Vladivostok, Minsk,
London, New York, Tokyo, Beijing, Delhi, Istanbul`.split(/,\s+/);

export type Ask = (city: string, scope: Scope) => Promise<string>;

/** Each answer as soon as it is there. */
export async function* asTheyCome(ask: Ask, scope: Scope) {
	const tasks = cities.map((city) => scope.start((scope) => ask(city, scope)));
	for await (const task of completed(tasks)) yield task.result();
}

/** All answers in the order of the list, `limit` asked for at once. */
export function inOrder(ask: Ask, limit: number, scope: Scope) {
	const works = cities.map((city) => (scope: Scope) => ask(city, scope));
	return gather(works, { scope, limit });
}

async function main(scope: Scope) {
	const limit = Number(process.argv[2] ?? 3);
	await using service = await startOpenWeather();
	const ask: Ask = (city, scope) => askFor(city, service.url, scope);
	using progress = showProgress(scope);

	const elapsed = stopwatch(scope);
	for await (const answer of asTheyCome(ask, scope)) {
		progress.print(`${elapsed()}  ${answer}`);
	}
	const again = stopwatch(scope);
	const answers = await inOrder(ask, limit, scope);
	progress.print(`\nin order, ${limit} at a time, ${again()}:`);
	for (const answer of answers) progress.print(answer);
}

async function askFor(city: string, url: string, scope: Scope) {
	const query = new URLSearchParams({
		q: city,
		appid: "demo-key-1",
		units: "metric",
	});
	const answer = await fetch(`${url}/data/2.5/weather?${query}`, {
		signal: scope.signal,
	});
	if (!answer.ok) throw new Error(`${city}: ${answer.status}`);
	const { main, weather } = (await answer.json()) as Weather;
	return `${city}: ${Math.round(main.temp)} °C, ${weather[0].main}`;
}

interface Weather {
	readonly main: { readonly temp: number };
	readonly weather: readonly [{ readonly main: string }];
}

if (import.meta.main) await run(main).catch(endInterrupted);
