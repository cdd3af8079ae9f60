import { kindOf } from "../config/steps/kinds.ts";
import { isStream } from "../core/body/byte-stream.ts";
import { etagOf, knowsEtag } from "../core/http/etag.ts";
import { fieldsOfNotModified } from "../core/http/fields.ts";
import { type HeaderList, headerOf } from "../core/http/headers.ts";
import type {
	Freshness,
	GatewayRequest,
	GatewayResponse,
} from "../core/http/messages.ts";
import { type ForWhom, forWhom } from "../plan/for-whom.ts";
import type { Plan, RoutePlan, StepPlan } from "../plan/plan.ts";
import { readsInPlan } from "../plan/reads.ts";
import type { Merged } from "./merge.ts";

/** How long an answer is fresh: as long as every part that it was made of. */
export interface Holding {
	/** The instant on the clock until which all parts are fresh; NaN if it is not known for one. */
	readonly untilMs: number;
	readonly sharing: Freshness["sharing"];
}

/** What a route's answers depend on besides method and path. */
export interface Dependence {
	/** Whether they belong to one client, by its credentials. Then nobody may keep them for another. */
	readonly personal: boolean;
	/** The names of the client's fields that they depend on, as `Vary` has them; null if there are none. */
	readonly vary: string | null;
}

/** The facts about the freshness of a route's answers that are known at load. */
export interface PreparedFreshness extends Dependence {
	/** Whether they depend only on the request and on the answers of upstreams. */
	readonly lasting: boolean;
}

/** The fields by which a client says in which form it wants a route's answer. */
export function fieldsOfFaces({ live }: RoutePlan, inParts: boolean): string[] {
	if (live !== null) return ["accept", "prefer"];
	return inParts ? ["accept"] : [];
}

/** What the answers of a route depend on. `faces` are the fields that choose the form. Null if they depend on nothing. */
export function answersDependence(
	route: RoutePlan,
	upstreams: Plan["upstreams"],
	faces: readonly string[],
): Dependence | null {
	const { headers, live } = route;
	const declared = dependenceOf(forWhom(route, upstreams));
	// The answer of a live route has an ETag.
	const isKept =
		live !== null || headers.some(({ name }) => keepingFields.has(name));
	if (faces.length === 0 || !isKept) return declared;
	return withFaces(declared ?? independent, faces);
}

/** Fields by which an author lets caches keep an answer. */
const keepingFields: ReadonlySet<string> = new Set([
	...["cache-control", "etag", "expires", "last-modified"],
]);

const independent: Dependence = { personal: false, vary: null };

/** A cache must not give the whole answer to a client that asks for parts, or that waits for a change. */
function withFaces<Depending extends Dependence>(
	of: Depending,
	faces: readonly string[],
): Depending {
	const names = new Set([...faces, ...(of.vary?.split(", ") ?? [])]);
	return { ...of, vary: [...names].toSorted().join(", ") };
}

/**
 * An answer to who has to be known belongs to that client, also if all get the same: a cache asks nobody who it is. Null if it
 * depends on nothing of its client.
 */
export function dependenceOf({ one, fields }: ForWhom): Dependence | null {
	if (!one && fields.length === 0) return null;
	return {
		personal: one,
		vary: fields.length > 0 ? fields.join(", ") : null,
	};
}

/** Null if the answers say nothing about it: for routes that do not read, and for routes without a cached upstream. */
export function prepareFreshness(
	route: RoutePlan,
	upstreams: Plan["upstreams"],
	faces: readonly string[],
): PreparedFreshness | null {
	const steps = allSteps(route.steps);
	const cached = steps.some(
		(step) => "upstreamIndex" in step && upstreams[step.upstreamIndex]?.cache,
	);
	if (route.method !== "GET" || route.proxy !== null || !cached) return null;
	const reads = readsInPlan([
		route.steps,
		route.respond,
		route.status,
		route.headers,
	]);
	const declared = dependenceOf(forWhom(route, upstreams)) ?? independent;
	return {
		...(faces.length > 0 ? withFaces(declared, faces) : declared),
		// A function may read clocks and files. A request's id, address and time belong to it alone.
		lasting:
			steps.every((step) => kindOf(step).pure) &&
			reads.every(({ name, path: [first] }) => {
				return name !== "request" || first === "method" || first === "path";
			}),
	};
}

/**
 * Whether answers that are passed on after the route's steps must be asked for each time. The upstream knows only how long
 * its own answer is fresh, and not how long a step would say the same.
 */
export function stepsDecide({ steps }: RoutePlan): boolean {
	return allSteps(steps).some(({ kind }) => kind === "call" || kind === "run");
}

function allSteps(steps: readonly StepPlan[]): readonly StepPlan[] {
	return steps.flatMap((step) =>
		"steps" in step ? [step, ...allSteps(step.steps)] : [step],
	);
}

/** The freshness of one call's answer. */
export function holdingOf(freshness: Freshness | undefined): Holding {
	return freshness ?? { untilMs: Number.NaN, sharing: "all" };
}

const narrowness = { all: 0, one: 1, none: 2 } as const;

/** Joins two parts of one answer; null is no part. */
export function leastOf(a: Holding | null, b: Holding | null): Holding | null {
	if (a === null || b === null) return a ?? b;
	return {
		untilMs: Math.min(a.untilMs, b.untilMs),
		sharing:
			narrowness[a.sharing] > narrowness[b.sharing] ? a.sharing : b.sharing,
	};
}

/**
 * Adds to a whole answer how long it is fresh, and its ETag. A client that has it already gets a 304 (RFC 9110,
 * 13.1.2).
 */
export function withFreshness(
	{ response, printed }: Merged,
	{ personal, lasting, vary }: PreparedFreshness,
	holding: Holding | null,
	request: GatewayRequest,
	nowMs: number,
): GatewayResponse {
	const { status, body } = response;
	const headers = [...response.headers];
	if (headerOf(headers, "cache-control") === null) {
		const control =
			personal || holding?.sharing === "none"
				? "no-store"
				: lasting && lasts(status)
					? controlOf(holding, headers, nowMs)
					: null;
		if (control !== null) headers.push("cache-control", control);
		if (control === "no-store") return { ...response, headers };
	}
	if (vary !== null && headerOf(headers, "vary") === null) {
		headers.push("vary", vary);
	}
	if (status !== 200 || body === null || isStream(body)) {
		return { ...response, headers };
	}
	let etag = headerOf(headers, "etag");
	if (etag === null) {
		etag = printed?.etag ?? etagOf(body);
		if (printed) printed.etag = etag;
		headers.push("etag", etag);
	}
	return knowsEtag(request.headers, etag)
		? { status: 304, headers: fieldsOfNotModified(headers), body: null }
		: { ...response, headers };
}

/** Says of an answer that is not held for a known time whom it belongs to, unless the author has said it. */
export function withDependence(
	response: GatewayResponse,
	{ personal, vary }: Dependence,
): GatewayResponse {
	const headers = [...response.headers];
	if (personal && headerOf(headers, "cache-control") === null) {
		headers.push("cache-control", "private");
	}
	if (vary !== null && headerOf(headers, "vary") === null) {
		headers.push("vary", vary);
	}
	return { ...response, headers };
}

/** Statuses whose meaning holds as long as the parts of the answer. */
function lasts(status: number): boolean {
	return status < 400 || status === 404 || status === 410;
}

function controlOf(
	holding: Holding | null,
	headers: HeaderList,
	nowMs: number,
): string | null {
	if (holding === null || Number.isNaN(holding.untilMs)) return null;
	const seconds = Math.max(0, Math.floor((holding.untilMs - nowMs) / 1000));
	const one = holding.sharing === "one" || headerOf(headers, "set-cookie");
	return `${one ? "private, " : ""}max-age=${seconds}`;
}
