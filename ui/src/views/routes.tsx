import type {
	RouteExplanation,
	StepExplanation,
} from "../../../src/plan/explain.ts";
import type { Rate } from "../../../src/telemetry/traffic/rate.ts";
import { counted, shownMs, shownShare } from "../format.ts";
import { layoutOf } from "../graph.ts";
import { useAsked } from "../live.ts";
import { PlanGraph } from "../parts/graph.tsx";
import { hashOf } from "../place.ts";
import type { LiveState, RouteState, State } from "../state.ts";
import { watchingWords } from "../watching.ts";

interface PlanAnswer {
	readonly hash: string;
	readonly routes: readonly RouteExplanation[];
}

/** What each route does, and how its steps fare. */
export function RoutesView({ name }: { name: string }) {
	const { answer: plan, error } = useAsked<PlanAnswer>("plan");
	const { answer: state } = useAsked<State>("state", 2_000);
	if (error !== null) return <p role="alert">{error.message}</p>;
	if (plan === null) return <p>Asking…</p>;
	const { routes } = plan;
	const route = routes.find((one) => one.route === name) ?? routes[0];
	const found = state?.routes.find((one) => one.route === route?.route);
	const live = state?.live.find((one) => one.route === route?.route);
	return (
		<>
			<h1>Routes</h1>
			{routes.length > 1 && (
				<nav aria-label="Routes">
					<ul class="choices">
						{routes.map((one) => (
							<li key={one.route}>
								<a
									href={hashOf({ view: "routes", name: one.route })}
									aria-current={one === route ? "true" : undefined}
								>
									{one.route}
								</a>
							</li>
						))}
					</ul>
				</nav>
			)}
			{route && (
				<Route route={route} state={found ?? null} live={live ?? null} />
			)}
		</>
	);
}

function Route({
	route,
	state,
	live,
}: {
	route: RouteExplanation;
	state: RouteState | null;
	live: LiveState | null;
}) {
	const rates = new Map(state?.steps.map((step) => [step.step, step]));
	const filter = { view: "traffic", parameters: { route: route.route } };
	return (
		<section>
			<h2>{route.route}</h2>
			{route.summary && <p>{route.summary}</p>}
			{state && <Counts state={state} />}
			{live && <p>{watchingWords(live)}</p>}
			<p>
				<a href={hashOf(filter)}>Its requests</a>
			</p>
			<WorstCase route={route} />
			<WhoAsks route={route} />
			<PlanGraph
				title={`The plan of ${route.route}`}
				graph={layoutOf(route)}
				rates={rates}
			/>
			<GraphLegend />
			{route.steps.length > 0 && (
				<Steps steps={flattened(route.steps, "")} rates={rates} />
			)}
		</section>
	);
}

function Counts({
	state: { whole, partial, failed, recent },
}: {
	state: RouteState;
}) {
	const all = whole + partial + failed;
	if (all === 0) return <p class="quiet">It has had no request yet.</p>;
	return (
		<p>
			{counted(all, "answer")} since the start: {shownShare(whole, all)} whole,{" "}
			{shownShare(partial, all)} partial, {shownShare(failed, all)} failed.
			{recent.count > 0 &&
				` In the last minute or two the median took ${shownMs(recent.p50Ms)}, 95 % took ${shownMs(recent.p95Ms)} or less.`}
		</p>
	);
}

function WorstCase({
	route: { worstMs, deadlineMs, longestChain, proxy },
}: {
	route: RouteExplanation;
}) {
	const chain = longestChain.steps.join(" → ");
	return (
		<p>
			{proxy ? "The head of the answer" : "The answer"} is there after{" "}
			{shownMs(worstMs)} at the latest; the deadline is {shownMs(deadlineMs)}.
			{chain &&
				` The longest chain, in the worst case, is ${chain}${longestChain.ms === null ? "" : `: ${shownMs(longestChain.ms)}`}.`}
		</p>
	);
}

function WhoAsks({ route: { auth, asks } }: { route: RouteExplanation }) {
	if (auth === null && asks.length === 0) return null;
	return (
		<dl class="facts">
			<div>
				<dt>May ask</dt>
				<dd>
					{auth?.by.map(namedKind).join(" or ") || "everybody"}
					{auth?.require ? (
						<>
							, if <code>{String(auth.require)}</code>
						</>
					) : null}
				</dd>
			</div>
			{asks.map(({ upstream, as, by }) => (
				<div key={`${upstream} ${as}`}>
					<dt>Asks {upstream}</dt>
					<dd>
						as the {as} ({by.join(", ")})
					</dd>
				</div>
			))}
		</dl>
	);
}

function namedKind({ name, kind }: { name: string; kind: string }): string {
	return `${name} (${kind})`;
}

function GraphLegend() {
	const lines = [
		["arrow start", "waits for it before it begins"],
		["arrow later", "reads it later"],
		["arrow order", "the answer waits for it, and does not read it"],
		["arrow chain", "the longest chain in the worst case"],
	] as const;
	return (
		<ul class="legend">
			{lines.map(([name, words]) => (
				<li key={name}>
					<svg class="plan sample" width="26" height="8" aria-hidden="true">
						<path class={name} d="M0 4H26" />
					</svg>
					{words}
				</li>
			))}
			<li>
				In a box: the median and the 95 % of the last minute or two. A double
				frame writes.
			</li>
		</ul>
	);
}

interface FlatStep {
	readonly path: string;
	readonly step: StepExplanation;
}

function flattened(
	steps: readonly StepExplanation[],
	prefix: string,
): FlatStep[] {
	return steps.flatMap((step) => {
		const path = `${prefix}${step.name}`;
		return [{ path, step }, ...flattened(step.steps, `${path}.`)];
	});
}

function Steps({
	steps,
	rates,
}: {
	steps: readonly FlatStep[];
	rates: ReadonlyMap<string, Rate>;
}) {
	return (
		<>
			<h3>The steps in words</h3>
			<div class="scroll" tabIndex={0} role="region" aria-label="Steps">
				<table>
					<thead>
						<tr>
							<th scope="col">Step</th>
							<th scope="col">Does</th>
							<th scope="col">Waits for</th>
							<th scope="col">Reads later</th>
							<th scope="col">If it fails</th>
							<th scope="col" class="number">
								Median
							</th>
							<th scope="col" class="number">
								95 %
							</th>
							<th scope="col" class="number">
								Failed
							</th>
							<th scope="col" class="number">
								Ends by
							</th>
						</tr>
					</thead>
					<tbody>
						{steps.map(({ path, step }) => (
							<StepRow
								key={path}
								path={path}
								step={step}
								rate={rates.get(path) ?? null}
							/>
						))}
					</tbody>
				</table>
			</div>
		</>
	);
}

const failureWords: Readonly<Record<StepExplanation["onFailure"], string>> = {
	"fails the route": "the route fails",
	fallback: "its fallback fills in",
	null: "null fills in",
};

function StepRow({
	path,
	step,
	rate,
}: {
	path: string;
	step: StepExplanation;
	rate: Rate | null;
}) {
	const { call, kind, startsAfter, readsLater, onFailure, latestEndMs } = step;
	return (
		<tr>
			<th scope="row">{path}</th>
			<td>
				<code>{call ?? kind}</code>
			</td>
			<td>{startsAfter.join(", ")}</td>
			<td>{readsLater.join(", ")}</td>
			<td>{failureWords[onFailure]}</td>
			<td class="number">{shownMs(rate?.p50Ms ?? null)}</td>
			<td class="number">{shownMs(rate?.p95Ms ?? null)}</td>
			<td class="number">{rate ? shownShare(rate.errors, rate.count) : "–"}</td>
			<td class="number">{shownMs(latestEndMs)}</td>
		</tr>
	);
}
