import { headerOf } from "../core/http/headers.ts";
import { packageVersion } from "../core/version.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { hashOf } from "../plan/print.ts";
import type { RunningServer } from "../server/serve.ts";
import type { Scope } from "../tasks/scope.ts";
import type { History } from "../telemetry/history/history.ts";
import {
	contentTypes,
	type MetricsFormat,
} from "../telemetry/metrics/exposition.ts";
import type { Metrics } from "../telemetry/metrics/metrics.ts";
import { createTraffic, type Traffic } from "../telemetry/traffic/traffic.ts";
import { jsonAnswer, type Page } from "./handle.ts";
import { historyPage, keptRequestPage } from "./history-pages.ts";
import { planPage } from "./plan-page.ts";
import { shownPlan } from "./shown-config.ts";
import { type State, stateOf, statePage } from "./state-page.ts";
import { requestPage, trafficPage } from "./traffic-pages.ts";
import { TrafficStreams } from "./traffic-streams.ts";
import { tryPage } from "./try-page.ts";

/** The parts of a process that know what its admin server shows. */
export interface AdminParts {
	/** The gateway's own server. Null: there is none, and the gateway is always ready. */
	readonly server: Pick<
		RunningServer,
		"connections" | "draining" | "sessions" | "url"
	> | null;
	readonly metrics: Metrics;
	/** Null: there is none. */
	readonly history: History | null;
}

/** The pages of one process, by their paths. */
export interface AdminPages {
	readonly pages: ReadonlyMap<string, Page>;
	readonly traffic: Traffic;
	readonly state: () => State;
	/** Ends the streams. */
	endStreams(): void;
	/** Keeps nothing from now on. */
	close(): void;
}

/** Begins to keep what the pages show. `adds`: whether another process adds it to what others say. */
export function createPages(
	gateway: Gateway,
	parts: AdminParts,
	adds = false,
): AdminPages {
	const { server, metrics, history } = parts;
	const traffic = createTraffic(gateway, adds);
	const state = stateOf({ gateway, server, metrics, traffic });
	const streams = new TrafficStreams(traffic, gateway.secrets);
	return {
		...{ traffic, state },
		pages: new Map<string, Page>([
			["/health/live", livePage],
			[
				"/health/ready",
				readyPage(() => (server?.draining() ? "draining" : null)),
			],
			[
				"/metrics",
				metricsPage((format) => metrics.print(format, server, history)),
			],
			["/config", configPage(gateway)],
			["/traffic", trafficPage(traffic, streams)],
			["/traffic/*", requestPage(traffic)],
			["/history", historyPage(history)],
			["/history/*", keptRequestPage(history)],
			["/state", statePage(state)],
			["/plan", planPage(gateway)],
			["/try", tryPage(gateway)],
		]),
		endStreams: () => streams.close(),
		close: () => traffic.detach(),
	};
}

export const livePage: Page = {
	open: true,
	answer: () => jsonAnswer({ status: "ok" }),
};

/** Whoever asks for OpenMetrics gets it. Prometheus names it first among what it takes. */
export function metricsPage(
	print: (format: MetricsFormat, scope: Scope) => string | Promise<string>,
): Page {
	return {
		async answer({ headers }, scope) {
			const accept = headerOf(headers, "accept") ?? "";
			const format = accept.includes("application/openmetrics-text")
				? "openmetrics"
				: "prometheus";
			const body = await print(format, scope);
			return { status: 200, type: contentTypes[format], body };
		},
	};
}

/** Why no requests should be sent here. */
export type Unready = "draining" | "no worker is ready";

/** 503 with the reason; 200 if there is none. */
export function readyPage(unready: () => Unready | null): Page {
	return {
		open: true,
		answer() {
			const why = unready();
			if (why === null) return jsonAnswer({ status: "ok" });
			return { ...jsonAnswer({ status: why }), status: 503 };
		},
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
