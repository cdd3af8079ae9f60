import { answerFieldsRefused } from "../core/http/fields.ts";
import { parseExpression } from "../expression/parse.ts";
import type { Template } from "../expression/template.ts";
import { checkProxy } from "./check-proxy.ts";
import { checkRequest } from "./check-request.ts";
import { checkSteps, type RouteContext } from "./check-step.ts";
import type { RateLimitConfig, RequestConfig, RouteConfig } from "./config.ts";
import { checkGraph, readsToRespond } from "./graph.ts";
import type { Defaults } from "./keys/defaults.ts";
import { rateLimitKeys } from "./keys/rate-limit.ts";
import type { Names } from "./names.ts";
import type { Problem } from "./problem.ts";
import {
	nothing,
	type Reader,
	readHeaders,
	readStatus,
	readTemplate,
} from "./read-template.ts";
import type { RouteKey } from "./route-key.ts";
import { routeSchema } from "./schema.ts";
import { checkShape, durationAt, entryOf, numberAt, textAt } from "./shape.ts";
import type { EntrySource, Source } from "./source.ts";
import { warnOfLongChains } from "./timing.ts";

const requestMembers = new Set(["id", "ip", "method", "path", "time"]);

/** Always a route, so that the next ones are checked too: of use only where no problem was added. */
export function checkRoute(
	key: RouteKey & { readonly key: string },
	source: Source,
	context: RouteContext,
): RouteConfig {
	const { defaults, problems } = context;
	checkShape(routeSchema, source, { what: "a route", problems });
	if (entryOf(source, "proxy")) return checkProxyRoute(key, source, context);
	refuseWithoutProxy(key, source, problems);
	const params = paramsOf(key);
	const request = checkRequest(entryOf(source, "request"), params, context);
	const entries = entriesOf(entryOf(source, "steps"));
	const names = namesOf(request, params, entries);
	const reader = { names, problems, misread: new Set<string>() };
	const { steps, complete } = checkSteps(entries, {
		...context,
		reader,
		depth: 0,
	});
	const route = {
		...headOf(key, source, defaults),
		rateLimit: readRateLimit(source, names, problems),
		request,
		steps: steps.map(({ step }) => step),
		respond: checkRespond(source, entries, reader),
		status: readStatus(entryOf(source, "status"), reader),
		headers: readHeaders(
			entryOf(source, "headers"),
			reader,
			answerFieldsRefused,
		),
		proxy: null,
	};
	checkGraph(
		{
			steps,
			complete,
			read: readsToRespond(route),
			misread: reader.misread,
		},
		problems,
	);
	if (complete)
		warnOfLongChains(route, steps, { upstreams: context.upstreams, problems });
	return route;
}

function readRateLimit(
	source: Source,
	names: Names,
	problems: Problem[],
): RateLimitConfig | null {
	const found = entryOf(source, "rateLimit");
	const judged = { what: "`rateLimit`", problems };
	return (found && rateLimitKeys.read(found, judged, { names })) ?? null;
}

/** What is said alike of every route. */
function headOf(
	{ key, method, path, rest }: RouteKey & { readonly key: string },
	source: Source,
	defaults: Defaults,
) {
	return {
		key,
		method,
		path,
		rest,
		summary: textAt(source, "summary"),
		deadlineMs: durationAt(source, "deadline") ?? defaults.deadlineMs,
		callsMax: numberAt(source, "calls") ?? defaults.calls,
	};
}

function paramsOf({ path }: RouteKey): string[] {
	return path.flatMap((part) => (typeof part === "string" ? [] : [part.param]));
}

/** A proxied route has no step and makes no answer of its own. */
function checkProxyRoute(
	key: RouteKey & { readonly key: string },
	source: Source,
	context: RouteContext,
): RouteConfig {
	const { problems, defaults } = context;
	refuseBesideProxy(source, problems);
	const request = checkRequest(
		entryOf(source, "request"),
		paramsOf(key),
		context,
	);
	const names = namesOf(request, paramsOf(key), []);
	names.delete("missing");
	const reader = { names, problems, misread: new Set<string>() };
	return {
		...headOf(key, source, defaults),
		rateLimit: readRateLimit(source, names, problems),
		request,
		steps: [],
		respond: nothing,
		status: readStatus(null, reader),
		headers: [],
		proxy: checkProxy(entryOf(source, "proxy") ?? source, key.rest, {
			...context,
			reader,
		}),
	};
}

/** What only a composed route has. */
const composedKeys = ["steps", "respond", "status", "headers", "calls"];

function refuseBesideProxy(source: Source, problems: Problem[]): void {
	for (const { key, at } of entriesOf(source)) {
		if (!composedKeys.includes(key)) continue;
		const hint =
			key === "headers" ? ": header fields of the call stand in `proxy`" : "";
		problems.push({
			at,
			message: `\`${key}\` beside \`proxy\`: a route is composed or proxied, not both${hint}`,
		});
	}
	for (const { key, at } of entriesOf(entryOf(source, "request"))) {
		if (key !== "body" && key !== "body?") continue;
		problems.push({
			at,
			message: "a proxy passes the body on unread: remove its schema",
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

function entriesOf(source: Source | null): readonly EntrySource[] {
	return source?.kind === "map" ? source.entries : [];
}

function namesOf(
	request: RequestConfig,
	params: readonly string[],
	steps: readonly EntrySource[],
): Map<string, ReadonlySet<string> | null> {
	const declared = (fields: RequestConfig["query"]) =>
		new Set(fields.map(({ name }) => name));
	return new Map<string, ReadonlySet<string> | null>([
		["params", new Set(params)],
		["query", declared(request.query)],
		["headers", declared(request.headers)],
		["cookies", declared(request.cookies)],
		["request", requestMembers],
		...(request.body
			? [["body", membersOf(request.body.schema)] as const]
			: []),
		["missing", new Set(steps.map(({ key }) => key))],
		...steps.map(({ key }) => [key, null] as const),
	]);
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

/** What may be read of a body, where its schema says it; null where anything may. */
function membersOf(schema: object): ReadonlySet<string> | null {
	const keywords = schema as Readonly<Record<string, unknown>>;
	const { properties } = keywords;
	if (keywords.type !== "object" || typeof properties !== "object") return null;
	const isOpen = openingKeywords.some(
		(keyword) => (keywords[keyword] ?? false) !== false,
	);
	return isOpen ? null : new Set(Object.keys(properties ?? {}));
}

function checkRespond(
	source: Source,
	steps: readonly EntrySource[],
	reader: Reader,
): Template {
	const respond = entryOf(source, "respond");
	if (respond) return readTemplate(respond, reader);
	const parts = steps.filter(({ value }) => entryOf(value, "reply") === null);
	const [only, ...others] = parts;
	if (only && others.length === 0) {
		// A name that cannot be read has been refused already.
		const { expression } = parseExpression(only.key);
		return expression ? { kind: "whole", expression } : nothing;
	}
	reader.problems.push({
		at: source.at,
		message:
			only === undefined
				? "the route answers nothing: write `respond`, or a step"
				: "with several steps `respond` says what the answer is",
	});
	return nothing;
}
