import { z } from "zod";
import { count, flag, size } from "./kinds.ts";

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

const mediaType = z
	.string({ error: "a media type, such as `image/png` or `image/*`" })
	.regex(/^[a-z0-9!#$&^_.+-]+\/(?:[a-z0-9!#$&^_.+-]+|\*)$/, {
		error: "a media type in small letters, such as `image/png` or `image/*`",
	});
const types = z
	.array(mediaType, { error: "a list of media types" })
	.min(1, { error: "at least one media type" })
	.optional();

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

/** A file in a form. */
export const fileSchema = z.strictObject({
	type: z.literal("file"),
	description: z.string().optional(),
	maxSize: size.schema.optional(),
	types,
	decode: z.enum(["bytes", "text"]).optional(),
});

/** The keywords of a body as a text, and as bytes. */
export const textSchema = z.strictObject({
	minLength: count(1_000_000_000, 0).schema.optional(),
	maxLength: count(1_000_000_000, 0).schema.optional(),
	pattern: z.string().optional(),
	types,
});
export const bytesSchema = z.strictObject({
	maxSize: size.schema.optional(),
	types,
});
