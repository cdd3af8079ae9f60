import { parseHttpDate } from "./date.ts";
import { type HeaderList, headerOf } from "./headers.ts";

/**
 * How long an answer asks to wait, in milliseconds (RFC 9110, 10.2.3): seconds, or an instant. An instant is compared
 * with the same answer's `Date`, so the two machines' clocks need not agree. Null if it does not ask, or if it cannot be
 * understood.
 */
export function retryAfterMsOf(headers: HeaderList): number | null {
	const text = headerOf(headers, "retry-after")?.trim() ?? "";
	if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
	const date = parseHttpDate(headerOf(headers, "date") ?? "");
	const ms = parseHttpDate(text) - date;
	return Number.isNaN(ms) ? null : Math.max(0, ms);
}
