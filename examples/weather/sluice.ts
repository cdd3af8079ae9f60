/**
 * The weather gateway of sluice.yaml, in TypeScript: both compile to the same plan. In a project of your own the import is
 * from "sluice".
 */
import { defineGateway } from "../../src/index.ts";

const ofCity = {
	as: "name",
	parallel: 12,
	get: "openweather/data/2.5/weather",
	query: { q: "${name}" },
	pick: {
		city: "${answer.name}",
		temp: "${answer.main.temp}",
		sky: "${answer.weather[0].main}",
	},
	fallback: { city: "${name}", sky: "Нет данных" },
} as const;

export default defineGateway({
	upstreams: {
		openweather: {
			url: "${env.OPENWEATHER_URL ?? 'https://api.openweathermap.org'}",
			query: { appid: "${env.OPENWEATHER_KEY}", units: "metric" },
			timeout: "1s",
			retry: true,
			cache: { for: "1m", stale: "10m" },
		},
		translate: {
			url: "${env.TRANSLATE_URL}",
			safe: true,
			retry: true,
			cache: { for: "1h", stale: "24h" },
		},
	},
	history: { file: "${env.HISTORY_FILE ?? './weather.db'}" },
	routes: {
		"GET /weather": {
			summary: "Weather in a city, asked and answered in the caller's language",
			request: {
				query: { city: { type: "string", minLength: 1, maxLength: 80 } },
			},
			deadline: "3s",
			steps: {
				city_en: {
					post: "translate/translate",
					body: { q: "${query.city}", source: "auto", target: "en" },
					pick: "${answer.translatedText}",
					within: "1s",
					fallback: "${query.city}",
				},
				now: {
					get: "openweather/data/2.5/weather",
					query: { q: "${city_en}" },
					answers: { 404: null },
					pick: "${answer.weather[0].main}",
					within: "1100ms",
				},
				weather: {
					when: "${now}",
					post: "translate/translate",
					body: { q: "${now}", source: "en", target: "ru" },
					pick: "${answer.translatedText}",
					within: "800ms",
					fallback: "${now}",
				},
			},
			respond: {
				city: "${query.city}",
				weather: "${weather ?? 'Нет данных'}",
			},
			record: { city: "${query.city}", sky: "${weather}" },
		},
		"GET /weather/compare": {
			request: {
				query: {
					city: { type: "array", items: { type: "string" }, maxItems: 50 },
				},
			},
			steps: {
				cities: { each: "${query.city}", ...ofCity },
			},
			respond: "${cities}",
		},
		"GET /board": {
			summary: "Twelve cities, told again whenever one has changed",
			live: true,
			steps: {
				cities: {
					each: [
						"Moscow",
						"Saint Petersburg",
						"Rostov-on-Don",
						"Kaliningrad",
						"Vladivostok",
						"Minsk",
						"London",
						"New York",
						"Tokyo",
						"Beijing",
						"Delhi",
						"Istanbul",
					],
					...ofCity,
				},
			},
			respond: "${cities}",
		},
	},
});
