import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { krakendConfig, krakendRoutes } from "./gateways/krakend.ts";
import type { Listening } from "./gateways/listen.ts";
import { nginxLua, nginxProxy } from "./gateways/nginx.ts";
import { hasCjson, luaModules, startNginx } from "./nginx.ts";
import { freePort, has, type Processes, type Running } from "./processes.ts";
import { type RouteName, routeNames, routes, sluiceConfig } from "./routes.ts";

/** The folder of this checkout. */
const here = fileURLToPath(new URL("..", import.meta.url));

export type CompetitorName =
	| "sluice"
	| "sluice-off"
	| "sluice-pipelining"
	| "sluice-before"
	| "undici"
	| "fastify"
	| "hono"
	| "nginx"
	| "nginx-lua"
	| "krakend";

/** One way to answer the routes, in a process of its own. */
export interface Competitor {
	readonly name: CompetitorName;
	readonly title: string;
	readonly routes: readonly RouteName[];
	/** Its code or config, from the folder of the bench. */
	readonly source: string;
	/** Why it cannot run here and how to get it; null where it can. */
	missing(): string | null;
	start(place: Place): Promise<StartedGateway>;
}

/** Where a competitor runs: the upstream it asks, and a folder for its files. */
export interface Place {
	readonly processes: Processes;
	readonly upstreamUrl: string;
	readonly folder: string;
}

export interface StartedGateway extends Running {
	readonly url: string;
	/** What it told of itself. */
	readonly listening: Listening;
}

/**
 * What is on with "features on", as a team would have it: on the upstream these policies, and metrics of everything.
 * Deadline and cancellation cannot be switched off. Nothing is cached, because the bench measures calls.
 */
export const policiesOn = { breaker: true, retry: true };

export const competitors: readonly Competitor[] = [
	{
		name: "sluice",
		title: "Sluice, features on",
		routes: routeNames,
		source: "gateways/sluice.ts",
		missing: () => null,
		start: (place) =>
			startSluice(place, sluiceConfig(place.upstreamUrl, policiesOn), {
				listen: true,
			}),
	},
	{
		name: "sluice-off",
		title: "Sluice, features off",
		routes: routeNames,
		source: "gateways/sluice.ts",
		missing: () => null,
		start: (place) =>
			startSluice(place, sluiceConfig(place.upstreamUrl, {}), {
				listen: false,
			}),
	},
	{
		name: "sluice-pipelining",
		title: "Sluice, features on, pipelining",
		routes: ["three", "each"],
		source: "gateways/sluice.ts",
		missing: () => null,
		start: (place) =>
			startSluice(
				place,
				sluiceConfig(place.upstreamUrl, { ...policiesOn, pipelining: 8 }),
				{ listen: true },
			),
	},
	{
		name: "sluice-before",
		title: "Sluice before, features on",
		routes: routeNames,
		source: "gateways/sluice.ts",
		missing: () => {
			const checkout = process.env.SLUICE_BEFORE;
			if (!checkout) return "SLUICE_BEFORE names no other checkout of Sluice";
			return existsSync(gatewayFile("sluice", checkout))
				? null
				: `${checkout} is no checkout of Sluice`;
		},
		start: (place) =>
			startSluice(place, sluiceConfig(place.upstreamUrl, policiesOn), {
				listen: true,
				checkout: process.env.SLUICE_BEFORE,
			}),
	},
	byHand("undici", "by hand: node:http + undici"),
	byHand("fastify", "Fastify + fetch"),
	byHand("hono", "Hono + fetch"),
	{
		name: "nginx",
		title: "nginx proxy_pass",
		routes: ["pass"],
		source: "gateways/nginx.ts",
		missing: () => null,
		start: async ({ processes, upstreamUrl, folder }) => {
			const config = nginxProxy(upstreamUrl);
			const files = join(folder, "nginx");
			return answering(await startNginx(processes, "gateway", files, config));
		},
	},
	{
		name: "nginx-lua",
		title: "by hand: nginx + Lua",
		routes: routeNames,
		source: "gateways/nginx.ts",
		missing: () =>
			luaModules() === null || !hasCjson()
				? "nginx's Lua module or cjson is missing: apt-get install libnginx-mod-http-lua lua-cjson"
				: null,
		start: async ({ processes, upstreamUrl, folder }) => {
			const config = nginxLua(upstreamUrl);
			const files = join(folder, "nginx-lua");
			return answering(await startNginx(processes, "gateway", files, config));
		},
	},
	{
		name: "krakend",
		title: "KrakenD",
		routes: krakendRoutes,
		source: "gateways/krakend.ts",
		missing: () => {
			const binary = process.env.KRAKEND_BIN;
			if (!binary) return "KRAKEND_BIN names no binary of KrakenD";
			return has(binary, "version") ? null : `${binary} cannot be run`;
		},
		start: async ({ processes, upstreamUrl, folder }) => {
			const port = await freePort();
			const file = join(folder, "krakend.json");
			const config = krakendConfig(upstreamUrl, port, routes);
			writeFileSync(file, JSON.stringify(config));
			const command = [process.env.KRAKEND_BIN ?? "", "run", "--config", file];
			const running = await processes.start("gateway", command, port);
			return answering({ ...running, url: `http://127.0.0.1:${port}` });
		},
	},
];

function byHand(name: CompetitorName, title: string): Competitor {
	return {
		name,
		title,
		routes: routeNames,
		source: `gateways/${name}.ts`,
		missing: () => null,
		start: ({ processes, upstreamUrl }) =>
			startNode(processes, [gatewayFile(name), upstreamUrl]),
	};
}

export interface SluiceOptions {
	/** Whether metrics are taken. */
	readonly listen: boolean;
	/** For Node. */
	readonly flags?: readonly string[];
	/** The folder of another Sluice than this one. */
	readonly checkout?: string | undefined;
}

/** Starts Sluice with a config. */
export function startSluice(
	{ processes, folder }: Place,
	config: object,
	{ listen, flags = [], checkout }: SluiceOptions,
): Promise<StartedGateway> {
	const file = join(mkdtempSync(join(folder, "sluice-")), "config.json");
	writeFileSync(file, JSON.stringify(config));
	const gateway = gatewayFile("sluice", checkout);
	const args = [gateway, file, ...(listen ? ["listen"] : [])];
	return startNode(processes, [...flags, ...args]);
}

/** Starts Sluice so that all this of it is seen: see gateways/seeing.ts. */
export function startSeeing(
	{ processes, folder }: Place,
	config: object,
	sees: readonly string[],
): Promise<StartedGateway> {
	const own = mkdtempSync(join(folder, "seeing-"));
	const file = join(own, "config.json");
	writeFileSync(file, JSON.stringify(config));
	return startNode(processes, [gatewayFile("seeing"), file, own, ...sees]);
}

async function startNode(
	processes: Processes,
	args: readonly string[],
): Promise<StartedGateway> {
	const command = [process.execPath, ...args];
	const running = await processes.start("gateway", command, "line");
	const listening = JSON.parse(running.line) as Listening;
	return { ...running, url: listening.url, listening };
}

function answering(running: Running & { readonly url: string }) {
	return { ...running, listening: { url: running.url } };
}

function gatewayFile(name: string, checkout = here): string {
	return join(checkout, "bench", "gateways", `${name}.ts`);
}
