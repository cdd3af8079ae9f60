import { useState } from "preact/hooks";
import type {
	RequestDetail,
	ShownAttempt,
	ShownCall,
	ShownStep,
} from "../../../src/telemetry/trail/shown-request.ts";
import {
	counted,
	shownBytes,
	shownMs,
	shownShare,
	shownStep,
	shownTime,
} from "../format.ts";
import { useAsked } from "../live.ts";
import {
	Result,
	recorded,
	type ShownRequest,
} from "../parts/requests-table.tsx";
import { Waterfall } from "../parts/waterfall.tsx";
import {
	decisionSentence,
	errorLine,
	leastMs,
	pathLines,
} from "../sentences.ts";
import { Refused } from "../server.ts";
import { type Row, rowsOf } from "../waterfall.ts";

/** One request, from memory or from the history. */
export function RequestView({ id }: { id: string }) {
	const path = `/${encodeURIComponent(id)}`;
	const recent = useAsked<RequestDetail>(`traffic${path}`);
	const isGone = recent.error instanceof Refused && recent.error.status === 404;
	const old = useAsked<RequestDetail>(isGone ? `history${path}` : null);
	const detail = recent.answer ?? old.answer;
	if (detail !== null) return <Detail detail={detail} />;
	const error = isGone ? old.error : recent.error;
	return (
		<>
			<h1>Request {id}</h1>
			{error === null ? (
				<p>Asking…</p>
			) : (
				<p role="alert">
					{error instanceof Refused && error.status === 404
						? "This request is not kept any more. Memory holds the last 200; a history in a file holds more."
						: error.message}
				</p>
			)}
		</>
	);
}

function Detail({ detail }: { detail: RequestDetail }) {
	const rows = rowsOf(detail);
	const [chosen, setChosen] = useState(() => firstChosen(rows));
	const row = rows[chosen];
	return (
		<>
			<h1>{detail.route ?? "A request without a route"}</h1>
			<Facts detail={detail} />
			<h2>What happened when</h2>
			<Waterfall
				rows={rows}
				durationMs={detail.durationMs}
				chosen={chosen}
				onChoose={setChosen}
			/>
			{detail.more > 0 && (
				<p>
					{counted(detail.more, "further step was", "further steps were")} not
					noted.
				</p>
			)}
			<CriticalPath detail={detail} />
			{row?.step && <Calls step={row.step} />}
		</>
	);
}

/** What most readers look for: a step that failed, else the one that the answer waited for longest. */
function firstChosen(rows: readonly Row[]): number {
	const failed = rows.findIndex(
		({ step, tone }) => step && (tone === "bad" || tone === "warning"),
	);
	if (failed >= 0) return failed;
	const longest = (row: Row) =>
		Math.max(0, ...row.critical.map(({ fromMs, toMs }) => toMs - fromMs));
	const steps = rows.filter(({ step }) => step !== null);
	const [first] = steps.toSorted((one, other) => longest(other) - longest(one));
	return first === undefined ? -1 : rows.indexOf(first);
}

function Facts({ detail }: { detail: RequestDetail & ShownRequest }) {
	const { id, at, status, durationMs, calls, writes } = detail;
	return (
		<dl class="facts">
			<Fact name="Status">{status}</Fact>
			<Fact name="Answer">
				<Result request={detail} />
			</Fact>
			<Fact name="Took">{shownMs(durationMs)}</Fact>
			<Fact name="Calls">{calls}</Fact>
			<Fact name="Arrived">
				<time dateTime={at}>
					{at.slice(0, 10)} {shownTime(at)}
				</time>
			</Fact>
			<Fact name="Id">
				<code>{id}</code>
			</Fact>
			{recorded(detail) !== "" && (
				<Fact name="Recorded">{recorded(detail)}</Fact>
			)}
			{writes.length > 0 && (
				<Fact name="Writes">
					{writes
						.map(
							({ step, index, outcome }) =>
								`${shownStep(step, index)} ${outcome}`,
						)
						.join(", ")}
				</Fact>
			)}
		</dl>
	);
}

function Fact({
	name,
	children,
}: {
	name: string;
	children: preact.ComponentChildren;
}) {
	return (
		<div>
			<dt>{name}</dt>
			<dd>{children}</dd>
		</div>
	);
}

function CriticalPath({ detail }: { detail: RequestDetail }) {
	const lines = pathLines(detail);
	if (lines.length === 0) return null;
	return (
		<section>
			<h2>What the answer waited for</h2>
			<p class="quiet">
				The critical path: each line had to end before the next could begin.
				Together they are the {shownMs(detail.durationMs)} of the request; what
				took less than {shownMs(leastMs(detail))} is left out.
			</p>
			<ol class="path">
				{lines.map(({ fromMs, toMs, subject, sentence }) => (
					<li key={fromMs}>
						<span class="at">{shownMs(fromMs)}</span> <strong>{subject}</strong>{" "}
						{sentence}{" "}
						<span class="quiet">
							({shownShare(toMs - fromMs, detail.durationMs)})
						</span>
					</li>
				))}
			</ol>
		</section>
	);
}

function Calls({ step }: { step: ShownStep }) {
	const name = shownStep(step.path, step.index);
	return (
		<section aria-live="polite">
			<h2>
				The calls of <code>{name}</code>
			</h2>
			{step.error && (
				<p class="tone bad">
					{step.end === "filled" && "Its fallback or null filled in, because: "}
					{errorLine(step.error)}
				</p>
			)}
			{step.calls.length === 0 && <p>It made no call.</p>}
			{step.calls.map((call, at) => (
				<Call key={at} call={call} />
			))}
		</section>
	);
}

function Call({ call }: { call: ShownCall }) {
	const { upstream, method, template, decisions, attempts } = call;
	return (
		<>
			<h3>
				<code>
					{method} {upstream}
					{template ?? " (a path of its function)"}
				</code>
			</h3>
			{attempts.length > 0 && <Attempts call={call} />}
			{decisions.length > 0 && (
				<ul>
					{decisions.map((decision, at) => (
						<li key={at}>
							{shownMs(decision.atMs)}: {decisionSentence(decision)}
						</li>
					))}
				</ul>
			)}
			{call.error && attempts.length === 0 && (
				<p class="tone bad">{errorLine(call.error)}</p>
			)}
		</>
	);
}

function Attempts({ call }: { call: ShownCall }) {
	const hasUrls = call.attempts.some(({ url }) => url > 0);
	return (
		<div class="scroll" tabIndex={0} role="region" aria-label="Attempts">
			<table>
				<thead>
					<tr>
						<th scope="col">Attempt</th>
						{hasUrls && <th scope="col">URL</th>}
						<th scope="col">Began</th>
						<th scope="col">For a place</th>
						<th scope="col">To connect</th>
						<th scope="col">To first byte</th>
						<th scope="col">Body</th>
						<th scope="col">Size</th>
						<th scope="col">Result</th>
					</tr>
				</thead>
				<tbody>
					{call.attempts.map((attempt, at) => (
						<tr key={at}>
							<td>{at + 1}</td>
							{hasUrls && <td>{attempt.url + 1}</td>}
							<td>{shownMs(attempt.startedMs)}</td>
							<Phases attempt={attempt} />
							<td>{shownBytes(attempt.bytes)}</td>
							<td>
								{attempt.status} {attempt.error && errorLine(attempt.error)}
							</td>
						</tr>
					))}
				</tbody>
			</table>
		</div>
	);
}

/** How long each phase took, or up to the attempt's end. Empty for those that it did not come to. */
function Phases({ attempt }: { attempt: ShownAttempt }) {
	const { startedMs, placedMs, sentMs, headMs, endedMs, kept } = attempt;
	const between = (fromMs: number | null, toMs: number | null) =>
		fromMs === null || toMs === null ? "" : shownMs(toMs - fromMs);
	return (
		<>
			<td>{between(startedMs, placedMs)}</td>
			<td>
				{between(placedMs, sentMs ?? endedMs)}
				{sentMs !== null && (kept ? " (kept)" : " (new)")}
			</td>
			<td>{between(sentMs, headMs ?? endedMs)}</td>
			<td>{between(headMs, endedMs)}</td>
		</>
	);
}
