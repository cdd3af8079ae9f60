import { z } from "zod";
import {
	type Environment,
	environmentReader,
	variablesOf,
} from "../environment.ts";
import { hasFault } from "../problem.ts";
import { readTemplate } from "../read-template.ts";
import { checkShape } from "../shape.ts";
import type { Source } from "../source.ts";
import type { Hole } from "./input.ts";
import type { Kind } from "./kind.ts";
import { hole } from "./kinds.ts";

/** The context for reading a value that may come from the environment. */
export interface FromEnvironment {
	readonly env: Environment;
}

/**
 * A value that may also be an expression of `env`. It is read when the config is checked. `words` say what is taken, and
 * `valueOf` reads it from a text, because a variable is always one.
 */
export function orFromEnvironment<Input, Value, Unit extends string>(
	kind: Kind<Input, Value, unknown, Unit>,
	words: string,
	valueOf: (text: string) => string | number | null = (text) => text,
): Kind<Input | Hole, Value, FromEnvironment, Unit> {
	const error = `${words}, or an expression of \`env\``;
	const schema = z.union([kind.schema, hole], { error });
	return {
		schema,
		take(source, judged, { env }) {
			if (!checkShape(schema, source, judged)) return undefined;
			if (!isHole(source)) return kind.take(source, judged, undefined);
			const { problems } = judged;
			const before = problems.length;
			const names = new Map([["env", null]]);
			const reader = { names, problems };
			const template = readTemplate(source, reader);
			const say = (message: string) =>
				problems.push({ at: source.at, message });
			const text = environmentReader(env, (_, message) => say(message))(
				"",
				template,
			);
			if (text === null || hasFault(problems, before)) return undefined;
			const value = valueOf(text);
			if (kind.schema.safeParse(value).success) {
				return kind.take({ ...source, value }, judged, undefined);
			}
			// The value itself may be a secret that was mixed up.
			say(`what ${variablesOf(template)} holds is not ${words}`);
			return undefined;
		},
	};
}

type HoleSource = Extract<Source, { kind: "scalar" }>;

function isHole(source: Source): source is HoleSource {
	return source.kind === "scalar" && hole.safeParse(source.value).success;
}
