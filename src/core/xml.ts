import { SaxesParser } from "saxes";
import { decodeText } from "./charset.ts";
import { nestingMax } from "./json.ts";

/**
 * XML as data. An element is its text, if it has neither attributes nor elements in it. Else it is a map: `@name` for an
 * attribute, the element's name for an element in it, `#text` for its text. Elements of one name in one element become a
 * list. A document is a map of its one element.
 */

/** What XML is made of. Counted before it is read. */
export interface XmlSurvey {
	/**
	 * Elements and attributes, and their keys. References, comments, CDATA and processing instructions count too, because
	 * reading one takes as long. So do line breaks in attributes.
	 */
	readonly values: number;
	/** The memory that the value takes, in bytes. */
	readonly memory: number;
	/** How deep elements nest. */
	readonly depth: number;
}

/** XML that is not read, in words that show nothing of it. */
export class XmlError extends Error {
	override readonly name = "XmlError";
}

/**
 * The text of an XML document. Its charset is what its byte order mark says, else what is announced, else what its own
 * declaration says (RFC 7303, 3), else UTF-8. Throws as `decodeText` does.
 */
export function textOfXml(bytes: Uint8Array, announced: string | null): string {
	return decodeText(bytes, announced ?? declaredCharset(bytes));
}

/** A declaration can be read before the charset is known only if that has ASCII in it, so it cannot name UTF-16. */
function declaredCharset(bytes: Uint8Array): string | null {
	const begin = Buffer.from(bytes.subarray(0, 256)).toString("latin1");
	if (begin.startsWith("<\0")) return "utf-16le";
	if (begin.startsWith("\0<")) return "utf-16be";
	const [, label] =
		/^<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z][\w.-]*)["']/.exec(begin) ?? [];
	return label === undefined || /^(?:utf-?16|ucs-?2|unicode$)/i.test(label)
		? null
		: label;
}

/**
 * Counts what a document is made of, up to the first fault of its grammar. Throws XmlError for a document type: it could
 * define entities, and no service needs one.
 */
export function surveyXml(text: string): XmlSurvey {
	let elements = 0;
	let attributes = 0;
	let pieces = count(text, "&");
	let level = 0;
	let depth = 0;
	for (let at = text.indexOf("<"); at >= 0; at = text.indexOf("<", at)) {
		const mark = text[at + 1];
		if (mark === "!") {
			pieces++;
			if (text.startsWith("<!--", at)) at = behind(text, "-->", at + 4);
			else if (text.startsWith("<![CDATA[", at)) {
				at = behind(text, "]]>", at + 9);
			} else throw new XmlError("XML with a document type");
		} else if (mark === "?") {
			pieces++;
			at = behind(text, "?>", at + 2);
		} else if (mark === "/") {
			level--;
			at += 2;
		} else {
			elements++;
			if (++level > depth) depth = level;
			const tag = surveyTag(text, at + 1);
			attributes += tag.attributes;
			pieces += tag.breaks;
			if (text[tag.end - 1] === "/") level--;
			at = tag.end;
		}
	}
	// Each piece of a text is an object to the engine.
	return {
		values: 1 + 2 * elements + 2 * attributes + pieces,
		memory: 2 * text.length + 120 * elements + 100 * attributes + 40 * pieces,
		depth,
	};
}

/** A tag's attributes, the line breaks and tabs in them, and where its `>` stands. A quoted value may hold a `>`. */
function surveyTag(
	text: string,
	from: number,
): {
	readonly attributes: number;
	readonly breaks: number;
	readonly end: number;
} {
	const { length } = text;
	let attributes = 0;
	let breaks = 0;
	let quote = 0;
	let end = from;
	for (; end < length; end++) {
		const code = text.charCodeAt(end);
		if (quote === 0) {
			if (code === 0x3e) break;
			if (code !== 0x22 && code !== 0x27) continue;
			quote = code;
			attributes++;
		} else if (code === quote) quote = 0;
		else if (code <= 0x0d) breaks++;
	}
	return { attributes, breaks, end };
}

function behind(text: string, mark: string, from: number): number {
	const at = text.indexOf(mark, from);
	return at < 0 ? text.length : at + mark.length;
}

function count(text: string, mark: string): number {
	let found = 0;
	for (let at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, at + 1)) {
		found++;
	}
	return found;
}

/** The time that reading takes, in units of 100 ns. */
export function costOfXml(
	{ values }: Pick<XmlSurvey, "values">,
	length: number,
): number {
	return 4 * values + (length >>> 3);
}

/**
 * Reads a document by XML 1.0, with the five entities that it has by itself and no others. Names are kept as they are
 * written, with their prefixes, and texts are kept as they are. Text that is only white space is dropped beside elements.
 * Comments and processing instructions are dropped. Elements that `isList` holds for are lists, however often they come.
 * Throws XmlError for what is no such document.
 */
export function readXml(
	text: string,
	{ depth }: Pick<XmlSurvey, "depth">,
	isList: ListRule,
): unknown {
	if (depth > nestingMax) {
		throw new XmlError(`XML that is nested deeper than ${nestingMax} elements`);
	}
	const reader = new Reader(isList);
	try {
		// As the parser would, which takes a piece for each.
		const lines = text.includes("\r")
			? text.replaceAll("\r\n", "\n").replaceAll("\r", "\n")
			: text;
		return reader.read(lines);
	} catch (error) {
		if (error instanceof XmlError) throw error;
		throw new XmlError(faultOf(text, error), { cause: error });
	}
}

/** The parser's own words may hold names of elements. */
function faultOf(text: string, error: unknown): string {
	const { message = "" } = Object(error) as { message?: string };
	if (message.includes("undefined entity")) {
		return "XML with an entity that XML itself does not have";
	}
	const cut = /unclosed tag|unexpected end|must contain a root/.test(message);
	if (!text.trimStart().startsWith("<")) return "what is not XML";
	if (/^\s*<(?:!doctype\s+html|html)\b/i.test(text)) return "HTML";
	return cut ? "XML without an end" : "XML with a fault";
}

/** Whether an element is always a list, by the names of the elements around it and its own, outermost first. */
export type ListRule = (path: readonly string[]) => boolean;

/** An element names a list by its name, or by the last names of its path: `order/line`. */
export function listRule(lists: readonly string[]): ListRule {
	if (lists.length === 0) return () => false;
	const byName = new Map<string, string[][]>();
	for (const written of lists) {
		const path = written.split("/");
		const name = path.at(-1) as string;
		byName.set(name, [...(byName.get(name) ?? []), path]);
	}
	return (path) => {
		const rules = byName.get(path.at(-1) as string);
		return rules?.some((rule) => endsWith(path, rule)) === true;
	};
}

function endsWith(path: readonly string[], end: readonly string[]): boolean {
	const from = path.length - end.length;
	return from >= 0 && end.every((name, index) => path[from + index] === name);
}

type XmlMap = Record<string, unknown>;

/** An element whose end has not come yet. */
interface Open {
	map: XmlMap | null;
	text: string;
	hasElements: boolean;
}

class Reader {
	readonly #isList: ListRule;
	readonly #path: string[] = [];
	readonly #open: Open[] = [{ map: null, text: "", hasElements: false }];

	constructor(isList: ListRule) {
		this.#isList = isList;
	}

	read(text: string): unknown {
		const parser = new SaxesParser({ xmlns: false, position: false });
		parser.on("doctype", () => {
			throw new XmlError("XML with a document type");
		});
		const onText = (piece: string) => {
			(this.#open.at(-1) as Open).text += piece;
		};
		parser.on("text", onText);
		parser.on("cdata", onText);
		parser.on("opentag", ({ name, attributes }) => {
			this.#begin(name, attributes);
		});
		parser.on("closetag", () => this.#end());
		parser.write(text).close();
		return this.#open[0]?.map ?? null;
	}

	#begin(name: string, attributes: Readonly<Record<string, string>>): void {
		let map: XmlMap | null = null;
		for (const attribute in attributes) {
			map ??= {};
			map[`@${attribute}`] = attributes[attribute];
		}
		this.#path.push(name);
		this.#open.push({ map, text: "", hasElements: false });
	}

	#end(): void {
		const value = valueOf(this.#open.pop() as Open);
		const around = this.#open.at(-1) as Open;
		const name = this.#path.at(-1) as string;
		around.hasElements = true;
		around.map ??= {};
		add(around.map, name, value, this.#isList(this.#path));
		this.#path.pop();
	}
}

function valueOf({ map, text, hasElements }: Open): unknown {
	if (map === null) return text;
	const dropped = hasElements ? !/[^\t\n\r ]/.test(text) : text === "";
	if (!dropped) map["#text"] = text;
	return map;
}

function add(map: XmlMap, name: string, value: unknown, list: boolean): void {
	if (!Object.hasOwn(map, name)) {
		const first = list ? [value] : value;
		if (name === "__proto__") {
			// An assignment would set the prototype.
			Object.defineProperty(map, name, { ...ownData, value: first });
		} else map[name] = first;
		return;
	}
	const before = map[name];
	// No element is itself a list.
	if (Array.isArray(before)) before.push(value);
	else map[name] = [before, value];
}

const ownData = { writable: true, enumerable: true, configurable: true };
