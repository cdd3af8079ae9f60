import {
	errorTable,
	GatewayError,
	type RequestFault,
} from "../../core/errors.ts";
import type { TrailEnded } from "../../core/events.ts";
import { parseDuration } from "../../core/units.ts";
import { completenessOf, type RequestSummary } from "../trail/shown-request.ts";

/** Which requests somebody wants to see. Null: any. */
export interface RequestFilter {
	readonly route: string | null;
	/** One that it has called. */
	readonly upstream: string | null;
	readonly completeness: RequestSummary["completeness"] | null;
	/** The least and the most. */
	readonly status: readonly [number, number] | null;
	readonly slowMs: number | null;
	/** The code of its error, or of a part that it lacks. */
	readonly error: string | null;
	/** The step of its error, or of a part that it lacks. */
	readonly step: string | null;
}

/** A filter, and which page of what it finds. */
export interface RequestQuery extends RequestFilter {
	readonly limit: number;
	/** The `next` of the page before; null for the first page. */
	readonly before: number | null;
}

/** The most requests of one page. */
const pageMax = 200;

type Read<T> = (text: string) => T | null;

const parameters = {
	route: [text, "a route, as the config names it"],
	upstream: [text, "the name of an upstream"],
	completeness: [
		oneOf("whole", "partial", "failed", "left"),
		"`whole`, `partial`, `failed` or `left`",
	],
	status: [statuses, "a status such as 503, or a class such as `5xx`"],
	slow: [parseDuration, "a duration such as `500ms` or `2s`"],
	error: [oneOf(...Object.keys(errorTable)), "a code of docs/errors.md"],
	step: [text, "the name of a step, such as `orders.items`"],
	limit: [pageSize, `a number from 1 to ${pageMax}`],
	before: [cursor, "the `next` of another answer"],
} as const satisfies Record<string, readonly [Read<unknown>, string]>;

type Name = keyof typeof parameters;

/** Reads the parameters of a request's target. Throws `request_invalid` with all that are wrong. */
export function readRequestQuery(target: string): RequestQuery {
	const mark = target.indexOf("?");
	const given = new URLSearchParams(mark < 0 ? "" : target.slice(mark));
	const faults: RequestFault[] = [];
	const say = (name: string, message: string) =>
		faults.push({ at: `query.${name.slice(0, 50)}`, message });
	const read = <T>(name: Name, take: Read<T>): T | null => {
		const [value, ...more] = given.getAll(name);
		if (value === undefined) return null;
		const taken = more.length > 0 ? null : take(value);
		if (taken === null) say(name, `must be one value: ${parameters[name][1]}`);
		return taken;
	};
	for (const name of new Set(given.keys())) {
		if (!Object.hasOwn(parameters, name)) {
			say(
				name,
				`is not known: there are ${Object.keys(parameters).join(", ")}`,
			);
		}
	}
	const query = {
		route: read("route", parameters.route[0]),
		upstream: read("upstream", parameters.upstream[0]),
		completeness: read("completeness", parameters.completeness[0]),
		status: read("status", parameters.status[0]),
		slowMs: read("slow", parameters.slow[0]),
		error: read("error", parameters.error[0]),
		step: read("step", parameters.step[0]),
		limit: read("limit", parameters.limit[0]) ?? pageMax,
		before: read("before", parameters.before[0]),
	};
	if (faults.length === 0) return query;
	const errors = faults.slice(0, 16);
	throw new GatewayError("request_invalid", "wrong parameters", { errors });
}

function text(written: string): string | null {
	return written === "" ? null : written;
}

function oneOf<Word extends string>(...words: readonly Word[]): Read<Word> {
	return (written) => words.find((word) => word === written) ?? null;
}

function statuses(written: string): [number, number] | null {
	if (/^[1-5]xx$/.test(written)) {
		const least = 100 * Number(written[0]);
		return [least, least + 99];
	}
	return /^[1-5]\d\d$/.test(written)
		? [Number(written), Number(written)]
		: null;
}

function cursor(written: string): number | null {
	return /^\d{1,15}$/.test(written) ? Number(written) : null;
}

function pageSize(written: string): number | null {
	const size = /^\d{1,3}$/.test(written) ? Number(written) : 0;
	return size >= 1 && size <= pageMax ? size : null;
}

/** Whether a filter wants a request. */
export function matches(filter: RequestFilter, end: TrailEnded): boolean {
	const { route, upstream, completeness, status, slowMs, error, step } = filter;
	if (route !== null && end.route !== route) return false;
	if (slowMs !== null && end.durationMs < slowMs) return false;
	if (completeness !== null && completenessOf(end) !== completeness)
		return false;
	if (status !== null && (end.status < status[0] || end.status > status[1])) {
		return false;
	}
	if ((error !== null || step !== null) && !fails(end, error, step))
		return false;
	return upstream === null || hasCalled(end, upstream);
}

/** Whether it failed, or lacks a part, by this error in this step. Null: any. */
function fails(
	{ error, missing }: TrailEnded,
	code: string | null,
	step: string | null,
): boolean {
	const is = (one: GatewayError, of: string | undefined) =>
		(code === null || one.code === code) && (step === null || of === step);
	return (
		(error !== null && is(error, error.facts.step)) ||
		missing.some((part) => is(part.error, part.step))
	);
}

function hasCalled({ trail }: TrailEnded, name: string): boolean {
	return trail.steps.some(({ calls }) =>
		calls.some(({ upstream }) => upstream === name),
	);
}
