import type { CallMethod } from "../core/messages.ts";
import type { Template } from "../expression/template.ts";
import type {
	AnswersConfig,
	Defaults,
	EachConfig,
	StepConfig,
	UpstreamConfig,
} from "./config.ts";
import { faultOfName, unknownAmong, withNames } from "./names.ts";
import type { Problem } from "./problem.ts";
import {
	callHeadersRefused,
	nothing,
	type Reader,
	readHeaders,
	readParameters,
	readTarget,
	readTemplate,
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

/** What a route's parts are checked against. */
export interface RouteContext {
	readonly upstreams: readonly UpstreamConfig[];
	readonly defaults: Defaults;
	readonly problems: Problem[];
}

interface StepContext extends RouteContext {
	readonly reader: Reader;
	/** All steps of the route. */
	readonly entries: readonly EntrySource[];
}

/** Null where nothing sensible can be said of what the step was meant to be. */
export function checkStep(
	{ key: name, at, value: source }: EntrySource,
	context: StepContext,
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
	checkShape(stepSchemas[kind], source, {
		what: `a \`${kind}\` step`,
		problems,
		hintFor: (key) => hintForKey(key, kind),
	});
	const each = checkEach(source, context);
	const inner = each ? [each.as, "index"] : [];
	const reader = { names: withNames(context.reader.names, inner), problems };
	const template = (key: string, from: Reader = reader): Template | null => {
		const found = entryOf(source, key);
		return found && readTemplate(found, from);
	};
	const common = {
		name,
		when: template("when"),
		after: checkAfter(source, context),
		each,
		withinMs: durationAt(source, "within"),
		fallback: template("fallback"),
		optional: isTrue(entryOf(source, "optional")),
	};
	if (kind === "value") {
		return { ...common, kind, value: template("value") ?? nothing };
	}
	const answerReader = {
		names: withNames(reader.names, ["answer", "response"]),
		problems,
	};
	const target = checkTarget(source, kind, reader, context);
	const call = {
		kind: "call" as const,
		method: kind.toUpperCase() as CallMethod,
		query: readParameters(entryOf(source, "query"), reader),
		headers: readHeaders(
			entryOf(source, "headers"),
			reader,
			callHeadersRefused,
		),
		body: template("body"),
		answers: checkAnswers(entryOf(source, "answers"), answerReader),
		pick: template("pick", answerReader),
		timeoutMs: durationAt(source, "timeout"),
	};
	return target && { ...common, ...call, ...target };
}

const kindList = stepKinds.map((kind) => `\`${kind}\``).join(", ");

function kindOf(source: MapSource, problems: Problem[]): StepKind | null {
	const [first, second] = source.entries.filter(({ key }) => isKind(key));
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

function isTrue(source: Source | null): boolean {
	return source?.kind === "scalar" && source.value === true;
}

function checkEach(source: MapSource, context: StepContext): EachConfig | null {
	const list = entryOf(source, "each");
	if (list === null) {
		for (const { key, at } of source.entries) {
			if (!["as", "parallel", "max"].includes(key)) continue;
			context.problems.push({
				at,
				message: `\`${key}\` does nothing without \`each\``,
			});
		}
		return null;
	}
	const as = textAt(source, "as") ?? "item";
	const taken = context.entries.some(({ key }) => key === as);
	const fault = as === "item" ? null : faultOfName(as);
	const message =
		fault ?? (taken ? `\`${as}\` is a step's name: take another` : null);
	if (message) {
		context.problems.push({
			at: (entryOf(source, "as") ?? source).at,
			message,
		});
	}
	return {
		list: readTemplate(list, context.reader),
		as,
		parallel: numberAt(source, "parallel") ?? context.defaults.parallel,
		max: numberAt(source, "max") ?? context.defaults.max,
	};
}

function checkAfter(
	source: MapSource,
	{ entries, problems }: StepContext,
): readonly string[] {
	const after = entryOf(source, "after");
	if (after?.kind !== "list") return [];
	const known = entries.map(({ key }) => key);
	return after.items.flatMap((item) => {
		const name = plainOf(item);
		if (typeof name !== "string") return [];
		if (known.includes(name)) return [name];
		problems.push({ at: item.at, message: unknownAmong("step", name, known) });
		return [];
	});
}

function checkTarget(
	source: MapSource,
	kind: StepKind,
	reader: Reader,
	{ upstreams, problems }: StepContext,
): ReturnType<typeof readTarget> {
	const at = entryOf(source, kind)?.at ?? placeOfKey(source, kind);
	const target = readTarget(entryOf(source, kind) ?? source, reader);
	if (target === null) return null;
	const known = upstreams.map(({ name }) => name);
	if (!known.includes(target.upstream)) {
		problems.push({
			at,
			message: unknownAmong("upstream", target.upstream, known),
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
