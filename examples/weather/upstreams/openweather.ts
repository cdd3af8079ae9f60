import recording from "../data/openweather.json" with { type: "json" };
import { fold, translate } from "./glossary.ts";
import { type Answer, page, type Request } from "./server.ts";

interface Weather {
	readonly weather: readonly { readonly description: string }[];
	readonly main: Numbers;
	readonly wind: Numbers;
	readonly sys: { readonly country: string };
	readonly name: string;
}

type Numbers = Readonly<Record<string, number | undefined>>;
type Convert = (value: number) => number;

const weatherByName = new Map<string, Weather>();
for (const weather of recording.cities) {
	weatherByName.set(fold(weather.name), weather);
	weatherByName.set(fold(translate(weather.name, "en", "ru")), weather);
}

/**
 * Answers as the service does: the key is looked at first, then whether a place is named, then whether it is known. It is
 * warmer than it was recorded by so many degrees.
 */
export function answerAsOpenWeather(
	request: Request,
	key: string,
	warmer: number,
): Answer {
	if (request.path !== "/data/2.5/weather") return page(404, "Not Found");
	if (request.method !== "GET")
		return page(405, "Method Not Allowed", { Allow: "GET" });
	const { query } = request;
	const headers = { ...recording.headers, "X-Cache-Key": cacheKey(request) };
	const refuse = (status: 400 | 401 | 404) => ({
		status,
		headers,
		body: recording.errors[status],
	});

	if (query.get("appid") !== key) return refuse(401);
	const place = query.get("q")?.trim();
	if (!place) return refuse(400);
	const weather = findWeather(place);
	if (weather === undefined) return refuse(404);
	const answer = inUnits(
		inLanguage(inWarmth(weather, warmer), query.get("lang")),
		query.get("units"),
	);
	return { status: 200, headers, body: JSON.stringify(answer) };
}

/** The key under which the service caches the answer. It once held the caller's API key; here it never does. */
function cacheKey({ path, query }: Request): string {
	const params = new URLSearchParams(
		[...query].filter(([name]) => name.toLowerCase() !== "appid"),
	);
	params.sort();
	return `${path}?${params}`;
}

/** A place is a city in English or Russian, with a country code behind a comma or without. */
function findWeather(place: string): Weather | undefined {
	const [name = "", ...codes] = place.split(",");
	const weather = weatherByName.get(fold(name));
	const country = codes.at(-1)?.trim().toUpperCase();
	return country === undefined || country === weather?.sys.country
		? weather
		: undefined;
}

function inWarmth(weather: Weather, warmer: number): Weather {
	if (warmer === 0) return weather;
	return {
		...weather,
		main: convertKeys(weather.main, ["temp"], (value) => value + warmer),
	};
}

/** Russian is what the glossary has; in every other language the text stays as recorded, in English. */
function inLanguage(weather: Weather, language: string | null): Weather {
	if (language !== "ru") return weather;
	const inRussian = (text: string) => translate(text, "en", "ru");
	return {
		...weather,
		weather: weather.weather.map((sky) => ({
			...sky,
			description: inRussian(sky.description),
		})),
		name: inRussian(weather.name),
	};
}

const asRecorded: Convert = (value) => value;
const metric = { temperature: asRecorded, speed: asRecorded };
const imperial = {
	temperature: (celsius: number) => celsius * 1.8 + 32,
	speed: (metres: number) => metres * 2.236936,
};
/** What the service answers in when it is not told, or told what it does not know. */
const standard = {
	temperature: (celsius: number) => celsius + 273.15,
	speed: asRecorded,
};

function inUnits(weather: Weather, units: string | null): Weather {
	const { temperature, speed } =
		units === "metric" ? metric : units === "imperial" ? imperial : standard;
	return {
		...weather,
		main: convertKeys(
			weather.main,
			["temp", "feels_like", "temp_min", "temp_max"],
			temperature,
		),
		wind: convertKeys(weather.wind, ["speed", "gust"], speed),
	};
}

/** To two decimals, as the service rounds. Keys keep their order; those that an old recording lacks stay away. */
function convertKeys(
	numbers: Numbers,
	keys: readonly string[],
	convert: Convert,
): Numbers {
	const converted = { ...numbers };
	for (const key of keys) {
		const value = numbers[key];
		if (value !== undefined)
			converted[key] = Math.round(convert(value) * 100) / 100;
	}
	return converted;
}
