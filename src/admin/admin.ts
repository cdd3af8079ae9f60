import { GatewayError } from "../core/errors.ts";
import { headerOf } from "../core/http/headers.ts";
import { isLocal } from "../core/ip.ts";
import { Memory } from "../core/memory.ts";
import { packageVersion } from "../core/version.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { hashOf } from "../plan/print.ts";
import type { RunningServer } from "../server/serve.ts";
import { listen } from "../server/server.ts";
import type { History } from "../telemetry/history/history.ts";
import { contentTypes } from "../telemetry/metrics/exposition.ts";
import { createMetrics, type Metrics } from "../telemetry/metrics/metrics.ts";
import { createTraffic } from "../telemetry/traffic/traffic.ts";
import { createAdminHandle, jsonAnswer, type Page } from "./handle.ts";
import { historyPage, keptRequestPage } from "./history-pages.ts";
import { pagesOfFiles } from "./page-files.ts";
import { planPage } from "./plan-page.ts";
import { shownPlan } from "./shown-config.ts";
import { statePage } from "./state-page.ts";
import { requestPage, trafficPage } from "./traffic-pages.ts";
import { TrafficStreams } from "./traffic-streams.ts";
import { tryPage } from "./try-page.ts";

export interface AdminOptions {
	/** The gateway's own server. While it drains, the gateway is not ready. Without it the gateway is always ready. */
	readonly server?: Pick<
		RunningServer,
		"connections" | "draining" | "sessions" | "url"
	>;
	/** Default: 8081. 0 takes any free one. */
	readonly port?: number;
	/** Default: this machine alone. Any other needs a token. */
	readonly host?: string;
	/** The hosts that are answered, as in `server.hosts`. Default: those that mean this machine if `host` does, else any. */
	readonly hosts?: readonly string[] | null;
	/** With it every request needs `Authorization: Bearer <token>`. */
	readonly token?: string | null;
	/** What `/metrics` shows. Default: it counts from now on. */
	readonly metrics?: Metrics;
	/** What `/history` shows. Default: there is none. */
	readonly history?: History | null;
	/** Called with errors that are bugs. */
	readonly onInternal?: (error: unknown, requestId: string) => void;
}

/** A running admin server. */
export interface AdminServer {
	readonly url: string;
	/** Ends its streams, cuts whatever is not answered within a second, and closes its port. */
	close(): Promise<void>;
}

/** The port if nobody names one. */
export const usualAdminPort = 8081;

/** Small, because it answers a few programs and people. They cost no memory and no connections of the gateway. */
const bounds = {
	connectionsMax: 64,
	connectionsPerClient: 32,
	headerBytesMax: 8 * 1024,
	headerFieldsMax: 50,
	headersTimeoutMs: 5_000,
	requestTimeoutMs: 5_000,
	idleTimeoutMs: 65_000,
	leastBytesPerSecond: 1024,
};

/** How long answers may take when it closes. */
const closingMs = 1_000;

/** What its requests and answers may hold in all. */
const memoryBytesMax = 64 * 2 ** 20;

/**
 * Opens a second server that shows what a gateway does: a page for browsers, health, metrics, the config and the last
 * requests. Fails with the system's error if it cannot listen, and with `config_invalid` if other machines could ask
 * without a token.
 */
export async function serveAdmin(
	gateway: Gateway,
	{
		server,
		port = usualAdminPort,
		host = "127.0.0.1",
		hosts = null,
		token = null,
		metrics,
		history = null,
		onInternal,
	}: AdminOptions = {},
): Promise<AdminServer> {
	if (token === null && !isLocal(host)) {
		const message = "the admin server listens for other machines: give a token";
		throw new GatewayError("config_invalid", message);
	}
	const counted = metrics ?? createMetrics(gateway);
	const traffic = createTraffic(gateway);
	const streams = new TrafficStreams(traffic);
	const detach = () => {
		counted.detach();
		traffic.detach();
	};
	const pages = new Map<string, Page>([
		...pagesOfFiles(),
		["/health/live", { answer: () => jsonAnswer({ status: "ok" }) }],
		["/health/ready", readyPage(server ?? null)],
		["/metrics", metricsPage(counted, server ?? null, history)],
		["/config", configPage(gateway)],
		["/traffic", trafficPage(traffic, streams)],
		["/traffic/*", requestPage(traffic)],
		["/history", historyPage(history)],
		["/history/*", keptRequestPage(history)],
		[
			"/state",
			statePage({ gateway, server: server ?? null, metrics: counted, traffic }),
		],
		["/plan", planPage(gateway)],
		["/try", tryPage(gateway)],
	]);
	const listening = listen({
		...bounds,
		...{ host, port, hosts },
		healthPath: null,
		...{ cors: null, websocket: null },
		...{ trustedProxies: null, addressHeader: null, schemeHeader: null },
		clock: gateway.clock,
		memory: new Memory(memoryBytesMax),
		handle: createAdminHandle(pages, token),
		...(onInternal && { onInternal }),
	});
	try {
		const { url, drain } = await listening;
		return {
			url,
			async close() {
				streams.close();
				await drain(closingMs);
				detach();
			},
		};
	} catch (error) {
		detach();
		throw error;
	}
}

/** Whoever asks for OpenMetrics gets it. Prometheus names it first among what it takes. */
function metricsPage(
	metrics: Metrics,
	server: Pick<RunningServer, "connections" | "sessions"> | null,
	history: History | null,
): Page {
	return {
		answer({ headers }) {
			const accept = headerOf(headers, "accept") ?? "";
			const format = accept.includes("application/openmetrics-text")
				? "openmetrics"
				: "prometheus";
			const body = metrics.print(format, server, history);
			return { status: 200, type: contentTypes[format], body };
		},
	};
}

function readyPage(server: Pick<RunningServer, "draining"> | null): Page {
	return {
		answer: () =>
			server?.draining()
				? { ...jsonAnswer({ status: "draining" }), status: 503 }
				: jsonAnswer({ status: "ok" }),
	};
}

/** The config in force. Equal hashes mean equal plans, whatever the environment. */
function configPage({ plan }: Gateway): Page {
	const loadedAt = new Date().toISOString();
	let body: string | null = null;
	return {
		answer() {
			body ??= `${JSON.stringify(
				{
					version: packageVersion(),
					node: process.version,
					loadedAt,
					hash: hashOf(plan),
					plan: shownPlan(plan),
				},
				null,
				2,
			)}\n`;
			return { status: 200, type: "application/json", body };
		},
	};
}
