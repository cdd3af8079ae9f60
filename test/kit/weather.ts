import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import {
	type RunningUpstream,
	startLibreTranslate,
	startOpenWeather,
} from "../../examples/weather/upstreams.ts";
import { serveAdmin } from "../../src/admin/admin.ts";
import { type ServedGateway, serve } from "./serve.ts";

export const weatherExample = readFileSync(
	new URL("../../examples/weather/sluice.yaml", import.meta.url),
	"utf8",
);

/** The weather gateway with its admin server. When `translate` is closed, translations fail. */
export interface Weather extends AsyncDisposable {
	readonly gateway: ServedGateway;
	/** The admin server's. */
	readonly url: string;
	readonly translate: RunningUpstream;
	ask(city: string): Promise<void>;
}

export interface WeatherOptions {
	/** The admin server's. */
	readonly token?: string | null;
	readonly latencyMs?: readonly [number, number];
	/** A piece of the config, which must be there, and what stands in its place. */
	readonly instead?: readonly [piece: string, by: string];
}

export async function startWeather({
	token = null,
	latencyMs = [20, 60],
	instead: [piece, by] = ["", ""],
}: WeatherOptions = {}): Promise<Weather> {
	const openweather = await startOpenWeather({
		latencyMs,
		key: "a-key-of-20-letters-1",
	});
	const translate = await startLibreTranslate({ latencyMs });
	assert.ok(weatherExample.includes(piece), piece);
	const gateway = await serve(weatherExample.replace(piece, by), {
		OPENWEATHER_URL: openweather.url,
		OPENWEATHER_KEY: "a-key-of-20-letters-1",
		TRANSLATE_URL: translate.url,
	});
	const admin = await serveAdmin(gateway.gateway, { port: 0, token });
	return {
		...{ gateway, translate, url: admin.url },
		async ask(city) {
			await gateway.get(`/weather?city=${encodeURIComponent(city)}`);
		},
		async [Symbol.asyncDispose]() {
			await admin.close();
			await gateway[Symbol.asyncDispose]();
			await Promise.all([openweather.close(), translate.close()]);
		},
	};
}
