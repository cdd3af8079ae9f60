import type { RequestSummary } from "../../../src/telemetry/trail/shown-request.ts";
import { shownMs, shownStep, shownTime } from "../format.ts";
import { hashOf } from "../place.ts";
import { errorLine } from "../sentences.ts";
import { ownMarks, toneOfRequest } from "../waterfall.ts";

/** A request, with the author's own columns if it comes from the history. */
export interface ShownRequest extends RequestSummary {
	readonly record?: Readonly<Record<string, unknown>> | null;
}

export interface RequestsTableProps {
	readonly caption: string;
	readonly requests: readonly ShownRequest[];
	/** Whether they are of the history: then they are of many days, and have columns of the author's own. */
	readonly areKept?: boolean;
}

/** Requests, a row each. The columns keep their widths, so that nothing jumps when rows come. */
export function RequestsTable({
	caption,
	requests,
	areKept = false,
}: RequestsTableProps) {
	return (
		<table class={areKept ? "requests kept" : "requests"}>
			<caption class="hidden">{caption}</caption>
			<thead>
				<tr>
					<th scope="col" class="time">
						Arrived
					</th>
					<th scope="col" class="route">
						Route
					</th>
					<th scope="col" class="number">
						Status
					</th>
					<th scope="col" class="number">
						Took
					</th>
					<th scope="col">Result</th>
					<th scope="col" class="number wide">
						Calls
					</th>
					<th scope="col" class="wide">
						{areKept ? "Recorded" : "Slowest call"}
					</th>
				</tr>
			</thead>
			<tbody>
				{requests.map((request) => (
					<Row
						key={`${request.id} ${request.at}`}
						request={request}
						isKept={areKept}
					/>
				))}
			</tbody>
		</table>
	);
}

function Row({ request, isKept }: { request: ShownRequest; isKept: boolean }) {
	const { id, at, route, status, durationMs, calls } = request;
	const time = shownTime(at);
	return (
		<tr>
			<td class="time">
				<a href={hashOf({ view: "request", name: id })}>
					<time dateTime={at}>
						{isKept ? `${at.slice(0, 10)} ${time}` : time}
					</time>
				</a>
			</td>
			<td class="route">{route ?? <span class="quiet">no route</span>}</td>
			<td class="number">{status}</td>
			<td class="number">{shownMs(durationMs)}</td>
			<td class="result">
				<Result request={request} />
			</td>
			<td class="number wide">{calls}</td>
			<td class="wide">{isKept ? recorded(request) : slowestOf(request)}</td>
		</tr>
	);
}

function slowestOf({ slowest }: RequestSummary): string {
	if (slowest === null) return "";
	const { step, index, durationMs } = slowest;
	return `${shownStep(step, index)}, ${shownMs(durationMs)}`;
}

/** The author's own columns, in a line: `city: Oslo, sky: Clouds`. */
export function recorded({ record }: ShownRequest): string {
	return Object.entries(record ?? {})
		.map(([name, value]) => `${name}: ${value ?? "–"}`)
		.join(", ");
}

/** How it ended, and why, in a line. */
export function Result({ request }: { request: RequestSummary }) {
	const { completeness, error, missing, outlived, parts } = request;
	const lacks = missing.map(
		({ step, index, error: why, stale }) =>
			`${shownStep(step, index)} ${stale ? "is stale" : "is missing"}: ${why.code}`,
	);
	const why = error ? [errorLine(error)] : lacks;
	const more = why.length > 2 ? `, and ${why.length - 2} more` : "";
	return (
		<>
			<span class={`tone ${toneOfRequest(request)}`}>{completeness}</span>
			{why.length > 0 && ` ${why.slice(0, 2).join("; ")}${more}`}
			{parts && ` (in parts, the first after ${shownMs(parts.firstMs)})`}
			{ownMarks(request).map((mark) => ` (${mark})`)}
			{outlived && " (its client had left)"}
		</>
	);
}
