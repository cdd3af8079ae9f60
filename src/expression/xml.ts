import { nestingMax } from "../core/json.ts";
import { type Site, textOf } from "./site.ts";
import { OpenText } from "./text-methods.ts";
import { isMap, type MapValue } from "./values.ts";

/** The entity of an ASCII character in XML; undefined if the character stands for itself. */
const escapes: readonly (string | undefined)[] = Array.from(
	{ length: 128 },
	(_, code) => {
		const character = String.fromCharCode(code);
		return (
			{ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" }[
				character
			] ?? (/[^\t\n\r\x20-\x7f]/.test(character) ? "\ufffd" : undefined)
		);
	},
);

/** What a reader would take for another character: line breaks of other systems, and all of them in attributes. */
const escapesInText = escapes.with(0x0d, "&#13;");
const escapesInAttribute = escapesInText.with(0x09, "&#9;").with(0x0a, "&#10;");

/**
 * A text as it may stand in XML, also within an attribute's quotes. Characters that XML 1.0 cannot hold, not even escaped
 * (section 2.2: control characters, lone surrogates, U+FFFE and U+FFFF), become U+FFFD.
 */
export function escapeXml(site: Site, value: unknown): string {
	const made = new OpenText(site);
	addEscaped(site, made, textOf(site, value, "the text"), escapes);
	return made.value();
}

function addEscaped(
	site: Site,
	made: OpenText,
	written: string,
	table: readonly (string | undefined)[],
): void {
	const text = written.toWellFormed();
	site.charge(text.length >>> 4);
	let from = 0;
	for (let index = 0; index < text.length; index++) {
		const code = text.charCodeAt(index);
		const escape = code < 0xfffe ? table[code] : "\ufffd";
		if (escape === undefined) continue;
		made.add(text.slice(from, index));
		made.add(escape);
		from = index + 1;
	}
	made.add(text.slice(from));
}

/**
 * XML of a map, by the rule by which an answer in XML becomes one: `@name` is an attribute, `#text` a text, a list an
 * element for each item, and any other key an element. What was read so is printed so that it is read so again.
 */
export function printXml(site: Site, value: unknown): string {
	if (!isMap(value)) return site.wrong(value, "the value", "a map");
	const made = new OpenText(site);
	for (const name of Object.keys(value)) {
		if (name.startsWith("@") || name === "#text") {
			site.fail(`\`${shown(name)}\` stands in no element`);
		}
		addElements(site, made, name, value[name], 1);
	}
	return made.value();
}

function addElements(
	site: Site,
	made: OpenText,
	name: string,
	value: unknown,
	depth: number,
): void {
	checkName(site, name);
	if (!Array.isArray(value)) return addElement(site, made, name, value, depth);
	for (const item of value) {
		if (Array.isArray(item)) site.fail(`\`${name}\` is a list in a list`);
		addElement(site, made, name, item, depth);
	}
}

function addElement(
	site: Site,
	made: OpenText,
	name: string,
	value: unknown,
	depth: number,
): void {
	if (depth > nestingMax) {
		site.fail(`the value nests deeper than ${nestingMax} elements`);
	}
	made.add(`<${name}`);
	const isEmpty = isMap(value)
		? addContent(site, made, value, depth)
		: addText(site, made, textOf(site, value, `\`${name}\``));
	made.add(isEmpty ? "/>" : `</${name}>`);
}

/** The rest of the tag, and what is in the element. Whether that is nothing, so that the tag is still open. */
function addContent(
	site: Site,
	made: OpenText,
	of: MapValue,
	depth: number,
): boolean {
	const keys = Object.keys(of);
	site.charge(2 * keys.length);
	let isEmpty = true;
	for (const key of keys) {
		if (key.startsWith("@")) addAttribute(site, made, key.slice(1), of[key]);
	}
	for (const key of keys) {
		const value = of[key];
		if (key.startsWith("@")) continue;
		if (isNothing(key, value)) {
			// A wrong name is wrong whatever stands under it.
			if (key !== "#text") checkName(site, key);
			continue;
		}
		if (isEmpty) made.add(">");
		isEmpty = false;
		if (key === "#text") {
			const text = textOf(site, value, "`#text`");
			addEscaped(site, made, text, escapesInText);
		} else addElements(site, made, key, value, depth + 1);
	}
	return isEmpty;
}

function isNothing(key: string, value: unknown): boolean {
	return key === "#text"
		? value === ""
		: Array.isArray(value) && value.length === 0;
}

function addText(site: Site, made: OpenText, text: string): boolean {
	if (text === "") return true;
	made.add(">");
	addEscaped(site, made, text, escapesInText);
	return false;
}

function addAttribute(
	site: Site,
	made: OpenText,
	name: string,
	value: unknown,
): void {
	checkName(site, name);
	made.add(` ${name}="`);
	const text = textOf(site, value, `\`@${name}\``);
	addEscaped(site, made, text, escapesInAttribute);
	made.add('"');
}

/** Data may be a name, and must not become anything else. */
function checkName(site: Site, name: string): void {
	site.charge(2 + (name.length >>> 4));
	if (!xmlName.test(name)) {
		site.fail(`\`${shown(name)}\` cannot be a name in XML`);
	}
}

/** Names may hold data, and messages are lines. */
function shown(name: string): string {
	return name.replaceAll(/[^\w:.@#-]/g, "…").slice(0, 40);
}

/** XML 1.0, section 2.3. */
const xmlName =
	/^[:A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\u{10000}-\u{effff}][-.:\w\u00b7\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u037d\u037f-\u1fff\u200c\u200d\u203f\u2040\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\u{10000}-\u{effff}]*$/u;
