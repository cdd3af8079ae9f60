import { useEffect, useState } from "preact/hooks";
import type { Rates } from "../../src/telemetry/traffic/rates.ts";
import type { RequestSummary } from "../../src/telemetry/trail/shown-request.ts";
import type { SentEvent } from "./event-stream.ts";
import { queryOf } from "./place.ts";
import { withRates } from "./series.ts";
import { ask, Refused, readEvents } from "./server.ts";

/** How the page stands with the gateway. */
export type Link =
	| "connecting"
	| "open"
	| "lost"
	/** The gateway has no place for another listener. */
	| "full";

/** What has come of the gateway's traffic. */
export interface Live {
	readonly link: Link;
	/** Those that passed the filter, the newest first. */
	readonly requests: readonly RequestSummary[];
	readonly rates: readonly Rates[];
	/** How many requests the gateway did not send, because there were too many. */
	readonly lost: number;
	/** What is wrong with the filter; empty if nothing is. */
	readonly faults: readonly string[];
}

/** What of the list of requests the page reads. */
export interface TrafficAnswer {
	readonly requests: readonly RequestSummary[];
	/** Where a stream goes on after them. */
	readonly last: string;
}

/** More rows would only slow the browser down. */
const requestsMax = 200;

/** How often the page is drawn again at most, however many requests end. */
const drawEveryMs = 400;

/** Waits between attempts to connect again. The last one is repeated. */
const pausesMs = [500, 1000, 2000, 5000];

const nothing: Live = {
	...{ link: "connecting", lost: 0 },
	...{ requests: [], rates: [], faults: [] },
};

/** Follows the traffic that passes the filter, and connects again if the connection is lost. */
export function useLive(filter: Readonly<Record<string, string>>): Live {
	const [live, setLive] = useState(nothing);
	const query = queryOf(filter);
	useEffect(() => {
		const control = new AbortController();
		void follow(query, setLive, control.signal);
		return () => control.abort();
	}, [query]);
	return live;
}

type Change = (change: (live: Live) => Live) => void;

async function follow(
	query: string,
	change: Change,
	signal: AbortSignal,
): Promise<void> {
	for (let failures = 0; !signal.aborted; ) {
		let isFull = false;
		try {
			await followOnce(query, change, signal, () => {
				failures = 0;
			});
		} catch (error) {
			if (signal.aborted) return;
			if (error instanceof Refused && error.status < 500) {
				const { message, faults } = error;
				const told = faults.length > 0 ? faults : [message];
				change((live) => ({ ...live, link: "open", faults: told }));
				return;
			}
			isFull = error instanceof Refused && error.status === 503;
		}
		if (signal.aborted) return;
		change((live) => ({ ...live, link: isFull ? "full" : "lost" }));
		// The list is still given then, so it is no failure, but to ask for it often would help nobody.
		if (isFull) failures = pausesMs.length;
		await pause(pausesMs[Math.min(failures++, pausesMs.length - 1)] ?? 0);
	}
}

/** The list first, then the stream from where the list ends, so that nothing is missed or comes twice. */
async function followOnce(
	query: string,
	change: Change,
	signal: AbortSignal,
	onOpen: () => void,
): Promise<void> {
	const list = await ask<TrafficAnswer>(`traffic${query}`, { signal });
	onOpen();
	const { requests, last } = list;
	change((live) => ({ ...live, ...linkOf(live), requests, faults: [] }));
	const collected = collector(change);
	try {
		const headers = { "last-event-id": last };
		await readEvents(`traffic${query}`, collected.take, { headers, signal });
	} finally {
		collected.end();
	}
}

/** While there is no place, only an event says that there is one again. */
function linkOf({ link }: Live): Pick<Live, "link"> {
	return { link: link === "full" ? link : "open" };
}

/** Collects events, and hands them on together a few times a second. */
function collector(change: Change): {
	take(event: SentEvent): void;
	end(): void;
} {
	let waiting: SentEvent[] = [];
	let timer: ReturnType<typeof setTimeout> | undefined;
	const handOn = () => {
		timer = undefined;
		const events = waiting;
		waiting = [];
		change((live) => ({ ...events.reduce(withEvent, live), link: "open" }));
	};
	return {
		take(event) {
			waiting.push(event);
			// A page that is not looked at draws rarely: browsers slow its timers down.
			if (waiting.length > 2 * requestsMax) waiting.shift();
			timer ??= setTimeout(handOn, drawEveryMs);
		},
		end: () => clearTimeout(timer),
	};
}

/** What the page knows with one event more. */
export function withEvent(live: Live, { event, data }: SentEvent): Live {
	switch (event) {
		case "request": {
			const request = JSON.parse(data) as RequestSummary;
			const requests = [request, ...live.requests].slice(0, requestsMax);
			return { ...live, requests };
		}
		case "rates":
			return {
				...live,
				rates: withRates(live.rates, JSON.parse(data) as Rates),
			};
		case "lost": {
			const { count } = JSON.parse(data) as { count: number };
			return { ...live, lost: live.lost + count };
		}
		default:
			return live;
	}
}

function pause(ms: number): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, ms));
}

/** What a path answers: asked again after each time, and at once if the path is another. */
export function useAsked<T>(
	path: string | null,
	everyMs: number | null = null,
): { readonly answer: T | null; readonly error: Error | null } {
	const [state, setState] = useState<{
		readonly path: string | null;
		readonly answer: T | null;
		readonly error: Error | null;
	}>({ path, answer: null, error: null });
	useEffect(() => {
		if (path === null) return;
		const control = new AbortController();
		const { signal } = control;
		void (async () => {
			while (!signal.aborted) {
				try {
					const answer = await ask<T>(path, { signal });
					setState({ path, answer, error: null });
				} catch (error) {
					if (signal.aborted) return;
					setState((old) => ({
						path,
						// What was there stays: it is better than nothing.
						answer: old.path === path ? old.answer : null,
						error: error as Error,
					}));
					if (error instanceof Refused) return;
				}
				if (everyMs === null) return;
				await pause(everyMs);
			}
		})();
		return () => control.abort();
	}, [path, everyMs]);
	return state.path === path ? state : { answer: null, error: null };
}
