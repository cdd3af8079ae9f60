import {
	type Attributes,
	createTraceState,
	type Link,
	type SpanContext,
	SpanKind,
	type TraceState,
} from "@opentelemetry/api";
import type { GatewayError } from "../../core/errors.ts";
import type { TrailEnded } from "../../core/events.ts";
import type { TraceIds } from "../../core/trace-ids.ts";
import type { CallTrail, StepTrail } from "../../core/trail.ts";
import { type Ending, endingOf, nameOf } from "../log/log-requests.ts";
import { knownMethod } from "../metrics/series.ts";
import { criticalPath } from "../trail/critical-path.ts";
import { completenessOf, isOwnRun } from "../trail/shown-request.ts";
import { attemptSpan } from "./attempt-span.ts";
import type { Dependencies } from "./dependencies.ts";
import type { SpanEvent, SpanFacts } from "./span.ts";

/** How many missing parts of an answer are named. */
const missingMax = 16;

/** Of a request with more steps the critical path is not looked for, because that takes a time that grows with their square. */
const criticalMax = 1_000;

/** Endings of requests whose status was sent before they failed. */
const failedLate: ReadonlySet<Ending> = new Set(["cut", "failed_late"]);

/**
 * The spans of one request: of itself, below it of its steps, and below these of their attempts. A step is below the list
 * or the group that it is part of. Nothing of a request's or an answer's data is in them, and no address but path templates.
 */
export function spansOf(
	end: TrailEnded,
	ids: TraceIds,
	dependencies: Dependencies | undefined,
	wallMs: number,
): SpanFacts[] {
	return new Making(end, ids, dependencies, wallMs).spans();
}

class Making {
	readonly #end: TrailEnded;
	readonly #ids: TraceIds;
	readonly #dependencies: Dependencies | undefined;
	/** What the gateway's clock lacks to milliseconds since 1970. */
	readonly #wallMs: number;
	readonly #endMs: number;
	readonly #state: TraceState | null;
	readonly #own: SpanContext;
	/** The records by path and index. */
	readonly #steps = new Map<string, StepTrail>();
	/** How much of the critical path was spent in a step, by path and index. */
	readonly #critical = new Map<string, number>();

	constructor(
		end: TrailEnded,
		ids: TraceIds,
		dependencies: Dependencies | undefined,
		wallMs: number,
	) {
		this.#end = end;
		this.#ids = ids;
		this.#dependencies = dependencies;
		this.#wallMs = wallMs;
		this.#endMs = end.trail.arrivedMs + end.durationMs;
		this.#state = ids.state === "" ? null : createTraceState(ids.state);
		this.#own = this.#contextOf(ids.spanId);
		for (const step of end.trail.steps) {
			this.#steps.set(keyOf(step.path, step.index), step);
		}
		if (end.trail.steps.length > criticalMax) return;
		for (const { step, index, fromMs, toMs } of criticalPath(end)) {
			if (step === null) continue;
			const key = keyOf(step, index);
			const before = this.#critical.get(key) ?? 0;
			this.#critical.set(key, before + toMs - fromMs);
		}
	}

	spans(): SpanFacts[] {
		const spans = [this.#request()];
		for (const step of this.#end.trail.steps) {
			if (step.spanId === null) continue;
			const context = this.#contextOf(step.spanId);
			spans.push(this.#step(step, context));
			for (const call of step.calls) this.#addAttempts(call, context, spans);
		}
		return spans;
	}

	#contextOf(spanId: string, parent = false): SpanContext {
		const { traceId, flags } = this.#ids;
		return {
			...{ traceId, spanId, traceFlags: Number(flags) },
			...(this.#state && { traceState: this.#state }),
			...(parent && { isRemote: true }),
		};
	}

	#request(): SpanFacts {
		const { method, route, status, requestId, error, trail } = this.#end;
		const { parts, watch, job, closeCode } = this.#end;
		const { arrivedMs, readMs, begunMs } = trail;
		const { parent, more } = this.#ids;
		const known = knownMethod(method);
		const shown = known === "_OTHER" ? "HTTP" : known;
		const path = route?.slice(route.indexOf(" ") + 1);
		const left = more + trail.more;
		return {
			name: path === undefined ? shown : `${shown} ${path}`,
			// Nobody has asked for a run of the gateway's own.
			kind: isOwnRun(this.#end) ? SpanKind.INTERNAL : SpanKind.SERVER,
			context: this.#own,
			...(parent && { parent: this.#contextOf(parent.spanId, true) }),
			startMs: this.#wallMs + arrivedMs,
			endMs: this.#wallMs + this.#endMs,
			failed: status >= 500 || failedLate.has(endingOf(this.#end)),
			attributes: {
				"http.request.method": known,
				"http.response.status_code": status,
				...(path !== undefined && { "http.route": path }),
				...errorType(error),
				"sluice.request_id": requestId,
				...this.#completeness(),
				...(parts && { "sluice.face": parts.face }),
				...(watch && { "sluice.watch": watch }),
				...(job && { "sluice.job": job }),
				...(closeCode !== undefined && { "sluice.close_code": closeCode }),
				...(left > 0 && { "sluice.spans_left_out": left }),
			},
			events: this.#instants([
				["sluice.read", readMs],
				["sluice.begun", begunMs],
				["sluice.first_part", parts && arrivedMs + parts.firstMs],
			]),
		};
	}

	#completeness(): Attributes {
		const { missing } = this.#end;
		const completeness = completenessOf(this.#end);
		return {
			"sluice.completeness": completeness,
			...(completeness === "partial" && {
				"sluice.missing": missing.slice(0, missingMax).map(nameOf),
			}),
		};
	}

	#step(step: StepTrail, context: SpanContext): SpanFacts {
		const { path, index, readyMs, endedMs, end, error } = step;
		const critical = this.#critical.get(keyOf(path, index));
		return {
			name: path,
			kind: SpanKind.INTERNAL,
			context,
			parent: this.#around(step),
			startMs: this.#wallMs + readyMs,
			endMs: this.#wallMs + (endedMs ?? this.#endMs),
			failed: end === "failed",
			attributes: {
				...(index.length > 0 && { "sluice.index": [...index] }),
				"sluice.end": end ?? "aborted",
				...(critical && {
					"sluice.critical_ms": Math.round(critical * 1000) / 1000,
				}),
				...errorType(error),
			},
			links: this.#linksOf(step),
			events: this.#eventsOf(step),
		};
	}

	/** The list of an item, the group of a step, or the request. What has no span is passed over. */
	#around({ path, index }: StepTrail): SpanContext {
		let deepest = index.length - 1;
		for (let at = path; at !== ""; at = groupOf(at)) {
			for (let depth = deepest; depth >= 0; depth--) {
				const around = this.#steps.get(keyOf(at, index.slice(0, depth)));
				if (around?.spanId) return this.#contextOf(around.spanId);
			}
			deepest = index.length;
		}
		return this.#own;
	}

	/** To the steps that it waited for: before its start, and later. An item starts with its list. */
	#linksOf(step: StepTrail): Link[] {
		const { path, index, after, waits } = step;
		const links = new Map<StepTrail, Link>();
		const isItem =
			index.length > 0 && this.#steps.has(keyOf(path, index.slice(0, -1)));
		const first = isItem ? [] : (this.#dependencies?.get(path) ?? []);
		this.#addLinks(links, first, index, "starts_after");
		const later = waits.flatMap(({ steps }) => steps);
		this.#addLinks(links, later, index, "waited_for");
		if (after !== null && after.spanId !== null) {
			const attributes = { "sluice.link": "starts_after", "sluice.last": true };
			const context = this.#contextOf(after.spanId);
			links.set(after, { context, attributes });
		}
		return [...links.values()];
	}

	#addLinks(
		links: Map<StepTrail, Link>,
		paths: readonly string[],
		index: readonly number[],
		kind: string,
	): void {
		for (const path of paths) {
			const step = this.#recordOf(path, index);
			if (step === null || step.spanId === null || links.has(step)) continue;
			const context = this.#contextOf(step.spanId);
			links.set(step, { context, attributes: { "sluice.link": kind } });
		}
	}

	/** The record of a step as one at `index` sees it. The shallowest is the step itself, deeper ones are its items. */
	#recordOf(path: string, index: readonly number[]): StepTrail | null {
		for (let depth = 0; depth <= index.length; depth++) {
			const found = this.#steps.get(keyOf(path, index.slice(0, depth)));
			if (found !== undefined) return found;
		}
		return null;
	}

	#eventsOf({ readyMs, startedMs, waits, calls }: StepTrail): SpanEvent[] {
		const events: SpanEvent[] = [];
		if (startedMs !== null && startedMs > readyMs) {
			events.push({ name: "sluice.started", atMs: this.#wallMs + startedMs });
		}
		for (const { steps, fromMs, toMs } of waits) {
			const atMs = this.#wallMs + fromMs;
			const forMs = (toMs ?? this.#endMs) - fromMs;
			events.push({
				name: steps.length === 0 ? "sluice.pause" : "sluice.wait",
				atMs,
				attributes: {
					"sluice.wait_ms": forMs,
					...(steps.length > 0 && { "sluice.wait_for": [...steps] }),
				},
			});
		}
		for (const call of calls) events.push(...this.#decisionsOf(call));
		return events;
	}

	#decisionsOf({ upstream, decisions }: CallTrail): SpanEvent[] {
		return decisions.map(({ atMs, policy, decision, number, reason }) => ({
			name: `sluice.${policy}.${decision}`,
			atMs: this.#wallMs + atMs,
			attributes: {
				"sluice.upstream": upstream,
				...(number !== null && { "sluice.number": number }),
				...(reason !== null && { "sluice.reason": reason }),
			},
		}));
	}

	#addAttempts(call: CallTrail, parent: SpanContext, spans: SpanFacts[]): void {
		for (const [count, attempt] of call.attempts.entries()) {
			if (attempt.spanId === null) continue;
			const context = this.#contextOf(attempt.spanId);
			const span = attemptSpan(call, count, this.#endMs, this.#wallMs);
			spans.push({ ...span, context, parent });
		}
	}

	#instants(all: readonly (readonly [string, number | null])[]): SpanEvent[] {
		return all.flatMap(([name, atMs]) =>
			atMs === null ? [] : [{ name, atMs: this.#wallMs + atMs }],
		);
	}
}

/** The path of the group around a step; empty if there is none. */
function groupOf(path: string): string {
	return path.slice(0, Math.max(0, path.lastIndexOf(".")));
}

/** A client that leaves is no error of anybody's: the status says it. */
function errorType(error: GatewayError | null): Attributes {
	if (error === null || error.code === "client_closed") return {};
	return { "error.type": error.code };
}

function keyOf(path: string, index: readonly number[]): string {
	return `${path} ${index.join(".")}`;
}
