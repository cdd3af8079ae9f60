import type { Document, Node, Scalar, YAMLError } from "yaml";
import { nestingMax } from "../core/json.ts";
import { Anchors, mergedEntries, plainName } from "./anchors.ts";
import type { Problem } from "./problem.ts";
import { placesOf } from "./scalar-places.ts";
import {
	createMap,
	type EntrySource,
	faultOfKey,
	lineStartsOf,
	type MapSource,
	positionIn,
	type ScalarSource,
	type Source,
	type SourceFile,
} from "./source.ts";
import { yaml } from "./yaml.ts";
import { faultsOfYaml, tooDeep, withPlainSpaces } from "./yaml-faults.ts";

const quoteIt =
	"an expression with `: ` or ` #`, or inside `{ }` or `[ ]`, must be quoted or stand in a `|` block";

/**
 * Reads YAML or JSON. Never throws: a text that cannot be read becomes a problem. A line that an unquoted expression
 * made unreadable is reported and blanked, so that the rest of the file can still be checked.
 */
export function readSource(text: string): SourceFile {
	const lines = lineStartsOf(text);
	const spaced = withPlainSpaces(text);
	const problems: Problem[] = [...spaced.problems];
	const unreadable = new Set<number>();
	const blanked = new Set<string>();
	let readable = spaced.text;
	let document = parse(readable);
	for (let reading = 1; reading < readingsMax; reading++) {
		const masked = maskExpressionLines(readable, document.errors, lines);
		if (masked === null) break;
		for (const at of masked.holes) {
			problems.push({
				at,
				message: isQuotedHole(text, at) ? otherQuote : quoteIt,
			});
			unreadable.add(positionIn(lines, at).line);
			for (const name of anchorsBefore(readable, at)) blanked.add(name);
		}
		readable = masked.text;
		document = parse(readable);
	}
	problems.push(...faultsOfYaml(document, readable));
	const refuse = (at: number, message: string) => {
		if (message !== "") problems.push({ at, message });
		unreadable.add(positionIn(lines, at).line);
	};
	const root =
		document.errors.length > 0
			? null
			: toSource(document.contents, {
					...{ text: readable, problems, refuse, depth: 0 },
					anchors: new Anchors(blanked),
				});
	return {
		root,
		problems,
		unreadable,
		positionOf: (offset) => positionIn(lines, offset),
	};
}

/** The anchors on a line, before a place on it. */
function anchorsBefore(text: string, at: number): string[] {
	const line = text.slice(text.lastIndexOf("\n", at) + 1, at);
	return [...line.matchAll(/&([^\s,[\]{}]+)/g)].map(([, name = ""]) => name);
}

const otherQuote =
	"a quote inside an expression ends the text around it: write the other one inside, as in `\"${a ?? 'b'}\"`";

/** Whether the value that holds the `${` at this offset begins with a quote. */
function isQuotedHole(text: string, at: number): boolean {
	const line = text.slice(text.lastIndexOf("\n", at) + 1, at);
	const quote = /(?:^|[\s:[{,])(["'])[^"']*$/.exec(line)?.[1];
	return quote !== undefined;
}

/** A text with faults that hide each other is read again at most so many times. What is hidden then is found next time. */
const readingsMax = 16;

function parse(text: string): Document.Parsed {
	const documents = yaml().parseAllDocuments(text, {
		version: "1.2",
		prettyErrors: false,
		// Its search is quadratic; `mapSource` does it.
		uniqueKeys: false,
		logLevel: "silent",
	});
	if (!("length" in documents) || documents.length === 0) {
		return parse("null");
	}
	const [first, second] = documents as Document.Parsed[];
	if (second !== undefined) {
		first?.errors.push({
			code: "MULTIPLE_DOCS",
			pos: [second.range[0], second.range[0]],
			message: "one file holds one config: remove what begins with `---`",
		} as YAMLError);
	}
	return first as Document.Parsed;
}

/**
 * The text with the values blanked on lines with an error, if they hold a `${`: on the line of the first error, and on
 * those of later ones that cannot be read even alone. Other later errors may be consequences of the first. Null if the
 * line of the first error is not one of them.
 */
function maskExpressionLines(
	text: string,
	errors: readonly YAMLError[],
	starts: readonly number[],
): { text: string; holes: readonly number[] } | null {
	const [first, ...others] = new Set(
		errors.map(({ pos }) => positionIn(starts, pos[0]).line),
	);
	if (first === undefined) return null;
	const valueOn = (line: number) => {
		const start = starts[line - 1] ?? 0;
		const next = starts[line];
		return valueWithHole(
			text,
			start,
			next === undefined ? text.length : next - 1,
		);
	};
	const found = valueOn(first);
	if (found === null) return null;
	const alone = others.flatMap((line) => {
		const value = valueOn(line);
		if (value === null) return [];
		const { errors } = parse(text.slice(value.lineStart, value.end));
		return errors.length > 0 ? [value] : [];
	});
	const masked = [found, ...alone].toSorted((a, b) => a.start - b.start);
	let readable = "";
	let done = 0;
	for (const { start, end } of masked) {
		readable += `${text.slice(done, start)}${"~".padEnd(end - start, " ")}`;
		done = end;
	}
	return {
		text: readable + text.slice(done),
		holes: masked.map(({ hole }) => hole),
	};
}

interface ValueWithHole {
	readonly lineStart: number;
	readonly start: number;
	readonly end: number;
	/** The offset of its `${`. */
	readonly hole: number;
}

/** The value on a line, behind its dashes and its key; null if there is none, or none with a `${`. */
function valueWithHole(
	text: string,
	lineStart: number,
	end: number,
): ValueWithHole | null {
	const line = text.slice(lineStart, end);
	const hole = line.indexOf("${");
	if (hole < 0) return null;
	const dashes = /^\s*(?:- +)*/.exec(line)?.[0].length ?? 0;
	const key =
		/^[^\s:'"][^:'"]*:[ \t]+/.exec(line.slice(dashes))?.[0].length ?? 0;
	const before = dashes + key;
	if (before >= line.length || hole < before) return null;
	return { lineStart, start: lineStart + before, end, hole: lineStart + hole };
}

interface Reading {
	readonly text: string;
	readonly problems: Problem[];
	/** Reports a fault that leaves a value out. With an empty message the fault was reported elsewhere. */
	readonly refuse: (at: number, message: string) => void;
	/** How many lists and maps are around the value. */
	readonly depth: number;
	readonly anchors: Anchors;
}

function toSource(node: Node | null, reading: Reading): Source | null {
	if (node === null) return null;
	const at = node.range?.[0] ?? 0;
	const { anchors, depth } = reading;
	if (yaml().isAlias(node)) {
		return anchors.valueOf(node, depth, (message) =>
			reading.refuse(at, message),
		);
	}
	if (node.tag !== undefined) {
		reading.refuse(
			at,
			"a tag (`!…`) is not allowed: quote the value where text is meant",
		);
	}
	return anchors.keep(node, depth, () => nodeSource(node, at, reading));
}

function nodeSource(node: Node, at: number, reading: Reading): Source | null {
	if (yaml().isScalar(node)) return scalarSource(node, reading);
	if (reading.depth >= nestingMax) {
		reading.problems.push({ at, message: tooDeep });
		return null;
	}
	const inner = { ...reading, depth: reading.depth + 1 };
	if (yaml().isMap(node)) return mapSource(node, at, inner);
	if (yaml().isSeq(node)) {
		const items = node.items.map((item) => toSource(item as Node, inner));
		return { kind: "list", at, items: items.filter((item) => item !== null) };
	}
	return null;
}

function mapSource(
	node: Node & { items: { key: unknown; value: unknown }[] },
	at: number,
	reading: Reading,
): MapSource {
	const entries: (EntrySource | Merged)[] = [];
	const seen = new Set<string>();
	for (const { key, value } of node.items) {
		const name = key as Scalar;
		const keyAt = name.range?.[0] ?? at;
		if (!yaml().isScalar(key) || name.value === null) {
			reading.problems.push({ at: keyAt, message: "a key must be a text" });
			continue;
		}
		const text = keyText(name);
		const merges = isMergeKey(name);
		if (seen.has(text)) {
			const message = merges
				? "`<<` stands here twice: write one list, `<<: [*a, *b]`"
				: "this key stands here twice: keep one";
			reading.problems.push({ at: keyAt, message });
		}
		seen.add(text);
		const problem = problemOfKey(text);
		if (problem) {
			reading.problems.push({ at: keyAt, message: problem });
			continue;
		}
		if (isEmpty(value as Node | null)) {
			// The key itself is there, so that nothing else is said of its lack.
			reading.refuse(keyAt, nothingBehind(text));
			const empty = emptyAt(keyAt);
			if (value) reading.anchors.keep(value as Node, 0, () => empty);
			if (!merges) entries.push({ key: text, at: keyAt, value: empty });
			continue;
		}
		const source = toSource(value as Node | null, reading);
		if (source === null) continue;
		if (merges) entries.push(mergedAt(source, value as Node, reading));
		else entries.push({ key: text, at: keyAt, value: source });
	}
	return createMap(at, withMerged(entries));
}

/** The entries of other maps, at the place of their `<<`. */
interface Merged {
	readonly merged: readonly EntrySource[];
}

/** `<<` without quotes. */
function isMergeKey(key: Scalar): boolean {
	return key.value === "<<" && key.type === "PLAIN";
}

function mergedAt(source: Source, node: Node, reading: Reading): Merged {
	const merged = mergedEntries(source);
	if (merged !== null) return { merged };
	const message =
		"`<<` takes a map, or a list of maps: `<<: *name`, `<<: [*a, *b]`";
	reading.refuse(node.range?.[0] ?? source.at, message);
	return { merged: [] };
}

/** The map's own keys count, wherever they stand, before those that `<<` adds. */
function withMerged(entries: readonly (EntrySource | Merged)[]): EntrySource[] {
	const own = new Set(
		entries.flatMap((one) => ("merged" in one ? [] : [plainName(one.key)])),
	);
	return entries.flatMap((one) =>
		"merged" in one
			? one.merged.filter(({ key }) => !own.has(plainName(key)))
			: [one],
	);
}

/** A key such as `404` is the text in the file, although YAML reads a number. */
function keyText(key: Scalar): string {
	return typeof key.value === "string"
		? key.value
		: (key.source ?? String(key.value));
}

/** Keys that often are null on purpose. */
const nullable: ReadonlySet<string> = new Set([
	"body",
	"default",
	"fallback",
	"respond",
	"respond?",
	"value",
]);

function problemOfKey(key: string): string | null {
	const problem = faultOfKey(key);
	if (problem !== null) return problem;
	if (key.startsWith("//")) return "a comment begins with `#`, not with `//`";
	return null;
}

function isEmpty(value: Node | null): boolean {
	return (
		value === null ||
		(yaml().isScalar(value) && value.value === null && value.source === "")
	);
}

function emptyAt(at: number): ScalarSource {
	return { kind: "scalar", at, value: null, text: "", placeOf: () => at };
}

function nothingBehind(key: string): string {
	const orNull = nullable.has(key) ? ", `null` if that is meant," : "";
	return `nothing stands after \`${key}:\`: write its value${orNull || ","} or remove the key`;
}

function scalarSource(node: Scalar, reading: Reading): ScalarSource {
	const [start, end] = node.range ?? [0, 0];
	const raw = reading.text.slice(start, end);
	const value = node.value as ScalarSource["value"];
	const text = typeof value === "string" ? value : (node.source ?? raw);
	const cut = cutByComment(node, reading.text.slice(end));
	if (cut >= 0) reading.problems.push({ at: start + cut, message: quoteIt });
	if (node.type === "PLAIN" && /^[“”„«‘].*[”“»’]$/su.test(text)) {
		const message =
			"these quotes are a part of the text: YAML's own are `\"` and `'`";
		reading.problems.push({ at: start, warning: true, message });
	}
	let places: readonly number[] | null = null;
	return {
		kind: "scalar",
		at: start,
		value,
		text,
		placeOf(character) {
			places ??= placesOf(text, raw).map((offset) => start + offset);
			return places[character] ?? end;
		},
	};
}

/** Where an unquoted expression begins whose rest ` #` turned into a comment; -1 if there is none. */
function cutByComment(node: Scalar, rest: string): number {
	if (node.type !== "PLAIN" || typeof node.value !== "string") return -1;
	const hole = node.value.lastIndexOf("${");
	const open = hole >= 0 && !node.value.includes("}", hole);
	return open && /^[ \t]*#/.test(rest) ? hole : -1;
}
