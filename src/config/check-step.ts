import type { Template } from "../expression/template.ts";
import { checkGraph, readsIn } from "./graph.ts";
import { routeKeys } from "./keys/route.ts";
import {
	faultOfName,
	unknownAmong,
	withFailure,
	withNames,
	withSteps,
} from "./names.ts";
import { insteadOfKey } from "./other-words.ts";
import { hasFault, type Problem } from "./problem.ts";
import { entryOf } from "./shape.ts";
import type { EntrySource, MapSource, Source } from "./source.ts";
import type { StepSource, StepsContext } from "./steps/common.ts";
import type { StepConfig } from "./steps/kinds.ts";
import {
	kindMadeBy,
	type StepKey,
	stepKeyNames,
	stepKeys,
} from "./steps/kinds.ts";
import { roundNames } from "./steps/repeat.ts";

export interface CheckedSteps {
	readonly steps: readonly { readonly step: StepConfig; readonly at: number }[];
	/** False if a step could not be read: it may be the missing reader of another. */
	readonly complete: boolean;
}

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

/** Null if it is not clear which kind of step was meant. */
function checkStep(
	{ key: name, at, value: source }: EntrySource,
	context: StepsContext,
): StepConfig | null {
	const { problems } = context;
	const misplaced = faultOfRouteKey(name, source);
	if (misplaced !== null) {
		problems.push({ at, message: misplaced });
		return null;
	}
	if (source.kind !== "map") {
		problems.push({ at, message: faultOfText(source) });
		return null;
	}
	const key = keyOf(source, problems);
	if (key === null) return null;
	const judged = {
		what: `a \`${key}\` step`,
		problems,
		hintFor: (other: string) => hintForKey(other, key),
	};
	const reading = readingOf(name, source, context);
	const step = { name, key, at, source, judged, reading, context, checkInside };
	return kindMadeBy(key).check(step);
}

/** A key of the route that was indented too far. Null for a step. */
function faultOfRouteKey(name: string, source: Source): string | null {
	const isRouteKey = Object.hasOwn(routeKeys.keys, name);
	const isStep =
		source.kind === "map" && source.entries.some(({ key }) => isStepKey(key));
	return isRouteKey && !isStep
		? `\`${name}\` stands beside \`steps\`, not under it: indent it less`
		: null;
}

function faultOfText(source: Source): string {
	const call = /^(?:([A-Za-z]+)\s+)?([\w-]+\/\S*)$/.exec(
		source.kind === "scalar" ? source.text : "",
	);
	if (call === null) {
		return `a step is a map: one of ${keyList} and what belongs to it`;
	}
	const [, method = "get", target] = call;
	return `a step is a map: write \`{ ${method.toLowerCase()}: ${target} }\``;
}

/** The steps of a group. They read each other, and the templates made of them do; without any all of them are read. */
function checkInside(
	entries: readonly EntrySource[],
	made: readonly (Template | null)[] | null,
	context: StepsContext,
): readonly StepConfig[] {
	const { problems } = context;
	const before = problems.length;
	const { steps } = checkSteps(entries, context);
	const complete = !hasFault(problems, before);
	const read = made ? readsIn(made) : new Set(entries.map(({ key }) => key));
	checkGraph({ steps, complete, read }, problems);
	return steps.map(({ step }) => step);
}

/** The names that a step may read, by where in it they are read. They are known before the step itself is read. */
function readingOf(
	own: string,
	source: MapSource,
	{ reader, defaults }: StepsContext,
): StepSource["reading"] {
	const around = { ...reader, own };
	const item = entryOf(source, "each") !== null;
	const before = item
		? withNames(around.names, [itemNameOf(source), "index"])
		: around.names;
	const names = entryOf(source, "repeat")
		? withNames(before, roundNames)
		: before;
	const inner = entriesAt(source, "steps");
	return {
		around,
		reader: { ...around, names },
		before: { ...around, names: before },
		filling: {
			...around,
			names: withFailure(
				entryOf(source, "enough") ? around.names : before,
				keepsBody(source) ? ["code", "status", "body"] : ["code", "status"],
			),
		},
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

function keepsBody(source: MapSource): boolean {
	const keep = entryOf(source, "keepBody");
	return keep?.kind === "scalar" && keep.value === true;
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

const keyList = stepKeyNames.map((key) => `\`${key}\``).join(", ");

function keyOf(source: MapSource, problems: Problem[]): StepKey | null {
	const found = source.entries.filter(({ key }) => isStepKey(key));
	// A group has a `value` of its own.
	const isGroup = found.some(({ key }) => key === "steps");
	const [first, second] = isGroup
		? found.filter(({ key }) => key !== "value")
		: found;
	if (second && first) {
		problems.push({
			at: second.at,
			message: `\`${first.key}\` and \`${second.key}\`: a step is only one of them`,
		});
	}
	if (first) return first.key as StepKey;
	const meant = source.entries.find(({ key }) => !isCommonKey(key));
	problems.push({
		at: meant?.at ?? source.at,
		message: meant
			? unknownKind(meant.key)
			: `what does this step do? It takes one of ${keyList}`,
	});
	return null;
}

function unknownKind(key: string): Problem["message"] {
	const cure = insteadOfKey(key, stepKeyNames);
	return cure === ""
		? unknownAmong("kind of step", key, stepKeyNames)
		: `unknown kind of step \`${key}\`${cure}`;
}

function isStepKey(key: string): key is StepKey {
	return Object.hasOwn(stepKeys, key);
}

/** Keys that cannot be a misspelt kind. */
function isCommonKey(key: string): boolean {
	return stepKeyNames.some((own) => key in stepKeys[own].keys);
}

/** For a key of another kind the message says so. */
function hintForKey(key: string, own: StepKey): string | null {
	if (isStepKey(key)) return "";
	const others = stepKeyNames.filter((other) => key in stepKeys[other].keys);
	if (others.length === 0) return null;
	const list = others.map((other) => `\`${other}\``).join(", ");
	return `\`${key}\` does not belong to a \`${own}\` step: only to ${list}`;
}
