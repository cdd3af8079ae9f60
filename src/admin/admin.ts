import { GatewayError } from "../core/errors.ts";
import { isLocal } from "../core/ip.ts";
import { Memory } from "../core/memory.ts";
import type { Secrets } from "../core/secrets.ts";
import type { Gateway } from "../gateway/gateway.ts";
import type { RunningServer } from "../server/serve.ts";
import { listen } from "../server/server.ts";
import type { Clock } from "../tasks/clock.ts";
import type { History } from "../telemetry/history/history.ts";
import { createMetrics, type Metrics } from "../telemetry/metrics/metrics.ts";
import { createAdminHandle, type Page } from "./handle.ts";
import { pagesOfFiles } from "./page-files.ts";
import { createPages } from "./pages.ts";
import type { AskedWorkers } from "./questions.ts";
import { pagesOfWorkers } from "./workers-pages.ts";
import { WorkersStreams } from "./workers-streams.ts";

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
	refuseOpen(host, token);
	const counted = metrics ?? createMetrics(gateway);
	const parts = { server: server ?? null, metrics: counted, history };
	const { pages, endStreams, close } = createPages(gateway, parts);
	return await openAdmin(pages, {
		...{ port, host, hosts, token },
		...{ clock: gateway.clock, secrets: gateway.secrets },
		...(onInternal && { onInternal }),
		endStreams,
		close() {
			counted.detach();
			close();
		},
	});
}

/** Where an admin server listens, and for whom. */
interface AdminDoor
	extends Required<Pick<AdminOptions, "host" | "port" | "hosts" | "token">>,
		Pick<AdminOptions, "onInternal"> {
	readonly clock: Clock;
	readonly secrets: Secrets;
	/** Called before its connections are closed. */
	endStreams(): void;
	/** Called when it is closed, and if it cannot listen. */
	close(): void;
}

async function openAdmin(
	pages: ReadonlyMap<string, Page>,
	door: AdminDoor,
): Promise<AdminServer> {
	const { host, port, hosts, token, clock, secrets } = door;
	const { onInternal, endStreams, close } = door;
	try {
		const { url, drain } = await listen({
			...bounds,
			...{ host, port, hosts },
			healthPath: null,
			...{ cors: null, headers: [], websocket: null, tls: null },
			...{ trustedProxies: null, addressHeader: null, schemeHeader: null },
			clock,
			memory: new Memory(memoryBytesMax),
			handle: createAdminHandle(
				new Map([...pagesOfFiles(), ...pages]),
				token,
				secrets,
			),
			...(onInternal && { onInternal }),
		});
		return {
			url,
			async close() {
				endStreams();
				await drain(closingMs);
				close();
			},
		};
	} catch (error) {
		close();
		throw error;
	}
}

/** The admin server of several workers: it asks them, and adds up what they say. Fails as `serveAdmin` does. */
export async function serveAdminOfWorkers(
	workers: AskedWorkers,
	{
		clock,
		secrets,
		port = usualAdminPort,
		host = "127.0.0.1",
		hosts = null,
		token = null,
		onInternal,
	}: Omit<AdminOptions, "server" | "metrics" | "history"> & {
		readonly clock: Clock;
		readonly secrets: Secrets;
	},
): Promise<AdminServer> {
	refuseOpen(host, token);
	const streams = new WorkersStreams(workers, clock, secrets);
	return await openAdmin(pagesOfWorkers(workers, streams), {
		...{ port, host, hosts, token, clock, secrets },
		...(onInternal && { onInternal }),
		endStreams: () => streams.close(),
		close() {},
	});
}

function refuseOpen(host: string, token: string | null): void {
	if (token !== null || isLocal(host)) return;
	const message = "the admin server listens for other machines: give a token";
	throw new GatewayError("config_invalid", message);
}
