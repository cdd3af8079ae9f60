import type { ResolvedUpstream } from "../config/resolve-upstream.ts";
import { GatewayError } from "../core/errors.ts";
import {
	hopFieldsOf,
	passesAnswer,
	passesUnasked,
	passesWithAll,
} from "../core/http/fields.ts";
import {
	eachHeader,
	type HeaderList,
	headerOf,
	isFieldValue,
} from "../core/http/headers.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import { faultOfPath } from "../core/http/path.ts";
import { lenientName, withoutParameters } from "../core/http/query.ts";
import type { Frame } from "../expression/evaluate.ts";
import { readsOf } from "../expression/template.ts";
import type { ProxyPlan, TargetPlan } from "../plan/plan.ts";
import type { Dependence } from "./freshness.ts";
import { type Layout, responseLayout } from "./layout.ts";
import { holdsAddress, type MapField, type Passed } from "./proxy-location.ts";
import { prepareHeaders, prepareTarget } from "./target.ts";
import { forwardedFields } from "./trace.ts";

/**
 * The parts of a message that pass through a proxied route. The client's path stays below the template's path. A
 * parameter or field that the config sets is never the client's. A field of a request passes only if it is listed.
 */

/** `above` is the number of segments before `{rest*}` in the client's path. */
export function prepareProxyTarget(
	above: number,
	proxy: Pick<TargetPlan, "path" | "rest"> & Pick<ProxyPlan, "query" | "paths">,
	upstream: ResolvedUpstream,
	layout: Layout,
	credentials: readonly string[],
): (request: GatewayRequest, frame: Frame) => string {
	const own = prepareTarget(proxy.path, proxy.query ?? [], upstream, layout);
	// A credential is for the gateway alone.
	const names = [...upstream.query.map(([name]) => name), ...credentials];
	const set = new Set(
		names.map((name) => lenientName(encodeURIComponent(name))),
	);
	const raw = proxy.paths === "raw";
	return ({ target }, frame) => {
		const mark = target.indexOf("?");
		const path = mark < 0 ? target : target.slice(0, mark);
		const ours = own(frame);
		const whole = proxy.rest ? withRest(ours, restOf(path, above, raw)) : ours;
		if (mark < 0 || proxy.query !== null) return whole;
		const sent = without(target.slice(mark + 1), set);
		if (sent === "") return whole;
		return `${whole}${whole.includes("?") ? "&" : "?"}${sent}`;
	};
}

/**
 * Refuses a request whose path or query no target of the proxy can take. Steps that are carried out before would be
 * carried out in vain.
 */
export function prepareRefusal(
	above: number,
	{ targets, query, paths }: Pick<ProxyPlan, "targets" | "query" | "paths">,
): (request: GatewayRequest) => void {
	const takesRest = targets.every(({ rest }) => rest);
	return ({ target }) => {
		const mark = target.indexOf("?");
		const path = mark < 0 ? target : target.slice(0, mark);
		if (takesRest) restOf(path, above, paths === "raw");
		if (mark >= 0 && query === null) without(target.slice(mark + 1), noNames);
	};
}

const noNames: ReadonlySet<string> = new Set();

/** The path goes on before its query. */
function withRest(target: string, rest: string): string {
	const mark = target.indexOf("?");
	const path = mark < 0 ? target : target.slice(0, mark);
	const query = mark < 0 ? "" : target.slice(mark);
	return `${path}${path.endsWith("/") ? "" : "/"}${rest}${query}`;
}

/** Segments that no server could read as anything else. Most are such, and are not looked at one by one. */
const plainSegments = /^[\w-]+(?:\/[\w-]+)*$/;

/** Everything that follows the route's own segments, as it came. */
function restOf(path: string, above: number, raw: boolean): string {
	let start = 1;
	for (let left = above; left > 0; left--) {
		start = path.indexOf("/", start) + 1;
		if (start === 0) return "";
	}
	const rest = path.slice(start);
	if (plainSegments.test(rest)) return rest;
	const segments = rest.split("/");
	for (const [index, segment] of segments.entries()) {
		const message = faultOfSegment(
			segment,
			raw || index === segments.length - 1,
		);
		if (message) throw refused("path", message);
	}
	return rest;
}

function faultOfSegment(segment: string, mayBeEmpty: boolean): string | null {
	if (segment === "") return mayBeEmpty ? null : "has an empty segment";
	if (!/^[\x21-\x7e]+$/.test(segment) || /[\\#]/.test(segment)) {
		return "holds what is to be percent-encoded";
	}
	return faultOfPath(segment);
}

/** The client's query as it came, without what anybody may take for a parameter of these names. */
function without(query: string, names: ReadonlySet<string>): string {
	if (!/^[\x21-\x7e]*$/.test(query) || query.includes("#")) {
		throw refused("query", "holds what is to be percent-encoded");
	}
	return withoutParameters(query, names);
}

/** The fields of the call. The route's own replace the upstream's, as a step's do, and both replace the client's. */
export function prepareProxyHeaders(
	proxy: Pick<ProxyPlan, "headers" | "pass">,
	upstream: ResolvedUpstream,
	layout: Layout,
): (request: GatewayRequest, frame: Frame) => HeaderList {
	const own = prepareHeaders(proxy.headers, upstream.headers, layout);
	const set = new Set([
		...upstream.headers.map(([name]) => name),
		...proxy.headers.map(({ name }) => name),
		...(upstream.forwarded ? forwardedFields : []),
	]);
	const { pass } = proxy;
	const named = new Set(pass === "all" ? [] : pass);
	const passes = (name: string) =>
		passesUnasked(name) ||
		(pass === "all" ? passesWithAll(name) : named.has(name));
	const listOf = (headers: HeaderList, mine: HeaderList): HeaderList => {
		const list = [...mine];
		const hop = hopFieldsOf(headers);
		eachHeader(headers, (given, value) => {
			const name = given.toLowerCase();
			if (!passes(name)) return;
			if (set.has(name) || hop.has(name)) return;
			// A server has refused these already. An embedder may not have.
			if (!isFieldValue(value)) {
				throw refused(`headers.${name}`, "holds a control character");
			}
			list.push(name, value);
		});
		if (headerOf(list, "user-agent") === null)
			list.push("user-agent", "sluice");
		return list;
	};
	/** By the list of the client's fields. */
	const lists = new WeakMap<HeaderList, HeaderList>();
	return ({ headers }, frame) => {
		const mine = own(frame);
		// Most clients send the same head again and again, and then it is one frozen list.
		if (!Object.isFrozen(headers) || !Object.isFrozen(mine)) {
			return listOf(headers, mine);
		}
		const known = lists.get(headers);
		if (known !== undefined) return known;
		const list = Object.freeze(listOf(headers, mine));
		lists.set(headers, list);
		return list;
	};
}

/** What becomes of a field of an answer: it is left out, passes as it is, or is mapped first. */
type Fate = "dropped" | "passed" | "mapped";

/** The fields of the last answer, and what became of them. Equal heads of an upstream are one object. */
interface Answered {
	readonly headers: HeaderList;
	readonly list: HeaderList;
}

/** Every upstream has a few names. A hostile one may have any number, and then they are not kept. */
const namesMax = 256;

/**
 * The fields of an answer that a client gets. Those that the config does not name are mapped: nobody knows what stands
 * in them.
 */
export function answerHeadersOf(
	{ pass, drop, answer }: Pick<ProxyPlan, "pass" | "drop" | "answer">,
	dependence: Dependence | null,
	asksAgain: boolean,
	mapField: MapField,
	holdsSecret: (text: string) => boolean,
): (headers: HeaderList, upstream: string, passed: Passed) => HeaderList {
	const named = new Set(pass === "all" ? ["set-cookie"] : pass);
	const own = new Set(answer.headers.map(({ name }) => name));
	const replaced = [...own].filter((name) => name !== "set-cookie");
	const dropped = new Set([...drop, ...replaced]);
	const fates = new Map<string, Fate>();
	const fateOf = (name: string): Fate => {
		if (dropped.has(name)) return "dropped";
		if (named.has(name) || passesUnasked(name)) {
			return holdsAddress(name) ? "mapped" : "passed";
		}
		if (holdsSecret(name)) return "dropped";
		return passesAnswer(name) ? "mapped" : "dropped";
	};
	const learn = (name: string) => {
		const fate = fateOf(name);
		if (fates.size < namesMax) fates.set(name, fate);
		return fate;
	};
	// The upstream knows the fields of its own request, and neither those of the client's that the route reads nor its steps.
	const told: string[] = [];
	if (dependence?.vary && !own.has("vary")) told.push("vary", dependence.vary);
	const controls = [
		...(dependence?.personal ? ["private"] : []),
		...(asksAgain ? ["no-cache"] : []),
	];
	if (controls.length > 0 && !own.has("cache-control")) {
		told.push("cache-control", controls.join(", "));
	}
	let last: Answered | null = null;
	return (headers, upstream, passed) => {
		if (headers === last?.headers) return last.list;
		const hop = hopFieldsOf(headers);
		const list: string[] = [];
		let moves = false;
		eachHeader(headers, (given, value) => {
			const name = given.toLowerCase();
			const fate = fates.get(name) ?? learn(name);
			if (fate === "dropped" || hop.has(name)) return;
			if (!isFieldValue(value)) {
				// Its name is the upstream's own, in small letters: what is not known could be anything.
				const which = fate === "passed" ? `the header ${name}` : "a header";
				const message = `${which} holds a control character`;
				throw new GatewayError("upstream_invalid", message, { upstream });
			}
			if (holdsAddress(name)) moves = true;
			const mapped = fate === "passed" ? value : mapField(name, value, passed);
			if (mapped !== null && !holdsSecret(mapped)) list.push(name, mapped);
		});
		list.push(...told);
		// An address depends on what was asked.
		if (!moves) last = { headers, list };
		return list;
	};
}

/** The fields of an answer that the config sets, of its head and of what the steps gave. */
export interface OwnFields {
	readonly of: (frame: Frame) => HeaderList;
	/** Where they read the head in the frame; null if they do not. */
	readonly responseSlot: number | null;
}

/** Null if the config sets none. `slot` is the one behind the steps. */
export function prepareOwnFields(
	{ headers }: ProxyPlan["answer"],
	slot: number,
	layout: Layout,
): OwnFields | null {
	if (headers.length === 0) return null;
	const reads = headers.flatMap(({ value }) => readsOf(value));
	return {
		of: prepareHeaders(headers, [], responseLayout(layout, slot)),
		responseSlot: reads.some(({ name }) => name === "response") ? slot : null,
	};
}

function refused(at: string, message: string): GatewayError {
	return new GatewayError("request_invalid", `${at} ${message}`, {
		errors: [{ at, message }],
	});
}
