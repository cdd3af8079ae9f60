/**
 * Makes `openweather.json` out of a folder of raw recordings: one service asked with `units=metric`, in English.
 *
 *     node examples/weather/data/record.ts <folder>
 *
 * The folder holds `manifest.json` (file and units of each recording), the answers, `errors.raw.json` and
 * `headers.json`. The same folder always gives the same file.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface Entry {
	readonly file: string;
	readonly name: string;
	readonly units: string;
}

interface Weather {
	readonly weather: readonly {
		readonly id: number;
		readonly description: string;
	}[];
	readonly main: Readonly<Record<string, number>>;
	readonly sys: Readonly<Record<string, unknown>>;
	readonly name: string;
}

interface Head {
	readonly headers: readonly (readonly [string, string])[];
}

const temperatures = new Set(["temp", "feels_like", "temp_min", "temp_max"]);
/** They belong to one answer only, or to its connection. */
const perAnswer = new Set([
	"Date",
	"Content-Length",
	"Connection",
	"X-Cache-Key",
]);

function record(folder: string): string {
	const read = (file: string): unknown =>
		JSON.parse(readFileSync(join(folder, file), "utf8"));
	const entries = (read("manifest.json") as Entry[]).filter(
		(entry) => !entry.file.includes("/"),
	);
	const kelvin = entries.filter((entry) => entry.units.startsWith("standard"));
	const cities = entries.map((entry) => {
		const weather = asToday(read(entry.file) as Weather);
		return kelvin.includes(entry) ? inCelsius(weather) : weather;
	});
	const recording = {
		about:
			"Current weather of twelve cities, each recorded on its own day between 2014 and 2026, as one service asked with units=metric would give it",
		source: "Weather data provided by OpenWeather, https://openweathermap.org/",
		licence: "CC BY-SA 4.0 (data), ODbL (database)",
		changes: [
			`temperatures converted once from Kelvin to Celsius, rounded to two decimals: ${kelvin.map((entry) => entry.name).join(", ")}`,
			"Rostov-on-Don (2014): sys.country Russia written RU, weather[0].description пасмурно written in English as its code 803 reads",
			"keys that older answers lack are still missing; everything else is as recorded",
		],
		headers: Object.fromEntries(
			(read("headers.json") as Head).headers.filter(
				([name]) => !perAnswer.has(name),
			),
		),
		errors: read("errors.raw.json"),
	};
	return print(recording, cities);
}

function inCelsius(weather: Weather): Weather {
	const main = Object.entries(weather.main).map(([key, value]) => [
		key,
		temperatures.has(key) ? Math.round((value - 273.15) * 100) / 100 : value,
	]);
	return { ...weather, main: Object.fromEntries(main) };
}

/** The one answer of 2014 names its country in full and its sky in Russian. The service would not today, asked in English. */
function asToday(weather: Weather): Weather {
	if (weather.name !== "Rostov-on-Don") return weather;
	return {
		...weather,
		sys: { ...weather.sys, country: "RU" },
		weather: weather.weather.map((sky) => ({
			...sky,
			description: "broken clouds",
		})),
	};
}

/** One city a line: a city is compared with its raw recording at a glance. */
function print(recording: object, cities: readonly Weather[]): string {
	const head = JSON.stringify(recording, null, "\t").slice(0, -"\n}".length);
	const lines = cities.map((city) => `\t\t${JSON.stringify(city)}`);
	return `${head},\n\t"cities": [\n${lines.join(",\n")}\n\t]\n}\n`;
}

const [folder] = process.argv.slice(2);
if (folder === undefined) {
	console.error(
		"usage: node examples/weather/data/record.ts <folder of raw recordings>",
	);
	process.exitCode = 2;
} else {
	writeFileSync(join(import.meta.dirname, "openweather.json"), record(folder));
}
