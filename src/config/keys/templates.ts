import { z } from "zod";
import type {
	NamedTemplates,
	Template,
	TemplateEntry,
} from "../../expression/template.ts";
import {
	nothing,
	type Reader,
	readHeaders,
	readHeadersOrAll,
	readParameters,
	readParametersOrAll,
	readTemplate,
} from "../read-template.ts";
import { readCondition, readStatus } from "../read-whole.ts";
import type { Source } from "../source.ts";
import type { Written } from "./input.ts";
import { type Kind, reading } from "./kind.ts";

/** The context for reading a template. */
export interface Reading {
	readonly reader: Reader;
}

/** Any value, with or without expressions in it. */
export const template = reading<Written<"data">, Template, Reading>(
	z.unknown(),
	(source, { reader }) => readTemplate(source, reader),
);

/** A condition, which false and null do not meet. */
export const condition = reading<Written<"data">, Template, Reading>(
	z.unknown(),
	(source, { reader }) => readCondition(source, reader),
);

/** A status of an answer. */
export const status = reading<number | string, Template, Reading>(
	z.unknown(),
	(source, { reader }) => readStatus(source, reader),
);

/** A scalar that may hold expressions. The schema judges those without expressions. */
export function scalarTemplate<Input>(
	schema: z.ZodType,
): Kind<Input, Template, Reading> {
	return reading(schema, (source, { reader }) => readTemplate(source, reader));
}

export const textTemplate = z.string({ error: "a text" });

/** A list of texts with expressions. */
export function listOfTemplates(
	schema: z.ZodType,
): Kind<readonly string[], readonly Template[], Reading> {
	return reading(schema, (source, { reader }) =>
		source.kind === "list"
			? source.items.map((item) =>
					item.kind === "scalar" ? readTemplate(item, reader) : nothing,
				)
			: [],
	);
}

export const namesToValues = z.record(z.string(), z.unknown(), {
	error: "a map of names to values",
});

type OrAbsent<Input> = Kind<Input, NamedTemplates, Reading> & {
	readonly absent: () => readonly TemplateEntry[];
};

/** A map of names to values, or an expression that gives one. A function is one, too, and no schema knows it. */
export function namesOrAll<Input, Value>(
	read: (source: Source, reader: Reader) => Value,
): Kind<Input, Value, Reading> {
	const kind = reading<Input, Value, Reading>(
		z.union([namesToValues, expressionOfAll], {
			error: namesOrExpression,
		}),
		(source, { reader }) => read(source, reader),
	);
	return {
		...kind,
		take: (source, judged, context) =>
			source.kind === "function"
				? read(source, context.reader)
				: kind.take(source, judged, context),
	};
}

const namesOrExpression =
	"a map of names to values, or an expression that gives one";

const expressionOfAll = z
	.string({ error: namesOrExpression })
	.regex(/\$\{/, { error: namesOrExpression });

/** The query parameters of a call. */
export function callParameters<Input>(): OrAbsent<Input> {
	return { ...namesOrAll(readParametersOrAll), absent: () => [] };
}

/** The header fields of a call, without those that are `refused` there. */
export function callHeaderFields<Input>(
	refused: ReadonlySet<string>,
): OrAbsent<Input> {
	const read = (source: Source, reader: Reader) =>
		readHeadersOrAll(source, reader, refused);
	return { ...namesOrAll(read), absent: () => [] };
}

/** The query parameters of an upstream, or another map of names to texts. */
export function parameters<Input>(): Kind<
	Input,
	readonly TemplateEntry[],
	Reading
> & { readonly absent: () => readonly TemplateEntry[] } {
	return {
		...reading(namesToValues, (source, { reader }: Reading) =>
			readParameters(source, reader),
		),
		absent: () => [],
	};
}

/** Header fields, without those that are `refused` here. */
export function headerFields<Input>(refused: ReadonlySet<string>): Kind<
	Input,
	readonly TemplateEntry[],
	Reading
> & {
	readonly absent: () => readonly TemplateEntry[];
} {
	return {
		...reading(namesToValues, (source, { reader }: Reading) =>
			readHeaders(source, reader, refused),
		),
		absent: () => [],
	};
}
