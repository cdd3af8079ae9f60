import { answerFieldsRefused, callFieldsRefused } from "../core/http/fields.ts";
import type { CallMethod } from "../core/http/method.ts";
import type { Template } from "../expression/template.ts";
import type { FaultOfSchema } from "./body-schema.ts";
import type {
	AnswersConfig,
	BodyConfig,
	CallConfig,
	EachConfig,
	GroupConfig,
	ReplyConfig,
	RunConfig,
	StepConfig,
	UpstreamConfig,
	UserFunction,
} from "./config.ts";
import { checkGraph, readsIn } from "./graph.ts";
import type { Defaults } from "./keys/defaults.ts";
import {
	faultOfName,
	unknownAmong,
	unknownUpstream,
	withNames,
	withSteps,
} from "./names.ts";
import type { Problem } from "./problem.ts";
import {
	nothing,
	type Reader,
	readHeaders,
	readParameters,
	readStatus,
	readTarget,
	readTemplate,
	readTextBody,
} from "./read-template.ts";
import { type StepKind, stepKinds, stepSchemas } from "./schema.ts";
import {
	checkShape,
	durationAt,
	entryOf,
	numberAt,
	placeOfKey,
	plainOf,
	textAt,
} from "./shape.ts";
import type { EntrySource, MapSource, Source } from "./source.ts";
import { effectsOf } from "./steps/call.ts";

/** What a route's parts are checked against. */
export interface RouteContext {
	readonly upstreams: readonly UpstreamConfig[];
	readonly defaults: Defaults;
	readonly problems: Problem[];
	readonly faultOfSchema: FaultOfSchema;
	/** Takes the functions that steps name. */
	readonly references: Reference[];
}

/** A function that a step runs. */
export interface Reference {
	/** `./score.ts#score`, or a name of its own for a function of the config itself. */
	readonly name: string;
	readonly at: number;
	/** Null: to be loaded, by its name. */
	readonly call: UserFunction | null;
	/** Whether it runs on a thread. */
	readonly worker: boolean;
}

export interface StepsContext extends RouteContext {
	/** The names these steps see, their own included. */
	readonly reader: Reader;
	/** How many groups are around them. */
	readonly depth: number;
}

export interface CheckedSteps {
	readonly steps: readonly { readonly step: StepConfig; readonly at: number }[];
	/** False where a step could not be read: it may be the missing reader of another. */
	readonly complete: boolean;
}

/** Groups deeper than this are a mistake, or an attack on the checker. */
const depthMax = 8;

/** The steps of a route or a group, in the order of the config; those that cannot be read are left out. */
export function checkSteps(
	entries: readonly EntrySource[],
	context: StepsContext,
): CheckedSteps {
	const steps = entries.flatMap((entry) => {
		const message = faultOfName(entry.key);
		if (message) context.problems.push({ at: entry.at, message });
		const step = checkStep(entry, context);
		return step ? [{ step, at: entry.at }] : [];
	});
	return { steps, complete: steps.length === entries.length };
}

/** Null where nothing sensible can be said of what the step was meant to be. */
function checkStep(
	{ key: name, at, value: source }: EntrySource,
	context: StepsContext,
): StepConfig | null {
	const { problems } = context;
	if (source.kind !== "map") {
		problems.push({
			at,
			message: `a step is a map: one of ${kindList} and what belongs to it`,
		});
		return null;
	}
	const kind = kindOf(source, problems);
	if (kind === null) return null;
	checkShape(stepSchemas[kind], withNamedFunction(source), {
		what: `a \`${kind}\` step`,
		problems,
		hintFor: (key) => hintForKey(key, kind),
	});
	const each = checkEach(source, context);
	const inner = each ? [each.as, "index"] : [];
	const reader = {
		...context.reader,
		names: withNames(context.reader.names, inner),
	};
	const within = { ...context, reader };
	const common = {
		name,
		when: templateAt(source, "when", reader),
		after: checkAfter(source, context),
		each,
		withinMs: durationAt(source, "within"),
		fallback: templateAt(source, "fallback", reader),
		optional: flagAt(source, "optional") ?? false,
	};
	switch (kind) {
		case "value":
			return {
				...common,
				kind,
				value: templateAt(source, "value", reader) ?? nothing,
			};
		case "steps":
			return { ...common, ...checkGroup(source, within, context.reader.names) };
		case "run":
			return { ...common, ...checkRun(source, within) };
		case "reply":
			return { ...common, ...checkReply(at, source, context) };
		default: {
			const call = checkCall(source, kind, within);
			return call && { ...common, ...call };
		}
	}
}

function templateAt(
	source: MapSource,
	key: string,
	reader: Reader,
): Template | null {
	const found = entryOf(source, key);
	return found && readTemplate(found, reader);
}

function flagAt(source: MapSource, key: string): boolean | null {
	const found = entryOf(source, key);
	return found?.kind === "scalar" && typeof found.value === "boolean"
		? found.value
		: null;
}

const kindList = stepKinds.map((kind) => `\`${kind}\``).join(", ");

function kindOf(source: MapSource, problems: Problem[]): StepKind | null {
	const kinds = source.entries.filter(({ key }) => isKind(key));
	// A group has a `value` of its own.
	const isGroup = kinds.some(({ key }) => key === "steps");
	const [first, second] = isGroup
		? kinds.filter(({ key }) => key !== "value")
		: kinds;
	if (second && first) {
		problems.push({
			at: second.at,
			message: `\`${first.key}\` and \`${second.key}\`: a step is only one of them`,
		});
	}
	if (first) return first.key as StepKind;
	const meant = source.entries.find(({ key }) => !isCommonKey(key));
	problems.push({
		at: meant?.at ?? source.at,
		message: meant
			? unknownAmong("kind of step", meant.key, stepKinds)
			: `what does this step do? It takes one of ${kindList}`,
	});
	return null;
}

function isKind(key: string): key is StepKind {
	return Object.hasOwn(stepSchemas, key);
}

/** Keys that no kind is misspelt as. */
function isCommonKey(key: string): boolean {
	return stepKinds.some((kind) => key in stepSchemas[kind].shape);
}

/** A key that belongs to another kind is told as such. */
function hintForKey(key: string, kind: StepKind): string | null {
	if (isKind(key)) return "";
	const others = stepKinds.filter((other) => key in stepSchemas[other].shape);
	if (others.length === 0) return null;
	const list = others.map((other) => `\`${other}\``).join(", ");
	return `\`${key}\` does not belong to a \`${kind}\` step: only to ${list}`;
}

function checkEach(
	source: MapSource,
	{ reader, defaults, problems }: StepsContext,
): EachConfig | null {
	const list = entryOf(source, "each");
	if (list === null) {
		for (const { key, at } of source.entries) {
			if (!["as", "parallel", "max"].includes(key)) continue;
			problems.push({
				at,
				message: `\`${key}\` does nothing without \`each\``,
			});
		}
		return null;
	}
	const as = textAt(source, "as") ?? "item";
	const message = faultOfItemName(as, reader);
	if (message) {
		problems.push({ at: (entryOf(source, "as") ?? source).at, message });
	}
	return {
		list: readTemplate(list, reader),
		as,
		parallel: numberAt(source, "parallel") ?? defaults.parallel,
		max: numberAt(source, "max") ?? defaults.max,
	};
}

function faultOfItemName(as: string, { names }: Reader): string | null {
	if (as === "item") {
		return names.has("item")
			? "an `each` inside another needs a name of its own for its item: write `as`"
			: null;
	}
	const fault = faultOfName(as);
	if (fault) return fault;
	return names.has(as)
		? `\`${as}\` means something else here: take another`
		: null;
}

function checkAfter(
	source: MapSource,
	{ reader, problems }: StepsContext,
): readonly string[] {
	const after = entryOf(source, "after");
	if (after?.kind !== "list") return [];
	const known = [...(reader.names.get("missing") ?? [])];
	return after.items.flatMap((item) => {
		const name = plainOf(item);
		if (typeof name !== "string") return [];
		if (known.includes(name)) return [name];
		problems.push({ at: item.at, message: unknownAmong("step", name, known) });
		return [];
	});
}

function checkCall(
	source: MapSource,
	kind: "get" | "head" | "post" | "put" | "patch" | "delete",
	context: StepsContext,
): Omit<CallConfig, keyof StepCommonKeys> | null {
	const { reader } = context;
	const answerReader = {
		...reader,
		names: withNames(reader.names, ["answer", "response"]),
	};
	const target = checkTarget(source, kind, context);
	const call = {
		kind: "call" as const,
		method: kind.toUpperCase() as CallMethod,
		query: readParameters(entryOf(source, "query"), reader),
		headers: readHeaders(entryOf(source, "headers"), reader, callFieldsRefused),
		body: checkBody(source, reader),
		answers: checkAnswers(entryOf(source, "answers"), answerReader),
		expect: templateAt(source, "expect", answerReader),
		pick: templateAt(source, "pick", answerReader),
		decode: decodeOf(textAt(source, "decode")),
		timeoutMs: durationAt(source, "timeout"),
		safe: flagAt(source, "safe"),
		idempotent: flagAt(source, "idempotent"),
	};
	if (target === null) return null;
	const made = { ...call, ...target };
	return { ...made, ...effectsOf(made, context.upstreams) };
}

type StepCommonKeys = Pick<
	CallConfig,
	"name" | "when" | "after" | "each" | "withinMs" | "fallback" | "optional"
>;

function decodeOf(text: string | null): CallConfig["decode"] {
	return text === "text" || text === "bytes" ? text : "json";
}

function checkBody(source: MapSource, reader: Reader): BodyConfig | null {
	const given = source.entries.filter(({ key }) =>
		["body", "form", "text"].includes(key),
	);
	const [first, second] = given;
	if (first && second) {
		reader.problems.push({
			at: second.at,
			message: `\`${first.key}\` and \`${second.key}\`: a call has one body`,
		});
	}
	if (first === undefined) return null;
	if (first.key === "form") {
		return { kind: "form", fields: readParameters(first.value, reader) };
	}
	if (first.key === "text") {
		return { kind: "text", value: readTextBody(first.value, reader) };
	}
	return { kind: "json", value: readTemplate(first.value, reader) };
}

function checkTarget(
	source: MapSource,
	kind: StepKind,
	{ reader, upstreams, problems }: StepsContext,
): ReturnType<typeof readTarget> {
	const at = entryOf(source, kind)?.at ?? placeOfKey(source, kind);
	const target = readTarget(entryOf(source, kind) ?? source, reader);
	if (target === null) return null;
	const known = upstreams.map(({ name }) => name);
	if (!known.includes(target.upstream)) {
		problems.push({
			at,
			message: unknownUpstream(target.upstream, known),
		});
	}
	return target;
}

function checkAnswers(
	source: Source | null,
	reader: Reader,
): AnswersConfig | null {
	if (source?.kind === "list") {
		return {
			kind: "statuses",
			statuses: source.items.map(plainOf) as number[],
		};
	}
	if (source?.kind !== "map") return null;
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

function checkRun(
	source: MapSource,
	{ reader, references, problems }: StepsContext,
): Pick<RunConfig, "kind" | "reference" | "args" | "worker"> {
	const found = entryOf(source, "run");
	const at = found?.at ?? source.at;
	const given = found?.kind === "function" && found.inputs === null;
	const call = given ? (found.call as UserFunction) : null;
	const name = call
		? nameOfFunction(call, references)
		: (textAt(source, "run") ?? "");
	const worker = flagAt(source, "worker") ?? false;
	if (worker && call) {
		problems.push({
			at: placeOfKey(source, "worker"),
			message:
				"a function itself cannot go to a thread: write `run: ./file.ts#function`",
		});
	}
	references.push({ name, at, call, worker });
	return {
		kind: "run",
		reference: name,
		args: templateAt(source, "args", reader),
		worker,
	};
}

/** A function's own name, numbered where another one has it. */
function nameOfFunction(
	call: UserFunction,
	references: readonly Reference[],
): string {
	const same = references.find((reference) => reference.call === call);
	if (same) return same.name;
	const name = call.name || "function";
	const taken = new Set(references.map((reference) => reference.name));
	let free = name;
	for (let number = 2; taken.has(free); number++) free = `${name}-${number}`;
	return free;
}

/** The shape of a `run` step is that of one which names its function. */
function withNamedFunction(source: MapSource): MapSource {
	const entries = source.entries.map((entry) => {
		const { key, value } = entry;
		if (key !== "run" || value.kind !== "function" || value.inputs)
			return entry;
		const text = "./config#function";
		const named = { kind: "scalar", at: value.at, value: text, text } as const;
		return { ...entry, value: { ...named, placeOf: () => value.at } };
	});
	return { ...source, entries };
}

/** `outer` are the names around the group, which those inside must differ from. */
function checkGroup(
	source: MapSource,
	context: StepsContext,
	outer: Reader["names"],
): Pick<GroupConfig, "kind" | "steps" | "value"> {
	const { problems, reader, depth } = context;
	const found = entryOf(source, "steps");
	const entries = found?.kind === "map" ? found.entries : [];
	if (depth >= depthMax) {
		problems.push({
			at: source.at,
			message: `groups stand in each other at most ${depthMax} deep`,
		});
		return { kind: "group", steps: [], value: null };
	}
	for (const { key, at } of entries) {
		if (!outer.has(key) && !reader.names.has(key)) continue;
		problems.push({
			at,
			message: `\`${key}\` means something else around this group: take another name`,
		});
	}
	const names = withSteps(
		reader.names,
		entries.map(({ key }) => key),
	);
	const inner = { ...reader, names };
	const { steps, complete } = checkSteps(entries, {
		...context,
		reader: inner,
		depth: depth + 1,
	});
	const value = templateAt(source, "value", inner);
	const read = value
		? readsIn([value])
		: new Set(entries.map(({ key }) => key));
	const { misread } = reader;
	checkGraph({ steps, complete, read, misread }, problems);
	return { kind: "group", steps: steps.map(({ step }) => step), value };
}

function checkReply(
	at: number,
	source: MapSource,
	{ reader, depth, problems }: StepsContext,
): Pick<ReplyConfig, "kind" | "status" | "headers" | "body"> {
	if (depth > 0) {
		problems.push({
			at,
			message: "a `reply` stands at route level, in no group",
		});
	}
	const answer = entryOf(source, "reply");
	return {
		kind: "reply",
		status: readStatus(entryOf(answer, "status"), reader),
		headers: readHeaders(
			entryOf(answer, "headers"),
			reader,
			answerFieldsRefused,
		),
		body:
			(answer?.kind === "map" && templateAt(answer, "body", reader)) || nothing,
	};
}
