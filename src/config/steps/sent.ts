import { z } from "zod";
import { callFieldsRefused } from "../../core/http/fields.ts";
import {
	type CallMethod,
	isIdempotent,
	isSafe,
} from "../../core/http/method.ts";
import type { Read } from "../../expression/parse.ts";
import {
	printNamed,
	printParts,
	printTemplate,
} from "../../expression/print.ts";
import type { NamedTemplates, Template } from "../../expression/template.ts";
import type { PathSegment, UpstreamConfig } from "../config.ts";
import type { Written } from "../keys/input.ts";
import { key } from "../keys/key.ts";
import { asSource, reading } from "../keys/kind.ts";
import { duration, flag } from "../keys/kinds.ts";
import {
	callHeaderFields,
	callParameters,
	namesOrAll,
	type Reading,
	textTemplate,
} from "../keys/templates.ts";
import type { Problem } from "../problem.ts";
import type { Target } from "../read-target.ts";
import {
	readBytesBody,
	readParametersOrAll,
	readTemplate,
	readTextBody,
} from "../read-template.ts";
import type { MapSource } from "../source.ts";
import { readsOfAll, readsOfSegment, valuesOf } from "./kind.ts";

/** What a call asks for: everything that makes its request. */
export interface SentConfig extends Target {
	readonly method: CallMethod;
	readonly query: NamedTemplates;
	readonly headers: NamedTemplates;
	readonly body: BodyConfig | null;
	/** Whether the call may change something. Then it is not aborted after it was sent. */
	readonly write: boolean;
	/** Whether the call may be tried again, because a call sent twice does the same as a call sent once. */
	readonly repeatable: boolean;
	/** Null is the upstream's. */
	readonly timeoutMs: number | null;
}

export type BodyConfig =
	| { readonly kind: "json"; readonly value: Template }
	| { readonly kind: "form"; readonly fields: NamedTemplates }
	| { readonly kind: "text" | "bytes"; readonly value: Template };

const jsonBody = reading<Written<"data">, BodyConfig, Reading>(
	z.unknown(),
	(source, { reader }) => ({
		kind: "json",
		value: readTemplate(source, reader),
	}),
);
const formBody = namesOrAll<Written<"map">, BodyConfig>((source, reader) => ({
	kind: "form",
	fields: readParametersOrAll(source, reader),
}));
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

export const target = key(asSource(textTemplate), {
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
			"The body, sent as a form (`application/x-www-form-urlencoded`). A key that ends in `?` is left out if its value is null. A list repeats the name. An expression may give all fields as a map.",
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

export const requestKeys = {
	query: key(callParameters<Written<"map">>(), {
		description:
			"Query parameters. A key that ends in `?` is left out if its value is null. A list repeats the name. An expression may give all of them as a map.",
		example: 'query: { id: "${query.id}", "page?": "${query.page}" }',
	}),
	headers: key(callHeaderFields<Written<"map">>(callFieldsRefused), {
		description:
			"Header fields of the call. A client's field is sent only if it stands here. `accept`, `accept-encoding`, `user-agent` and `content-type` have values that these replace. An expression may give all others as a map.",
		example: 'headers: { "accept-language?": "${headers.accept_language}" }',
	}),
	idempotent: key(flag, {
		description:
			"`true`: this call sent twice does the same as sent once, so it may be sent again if a kept connection turns out to be closed. Always true for `get`, `head`, `put`, `delete` and `safe` calls.",
		example: "post: users/orders\nbody: {}\nidempotent: true",
	}),
	timeout: key(duration, {
		field: "timeoutMs",
		description:
			"The bound of one attempt, instead of the upstream's `timeout`.",
		example: "timeout: 500ms",
	}),
};

/** The names that a request reads. */
export function readsOfRequest({
	path,
	query,
	headers,
	body,
}: Pick<SentConfig, "path" | "query" | "headers" | "body">): Read[] {
	return [
		...readsOfAll(valuesOf(query)),
		...readsOfAll(valuesOf(headers)),
		...readsOfAll(templatesOfBody(body)),
		...path.flatMap(readsOfSegment),
	];
}

function templatesOfBody(body: BodyConfig | null): Template[] {
	if (body === null) return [];
	return body.kind === "form" ? valuesOf(body.fields) : [body.value];
}

/** `GET users/users/${params.id}`: the upstream by name, never its URL. */
export function printCallTarget(
	step: Pick<SentConfig, "method" | "upstream" | "path">,
): string {
	return `${step.method} ${printTarget(step)}`;
}

/** `users/users/${params.id}` */
export function printTarget({
	upstream,
	path,
}: Pick<SentConfig, "upstream" | "path">): string {
	return path.length === 0 ? upstream : upstream + printPath(path);
}

/** `room/${params.id}` */
export function printChannelTarget({
	channel,
	instance,
}: {
	readonly channel: string;
	readonly instance: PathSegment | null;
}): string {
	return instance === null ? channel : channel + printPath([instance]);
}

/** `/users/${params.id}`: what all calls of a step have in common. */
export function printPath(path: SentConfig["path"]): string {
	const segments = path.map((segment) =>
		typeof segment === "string" ? segment : printParts(segment),
	);
	return `/${segments.join("/")}`;
}

export function printBody(body: BodyConfig): object {
	return body.kind === "form"
		? { form: printNamed(body.fields) ?? {} }
		: { [body.kind]: printTemplate(body.value) };
}

/** What a call may do, by its method, its upstream and its own keys. */
export function effectsOf(
	{ method, upstream, safe, idempotent }: WrittenEffects,
	upstreams: ReadonlyMap<string, UpstreamConfig>,
): Pick<SentConfig, "write" | "repeatable"> {
	const own = upstreams.get(upstream);
	const reads = isSafe(method) || own?.safe === true;
	const write = !(safe ?? reads);
	const twice = !write || isIdempotent(method) || own?.idempotent === true;
	return { write, repeatable: idempotent ?? twice };
}

interface WrittenEffects {
	readonly method: CallMethod;
	readonly upstream: string;
	readonly safe: boolean | null;
	readonly idempotent: boolean | null;
}

export function refuseTwoBodies(source: MapSource, problems: Problem[]): void {
	const [first, second] = source.entries.filter(({ key }) =>
		["body", "form", "text", "bytes"].includes(key),
	);
	if (first === undefined || second === undefined) return;
	problems.push({
		at: second.at,
		message: `\`${first.key}\` and \`${second.key}\`: a call has one body`,
	});
}
