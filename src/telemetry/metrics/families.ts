import { type PolicyKey, policyDecisions } from "../../core/events.ts";
import type { Metric } from "./exposition.ts";

function counter(
	name: string,
	help: string,
	across?: Metric["across"],
): Metric {
	return { name, type: "counter", help, ...(across && { across }) };
}

function gauge(name: string, help: string, across?: Metric["across"]): Metric {
	return { name, type: "gauge", help, ...(across && { across }) };
}

/** The decisions of one policy, by its own words. */
function decisionsOf(policy: PolicyKey): Metric {
	return counter(
		`sluice_${policy}_decisions_total`,
		`What the policy ${policy} did about calls`,
	);
}

/** Every metric, with its help. docs/operating.md says more of each. */
export const metrics = {
	serverDuration: {
		name: "http_server_request_duration_seconds",
		type: "histogram",
		help: "How long requests took, from their arrival to the end of their answer",
	},
	clientDuration: {
		name: "http_client_request_duration_seconds",
		type: "histogram",
		help: "How long attempts of calls took once they had a slot, to the end of their answer",
	},
	answers: counter("sluice_answers_total", "Answers by completeness"),
	firstPart: {
		name: "sluice_first_part_duration_seconds",
		type: "histogram",
		help: "How long requests waited for the first part of an answer in parts",
	},
	watchRunTimes: {
		name: "sluice_watch_run_duration_seconds",
		type: "histogram",
		help: "How long runs of a live route took for those who watch it",
	},
	missing: counter(
		"sluice_missing_parts_total",
		"Parts that partial answers lacked",
	),
	writes: counter("sluice_writes_total", "Writes that were sent, by outcome"),
	undos: counter("sluice_undos_total", "Writes of failed runs, undone or not"),
	refusedRequests: counter(
		"sluice_refused_requests_total",
		"Requests that the server refused before the gateway saw them",
	),
	rateLimited: counter(
		"sluice_rate_limited_requests_total",
		"Requests beyond a rate limit",
	),
	shedRequests: counter(
		"sluice_shed_requests_total",
		"Requests that were refused for overload",
	),
	shedParts: counter(
		"sluice_shed_parts_total",
		"Parts that were left out for overload",
	),
	cancelledAttempts: counter(
		"sluice_cancelled_attempts_total",
		"Attempts that the gateway ended because nobody needed them",
	),
	refusedAttempts: counter(
		"sluice_refused_attempts_total",
		"Attempts that had no slot and were not sent",
	),
	breakerState: gauge(
		"sluice_breaker_state",
		"1 for the state in which the breaker is",
		"worker",
	),
	callsRunning: gauge(
		"sluice_calls_running",
		"Calls that have a slot",
		"worker",
	),
	callsWaiting: gauge(
		"sluice_calls_waiting",
		"Calls that wait for a slot",
		"worker",
	),
	callsLimit: gauge(
		"sluice_calls_limit",
		"How many calls may run at once",
		"worker",
	),
	streamsOpen: gauge("sluice_streams_open", "Proxied requests that are open"),
	cacheBytes: gauge("sluice_cache_bytes", "What the cache holds"),
	cacheEntries: gauge(
		"sluice_cache_entries",
		"Addresses that the cache keeps answers of",
	),
	upstreamConnections: gauge(
		"sluice_upstream_connections",
		"Connections to the upstream, used or idle",
	),
	watches: gauge("sluice_watches", "Answers of a live route that are watched"),
	watchers: gauge("sluice_watchers", "Clients that watch a live route"),
	watchRuns: counter(
		"sluice_watch_runs_total",
		"Runs of a live route for those who watch it",
	),
	jobs: gauge(
		"sluice_jobs",
		"Jobs by their state, of all processes that share them",
		"most",
	),
	jobsHere: gauge("sluice_jobs_run", "Jobs that this process runs"),
	channelListeners: gauge(
		"sluice_channel_listeners",
		"Clients that listen to the channel",
	),
	channelInstances: gauge(
		"sluice_channel_instances",
		"Instances of the channel",
	),
	channelMembers: gauge(
		"sluice_channel_members",
		"Members that are there, in all instances together",
	),
	channelKept: gauge(
		"sluice_channel_kept_bytes",
		"What the messages that are kept for later take",
	),
	channelWaiting: gauge(
		"sluice_channel_waiting_bytes",
		"What waits for listeners that read slowly",
	),
	channelPublished: counter(
		"sluice_channel_published_total",
		"Messages that were published",
	),
	channelDelivered: counter(
		"sluice_channel_delivered_total",
		"Messages, once for each listener that has got them",
	),
	channelDropped: counter(
		"sluice_channel_dropped_listeners_total",
		"Listeners that were let go because they read too slowly",
	),
	websocketsOpen: gauge("sluice_websockets_open", "Open WebSockets of clients"),
	websocketMessages: counter(
		"sluice_websocket_messages_total",
		"Messages of WebSockets, from clients and to them",
	),
	websocketsClosed: counter(
		"sluice_websockets_closed_total",
		"WebSockets that have ended, by their code",
	),
	clientConnections: gauge(
		"sluice_client_connections",
		"Connections of clients",
	),
	requestsRunning: gauge("sluice_requests_running", "Requests in progress"),
	requestsWaiting: gauge(
		"sluice_requests_waiting",
		"Requests that wait for their turn",
	),
	poolThreads: gauge("sluice_pool_threads", "Threads of functions that exist"),
	poolRunning: gauge("sluice_pool_running", "Functions that have a thread"),
	poolWaiting: gauge("sluice_pool_waiting", "Functions that wait for a thread"),
	spans: counter(
		"sluice_traces_spans_total",
		"Spans of requests, by what became of them",
	),
	spansWaiting: gauge(
		"sluice_traces_spans_waiting",
		"Spans that wait to be sent",
	),
	storeUp: gauge(
		"sluice_store_up",
		"1 if the store can be used, else 0",
		"worker",
	),
	storeCalls: counter(
		"sluice_store_calls_total",
		"Calls of the store, by how they ended",
	),
	storeDuration: {
		name: "sluice_store_call_duration_seconds",
		type: "histogram",
		help: "How long calls of the store took, answered or not",
	},
	storeAway: counter(
		"sluice_store_away_total",
		"How often the store has gone away, by the reason",
	),
	storeLocal: counter(
		"sluice_store_local_total",
		"What was decided without the store, because it was away or late",
	),
	historyWritten: counter(
		"sluice_history_written_total",
		"Requests that are in the history for good",
	),
	historyDropped: counter(
		"sluice_history_dropped_total",
		"Requests that are missing in the history",
	),
	historyRecordFaults: counter(
		"sluice_history_record_faults_total",
		"Values of record that are null because they could not be had",
	),
	historyWaiting: gauge(
		"sluice_history_waiting_requests",
		"Requests that wait to be written",
	),
	historyBytes: gauge(
		"sluice_history_bytes",
		"What the history takes on the disk, with its journal",
		"most",
	),
	certificateExpiry: gauge(
		"sluice_tls_certificate_expiry_timestamp_seconds",
		"When the certificate expires, in seconds since 1970",
		"least",
	),
	certificateReloads: counter(
		"sluice_tls_certificate_reloads_total",
		"Changes of certificate files, by what became of them",
	),
	handshakeFailures: counter(
		"sluice_tls_handshake_failures_total",
		"Connections that ended before their handshake, by OpenSSL's or Node's code",
	),
	load: gauge("sluice_load", "1 for the level of load", "worker"),
	memory: gauge(
		"sluice_memory_bytes",
		"What requests, answers and caches hold",
	),
	loopDelay: gauge(
		"sluice_event_loop_delay_seconds",
		"How late the event loop came round the last time",
		"worker",
	),
	loopBusy: counter(
		"sluice_event_loop_busy_seconds_total",
		"How long the event loop has been busy",
		"worker",
	),
	cpu: counter(
		"process_cpu_seconds_total",
		"Processor time of the process, user and system",
		"worker",
	),
	resident: gauge(
		"process_resident_memory_bytes",
		"Memory of the process that is resident",
		"worker",
	),
	started: gauge(
		"process_start_time_seconds",
		"When the process started, in seconds since 1970",
		"worker",
	),
	build: {
		name: "sluice_build_info",
		type: "info",
		help: "The version of Sluice and of Node",
		across: "most",
	},
	config: {
		name: "sluice_config_info",
		type: "info",
		help: "The hash of the plan in force",
		across: "most",
	},
	configLoaded: gauge(
		"sluice_config_loaded_timestamp_seconds",
		"When the config in force was loaded, in seconds since 1970",
		"worker",
	),
} as const satisfies Readonly<Record<string, Metric>>;

/** Of `serve` with several workers alone. The process that watches them knows these. */
export const workerMetrics = {
	up: gauge("sluice_workers", "Workers that take requests"),
	silent: gauge(
		"sluice_workers_silent",
		"Workers that did not answer, so that their gauges are missing here",
	),
	restarts: counter(
		"sluice_worker_restarts_total",
		"Workers that were started again because they had ended unasked",
	),
} as const satisfies Readonly<Record<string, Metric>>;

export const decisionMetrics = Object.fromEntries(
	Object.keys(policyDecisions).map((policy) => [
		policy,
		decisionsOf(policy as PolicyKey),
	]),
) as Readonly<Record<PolicyKey, Metric>>;

const all: ReadonlyMap<string, Metric> = new Map(
	[...Object.values(metrics), ...Object.values(decisionMetrics)].map(
		(metric) => [metric.name, metric],
	),
);

/** Null if there is no metric of this name. */
export function metricOf(name: string): Metric | null {
	return all.get(name) ?? null;
}
