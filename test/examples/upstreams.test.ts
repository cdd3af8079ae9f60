import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientRequest, request } from "node:http";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { createLatency } from "../../examples/weather/upstreams/server.ts";
import {
	type RunningUpstream,
	startLibreTranslate,
	startOpenWeather,
} from "../../examples/weather/upstreams.ts";
import { anyText } from "../kit/random.ts";

const cities = {
	Moscow: "Москва",
	"Saint Petersburg": "Санкт-Петербург",
	"Rostov-on-Don": "Ростов-на-Дону",
	Kaliningrad: "Калининград",
	Vladivostok: "Владивосток",
	Minsk: "Минск",
	Beijing: "Пекин",
	Delhi: "Дели",
	Istanbul: "Стамбул",
	Tokyo: "Токио",
	London: "Лондон",
	"New York": "Нью-Йорк",
};
const pairs = Object.entries(cities);

describe("the OpenWeather upstream", () => {
	let upstream: RunningUpstream;
	before(async () => {
		upstream = await startOpenWeather({ latencyMs: [0, 0], key: "right" });
	});
	after(() => upstream.close());

	const ask = (query: Record<string, string>, path = "/data/2.5/weather") =>
		fetch(`${upstream.url}${path}?${new URLSearchParams(query)}`);
	const weatherIn = async (q: string, query: Record<string, string> = {}) => {
		const answer = await ask({ q, appid: "right", ...query });
		assert.equal(answer.status, 200, q);
		return (await answer.json()) as Record<string, Record<string, unknown>>;
	};
	const refusal = async (query: Record<string, string>) => {
		const answer = await ask(query);
		return [answer.status, await answer.text()];
	};

	it("refuses a missing and a wrong key with a cod that is a number, before it looks at the place", async () => {
		const refused = [
			401,
			'{"cod":401, "message": "Invalid API key. Please see https://openweathermap.org/faq#error401 for more info."}',
		];
		assert.deepEqual(await refusal({ q: "Moscow" }), refused);
		assert.deepEqual(await refusal({ q: "Moscow", appid: "wrong" }), refused);
		assert.deepEqual(await refusal({ appid: "" }), refused);
	});

	it("refuses a missing or empty place with a cod that is text", async () => {
		const refused = [400, '{"cod":"400","message":"Nothing to geocode"}'];
		assert.deepEqual(await refusal({ appid: "right" }), refused);
		assert.deepEqual(await refusal({ appid: "right", q: "" }), refused);
		assert.deepEqual(await refusal({ appid: "right", q: "  " }), refused);
	});

	it("does not know other cities, nor its cities in other countries", async () => {
		const refused = [404, '{"cod":"404","message":"city not found"}'];
		assert.deepEqual(
			await refusal({ appid: "right", q: "Атлантида" }),
			refused,
		);
		assert.deepEqual(
			await refusal({ appid: "right", q: "London,US" }),
			refused,
		);
		assert.deepEqual(await refusal({ appid: "right", q: "," }), refused);
		assert.deepEqual(
			await refusal({ appid: "right", q: "constructor" }),
			refused,
		);
	});

	it("answers other paths and methods with a page, not with JSON", async () => {
		const elsewhere = await ask({}, "/data/2.5/forecast");
		assert.equal(elsewhere.status, 404);
		assert.match(elsewhere.headers.get("content-type") ?? "", /^text\/html/);
		const posted = await fetch(
			`${upstream.url}/data/2.5/weather?q=Moscow&appid=right`,
			{ method: "POST" },
		);
		assert.equal(posted.status, 405);
		assert.equal(posted.headers.get("allow"), "GET");
	});

	it("has nothing but a known answer for any text", async () => {
		await fc.assert(
			fc.asyncProperty(anyText(), async (q) => {
				const answer = await ask({ q, appid: "right" });
				await answer.text();
				assert.ok([400, 404].includes(answer.status));
			}),
			{ numRuns: 50 },
		);
	});

	it("knows each of its twelve cities by its English and by its Russian name", async () => {
		for (const [english, russian] of pairs) {
			assert.deepEqual(await weatherIn(russian), await weatherIn(english));
			assert.equal((await weatherIn(english)).name, english);
		}
	});

	it("knows a city in other spellings and with its country code", async () => {
		for (const q of ["moscow", " МОСКВА ", "Moscow,RU", "москва, ru"]) {
			assert.equal((await weatherIn(q)).name, "Moscow");
		}
		assert.equal((await weatherIn("new-york")).name, "New York");
		assert.equal((await weatherIn("санкт петербург")).name, "Saint Petersburg");
		assert.equal((await weatherIn("Rostov-on-Don,RU")).name, "Rostov-on-Don");
		assert.equal((await weatherIn("London,GB")).name, "London");
	});

	it("answers in Kelvin unless told otherwise, digit for digit what was recorded", async () => {
		const recorded =
			'{"coord":{"lon":37.6156,"lat":55.7522},"weather":[{"id":804,"main":"Clouds","description":"overcast clouds","icon":"04d"}],"base":"stations","main":{"temp":274.18,"feels_like":270.46,"temp_min":273.3,"temp_max":275.03,"pressure":1029,"humidity":50,"sea_level":1029,"grnd_level":1010},"visibility":10000,"wind":{"speed":3.53,"deg":254,"gust":5.07},"clouds":{"all":100},"dt":1635154211,"sys":{"type":2,"id":2000314,"country":"RU","sunrise":1635135645,"sunset":1635170772},"timezone":10800,"id":524901,"name":"Moscow","cod":200}';
		for (const units of [{}, { units: "standard" }, { units: "constructor" }]) {
			const answer = await ask({ q: "Moscow", appid: "right", ...units });
			assert.equal(await answer.text(), recorded);
		}
	});

	it("answers in Celsius and in Fahrenheit, the wind then in miles an hour", async () => {
		const metric = await weatherIn("Moscow", { units: "metric" });
		assert.deepEqual(metric.main, {
			temp: 1.03,
			feels_like: -2.69,
			temp_min: 0.15,
			temp_max: 1.88,
			pressure: 1029,
			humidity: 50,
			sea_level: 1029,
			grnd_level: 1010,
		});
		assert.deepEqual(metric.wind, { speed: 3.53, deg: 254, gust: 5.07 });
		const imperial = await weatherIn("Moscow", { units: "imperial" });
		assert.equal(imperial.main?.temp, 33.85);
		assert.equal(imperial.main?.humidity, 50);
		assert.deepEqual(imperial.wind, { speed: 7.9, deg: 254, gust: 11.34 });
	});

	it("leaves away what old recordings lack, and keeps the order of their keys", async () => {
		const rostov = await weatherIn("Rostov-on-Don", { units: "metric" });
		assert.deepEqual(Object.keys(rostov), [
			"coord",
			"sys",
			"weather",
			"base",
			"main",
			"wind",
			"clouds",
			"dt",
			"id",
			"name",
			"cod",
		]);
		const kelvin = await weatherIn("Rostov-on-Don");
		assert.deepEqual(Object.keys(kelvin.main ?? {}), [
			"temp",
			"pressure",
			"humidity",
			"temp_min",
			"temp_max",
		]);
		assert.equal(kelvin.main?.temp, 283.15);
	});

	it("gives names and descriptions in Russian where asked to, the group of the sky never", async () => {
		const { name, weather } = await weatherIn("Moscow", { lang: "ru" });
		assert.equal(name, "Москва");
		assert.deepEqual(weather, [
			{ id: 804, main: "Clouds", description: "пасмурно", icon: "04d" },
		]);
	});

	it("translates every description of the recording", async () => {
		for (const [english] of pairs) {
			const { weather } = (await weatherIn(english, {
				lang: "ru",
			})) as unknown as {
				weather: { description: string }[];
			};
			assert.match(weather[0]?.description ?? "", /^[а-я ]+$/);
		}
	});

	it("sends the recorded headers, and a cache key without the caller's key", async () => {
		const { headers } = await ask({
			units: "metric",
			q: "Токио",
			appid: "right",
			APPID: "right",
		});
		assert.equal(headers.get("server"), "openresty");
		assert.equal(
			headers.get("content-type"),
			"application/json; charset=utf-8",
		);
		assert.equal(headers.get("access-control-allow-origin"), "*");
		assert.equal(
			headers.get("x-cache-key"),
			"/data/2.5/weather?q=%D0%A2%D0%BE%D0%BA%D0%B8%D0%BE&units=metric",
		);
	});
});

describe("the LibreTranslate upstream", () => {
	let upstream: RunningUpstream;
	let locked: RunningUpstream;
	before(async () => {
		upstream = await startLibreTranslate({ latencyMs: [0, 0] });
		locked = await startLibreTranslate({ latencyMs: [0, 0], key: "right" });
	});
	after(() => Promise.all([upstream.close(), locked.close()]));

	const post = async (
		body: string,
		type = "application/json",
		{ url } = upstream,
	) => {
		const answer = await fetch(`${url}/translate`, {
			method: "POST",
			body,
			headers: { "Content-Type": type },
		});
		return [answer.status, await answer.text()];
	};
	const refusal = async (fields: unknown, url?: RunningUpstream) => {
		const [status, body] = await post(JSON.stringify(fields), undefined, url);
		return [status, JSON.parse(String(body))];
	};
	const translated = async (q: string, source: string, target: string) => {
		const [status, body] = await post(JSON.stringify({ q, source, target }));
		assert.equal(status, 200);
		return (JSON.parse(String(body)) as { translatedText: string })
			.translatedText;
	};

	it("names the field that is missing", async () => {
		const whole = { q: "Москва", source: "auto", target: "en" };
		for (const field of ["q", "source", "target"]) {
			const refused = [
				400,
				{ error: `Invalid request: missing ${field} parameter` },
			];
			assert.deepEqual(
				await refusal({ ...whole, [field]: undefined }),
				refused,
			);
			assert.deepEqual(await refusal({ ...whole, [field]: "" }), refused);
			assert.deepEqual(await refusal({ ...whole, [field]: 7 }), refused);
		}
		assert.deepEqual(await refusal({ ...whole, q: [] }), [
			400,
			{ error: "Invalid request: missing q parameter" },
		]);
	});

	it("refuses languages and formats it does not have", async () => {
		const unsupported = [400, { error: "zz is not supported" }];
		assert.deepEqual(
			await refusal({ q: "a", source: "zz", target: "en" }),
			unsupported,
		);
		assert.deepEqual(
			await refusal({ q: "a", source: "en", target: "zz" }),
			unsupported,
		);
		assert.deepEqual(
			await refusal({ q: "a", source: "en", target: "ru", format: "pdf" }),
			[400, { error: "pdf format is not supported" }],
		);
	});

	it("refuses JSON that is no object", async () => {
		for (const body of ["", "{", "[]", "null", '"Москва"']) {
			assert.deepEqual(await post(body), [
				400,
				'{"error":"Invalid JSON format"}',
			]);
		}
	});

	it("asks for a missing key with 400 and refuses a wrong one with 403", async () => {
		const whole = { q: "Москва", source: "auto", target: "en" };
		assert.deepEqual(await refusal(whole, locked), [
			400,
			{ error: "Please contact the server operator to get an API key" },
		]);
		assert.deepEqual(await refusal({ ...whole, api_key: "wrong" }, locked), [
			403,
			{ error: "Invalid API key" },
		]);
		assert.equal(
			(await refusal({ ...whole, api_key: "right" }, locked))[0],
			200,
		);
	});

	it("answers a wrong method with 405 and an unknown path with 404, both with a page", async () => {
		const got = await fetch(`${upstream.url}/translate`);
		assert.deepEqual([got.status, got.headers.get("allow")], [405, "POST"]);
		assert.match(got.headers.get("content-type") ?? "", /^text\/html/);
		const posted = await fetch(`${upstream.url}/languages`, { method: "POST" });
		assert.deepEqual(
			[posted.status, posted.headers.get("allow")],
			[405, "GET"],
		);
		assert.equal((await fetch(`${upstream.url}/nope`)).status, 404);
	});

	it("translates the twelve cities both ways", async () => {
		for (const [english, russian] of pairs) {
			assert.equal(await translated(russian, "ru", "en"), english);
			assert.equal(await translated(english, "en", "ru"), russian);
		}
	});

	it("translates the sky into Russian, in whatever case it is asked", async () => {
		assert.equal(await translated("Clouds", "en", "ru"), "облачно");
		assert.equal(await translated("clear", "auto", "ru"), "ясно");
		assert.equal(await translated(" THUNDERSTORM ", "en", "ru"), "гроза");
	});

	it("gives back as it came what it does not know and what is in the target language already", async () => {
		assert.equal(await translated(" Атлантида ", "ru", "en"), " Атлантида ");
		assert.equal(await translated("Moscow", "auto", "en"), "Moscow");
		assert.equal(await translated("Москва", "auto", "ru"), "Москва");
		assert.equal(await translated("Москва", "en", "ru"), "Москва");
		assert.equal(await translated("constructor", "en", "ru"), "constructor");
	});

	it("says what it detected, its confidence as a float, the keys in alphabetical order", async () => {
		const auto = (q: unknown, more?: object) =>
			post(JSON.stringify({ q, source: "auto", target: "en", ...more }));
		assert.deepEqual(await auto("Москва"), [
			200,
			'{"detectedLanguage":{"confidence":90.0,"language":"ru"},"translatedText":"Moscow"}',
		]);
		assert.deepEqual(await auto("1 + 1"), [
			200,
			'{"detectedLanguage":{"confidence":0.0,"language":"en"},"translatedText":"1 + 1"}',
		]);
		assert.deepEqual(await auto("Минск", { alternatives: 2 }), [
			200,
			'{"alternatives":[],"detectedLanguage":{"confidence":90.0,"language":"ru"},"translatedText":"Minsk"}',
		]);
	});

	it("answers a list with a list, detected as one", async () => {
		const fields = {
			q: ["Лондон", "Tokyo"],
			source: "auto",
			target: "en",
			alternatives: 1,
		};
		assert.deepEqual(await post(JSON.stringify(fields)), [
			200,
			'{"alternatives":[[],[]],"detectedLanguage":[{"confidence":90.0,"language":"ru"},{"confidence":90.0,"language":"ru"}],"translatedText":["London","Tokyo"]}',
		]);
	});

	it("reads a form as it reads JSON", async () => {
		const form = String(
			new URLSearchParams({ q: "Rain", source: "en", target: "ru" }),
		);
		assert.deepEqual(
			await post(form, "application/x-www-form-urlencoded; charset=utf-8"),
			[200, '{"translatedText":"дождь"}'],
		);
	});

	it("lists its languages, open to pages of every origin", async () => {
		const answer = await fetch(`${upstream.url}/languages`);
		assert.equal(answer.headers.get("access-control-allow-origin"), "*");
		assert.equal(answer.headers.get("access-control-max-age"), "1728000");
		assert.equal(answer.headers.get("content-type"), "application/json");
		assert.deepEqual(await answer.json(), [
			{ code: "en", name: "English", targets: ["en", "ru"] },
			{ code: "ru", name: "Russian", targets: ["en", "ru"] },
		]);
	});

	it("takes a body of 1 MiB and refuses a byte more", async () => {
		const fill = (size: number) => {
			const fields = { source: "en", target: "ru", q: "" };
			return JSON.stringify({
				...fields,
				q: "x".repeat(size - JSON.stringify(fields).length),
			});
		};
		assert.equal((await post(fill(1024 * 1024)))[0], 200);
		assert.equal((await post(fill(1024 * 1024 + 1)))[0], 413);
	});
});

describe("an upstream", () => {
	const never = [60_000, 60_000] as const;
	let upstream: RunningUpstream;
	let path: string;
	beforeEach(async () => {
		upstream = await startOpenWeather({ latencyMs: never });
		path = `${upstream.url}/data/2.5/weather?q=Moscow&appid=demo-key-1`;
	});
	afterEach(() => upstream.close());

	/** A call that the upstream has received: it says so with `100 Continue`. */
	const call = async (): Promise<ClientRequest> => {
		const calling = request(path, {
			agent: false,
			headers: { Expect: "100-continue" },
		});
		calling.on("error", () => {});
		calling.end();
		await once(calling, "continue");
		return calling;
	};
	const until = async (holds: () => boolean) => {
		while (!holds()) await setImmediate();
	};

	it("counts a call whose client left before the answer as aborted", {
		timeout: 5000,
	}, async () => {
		const calling = await call();
		assert.deepEqual(upstream.stats, {
			calls: 1,
			inFlight: 1,
			maxInFlight: 1,
			aborted: 0,
		});
		calling.destroy();
		await until(() => upstream.stats.aborted === 1);
		assert.deepEqual(upstream.stats, {
			calls: 1,
			inFlight: 0,
			maxInFlight: 1,
			aborted: 1,
		});
	});

	it("counts how many calls it had at once", { timeout: 5000 }, async () => {
		const callings = await Promise.all(Array.from({ length: 12 }, call));
		assert.deepEqual(upstream.stats, {
			calls: 12,
			inFlight: 12,
			maxInFlight: 12,
			aborted: 0,
		});
		for (const calling of callings.slice(3)) calling.destroy();
		await until(() => upstream.stats.inFlight === 3);
		upstream.reset();
		assert.deepEqual(upstream.stats, {
			calls: 0,
			inFlight: 3,
			maxInFlight: 3,
			aborted: 0,
		});
	});

	it("has no call in flight any more when its client has the answer", async () => {
		const quick = await startOpenWeather({ latencyMs: [0, 0] });
		try {
			for (let calls = 1; calls <= 20; calls++) {
				await fetch(`${quick.url}/data/2.5/weather`);
				assert.deepEqual(quick.stats, {
					calls,
					inFlight: 0,
					maxInFlight: 1,
					aborted: 0,
				});
			}
		} finally {
			await quick.close();
		}
	});

	it("closes at once, cutting the calls it has, and may be closed again", {
		timeout: 5000,
	}, async () => {
		const calling = await call();
		const cut = assert.rejects(once(calling, "response"), {
			code: "ECONNRESET",
		});
		await upstream.close();
		await cut;
		assert.equal(upstream.stats.inFlight, 0);
		await upstream.close();
		await assert.rejects(fetch(path));
	});

	it("fails to start on a port that is taken", async () => {
		const port = Number(new URL(upstream.url).port);
		await assert.rejects(startLibreTranslate({ port }), { code: "EADDRINUSE" });
	});
});

describe("the latencies", () => {
	const draw = (seed: number, range: readonly [number, number]) =>
		Array.from({ length: 1000 }, createLatency(seed, range));

	it("are the same for the same seed and others for another", () => {
		assert.deepEqual(draw(1, [100, 400]), draw(1, [100, 400]));
		assert.notDeepEqual(draw(1, [100, 400]), draw(2, [100, 400]));
	});

	it("spread over the whole range, its ends included, and never leave it", () => {
		for (const seed of [0, 1, -1, 2 ** 32, 0.5]) {
			const seen = new Set(draw(seed, [3, 6]));
			assert.deepEqual([...seen].sort(), [3, 4, 5, 6]);
			assert.deepEqual(new Set(draw(seed, [5, 5])), new Set([5]));
		}
	});
});
