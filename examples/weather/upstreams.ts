/**
 * The services the weather gateway asks, as two real HTTP servers on loopback: one answers as OpenWeather does, out of
 * recorded answers, one as LibreTranslate does, out of a glossary. Both take their time, as real ones do.
 */
import { answerAsLibreTranslate } from "./upstreams/libretranslate.ts";
import { answerAsOpenWeather } from "./upstreams/openweather.ts";
import { listen } from "./upstreams/server.ts";

/** How an upstream is set up. Nothing needs to be given. */
export interface UpstreamOptions {
	/** The same seed gives the same latencies, in the order in which calls arrive. */
	seed?: number;
	/** Shortest and longest latency of an answer, both included; 100–400 ms unless given. */
	latencyMs?: readonly [number, number];
	/** The key callers must send: OpenWeather wants `demo-key-1` unless given, LibreTranslate then wants none. */
	key?: string;
	/** 0, the default, lets the system choose. */
	port?: number;
	/** The address to listen on; 127.0.0.1 unless given. */
	host?: string;
}

export interface OpenWeatherOptions extends UpstreamOptions {
	/** Whether temperatures waver by up to a degree, so that whoever watches sees something; else they are as recorded. */
	wavers?: boolean;
}

/** An upstream that listens. */
export interface RunningUpstream extends AsyncDisposable {
	/** Its origin, without a slash at the end. */
	readonly url: string;
	/** What it saw since it started or was last reset. Live: read it again for newer numbers. */
	readonly stats: UpstreamStats;
	/** Zeroes the stats; a call still in flight stays counted as in flight. */
	reset(): void;
	/** Ends at once: calls in flight are cut, not answered. */
	close(): Promise<void>;
}

/** What an upstream saw. */
export interface UpstreamStats {
	/** Every call counts, refused ones too. */
	readonly calls: number;
	/** Arrived and not yet answered. */
	readonly inFlight: number;
	readonly maxInFlight: number;
	/** Calls whose client was gone before the answer. */
	readonly aborted: number;
}

/** Starts a server that answers `GET /data/2.5/weather` for the twelve recorded cities. */
export function startOpenWeather(
	options: OpenWeatherOptions = {},
): Promise<RunningUpstream> {
	const { key = "demo-key-1", wavers = false } = options;
	let calls = 0;
	return listen({ seed: 1, ...options }, (request) => {
		const warmer = wavers ? Math.sin(calls++) : 0;
		return answerAsOpenWeather(request, key, warmer);
	});
}

/** Starts a server that answers `POST /translate` and `GET /languages`, for Russian and English. */
export function startLibreTranslate(
	options: UpstreamOptions = {},
): Promise<RunningUpstream> {
	return listen({ seed: 2, ...options }, (request) =>
		answerAsLibreTranslate(request, options.key),
	);
}
