import CachePolicy from "http-cache-semantics";
import type { HeaderList } from "../core/http/headers.ts";
import type { UpstreamRequest } from "../core/http/messages.ts";
import {
	type Directives,
	directivesOf,
	fieldsOf,
	parseSeconds,
	secondsOf,
} from "./cache-control.ts";

/** What an upstream's author says where its answers do not. */
export interface FreshnessSettings {
	/** How long an answer is fresh that says nothing about it; null: not at all. */
	readonly forMs: number | null;
	/** How long it may be served after that, where it neither says so nor forbids it; 0: never. */
	readonly staleMs: number;
	/** The `Authorization` of every call, which is no user's but the gateway's own; null where there is none. */
	readonly authorization: string | null;
}

/** What is known of how long an answer holds, in a cache that many share (RFC 9111). */
export interface Judgement {
	/** Whether a shared cache may keep it. */
	readonly storable: boolean;
	/** Whether the answer, or the author, says how long it is fresh. */
	readonly known: boolean;
	/** How long it is fresh, counted from when it was asked for; 0 or less: it must be validated before each use. */
	readonly freshMs: number;
	/** How long after that it may be served while it is asked for anew. */
	readonly whileRevalidateMs: number;
	/** How long after that it may be served where asking anew fails. */
	readonly ifErrorMs: number;
	/** Who may keep what is made of it: everybody, the one it is for, or nobody. */
	readonly sharing: "all" | "one" | "none";
	/** The request's fields it was chosen by, names in lower case; null: all of them. */
	readonly vary: readonly string[] | null;
}

/** The part of an answer that says how long it holds. */
export interface Judged {
	readonly status: number;
	readonly headers: HeaderList;
}

/** Judges an answer to a request that only reads, as it comes. Its age before it came is taken off already. */
export function judge(
	request: Pick<UpstreamRequest, "headers" | "body">,
	answer: Judged,
	settings: FreshnessSettings,
): Judgement {
	const { status, headers } = answer;
	const directives = directivesOf(headers);
	const silent = isSilent(directives, headers);
	const ours = silent && settings.forMs !== null && heldByAuthor.has(status);
	const vary = varyOf(headers);
	const personal = isPersonal(request, directives, headers, settings);
	const policy = policyOf(answer, directives);
	const lifetimeMs = ours ? (settings.forMs ?? 0) : 1000 * policy.maxAge();
	return {
		storable: policy.storable() && !personal && !vary.includes("*"),
		known: ours || !silent,
		freshMs: vary.includes("*") ? 0 : lifetimeMs - ageMsOf(headers),
		...stalenessOf(directives, settings.staleMs),
		sharing: directives.has("no-store") ? "none" : personal ? "one" : "all",
		// What says nothing of caches says nothing of what it depends on either.
		vary: silent || request.body !== null ? null : vary,
	};
}

/** Statuses that mean the same a minute later; of the others an author's `for` knows too little. */
const heldByAuthor: ReadonlySet<number> = new Set([
	200, 203, 204, 300, 301, 308, 404, 410,
]);

function isSilent(directives: Directives, headers: HeaderList): boolean {
	const fields = [
		...fieldsOf(headers, "expires"),
		...fieldsOf(headers, "pragma"),
	];
	return directives.size === 0 && fields.length === 0;
}

/**
 * Whether it may be one user's: said to be; to a request with a credential (RFC 9111, 3.5); or with a cookie, which the
 * RFC lets be kept and which nobody wants to be given to another.
 */
function isPersonal(
	request: Pick<UpstreamRequest, "headers">,
	directives: Directives,
	headers: HeaderList,
	{ authorization }: FreshnessSettings,
): boolean {
	if (directives.has("private")) return true;
	if (directives.has("public")) return false;
	const credentials = fieldsOf(request.headers, "authorization");
	if (
		credentials.some((one) => one !== authorization) &&
		!directives.has("s-maxage") &&
		!directives.has("must-revalidate")
	) {
		return true;
	}
	return fieldsOf(headers, "set-cookie").length > 0;
}

/**
 * The library's judgement of what may be kept and for how long. It is given directives in the one way that it reads right:
 * it takes their names as they are written and the last of two, and `proxy-revalidate` for never fresh. What is `private`
 * is judged elsewhere: it may be fresh, for the one it is for.
 */
function policyOf(
	{ status, headers }: Judged,
	directives: Directives,
): CachePolicy {
	const said = [...directives.keys()].flatMap((name) => {
		if (name === "proxy-revalidate" || name === "private") return [];
		if (name !== "max-age" && name !== "s-maxage") return [name];
		return [`${name}=${secondsOf(directives, name)}`];
	});
	const given: Record<string, string> = { "cache-control": said.join(", ") };
	const expires = fieldOf(headers, "expires");
	const date = fieldOf(headers, "date") ?? "";
	const dated = !Number.isNaN(Date.parse(date));
	// Without a date an instant is no duration, and the machine's own clock may be set to anything.
	if (expires !== null) given.expires = dated ? expires : "0";
	if (dated) given.date = date;
	if (directives.size === 0 && fieldOf(headers, "pragma"))
		given.pragma = "no-cache";
	return new CachePolicy(
		{ method: "GET", url: "/", headers: {} },
		{ status, headers: given },
		{ shared: true, cacheHeuristic: 0, immutableMinTimeToLive: 0 },
	);
}

/** The one value of a field; null where there is none, or where two disagree (RFC 9111, 4.2.1). */
function fieldOf(headers: HeaderList, name: string): string | null {
	const [first = null, ...others] = fieldsOf(headers, name);
	return others.every((other) => other === first) ? first : "";
}

/** Names of the request's fields; `*` among them where nobody can tell. */
function varyOf(headers: HeaderList): string[] {
	const names = fieldsOf(headers, "vary").join(",").toLowerCase().split(",");
	return [...new Set(names.map((name) => name.trim()))].filter(
		(name) => name !== "",
	);
}

/** How old it was when it came (RFC 9111, 5.1); what cannot be read counts as new. */
export function ageMsOf(headers: HeaderList): number {
	const [age = "0"] = fieldsOf(headers, "age");
	return 1000 * parseSeconds(age.trim());
}

/**
 * RFC 5861. What an answer says goes before what the author says; where it must be validated (RFC 9111, 5.2.2) nothing
 * does. `s-maxage` forbids it by default, yet who writes it beside `stale-while-revalidate` means both.
 */
function stalenessOf(
	directives: Directives,
	staleMs: number,
): Pick<Judgement, "whileRevalidateMs" | "ifErrorMs"> {
	const forbidden = ["no-cache", "must-revalidate", "proxy-revalidate"];
	if (forbidden.some((name) => directives.has(name))) {
		return { whileRevalidateMs: 0, ifErrorMs: 0 };
	}
	const whileRevalidate = secondsOf(directives, "stale-while-revalidate");
	const ifError = secondsOf(directives, "stale-if-error");
	if (whileRevalidate === null && ifError === null) {
		const authors = directives.has("s-maxage") ? 0 : staleMs;
		return { whileRevalidateMs: authors, ifErrorMs: authors };
	}
	return {
		whileRevalidateMs: 1000 * (whileRevalidate ?? 0),
		ifErrorMs: 1000 * (ifError ?? 0),
	};
}
