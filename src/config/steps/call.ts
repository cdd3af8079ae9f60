import { z } from "zod";
import { faultOfAccepted } from "../../core/body/codings.ts";
import { callFieldsRefused } from "../../core/http/fields.ts";
import {
	type CallMethod,
	isIdempotent,
	isSafe,
} from "../../core/http/method.ts";
import {
	printEntries,
	printParts,
	printTemplate,
} from "../../expression/print.ts";
import type { Template, TemplateEntry } from "../../expression/template.ts";
import type { PathSegment, UpstreamConfig } from "../config.ts";
import type { Written } from "../keys/input.ts";
import { key } from "../keys/key.ts";
import { asSource, reading } from "../keys/kind.ts";
import { duration, flag } from "../keys/kinds.ts";
import { type ReadOf, section } from "../keys/section.ts";
import {
	headerFields,
	namesToValues,
	parameters,
	type Reading,
	textTemplate,
} from "../keys/templates.ts";
import { unknownUpstream } from "../names.ts";
import type { Problem } from "../problem.ts";
import {
	type Reader,
	readBytesBody,
	readParameters,
	readTarget,
	readTemplate,
	readTextBody,
	type Target,
} from "../read-template.ts";
import { entryOf } from "../shape.ts";
import type { MapSource, Source } from "../source.ts";
import { answers, printAnswers, templatesOfAnswers } from "./answers.ts";
import {
	commonKeys,
	commonOf,
	type StepCommon,
	type StepSource,
	type StepsContext,
	templateReadBy,
} from "./common.ts";
import { decode, printDecode } from "./decode.ts";
import {
	onlyCommonKeys,
	readsOfAll,
	readsOfSegment,
	type StepKind,
	valuesOf,
} from "./kind.ts";
import { readsOfRepeat, repeatKey } from "./repeat.ts";

/** Null for `timeoutMs` is the upstream's, for `safe` and `idempotent` what method and upstream say. */
export type CallConfig = StepCommon &
	Omit<
		ReadOf<(typeof callKeys.post)["keys"]>,
		| keyof typeof commonKeys
		| keyof StepCommon
		| "body"
		| "bytes"
		| "form"
		| "target"
		| "text"
	> & {
		readonly kind: "call";
		readonly method: CallMethod;
		readonly upstream: string;
		/** The path behind the upstream's own, segment by segment. Empty for the upstream's own path. */
		readonly path: readonly PathSegment[];
		readonly body: BodyConfig | null;
		/** Whether the call may change something. Then it is not aborted after it was sent. */
		readonly write: boolean;
		/** Whether the call may be tried again, because a call sent twice does the same as a call sent once. */
		readonly repeatable: boolean;
	};

export type BodyConfig =
	| { readonly kind: "json"; readonly value: Template }
	| { readonly kind: "form"; readonly fields: readonly TemplateEntry[] }
	| { readonly kind: "text" | "bytes"; readonly value: Template };

const jsonBody = reading<Written<"data">, BodyConfig, Reading>(
	z.unknown(),
	(source, { reader }) => ({
		kind: "json",
		value: readTemplate(source, reader),
	}),
);
const formBody = reading<Written<"map">, BodyConfig, Reading>(
	namesToValues,
	(source, { reader }) => ({
		kind: "form",
		fields: readParameters(source, reader),
	}),
);
const textBody = reading<Written<"data">, BodyConfig, Reading>(
	z.unknown(),
	(source, { reader }) => ({
		kind: "text",
		value: readTextBody(source, reader),
	}),
);

const bytesBody = reading<Written<"data">, BodyConfig, Reading>(
	z.unknown(),
	(source, { reader }) => ({
		kind: "bytes",
		value: readBytesBody(source, reader),
	}),
);

const templateOfAnswer = templateReadBy<Written<"answer">>(
	({ answer }) => answer,
);

const target = key(asSource(textTemplate), {
	field: "target",
	required: true,
	description:
		"The call: `<upstream>/<path>`. A `${…}` in the path stays within its segment, encoded.",
	example: "get: users/users/${query.id}",
});

export const bodyKeys = {
	body: key(jsonBody, {
		description: "The body, sent as JSON.",
		example: 'post: users/search\nbody: { name: "${query.name}" }',
	}),
	form: key(formBody, {
		description:
			"The body, sent as a form (`application/x-www-form-urlencoded`). A key that ends in `?` is left out if its value is null. A list repeats the name.",
		example: "post: users/login\nform: { user: ann, scope: [read, write] }",
	}),
	text: key(textBody, {
		description:
			"The body, a text that is sent as it is. Its type is `text/plain` unless `headers` says otherwise.",
		example:
			"post: users/soap\nheaders: { content-type: text/xml }\ntext: <user>${escapeXml(query.id)}</user>",
	}),
	bytes: key(bytesBody, {
		description:
			"The body, bytes that are sent as they are: a file of the request's `form`, its `bytes`, or an answer with `decode: bytes`. Its type is `application/octet-stream` unless `headers` says otherwise.",
		example:
			"put: users/photo\nheaders: { content-type: image/png }\nbytes: ${first}",
	}),
};

export const sentKeys = {
	query: key(parameters<Written<"map">>(), {
		description:
			"Query parameters. A key that ends in `?` is left out if its value is null. A list repeats the name.",
		example: 'query: { id: "${query.id}", "page?": "${query.page}" }',
	}),
	headers: key(headerFields<Written<"map">>(callFieldsRefused), {
		description:
			"Header fields of the call. A client's field is sent only if it stands here. `accept`, `accept-encoding`, `user-agent` and `content-type` have values that these replace.",
		example: 'headers: { "accept-language?": "${headers.accept_language}" }',
	}),
	answers: key(answers, {
		description:
			"Statuses beside 2xx that are answers: numbers, classes (`4xx`), or `any` for all others. A map gives the step's value. A list lets the answer go on to `pick`.",
		example: "answers: { 404: null, 4xx: refused }",
	}),
	expect: key(templateOfAnswer, {
		description:
			"A condition that an answer must meet before `pick`. If it is false or null, the step fails with `upstream_invalid`.",
		example: "expect: ${answer.errors === null}",
	}),
	decode: key(decode, {
		description:
			"The kind of the body: JSON, a text in the charset that its type announces, lines that are each JSON, XML, or bytes that only `respond` and `reply` can pass on. `{ xml: { lists: [item] } }` names elements that are always lists.",
		example: "decode: xml",
		default: "json",
	}),
	keepBody: key(flag, {
		description:
			"`true`: if the answer fails the step, by its status or by `expect`, `fallback` can read its decoded body as `failure.body`. It is null if it cannot be decoded.",
		example: "keepBody: true\nfallback: ${failure}",
		default: false,
	}),
	safe: key(flag, {
		description:
			"`true`: this call only reads, whatever its method. `false`: it may write, although its upstream is `safe`.",
		example: "post: users/search\nbody: {}\nsafe: true",
	}),
	idempotent: key(flag, {
		description:
			"`true`: this call sent twice does the same as sent once, so it may be sent again if a kept connection turns out to be closed. Always true for `get`, `head`, `put`, `delete` and `safe` calls.",
		example: "post: users/orders\nbody: {}\nidempotent: true",
	}),
	pick: key(templateOfAnswer, {
		description:
			"The step's value, made of `answer` (the decoded body) and `response` (`status`, `headers`, `type`). Without it the value is the body.",
		example: "pick: ${answer.name}",
	}),
	repeat: repeatKey(({ answer }) => answer, {
		what: "its `answer` and `response`",
		example:
			'query: { "cursor?": "${last.next}" }\nrepeat: { while: "${answer.next}", max: 20, wait: 200ms }',
	}),
	timeout: key(duration, {
		field: "timeoutMs",
		description:
			"The bound of one attempt, instead of the upstream's `timeout`.",
		example: "timeout: 500ms",
	}),
};

export const callKeys = {
	get: section({ get: target, ...sentKeys, ...commonKeys }),
	head: section({ head: target, ...sentKeys, ...commonKeys }),
	post: section({
		post: target,
		...bodyKeys,
		...sentKeys,
		...commonKeys,
	}),
	put: section({ put: target, ...bodyKeys, ...sentKeys, ...commonKeys }),
	patch: section({
		patch: target,
		...bodyKeys,
		...sentKeys,
		...commonKeys,
	}),
	delete: section({
		delete: target,
		...bodyKeys,
		...sentKeys,
		...commonKeys,
	}),
};

export const call: StepKind<CallConfig> = {
	keys: callKeys,
	check,
	readsFirst: ({ path, query, headers, body }) => [
		...readsOfAll(valuesOf(query)),
		...readsOfAll(valuesOf(headers)),
		...readsOfAll(templatesOfBody(body)),
		...path.flatMap(readsOfSegment),
	],
	readsLater: ({ expect, pick, answers, repeat }) => [
		...readsOfAll([expect, pick, ...templatesOfAnswers(answers)]),
		...readsOfRepeat(repeat),
	],
	hasEffect: ({ write }) => write,
	longestMs: (step, { callMs }) => callMs(step),
	free: false,
	pure: true,
	endsRun: false,
	print,
};

function print(step: CallConfig): Readonly<Record<string, unknown>> {
	const { kind: _, method, upstream, path, write, ...own } = step;
	const { query, headers, body, answers, expect, pick, ...others } = own;
	const { decode, keepBody, timeoutMs, safe, idempotent, ...rest } = others;
	const { repeatable: _1, ...ofEveryStep } = rest;
	onlyCommonKeys(ofEveryStep);
	return {
		call: printCallTarget({ method, upstream, path }),
		write: write || null,
		query: printEntries(query),
		headers: printEntries(headers),
		body: body && printBody(body),
		answers: answers && printAnswers(answers),
		expect: expect && printTemplate(expect),
		pick: pick && { value: printTemplate(pick) },
		decode: printDecode(decode),
		keepBody: keepBody || null,
		timeoutMs,
		safe,
		idempotent,
	};
}

function templatesOfBody(body: BodyConfig | null): Template[] {
	if (body === null) return [];
	return body.kind === "form" ? valuesOf(body.fields) : [body.value];
}

/** `GET users/users/${params.id}`: the upstream by name, never its URL. */
export function printCallTarget(
	step: Pick<CallConfig, "method" | "upstream" | "path">,
): string {
	return `${step.method} ${printTarget(step)}`;
}

/** `users/users/${params.id}` */
export function printTarget({
	upstream,
	path,
}: Pick<CallConfig, "upstream" | "path">): string {
	return path.length === 0 ? upstream : upstream + printPath(path);
}

/** `/users/${params.id}`: what all calls of a step have in common. */
export function printPath(path: CallConfig["path"]): string {
	const segments = path.map((segment) =>
		typeof segment === "string" ? segment : printParts(segment),
	);
	return `/${segments.join("/")}`;
}

function printBody(body: BodyConfig): object {
	return body.kind === "form"
		? { form: printEntries(body.fields) ?? {} }
		: { [body.kind]: printTemplate(body.value) };
}

/** What a call may do, by its method, its upstream and its own keys. */
function effectsOf(
	{ method, upstream, safe, idempotent }: WrittenEffects,
	upstreams: ReadonlyMap<string, UpstreamConfig>,
): Pick<CallConfig, "write" | "repeatable"> {
	const own = upstreams.get(upstream);
	const reads = isSafe(method) || own?.safe === true;
	const write = !(safe ?? reads);
	const twice = !write || isIdempotent(method) || own?.idempotent === true;
	return { write, repeatable: idempotent ?? twice };
}

type WrittenEffects = Pick<
	CallConfig,
	"method" | "upstream" | "safe" | "idempotent"
>;

const reads = ["get", "head"] as const;
type Reads = (typeof reads)[number];
type CallKind = keyof typeof callKeys;

function isReads(kind: CallKind): kind is Reads {
	return (reads as readonly CallKind[]).includes(kind);
}

function check(step: StepSource): CallConfig | null {
	const { source, judged, reading, context } = step;
	const kind = step.key as CallKind;
	const read = isReads(kind)
		? withoutBody(callKeys[kind].read(source, judged, reading))
		: callKeys[kind].read(source, judged, reading);
	if (read === undefined) return null;
	const { target: written, body, form, text, bytes, ...others } = read;
	const { each, as, parallel, max, enough, ...call } = others;
	const target = checkTarget(written, reading.reader, context);
	refuseTwoBodies(source, context.problems);
	refuseCodings(source, call.headers, context.problems);
	refuseUnreadBody(source, call, context.problems);
	const common = commonOf({ each, as, parallel, max, enough, ...call }, step);
	if (target === null) return null;
	const method = kind.toUpperCase() as CallMethod;
	const made = { ...call, ...common, ...target, method };
	return {
		...made,
		...effectsOf(made, context.upstreams),
		kind: "call",
		body: body ?? form ?? text ?? bytes,
	};
}

type ReadOfReads = ReturnType<(typeof callKeys)[Reads]["read"]>;

function withoutBody(read: ReadOfReads) {
	return read && { ...read, body: null, form: null, text: null, bytes: null };
}

function refuseTwoBodies(source: MapSource, problems: Problem[]): void {
	const [first, second] = source.entries.filter(({ key }) =>
		["body", "form", "text", "bytes"].includes(key),
	);
	if (first === undefined || second === undefined) return;
	problems.push({
		at: second.at,
		message: `\`${first.key}\` and \`${second.key}\`: a call has one body`,
	});
}

function refuseCodings(
	source: MapSource,
	headers: readonly TemplateEntry[],
	problems: Problem[],
): void {
	for (const { name, value } of headers) {
		if (name !== "accept-encoding" || value.kind !== "literal") continue;
		const message = faultOfAccepted(String(value.value));
		const at = (entryOf(source, "headers") ?? source).at;
		if (message !== null) problems.push({ at, message });
	}
}

function refuseUnreadBody(
	source: MapSource,
	{ keepBody, fallback }: Pick<CallConfig, "fallback" | "keepBody">,
	problems: Problem[],
): void {
	if (!keepBody) return;
	const isRead = readsOfAll([fallback]).some(
		({ name, path: [member] }) =>
			name === "failure" && (member === undefined || member === "body"),
	);
	if (isRead) return;
	problems.push({
		at: (entryOf(source, "keepBody") ?? source).at,
		message: "no `fallback` here reads `failure.body`: remove `keepBody`",
	});
}

function checkTarget(
	source: Source,
	reader: Reader,
	{ upstreams, problems }: StepsContext,
): Target | null {
	const target = readTarget(source, reader);
	if (target === null) return null;
	if (!upstreams.has(target.upstream)) {
		problems.push({
			at: source.at,
			message: unknownUpstream(target.upstream, upstreams),
		});
	}
	return target;
}
