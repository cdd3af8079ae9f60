import { isStatus } from "../core/messages.ts";
import { parseExpression } from "../expression/parse.ts";
import type { Template } from "../expression/template.ts";
import { checkRequest } from "./check-request.ts";
import { checkStep, type RouteContext } from "./check-step.ts";
import type { RequestConfig, RouteConfig } from "./config.ts";
import { checkGraph } from "./graph.ts";
import { faultOfName, type Names } from "./names.ts";
import type { Problem } from "./problem.ts";
import {
	answerHeadersRefused,
	nothing,
	type Reader,
	readHeaders,
	readTemplate,
} from "./read-template.ts";
import type { RouteKey } from "./route-key.ts";
import { routeSchema } from "./schema.ts";
import { checkShape, durationAt, entryOf, numberAt, textAt } from "./shape.ts";
import type { EntrySource, Source } from "./source.ts";

const requestMembers = new Set(["id", "ip", "method", "path", "time"]);

export function checkRoute(
	{ key, method, path }: RouteKey & { readonly key: string },
	source: Source,
	context: RouteContext,
): RouteConfig {
	const { defaults, problems } = context;
	checkShape(routeSchema, source, { what: "a route", problems });
	const params = path.flatMap((part) =>
		typeof part === "string" ? [] : [part.param],
	);
	const request = checkRequest(entryOf(source, "request"), params, problems);
	const entries = entriesOf(entryOf(source, "steps"));
	const names = namesOf(request, params, entries);
	const reader = { names, problems };
	const steps = entries.flatMap((entry) => {
		refuseName(entry, problems);
		const step = checkStep(entry, { ...context, reader, entries });
		return step ? [{ step, at: entry.at }] : [];
	});
	const route = {
		key,
		method,
		path,
		summary: textAt(source, "summary"),
		request,
		deadlineMs: durationAt(source, "deadline") ?? defaults.deadlineMs,
		callsMax: numberAt(source, "calls") ?? defaults.calls,
		steps: steps.map(({ step }) => step),
		respond: checkRespond(source, entries, reader),
		status: checkStatus(entryOf(source, "status"), reader),
		headers: readHeaders(
			entryOf(source, "headers"),
			reader,
			answerHeadersRefused,
		),
	};
	// A step that could not be read may be the missing reader of another.
	const complete = steps.length === entries.length;
	checkGraph(route, {
		steps,
		complete,
		upstreams: context.upstreams,
		problems,
	});
	return route;
}

function entriesOf(source: Source | null): readonly EntrySource[] {
	return source?.kind === "map" ? source.entries : [];
}

function namesOf(
	request: RequestConfig,
	params: readonly string[],
	steps: readonly EntrySource[],
): Names {
	const declared = (fields: RequestConfig["query"]) =>
		new Set(fields.map(({ name }) => name));
	return new Map<string, ReadonlySet<string> | null>([
		["params", new Set(params)],
		["query", declared(request.query)],
		["headers", declared(request.headers)],
		["request", requestMembers],
		...(request.body ? [["body", null] as const] : []),
		...steps.map(({ key }) => [key, null] as const),
	]);
}

function refuseName({ key, at }: EntrySource, problems: Problem[]): void {
	const message = faultOfName(key);
	if (message) problems.push({ at, message });
}

function checkRespond(
	source: Source,
	steps: readonly EntrySource[],
	reader: Reader,
): Template {
	const respond = entryOf(source, "respond");
	if (respond) return readTemplate(respond, reader);
	const [only, ...others] = steps;
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

function checkStatus(source: Source | null, reader: Reader): Template {
	if (source === null) return { kind: "literal", value: 200 };
	const template = readTemplate(source, reader);
	if (template.kind !== "literal" || template === nothing) return template;
	if (!isStatus(template.value)) {
		reader.problems.push({
			at: source.at,
			message: "`status` takes a number from 200 to 599, or an expression",
		});
	}
	return template;
}
