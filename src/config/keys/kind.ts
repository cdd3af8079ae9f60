import { z } from "zod";
import { checkShape, type Judged, plainOf } from "../shape.ts";
import type { MapSource, Source } from "../source.ts";
import type { AnyKey, AnyKeys } from "./key.ts";

/**
 * The kind of value that a key takes. An author writes an `Input`, and it becomes a `Value`. Reading it needs a
 * `Context`. A key whose value has a unit becomes a field that ends in `Unit`.
 */
export interface Kind<
	Input,
	Value,
	Context = unknown,
	Unit extends string = "",
> {
	/** For editors and docs. */
	readonly schema: z.ZodType;
	/** Reports every fault. Undefined if there is one. */
	readonly take: (
		source: Source,
		judged: Judged,
		context: Context,
	) => Value | undefined;
	/** The value of a key that is not written and has no default. If this is absent, the value is null. */
	readonly absent?: (context: Context) => Value;
	/** The keys of a kind that is a map. */
	readonly keys?: AnyKeys;
	/** The key of `defaults` whose value it takes if it is not written. */
	readonly inherits?: AnyKey;
	/** For the compiler alone. */
	readonly types?: { readonly input: Input; readonly unit: Unit };
}

// biome-ignore lint/suspicious/noExplicitAny: a context is taken, so that only `any` stands for each.
export type AnyKind = Kind<unknown, unknown, any, string>;

/** A kind whose schema judges the plain value. `valueOf` gets the value that the schema accepted. */
export function plain<Input, Value = Input, Unit extends string = "">(
	schema: z.ZodType,
	valueOf: (written: Input) => Value,
): Kind<Input, Value, unknown, Unit> {
	return {
		schema,
		take: (source, judged) =>
			checkShape(schema, source, judged)
				? valueOf(plainOf(source) as Input)
				: undefined,
	};
}

/** A kind whose value is the written one. */
export function asWritten<Input>(schema: z.ZodType): Kind<Input, Input> {
	return plain(schema, (written) => written);
}

/** A kind whose value `read` makes. The schema judges only the shape. */
export function reading<Input, Value, Context>(
	schema: z.ZodType,
	read: (source: Source, context: Context, judged: Judged) => Value,
): Kind<Input, Value, Context> {
	return {
		schema,
		take: (source, judged, context) =>
			checkShape(schema, source, judged)
				? read(source, context, judged)
				: undefined,
	};
}

/** A kind whose value is the source itself. It is read later, when the names around it are known. */
export function asSource(schema: z.ZodType): Kind<unknown, Source> {
	return reading(schema, (source) => source);
}

/** A map whose keys are the author's own names. */
export function named<Input>(words?: string): Kind<Input, MapSource> {
	return reading(
		z.record(z.string(), z.unknown(), words ? { error: words } : {}),
		(source) => source as MapSource,
	);
}
