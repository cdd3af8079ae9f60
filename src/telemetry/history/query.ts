import { GatewayError } from "../../core/errors.ts";
import { parseDays } from "../../core/units.ts";
import { readRequestQuery } from "../traffic/request-filter.ts";
import type { HistoryQuery } from "./messages.ts";

/**
 * Reads the parameters of a target, `/history?since=1h`: those of `/traffic`, and `since`. Throws `request_invalid` with
 * those that are wrong.
 */
export function readHistoryQuery(target: string): HistoryQuery {
	const mark = target.indexOf("?");
	const given = new URLSearchParams(mark < 0 ? "" : target.slice(mark));
	const written = given.getAll("since");
	given.delete("since");
	const query = readRequestQuery(`?${given}`);
	const sinceMs = written.length === 0 ? null : instantOf(written);
	if (!Number.isNaN(sinceMs)) return { ...query, sinceMs };
	const message =
		"must be one value: how long ago, such as `1h` or `7d`, or an instant such as `2026-11-29T12:00:00Z`";
	throw new GatewayError("request_invalid", "wrong parameters", {
		errors: [{ at: "query.since", message }],
	});
}

/** NaN if it is none, or if there are several. */
function instantOf([text = "", ...more]: readonly string[]): number {
	if (more.length > 0) return Number.NaN;
	const ms = parseDays(text);
	if (ms !== null) return Date.now() - ms;
	return /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
}
