import { z } from "zod";
import {
	callFieldsRefused,
	connectionFields,
	neverPassed,
	proxiedFieldsRefused,
} from "../../core/http/fields.ts";
import { isToken } from "../../core/http/headers.ts";
import type { TemplateEntry } from "../../expression/template.ts";
import type { Problem } from "../problem.ts";
import { type Reader, readHeaders, readParameters } from "../read-template.ts";
import type { Source } from "../source.ts";
import { stepNames } from "../steps/common.ts";
import type { DataMap } from "./input.ts";
import { key, part } from "./key.ts";
import { asSource, type Kind, reading } from "./kind.ts";
import { duration, flag, oneOf, size, text } from "./kinds.ts";
import { origins } from "./origins.ts";
import { mapOfDefaults, policy, section } from "./section.ts";
import {
	condition,
	headerFields,
	namesToValues,
	type Reading,
	textTemplate,
} from "./templates.ts";

/** The header fields that pass besides those that always do, with names in lower case. */
const pass = {
	...reading<readonly string[] | "all", readonly string[] | "all", unknown>(
		z.union([z.literal("all"), z.array(text.schema)], {
			error: "a list of header names, or `all`",
		}),
		(source, _, { problems }) =>
			source.kind === "scalar" && source.value === "all"
				? "all"
				: readNames(source, problems, faultOfPassed),
	),
	absent: () => [],
};

/** The fields of an answer that do not pass, with names in lower case. */
const drop = {
	...reading<readonly string[], readonly string[], unknown>(
		z.array(text.schema, { error: "a list of header names" }),
		(source, _, { problems }) => readNames(source, problems, faultOfName),
	),
	absent: () => [],
};

function readNames(
	source: Source,
	problems: Problem[],
	faultOf: (name: string) => string | null,
): readonly string[] {
	if (source.kind !== "list") return [];
	return source.items.flatMap((item) => {
		if (item.kind !== "scalar" || typeof item.value !== "string") return [];
		const name = item.value.toLowerCase();
		const fault = faultOf(name);
		if (fault) problems.push({ at: item.at, message: fault });
		return fault ? [] : [name];
	});
}

function faultOfName(name: string): string | null {
	return isToken(name) ? null : `\`${name}\` cannot be a header's name`;
}

function faultOfPassed(name: string): string | null {
	if (!isToken(name)) return faultOfName(name);
	if (!neverPassed.has(name)) return null;
	if (connectionFields.has(name)) {
		return `\`${name}\` belongs to one connection and cannot pass to another`;
	}
	return callFieldsRefused.has(name)
		? `\`${name}\` cannot pass: it says where a call goes`
		: `\`${name}\` cannot pass: the gateway says it itself`;
}

/** Null if the client's own go along. */
const ownParameters = reading<
	DataMap<string>,
	readonly TemplateEntry[],
	Reading
>(namesToValues, (source, { reader }) => readParameters(source, reader));

/** The keys of one of several targets. */
export const targetKeys = section({
	when: part(condition, {}),
	to: part(asSource(textTemplate), { required: true }),
});

const targetWords = "`<upstream>/<path>`, or a list of targets";

const targets: Kind<unknown, Source> = {
	schema: z.union(
		[textTemplate, z.array(z.union([textTemplate, targetKeys.schema])).min(1)],
		{ error: targetWords },
	),
	// Each target is judged alone, so that a fault is told at its own place.
	take: asSource(
		z.union([textTemplate, z.array(z.unknown()).min(1)], {
			error: targetWords,
		}),
	).take,
};

/** The context for reading a proxy's keys. */
export interface ProxyReading extends Reading {
	/** With the upstream's answer. */
	readonly answer: Reader;
}

/** Fields of the answer. Those of the upstream with the same names do not pass. */
const answerFields = {
	...reading<DataMap<string>, readonly TemplateEntry[], ProxyReading>(
		namesToValues,
		(source, { answer }) => readHeaders(source, answer, proxiedFieldsRefused),
	),
	absent: () => [],
};

const websocketKeys = section({
	// Null: the origin of the host that is asked.
	origins: part(origins, {}),
	maxMessage: part(size, { field: "messageBytesMax", default: "1MiB" }),
	idle: part(duration, { field: "idleMs", default: "10m" }),
});

const answerKeys = section({ headers: part(answerFields, {}) });

/** The keys of `proxy` as a map. */
export const proxyKeys = section({
	to: key(targets, {
		required: true,
		description:
			"Required. The target of the requests: `<upstream>/<path>`. A last `{rest*}` is the rest of the client's path, percent-encoded as it came. A `${…}` stays within its segment. Or a list of targets, `{ when, to }`: a request goes to the first whose `when` is neither false nor null. The last one has no `when`, so there is always a target.",
		example: "to: users/files",
	}),
	after: key(
		stepNames(({ reader }: Reading) => reader),
		{
			description:
				"Steps that must have ended before a request is passed on, although nothing of the proxy reads them. A step that must not fail, and has no `fallback`, so decides whether it is passed on at all.",
			example: "after: [entitled]",
		},
	),
	pass: key(pass, {
		description:
			"Header fields that pass besides those that always do, both ways: `authorization`, `cookie`, `set-cookie` and any others on which the two sides agree. `all`: whatever a client sends, and `set-cookie`, but nothing by which clients could lie to the upstream, such as `x-forwarded-for`.",
		example: "pass: [authorization]",
	}),
	drop: key(drop, {
		description:
			"Header fields of the answer that do not pass. All others do, except `set-cookie`, those that hold for the whole host, and those that tell of the upstream's own machine. These pass if `pass` names them.",
		example: "drop: [x-debug]",
	}),
	paths: key(oneOf(["checked", "raw"]), {
		description:
			"`raw` also takes paths that servers read in different ways: with empty segments (`/a//b`, `/https://a.example/b`), or percent-encoded as something else than UTF-8 (`/caf%E9`). `.` and `..` as segments stay refused.",
		example: "paths: raw",
		default: "checked",
	}),
	query: key(ownParameters, {
		description:
			"Query parameters of the call, instead of all of the client's. Without it the client's go along, except those that the upstream's own `query` has.",
		example: 'query: { version: "2" }',
	}),
	headers: key(headerFields<DataMap<string>>(callFieldsRefused), {
		description:
			"Header fields of the call. They replace the client's of the same name, as the upstream's own do.",
		example: 'headers: { x-client-ip: "${request.ip}" }',
	}),
	answer: key(mapOfDefaults(answerKeys), {
		description:
			"`headers`: header fields of the answer, instead of the upstream's of the same name. With `name?` and null there is no such field at all. They may read `response`, the upstream's `status` and `headers`. A `set-cookie` stands beside those that pass.",
		example:
			'answer:\n  headers: { cache-control: no-cache, "x-debug?": null }',
	}),
	cache: key(flag, {
		description:
			"`true`: the upstream's `cache` keeps answers to GET while they are passed on, and gives them again.",
		example: "cache: true",
		default: false,
	}),
	websocket: key(policy(websocketKeys), {
		description:
			"Also passes WebSockets on: `true`, or a map of what differs. `origins` are the pages that may open one, as in `server.cors`; any other page is answered 403. Without it only pages of the host that is asked may. Programs send no origin, and pass. `maxMessage` (default {maxMessage}) bounds each message, either way. `idle` (default {idle}) is how long neither side may send one.",
		example:
			"websocket: { origins: ['https://app.example.com'], maxMessage: 64KiB, idle: 1h }",
	}),
	maxBody: key(size, {
		field: "bodyBytesMax",
		description:
			"The longest request body that is passed on. Beyond it 413: at once if its length is announced.",
		example: "maxBody: 50MiB",
		default: "1GiB",
	}),
	idle: key(duration, {
		field: "idleMs",
		description:
			"How long the upstream may send nothing of the answer's body. Then the client's connection is cut. A client that takes too little is a matter of `server.minRate`. Until the answer's head is there, `deadline` and the upstream's `timeout` hold.",
		example: "idle: 5m",
		default: "60s",
	}),
});
