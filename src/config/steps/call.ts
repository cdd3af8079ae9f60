import { faultOfAccepted } from "../../core/body/codings.ts";
import type { CallMethod } from "../../core/http/method.ts";
import { printNamed, printTemplate } from "../../expression/print.ts";
import type { NamedTemplates } from "../../expression/template.ts";
import { checkTarget } from "../check-target.ts";
import { refuseOwnCredentials } from "../check-upstream-auth.ts";
import type { Written } from "../keys/input.ts";
import { key } from "../keys/key.ts";
import { flag } from "../keys/kinds.ts";
import { type ReadOf, section } from "../keys/section.ts";
import type { Problem } from "../problem.ts";
import { entryOf, placeOfKey } from "../shape.ts";
import type { MapSource } from "../source.ts";
import { answers, printAnswers, templatesOfAnswers } from "./answers.ts";
import {
	commonKeys,
	commonOf,
	conditionReadBy,
	type StepCommon,
	type StepSource,
	templateReadBy,
} from "./common.ts";
import { decode, printDecode } from "./decode.ts";
import { onlyCommonKeys, readsOfAll, type StepKind } from "./kind.ts";
import { readsOfRepeat, repeatKey } from "./repeat.ts";
import {
	bodyKeys,
	effectsOf,
	printBody,
	printCallTarget,
	readsOfRequest,
	refuseTwoBodies,
	requestKeys,
	type SentConfig,
	target,
} from "./sent.ts";
import {
	checkUndo,
	printUndo,
	readsOfUndo,
	type UndoConfig,
	undoKeys,
} from "./undo.ts";

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
		| "undo"
	> &
	SentConfig & {
		readonly kind: "call";
		/** The call that takes it back; null if there is none. */
		readonly undo: UndoConfig | null;
	};

const templateOfAnswer = templateReadBy<Written<"answer">>(
	({ answer }) => answer,
);

const conditionOfAnswer = conditionReadBy<Written<"answer">>(
	({ answer }) => answer,
);

export const sentKeys = {
	query: requestKeys.query,
	headers: requestKeys.headers,
	answers: key(answers, {
		description:
			"Statuses beside 2xx that are answers: numbers, classes (`4xx`), or `any` for all others. A map gives the step's value. A list lets the answer go on to `pick`.",
		example: "answers: { 404: null, 4xx: refused }",
	}),
	expect: key(conditionOfAnswer, {
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
	idempotent: requestKeys.idempotent,
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
	timeout: requestKeys.timeout,
};

export const callKeys = {
	get: section({ get: target, ...sentKeys, ...commonKeys }),
	head: section({ head: target, ...sentKeys, ...commonKeys }),
	post: section({
		post: target,
		...bodyKeys,
		...sentKeys,
		...undoKeys,
		...commonKeys,
	}),
	put: section({
		put: target,
		...bodyKeys,
		...sentKeys,
		...undoKeys,
		...commonKeys,
	}),
	patch: section({
		patch: target,
		...bodyKeys,
		...sentKeys,
		...undoKeys,
		...commonKeys,
	}),
	delete: section({
		delete: target,
		...bodyKeys,
		...sentKeys,
		...undoKeys,
		...commonKeys,
	}),
};

export const call: StepKind<CallConfig> = {
	keys: callKeys,
	check,
	readsFirst: (step) => [
		...readsOfRequest(step),
		...readsOfUndo(step.undo, step.name),
	],
	readsLater: ({ expect, pick, answers, repeat }) => [
		...readsOfAll([expect, pick, ...templatesOfAnswers(answers)]),
		...readsOfRepeat(repeat),
	],
	writes: ({ write }) => (write ? "surely" : "never"),
	repeatable: ({ repeatable }) => repeatable,
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
	const { repeatable: _1, undo, ...ofEveryStep } = rest;
	onlyCommonKeys(ofEveryStep);
	return {
		call: printCallTarget({ method, upstream, path }),
		write: write || null,
		query: printNamed(query),
		headers: printNamed(headers),
		body: body && printBody(body),
		answers: answers && printAnswers(answers),
		expect: expect && printTemplate(expect),
		pick: pick && { value: printTemplate(pick) },
		decode: printDecode(decode),
		keepBody: keepBody || null,
		timeoutMs,
		safe,
		idempotent,
		undo: undo && printUndo(undo),
	};
}

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
	const { target: written, body, form, text, bytes, ...rest } = read;
	const { undo, ...others } = rest;
	const { each, as, parallel, max, enough, ...call } = others;
	const target = checkTarget(written, reading.reader, context);
	refuseTwoBodies(source, context.problems);
	refuseCodings(source, call.headers, context.problems);
	refuseUnreadBody(source, call, context.problems);
	const common = commonOf({ each, as, parallel, max, enough, ...call }, step);
	if (target === null) return null;
	refuseOwnCredentials(source, target.upstream, context);
	const method = kind.toUpperCase() as CallMethod;
	const made = { ...call, ...common, ...target, method };
	const effects = effectsOf(made, context.upstreams);
	if (undo !== null && !effects.write) {
		const message = "`undo` belongs to a call that writes, and this one reads";
		context.problems.push({ at: placeOfKey(source, "undo"), message });
	}
	return {
		...made,
		...effects,
		kind: "call",
		undo: undo && checkUndo(undo, step),
		body: body ?? form ?? text ?? bytes,
	};
}

type ReadOfReads = ReturnType<(typeof callKeys)[Reads]["read"]>;

function withoutBody(read: ReadOfReads) {
	const none = { body: null, form: null, text: null, bytes: null };
	return read && { ...read, ...none, undo: null };
}

function refuseCodings(
	source: MapSource,
	headers: NamedTemplates,
	problems: Problem[],
): void {
	// Such a map may not have the field.
	if ("all" in headers) return;
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
