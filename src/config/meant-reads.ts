import type { Span } from "../expression/ast.ts";
import { parseExpression } from "../expression/parse.ts";
import { clientNames, faultOfRead, type Names } from "./names.ts";
import type { ScalarSource } from "./source.ts";

/** A read that was written in another way than `${…}`, and what stands there. */
export interface MeantRead {
	readonly written: string;
	/** Characters from the start of the text. */
	readonly offset: number;
	/** The expression to write instead. */
	readonly read: string;
}

const path = String.raw`[A-Za-z_]\w*(?:\??\.[A-Za-z_]\w*|\[\d+\])*`;

const wholePath = new RegExp(`^${path}$`);

/** Other languages' signs for a value. They mean one if they are the whole text, or a whole segment of a path. */
const wholeSigns: readonly RegExp[] = [
	String.raw`\{\{?\s*(${path})\s*\}?\}`,
	String.raw`<(${path})>`,
	String.raw`:(${path})`,
	String.raw`\$\.?(${path})`,
	String.raw`\$\((${path})\)`,
	String.raw`[%#@]\{(${path})\}`,
].map((sign) => new RegExp(`^${sign}$`));

/**
 * Signs that mean a value inside a longer text too. A single brace does so only if no other brace surrounds it, because
 * GraphQL's braces nest.
 */
const innerSigns = new RegExp(
	String.raw`(?<![{$])\{\{\s*(${path})\s*\}\}(?!\})|[%#@]\{(${path})\}|(?<![\w{$%#@])\{(${path})\}|\$([A-Z][A-Z0-9_]+)\b`,
	"g",
);

/** The read that a whole text was meant as by a sign of another language; null if there is none. */
export function signedRead(text: string, names: Names): string | null {
	for (const sign of wholeSigns) {
		const written = sign.exec(text)?.[1];
		if (written === undefined) continue;
		const read = readableBy(written, names);
		if (read !== null) return read;
		// JSONPath begins at the answer.
		const ofAnswer = text.startsWith("$.") && names.has("answer");
		return ofAnswer ? `answer.${written}` : null;
	}
	return null;
}

/** Reads in a text that have no `${`. `holes` are the expressions in it. */
export function meantReads(
	text: string,
	holes: readonly Span[],
	names: Names,
): MeantRead[] {
	const plain = withoutHoles(text, holes);
	const whole = plain.trim();
	const isRead = wholePath.test(whole) && isReadable(whole, names);
	const read = isRead ? whole : signedRead(whole, names);
	if (read !== null) {
		return [{ written: whole, offset: plain.indexOf(whole), read }];
	}
	if (isNested(plain)) return [];
	return [...plain.matchAll(innerSigns)].flatMap((match) => {
		const [written, ...found] = match;
		const inner = readableBy(found.find(Boolean) ?? "", names);
		if (inner === null) return [];
		return [{ written, offset: match.index, read: inner }];
	});
}

/** The text with something else in place of each hole, so that all offsets stay. */
function withoutHoles(text: string, holes: readonly Span[]): string {
	const pieces: string[] = [];
	let from = 0;
	for (const { at, end } of holes) {
		const opening = text.lastIndexOf("${", at);
		const behind = text.indexOf("}", end) + 1;
		pieces.push(text.slice(from, opening), "\0".repeat(behind - opening));
		from = behind;
	}
	return pieces.join("") + text.slice(from);
}

/** GraphQL and JSON have braces in braces. */
function isNested(text: string): boolean {
	return /\{[^{}]+\{|\}[^{}]+\}/.test(text);
}

/** A path in names that are read here, or a name that the client sends, with the word before it. */
function readableBy(written: string, names: Names): string | null {
	if (isReadable(written, names)) return written;
	const holder = [...clientNames].find(
		(one) => names.get(one)?.has(written) ?? false,
	);
	if (holder !== undefined) return `${holder}.${written}`;
	const isVariable = /^[A-Z][A-Z0-9_]*$/.test(written);
	return isVariable && names.has("env") ? `env.${written}` : null;
}

/** Whether an expression reads something, and only what can be read here. */
function isReadable(source: string, names: Names): boolean {
	const { expression } = parseExpression(source);
	if (expression === null || expression.reads.length === 0) return false;
	return expression.reads.every((read) => faultOfRead(read, names) === null);
}

/** What to write for a text that should be one expression: `${user}` for `user`, `${a === 1}` for `${a} === 1`. */
export function wholeOf({ text }: ScalarSource, names: Names): string | null {
	const source = text.replaceAll(/\$\{([^{}]*)\}/g, "$1").trim();
	if (isReadable(source, names)) return `\${${source}}`;
	const read = signedRead(source, names);
	return read === null ? null : `\${${read}}`;
}

/** How a text is written that looks like a read and is meant as it stands. */
export function asText(written: string): string {
	return `\${'${written}'}`;
}
