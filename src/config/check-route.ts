import { suggest } from "../core/suggest.ts";
import { parseExpression } from "../expression/parse.ts";
import type { Template } from "../expression/template.ts";
import { checkJob, checkWebhook } from "./check-job.ts";
import { checkListen } from "./check-listen.ts";
import { checkHeard, checkLive } from "./check-live.ts";
import { checkProxy } from "./check-proxy.ts";
import {
	authMembers,
	isEarly,
	warnOfEvadedLimits,
} from "./check-rate-limit.ts";
import { checkRequest } from "./check-request.ts";
import { checkSteps } from "./check-step.ts";
import { refuseAbsentClient } from "./check-upstream-auth.ts";
import type { RequestConfig, RouteConfig } from "./config.ts";
import { checkGraph, readsAtLast, readsIn } from "./graph.ts";
import { authOfRoute } from "./keys/auth.ts";
import { requestKeys } from "./keys/request.ts";
import { routeKeys } from "./keys/route.ts";
import { warnOfNullPaths } from "./null-paths.ts";
import { insteadOfKey } from "./other-words.ts";
import { hasFault, type Problem } from "./problem.ts";
import { nothing, refuseTwo } from "./read-template.ts";
import type { RouteKey } from "./route-key.ts";
import { entryOf, plainOf } from "./shape.ts";
import type { EntrySource, Source } from "./source.ts";
import type { RouteContext } from "./steps/common.ts";
import { valuesOf } from "./steps/kind.ts";
import { warnOfLongChains } from "./timing.ts";
import { warnOfUselessBounds } from "./useless-bounds.ts";

const textMembers: ReadonlySet<string> = new Set(["length"]);
const noMembers: ReadonlySet<string> = new Set();
const requestMembers = new Set(["id", "ip", "method", "path", "time"]);

/** A route's key. With a fault, which has been reported, its path may have any parameters. */
type WrittenKey = RouteKey & {
	readonly key: string;
	readonly fault: string | null;
};

/** Always gives a route, so that the next ones are checked too. It is of use only if no problem was added. */
export function checkRoute(
	key: WrittenKey,
	source: Source,
	context: RouteContext,
): RouteConfig {
	const { defaults, problems } = context;
	const before = problems.length;
	const { key: written, method, path, rest } = key;
	const proxied = entryOf(source, "proxy") !== null;
	const listening = entryOf(source, "listen") !== null;
	const params = key.fault === null ? paramsOf(key) : null;
	const request = checkRequest(entryOf(source, "request"), params, context);
	const entries = entriesOf(entryOf(source, "steps"));
	const auth = authOf(entryOf(source, "auth"), context);
	const names = namesOf(request, params, entries);
	if (auth.length > 0) names.set("auth", authMembers);
	openUnread(names, source, { request, auth, unread: context.unread });
	if (entries.length === 0) names.delete("missing");
	// A key that such a route cannot have is refused as a whole. Nothing is said about its contents.
	const reader = { names, problems: proxied || listening ? [] : problems };
	const judged = { what: "a route", problems };
	const read = routeKeys.read(source, judged, {
		...{ reader, names, request, auth, defaults },
		recordReader: { names, problems },
	});
	const { listen, member, live, job, ...made } = read;
	const { proxy, steps: _, headers, status, ...answered } = made;
	const { respond, "respond?": respondOrNull, ...others } = answered;
	refuseTwo(source, "respond", problems);
	const limit = entryOf(source, "rateLimit");
	const around =
		auth.length > 0 ? context.rateLimits : context.rateLimits.filter(isEarly);
	warnOfEvadedLimits(others.rateLimits, around, limit, problems);
	const head = { key: written, method, path, rest, ...others };
	const hasSteps = entries.length > 0;
	if (proxied) refuseBesideProxy(source, hasSteps, problems);
	else refuseWithoutProxy(key, source, problems);
	if (listening) refuseBesideListen(key, source, hasSteps, problems);
	refuseNamesOfBody(entries, request, problems);
	const reading = { ...context, reader: { names, problems } };
	const checked = checkSteps(entries, { ...reading, depth: 0 });
	const steps = checked.steps.map(({ step }) => step);
	// A key that could not be read may be the missing one, misspelt.
	const readable = !hasFault(problems, before);
	const answer =
		proxied || listening
			? { headers: [], status: nothing, respond: nothing, mayBeEmpty: false }
			: {
					...{ headers, status },
					respond:
						respond ??
						respondOrNull ??
						onlyStep(source, entries, readable ? problems : []),
					mayBeEmpty: respondOrNull !== null,
				};
	const passed = proxy && checkProxy(proxy, head, reading);
	const heard = checkListen(listen, member, source, reading);
	const watched = live && checkHeard(live, names, context);
	const worked = job && checkWebhook(job, context);
	const passing = { proxy: passed, listen: heard, live: watched, job: worked };
	const route = { ...head, ...answer, ...passing, steps };
	const readLast = readsAtLast(route);
	const complete = !hasFault(problems, before);
	const recorded = readsIn(valuesOf(others.record));
	checkGraph(
		{ steps: checked.steps, complete, read: readLast, recorded },
		problems,
	);
	if (checked.complete) {
		if (!proxied && !listening && source.kind === "map") {
			checkLive(route, source, context.upstreams, problems);
			checkJob(route, source, problems);
			refuseAbsentClient(route, source, context);
		}
		warnOfLongChains(route, checked.steps, entryOf(source, "proxy"), {
			upstreams: context.upstreams,
			problems,
		});
		warnOfNullPaths(route, entryOf(source, "steps"), problems);
		warnOfUselessBounds(route, entryOf(source, "steps"), problems);
	}
	return route;
}

/** Those of `defaults` if the route says nothing. */
function authOf(
	source: Source | null,
	{ auths, defaults, problems, unread }: RouteContext,
): readonly string[] {
	if (source === null) return defaults.auth ?? [];
	if (unread.has("auth")) return [];
	return (
		authOfRoute.take(source, { what: "`auth`", problems }, { auths }) ?? []
	);
}

function paramsOf({ path }: RouteKey): string[] {
	return path.flatMap((part) => (typeof part === "string" ? [] : [part.param]));
}

/** The keys that make an answer, with what a proxied route has instead. */
const answerKeys: ReadonlyMap<string, string> = new Map([
	["respond", "a step with `reply` answers in its place"],
	["respond?", "a step with `reply` answers in its place"],
	["status", "a step with `reply` answers with another"],
	[
		"headers",
		"header fields of the call stand in `proxy`, those of the answer in its `answer`",
	],
]);

/** The keys that bound what steps do. */
const boundKeys: readonly string[] = ["calls", "maxRead"];

function refuseBesideProxy(
	source: Source,
	hasSteps: boolean,
	problems: Problem[],
): void {
	for (const { key, at } of entriesOf(source)) {
		if (key === "stream" || key === "live" || key === "job") {
			const message = `\`${key}\` beside \`proxy\` does nothing: the upstream's answer is passed on as it comes`;
			problems.push({ at, message });
		}
		const instead = answerKeys.get(key);
		if (instead !== undefined) {
			const message = `\`${key}\` beside \`proxy\`: the upstream's answer is passed on, and ${instead}`;
			problems.push({ at, message });
		} else if (boundKeys.includes(key) && !hasSteps) {
			const message = `\`${key}\` beside \`proxy\` does nothing without \`steps\``;
			problems.push({ at, message });
		}
	}
	for (const { key, at } of entriesOf(entryOf(source, "request"))) {
		if (!/^(?:body|form|text|bytes)\??$/.test(key)) continue;
		problems.push({
			at,
			message: `a proxy passes the body on as it comes, so nothing can read it: remove \`${key}\``,
		});
	}
}

/** The keys that make an answer of another kind. */
const keysOfAnswers = [
	...["headers", "job", "live", "proxy", "respond", "respond?", "status"],
];

function refuseBesideListen(
	{ method }: RouteKey,
	source: Source,
	hasSteps: boolean,
	problems: Problem[],
): void {
	if (method !== "GET") {
		const message =
			"`listen` stands in routes of GET only: a POST route at the same path can `publish`";
		problems.push({ at: source.at, message });
	}
	for (const { key, at } of entriesOf(source)) {
		if (keysOfAnswers.includes(key)) {
			const message = `\`${key}\` beside \`listen\`: what clients get are the messages of the channel, and a step with \`reply\` may answer instead`;
			problems.push({ at, message });
		}
		if (boundKeys.includes(key) && !hasSteps) {
			const message = `\`${key}\` beside \`listen\` does nothing without \`steps\``;
			problems.push({ at, message });
		}
		if (key === "stream") {
			const message =
				"`stream` beside `listen` does nothing: the client chooses how it listens";
			problems.push({ at, message });
		}
	}
	const request = entryOf(source, "request");
	for (const { key, at } of entriesOf(entryOf(request, "query"))) {
		if (key.replace(/\?$/, "") !== "after") continue;
		const message =
			"`after` says where a client that listens goes on: take another name";
		problems.push({ at, message });
	}
	for (const { key, at } of entriesOf(request)) {
		if (!/^(?:body|form|text|bytes)\??$/.test(key)) continue;
		problems.push({
			at,
			message: `whoever listens sends no body: remove \`${key}\``,
		});
	}
}

function refuseWithoutProxy(
	{ key, method, rest }: RouteKey & { readonly key: string },
	{ at }: Source,
	problems: Problem[],
): void {
	const what =
		method === "ANY" ? "`ANY`" : rest === null ? null : `\`{${rest}*}\``;
	if (what === null) return;
	problems.push({
		at,
		message: `${what} in \`${key}\` is for routes with \`proxy\` only`,
	});
}

/** Steps may have these names where the request has nothing of that name. */
function refuseNamesOfBody(
	steps: readonly EntrySource[],
	request: RequestConfig,
	problems: Problem[],
): void {
	for (const { key, at } of steps) {
		if (key !== "form" && key !== "text" && key !== "bytes") continue;
		if (request[key] === null) continue;
		const message = `\`${key}\` is the request's own here, by \`request.${key}\`: take another name`;
		problems.push({ at, message });
	}
}

function entriesOf(source: Source | null): readonly EntrySource[] {
	return source?.kind === "map" ? source.entries : [];
}

function namesOf(
	request: RequestConfig,
	params: readonly string[] | null,
	steps: readonly EntrySource[],
): Map<string, ReadonlySet<string> | null> {
	const declared = (fields: RequestConfig["query"]) =>
		new Set(fields.map(({ name }) => name));
	return new Map<string, ReadonlySet<string> | null>([
		["params", params && new Set(params)],
		["query", declared(request.query)],
		["headers", declared(request.headers)],
		["cookies", declared(request.cookies)],
		["request", requestMembers],
		...(request.body
			? [["body", membersOf(request.body.schema)] as const]
			: []),
		...(request.form ? [["form", declared(request.form.fields)] as const] : []),
		...(request.text ? [["text", textMembers] as const] : []),
		...(request.bytes ? [["bytes", noMembers] as const] : []),
		["missing", new Set(steps.map(({ key }) => key))],
		...steps.map(({ key }) => [key, null] as const),
	]);
}

/** What is written and could not be read has been reported. Nothing is said about those who read it. */
function openUnread(
	names: Map<string, ReadonlySet<string> | null>,
	source: Source,
	{
		request,
		auth,
		unread,
	}: Pick<RouteConfig, "auth" | "request"> & Pick<RouteContext, "unread">,
): void {
	const written = entryOf(source, "request");
	const misspelt =
		written === null
			? unknownIn(source, routeKeys.keys).some(isRequestMeant)
			: unknownIn(written, requestKeys.keys).length > 0;
	for (const kind of ["body", "form", "text", "bytes"] as const) {
		const declared = entryOf(written, kind) ?? entryOf(written, `${kind}?`);
		if (declared === null && !misspelt) continue;
		if (request[kind] === null) names.set(kind, null);
	}
	for (const kind of ["query", "headers", "cookies"] as const) {
		if (misspelt && request[kind].length === 0) names.set(kind, null);
	}
	const own = entryOf(source, "auth");
	const lost = own === null ? unread.has("defaults") : plainOf(own) !== false;
	if (lost && auth.length === 0) names.set("auth", null);
}

function unknownIn(source: Source, keys: object): readonly string[] {
	return entriesOf(source).flatMap(({ key }) =>
		Object.hasOwn(keys, key) ? [] : [key],
	);
}

/** `reqest`, or `query` beside `respond`. */
function isRequestMeant(key: string): boolean {
	const known = ["request"];
	return suggest(key, known) !== "" || insteadOfKey(key, known) !== "";
}

/** Keywords by which a body may have members that `properties` does not name. */
const openingKeywords = [
	"$ref",
	"$dynamicRef",
	"additionalProperties",
	"allOf",
	"anyOf",
	"dependentSchemas",
	"if",
	"oneOf",
	"patternProperties",
	"unevaluatedProperties",
];

/** The members of a body that may be read, if its schema restricts them; null if any may. */
function membersOf(schema: object): ReadonlySet<string> | null {
	const keywords = schema as Readonly<Record<string, unknown>>;
	const { properties } = keywords;
	if (keywords.type !== "object" || typeof properties !== "object") return null;
	const isOpen = openingKeywords.some(
		(keyword) => (keywords[keyword] ?? false) !== false,
	);
	return isOpen ? null : new Set(Object.keys(properties ?? {}));
}

/** The answer of a route without `respond`: the value of its one step. */
function onlyStep(
	source: Source,
	steps: readonly EntrySource[],
	problems: Problem[],
): Template {
	const parts = steps.filter(({ value }) => entryOf(value, "reply") === null);
	const [only, ...others] = parts;
	if (only && others.length === 0) {
		// A name that cannot be read has been refused already.
		const { expression } = parseExpression(only.key);
		return expression ? { kind: "whole", expression } : nothing;
	}
	problems.push({
		at: source.at,
		message:
			only === undefined
				? "the route answers nothing: write `respond`, or a step"
				: "with several steps `respond` says what the answer is",
	});
	return nothing;
}
