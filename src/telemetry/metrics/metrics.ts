import type { GatewayError } from "../../core/errors.ts";
import {
	type AttemptEnded,
	type LoadLevel,
	listen,
	type PartsFace,
	type PolicyDecided,
	type PolicyKey,
	policyDecisions,
	type RequestEnded,
	type SentParts,
} from "../../core/events.ts";
import type { Gateway } from "../../gateway/gateway.ts";
import { hashOf } from "../../plan/print.ts";
import type { History } from "../history/history.ts";
import { writeHistory } from "../history/history-metrics.ts";
import { errorTypeOf, isCancelled } from "../trail/attempt-end.ts";
import {
	type Completeness,
	completenessOf,
	isOpenEnded,
	isOwnRun,
} from "../trail/shown-request.ts";
import {
	Exposition,
	type FamilySamples,
	labels,
	type MetricsFormat,
	type MetricsOut,
	Samples,
} from "./exposition.ts";
import { decisionMetrics, metrics } from "./families.ts";
import { type CountedServer, writeGauges } from "./gauges.ts";
import { Histogram, ofStore } from "./histogram.ts";
import { Counts, Durations } from "./series.ts";

/** Counts what a gateway does. Nothing is sent anywhere: the numbers are printed when they are asked for. */
export interface Metrics {
	/** The text that Prometheus reads. `server` adds the connections of clients, `history` how it is written. */
	print(
		format: MetricsFormat,
		server?: CountedServer | null,
		history?: Pick<History, "state"> | null,
	): string;
	/** The same as numbers, for a process that adds up several. */
	samples(
		server?: CountedServer | null,
		history?: Pick<History, "state"> | null,
	): readonly FamilySamples[];
	/** What was counted since its beginning. */
	totals(): Totals;
	/** A request that the server refused, so that the gateway never saw it. */
	refused(error: GatewayError): void;
	/** Counts nothing from now on. */
	detach(): void;
}

/** What a gateway has done on the whole. */
export interface Totals {
	readonly load: LoadLevel;
	/** Null has requests that no route matched, or that were refused before. */
	readonly routes: readonly {
		readonly route: string | null;
		readonly whole: number;
		readonly partial: number;
		readonly failed: number;
		readonly left: number;
	}[];
	/** By upstream, policy and decision. */
	readonly decisions: ReadonlyMap<string, Decisions>;
}

/** How often each policy of an upstream decided what. */
export type Decisions = Readonly<
	Record<PolicyKey, Readonly<Record<string, number>>>
>;

/** The numbers of one route, or of requests without one. */
class RouteNumbers {
	readonly durations: Durations;
	/** As in the plan; empty without a route. */
	readonly key: string;
	/** How long the first part took, by the face; empty for an answer that was never sent in parts. */
	readonly firstParts = new Map<PartsFace, Histogram>();
	/** How long runs for those who watch took; null if there was none. */
	watchRuns: Histogram | null = null;
	whole = 0;
	partial = 0;
	failed = 0;
	/** Nobody wanted the answer any more. */
	left = 0;

	/** A key is a method and a path. */
	constructor(key: string) {
		this.key = key;
		const http_route = key.slice(key.indexOf(" ") + 1);
		this.durations = new Durations({ http_route });
	}

	answer(completeness: Completeness): void {
		this[completeness]++;
	}

	watchRun(durationMs: number): void {
		this.watchRuns ??= new Histogram(labels({ route: this.key }));
		this.watchRuns.record(durationMs);
	}

	firstPart({ face, firstMs }: SentParts): void {
		let durations = this.firstParts.get(face);
		if (durations === undefined) {
			durations = new Histogram(labels({ route: this.key, face }));
			this.firstParts.set(face, durations);
		}
		durations.record(firstMs);
	}
}

/** The numbers of one upstream. The templates of its calls come from the plan. */
class UpstreamNumbers {
	readonly name: string;
	readonly templates = new Map<string | null, Durations>();
	cancelled = 0;
	readonly decisions: Readonly<Record<PolicyKey, Record<string, number>>>;

	constructor(name: string) {
		this.name = name;
		this.decisions = Object.fromEntries(
			Object.entries(policyDecisions).map(([policy, words]) => [
				policy,
				Object.fromEntries(words.map((word) => [word, 0])),
			]),
		) as UpstreamNumbers["decisions"];
	}

	durationsOf(template: string | null): Durations {
		let durations = this.templates.get(template);
		if (durations === undefined) {
			const url_template = template ?? "";
			durations = new Durations({ upstream: this.name, url_template });
			this.templates.set(template, durations);
		}
		return durations;
	}
}

/**
 * Counts the events of a gateway from now on. Every label comes from the plan, from a table of ours or from a short list, so
 * that no client and no upstream adds one.
 */
export function createMetrics(gateway: Gateway): Metrics {
	const numbers = new Numbers(gateway);
	const { events } = gateway;
	const storeCalls = gateway.state().store && new Histogram("", ofStore);
	const loaded = { hash: hashOf(gateway.plan), atMs: Date.now() };
	const removals = [
		listen(events.requestEnded, (end) => numbers.request(end)),
		listen(events.attemptEnded, (end) => numbers.attempt(end)),
		listen(events.policyDecided, (decided) => numbers.decision(decided)),
		listen(events.undoEnded, ({ route, error }) => {
			const outcome = error === null ? "undone" : "failed";
			numbers.undos.add(labels({ route, outcome }));
		}),
		listen(events.loadChanged, ({ level }) => {
			numbers.load = level;
		}),
		listen(events.storeCalled, ({ durationMs }) =>
			storeCalls?.record(durationMs),
		),
	];
	const write = <Out extends MetricsOut>(
		out: Out,
		server: CountedServer | null,
		history: Pick<History, "state"> | null,
	): Out => {
		numbers.write(out);
		if (storeCalls !== null) {
			out.metric(metrics.storeDuration);
			storeCalls.write(metrics.storeDuration.name, out);
		}
		if (history !== null) writeHistory(history.state(), out);
		writeGauges(gateway, server, numbers.load, loaded, out);
		return out;
	};
	return {
		print: (format, server = null, history = null) =>
			write(new Exposition(format), server, history).text(),
		samples: (server = null, history = null) =>
			write(new Samples(), server, history).families,
		totals: () => numbers.totals(),
		refused: ({ code }) =>
			numbers.refusedRequests.add(labels({ error_type: code })),
		detach() {
			for (const remove of removals) remove();
		},
	};
}

class Numbers {
	/** Null has requests that no route matched, or that were refused before. */
	readonly #routes: ReadonlyMap<string | null, RouteNumbers>;
	readonly #upstreams: ReadonlyMap<string, UpstreamNumbers>;
	readonly #missing = new Counts();
	readonly #writes = new Counts();
	readonly undos = new Counts();
	readonly refusedRequests = new Counts();
	readonly #refusedAttempts = new Counts();
	#rateLimited = 0;
	#shedRequests = 0;
	#shedParts = 0;
	load: LoadLevel = "normal";

	constructor({ plan }: Pick<Gateway, "plan">) {
		this.#routes = new Map([
			[null, new RouteNumbers("")],
			...plan.routes.map(({ key }) => [key, new RouteNumbers(key)] as const),
		]);
		this.#upstreams = new Map(
			plan.upstreams.map(({ name }) => [name, new UpstreamNumbers(name)]),
		);
	}

	request(end: RequestEnded): void {
		const numbers = this.#routes.get(end.route);
		if (numbers === undefined) return;
		const { method, status, error, durationMs, missing, writes, parts } = end;
		const code = error?.code ?? "";
		// A client that leaves is no error of anybody's: the status says it.
		const errorType = code === "client_closed" ? "" : code;
		if (end.watch === "run") numbers.watchRun(durationMs);
		else numbers.answer(completenessOf(end));
		if (!isOwnRun(end) && !isOpenEnded(end)) {
			numbers.durations.record(method, status, errorType, durationMs);
		}
		if (code === "too_many_requests") this.#rateLimited++;
		else if (code === "overloaded") this.#shedRequests++;
		const { key: route } = numbers;
		if (parts !== null) numbers.firstPart(parts);
		for (const { step, error } of missing) {
			if (error.code === "overloaded") this.#shedParts++;
			this.#missing.add(labels({ route, step, error_type: error.code }));
		}
		for (const { outcome } of writes) {
			this.#writes.add(labels({ route, outcome }));
		}
	}

	attempt({ call, attempt }: AttemptEnded): void {
		const numbers = this.#upstreams.get(call.upstream);
		if (numbers === undefined) return;
		const { placedMs, endedMs, status } = attempt;
		if (isCancelled(attempt)) {
			numbers.cancelled++;
		} else if (placedMs === null) {
			const { upstream } = call;
			const error_type = errorTypeOf(attempt);
			this.#refusedAttempts.add(labels({ upstream, error_type }));
		} else {
			const ms = (endedMs as number) - placedMs;
			numbers
				.durationsOf(call.template)
				.record(call.method, status, errorTypeOf(attempt), ms);
		}
	}

	decision({ upstream, policy, decision }: PolicyDecided): void {
		const counts = this.#upstreams.get(upstream)?.decisions[policy];
		if (counts !== undefined) counts[decision] = (counts[decision] ?? 0) + 1;
	}

	totals(): Totals {
		return {
			load: this.load,
			routes: [...this.#routes].map(([route, numbers]) => ({
				...{ route, whole: numbers.whole, partial: numbers.partial },
				...{ failed: numbers.failed, left: numbers.left },
			})),
			decisions: new Map(
				[...this.#upstreams].map(([name, { decisions }]) => [name, decisions]),
			),
		};
	}

	write(out: MetricsOut): void {
		out.metric(metrics.serverDuration);
		for (const { durations } of this.#routes.values()) {
			durations.write(metrics.serverDuration.name, out);
		}
		out.metric(metrics.clientDuration);
		for (const { templates } of this.#upstreams.values()) {
			for (const durations of templates.values()) {
				durations.write(metrics.clientDuration.name, out);
			}
		}
		this.#writeAnswers(out);
		out.metric(metrics.firstPart);
		for (const { firstParts } of this.#routes.values()) {
			for (const durations of firstParts.values()) {
				durations.write(metrics.firstPart.name, out);
			}
		}
		out.metric(metrics.watchRunTimes);
		for (const { watchRuns } of this.#routes.values()) {
			watchRuns?.write(metrics.watchRunTimes.name, out);
		}
		this.#missing.write(metrics.missing, out);
		this.#writes.write(metrics.writes, out);
		this.undos.write(metrics.undos, out);
		this.refusedRequests.write(metrics.refusedRequests, out);
		this.#refusedAttempts.write(metrics.refusedAttempts, out);
		for (const [metric, value] of [
			[metrics.rateLimited, this.#rateLimited],
			[metrics.shedRequests, this.#shedRequests],
			[metrics.shedParts, this.#shedParts],
		] as const) {
			out.metric(metric);
			out.sample(metric.name, "", value);
		}
		this.#writeUpstreams(out);
	}

	#writeAnswers(out: MetricsOut): void {
		out.metric(metrics.answers);
		for (const {
			key: route,
			whole,
			partial,
			failed,
			left,
		} of this.#routes.values()) {
			for (const [completeness, count] of Object.entries({
				whole,
				partial,
				failed,
				left,
			})) {
				const text = labels({ route, completeness });
				out.sample(metrics.answers.name, text, count);
			}
		}
	}

	#writeUpstreams(out: MetricsOut): void {
		const all = [...this.#upstreams.values()];
		out.metric(metrics.cancelledAttempts);
		for (const { name: upstream, cancelled: count } of all) {
			out.sample(metrics.cancelledAttempts.name, labels({ upstream }), count);
		}
		for (const [policy, metric] of Object.entries(decisionMetrics)) {
			out.metric(metric);
			for (const { name: upstream, decisions } of all) {
				const counts = Object.entries(decisions[policy as PolicyKey]);
				for (const [decision, count] of counts) {
					out.sample(metric.name, labels({ upstream, decision }), count);
				}
			}
		}
	}
}
