import {
	counted,
	shownBytes,
	shownCount,
	shownMs,
	shownShare,
} from "../format.ts";
import { jobsWords } from "../jobs.ts";
import { useAsked } from "../live.ts";
import { hashOf } from "../place.ts";
import type {
	State,
	StoreState,
	UpstreamState,
	WorkerState,
} from "../state.ts";
import { storeWords } from "../store.ts";

/** How each upstream is, and what protects it. */
export function UpstreamsView() {
	const { answer: state, error } = useAsked<State>("state", 2_000);
	if (state === null) {
		return <p role="alert">{error?.message ?? "Asking…"}</p>;
	}
	return (
		<>
			<h1>Upstreams</h1>
			{state.upstreams.length === 0 && (
				<p class="empty">This gateway calls no other service.</p>
			)}
			<div class="cards">
				{state.upstreams.map((upstream) => (
					<Upstream key={upstream.upstream} state={upstream} />
				))}
			</div>
			<Gateway state={state} />
		</>
	);
}

const breakerWords = {
	closed: ["good", "closed: calls pass"],
	half_open: ["warning", "half open: one call tries whether it is well again"],
	open: ["bad", "open: calls are refused, because too many failed"],
} as const;

function Upstream({ state }: { state: UpstreamState }) {
	const { upstream, recent, breaker, connections, streams } = state;
	const [tone, words] =
		breaker === null
			? (["quiet", "none configured"] as const)
			: breakerWords[breaker];
	const filter = { view: "traffic", parameters: { upstream } };
	return (
		<section class="card">
			<h2>{upstream}</h2>
			<p>
				{recent.count === 0
					? "No call in the last minute or two. "
					: `${counted(recent.count, "call")} in the last minute or two: median ${shownMs(recent.p50Ms)}, 95 % ${shownMs(recent.p95Ms)}, ${shownShare(recent.errors, recent.count)} failed. `}
				<a href={hashOf(filter)}>Requests that called it</a>
			</p>
			<dl class="facts">
				<div>
					<dt>Breaker</dt>
					<dd class={`tone ${tone}`}>{words}</dd>
				</div>
				<div>
					<dt>Limiter</dt>
					<dd>
						<Places state={state} />
					</dd>
				</div>
				<div>
					<dt>Cache</dt>
					<dd>
						<Cache state={state} />
					</dd>
				</div>
				<div>
					<dt>Budget for extra attempts</dt>
					<dd>
						<Budget state={state} />
					</dd>
				</div>
				<div>
					<dt>Connections</dt>
					<dd>
						{connections.used} in use, {connections.idle} kept open
						{streams > 0 && `, ${streams} streams`}
					</dd>
				</div>
			</dl>
			<Decisions state={state} />
		</section>
	);
}

function Places({
	state: { running, waiting, limit },
}: {
	state: UpstreamState;
}) {
	return (
		<>
			<meter min={0} max={Math.max(limit, 1)} value={running}>
				{running}
			</meter>{" "}
			{running} of {shownCount(limit)} places taken
			{waiting > 0 && (
				<span class="tone warning">
					, {counted(waiting, "call waits", "calls wait")}
				</span>
			)}
		</>
	);
}

function Cache({ state: { cache, decisions } }: { state: UpstreamState }) {
	if (cache === null) return <span class="quiet">none configured</span>;
	const {
		hit = 0,
		miss = 0,
		stale = 0,
		revalidated = 0,
	} = decisions.cache ?? {};
	const asked = hit + miss + stale + revalidated;
	return (
		<>
			{counted(cache.entries, "address", "addresses")},{" "}
			{shownBytes(cache.bytes)};{" "}
			{asked === 0
				? "not asked yet"
				: `${shownShare(asked - miss, asked)} of ${counted(asked, "call")} answered from it`}
		</>
	);
}

function Budget({ state: { budget } }: { state: UpstreamState }) {
	if (budget === null) {
		return <span class="quiet">neither retries nor hedges</span>;
	}
	const { left, most } = budget;
	return (
		<>
			<meter min={0} max={Math.max(most, 1)} value={left}>
				{left}
			</meter>{" "}
			{shownCount(Math.floor(left))} of {shownCount(most)} left
		</>
	);
}

/** How often each policy did something, since the start. */
function Decisions({ state: { decisions } }: { state: UpstreamState }) {
	const rows = Object.entries(decisions).flatMap(([policy, made]) =>
		Object.entries(made)
			.filter(([, count]) => count > 0)
			.map(([decision, count]) => ({ policy, decision, count })),
	);
	if (rows.length === 0) return null;
	return (
		<details>
			<summary>What its policies did since the start</summary>
			<ul class="counts">
				{rows.map(({ policy, decision, count }) => (
					<li key={`${policy} ${decision}`}>
						{policy}: {decision.replaceAll("_", " ")}{" "}
						<strong>{shownCount(count)}</strong>
					</li>
				))}
			</ul>
		</details>
	);
}

const loadWords = {
	normal: ["good", "normal"],
	skipping: ["warning", "high: optional parts are left out"],
	refusing: ["bad", "too high: requests are refused"],
} as const;

function workerWords({
	loop,
	memory,
	connections,
	draining,
}: NonNullable<WorkerState["state"]>): string {
	const words = `${shownShare(loop.busy, 1)} busy, ${shownBytes(memory.residentBytes)}, ${counted(connections ?? 0, "connection")}`;
	return draining ? `${words}, draining` : words;
}

function Store({ state }: { state: StoreState }) {
	const { tone, text } = storeWords(state);
	return (
		<div>
			<dt>Shared store</dt>
			<dd class={`tone ${tone}`}>{text}</dd>
		</div>
	);
}

function Gateway({ state }: { state: State }) {
	const { load, requests, memory, loop, connections, threads } = state;
	const [tone, words] = loadWords[load];
	const held = memory.heldBytes + memory.keptBytes;
	return (
		<section class="card">
			<h2>The gateway itself</h2>
			<dl class="facts">
				<div>
					<dt>Load</dt>
					<dd class={`tone ${tone}`}>{words}</dd>
				</div>
				{requests && (
					<div>
						<dt>Requests</dt>
						<dd>
							{requests.running} in progress, {requests.waiting} waiting
						</dd>
					</div>
				)}
				<div>
					<dt>Memory for data</dt>
					<dd>
						{shownBytes(held)} of {shownBytes(memory.limitBytes)}; the process
						has {shownBytes(memory.residentBytes)}
					</dd>
				</div>
				<div>
					<dt>Event loop</dt>
					<dd>
						{shownShare(loop.busy, 1)} busy, {shownMs(loop.lateMs)} late
					</dd>
				</div>
				{connections !== null && (
					<div>
						<dt>Connections of clients</dt>
						<dd>{connections}</dd>
					</div>
				)}
				{threads && (
					<div>
						<dt>Threads</dt>
						<dd>
							{threads.running} of {threads.threads} at work,{" "}
							{counted(threads.waiting, "function waits", "functions wait")}
						</dd>
					</div>
				)}
				{state.jobs && (
					<div>
						<dt>Jobs</dt>
						<dd>{jobsWords(state.jobs)}</dd>
					</div>
				)}
				{state.store && <Store state={state.store} />}
				{state.workers.map(({ worker, state: one }) => (
					<div>
						<dt>Worker {worker}</dt>
						<dd>{one === null ? "does not answer" : workerWords(one)}</dd>
					</div>
				))}
				<div>
					<dt>Version</dt>
					<dd>
						{state.version} on Node {state.node}, config{" "}
						<code>{state.hash.slice(0, 12)}</code>
					</dd>
				</div>
			</dl>
		</section>
	);
}
