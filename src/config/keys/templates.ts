import { z } from "zod";
import type { Template, TemplateEntry } from "../../expression/template.ts";
import {
	nothing,
	type Reader,
	readHeaders,
	readParameters,
	readTemplate,
} from "../read-template.ts";
import { type Kind, reading } from "./kind.ts";

/** What reading a template needs. */
export interface Reading {
	readonly reader: Reader;
}

/** A scalar that may hold expressions; the schema judges those that do not. */
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

const namesToValues = z.record(z.string(), z.unknown(), {
	error: "a map of names to values",
});

/** Query parameters, or whatever else is names to texts. */
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

/** Header fields but for those that are `refused` here. */
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
