import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Rate } from "../../../src/telemetry/traffic/rate.ts";
import type { Rates } from "../../../src/telemetry/traffic/rates.ts";
import type { RequestSummary } from "../../../src/telemetry/trail/shown-request.ts";
import { counted, shownMs, shownRate, shownShare } from "../format.ts";
import { type Live, useAsked } from "../live.ts";
import { Chart, type Line } from "../parts/chart.tsx";
import { FilterForm } from "../parts/filter-form.tsx";
import { RequestsTable } from "../parts/requests-table.tsx";
import { hashOf, type Place } from "../place.ts";
import {
	countPoints,
	latencyPoints,
	rateNow,
	type Subject,
} from "../series.ts";
import type { State } from "../state.ts";

/** What the gateway does now. */
export function TrafficView({ live, place }: { live: Live; place: Place }) {
	const [subject, setSubject] = useState<Subject>({ of: "all" });
	const { answer: state } = useAsked<State>("state", 2_000);
	const routes = (state?.routes ?? []).flatMap(({ route }) => route ?? []);
	const upstreams = (state?.upstreams ?? []).map(({ upstream }) => upstream);
	return (
		<>
			<h1>Traffic</h1>
			<Charts rates={live.rates} subject={subject} />
			<div class="columns">
				<Shares
					title="Routes"
					none="No route has had a request lately."
					rates={live.rates}
					rows={(state?.routes ?? []).map(({ route, recent }) => ({
						subject: { of: "route", name: route },
						recent,
					}))}
					subject={subject}
					onSubject={setSubject}
				/>
				<Shares
					title="Upstreams"
					none="No upstream was asked lately. Answers from a cache ask none."
					rates={live.rates}
					rows={(state?.upstreams ?? []).map(({ upstream, recent }) => ({
						subject: { of: "upstream", name: upstream },
						recent,
					}))}
					subject={subject}
					onSubject={setSubject}
				/>
			</div>
			<h2>Requests</h2>
			<FilterForm
				filter={place.parameters}
				routes={routes}
				upstreams={upstreams}
				faults={live.faults}
				onFilter={(parameters) => {
					location.hash = hashOf({ view: "traffic", parameters });
				}}
			/>
			<Requests
				key={hashOf(place)}
				live={live}
				isFiltered={Object.values(place.parameters).some(Boolean)}
				example={state && exampleOf(state)}
			/>
		</>
	);
}

/** A command that makes a request; null if the gateway's own address is not known. */
function exampleOf({ url, routes }: State): string | null {
	const route = routes.find((one) => one.route?.startsWith("GET "))?.route;
	return url && route ? `curl '${url}${route.slice(4)}'` : null;
}

const countLines: readonly Line[] = [
	{ name: "requests", colour: "--line-1" },
	{ name: "errors", colour: "--bad", dash: [2, 3] },
	{ name: "partial", colour: "--warning", dash: [6, 3] },
];
const attemptLines: readonly Line[] = [
	{ name: "calls", colour: "--line-1" },
	{ name: "errors", colour: "--bad", dash: [2, 3] },
];
const latencyLines: readonly Line[] = [
	{ name: "median", colour: "--line-1" },
	{ name: "95 %", colour: "--line-2", dash: [6, 3] },
	{ name: "99 %", colour: "--line-3", dash: [2, 3] },
];

function Charts({
	rates,
	subject,
}: {
	rates: readonly Rates[];
	subject: Subject;
}) {
	const counts = useMemo(() => countPoints(rates, subject), [rates, subject]);
	const times = useMemo(() => latencyPoints(rates, subject), [rates, subject]);
	const name = nameOf(subject);
	const isUpstream = subject.of === "upstream";
	return (
		<div class="columns charts">
			<Chart
				title={`${isUpstream ? "Calls" : "Requests"} a second, ${name}`}
				lines={isUpstream ? attemptLines : countLines}
				points={counts}
				shown={(value) => (value === null ? "" : shownRate(value, 1000))}
			/>
			<Chart
				title={`Time to the answer, ${name}`}
				lines={latencyLines}
				points={times}
				shown={shownMs}
			/>
		</div>
	);
}

function nameOf(subject: Subject): string {
	return subject.of === "all"
		? "all routes"
		: (subject.name ?? "without a route");
}

interface Share {
	readonly subject: Subject;
	/** Of the last minute or two. */
	readonly recent: Rate;
}

interface SharesProps {
	readonly title: string;
	readonly none: string;
	readonly rates: readonly Rates[];
	readonly rows: readonly Share[];
	readonly subject: Subject;
	onSubject(subject: Subject): void;
}

/** The last minutes of each route or upstream. A click shows one in the charts. */
function Shares({ title, none, rates, rows, subject, onSubject }: SharesProps) {
	const shown = rows.filter(({ recent }) => recent.count > 0);
	return (
		<section>
			<h2>
				{title} <span class="quiet">the last minute or two</span>
			</h2>
			{shown.length === 0 ? (
				<p class="quiet">{none}</p>
			) : (
				<table>
					<thead>
						<tr>
							<th scope="col">Name</th>
							<th scope="col" class="number">
								Now
							</th>
							<th scope="col" class="number">
								Errors
							</th>
							<th scope="col" class="number">
								Median
							</th>
							<th scope="col" class="number">
								95 %
							</th>
						</tr>
					</thead>
					<tbody>
						{shown.map((share) => (
							<ShareRow
								key={nameOf(share.subject)}
								share={share}
								perSecond={rateNow(rates, share.subject)}
								isShown={nameOf(share.subject) === nameOf(subject)}
								onSubject={onSubject}
							/>
						))}
					</tbody>
				</table>
			)}
		</section>
	);
}

function ShareRow({
	share: { subject, recent },
	perSecond,
	isShown,
	onSubject,
}: {
	share: Share;
	perSecond: number;
	isShown: boolean;
	onSubject(subject: Subject): void;
}) {
	const { count, errors, p50Ms, p95Ms } = recent;
	return (
		<tr class={isShown ? "chosen" : undefined}>
			<th scope="row">
				<button
					type="button"
					class="plain"
					aria-pressed={isShown}
					title="Show it alone in the charts"
					onClick={() => onSubject(isShown ? { of: "all" } : subject)}
				>
					{nameOf(subject)}
				</button>
			</th>
			<td class="number">{shownRate(perSecond, 1000)}</td>
			<td class={`number ${errors > 0 ? "tone bad" : ""}`}>
				{shownShare(errors, count)}
			</td>
			<td class="number">{shownMs(p50Ms)}</td>
			<td class="number">{shownMs(p95Ms)}</td>
		</tr>
	);
}

/** The rows stand still while the reader points at them, has the keyboard in them, or has stopped them. */
function Requests({
	live,
	isFiltered,
	example,
}: {
	live: Live;
	isFiltered: boolean;
	example: string | null;
}) {
	const [isPaused, setPaused] = useState(false);
	const [isHeld, setHeld] = useState(false);
	const held = useRef<readonly RequestSummary[]>(live.requests);
	const stands = isPaused || isHeld;
	if (!stands) held.current = live.requests;
	const requests = stands ? held.current : live.requests;
	const newer = newerThan(live.requests, requests[0]);
	useEffect(() => setHeld(false), [live.link]);
	return (
		<>
			<p class="bar-of-table">
				<button
					type="button"
					aria-pressed={isPaused}
					onClick={() => setPaused(!isPaused)}
				>
					{isPaused ? "Go on" : "Pause"}
				</button>{" "}
				<span class="quiet">
					{stands
						? `standing still, ${counted(newer, "newer request")}`
						: "the newest first, as they end; a partial answer lacks a part"}
					{live.lost > 0 &&
						`; ${counted(live.lost, "request")} not shown, because too many came at once`}
				</span>
			</p>
			{requests.length === 0 ? (
				<Empty isFiltered={isFiltered} link={live.link} example={example} />
			) : (
				<div
					onMouseEnter={() => setHeld(true)}
					onMouseLeave={() => setHeld(false)}
					onFocusIn={() => setHeld(true)}
					onFocusOut={() => setHeld(false)}
				>
					<RequestsTable caption="The last requests" requests={requests} />
				</div>
			)}
		</>
	);
}

function newerThan(
	all: readonly RequestSummary[],
	shown: RequestSummary | undefined,
): number {
	const at = shown === undefined ? -1 : all.indexOf(shown);
	return at < 0 ? all.length : at;
}

function Empty({
	isFiltered,
	link,
	example,
}: {
	isFiltered: boolean;
	link: Live["link"];
	example: string | null;
}) {
	if (link !== "open") return <p class="empty">Asking the gateway…</p>;
	if (isFiltered) {
		return (
			<p class="empty">
				No request that is kept passes this filter. New ones come here when they
				do.
			</p>
		);
	}
	return (
		<p class="empty">
			No request yet. Try{" "}
			{example ? <code>{example}</code> : "a route of the gateway"}, and it
			comes here.
		</p>
	);
}
