import { useState } from "preact/hooks";
import { shownMs } from "../format.ts";
import { useAsked } from "../live.ts";
import { hashOf } from "../place.ts";
import { ask, hasToken, Refused } from "../server.ts";
import type { State } from "../state.ts";
import {
	curlLine,
	headersOf,
	holesOf,
	pathWith,
	type TrialRequest,
} from "../trial.ts";

interface Tried {
	readonly id: string;
	readonly status: number;
	readonly headers: readonly (readonly [name: string, value: string])[];
	readonly body: string;
	readonly cut: boolean;
	readonly durationMs: number;
}

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/** A form that makes one request to a route. It comes with the routes, because they would change what is typed by then. */
export function TryView() {
	const { answer: state, error } = useAsked<State>("state");
	return (
		<>
			<h1>Try a route</h1>
			{state === null && error === null ? (
				<p>Asking…</p>
			) : (
				<Trial state={state} />
			)}
		</>
	);
}

function Trial({ state }: { state: State | null }) {
	const routes = (state?.routes ?? []).flatMap((one) => one.route ?? []);
	const [route, setRoute] = useState(routes[0] ?? "");
	const [request, setRequest] = useState<TrialRequest>({
		...{ method: "GET", path: "/", headers: "", body: "" },
		...lineOf(route),
	});
	const set = (change: Partial<TrialRequest>) =>
		setRequest({ ...request, ...change });
	const onRoute = (key: string) => {
		setRoute(key);
		set(lineOf(key));
	};
	return (
		<>
			<form class="try" onSubmit={(event) => event.preventDefault()}>
				<div class="field">
					<label for="try-route">Route</label>
					<select
						id="try-route"
						value={route}
						onChange={({ currentTarget }) => onRoute(currentTarget.value)}
					>
						<option value="">choose one, or write a path</option>
						{routes.map((key) => (
							<option key={key} value={key}>
								{key}
							</option>
						))}
					</select>
				</div>
				<Fields request={request} onChange={set} />
			</form>
			{hasToken() ? (
				<Sender request={request} />
			) : (
				<WithoutToken request={request} url={state?.url ?? null} />
			)}
		</>
	);
}

/** The method and path of a route's key. */
function lineOf(key: string): Partial<TrialRequest> {
	if (key === "") return {};
	const [method = "GET", path = "/"] = key.split(" ", 2);
	return { method: method === "ANY" ? "GET" : method, path };
}

function Fields({
	request: { method, path, headers, body },
	onChange,
}: {
	request: TrialRequest;
	onChange(change: Partial<TrialRequest>): void;
}) {
	const holes = holesOf(path);
	return (
		<>
			<div class="field">
				<label for="try-method">Method</label>
				<select
					id="try-method"
					value={method}
					onChange={({ currentTarget }) =>
						onChange({ method: currentTarget.value })
					}
				>
					{methods.map((one) => (
						<option key={one}>{one}</option>
					))}
				</select>
			</div>
			<div class="field wide">
				<label for="try-path">Path and query</label>
				<input
					id="try-path"
					value={path}
					spellcheck={false}
					autocomplete="off"
					aria-describedby="try-holes"
					onInput={({ currentTarget }) =>
						onChange({ path: currentTarget.value })
					}
				/>
				<span id="try-holes" class="quiet">
					{holes.length > 0
						? `Replace ${holes.join(" and ")} by a value.`
						: "The query, if there is one, stands behind a question mark."}
				</span>
			</div>
			<div class="field wide">
				<label for="try-headers">Header fields, one a line</label>
				<textarea
					id="try-headers"
					rows={3}
					value={headers}
					spellcheck={false}
					placeholder="Accept-Language: ru"
					onInput={({ currentTarget }) =>
						onChange({ headers: currentTarget.value })
					}
				/>
			</div>
			{method !== "GET" && method !== "HEAD" && (
				<div class="field wide">
					<label for="try-body">Body</label>
					<textarea
						id="try-body"
						rows={6}
						value={body}
						spellcheck={false}
						onInput={({ currentTarget }) =>
							onChange({ body: currentTarget.value })
						}
					/>
				</div>
			)}
		</>
	);
}

function WithoutToken({
	request,
	url,
}: {
	request: TrialRequest;
	url: string | null;
}) {
	return (
		<section>
			<h2>In a terminal</h2>
			<pre tabIndex={0}>
				<code>{curlLine(request, url ?? "http://localhost:8080")}</code>
			</pre>
			<p class="quiet">
				This page sends requests only if the admin server has a token:{" "}
				<code>admin.token</code>. Else a page of the web could use it.
			</p>
		</section>
	);
}

type Outcome =
	| { readonly kind: "none" | "sending" }
	| { readonly kind: "answer"; readonly tried: Tried }
	| { readonly kind: "failed"; readonly message: string };

function Sender({ request }: { request: TrialRequest }) {
	const [outcome, setOutcome] = useState<Outcome>({ kind: "none" });
	const send = async () => {
		setOutcome({ kind: "sending" });
		try {
			const tried = await ask<Tried>("try", {
				method: "POST",
				body: {
					method: request.method,
					path: pathWith(request.path),
					headers: headersOf(request.headers),
					...(request.body === "" ? {} : { body: request.body }),
				},
			});
			setOutcome({ kind: "answer", tried });
		} catch (error) {
			setOutcome({ kind: "failed", message: failureOf(error as Error) });
		}
	};
	return (
		<>
			<p>
				<button
					type="button"
					class="primary"
					disabled={outcome.kind === "sending"}
					onClick={() => void send()}
				>
					{outcome.kind === "sending" ? "Sending…" : "Send the request"}
				</button>{" "}
				<span class="quiet">
					It counts like any other: its writes are made.
				</span>
			</p>
			<div aria-live="polite">
				{outcome.kind === "answer" && <Answer tried={outcome.tried} />}
				{outcome.kind === "failed" && <p class="tone bad">{outcome.message}</p>}
			</div>
		</>
	);
}

function failureOf(error: Error): string {
	if (!(error instanceof Refused)) return "The gateway cannot be reached.";
	return [error.message, ...error.faults].join("; ");
}

function Answer({ tried }: { tried: Tried }) {
	const { id, status, headers, body, cut, durationMs } = tried;
	return (
		<section>
			<h2>
				Answered {status} after {shownMs(durationMs)}
			</h2>
			<p>
				<a href={hashOf({ view: "request", name: id })}>What happened when</a>
			</p>
			<pre tabIndex={0} aria-label="Body of the answer">
				<code>{body === "" ? "(no body)" : body}</code>
			</pre>
			{cut && (
				<p class="quiet">The body goes on: only its beginning is shown.</p>
			)}
			<details>
				<summary>Header fields</summary>
				<ul class="headers">
					{headers.map(([name, value], at) => (
						<li key={at}>
							<code>
								{name}: {value}
							</code>
						</li>
					))}
				</ul>
			</details>
		</section>
	);
}
