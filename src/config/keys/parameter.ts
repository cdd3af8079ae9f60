import { z } from "zod";
import { count, flag } from "./kinds.ts";

const numberKeys = {
	minimum: z.number().optional(),
	maximum: z.number().optional(),
	exclusiveMinimum: z.number().optional(),
	exclusiveMaximum: z.number().optional(),
	multipleOf: z.number().positive({ error: "a number above 0" }).optional(),
};
const fieldCommon = {
	description: z.string().optional(),
	default: z.unknown().optional(),
	enum: z
		.array(z.union([z.string(), z.number(), z.boolean()]), {
			error: "a list of values",
		})
		.min(1, { error: "at least one value" })
		.optional(),
};

/** The keywords of a parameter, by its `type`. A list's items are scalars. */
export const fieldSchemas = {
	string: z.strictObject({
		type: z.literal("string"),
		...fieldCommon,
		minLength: count(1_000_000, 0).schema.optional(),
		maxLength: count(1_000_000, 0).schema.optional(),
		pattern: z.string().optional(),
	}),
	integer: z.strictObject({
		type: z.literal("integer"),
		...fieldCommon,
		...numberKeys,
	}),
	number: z.strictObject({
		type: z.literal("number"),
		...fieldCommon,
		...numberKeys,
	}),
	boolean: z.strictObject({ type: z.literal("boolean"), ...fieldCommon }),
	array: z.strictObject({
		type: z.literal("array"),
		description: z.string().optional(),
		default: z.array(z.unknown()).optional(),
		items: z.record(z.string(), z.unknown()),
		minItems: count(100_000, 0).schema.optional(),
		maxItems: count(100_000, 0).schema.optional(),
		uniqueItems: flag.schema.optional(),
	}),
} as const;
