import { GatewayError } from "../../core/errors.ts";
import { parseHttpDate } from "../../core/http/date.ts";
import { authenticatingFields } from "../../core/http/fields.ts";
import {
	allHeadersOf,
	type HeaderList,
	headerOf,
	headersWithout,
	namesIn,
} from "../../core/http/headers.ts";
import type { UpstreamRequest } from "../../core/http/messages.ts";
import { verdictOfStatus } from "../verdict.ts";
import {
	type Directives,
	directivesOf,
	parseSeconds,
	secondsOf,
	targetedDirectivesOf,
} from "./directives.ts";

/** The upstream's settings: for answers without directives, and the credentials that are no user's. */
export interface RuleOptions {
	/** In milliseconds: how long an answer without directives is fresh; null for not at all. */
	readonly forMs: number | null;
	/**
	 * In milliseconds: how long an answer may be served after its time, if it neither allows nor forbids that; 0 for
	 * never.
	 */
	readonly staleMs: number;
	/** In milliseconds: the same, if asking anew has failed. */
	readonly ifErrorMs: number;
	/** The credentials of every call by field, which are the gateway's own and no user's. */
	readonly credentials: ReadonlyMap<string, string>;
}

/** The parts of an answer that say how long it is fresh. */
export interface Judged {
	readonly status: number;
	readonly headers: HeaderList;
}

/** What a cache that many share may do with an answer (RFC 9111). Durations are counted from when it was asked for. */
export interface Judgement {
	readonly storable: boolean;
	/** Whether the answer, or the author, says how long it is fresh. */
	readonly known: boolean;
	/** How long it is fresh; 0 or less: it must be validated before each use. */
	readonly freshMs: number;
	/** How long after that it may be served while it is asked for anew. */
	readonly whileRevalidateMs: number;
	/** How long after that it may be served if asking anew fails. */
	readonly ifErrorMs: number;
	/** Whether it may be served after that, if a request asks for it. */
	readonly mayBeStale: boolean;
	/** Who may keep an answer made from it: everybody, only its client, or nobody. */
	readonly sharing: "all" | "one" | "none";
	/** The request's fields that chose it, names in lower case; null: all of them. */
	readonly vary: readonly string[] | null;
}

/** Judges an answer to a request that only reads, as it comes. Its age at that time is taken off already. */
export function judge(
	request: Pick<UpstreamRequest, "headers" | "body" | "identifying">,
	answer: Judged,
	options: RuleOptions,
): Judgement {
	const { status, headers } = answer;
	const { identifying = [] } = request;
	const targeted = targetedDirectivesOf(headers);
	const directives = targeted ?? directivesOf(headers);
	// What is for such caches alone holds instead of all else (RFC 9213, 2.2).
	const expires = targeted === null ? headerOf(headers, "expires") : null;
	const silent = isSilent(directives, expires, headers);
	const ours = silent && options.forMs !== null && heldByAuthor.has(status);
	const vary = varyOf(headers);
	const matchable = !vary.includes("*");
	const personal = isPersonal(request, directives, headers, options);
	const keepable = isKeepable(status, directives, expires !== null);
	const lifetimeMs = ours
		? (options.forMs ?? 0)
		: keepable
			? 1000 * lifetimeSeconds(directives, expires === null ? null : headers)
			: 0;
	return {
		storable: keepable && !personal && matchable,
		known: ours || !silent,
		freshMs: matchable ? lifetimeMs - ageMsOf(headers) : 0,
		...(verdictOfStatus(status).stale
			? neverStale
			: stalenessOf(directives, options)),
		sharing: isUnstored(status, directives) ? "none" : personal ? "one" : "all",
		// An answer that says nothing about caches says nothing about what it depends on either.
		vary:
			silent || request.body !== null || identifying === "all"
				? null
				: [...new Set([...vary, ...identifying])],
	};
}

/** RFC 9110, 15.1: kept even if nothing says for how long. Without 206, because parts are not kept. */
const keptByDefault: ReadonlySet<number> = new Set([
	200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501,
]);

/** Never kept: a part, and a word about an answer that is kept already. */
const neverKept: ReadonlySet<number> = new Set([206, 304]);

/** The statuses of RFC 9110 that ask nothing of a cache beyond its usual rules. */
const understood: ReadonlySet<number> = new Set([
	200, 201, 202, 203, 204, 205, 300, 301, 302, 303, 305, 307, 308, 400, 401,
	402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 417,
	421, 422, 426, 500, 501, 502, 503, 504, 505,
]);

/** Statuses that mean the same a minute later. The author's `for` does not hold for others. */
const heldByAuthor: ReadonlySet<number> = new Set([
	200, 203, 204, 300, 301, 308, 404, 410,
]);

/** RFC 9111, 3, except whose answer it is: see `isPersonal`. */
function isKeepable(
	status: number,
	directives: Directives,
	expires: boolean,
): boolean {
	if (neverKept.has(status) || isUnstored(status, directives)) return false;
	if (keptByDefault.has(status) || expires) return true;
	return ["public", "max-age", "s-maxage"].some((name) => directives.has(name));
}

/** RFC 9111, 5.2.2.3: beside `must-understand`, `no-store` is for caches that do not know the status. */
function isUnstored(status: number, directives: Directives): boolean {
	if (directives.has("must-understand")) return !understood.has(status);
	return directives.has("no-store");
}

/** RFC 9111, 4.2.1, for a cache that many share, and 5.2.2.4. */
function lifetimeSeconds(
	directives: Directives,
	expiring: HeaderList | null,
): number {
	if (directives.has("no-cache")) return 0;
	return (
		secondsOf(directives, "s-maxage") ??
		secondsOf(directives, "max-age") ??
		(expiring === null ? 0 : secondsToExpiry(expiring))
	);
}

/**
 * From `Date` to `Expires` (RFC 9111, 5.3); 0 if one of them is no date.
 */
function secondsToExpiry(headers: HeaderList): number {
	const expires = parseHttpDate(valueOf(headers, "expires"));
	const seconds = (expires - parseHttpDate(valueOf(headers, "date"))) / 1000;
	return Number.isNaN(seconds) ? 0 : Math.max(0, seconds);
}

/**
 * The fields of an answer that came now, with this instant as `Date` if theirs cannot be read (RFC 9110, 6.6.1). `Age`
 * and `Expires` count from there. The upstream's own goes before the machine's clock, which may be set to anything.
 */
export function withDate(headers: HeaderList): HeaderList {
	if (!Number.isNaN(parseHttpDate(valueOf(headers, "date")))) return headers;
	const others = headersWithout(headers, (name) => name === "date");
	return [...others, "date", new Date().toUTCString()];
}

/** The one value of a field; empty if there is none, or if two disagree (RFC 9111, 4.2.1). */
function valueOf(headers: HeaderList, name: string): string {
	const [first = "", ...others] = allHeadersOf(headers, name);
	return others.every((other) => other === first) ? first : "";
}

function isSilent(
	directives: Directives,
	expires: string | null,
	headers: HeaderList,
): boolean {
	return (
		directives.size === 0 &&
		expires === null &&
		headerOf(headers, "pragma") === null
	);
}

/**
 * Whether it may be one user's. That is so if it says so, or if the request had a credential (RFC 9111, 3.5). It is
 * also so if it has a cookie, which the RFC allows to keep and which must not go to another user.
 */
function isPersonal(
	request: Pick<UpstreamRequest, "headers">,
	directives: Directives,
	headers: HeaderList,
	{ credentials }: RuleOptions,
): boolean {
	if (directives.has("private")) return true;
	if (directives.has("public")) return false;
	const isUsers = (field: string) =>
		allHeadersOf(request.headers, field).some(
			(value) => value !== credentials.get(field),
		);
	if (
		authenticatingFields.some(isUsers) &&
		!directives.has("s-maxage") &&
		!directives.has("must-revalidate")
	) {
		return true;
	}
	return headerOf(headers, "set-cookie") !== null;
}

/** The names of the request's fields (RFC 9111, 4.1), with `*` if they cannot be told. */
function varyOf(headers: HeaderList): string[] {
	return [...new Set(namesIn(headers, "vary"))];
}

/**
 * How old it was when it came, in milliseconds. Of several ages the first counts, and one that cannot be read counts as 0
 * (RFC 9111, 5.1).
 */
export function ageMsOf(headers: HeaderList): number {
	const [age = "0"] = (headerOf(headers, "age") ?? "0").split(",");
	return 1000 * parseSeconds(age.trim());
}

/** A failure stands in for no other. */
const neverStale = { whileRevalidateMs: 0, ifErrorMs: 0, mayBeStale: false };

/**
 * RFC 5861. An answer that must be validated (RFC 9111, 5.2.2) is never served stale; else its own words go before the
 * author's. `s-maxage` forbids it by default, yet an answer with `stale-while-revalidate` beside it means both.
 */
function stalenessOf(
	directives: Directives,
	{ staleMs, ifErrorMs }: RuleOptions,
): Pick<Judgement, "whileRevalidateMs" | "ifErrorMs" | "mayBeStale"> {
	const forbidden = ["no-cache", "must-revalidate", "proxy-revalidate"];
	if (forbidden.some((name) => directives.has(name))) {
		return neverStale;
	}
	const whileRevalidate = secondsOf(directives, "stale-while-revalidate");
	const ifError = secondsOf(directives, "stale-if-error");
	if (whileRevalidate === null && ifError === null) {
		if (directives.has("s-maxage")) return neverStale;
		return { whileRevalidateMs: staleMs, ifErrorMs, mayBeStale: true };
	}
	return {
		whileRevalidateMs: 1000 * (whileRevalidate ?? 0),
		ifErrorMs: 1000 * (ifError ?? 0),
		mayBeStale: true,
	};
}

/** RFC 5861, 4: a status for which a stale answer may stand in, as the error that a step would fail with; else null. */
export function failureOf(
	status: number,
	upstream: string,
): GatewayError | null {
	if (!verdictOfStatus(status).stale) return null;
	const facts = { upstream, upstreamStatus: status };
	const words = `${upstream} answered ${status}`;
	return new GatewayError("upstream_status", words, facts);
}
