import type { BenchRoute, RouteName } from "../routes.ts";

/** What KrakenD's community edition can say of the routes without a plugin: no field of a list's item, no call per item. */
export const krakendRoutes: readonly RouteName[] = ["pass", "three", "slow"];

/** Its config, written for speed: no log line per request, as many idle connections as there are calls at once. */
export function krakendConfig(
	upstreamUrl: string,
	port: number,
	routes: Readonly<Record<RouteName, BenchRoute>>,
): object {
	const host = [upstreamUrl];
	const part = (group: string, path: string) => ({
		host,
		url_pattern: path,
		group,
		allow: ["name", "main.temp"],
	});
	const merged = (endpoint: string, last: string) => ({
		endpoint,
		backend: [
			part("kaliningrad", "/weather/kaliningrad"),
			part("moscow", "/weather/moscow"),
			part("london", last),
		],
	});
	return {
		$schema: "https://www.krakend.io/schema/v2.13/krakend.json",
		version: 3,
		port,
		listen_ip: "127.0.0.1",
		timeout: "3s",
		max_idle_connections: 512,
		max_idle_connections_per_host: 512,
		extra_config: {
			"telemetry/logging": { level: "CRITICAL", stdout: false },
			router: { disable_access_log: true },
		},
		endpoints: [
			{
				endpoint: routes.pass.target,
				output_encoding: "no-op",
				backend: [
					{
						host,
						url_pattern: routes.pass.target.slice("/pass".length),
						encoding: "no-op",
					},
				],
			},
			merged(routes.three.target, "/weather/london"),
			merged(routes.slow.target, "/slow/london"),
		],
	};
}
