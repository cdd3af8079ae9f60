import { useAsked } from "../live.ts";
import { FilterForm } from "../parts/filter-form.tsx";
import { RequestsTable, type ShownRequest } from "../parts/requests-table.tsx";
import { hashOf, type Place, queryOf } from "../place.ts";
import { Refused } from "../server.ts";
import type { State } from "../state.ts";

interface HistoryAnswer {
	readonly requests: readonly ShownRequest[];
	/** The `before` of the next, older page; null if there is none. */
	readonly next: string | null;
}

const pageSize = "100";

/** Searches the requests that are kept in a file. */
export function HistoryView({ place }: { place: Place }) {
	const { parameters } = place;
	const query = queryOf({ limit: pageSize, ...parameters });
	const { answer, error } = useAsked<HistoryAnswer>(`history${query}`);
	const { answer: state } = useAsked<State>("state");
	const isOff = error instanceof Refused && error.status === 404;
	const isWrong = error instanceof Refused && error.status === 400;
	const show = (next: Place["parameters"]) => {
		location.hash = hashOf({ view: "history", parameters: next });
	};
	if (isOff) return <SwitchedOff />;
	return (
		<>
			<h1>History</h1>
			<FilterForm
				filter={withoutPage(parameters)}
				routes={(state?.routes ?? []).flatMap(({ route }) => route ?? [])}
				upstreams={(state?.upstreams ?? []).map(({ upstream }) => upstream)}
				faults={isWrong ? error.faults : []}
				more={[{ name: "since", label: "Since", example: "1h" }]}
				onFilter={show}
			/>
			{error !== null && !isWrong && <p role="alert">{error.message}</p>}
			{answer === null && error === null && <p>Asking…</p>}
			{answer && (
				<Found
					answer={answer}
					isFirst={!parameters.before}
					onFirst={() => show(withoutPage(parameters))}
					onOlder={(before) => show({ ...parameters, before })}
				/>
			)}
		</>
	);
}

function withoutPage({
	before: _,
	...filter
}: Place["parameters"]): Place["parameters"] {
	return filter;
}

function Found({
	answer: { requests, next },
	isFirst,
	onFirst,
	onOlder,
}: {
	answer: HistoryAnswer;
	isFirst: boolean;
	onFirst(): void;
	onOlder(before: string): void;
}) {
	return (
		<>
			{requests.length === 0 ? (
				<p class="empty">
					{next === null
						? "No request in the history passes this filter."
						: "None was found among those that were looked at in a second. Older ones may pass this filter."}
				</p>
			) : (
				<RequestsTable
					caption="Requests in the history"
					requests={requests}
					areKept
				/>
			)}
			<p>
				{!isFirst && (
					<button type="button" onClick={onFirst}>
						Newest
					</button>
				)}{" "}
				{next !== null && (
					<button type="button" onClick={() => onOlder(next)}>
						Older
					</button>
				)}
			</p>
		</>
	);
}

function SwitchedOff() {
	return (
		<>
			<h1>History</h1>
			<p>
				The history is switched off: only the last 200 requests are kept, in
				memory, and a restart forgets them. With this key in the config every
				request is written to a file, and can be searched here:
			</p>
			<pre tabIndex={0}>
				<code>{"history: { file: ./sluice.db, for: 7d }"}</code>
			</pre>
			<p>
				<a href={hashOf({ view: "traffic" })}>The last requests</a>
			</p>
		</>
	);
}
