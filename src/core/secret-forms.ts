import { inspect } from "node:util";
import { formEncoded } from "./http/query.ts";

/** Nobody writes a longer text in another form, such as a file of accounts. */
const longMax = 8 * 1024;

/**
 * The texts as which a secret may stand in an output: as it is, and as JSON and its pointers, URLs, forms, HTML, base64 and hexadecimal digits
 * write it. Bytes are compared as characters of one byte each, so what is beyond ASCII has a form for that, too.
 */
export function formsOf(secret: string): ReadonlySet<string> {
	const text = secret.toWellFormed();
	const json = insideJson(text);
	if (text.length > longMax) {
		return new Set([text, json, asBytes(text), asBytes(json)]);
	}
	const percent = encodeURIComponent(text);
	const strict = percent.replace(/[!'()*]/g, percentOf);
	const form = formEncoded(text);
	// RFC 6901: problem documents name places in a body so.
	const pointer = text.replaceAll("~", "~0").replaceAll("/", "~1");
	const bytes = Buffer.from(text);
	const forms = [
		...[text, json, insideJson(json), asciiJson(json), insideHtml(text)],
		...[...jsonOfOthers(json), ...inspected(text)],
		text.replaceAll('"', '""'),
		...[percent, strict, form, encodeURI(text), pointer],
		insideJson(pointer),
		...[percent, strict, form].map(withSmallDigits),
		...[bytes.toString("hex"), bytes.toString("hex").toUpperCase()],
		...base64Of(bytes),
	];
	return new Set([...forms, ...forms.map(asBytes)]);
}

/**
 * What base64 makes of bytes that stand in others, such as a password behind its user: three texts, as many bytes may stand
 * before. The characters at the ends depend on their neighbours, too, and are left out.
 */
function base64Of(bytes: Buffer): string[] {
	return [0, 1, 2].flatMap((before) => {
		const whole = Buffer.concat([Buffer.alloc(before), bytes]);
		const from = Math.ceil((8 * before) / 6);
		const to = Math.floor((8 * whole.length) / 6);
		const text = whole.toString("base64").slice(from, to);
		const forUrls = text.replaceAll("+", "-").replaceAll("/", "_");
		return [text, forUrls, encodeURIComponent(text)];
	});
}

function insideJson(text: string): string {
	return JSON.stringify(text).slice(1, -1);
}

function asciiJson(json: string): string {
	return json.replace(
		/[\u007f-\uffff]/g,
		(unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
	);
}

/** What PHP, .NET and Go escape besides. */
function jsonOfOthers(json: string): string[] {
	const unit = (sign: string) =>
		`\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`;
	const bigUnit = (sign: string) => `\\u${unit(sign).slice(2).toUpperCase()}`;
	const slashed = json.replaceAll("/", "\\/");
	return [
		...[slashed, asciiJson(slashed)],
		json
			.replaceAll('\\"', "\\u0022")
			.replace(/[&<>'+`\u007f-\uffff]/g, bigUnit),
		json.replace(/[&<>\u2028\u2029]/g, unit),
	];
}

/** As Node prints a text within a value: in the quotes that are not in it, and if all are, with escapes. */
function inspected(text: string): string[] {
	const options = {
		...{ compact: true, breakLength: Number.POSITIVE_INFINITY },
		maxStringLength: Number.POSITIVE_INFINITY,
	};
	const all = "\"'`";
	const escaped = inspect(text + all, options).slice(1, -5);
	return [escaped, escaped.replaceAll("\\'", "'")];
}

function insideHtml(text: string): string {
	return text.replace(/[&<>"']/g, (sign) => entities.get(sign) ?? sign);
}

const entities: ReadonlyMap<string, string> = new Map([
	["&", "&amp;"],
	["<", "&lt;"],
	[">", "&gt;"],
	['"', "&quot;"],
	["'", "&#39;"],
]);

function percentOf(sign: string): string {
	return `%${sign.charCodeAt(0).toString(16).toUpperCase()}`;
}

function withSmallDigits(percent: string): string {
	return percent.replace(/%[\dA-F]{2}/g, (octet) => octet.toLowerCase());
}

/** One character for each byte of UTF-8. */
function asBytes(text: string): string {
	return Buffer.from(text).toString("latin1");
}
