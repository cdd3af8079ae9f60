import { z } from "zod";
import {
	checkShape,
	entryOf,
	type Judged,
	plainOf,
	reportUnknownKeys,
} from "../shape.ts";
import type { MapSource, Source } from "../source.ts";
import type { AnyKey, AnyKeys, Key } from "./key.ts";
import type { AnyKind, Kind } from "./kind.ts";

/** The keys of one map. Reading the map gives a `Value`. */
export interface Section<Keys extends AnyKeys, Value> {
	readonly keys: Keys;
	/** The schema of each key alone, for docs. */
	readonly shape: { readonly [Name in keyof Keys]: z.ZodType };
	readonly schema: z.ZodType;
	/**
	 * Reads the map in one pass: the value of each key, or its default if it is absent. Reports every fault, and gives
	 * the default instead. A null source counts as a map without keys. Undefined if a required key is missing.
	 */
	read(
		source: Source | null,
		judged: Judged,
		context: ContextOf<Keys>,
	): ReadResult<Keys, Value>;
}

type ReadResult<Keys extends AnyKeys, Value> =
	| Value
	| (true extends IsRequired<Keys[keyof Keys]> ? undefined : never);

type IsRequired<K> = K extends RequiredKey ? true : never;

export interface AnySection {
	readonly keys: AnyKeys;
	readonly schema: z.ZodType;
	// biome-ignore lint/suspicious/noExplicitAny: a context is taken, so that only `any` stands for each.
	read(source: Source | null, judged: Judged, context: any): unknown;
}

/** The values of the keys, by the fields that they become. */
export type ReadOf<Keys extends AnyKeys> = {
	readonly [Name in keyof Keys & string as FieldOf<Name, Keys[Name]>]: ValueOf<
		Keys[Name]
	>;
};

type FieldOf<Name extends string, K> =
	K extends Key<AnyKind, { readonly field: infer Field extends string }>
		? Field
		: Name;

type ValueOf<K> =
	K extends Key<infer OfKind, infer Options>
		? OfKind extends {
				readonly take: (
					source: never,
					judged: never,
					context: never,
				) => infer Value;
			}
			? Options extends
					| { readonly default: unknown }
					| { readonly required: true }
				? Exclude<Value, undefined>
				: OfKind extends { readonly absent: unknown }
					? Exclude<Value, undefined>
					: Exclude<Value, undefined> | null
			: never
		: never;

/** The type that an author writes. */
export type InputOf<S extends { readonly keys: AnyKeys }> = InputOfKeys<
	S["keys"]
>;
type InputOfKeys<Keys extends AnyKeys> = {
	readonly [Name in keyof Keys as Keys[Name] extends RequiredKey
		? Name
		: never]: InputOfKey<Keys[Name]>;
} & {
	readonly [Name in keyof Keys as Keys[Name] extends RequiredKey
		? never
		: Name]?: InputOfKey<Keys[Name]>;
};

type RequiredKey = Key<AnyKind, { readonly required: true }>;

/** The type that an author writes under a key. */
export type InputOfKey<K> =
	K extends Key<infer OfKind, unknown>
		? OfKind extends { readonly types?: { readonly input: infer Input } }
			? Input
			: never
		: never;

/** The context that reading the keys needs. */
export type ContextOf<Keys extends AnyKeys> = TakeContext<
	Keys[keyof Keys]["kind"]
> &
	AbsentContext<Keys[keyof Keys]["kind"]>;
type TakeContext<K extends AnyKind> = [K["take"]] extends [
	(source: never, judged: never, context: infer Context) => unknown,
]
	? Context
	: never;
type AbsentContext<K extends AnyKind> = [
	Exclude<K["absent"], undefined>,
] extends [(context: infer Context) => unknown]
	? Context
	: never;

/** Reports a fault of a key that only the whole map shows. Says nothing if a key itself was refused. */
export type Say = (key: string | null, message: string) => void;

interface SectionOptions<Keys extends AnyKeys, Value> {
	/** The words for a value that is no map. */
	readonly words?: string;
	readonly finish?: (read: ReadOf<Keys>, say: Say) => Value;
}

/** A message names all keys of a map if there are no more than these. */
const toldMax = 6;

/** Declares the keys of a map. `finish` makes the map's value from the values of its keys. */
export function section<const Keys extends AnyKeys, Value = ReadOf<Keys>>(
	keys: Keys,
	{ words, finish }: SectionOptions<Keys, Value> = {},
): Section<Keys, Value> {
	const shape = Object.fromEntries(
		Object.entries(keys).map(([name, { schema }]) => [name, schema]),
	) as Section<Keys, Value>["shape"];
	const needed = Object.keys(keys).filter(
		(name) => keys[name]?.options.required,
	);
	const all = Object.keys(keys);
	const told = needed.length > 0 || all.length > toldMax ? needed : all;
	const error = words ?? (told.length > 0 ? mapWith(told) : "a map");
	const schema = z.strictObject(shape, { error });
	return {
		keys,
		shape,
		schema,
		read(source, judged, context) {
			const before = judged.problems.length;
			if (source && source.kind !== "map") checkShape(schema, source, judged);
			const written = source?.kind === "map" ? source : null;
			if (written) reportUnknownKeys(written, Object.keys(keys), judged);
			const known = judged.problems.length === before;
			const read = readKeys(keys, written, { ...judged, known }, context);
			if (read === null) return undefined as ReadResult<Keys, Value>;
			const refused = judged.problems.length > before;
			const say: Say = (key, message) => {
				if (refused || written === null) return;
				const found = key === null ? null : entryOf(written, key);
				judged.problems.push({ at: (found ?? written).at, message });
			};
			return finish ? finish(read, say) : (read as Value);
		},
	};
}

/** Names each field that only `Read` has, or that only `Wanted` has, or whose types differ. */
type Differences<Read, Wanted> = {
	readonly [Field in Exclude<
		keyof Read,
		keyof Wanted
	>]: "nobody reads this field";
} & {
	readonly [Field in keyof Wanted as Field extends keyof Read
		? Read[Field] extends Wanted[Field]
			? never
			: Field
		: Field]: "no key becomes this field";
};

interface SectionFor<Wanted> {
	<const Keys extends AnyKeys>(
		keys: Keys & Differences<ReadOf<Keys>, Wanted>,
		options?: { readonly words?: string },
	): Section<Keys, Wanted>;
	<const Keys extends AnyKeys>(
		keys: Keys &
			Differences<ReadOf<Keys>, Partial<Record<keyof Wanted, unknown>>>,
		options: SectionOptions<Keys, Wanted> & {
			readonly finish: (read: ReadOf<Keys>, say: Say) => Wanted;
		},
	): Section<Keys, Wanted>;
}

/**
 * Declares the keys of a map whose value is exactly a `Wanted`. A key that becomes no field of it does not compile, nor
 * does a field that no key becomes.
 */
export function sectionFor<Wanted>(): SectionFor<Wanted> {
	return section;
}

/** Null if a required key is missing. */
function readKeys<Keys extends AnyKeys>(
	keys: Keys,
	source: MapSource | null,
	judged: Judged & { readonly known: boolean },
	context: unknown,
): ReadOf<Keys> | null {
	const written = new Map(
		source?.entries.map(({ key, value }) => [key, value]),
	);
	const read: Record<string, unknown> = {};
	let whole = true;
	for (const [name, key] of Object.entries(keys)) {
		const found = written.get(name) ?? null;
		const own = { what: `\`${name}\``, problems: judged.problems };
		// A key that is unknown may be the missing one, misspelt.
		if (found === null && key.options.required && source && judged.known) {
			const message = `\`${name}\` is missing in ${judged.what}`;
			judged.problems.push({ at: source.at, message });
		}
		const value = found && key.kind.take(found, own, context);
		const final =
			value === undefined || found === null
				? absentValue(key, own, context)
				: value;
		if (final === undefined) whole = false;
		read[key.options.field ?? name] = final;
	}
	return whole ? (read as ReadOf<Keys>) : null;
}

function absentValue(key: AnyKey, judged: Judged, context: unknown): unknown {
	const { kind, written, options } = key;
	if (written !== null) return kind.take(written, judged, context);
	if (kind.absent) return kind.absent(context);
	return options.required ? undefined : null;
}

type SectionValue<S> = S extends {
	readonly read: (...args: never[]) => infer Value;
}
	? Exclude<Value, undefined>
	: never;
type SectionContext<S> = S extends {
	readonly read: (
		source: never,
		judged: never,
		context: infer Context,
	) => unknown;
}
	? Context
	: never;

/** A map of these keys. */
export function map<S extends AnySection>(
	inner: S,
): Kind<InputOf<S>, SectionValue<S>, SectionContext<S>> {
	return {
		schema: inner.schema,
		keys: inner.keys,
		take: (source, judged, context) =>
			inner.read(source, judged, context) as SectionValue<S> | undefined,
	};
}

/** One map of these keys, or a list of at most `most` of them. Without the key it is an empty list. */
export function mapOrMaps<S extends AnySection>(
	inner: S,
	most: number,
): Kind<
	InputOf<S> | readonly InputOf<S>[],
	readonly SectionValue<S>[],
	SectionContext<S>
> & { readonly absent: () => readonly SectionValue<S>[] } {
	const needed = Object.keys(inner.keys).filter(
		(name) => inner.keys[name]?.options.required,
	);
	const error = `${mapWith(needed)}, or a list of 1 to ${most} such maps`;
	const listOf = (item: z.ZodType) =>
		z.array(item).min(1, { error }).max(most, { error });
	const schema = z.union([inner.schema, listOf(inner.schema)], { error });
	const anyMap = z.record(z.string(), z.unknown());
	const shape = z.union([anyMap, listOf(z.unknown())], { error });
	return {
		schema,
		keys: inner.keys,
		absent: () => [],
		take(source, judged, context) {
			if (!checkShape(shape, source, judged)) return undefined;
			const maps = source.kind === "list" ? source.items : [source];
			const read = maps.map((one) => inner.read(one, judged, context));
			return read.includes(undefined) ? undefined : (read as SectionValue<S>[]);
		},
	};
}

/** A map of these keys. If the map is not written, each key has its default. */
export function mapOfDefaults<S extends AnySection>(inner: S) {
	return {
		...map(inner),
		absent: (context: SectionContext<S>) =>
			inner.read(null, nobody, context) as SectionValue<S>,
	};
}

/** Defaults have no faults, because the tests read each. */
const nobody: Judged = { what: "", problems: [] };

/** A policy is switched on by `true`, with its defaults, or by a map of the settings that differ. Null is off. */
export function policy<S extends AnySection>(
	inner: S,
): Kind<boolean | InputOf<S>, SectionValue<S> | null, SectionContext<S>> {
	const schema = z.union([z.boolean(), inner.schema], {
		error: `\`true\`, or ${mapWith(Object.keys(inner.keys))}`,
	});
	return orBoolean(inner, schema);
}

/** A map of these keys, or `false`, which is null. */
export function mapOrFalse<S extends AnySection>(
	inner: S,
): Kind<false | InputOf<S>, SectionValue<S> | null, SectionContext<S>> {
	const schema = z.union(
		[z.record(z.string(), z.unknown()), z.literal(false)],
		{ error: "a map, or `false`" },
	);
	return orBoolean(inner, schema);
}

function mapWith(keys: readonly string[]): string {
	return `a map with ${keys.map((name) => `\`${name}\``).join(", ")}`;
}

function orBoolean<S extends AnySection>(inner: S, schema: z.ZodType) {
	return {
		schema,
		keys: inner.keys,
		take(source: Source, judged: Judged, context: SectionContext<S>) {
			const isMap = source.kind === "map";
			if (!isMap && !checkShape(schema, source, judged)) return undefined;
			if (!isMap && plainOf(source) === false) return null;
			const read = inner.read(isMap ? source : null, judged, context);
			return read as SectionValue<S> | undefined;
		},
	};
}
