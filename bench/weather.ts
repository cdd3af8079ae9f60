import { readFileSync } from "node:fs";

/** Weather data provided by OpenWeather; examples/weather/data/README.md says under which licences. */
const recorded = new URL(
	"../examples/weather/data/openweather.json",
	import.meta.url,
);

/** Who is asked: the first one's answer has 521 bytes, the others' 519 and 516. */
export const cities = ["kaliningrad", "moscow", "london"] as const;

/** An answer of the upstream, as far as the routes read it. */
export interface Weather {
	readonly id: number;
	readonly name: string;
	/** What was asked, under `/echo/` only. */
	readonly echo: string;
	readonly sys: { readonly country: string };
	readonly main: { readonly temp: number; readonly feels_like: number };
	readonly weather: readonly { readonly main: string }[];
}

interface Recording {
	readonly cities: readonly { readonly name: string }[];
}

/** Recorded answers, as their JSON texts, by the city's name in lower case. */
export function recordedAnswers(): ReadonlyMap<string, string> {
	const { cities: answers } = JSON.parse(
		readFileSync(recorded, "utf8"),
	) as Recording;
	return new Map(
		answers.map((answer) => [
			answer.name.toLowerCase(),
			JSON.stringify(answer),
		]),
	);
}

/** What `/echo/{text}` answers: a recorded answer with the text in front, so that it shows what was asked. */
export function echoAnswer(text: string): string {
	const answer = recordedAnswers().get(cities[0]) ?? "";
	return `{"echo":"${text}",${answer.slice(1)}`;
}
