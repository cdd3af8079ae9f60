import type { LoadLevel } from "../../core/events.ts";
import type { TracerState } from "../../core/trace-ids.ts";
import { packageVersion } from "../../core/version.ts";
import type { Gateway, GatewayState } from "../../gateway/gateway.ts";
import type { JobsState } from "../../jobs/jobs.ts";
import type { ChannelState } from "../../live/channel.ts";
import type { RunningServer } from "../../server/serve.ts";
import type { TlsState } from "../../server/server.ts";
import type { StoreState } from "../../store/store.ts";
import type { UpstreamState } from "../../upstream/upstream.ts";
import { labels, type Metric, type MetricsOut } from "./exposition.ts";
import { metrics } from "./families.ts";

const breakerStates = ["closed", "half_open", "open"] as const;
const loadLevels = ["normal", "skipping", "refusing"] as const;

/** The plan in force: its hash, and when it was loaded, in milliseconds since 1970. */
export interface LoadedPlan {
	readonly hash: string;
	readonly atMs: number;
}

/** The server, as far as it is counted. */
export type CountedServer = Pick<RunningServer, "connections" | "sessions"> &
	Partial<Pick<RunningServer, "tls">>;

/** Asks the parts that know. Nothing is looked at between two scrapes. */
export function writeGauges(
	gateway: Gateway,
	server: CountedServer | null,
	load: LoadLevel,
	loaded: LoadedPlan,
	out: MetricsOut,
): void {
	const { upstreams, requests, threads, live, channels, store, jobs } =
		gateway.state();
	const one = (metric: Metric, value: number | undefined) => {
		if (value === undefined) return;
		out.metric(metric);
		out.sample(metric.name, "", value);
	};
	writeUpstreams(upstreams, out);
	if (live.length > 0) writeLive(live, out);
	if (channels.length > 0) writeChannels(channels, out);
	if (jobs !== null) writeJobs(jobs, out);
	one(metrics.clientConnections, server?.connections());
	if (server !== null) writeSessions(server.sessions(), out);
	const tls = server?.tls?.() ?? null;
	if (tls !== null) writeTls(tls, out);
	one(metrics.requestsRunning, requests?.running);
	one(metrics.requestsWaiting, requests?.waiting);
	one(metrics.poolThreads, threads?.threads);
	one(metrics.poolRunning, threads?.running);
	one(metrics.poolWaiting, threads?.waiting);
	if (store !== null) writeStore(store, out);
	const spans = gateway.events.tracers[0]?.state();
	if (spans !== undefined) writeSpans(spans, out);
	out.metric(metrics.load);
	for (const level of loadLevels) {
		out.sample(metrics.load.name, labels({ level }), Number(level === load));
	}
	one(metrics.memory, gateway.memory.held);
	one(metrics.loopDelay, gateway.clock.turnLateMs / 1000);
	one(metrics.loopBusy, performance.eventLoopUtilization().active / 1000);
	const { user, system } = process.cpuUsage();
	one(metrics.cpu, (user + system) / 1e6);
	one(metrics.resident, process.memoryUsage.rss());
	one(metrics.started, performance.timeOrigin / 1000);
	const version = packageVersion();
	out.metric(metrics.build);
	const build = labels({ version, node: process.version });
	out.sample(metrics.build.name, build, 1);
	out.metric(metrics.config);
	out.sample(metrics.config.name, labels({ hash: loaded.hash }), 1);
	one(metrics.configLoaded, loaded.atMs / 1000);
}

function writeLive(live: GatewayState["live"], out: MetricsOut): void {
	for (const [metric, field] of [
		[metrics.watches, "watches"],
		[metrics.watchers, "watchers"],
	] as const) {
		out.metric(metric);
		for (const state of live) {
			const { route } = state;
			out.sample(metric.name, labels({ route }), state[field]);
		}
	}
	out.metric(metrics.watchRuns);
	for (const { route, runs } of live) {
		for (const [outcome, count] of Object.entries(runs)) {
			const text = labels({ route, outcome });
			out.sample(metrics.watchRuns.name, text, count);
		}
	}
}

/** Nothing is said of jobs that cannot be counted now. */
function writeJobs({ counts, running }: JobsState, out: MetricsOut): void {
	out.metric(metrics.jobs);
	for (const [state, count] of Object.entries(counts ?? {})) {
		out.sample(metrics.jobs.name, labels({ state }), count);
	}
	out.metric(metrics.jobsHere);
	out.sample(metrics.jobsHere.name, "", running);
}

/** By the channel's name in the config, never by its instances. */
function writeChannels(
	channels: readonly ChannelState[],
	out: MetricsOut,
): void {
	const each = (metric: Metric, valueOf: (state: ChannelState) => number) => {
		out.metric(metric);
		for (const state of channels) {
			const channel = labels({ channel: state.name });
			out.sample(metric.name, channel, valueOf(state));
		}
	};
	each(metrics.channelListeners, ({ listeners }) => listeners);
	each(metrics.channelInstances, ({ instances }) => instances);
	each(metrics.channelMembers, ({ members }) => members);
	each(metrics.channelKept, ({ keptBytes }) => keptBytes);
	each(metrics.channelWaiting, ({ waitingBytes }) => waitingBytes);
	each(metrics.channelPublished, ({ published }) => published);
	each(metrics.channelDelivered, ({ delivered }) => delivered);
	each(metrics.channelDropped, ({ dropped }) => dropped);
}

function writeSessions(
	{ open, received, sent, closed }: ReturnType<RunningServer["sessions"]>,
	out: MetricsOut,
): void {
	out.metric(metrics.websocketsOpen);
	out.sample(metrics.websocketsOpen.name, "", open);
	out.metric(metrics.websocketMessages);
	const { name } = metrics.websocketMessages;
	out.sample(name, labels({ direction: "received" }), received);
	out.sample(name, labels({ direction: "sent" }), sent);
	out.metric(metrics.websocketsClosed);
	for (const [code, count] of closed) {
		out.sample(metrics.websocketsClosed.name, labels({ code }), count);
	}
}

function writeTls(
	{ certificates, reloads, failures }: TlsState,
	out: MetricsOut,
): void {
	out.metric(metrics.certificateExpiry);
	for (const { name, untilMs } of certificates) {
		const host = labels({ host: name ?? "" });
		out.sample(metrics.certificateExpiry.name, host, untilMs / 1000);
	}
	out.metric(metrics.certificateReloads);
	for (const [outcome, count] of Object.entries(reloads)) {
		const text = labels({ outcome });
		out.sample(metrics.certificateReloads.name, text, count);
	}
	out.metric(metrics.handshakeFailures);
	for (const [reason, count] of failures) {
		out.sample(metrics.handshakeFailures.name, labels({ reason }), count);
	}
}

function writeStore(store: StoreState, out: MetricsOut): void {
	const by = (metric: Metric, label: string, counts: object) => {
		out.metric(metric);
		for (const [word, count] of Object.entries(counts)) {
			out.sample(metric.name, labels({ [label]: word }), count);
		}
	};
	out.metric(metrics.storeUp);
	out.sample(metrics.storeUp.name, "", Number(store.state === "up"));
	by(metrics.storeCalls, "outcome", store.calls);
	by(metrics.storeAway, "reason", store.away);
	by(metrics.storeLocal, "use", store.local);
}

function writeSpans(
	{ sent, failed, dropped, leftOut, waiting }: TracerState,
	out: MetricsOut,
): void {
	const outcomes = { sent, failed, dropped, left_out: leftOut };
	out.metric(metrics.spans);
	for (const [outcome, count] of Object.entries(outcomes)) {
		out.sample(metrics.spans.name, labels({ outcome }), count);
	}
	out.metric(metrics.spansWaiting);
	out.sample(metrics.spansWaiting.name, "", waiting);
}

function writeUpstreams(
	upstreams: readonly UpstreamState[],
	out: MetricsOut,
): void {
	const each = (
		metric: Metric,
		valueOf: (state: UpstreamState) => number | undefined,
	) => {
		out.metric(metric);
		for (const state of upstreams) {
			const value = valueOf(state);
			if (value === undefined) continue;
			out.sample(metric.name, labels({ upstream: state.name }), value);
		}
	};
	each(metrics.callsRunning, ({ running }) => running);
	each(metrics.callsWaiting, ({ waiting }) => waiting);
	each(metrics.callsLimit, ({ limit }) => limit);
	each(metrics.streamsOpen, ({ streams }) => streams);
	each(metrics.cacheBytes, ({ cache }) => cache?.bytes);
	each(metrics.cacheEntries, ({ cache }) => cache?.entries);
	out.metric(metrics.upstreamConnections);
	for (const { name: upstream, connections, idle } of upstreams) {
		const { name } = metrics.upstreamConnections;
		const used = connections - idle;
		out.sample(name, labels({ upstream, state: "used" }), used);
		out.sample(name, labels({ upstream, state: "idle" }), idle);
	}
	out.metric(metrics.breakerState);
	for (const { name: upstream, breaker } of upstreams) {
		if (breaker === null) continue;
		for (const state of breakerStates) {
			const text = labels({ upstream, state });
			out.sample(metrics.breakerState.name, text, Number(state === breaker));
		}
	}
}
