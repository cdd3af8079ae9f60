import { z } from "zod";
import type { Template, TemplateEntry } from "../../expression/template.ts";
import {
	nothing,
	type Reader,
	readHeaders,
	readParameters,
	readStatus,
	readTemplate,
} from "../read-template.ts";
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

/** Query parameters, or another map of names to texts. */
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
