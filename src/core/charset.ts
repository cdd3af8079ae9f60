/** Refuses bytes that are not UTF-8. Keeps no state between calls. */
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** As above, with a byte order mark as a part of the text: a signature counts it. */
const utf8AsItCame = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of bytes in UTF-8, its byte order mark included. Throws TypeError for bytes that are not in it. */
export function decodeUtf8(bytes: Uint8Array): string {
	return utf8AsItCame.decode(bytes);
}

/**
 * The text of bytes in the charset that `label` names, by the labels of the WHATWG; UTF-8 without one. A byte order mark
 * says it better than any label. Throws TypeError for bytes that are not in their charset, and RangeError for a charset
 * that is not known. The mark is a part of the text only with `ignoreBOM`.
 */
export function decodeText(
	bytes: Uint8Array,
	label: string | null,
	ignoreBOM = false,
): string {
	const known = markedCharset(bytes) ?? label;
	if (known === null) return (ignoreBOM ? utf8AsItCame : utf8).decode(bytes);
	return new TextDecoder(known, { fatal: true, ignoreBOM }).decode(bytes);
}

/** The charset that a byte order mark stands for; null without one. */
function markedCharset([first, second, third]: Uint8Array): string | null {
	if (first === 0xef && second === 0xbb && third === 0xbf) return "utf-8";
	if (first === 0xfe && second === 0xff) return "utf-16be";
	return first === 0xff && second === 0xfe ? "utf-16le" : null;
}
