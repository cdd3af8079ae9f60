import { GatewayError } from "../core/errors.ts";
import { eventStreamType } from "../core/http/event-stream.ts";
import { headerOf } from "../core/http/headers.ts";
import type { Scope } from "../tasks/scope.ts";
import { AddedUp } from "../telemetry/metrics/added-up.ts";
import {
	Exposition,
	type MetricsFormat,
} from "../telemetry/metrics/exposition.ts";
import { workerMetrics } from "../telemetry/metrics/families.ts";
import { addedState } from "./added-state.ts";
import { jsonAnswer, type Page } from "./handle.ts";
import { mergedTraffic, readMergedQuery } from "./merged-traffic.ts";
import { livePage, metricsPage, readyPage, type Unready } from "./pages.ts";
import type { AskedWorker, AskedWorkers, Question, Said } from "./questions.ts";
import { requestBytesMax } from "./try-page.ts";
import type { WorkersStreams } from "./workers-streams.ts";

/** How long a worker may take to say what it has in memory. */
const answerMs = 1_000;

/** How long it may take to look into the history, which has a bound of its own. */
const lookUpMs = 6_000;

/** The pages of all workers together. */
export function pagesOfWorkers(
	workers: AskedWorkers,
	streams: WorkersStreams,
): ReadonlyMap<string, Page> {
	return new Map<string, Page>([
		["/health/live", livePage],
		["/health/ready", readyPage(() => unready(workers))],
		["/metrics", metricsOf(workers)],
		["/state", stateOfAll(workers)],
		["/traffic", trafficOfAll(workers, streams)],
		["/traffic/*", requestOfAny(workers)],
		["/config", byOne(workers, "/config")],
		["/plan", byOne(workers, "/plan")],
		["/history", byOne(workers, "/history")],
		["/history/*", byOne(workers, "/history/*")],
		["/try", { ...byOne(workers, "/try", null), method: "POST" }],
	]);
}

function unready(workers: AskedWorkers): Unready | null {
	if (workers.draining()) return "draining";
	const isOneThere = workers.all().some(({ leaves }) => !leaves);
	return isOneThere ? null : "no worker is ready";
}

function metricsOf(workers: AskedWorkers): Page {
	const sums = new AddedUp();
	workers.onEnd((worker, last) => {
		if (last !== null) sums.take(worker, last);
		sums.leave(worker);
	});
	return metricsPage(async (format, scope) => {
		const asked = await askAll(workers, { kind: "metrics" }, scope);
		for (const { worker, said } of asked) {
			if (said !== null) sums.take(worker, said);
		}
		return printed(workers, asked, sums, format);
	});
}

function printed(
	workers: AskedWorkers,
	asked: readonly Asked<"metrics">[],
	sums: AddedUp,
	format: MetricsFormat,
): string {
	const out = new Exposition(format);
	sums.write(
		// One that has ended meanwhile is among those that are gone.
		workers.all().map((worker) => ({
			...{ process: worker, worker: worker.number },
			answers:
				!worker.leaves &&
				asked.some((one) => one.worker === worker && one.said !== null),
		})),
		out,
	);
	const up = workers.all().filter(({ leaves }) => !leaves).length;
	const silent = asked.filter(({ said }) => said === null).length;
	for (const [metric, value] of [
		[workerMetrics.up, up],
		[workerMetrics.silent, silent],
		[workerMetrics.restarts, workers.restarts()],
	] as const) {
		out.metric(metric);
		out.sample(metric.name, "", value);
	}
	return out.text();
}

function stateOfAll(workers: AskedWorkers): Page {
	const startedAt = new Date(performance.timeOrigin).toISOString();
	return {
		async answer(_request, scope) {
			const asked = await askAll(workers, { kind: "state" }, scope);
			const state = addedState(
				asked.map(({ worker, said }) => ({
					...{ worker: worker.number, state: said },
				})),
				{
					...{ at: new Date().toISOString(), startedAt },
					draining: workers.draining(),
				},
			);
			if (state === null) throw nobodyAnswers();
			return jsonAnswer(state);
		},
	};
}

function trafficOfAll(workers: AskedWorkers, streams: WorkersStreams): Page {
	return {
		async answer({ target, headers, memory }, scope) {
			const { query, before } = readMergedQuery(target);
			const accept = headerOf(headers, "accept") ?? "";
			if (accept.includes(eventStreamType)) {
				const lastId = headerOf(headers, "last-event-id");
				const body = streams.open(query, lastId, memory);
				return { status: 200, type: eventStreamType, body };
			}
			const until = { timeoutMs: answerMs, scope };
			const pages = await Promise.all(
				workers.all().map(async (worker) => {
					// What a worker has done that the page before did not know is newer than that page.
					const from = before === null ? null : (before.get(worker.id) ?? 0);
					const own = { ...query, before: from };
					const question = { kind: "traffic", query: own } as const;
					const page = await worker.ask<"traffic">(question, until);
					return { id: worker.id, before: from, page };
				}),
			);
			return jsonAnswer(mergedTraffic(pages, query.limit));
		},
	};
}

function requestOfAny(workers: AskedWorkers): Page {
	return {
		async answer(_request, scope, id) {
			const asked = await askAll(workers, { kind: "request", id }, scope);
			const found = asked.flatMap(({ said }) => said ?? []);
			const newest = found.toSorted((a, b) => (a.at < b.at ? 1 : -1))[0];
			if (newest !== undefined) return jsonAnswer(newest);
			throw new GatewayError("route_not_found", "no such request is kept");
		},
	};
}

function nobodyAnswers(): GatewayError {
	return new GatewayError("admin_unavailable", "no worker answers now");
}

/** What one worker said. Null: it did not answer in time, or has ended. */
interface Asked<Kind extends Question["kind"]> {
	readonly worker: AskedWorker;
	readonly said: Said[Kind] | null;
}

/** Asks all at once. */
function askAll<Kind extends Question["kind"]>(
	workers: AskedWorkers,
	question: Extract<Question, { readonly kind: Kind }>,
	scope: Scope,
): Promise<readonly Asked<Kind>[]> {
	const until = { timeoutMs: answerMs, scope };
	return Promise.all(
		workers.all().map(async (worker) => ({
			worker,
			said: await worker.ask<Kind>(question, until),
		})),
	);
}

/** What is the same for all workers, or needs one alone. The first that answers says it. */
function byOne(
	workers: AskedWorkers,
	path: string,
	timeoutMs: number | null = lookUpMs,
): Page {
	return {
		async answer(request, scope, name) {
			const { method, target, headers } = request;
			const body =
				method === "POST"
					? await request.readBody(requestBytesMax)
					: new Uint8Array();
			const question = {
				...{ kind: "page" as const, path, name },
				...{ method, target, headers, body },
			};
			const ready = workers.all().filter(({ leaves }) => !leaves);
			for (const worker of ready) {
				const said = await worker.ask(question, { timeoutMs, scope });
				if (said !== null) return said;
				// It may have been tried already.
				if (method === "POST") break;
			}
			throw nobodyAnswers();
		},
	};
}
