// Not by name: an old Node, which has no `hash`, must get as far as saying that it is too old.
import crypto from "node:crypto";
import { Bytes } from "../core/body/bytes.ts";
import { type Site, textOf } from "./site.ts";

/** Refuses bytes that are not UTF-8. Keeps nothing between calls, and leaves a byte order mark in the text. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes, or the UTF-8 of a text. A node a character is what the slowest of them takes. */
function bytesOf(site: Site, value: unknown): Uint8Array {
	if (value instanceof Bytes) {
		site.charge(value.bytes.length >>> 3);
		return value.bytes;
	}
	const text = wellFormed(site, value);
	site.charge(text.length >>> 2);
	site.hold(text.length);
	return Buffer.from(text, "utf8");
}

function wellFormed(site: Site, value: unknown): string {
	const text = textOf(site, value, "the value");
	if (text.isWellFormed()) return text;
	return site.fail("the text holds half a character (a lone surrogate)");
}

/** RFC 4648: section 4, or with `'url'` section 5, without padding. */
export function base64(site: Site, value: unknown, form: unknown): string {
	const bytes = bytesOf(site, value);
	const encoding =
		form === undefined ? "base64" : formOf(site, form, base64Forms);
	site.checkText(4 * Math.ceil(bytes.length / 3));
	const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const made = view.toString(encoding === "base64" ? "base64" : "base64url");
	site.hold(made.length);
	return made;
}

/** What may stand behind the value that is encoded, or decoded. */
export const base64Forms: readonly string[] = ["url"];
export const fromBase64Forms: readonly string[] = ["bytes"];

function formOf(site: Site, form: unknown, forms: readonly string[]): string {
	const text = textOf(site, form, "the form");
	if (forms.includes(text)) return text;
	return site.fail(`the form is none of '${forms.join("', '")}'`);
}

/** The text that is encoded, or with `'bytes'` the bytes. Reads both alphabets, with padding or without. */
export function fromBase64(
	site: Site,
	value: unknown,
	form: unknown,
): string | Bytes {
	const text = textOf(site, value, "the text");
	const asBytes =
		form !== undefined && formOf(site, form, fromBase64Forms) === "bytes";
	site.charge(4 + (text.length >>> 2));
	if (!isBase64(text)) site.fail("the text is not base64");
	site.hold(text.length);
	// Node takes both alphabets, and leaves out white space.
	const bytes = Buffer.from(text, "base64");
	if (asBytes) return new Bytes(bytes);
	try {
		return utf8.decode(bytes);
	} catch (error) {
		return site.fail(
			"the decoded bytes are no text in UTF-8: take them by `fromBase64(…, 'bytes')`",
			error,
		);
	}
}

const kinds = { space: 1, digit: 2, padding: 3 } as const;

/** What each ASCII character is in base64; 0 for those that cannot stand there. */
const kindOfCharacter: Uint8Array = Uint8Array.from(
	{ length: 128 },
	(_, code) => {
		const character = String.fromCharCode(code);
		if (/[\t\n\f\r ]/.test(character)) return kinds.space;
		if (/[A-Za-z0-9+/_-]/.test(character)) return kinds.digit;
		return character === "=" ? kinds.padding : 0;
	},
);

/** As `atob` judges it: white space is left out, and padding stands at the end of whole groups of four, or not at all. */
function isBase64(text: string): boolean {
	let digits = 0;
	let padding = 0;
	for (let at = 0; at < text.length; at++) {
		switch (kindOfCharacter[text.charCodeAt(at)]) {
			case kinds.space:
				break;
			case kinds.digit:
				if (padding > 0) return false;
				digits++;
				break;
			case kinds.padding:
				padding++;
				break;
			default:
				return false;
		}
	}
	if (digits % 4 === 1) return false;
	return padding === 0 || (padding <= 2 && (digits + padding) % 4 === 0);
}

/** SHA-256 in hexadecimal, of the UTF-8 of a text or of bytes. */
export function sha256(site: Site, value: unknown): string {
	const bytes = bytesOf(site, value);
	site.charge(30 + (bytes.length >>> 4));
	return crypto.hash("sha256", bytes);
}

/** The namespace of the UUIDs that requests make: `urn:sluice:uuid` as a UUID of version 8. */
const namespace = Buffer.from("736c756963658000a075756964000001", "hex");

/**
 * A UUID (RFC 9562, version 5) of a name within a request. So it is the same for each attempt of a call, and differs
 * from request to request. An id of a request holds no `/`.
 */
export function uuid(site: Site, name: unknown, requestId: unknown): string {
	const text = wellFormed(site, name);
	site.charge(50 + (text.length >>> 2));
	const named = Buffer.from(`${String(requestId)}/${text}`, "utf8");
	const digest = crypto.hash(
		"sha1",
		Buffer.concat([namespace, named]),
		"buffer",
	);
	digest[6] = 0x50 | ((digest[6] ?? 0) & 0x0f);
	digest[8] = 0x80 | ((digest[8] ?? 0) & 0x3f);
	const hex = digest.toString("hex", 0, 16);
	return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
