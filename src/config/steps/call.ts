import { isIdempotent, isSafe } from "../../core/http/method.ts";
import type { Read } from "../../expression/parse.ts";
import {
	printEntries,
	printParts,
	printTemplate,
} from "../../expression/print.ts";
import type { Template } from "../../expression/template.ts";
import type {
	AnswersConfig,
	BodyConfig,
	CallConfig,
	PathSegment,
	UpstreamConfig,
} from "../config.ts";
import { readsOfAll, type Traits, valuesOf } from "./traits.ts";

export const call: Traits<CallConfig> = {
	readsFirst: ({ path, query, headers, body }) => [
		...readsOfAll(valuesOf(query)),
		...readsOfAll(valuesOf(headers)),
		...readsOfAll(templatesOfBody(body)),
		...path.flatMap(readsOfSegment),
	],
	readsLater: ({ expect, pick, answers }) =>
		readsOfAll([expect, pick, ...templatesOfAnswers(answers)]),
	hasEffect: ({ write }) => write,
	longestMs: (step, { callMs }) => callMs(step),
	free: false,
	repeats: true,
	endsRun: false,
	print: (step) => ({
		call: printCallTarget(step),
		write: step.write || null,
		query: printEntries(step.query),
		headers: printEntries(step.headers),
		body: step.body && printBody(step.body),
		answers: step.answers && printAnswers(step.answers),
		expect: step.expect && printTemplate(step.expect),
		pick: step.pick && { value: printTemplate(step.pick) },
		decode: step.decode === "json" ? null : step.decode,
		timeoutMs: step.timeoutMs,
		safe: step.safe,
		idempotent: step.idempotent,
	}),
};

function readsOfSegment(segment: PathSegment): readonly Read[] {
	if (typeof segment === "string") return [];
	return segment.flatMap((part) =>
		typeof part === "string" ? [] : part.reads,
	);
}

function templatesOfBody(body: BodyConfig | null): Template[] {
	if (body === null) return [];
	return body.kind === "form" ? valuesOf(body.fields) : [body.value];
}

function templatesOfAnswers(answers: AnswersConfig | null): Template[] {
	return answers?.kind === "values"
		? answers.values.map(({ value }) => value)
		: [];
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
	const segments = path.map((segment) =>
		typeof segment === "string" ? segment : printParts(segment),
	);
	return [upstream, ...segments].join("/");
}

function printBody(body: BodyConfig): object {
	return body.kind === "form"
		? { form: printEntries(body.fields) ?? {} }
		: { [body.kind]: printTemplate(body.value) };
}

function printAnswers(answers: AnswersConfig): object {
	if (answers.kind === "statuses") return answers.statuses;
	return Object.fromEntries(
		answers.values.map(({ status, value }) => [
			status,
			{ value: printTemplate(value) },
		]),
	);
}

/** What a call may do, by its method, its upstream and its own keys. */
export function effectsOf(
	{ method, upstream, safe, idempotent }: WrittenEffects,
	upstreams: readonly UpstreamConfig[],
): Pick<CallConfig, "write" | "repeatable"> {
	const own = upstreams.find(({ name }) => name === upstream);
	const reads = isSafe(method) || own?.safe === true;
	const write = !(safe ?? reads);
	const twice = !write || isIdempotent(method) || own?.idempotent === true;
	return { write, repeatable: idempotent ?? twice };
}

type WrittenEffects = Pick<
	CallConfig,
	"method" | "upstream" | "safe" | "idempotent"
>;
