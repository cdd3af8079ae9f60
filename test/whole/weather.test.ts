import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import {
	startLibreTranslate,
	startOpenWeather,
} from "../../examples/weather/upstreams.ts";
import { virtualClock } from "../../src/tasks/clock.ts";
import { EventReader } from "../kit/listeners.ts";
import { type AnswerStream, get } from "../kit/request.ts";
import { type HttpAnswer, serve } from "../kit/serve.ts";
import { type Answering, json, startUpstream } from "../kit/upstream.ts";

const example = readFileSync(
	new URL("../../examples/weather/sluice.yaml", import.meta.url),
	"utf8",
);
const key = "planted-0penweather-key";
const quick = { latencyMs: [0, 5] } as const;
const moscow = "/weather?city=%D0%9C%D0%BE%D1%81%D0%BA%D0%B2%D0%B0";

/** The weather gateway over the example's two services. */
async function weather(
	yaml = example,
	latencyMs: readonly [number, number] = quick.latencyMs,
) {
	const openweather = await startOpenWeather({ latencyMs, key });
	const translate = await startLibreTranslate({ latencyMs });
	const gateway = await serve(yaml, {
		OPENWEATHER_URL: openweather.url,
		OPENWEATHER_KEY: key,
		TRANSLATE_URL: translate.url,
	});
	return {
		openweather,
		translate,
		gateway,
		async [Symbol.asyncDispose]() {
			await gateway[Symbol.asyncDispose]();
			await Promise.all([openweather.close(), translate.close()]);
		},
	};
}

/** The weather gateway over upstreams that a test plays. */
async function played(
	playOpenweather: Answering,
	playTranslate: Answering,
	yaml = example,
) {
	const openweather = await startUpstream(playOpenweather);
	const translate = await startUpstream(playTranslate);
	const gateway = await serve(yaml, {
		OPENWEATHER_URL: openweather.url,
		OPENWEATHER_KEY: key,
		TRANSLATE_URL: translate.url,
	});
	return {
		openweather,
		translate,
		gateway,
		async [Symbol.asyncDispose]() {
			await gateway[Symbol.asyncDispose]();
			await openweather[Symbol.asyncDispose]();
			await translate[Symbol.asyncDispose]();
		},
	};
}

const cloudy: Answering = (_request, response) =>
	json(response, {
		name: "Moscow",
		weather: [{ main: "Clouds" }],
		main: { temp: 1 },
	});
const translated: Answering = ({ body }, response) => {
	const { q } = JSON.parse(body);
	json(response, { translatedText: q === "Clouds" ? "облачно" : "Moscow" });
};
const hanging: Answering = () => {};
const down: Answering = (_request, response) =>
	response.socket?.resetAndDestroy();

function showsNothingInside(
	{ text, headers }: HttpAnswer,
	...urls: string[]
): void {
	const all = text + JSON.stringify(headers);
	for (const secret of [
		key,
		"appid",
		...urls,
		...urls.map((url) => new URL(url).host),
	]) {
		assert.ok(!all.includes(secret), `${secret} shows in ${all}`);
	}
}

describe("the weather example", () => {
	it("answers in the caller's language, whole", async () => {
		await using all = await weather();
		const answer = await all.gateway.get(moscow);
		assert.equal(answer.status, 200);
		assert.equal(answer.text, '{"city":"Москва","weather":"облачно"}');
		assert.equal(answer.headers["sluice-complete"], "?1");
		assert.match(String(answer.headers["content-type"]), /^application\/json/);
		assert.match(String(answer.headers["x-request-id"]), /^[0-9a-f-]{36}$/);
	});

	it("says that there are no data for an unknown city, which is no failure", async () => {
		await using all = await weather();
		const answer = await all.gateway.get("/weather?city=Atlantis");
		assert.equal(answer.status, 200);
		assert.deepEqual(answer.json, { city: "Atlantis", weather: "Нет данных" });
		assert.equal(answer.headers["sluice-complete"], "?1");
	});

	it("answers a request without a city with 400 that names it", async () => {
		await using all = await weather();
		const answer = await all.gateway.get("/weather");
		assert.equal(answer.status, 400);
		assert.equal(answer.headers["content-type"], "application/problem+json");
		assert.deepEqual(answer.json, {
			type: "urn:sluice:error:request_invalid",
			title: "The request is invalid",
			status: 400,
			code: "request_invalid",
			instance: answer.headers["x-request-id"],
			errors: [{ at: "query.city", message: "is required" }],
		});
	});

	it("answers 404 for no route and 405 with Allow for another method", async () => {
		await using all = await weather();
		assert.equal((await all.gateway.get("/nope")).status, 404);
		const answer = await all.gateway.get("/weather", { method: "POST" });
		assert.equal(answer.status, 405);
		assert.equal(answer.headers.allow, "GET, HEAD");
	});

	const cities = [
		"Москва",
		"Санкт-Петербург",
		"Ростов-на-Дону",
		"Калининград",
		"Владивосток",
		"Минск",
		"Лондон",
		"Нью-Йорк",
		"Токио",
		"Пекин",
		"Дели",
		"Стамбул",
	];
	const compare = `/weather/compare?${cities.map((city) => `city=${encodeURIComponent(city)}`).join("&")}`;

	it("compares twelve cities in the order asked, asking for all at once", async () => {
		await using all = await weather(example, [100, 200]);
		const answer = await all.gateway.get(compare);
		assert.equal(answer.status, 200);
		assert.equal(answer.headers["sluice-complete"], "?1");
		const parts = answer.json as { city: string; temp: number; sky: string }[];
		assert.deepEqual(
			parts.map(({ city }) => city),
			[
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
		);
		assert.equal(all.openweather.stats.calls, 12);
		assert.equal(all.openweather.stats.maxInFlight, 12);
	});

	it("asks for three at a time with `parallel: 3`", async () => {
		await using all = await weather(
			example.replace("parallel: 12", "parallel: 3"),
			[20, 60],
		);
		const answer = await all.gateway.get(compare);
		assert.equal((answer.json as unknown[]).length, 12);
		assert.equal(all.openweather.stats.calls, 12);
		assert.equal(all.openweather.stats.maxInFlight, 3);
	});

	it("answers partially while the translation is down", async () => {
		await using all = await played(cloudy, down);
		const answer = await all.gateway.get(moscow);
		assert.equal(answer.status, 200);
		assert.deepEqual(answer.json, { city: "Москва", weather: "Clouds" });
		assert.equal(answer.headers["sluice-complete"], "?0");
		assert.equal(
			answer.headers["sluice-missing"],
			"city_en;error=upstream_unreachable, weather;error=upstream_unreachable",
		);
		assert.equal(answer.headers["cache-control"], "no-store");
		showsNothingInside(answer, all.translate.url, all.openweather.url);
	});

	it("answers partially, in time, while the translation hangs", async () => {
		await using all = await played(cloudy, hanging);
		const answer = await all.gateway.get(moscow);
		assert.equal(answer.status, 200);
		assert.deepEqual(answer.json, { city: "Москва", weather: "Clouds" });
		assert.equal(
			answer.headers["sluice-missing"],
			"city_en;error=upstream_timeout, weather;error=upstream_timeout",
		);
		const [end] = all.gateway.ended;
		assert.ok(
			end && end.durationMs >= 1800 && end.durationMs < 3000,
			`${end?.durationMs}`,
		);
		await all.translate.aborted(2);
	});

	it("answers 502 while the weather is down", async () => {
		await using all = await played(down, translated);
		const answer = await all.gateway.get(moscow);
		assert.equal(answer.status, 502);
		assert.equal(
			(answer.json as { code: string }).code,
			"upstream_unreachable",
		);
		showsNothingInside(answer, all.translate.url, all.openweather.url);
	});

	it("answers 502 where the weather refuses the key, and shows nothing of its answer", async () => {
		await using all = await weather();
		await using strict = await startUpstream((_request, response) =>
			json(response, { cod: 401, message: `Invalid API key ${key}` }, 401),
		);
		await using gateway = await serve(example, {
			OPENWEATHER_URL: strict.url,
			OPENWEATHER_KEY: key,
			TRANSLATE_URL: all.translate.url,
		});
		const answer = await gateway.get(moscow);
		assert.equal(answer.status, 502);
		assert.equal((answer.json as { code: string }).code, "upstream_status");
		showsNothingInside(answer, strict.url);
	});

	it("answers 504 with upstream_timeout when the weather hangs for its timeout", async () => {
		await using all = await played(hanging, translated);
		const answer = await all.gateway.get(moscow);
		assert.equal(answer.status, 504);
		assert.equal((answer.json as { code: string }).code, "upstream_timeout");
		const [end] = all.gateway.ended;
		assert.ok(
			end && end.durationMs >= 1000 && end.durationMs < 2500,
			`${end?.durationMs}`,
		);
		showsNothingInside(answer, all.openweather.url);
		await all.openweather.aborted(1);
	});

	it("answers 504 with deadline_exceeded when the deadline comes before the timeout", async () => {
		const patient = example
			.replace("timeout: 1s", "timeout: 1m")
			.replace("deadline: 3s", "deadline: 600ms");
		await using all = await played(hanging, translated, patient);
		const answer = await all.gateway.get(moscow);
		assert.equal(answer.status, 504);
		assert.equal((answer.json as { code: string }).code, "deadline_exceeded");
		await all.openweather.aborted(1);
	});

	it("sends the partial answer at the deadline where every required part is there", async () => {
		const short = example
			.replace("deadline: 3s", "deadline: 600ms")
			.replace("within: 800ms", "within: 5s");
		const onlyCities: Answering = (request, response) => {
			if (!request.body.includes("Clouds")) translated(request, response);
		};
		await using all = await played(cloudy, onlyCities, short);
		const answer = await all.gateway.get(moscow);
		assert.equal(answer.status, 200);
		assert.deepEqual(answer.json, { city: "Москва", weather: "Clouds" });
		assert.equal(
			answer.headers["sluice-missing"],
			"weather;error=deadline_exceeded",
		);
	});

	it("sends the key upstream and to nobody else", async () => {
		await using all = await played(cloudy, translated);
		await all.gateway.get(moscow);
		assert.equal(
			all.openweather.seen[0]?.target,
			`/data/2.5/weather?appid=${key}&units=metric&q=Moscow`,
		);
		assert.ok(!JSON.stringify(all.translate.seen).includes(key));
	});
});

describe("the board of the weather example", () => {
	/** The gateway on a clock that stands still, and what those who watch have been told. */
	async function watched(yaml: string) {
		const clock = virtualClock();
		const openweather = await startOpenWeather({
			latencyMs: [0, 0],
			key,
			wavers: true,
		});
		const gateway = await serve(
			yaml,
			{
				OPENWEATHER_URL: openweather.url,
				OPENWEATHER_KEY: key,
				TRANSLATE_URL: "http://127.0.0.1:1",
			},
			clock,
		);
		const url = `${gateway.url}/board`;
		const closing: (() => void)[] = [];
		const byEvents = async () => {
			const headers = { accept: "text/event-stream" };
			const request = get(url, { headers, agent: false });
			closing.push(() => request.destroy());
			const [response] = (await once(request, "response")) as [AnswerStream];
			response.setEncoding("utf8");
			response.on("error", () => {});
			const reader = new EventReader();
			const answers: unknown[] = [];
			response.on("data", (text: string) => {
				for (const { event, data } of reader.read(text)) {
					if (event === "answer") answers.push(data);
				}
			});
			return answers;
		};
		const bySocket = () => {
			const socket = new WebSocket(url.replace("http", "ws"));
			closing.push(() => socket.close());
			const answers: unknown[] = [];
			socket.onmessage = ({ data }) => {
				const { event, data: answer } = JSON.parse(data);
				if (event === "answer") answers.push(answer);
			};
			return answers;
		};
		const all = [await byEvents(), bySocket(), await byEvents()];
		return {
			...{ all, clock, openweather },
			runs: () => gateway.gateway.state().live[0]?.runs,
			/** Waits until each has been told so many answers. */
			async until(count: number) {
				while (all.some((answers) => answers.length < count)) {
					await new Promise(setImmediate);
				}
			},
			async [Symbol.asyncDispose]() {
				for (const close of closing) close();
				await gateway[Symbol.asyncDispose]();
				await openweather.close();
			},
		};
	}

	it("has one run an interval for three who watch", async () => {
		const yaml = example
			.replace(/^ +cache: { for: 1m, stale: 10m }.*\n/m, "")
			.replace("live: true", "live: { every: 1m }");
		await using board = await watched(yaml);
		for (const count of [1, 2, 3, 4]) {
			await board.until(count);
			assert.equal(board.openweather.stats.calls, 12 * count);
			assert.deepEqual(board.runs(), {
				...{ changed: count, unchanged: 0, failed: 0 },
			});
			await board.clock.advance(60_000);
		}
		await board.until(5);
		const [one = [], ...others] = board.all;
		for (const answers of others) assert.deepEqual(answers, one);
		for (const answer of one) assert.equal((answer as unknown[]).length, 12);
	});

	it("asks for each city once a minute, and tells of it as soon as it is another", async () => {
		// The clock goes on while calls are under way.
		await using board = await watched(
			example.replace("timeout: 1s", "timeout: 1m"),
		);
		const { stats } = board.openweather;
		await board.until(1);
		await board.clock.advance(59_000);
		assert.equal(stats.calls, 12);
		while (board.all.some((answers) => answers.length < 2)) {
			await board.clock.advance(1_000);
			do await new Promise(setImmediate);
			while (stats.inFlight > 0);
		}
		assert.equal(stats.calls, 24);
		assert.equal(board.runs()?.changed, 2);
		const [first, second] = board.all[1] as { city: string; temp: number }[][];
		const cities = (answer: typeof first) => answer?.map(({ city }) => city);
		assert.deepEqual(cities(second), cities(first));
		assert.notDeepEqual(second, first);
	});
});
