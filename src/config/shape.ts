import { z } from "zod";
import { suggest } from "../core/suggest.ts";
import { insteadOfKey } from "./other-words.ts";
import type { Problem } from "./problem.ts";
import type { MapSource, Source } from "./source.ts";

/** The plain value of a source, which a schema judges. */
export function plainOf(source: Source): unknown {
	switch (source.kind) {
		case "scalar":
			return source.value;
		case "list":
			return source.items.map(plainOf);
		case "map":
			return Object.fromEntries(
				source.entries.map(({ key, value }) => [key, plainOf(value)]),
			);
		case "function":
			return source.call;
	}
}

/** The value at a key; null if it is absent, or if the source is no map. */
export function entryOf(source: Source | null, key: string): Source | null {
	if (source?.kind !== "map") return null;
	return source.entryOf(key)?.value ?? null;
}

/** The offset of a key itself, or of the map if the key is absent. */
export function placeOfKey(source: MapSource, key: string): number {
	return source.entryOf(key)?.at ?? source.at;
}

/** The name of the judged thing in messages: "a `get` step". */
export interface Judged {
	readonly what: string;
	readonly problems: Problem[];
	/** The hint for a key that is unknown here and known elsewhere. Null if it is known nowhere, "" for no message. */
	readonly hintFor?: (key: string) => string | null;
}

/** Judges a source by a schema and reports every fault at its position. Returns whether there was none. */
export function checkShape(
	schema: z.ZodType,
	source: Source,
	judged: Judged,
): boolean {
	const result = schema.safeParse(plainOf(source), { error: wordsOf });
	if (result.success) return true;
	const issues = result.error.issues.flatMap((issue) => meant(issue, source));
	const unknownIn = new Set<Source>();
	for (const issue of unknownKeysFirst(issues)) {
		const { source: around, missing } = sourceAt(source, issue.path);
		// A missing key may be there misspelt.
		if (missing && unknownIn.has(around)) continue;
		if (issue.code === "unrecognized_keys") unknownIn.add(around);
		if (issue.code !== "unrecognized_keys") {
			reportWrongValue(issue, source, judged);
			continue;
		}
		const { path, keys } = issue;
		const known = keysAt(schema, path);
		const holder = sourceAt(source, path).source;
		const what = nameOf(path, judged.what);
		reportKeys(keys, known, holder, { ...judged, what });
	}
	return false;
}

/** If a map or something else may stand here, a map is judged as a map. */
function meant(issue: z.core.$ZodIssue, source: Source): z.core.$ZodIssue[] {
	if (issue.code !== "invalid_union") return [issue];
	if (sourceAt(source, issue.path).source.kind !== "map") return [issue];
	const branch = issue.errors.find((issues) =>
		issues.every(
			({ path, code }) => path.length > 0 || code === "unrecognized_keys",
		),
	);
	if (branch === undefined) return [issue];
	return branch.map((inner) => ({
		...inner,
		path: [...issue.path, ...inner.path],
	}));
}

function unknownKeysFirst(
	issues: readonly z.core.$ZodIssue[],
): z.core.$ZodIssue[] {
	const rank = ({ code }: z.core.$ZodIssue) =>
		code === "unrecognized_keys" ? 0 : 1;
	return issues.toSorted((a, b) => rank(a) - rank(b));
}

/** Reports the unknown keys of a map. */
export function reportUnknownKeys(
	source: MapSource,
	known: readonly string[],
	judged: Judged,
): void {
	const unknown = source.entries.filter(({ key }) => !known.includes(key));
	reportKeys(
		unknown.map(({ key }) => key),
		known,
		source,
		judged,
	);
}

function reportKeys(
	keys: readonly string[],
	known: readonly string[],
	holder: Source,
	{ what, problems, hintFor }: Judged,
): void {
	for (const key of keys) {
		const message = hintFor?.(key) ?? (() => unknownKey(key, what, known));
		const at = holder.kind === "map" ? placeOfKey(holder, key) : holder.at;
		if (message !== "") problems.push({ at, message });
	}
}

function unknownKey(key: string, what: string, known: readonly string[]) {
	const near = insteadOfKey(key, known) || suggest(key, known);
	const takes = known.map((name) => `\`${name}\``).join(", ");
	return `unknown key \`${key}\` in ${what}${near || `: it takes ${takes}`}`;
}

function reportWrongValue(
	issue: z.core.$ZodIssue,
	source: Source,
	{ what, problems }: Judged,
): void {
	const { path } = issue;
	const { source: culprit, missing } = sourceAt(source, path);
	const key = path.at(-1);
	const subject =
		typeof key === "number"
			? `an item of ${nameOf(path.slice(0, -1), what)}`
			: nameOf(path, what);
	const message = missing
		? `${subject} is missing in ${nameOf(path.slice(0, -1), what)}`
		: `${subject} takes ${issue.message}${cureFor(issue, culprit)}`;
	problems.push({ at: culprit.at, message });
}

/** What to write instead of a scalar that is nearly right. Empty if nobody can tell. */
function cureFor(issue: z.core.$ZodIssue, source: Source): string {
	if (source.kind !== "scalar") return "";
	const { value, text } = source;
	const isNumber = typeof value === "string" && /^-?\d+$/.test(value);
	if (isNumber && /^a (whole )?number/.test(issue.message)) {
		return ": write it without quotes";
	}
	const wantsMap =
		issue.code === "invalid_type" && /^(object|record)$/.test(issue.expected);
	if (!wantsMap) return "";
	if (issue.expected === "object" && /^https?:\/\//.test(text)) {
		return ": write `{ url: … }`";
	}
	const spaced = /^([\w?-]+):[^\s/]/.exec(text)?.[1];
	return spaced === undefined ? "" : `: write a space behind \`${spaced}:\``;
}

function nameOf(path: readonly PropertyKey[], what: string): string {
	const inner = path.at(-1);
	return inner === undefined ? what : `\`${String(inner)}\``;
}

/** The keys that a schema knows at a path, through optional wrappers and choices. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
	let inner: unknown = schema;
	for (const step of [...path, null]) {
		while (inner instanceof z.ZodOptional || inner instanceof z.ZodUnion) {
			inner =
				inner instanceof z.ZodOptional
					? inner.unwrap()
					: inner.options.find((option) => option instanceof z.ZodObject);
		}
		if (step === null) break;
		inner = (inner as { shape?: Record<PropertyKey, unknown> }).shape?.[step];
	}
	const { shape } = (inner ?? {}) as { shape?: Record<string, unknown> };
	return Object.keys(shape ?? {});
}

/** The source at a path, or the innermost one that is there. */
export function sourceAt(
	source: Source,
	path: readonly PropertyKey[],
): { source: Source; missing: boolean } {
	let found = source;
	for (const step of path) {
		const inner =
			found.kind === "list"
				? (found.items[Number(step)] ?? null)
				: entryOf(found, String(step));
		if (inner === null) return { source: found, missing: true };
		found = inner;
	}
	return { source: found, missing: false };
}

const wordsOfKinds: Readonly<Record<string, string>> = {
	record: "a map",
	object: "a map",
	string: "a text",
	boolean: "`true` or `false`",
	number: "a number",
	int: "a whole number",
	array: "a list",
};

/** The words for a fault whose schema has none of its own. So the validator's own words never show. */
export function wordsOf(issue: z.core.$ZodRawIssue): string {
	switch (issue.code) {
		case "invalid_type":
			return wordsOfKinds[issue.expected] ?? "another value";
		case "invalid_value":
			return listOf(issue.values.map((value) => `\`${String(value)}\``));
		case "too_small":
			return boundOf(issue.origin, issue.minimum, issue.inclusive, "more");
		case "too_big":
			return boundOf(issue.origin, issue.maximum, issue.inclusive, "less");
		case "invalid_union":
			return unionOf(issue.errors);
		default:
			return "another value";
	}
}

function boundOf(
	origin: string,
	bound: number | bigint,
	inclusive = true,
	beyond: "less" | "more",
): string {
	const range = `${inclusive ? `${bound} or ${beyond}` : `${beyond} than ${bound}`}`;
	const noun = { array: " items", string: " characters" }[origin] ?? "";
	return noun === "" ? `a number, ${range}` : `${range}${noun}`;
}

/** Each way in which a value could be right. */
function unionOf(branches: readonly z.core.$ZodIssue[][]): string {
	const ways = branches.flatMap((issues) => {
		const [first] = issues;
		return first && first.path.length === 0 ? [first.message] : [];
	});
	return ways.length > 0 ? listOf([...new Set(ways)]) : "another value";
}

function listOf(words: readonly string[]): string {
	const last = words.at(-1) ?? "";
	return words.length < 2
		? last
		: `${words.slice(0, -1).join(", ")} or ${last}`;
}
