import { z } from "zod";
import {
	answerFieldsRefused,
	callFieldsRefused,
} from "../../core/http/fields.ts";
import type { Template } from "../../expression/template.ts";
import type { AnswersConfig, BodyConfig, UserFunction } from "../config.ts";
import { unknownAmong } from "../names.ts";
import {
	type Reader,
	readParameters,
	readTemplate,
	readTextBody,
} from "../read-template.ts";
import { checkShape, plainOf } from "../shape.ts";
import type { Source } from "../source.ts";
import { bounds, inherited } from "./defaults.ts";
import { key, part } from "./key.ts";
import { asSource, type Kind, named, reading } from "./kind.ts";
import { count, duration, flag, oneOf, text } from "./kinds.ts";
import { map, section } from "./section.ts";
import {
	headerFields,
	namesToValues,
	parameters,
	type Reading,
	status,
	template,
	textTemplate,
} from "./templates.ts";

/** The readers of a step's templates, by where a template stands. `reader` sees the item of `each`, too. */
export interface StepReading extends Reading {
	/** Without the item. */
	readonly around: Reader;
	/** With the answer of the step's call. */
	readonly answer: Reader;
	/** With the steps of the step's group. */
	readonly inside: Reader;
}

function templateReadBy(
	readerOf: (reading: StepReading) => Reader,
): Kind<unknown, Template, StepReading> {
	return reading(z.unknown(), (source, context: StepReading) =>
		readTemplate(source, readerOf(context)),
	);
}

const templateAround = templateReadBy(({ around }) => around);
const templateOfAnswer = templateReadBy(({ answer }) => answer);
const templateInside = templateReadBy(({ inside }) => inside);

/** Names of steps around it. */
const after = {
	...reading(
		z.array(z.string()),
		(source, { around }: StepReading, { problems }): readonly string[] => {
			const known = [...(around.names.get("missing") ?? [])];
			const items = source.kind === "list" ? source.items : [];
			return items.flatMap((item) => {
				const name = String(plainOf(item));
				if (known.includes(name)) return [name];
				const message = unknownAmong("step", name, known);
				problems.push({ at: item.at, message });
				return [];
			});
		},
	),
	absent: () => [],
};

const parallel = inherited(
	"parallel",
	count(bounds.parallel),
	({ parallel }) => parallel,
);
const max = inherited("max", count(bounds.max), ({ max }) => max);

const jsonBody = reading<unknown, BodyConfig, Reading>(
	z.unknown(),
	(source, { reader }) => ({
		kind: "json",
		value: readTemplate(source, reader),
	}),
);
const formBody = reading<unknown, BodyConfig, Reading>(
	namesToValues,
	(source, { reader }) => ({
		kind: "form",
		fields: readParameters(source, reader),
	}),
);
const textBody = reading<unknown, BodyConfig, Reading>(
	z.unknown(),
	(source, { reader }) => ({
		kind: "text",
		value: readTextBody(source, reader),
	}),
);

const answers = reading<unknown, AnswersConfig, StepReading>(
	z.union(
		[z.record(z.string(), z.unknown()), z.array(z.int().min(100).max(599))],
		{
			error:
				"a map of statuses to values, or a list of statuses from 100 to 599",
		},
	),
	(source, { answer }) => readAnswers(source, answer),
);

function readAnswers(source: Source, reader: Reader): AnswersConfig {
	if (source.kind !== "map") {
		return { kind: "statuses", statuses: plainOf(source) as number[] };
	}
	const values = source.entries.map(({ key, at, value }) => {
		if (!/^[1-5]\d\d$/.test(key)) {
			reader.problems.push({
				at,
				message: `\`${key}\` is no status: a number from 100 to 599`,
			});
		}
		return { status: Number(key), value: readTemplate(value, reader) };
	});
	return { kind: "values", values };
}

const steps = named<object>("a map of steps");

/** Refused steps count as no steps. The rest of the group is checked all the same. */
const innerSteps: typeof steps = {
	...steps,
	take: (source, judged, context) =>
		steps.take(source, judged, context) ?? {
			kind: "map",
			at: source.at,
			entries: [],
		},
};

/** A function by its file and name. In a config of JavaScript values it may be the function itself. */
const functionReference: Kind<
	unknown,
	{ readonly name: string; readonly call: UserFunction | null }
> = {
	schema: z
		.string({ error: "`./file.ts#function`" })
		.regex(/^[^#]+#[A-Za-z_$][\w$]*$/, { error: "`./file.ts#function`" }),
	take(source, judged) {
		if (source.kind === "function" && source.inputs === null) {
			return { name: "", call: source.call as UserFunction };
		}
		const valid = checkShape(functionReference.schema, source, judged);
		return { name: valid ? String(plainOf(source)) : "", call: null };
	},
};

const replyKeys = section({
	status: part(status, { default: 200 }),
	headers: part(headerFields<unknown>(answerFieldsRefused), {}),
	body: part(template, {}),
});

/** Its keys are those of a route, which docs describe there. */
const reply = { ...map(replyKeys), keys: {} };

const waits = {
	when: key(template, {
		description:
			"The step (or the item) is skipped if this is false or null. To its readers it is null, and the answer is still complete.",
		example: "when: ${query.verbose}",
	}),
	after: key(after, {
		description:
			"Steps that must have ended before this one starts, well or not.",
		example: "after: [first]",
	}),
};

const common = {
	...waits,
	each: key(templateAround, {
		description:
			"A list. The step runs once per item, concurrently. Its value is the list of results, in the list's order.",
		example: "each: ${query.ids}",
	}),
	as: key(text, {
		description: "The name of the item in this step, instead of `item`.",
		example: "each: ${query.ids}\nas: id",
	}),
	parallel: key(parallel, {
		description: "How many items run at once within one request.",
		example: "each: ${query.ids}\nparallel: 4",
	}),
	max: key(max, {
		description:
			"The longest list. Beyond it `limit_exceeded`, with 400 if the list is the client's.",
		example: "each: ${query.ids}\nmax: 20",
	}),
	within: key(duration, {
		field: "withinMs",
		description:
			"The time of everything that this step does, all items included. Then it fails with `upstream_timeout`.",
		example: "within: 800ms",
	}),
	fallback: key(template, {
		description:
			"The value if the step (or the item) fails. Then the answer is marked partial. A step that the fallback reads is waited for only then.",
		example: "fallback: null",
	}),
	optional: key(flag, {
		description:
			"`true`: if the step (or the item) fails, it is null, and the answer is marked partial.",
		example: "optional: true",
		default: false,
	}),
};

const target = key(asSource(textTemplate), {
	field: "target",
	required: true,
	description:
		"The call: `<upstream>/<path>`. A `${…}` in the path stays within its segment, encoded.",
	example: "get: users/users/${query.id}",
});

const bodies = {
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
};

const callCommon = {
	query: key(parameters<unknown>(), {
		description:
			"Query parameters. A key that ends in `?` is left out if its value is null. A list repeats the name.",
		example: 'query: { id: "${query.id}", "page?": "${query.page}" }',
	}),
	headers: key(headerFields<unknown>(callFieldsRefused), {
		description:
			"Header fields of the call. A client's field is sent only if it stands here, except its `traceparent`. `accept`, `user-agent` and `content-type` have values that these replace.",
		example: 'headers: { "accept-language?": "${headers.accept_language}" }',
	}),
	answers: key(answers, {
		description:
			"Statuses beside 2xx that are answers. A map gives the step's value. A list lets the answer go on to `pick`.",
		example: "answers: { 404: null }",
	}),
	expect: key(templateOfAnswer, {
		description:
			"A condition that an answer must meet before `pick`. If it is false or null, the step fails with `upstream_invalid`.",
		example: "expect: ${answer.errors === null}",
	}),
	decode: key(oneOf(["json", "text", "bytes"]), {
		description:
			"The kind of the body: JSON, a text, or bytes that only `respond` and `reply` can pass on.",
		example: "decode: text",
		default: "json",
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
			"The step's value, made of `answer` (the decoded body) and `response` (`status`, `headers`). Without it the value is the body.",
		example: "pick: ${answer.name}",
	}),
	timeout: key(duration, {
		field: "timeoutMs",
		description:
			"The bound of one attempt, instead of the upstream's `timeout`.",
		example: "timeout: 500ms",
	}),
};

/** The keys of a step, by its kind. */
export const stepKeys = {
	get: section({ get: target, ...callCommon, ...common }),
	head: section({ head: target, ...callCommon, ...common }),
	post: section({
		post: target,
		...bodies,
		...callCommon,
		...common,
	}),
	put: section({ put: target, ...bodies, ...callCommon, ...common }),
	patch: section({
		patch: target,
		...bodies,
		...callCommon,
		...common,
	}),
	delete: section({
		delete: target,
		...bodies,
		...callCommon,
		...common,
	}),
	steps: section({
		steps: key(innerSteps, {
			required: true,
			description:
				"A group. Its steps see the names around them, and end together. With `each` the whole group runs once per item.",
			example: "steps:\n  page: { get: users/page }\nvalue: ${page.items}",
		}),
		value: key(templateInside, {
			description:
				"The group's value. Without it the value is an object of its steps' values.",
			example: "steps:\n  page: { get: users/page }\nvalue: ${page.items}",
		}),
		...common,
	}),
	run: section({
		run: key(functionReference, {
			required: true,
			description:
				"A function of your own: `./file.ts#name`, called with `args` and `{ call, signal, deadline }`. The path is relative to the config.",
			example: "run: ./score.ts#score\nargs: { id: 7 }",
		}),
		args: key(template, {
			description: "The function's first argument.",
			example: "run: ./score.ts#score\nargs: { id: 7 }",
		}),
		worker: key(flag, {
			description:
				"`true`: the function runs on a thread of the `pool`, so that computing does not keep the gateway from answering. The function is ended when nobody waits for it any more, whatever it does.",
			example: "run: ./score.ts#score\nworker: true\nwithin: 500ms",
			default: false,
		}),
		...common,
	}),
	reply: section({
		reply: key(reply, {
			required: true,
			description:
				"Ends the run with this answer as soon as `when` holds. Steps that still run are aborted. It stands at route level. The route's `headers` do not apply.",
			example:
				"when: ${first === null}\nreply: { status: 404, body: { error: no such user } }",
		}),
		...waits,
	}),
	value: section({
		value: key(template, {
			required: true,
			description: "The step's value: a template, and no call.",
			example: "value: ${query.ids.length}",
		}),
		...common,
	}),
} as const;

export type StepKind = keyof typeof stepKeys;
export const stepKinds = Object.keys(stepKeys) as StepKind[];
