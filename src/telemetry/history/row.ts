import type { TrailEnded } from "../../core/events.ts";
import type { Recorded } from "../../core/trail.ts";
import { detailOf, type RequestDetail, summaryOf } from "../shown-request.ts";

/** The columns of a kept request, in the order in which they are written. The last one is in a table of its own. */
export const rowColumns = [
	...["id", "at_ms", "method", "route", "status", "duration_ms"],
	...["completeness", "code", "faults", "calls", "upstreams"],
	...["slowest", "slowest_ms", "record", "detail"],
] as const;

/** A request as the database takes it: one value for each of `rowColumns`. */
export type Row = readonly (string | number | null)[];

/** Of a request with more steps and items only the summary is kept: to make the rest takes longer than a turn may. */
const stepsMax = 500;

/** A longer detail would fill the database with one request. */
const detailMax = 256 * 1024;

/** `endedAt` is the wall clock's time in milliseconds when it ended. */
export function rowOf(
	end: TrailEnded,
	endedAt: number,
	recorded: Recorded | null,
): Row {
	const detail = keptDetailOf(end, endedAt);
	const text = JSON.stringify(detail);
	const { slowest } = detail;
	return [
		detail.id.toWellFormed(),
		Date.parse(detail.at),
		detail.method,
		detail.route,
		detail.status,
		detail.durationMs,
		detail.completeness,
		detail.error?.code ?? null,
		faultsOf(detail),
		detail.calls,
		upstreamsOf(end),
		slowest && nameOf(slowest),
		slowest && slowest.durationMs,
		recorded && JSON.stringify(recorded.values),
		text.length <= detailMax
			? text
			: JSON.stringify(withoutSteps(end, endedAt)),
	];
}

function keptDetailOf(end: TrailEnded, endedAt: number): RequestDetail {
	return end.trail.steps.length <= stepsMax
		? detailOf(end, endedAt)
		: withoutSteps(end, endedAt);
}

function withoutSteps(end: TrailEnded, endedAt: number): RequestDetail {
	const { steps, more } = end.trail;
	return {
		...summaryOf(end, endedAt),
		...{ readMs: null, begunMs: null, steps: [], criticalPath: [] },
		more: steps.length + more,
	};
}

/** The steps that failed, with their codes: `[{"step":"now","code":"upstream_timeout"}]`. */
function faultsOf({ error, missing }: RequestDetail): string | null {
	const own = error && { step: error.step ?? null, code: error.code };
	const parts = missing.map(({ step, error }) => ({ step, code: error.code }));
	const faults = own === null ? parts : [own, ...parts];
	return faults.length === 0 ? null : JSON.stringify(faults);
}

function upstreamsOf({ trail }: TrailEnded): string | null {
	const names = new Set<string>();
	for (const { calls } of trail.steps) {
		for (const { upstream } of calls) names.add(upstream);
	}
	return names.size === 0 ? null : JSON.stringify([...names]);
}

function nameOf({
	step,
	index,
}: {
	readonly step: string;
	readonly index: readonly number[];
}): string {
	return index.length > 0 ? `${step}[${index.join(".")}]` : step;
}
