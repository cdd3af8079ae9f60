import { GatewayError } from "../core/errors.ts";
import type { StepFailure } from "../core/events.ts";
import { printJson } from "../core/json.ts";
import {
	type GatewayResponse,
	type HeaderList,
	headerOf,
	isStatus,
} from "../core/messages.ts";
import type { Frame } from "../expression/evaluate.ts";
import type { RoutePlan } from "../plan/plan.ts";
import { prepareHeaders } from "./address.ts";
import { type Layout, prepare } from "./names.ts";

/** Makes the answer of a frame in which every step has ended; `missing` is what a partial answer lacks, in plan order. */
export type PreparedMerge = (
	frame: Frame,
	missing: readonly StepFailure[],
) => GatewayResponse;

/** A partial answer names at most so many of the parts it lacks. */
const missingNamedMax = 16;

export function prepareMerge(route: RoutePlan, layout: Layout): PreparedMerge {
	const respond = prepare(route.respond, layout);
	const status = prepare(route.status, layout);
	const headers = prepareHeaders(route.headers, [], layout);
	return (frame, missing) => {
		const statusValue = status(frame);
		if (!isStatus(statusValue)) {
			throw new GatewayError(
				"step_failed",
				"`status` is no number from 200 to 599",
			);
		}
		const own = headers(frame);
		const body = bodyOf(respond(frame), statusValue, own);
		return { status: statusValue, headers: withMarks(own, missing), body };
	};
}

/** No content, reset content, not modified: answers without a body (RFC 9110, 15). */
const bodiless: ReadonlySet<number> = new Set([204, 205, 304]);

/** JSON, unless the author's content type says another thing: then the text itself. */
function bodyOf(
	value: unknown,
	status: number,
	headers: string[],
): string | null {
	if (bodiless.has(status)) return null;
	const type = headerOf(headers, "content-type");
	if (type === null) {
		headers.push("content-type", "application/json; charset=utf-8");
	}
	if (type === null || isJson(type)) return printJson(value);
	if (typeof value === "string") return value;
	throw new GatewayError(
		"step_failed",
		"`respond` is no text, and the content type is not JSON",
	);
}

function isJson(contentType: string): boolean {
	const media = contentType.split(";", 1)[0]?.trim().toLowerCase() ?? "";
	return media.endsWith("/json") || media.endsWith("+json");
}

function withMarks(
	headers: string[],
	missing: readonly StepFailure[],
): HeaderList {
	if (missing.length === 0) return [...headers, "sluice-complete", "?1"];
	const own: string[] = [];
	for (let at = 0; at < headers.length; at += 2) {
		if (headers[at] === "cache-control") continue;
		own.push(headers[at] ?? "", headers[at + 1] ?? "");
	}
	return [
		...own,
		"cache-control",
		"no-store",
		"sluice-complete",
		"?0",
		"sluice-missing",
		printMissing(missing),
	];
}

/** A list of RFC 9651: `now;error=upstream_timeout, cities;index=3;error=upstream_status`. */
export function printMissing(missing: readonly StepFailure[]): string {
	const named = missing
		.slice(0, missingNamedMax)
		.map(({ step, index, error }) => {
			return `${step}${printIndex(index)};error=${error.code}`;
		});
	const more = missing.length - named.length;
	if (more > 0) named.push(`more;count=${more}`);
	return named.join(", ");
}

function printIndex(index: readonly number[]): string {
	if (index.length === 0) return "";
	return index.length === 1
		? `;index=${index[0]}`
		: `;index="${index.join(".")}"`;
}
