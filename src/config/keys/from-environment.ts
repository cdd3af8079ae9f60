import { z } from "zod";
import type { Secrets } from "../../core/secrets.ts";
import {
	type Environment,
	environmentReader,
	variablesOf,
} from "../environment.ts";
import { hasFault } from "../problem.ts";
import { readTemplate } from "../read-template.ts";
import { addWhole } from "../secret-values.ts";
import { checkShape, type Judged } from "../shape.ts";
import type { ListSource, Source } from "../source.ts";
import type { Hole } from "./input.ts";
import type { Kind } from "./kind.ts";
import { hole } from "./kinds.ts";

/** The context for reading a value that may come from the environment. */
export interface FromEnvironment {
	readonly env: Environment;
	/** Learns what is secret of that. */
	readonly secrets: Secrets;
}

/**
 * A value that may also be an expression of `env`. It is read when the config is checked. `told` says what is
 * taken, and `valueOf` reads it from a text, because a variable is always one. Without them the schema does both.
 */
export function orFromEnvironment<Input, Value, Unit extends string>(
	kind: Kind<Input, Value, unknown, Unit>,
	told?: string,
	valueOf: (text: string) => unknown = (text) =>
		valueThatFits(kind.schema, text),
): Kind<Input | Hole, Value, FromEnvironment, Unit> {
	const words = told ?? wordsOf(kind.schema);
	const error = `${words}, or an expression of \`env\``;
	const schema = z.union([kind.schema, hole], { error });
	return {
		schema,
		take(source, judged, context) {
			if (!isHole(source)) {
				// Without words of its own, the kind's say more of what is nearly right.
				if (told !== undefined && !checkShape(schema, source, judged)) {
					return undefined;
				}
				return kind.take(source, judged, undefined);
			}
			const text = textOf(source, judged, context);
			if (text === undefined) return undefined;
			const value = valueOf(text);
			if (kind.schema.safeParse(value).success) {
				return kind.take(sourceOf(source, value), judged, undefined);
			}
			// The value itself may be a secret that was mixed up.
			judged.problems.push({
				at: source.at,
				message: `what ${variablesIn(source)} holds is not ${words}`,
			});
			return undefined;
		},
	};
}

/** A list of texts, each of which may be an expression of `env`. An expression alone holds several, with commas between. */
export function listFromEnvironment<Input, Value>(
	kind: Kind<readonly Input[], Value>,
): Kind<readonly (Input | Hole)[] | Hole, Value, FromEnvironment> {
	const item = (kind.schema as z.ZodArray<z.ZodType>).element;
	const words = wordsOf(item);
	const alone = orFromEnvironment(
		kind,
		`texts with commas between them, each ${words}`,
		(text) => text.split(",").map((one) => one.trim()),
	);
	return {
		schema: z.union([z.array(z.union([item, hole])), alone.schema], {
			error: `${wordsOf(kind.schema)}, or an expression of \`env\``,
		}),
		take(source, judged, context) {
			if (isHole(source)) return alone.take(source, judged, context);
			if (source.kind !== "list" || !source.items.some(isHole)) {
				return kind.take(source, judged, undefined);
			}
			const before = judged.problems.length;
			const items = source.items.map((one) => {
				if (!isHole(one)) return one;
				const text = textOf(one, judged, context);
				if (text === undefined || item.safeParse(text).success) {
					return { ...one, value: text ?? null };
				}
				judged.problems.push({
					at: one.at,
					message: `what ${variablesIn(one)} holds is not ${words}`,
				});
				return one;
			});
			return hasFault(judged.problems, before)
				? undefined
				: kind.take({ ...source, items }, judged, undefined);
		},
	};
}

/** The text of an expression of `env`. Undefined if it has none, which is reported. */
function textOf(
	source: HoleSource,
	{ problems }: Judged,
	{ env, secrets }: FromEnvironment,
): string | undefined {
	const before = problems.length;
	const template = templateOf(source, problems);
	const say = (message: string) => problems.push({ at: source.at, message });
	const read = environmentReader(
		env,
		(_, message) => say(message),
		(_, { value, fromFile }) => fromFile && addWhole(value, secrets),
	);
	const text = read("", template);
	return text === null || hasFault(problems, before) ? undefined : text;
}

function templateOf(source: HoleSource, problems: Judged["problems"]) {
	return readTemplate(source, { names: new Map([["env", null]]), problems });
}

function variablesIn(source: HoleSource): string {
	return variablesOf(templateOf(source, []));
}

function sourceOf(source: HoleSource, value: unknown): Source {
	if (!Array.isArray(value)) {
		return { ...source, value: value as HoleSource["value"] };
	}
	const items = value.map((one) => ({ ...source, value: one }));
	return { kind: "list", at: source.at, items } satisfies ListSource;
}

/** The text itself if it may stand there, else the number or the word that it writes. */
function valueThatFits(schema: z.ZodType, text: string): unknown {
	if (schema.safeParse(text).success) return text;
	// `Number` would take an empty text and `0x50`, too.
	if (/^\d{1,15}(?:\.\d+)?$/.test(text)) return Number(text);
	return text === "true" || text === "false" ? text === "true" : text;
}

/** The words for what a schema takes. A value that no schema here takes brings them out. */
function wordsOf(schema: z.ZodType): string {
	const { error } = schema.safeParse(Symbol("none"));
	return error?.issues[0]?.message ?? "";
}

type HoleSource = Extract<Source, { kind: "scalar" }>;

function isHole(source: Source): source is HoleSource {
	return source.kind === "scalar" && hole.safeParse(source.value).success;
}
