import { z } from "zod";
import type { Template } from "../../expression/template.ts";
import type { FaultOfSchema } from "../body-schema.ts";
import type {
	ChannelConfig,
	RateLimitConfig,
	UpstreamConfig,
	UserFunction,
} from "../config.ts";
import { bounds, type Defaults, inherited } from "../keys/defaults.ts";
import type { Written } from "../keys/input.ts";
import { key } from "../keys/key.ts";
import { type Kind, reading } from "../keys/kind.ts";
import { count, duration, flag, text } from "../keys/kinds.ts";
import type { ReadOf } from "../keys/section.ts";
import type { Reading } from "../keys/templates.ts";
import { faultOfName, unknownAmong } from "../names.ts";
import type { Problem } from "../problem.ts";
import { type Reader, readTemplate } from "../read-template.ts";
import { readCondition, readList } from "../read-whole.ts";
import { entryOf, type Judged, placeOfKey, plainOf } from "../shape.ts";
import type { EntrySource, MapSource } from "../source.ts";
// Types only: a group holds steps of every kind.
import type { StepConfig } from "./kinds.ts";
import type { RepeatConfig } from "./repeat.ts";

/** The columns that every kind of step has. */
export type StepCommon = Omit<ReadOf<typeof commonKeys>, EachKeys> & {
	readonly name: string;
	readonly each: EachConfig | null;
	/** Null for a kind that cannot be repeated. */
	readonly repeat: RepeatConfig | null;
};

/** The keys of `each`, which become one value. */
type EachKeys = "as" | "each" | "enough" | "max" | "parallel";

export interface EachConfig {
	readonly list: Template;
	readonly as: string;
	readonly parallel: number;
	readonly max: number;
	/** How many items must succeed. Then the others are aborted. Null: all items are wanted. */
	readonly enough: number | null;
}

/**
 * The readers of a step's templates, by where a template stands. `reader` sees the item of `each` and the round of
 * `repeat`, too.
 */
export interface StepReading extends Reading {
	/** Without the item. */
	readonly around: Reader;
	/** With the item, and without the round: what is read before the first round. */
	readonly before: Reader;
	/** What a fallback sees: the failure, and the item if it fills in for an item, not if it fills in for the whole step. */
	readonly filling: Reader;
	/** With the answer of the step's call. */
	readonly answer: Reader;
	/** With the steps of the step's group. */
	readonly inside: Reader;
}

export function templateReadBy<Input = Written<"data">>(
	readerOf: (reading: StepReading) => Reader,
): Kind<Input, Template, StepReading> {
	return reading(z.unknown(), (source, context: StepReading) =>
		readTemplate(source, readerOf(context)),
	);
}

/** A condition, which false and null do not meet. */
export function conditionReadBy<Input = Written<"data">>(
	readerOf: (reading: StepReading) => Reader,
): Kind<Input, Template, StepReading> {
	return reading(z.unknown(), (source, context: StepReading) =>
		readCondition(source, readerOf(context)),
	);
}

const listAround = reading<Written<"data">, Template, StepReading>(
	z.unknown(),
	(source, { around }) => readList(source, around),
);
const conditionBefore = conditionReadBy(({ before }) => before);
const templateFilling = templateReadBy<Written<"failure">>(
	({ filling }) => filling,
);

/** Names of the steps that a reader knows. */
export function stepNames<Context>(
	readerOf: (context: Context) => Reader,
): Kind<Written<"steps">, readonly string[], Context> & {
	readonly absent: () => readonly string[];
} {
	return {
		...reading(
			z.array(z.string()),
			(source, context: Context, { problems }) => {
				const { names } = readerOf(context);
				const known = names.get("missing") ?? new Set<string>();
				const items = source.kind === "list" ? source.items : [];
				return items.flatMap((item) => {
					const name = String(plainOf(item));
					if (known.has(name)) return [name];
					const message = unknownAmong("step", name, known);
					problems.push({ at: item.at, message });
					return [];
				});
			},
		),
		absent: () => [],
	};
}

const parallel = inherited(
	"parallel",
	count(bounds.parallel),
	({ parallel }) => parallel,
);
const max = inherited("max", count(bounds.max), ({ max }) => max);

export const waitKeys = {
	when: key(conditionBefore, {
		description:
			"The step (or the item) is skipped if this is false or null. To its readers it is null, and the answer is still complete.",
		example: "when: ${query.verbose}",
	}),
	after: key(
		stepNames(({ around }: StepReading) => around),
		{
			description:
				"Steps that must have ended before this one starts, well or not.",
			example: "after: [first]",
		},
	),
};

export const commonKeys = {
	...waitKeys,
	each: key(listAround, {
		description:
			"A list. The step runs once per item, concurrently. Its value is the list of results, in the list's order.",
		example: "each: ${query.ids}",
	}),
	as: key(text, {
		description: "The name of the item in this step, instead of `item`.",
		example: "each: ${query.ids}\nas: id",
	}),
	parallel: key(parallel, {
		description:
			"How many items run at once within one request. Lists of a step in a group with `each` share this number.",
		example: "each: ${query.ids}\nparallel: 4",
	}),
	max: key(max, {
		description:
			"The longest list. Beyond it `limit_exceeded`, with 400 if the list is the client's.",
		example: "each: ${query.ids}\nmax: 20",
	}),
	enough: key(count(bounds.max), {
		description:
			"How many items must succeed. Then the others are aborted, and are null in the list. The step fails as soon as so many can no longer succeed. `fallback` and `optional` then belong to the whole step.",
		example: "each: ${query.ids}\nenough: 2",
	}),
	within: key(duration, {
		field: "withinMs",
		description:
			"The time of everything that this step does, all items included. Then it fails with `upstream_timeout`.",
		example: "within: 800ms",
	}),
	fallback: key(templateFilling, {
		description:
			"The value if the step (or the item) fails. Then the answer is marked partial. It may read `failure`: its `code` and its `status`. A step that the fallback reads is waited for only then.",
		example: "fallback: null",
	}),
	optional: key(flag, {
		description:
			"`true`: if the step (or the item) fails, it is null, and the answer is marked partial.",
		example: "optional: true",
		default: false,
	}),
};

/** The context for checking a route's parts. */
export interface RouteContext {
	/** By name. */
	readonly upstreams: ReadonlyMap<string, UpstreamConfig>;
	/** Takes the names of the upstreams that are called. */
	readonly used: Set<string>;
	/** By name. */
	readonly channels: ReadonlyMap<string, ChannelConfig>;
	/** The names under `auth`. */
	readonly auths: readonly string[];
	/** The keys at the top that could not be read, which has been reported: what they would name is not known. */
	readonly unread: ReadonlySet<string>;
	/** Takes the names of the channels that are published to or listened to. */
	readonly usedChannels: Set<string>;
	readonly defaults: Defaults;
	/** The gateway's, which hold for every route. */
	readonly rateLimits: readonly RateLimitConfig[];
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

/** A step's map, with the context for reading it. */
export interface StepSource {
	readonly name: string;
	/** The key that makes it what it is. */
	readonly key: string;
	/** The offset of the name. */
	readonly at: number;
	readonly source: MapSource;
	readonly judged: Judged;
	readonly reading: StepReading & { readonly defaults: Defaults };
	readonly context: StepsContext;
	/** Checks the steps inside it, and that the templates made of them read each; null if all are read. */
	readonly checkInside: (
		entries: readonly EntrySource[],
		made: readonly (Template | null)[] | null,
		context: StepsContext,
	) => readonly StepConfig[];
}

/** The keys of `each` become one value. */
export function commonOf(
	{
		each,
		as,
		parallel,
		max,
		enough,
		repeat = null,
		...others
	}: ReadOf<typeof commonKeys> & { readonly repeat?: RepeatConfig | null },
	{ name, source, context }: StepSource,
): StepCommon {
	const { problems } = context;
	if (each === null)
		return { name, ...others, repeat, each: noEach(source, problems) };
	if (enough !== null && enough > max) {
		problems.push({
			at: placeOfKey(source, "enough"),
			message: `\`enough\` is more than \`max\`, which is ${max}: no list is so long`,
		});
	}
	const item = checkItemName(as, source, context);
	return {
		name,
		...others,
		repeat,
		each: { list: each, as: item, parallel, max, enough },
	};
}

function noEach(source: MapSource, problems: Problem[]): EachConfig | null {
	for (const { key, at } of source.entries) {
		if (!["as", "parallel", "max", "enough"].includes(key)) continue;
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
