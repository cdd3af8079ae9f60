import type { z } from "zod";
import type { Source } from "../source.ts";
import { readValue } from "../source-value.ts";
import type { AnyKind } from "./kind.ts";

/** The documentation of a key, kept on its schema for docs and editors. */
export interface KeyMeta {
	readonly description: string;
	/** Lines of YAML that stand in the key's section. */
	readonly example: string;
	readonly default?: string;
}

type InputOfKind<K> = K extends {
	readonly types?: { readonly input: infer Input };
}
	? Input
	: never;
type UnitOfKind<K> = K extends {
	readonly types?: { readonly unit: infer Unit extends string };
}
	? Unit
	: "";

/** The unit stands last in a field's name: `maxBody` becomes `bodyBytesMax`. */
type FieldOption<K> =
	UnitOfKind<K> extends ""
		? { readonly field?: string }
		: {
				readonly field:
					| `${string}${UnitOfKind<K>}`
					| Uncapitalize<UnitOfKind<K>>;
			};

/** The options of a key besides its kind. */
export type KeyOptions<K extends AnyKind> = FieldOption<K> & {
	/** The default, as an author would write it. The printed default and the value both come from it. */
	readonly default?: InputOfKind<K>;
	readonly required?: true;
};

export interface Key<K extends AnyKind, Options> {
	readonly kind: K;
	readonly options: Options;
	/** The kind's schema, with the key's documentation. */
	readonly schema: z.ZodType;
	/** The source of the default; null without a default. */
	readonly written: Source | null;
}

interface SomeOptions {
	readonly field?: string;
	readonly default?: unknown;
	readonly required?: true;
	readonly description?: string;
}

export type AnyKey = Key<AnyKind, SomeOptions>;
export type AnyKeys = Readonly<Record<string, AnyKey>>;

interface Told {
	readonly description: string;
	readonly example: string;
}

/** Declares a key. Its description and one example become its section of docs/config.md. The examples are tests. */
export function key<
	K extends AnyKind,
	const Options extends KeyOptions<K> & Told,
>(kind: K, options: Options): Key<K, Options> {
	const { example, required } = options;
	const value = options.default ?? kind.inherits?.options.default;
	const meta: KeyMeta = {
		description: withDefaults(options.description, kind.keys ?? {}),
		example,
		...(value !== undefined && { default: printDefault(value) }),
	};
	const schema = kind.schema.meta({ ...meta });
	return {
		kind,
		options,
		schema: required ? schema : schema.optional(),
		written: sourceOf(options.default),
	};
}

/** Declares a key of an inner map. The description of the outer key describes this one too. */
export function part<K extends AnyKind, const Options extends KeyOptions<K>>(
	kind: K,
	options: Options,
): Key<K, Options> {
	const { required, default: value } = options;
	return {
		kind,
		options,
		schema: required ? kind.schema : kind.schema.optional(),
		written: sourceOf(value),
	};
}

/** Replaces `{maxBytes}` by that part's default. Throws, when this file loads, if a description leaves out a part. */
function withDefaults(description: string, keys: AnyKeys): string {
	const parts = Object.entries(keys).filter(
		([, { options }]) => options.description === undefined,
	);
	return parts.reduce((told, [name, { options }]) => {
		const slot = `{${name}}`;
		const value = options.default;
		const toldOf = told.includes(`\`${name}\``);
		if (!toldOf || (value !== undefined && !told.includes(slot))) {
			throw new Error(
				`a description tells of \`${name}\`${value === undefined ? "" : ` and its default, ${slot}`}: "${description}"`,
			);
		}
		return told.replace(slot, `\`${printDefault(value)}\``);
	}, description);
}

function sourceOf(value: unknown): Source | null {
	return value === undefined ? null : readValue(value).root;
}

/** As YAML has it. */
function printDefault(value: unknown): string {
	if (Array.isArray(value)) return `[${value.map(printDefault).join(", ")}]`;
	return typeof value === "string" ? value : JSON.stringify(value);
}
