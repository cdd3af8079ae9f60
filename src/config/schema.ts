import { z } from "zod";
import { bounds } from "./keys/defaults.ts";
import type { KeyMeta } from "./keys/key.ts";
import {
	count as countKind,
	duration as durationKind,
	flag as flagKind,
	text as textKind,
} from "./keys/kinds.ts";
import { rateLimitKeys } from "./keys/rate-limit.ts";

function key<T extends z.ZodType>(schema: T, meta: KeyMeta) {
	return schema.meta({ ...meta }).optional();
}

const duration = durationKind.schema;
const flag = flagKind.schema;
const text = textKind.schema;
const count = (most: number, least?: number) => countKind(most, least).schema;
const templateText = z.string({ error: "a text" });
const template = z.unknown();
const templates = z.record(z.string(), template, {
	error: "a map of names to values",
});
const rateLimitSchema = rateLimitKeys.schema;

export const requestSchema = z.strictObject({
	params: key(z.record(z.string(), z.unknown()), {
		description:
			"Path parameters. They need no declaration to be read as text; a schema here coerces and bounds them.",
		example: "params:\n  id: { type: integer, minimum: 1 }",
	}),
	query: key(z.record(z.string(), z.unknown()), {
		description:
			"Query parameters: name → JSON Schema of a scalar or a list. Required unless the name ends in `?` or there is a `default`.",
		example:
			"query:\n  city: { type: string, maxLength: 80 }\n  page?: { type: integer, minimum: 1 }",
	}),
	cookies: key(z.record(z.string(), z.unknown()), {
		description: "Cookies that may be read, as `cookies.session`.",
		example: "cookies:\n  session?: { type: string, maxLength: 200 }",
	}),
	headers: key(z.record(z.string(), z.unknown()), {
		description:
			"Header fields that may be read, as `headers.accept_language`.",
		example: "headers:\n  accept-language?: { type: string, maxLength: 200 }",
	}),
	body: key(z.record(z.string(), z.unknown(), { error: "a JSON Schema" }), {
		description:
			"The JSON Schema (2020-12) of a JSON body. Written `body?`, it may be absent and is then null.",
		example:
			"body:\n  type: object\n  required: [name]\n  properties:\n    name: { type: string, maxLength: 80 }",
	}),
	"body?": z.record(z.string(), z.unknown()).optional(),
});

const numberKeys = {
	minimum: z.number().optional(),
	maximum: z.number().optional(),
	exclusiveMinimum: z.number().optional(),
	exclusiveMaximum: z.number().optional(),
	multipleOf: z.number().positive().optional(),
};
const fieldCommon = {
	description: z.string().optional(),
	default: z.unknown().optional(),
	enum: z
		.array(z.union([z.string(), z.number(), z.boolean()]))
		.min(1)
		.optional(),
};

/** What a parameter may be, by its `type`. A list's items are scalars. */
export const fieldSchemas = {
	string: z.strictObject({
		type: z.literal("string"),
		...fieldCommon,
		minLength: count(1_000_000, 0).optional(),
		maxLength: count(1_000_000, 0).optional(),
		pattern: z.string().optional(),
	}),
	integer: z.strictObject({
		type: z.literal("integer"),
		...fieldCommon,
		...numberKeys,
	}),
	number: z.strictObject({
		type: z.literal("number"),
		...fieldCommon,
		...numberKeys,
	}),
	boolean: z.strictObject({ type: z.literal("boolean"), ...fieldCommon }),
	array: z.strictObject({
		type: z.literal("array"),
		description: z.string().optional(),
		default: z.array(z.unknown()).optional(),
		items: z.record(z.string(), z.unknown()),
		minItems: count(100_000, 0).optional(),
		maxItems: count(100_000, 0).optional(),
		uniqueItems: flag.optional(),
	}),
} as const;

/** What `proxy` holds where more is to be said than where to. */
export const proxySchema = z.strictObject({
	to: templateText.meta({
		description:
			"Required. Where requests go: `<upstream>/<path>`. A last `{rest*}` is the rest of the client's path, percent-encoded as it came; a `${…}` stays within its segment.",
		example: "to: users/files",
	} satisfies KeyMeta),
	pass: key(z.array(text, { error: "a list of header names" }), {
		description:
			"Header fields that pass besides those that always do, both ways: `authorization`, `cookie`, `set-cookie` and whatever else the two sides agreed on.",
		example: "pass: [authorization]",
	}),
	query: key(templates, {
		description:
			"Query parameters of the call, instead of all of the client's. Without it the client's go along, but for those the upstream has of its own.",
		example: 'query: { version: "2" }',
	}),
	headers: key(templates, {
		description:
			"Header fields of the call. They replace the client's of the same name, as the upstream's own do.",
		example: 'headers: { x-client-ip: "${request.ip}" }',
	}),
	cache: key(flag, {
		description:
			"`true`: answers to GET are kept by the upstream's `cache`, while they are passed on, and given from it.",
		example: "cache: true",
		default: "false",
	}),
	idle: key(duration, {
		description:
			"How long the answer's body may stand still, whoever keeps it waiting; then the client's connection is cut. Until the answer's head is there, `deadline` and the upstream's `timeout` hold.",
		example: "idle: 5m",
		default: "60s",
	}),
});

export const routeSchema = z.strictObject({
	summary: key(text, {
		description: "One line for people: what the route answers.",
		example: "summary: A user with the orders of this year",
	}),
	request: key(requestSchema, {
		description:
			"What the client may send. Reading what is not declared here is an error at load; what else arrives is ignored.",
		example: "request:\n  query:\n    city: { type: string, maxLength: 80 }",
	}),
	deadline: key(duration, {
		description:
			"The time of the whole route, from the request's arrival. At the deadline running calls are aborted and their steps fail.",
		example: "deadline: 3s",
		default: "10s",
	}),
	calls: key(count(bounds.calls), {
		description:
			"How many upstream calls one request may make; beyond it `limit_exceeded`.",
		example: "calls: 20",
		default: "200",
	}),
	rateLimit: key(rateLimitSchema, {
		description:
			"How often clients may ask for this route, besides the `rateLimit` of the gateway; beyond it 429 `too_many_requests`.",
		example: "rateLimit: { limit: 10, per: 1m }",
	}),
	proxy: key(
		z.union([templateText, z.record(z.string(), z.unknown())], {
			error: "`<upstream>/<path>`, or a map with `to`",
		}),
		{
			description:
				"Passes requests on and answers back, streamed and unparsed, instead of `steps`: `<upstream>/<path>`, or a map with `to` and what follows here.",
			example: "proxy: users/files",
		},
	),
	steps: key(z.record(z.string(), z.unknown(), { error: "a map of steps" }), {
		description:
			"The steps by name. Each starts as soon as what it reads is there.",
		example: "steps:\n  user:\n    get: users/users/7",
	}),
	respond: key(template, {
		description:
			"The answer's body. Without it the only step's value; with several steps it is required.",
		example: "respond: { user: 7, active: true }",
	}),
	status: key(template, {
		description:
			"The answer's status: a number from 200 to 599, or an expression of one.",
		example: "status: 201",
		default: "200",
	}),
	headers: key(templates, {
		description:
			"The answer's header fields; a list repeats a field. With a `content-type` other than JSON, `respond` must be a text or bytes.",
		example: "headers: { cache-control: max-age=60 }",
	}),
});

const stepWaits = {
	when: key(template, {
		description:
			"The step (or the item) is skipped where this is false or null: to its readers it is null, and the answer is still complete.",
		example: "when: ${query.verbose}",
	}),
	after: key(z.array(z.string()), {
		description:
			"Steps that must have ended before this one, however they ended.",
		example: "after: [first]",
	}),
};

const stepCommon = {
	...stepWaits,
	each: key(template, {
		description:
			"A list: the step runs once per item, concurrently, and its value is the list of results, in the list's order.",
		example: "each: ${query.ids}",
	}),
	as: key(text, {
		description: "The name of the item in this step, instead of `item`.",
		example: "each: ${query.ids}\nas: id",
	}),
	parallel: key(count(bounds.parallel), {
		description: "How many items run at once within one request.",
		example: "each: ${query.ids}\nparallel: 4",
		default: "16",
	}),
	max: key(count(bounds.max), {
		description:
			"The longest list; beyond it `limit_exceeded`, with 400 where the list is the client's.",
		example: "each: ${query.ids}\nmax: 20",
		default: "100",
	}),
	within: key(duration, {
		description:
			"The time of everything this step does, all items included; then it fails with `upstream_timeout`.",
		example: "within: 800ms",
	}),
	fallback: key(template, {
		description:
			"The value where the step (or the item) fails; the answer is then marked partial. A step it reads is waited for only then.",
		example: "fallback: null",
	}),
	optional: key(flag, {
		description:
			"`true`: where the step (or the item) fails it is null, and the answer is marked partial.",
		example: "optional: true",
		default: "false",
	}),
};

const target = templateText.meta({
	description:
		"The call: `<upstream>/<path>`. A `${…}` in the path stays within its segment, encoded.",
	example: "get: users/users/${query.id}",
} satisfies KeyMeta);

const bodies = {
	body: key(template, {
		description: "The body, sent as JSON.",
		example: 'post: users/search\nbody: { name: "${query.name}" }',
	}),
	form: key(templates, {
		description:
			"The body, sent as a form (`application/x-www-form-urlencoded`). A key that ends in `?` is left out when its value is null; a list repeats the name.",
		example: "post: users/login\nform: { user: ann, scope: [read, write] }",
	}),
	text: key(template, {
		description:
			"The body, sent as the text it is; `text/plain` unless `headers` says otherwise.",
		example:
			"post: users/soap\nheaders: { content-type: text/xml }\ntext: <user>${escapeXml(query.id)}</user>",
	}),
};

const callCommon = {
	query: key(templates, {
		description:
			"Query parameters. A key that ends in `?` is left out when its value is null; a list repeats the name.",
		example: 'query: { id: "${query.id}", "page?": "${query.page}" }',
	}),
	headers: key(templates, {
		description:
			"Header fields of the call. Nothing of the client's is sent unless it stands here, but for its `traceparent`. `accept`, `user-agent` and `content-type` have values that these replace.",
		example: 'headers: { "accept-language?": "${headers.accept_language}" }',
	}),
	answers: key(
		z.union(
			[z.record(z.string(), z.unknown()), z.array(z.int().min(100).max(599))],
			{
				error:
					"a map of statuses to values, or a list of statuses from 100 to 599",
			},
		),
		{
			description:
				"Statuses beside 2xx that are answers: a map gives the step's value, a list lets the answer go on to `pick`.",
			example: "answers: { 404: null }",
		},
	),
	expect: key(template, {
		description:
			"What must hold of an answer before `pick`: where it is false or null the step fails with `upstream_invalid`.",
		example: "expect: ${answer.errors === null}",
	}),
	decode: key(z.enum(["json", "text", "bytes"]), {
		description:
			"What the body is: JSON, a text, or bytes that only `respond` and `reply` can pass on.",
		example: "decode: text",
		default: "json",
	}),
	safe: key(flag, {
		description:
			"`true`: this call only reads, whatever its method; `false`: it may write, though its upstream is `safe`.",
		example: "post: users/search\nbody: {}\nsafe: true",
	}),
	idempotent: key(flag, {
		description:
			"`true`: sent twice this call does what it does sent once, so it may be sent again where a kept connection turns out to be closed. True of `get`, `head`, `put`, `delete` and `safe` calls anyway.",
		example: "post: users/orders\nbody: {}\nidempotent: true",
	}),
	pick: key(template, {
		description:
			"The step's value, made of `answer` (the decoded body) and `response` (`status`, `headers`). Without it the body.",
		example: "pick: ${answer.name}",
	}),
	timeout: key(duration, {
		description:
			"The bound of one attempt, instead of the upstream's `timeout`.",
		example: "timeout: 500ms",
	}),
};

/** A step is what its kind key makes it. */
export const stepSchemas = {
	get: z.strictObject({ get: target, ...callCommon, ...stepCommon }),
	head: z.strictObject({ head: target, ...callCommon, ...stepCommon }),
	post: z.strictObject({
		post: target,
		...bodies,
		...callCommon,
		...stepCommon,
	}),
	put: z.strictObject({ put: target, ...bodies, ...callCommon, ...stepCommon }),
	patch: z.strictObject({
		patch: target,
		...bodies,
		...callCommon,
		...stepCommon,
	}),
	delete: z.strictObject({
		delete: target,
		...bodies,
		...callCommon,
		...stepCommon,
	}),
	steps: z.strictObject({
		steps: z.record(z.string(), z.unknown(), { error: "a map of steps" }).meta({
			description:
				"A group: its steps see the names around them, and end together. With `each` the whole group runs once per item.",
			example: "steps:\n  page: { get: users/page }\nvalue: ${page.items}",
		} satisfies KeyMeta),
		value: key(template, {
			description:
				"The group's value; without it an object of its steps' values.",
			example: "steps:\n  page: { get: users/page }\nvalue: ${page.items}",
		}),
		...stepCommon,
	}),
	run: z.strictObject({
		run: z
			.string({ error: "`./file.ts#function`" })
			.regex(/^[^#]+#[A-Za-z_$][\w$]*$/, { error: "`./file.ts#function`" })
			.meta({
				description:
					"A function of your own: `./file.ts#name`, called with `args` and `{ call, signal, deadline }`. The path is relative to the config.",
				example: "run: ./score.ts#score\nargs: { id: 7 }",
			} satisfies KeyMeta),
		args: key(template, {
			description: "What the function is called with first.",
			example: "run: ./score.ts#score\nargs: { id: 7 }",
		}),
		worker: key(flag, {
			description:
				"`true`: the function runs on a thread of the `pool`, so that computing does not keep the gateway from answering. It is ended when nobody waits for it any more, whatever it does.",
			example: "run: ./score.ts#score\nworker: true\nwithin: 500ms",
			default: "false",
		}),
		...stepCommon,
	}),
	reply: z.strictObject({
		reply: z
			.strictObject({
				status: template.optional(),
				headers: templates.optional(),
				body: template.optional(),
			})
			.meta({
				description:
					"Ends the run with this answer as soon as `when` holds: what is still running is aborted. Stands at route level; the route's `headers` do not apply.",
				example:
					"when: ${first === null}\nreply: { status: 404, body: { error: no such user } }",
			} satisfies KeyMeta),
		...stepWaits,
	}),
	value: z.strictObject({
		value: template.meta({
			description: "The step's value: a template, and no call.",
			example: "value: ${query.ids.length}",
		} satisfies KeyMeta),
		...stepCommon,
	}),
} as const;

export type StepKind = keyof typeof stepSchemas;
export const stepKinds = Object.keys(stepSchemas) as StepKind[];
