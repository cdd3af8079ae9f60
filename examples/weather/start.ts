/**
 * What `npm start` runs: the weather gateway on port 8080 (or `PORT`), and the services it asks where the environment
 * names no others.
 */
import { join } from "node:path";
import { main } from "../../src/cli/main.ts";
import {
	type RunningUpstream,
	startLibreTranslate,
	startOpenWeather,
} from "./upstreams.ts";

const { env } = process;
const upstreams: RunningUpstream[] = [];
try {
	const recorded = !env.OPENWEATHER_URL;
	env.OPENWEATHER_KEY ||= "demo-key-1";
	env.OPENWEATHER_URL ||= await start(
		startOpenWeather({ key: env.OPENWEATHER_KEY, wavers: true }),
	);
	env.TRANSLATE_URL ||= await start(startLibreTranslate());
	const config = join(import.meta.dirname, "sluice.yaml");
	process.exitCode = await main(
		["serve", config, "--port", env.PORT || "8080"],
		{
			onListening: (url) => console.log(tryIt(url, recorded)),
			anotherPort: "with `PORT=9000 npm start`",
		},
	);
} finally {
	await Promise.all(upstreams.map((upstream) => upstream.close()));
}

async function start(starting: Promise<RunningUpstream>): Promise<string> {
	const upstream = await starting;
	upstreams.push(upstream);
	return upstream.url;
}

function tryIt(url: string, recorded: boolean): string {
	const data = recorded
		? "The weather is recorded (2014–2026), not today's. "
		: "";
	return `
Try, in another terminal:

  curl -G --data-urlencode 'city=Москва' ${url}/weather
  curl -G --data-urlencode 'city=Москва' -d city=London -d city=Tokyo -d city=Istanbul ${url}/weather/compare
  curl -iG --data-urlencode 'city=Атлантида' ${url}/weather    # no such city: still an answer
  curl -N -H 'accept: text/event-stream' ${url}/board          # twelve cities, again whenever one has changed

${data}Weather data provided by OpenWeather, https://openweathermap.org/ (CC BY-SA 4.0 / ODbL).
`;
}
