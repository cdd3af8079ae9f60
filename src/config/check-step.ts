import { allRead } from "../core/all-read.ts";
import type { CallMethod } from "../core/http/method.ts";
import type { FaultOfSchema } from "./body-schema.ts";
import type {
	CallConfig,
	EachConfig,
	GroupConfig,
	ReplyConfig,
	RunConfig,
	StepCommon,
	StepConfig,
	UpstreamConfig,
	UserFunction,
	ValueConfig,
} from "./config.ts";
import { checkGraph, readsIn } from "./graph.ts";
import type { Defaults } from "./keys/defaults.ts";
import type { ReadOf } from "./keys/section.ts";
import {
	type StepKind,
	type StepReading,
	stepKeys,
	stepKinds,
} from "./keys/steps.ts";
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
	readTarget,
	type Target,
} from "./read-template.ts";
import { entryOf, type Judged, placeOfKey } from "./shape.ts";
import type { EntrySource, MapSource, Source } from "./source.ts";
import { effectsOf } from "./steps/call.ts";

/** The context for checking a route's parts. */
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
	/** Null if it is to be loaded by its name. */
	readonly call: UserFunction | null;
	/** Whether it runs on a thread. */
	readonly worker: boolean;
}

export interface StepsContext extends RouteContext {
	/** The names that these steps see, their own included. */
	readonly reader: Reader;
	/** How many groups are around them. */
	readonly depth: number;
}

export interface CheckedSteps {
	readonly steps: readonly { readonly step: StepConfig; readonly at: number }[];
	/** False if a step could not be read: it may be the missing reader of another. */
	readonly complete: boolean;
}

/** Groups deeper than this are a mistake, or an attack on the checker. */
const depthMax = 8;

/** The steps of a route or a group, in the order of the config. Steps that cannot be read are left out. */
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

/** A step's map, with the context for reading it. */
interface StepSource {
	readonly name: string;
	/** The offset of the name. */
	readonly at: number;
	readonly source: MapSource;
	readonly judged: Judged;
	readonly reading: StepReading & { readonly defaults: Defaults };
	readonly context: StepsContext;
}

/** Null if it is not clear which kind of step was meant. */
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
	const judged = {
		what: `a \`${kind}\` step`,
		problems,
		hintFor: (key: string) => hintForKey(key, kind),
	};
	const reading = readingOf(source, kind, context);
	const step = { name, at, source, judged, reading, context };
	switch (kind) {
		case "value":
			return checkValue(step);
		case "steps":
			return checkGroup(step);
		case "run":
			return checkRun(step);
		case "reply":
			return checkReply(step);
		default:
			return checkCall(step, kind);
	}
}

/** The names that a step may read, by where in it they are read. They are known before the step itself is read. */
function readingOf(
	source: MapSource,
	kind: StepKind,
	{ reader: around, defaults }: StepsContext,
): StepSource["reading"] {
	const item = entryOf(source, "each") !== null;
	const names = item
		? withNames(around.names, [itemNameOf(source), "index"])
		: around.names;
	const inner = kind === "steps" ? entriesAt(source, "steps") : [];
	return {
		around,
		reader: { ...around, names },
		answer: { ...around, names: withNames(names, ["answer", "response"]) },
		inside: {
			...around,
			names: withSteps(
				names,
				inner.map(({ key }) => key),
			),
		},
		defaults,
	};
}

function itemNameOf(source: MapSource): string {
	const as = entryOf(source, "as");
	return as?.kind === "scalar" && typeof as.value === "string"
		? as.value
		: "item";
}

function entriesAt(source: MapSource, key: string): readonly EntrySource[] {
	const found = entryOf(source, key);
	return found?.kind === "map" ? found.entries : [];
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
	return Object.hasOwn(stepKeys, key);
}

/** Keys that cannot be a misspelt kind. */
function isCommonKey(key: string): boolean {
	return stepKinds.some((kind) => key in stepKeys[kind].keys);
}

/** For a key of another kind the message says so. */
function hintForKey(key: string, kind: StepKind): string | null {
	if (isKind(key)) return "";
	const others = stepKinds.filter((other) => key in stepKeys[other].keys);
	if (others.length === 0) return null;
	const list = others.map((other) => `\`${other}\``).join(", ");
	return `\`${key}\` does not belong to a \`${kind}\` step: only to ${list}`;
}

/** The common keys of every kind of step except a reply, as read. */
type CommonRead = Omit<ReadOf<(typeof stepKeys.value)["keys"]>, "value">;

/** The keys of `each` become one value. */
function commonOf(
	{ each, as, parallel, max, ...others }: CommonRead,
	{ name, source, context }: StepSource,
): StepCommon {
	return {
		name,
		...others,
		each:
			each === null
				? noEach(source, context.problems)
				: { list: each, as: checkItemName(as, source, context), parallel, max },
	};
}

function noEach(source: MapSource, problems: Problem[]): EachConfig | null {
	for (const { key, at } of source.entries) {
		if (!["as", "parallel", "max"].includes(key)) continue;
		const message = `\`${key}\` does nothing without \`each\``;
		problems.push({ at, message });
	}
	return null;
}

function checkItemName(
	as: string | null,
	source: MapSource,
	{ reader, problems }: StepsContext,
): string {
	const name = as ?? "item";
	const message = faultOfItemName(name, reader);
	if (message) {
		problems.push({ at: (entryOf(source, "as") ?? source).at, message });
	}
	return name;
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

function checkValue(step: StepSource): ValueConfig | null {
	const read = stepKeys.value.read(step.source, step.judged, step.reading);
	if (read === undefined) return null;
	const { value, ...common } = read;
	return { ...commonOf(common, step), kind: "value", value };
}

const reads = ["get", "head"] as const;
type Reads = (typeof reads)[number];
type CallKind = Exclude<StepKind, "value" | "steps" | "run" | "reply">;

function isReads(kind: CallKind): kind is Reads {
	return (reads as readonly CallKind[]).includes(kind);
}

function checkCall(step: StepSource, kind: CallKind): CallConfig | null {
	const { source, judged, reading, context } = step;
	const read = isReads(kind)
		? withoutBody(stepKeys[kind].read(source, judged, reading))
		: stepKeys[kind].read(source, judged, reading);
	if (read === undefined) return null;
	const { target: written, body, form, text, ...others } = read;
	const { each, as, parallel, max, ...call } = others;
	const target = checkTarget(written, reading.reader, context);
	refuseTwoBodies(source, context.problems);
	const common = commonOf({ each, as, parallel, max, ...call }, step);
	if (target === null) return null;
	const method = kind.toUpperCase() as CallMethod;
	const made = { ...call, ...common, ...target, method };
	return {
		...made,
		...effectsOf(made, context.upstreams),
		kind: "call",
		body: body ?? form ?? text,
	};
}

type ReadOfReads = ReturnType<(typeof stepKeys)[Reads]["read"]>;

function withoutBody(read: ReadOfReads) {
	return read && { ...read, body: null, form: null, text: null };
}

function refuseTwoBodies(source: MapSource, problems: Problem[]): void {
	const [first, second] = source.entries.filter(({ key }) =>
		["body", "form", "text"].includes(key),
	);
	if (first === undefined || second === undefined) return;
	problems.push({
		at: second.at,
		message: `\`${first.key}\` and \`${second.key}\`: a call has one body`,
	});
}

function checkTarget(
	source: Source,
	reader: Reader,
	{ upstreams, problems }: StepsContext,
): Target | null {
	const target = readTarget(source, reader);
	if (target === null) return null;
	const known = upstreams.map(({ name }) => name);
	if (!known.includes(target.upstream)) {
		problems.push({
			at: source.at,
			message: unknownUpstream(target.upstream, known),
		});
	}
	return target;
}

function checkRun(step: StepSource): RunConfig | null {
	const { source, judged, reading, context } = step;
	const read = stepKeys.run.read(source, judged, reading);
	if (read === undefined) return null;
	const { run, args, worker, ...common } = read;
	const { references, problems } = context;
	const { call } = run;
	const name = call ? nameOfFunction(call, references) : run.name;
	if (worker && call) {
		problems.push({
			at: placeOfKey(source, "worker"),
			message:
				"a function itself cannot go to a thread: write `run: ./file.ts#function`",
		});
	}
	const { at } = entryOf(source, "run") ?? source;
	references.push({ name, at, call, worker });
	return {
		...commonOf(common, step),
		...{ kind: "run", reference: name, args, worker },
	};
}

/** A function's own name, with a number if another one has the same name. */
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

function checkGroup(step: StepSource): GroupConfig | null {
	const { source, judged, reading, context } = step;
	const read = stepKeys.steps.read(source, judged, reading);
	if (read === undefined) return null;
	const { steps: _, value, ...own } = read;
	const common = commonOf(own, step);
	const { problems, depth } = context;
	if (depth >= depthMax) {
		problems.push({
			at: source.at,
			message: `groups stand in each other at most ${depthMax} deep`,
		});
		return { ...common, kind: "group", steps: [], value: null };
	}
	const entries = entriesAt(source, "steps");
	for (const { key, at } of entries) {
		if (!reading.reader.names.has(key)) continue;
		problems.push({
			at,
			message: `\`${key}\` means something else around this group: take another name`,
		});
	}
	const inner = { ...context, reader: reading.inside, depth: depth + 1 };
	const { steps, complete } = checkSteps(entries, inner);
	const readLast = value
		? readsIn([value])
		: new Set(entries.map(({ key }) => key));
	const { misread } = reading.inside;
	checkGraph({ steps, complete, read: readLast, misread }, problems);
	return {
		...common,
		...{ kind: "group", steps: steps.map(({ step }) => step), value },
	};
}

function checkReply(step: StepSource): ReplyConfig | null {
	const { name, at, source, judged, reading, context } = step;
	const read = stepKeys.reply.read(source, judged, reading);
	if (read === undefined) return null;
	if (context.depth > 0) {
		const message = "a `reply` stands at route level, in no group";
		context.problems.push({ at, message });
	}
	const { reply, ...waits } = read;
	const { status, headers, body, ...unread } = reply;
	allRead(unread);
	return {
		...{ name, ...waits },
		...{ each: null, withinMs: null, fallback: null, optional: false },
		...{ kind: "reply", status, headers, body: body ?? nothing },
	};
}
