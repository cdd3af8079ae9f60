/**
 * Servers read one path in several ways. Some decode it before they split it, some decode it twice, and proxies in a
 * row decode it once each. Some cut a segment at `;`, `?`, `#` or NUL, and some take `\` for `/`. These rules refuse
 * what any of them could take for a step upwards.
 */

/** What is wrong with a part of a path, percent-encoded as it is sent; null if nothing is. */
export type PathFault =
	| "has `.` or `..` as a segment"
	| "holds a NUL"
	| "is percent-encoded more than eight times";

const stepUp: PathFault = "has `.` or `..` as a segment";

/**
 * How often a path is decoded at most. Nobody encodes a value so often by accident, and the time is bounded: each
 * decoding reads the whole text.
 */
const decodingsMax = 8;

/** Judges a segment, or several, on the bytes that they stand for, at each level of decoding. */
export function faultOfPath(encoded: string): PathFault | null {
	// Most segments are plain, and each value of each call comes by here.
	if (!/[%.]/.test(encoded)) return null;
	let text = encoded;
	for (let level = 0; level <= decodingsMax; level++) {
		if (text.includes("\0")) return "holds a NUL";
		if (stepsUp(text)) return stepUp;
		const decoded = bytesOf(text);
		if (decoded === text) return null;
		text = decoded;
	}
	return "is percent-encoded more than eight times";
}

function stepsUp(text: string): boolean {
	return overlong(text)
		.split(/[/\\]/)
		.some((part) => /^\s*\.{1,2}\s*(?:[;?#]|$)/.test(part));
}

/** Old decoders take bytes that are no UTF-8 for the character they would be: `C0 AE` for `.` (RFC 3629, 10). */
function overlong(text: string): string {
	return text.replaceAll(
		/(?:[\xc0\xc1]|\xe0[\x80\x81]|\xf0\x80[\x80\x81])[\x80-\xbf]/g,
		(bytes) => {
			const high = bytes.charCodeAt(bytes.length - 2) & 1;
			const low = bytes.charCodeAt(bytes.length - 1) & 0x3f;
			return String.fromCharCode((high << 6) | low);
		},
	);
}

/** The text decoded once, a character for each byte: no byte ends the decoding, as one that is no UTF-8 would. */
export function bytesOf(text: string): string {
	if (!text.includes("%")) return text;
	return text.replaceAll(/%([\da-f]{2})/gi, (_, hex: string) =>
		String.fromCharCode(Number.parseInt(hex, 16)),
	);
}

/**
 * A path in its one normal form: no unreserved character is percent-encoded, and hexadecimal digits are upper case
 * (RFC 3986, 6.2.2). Two paths that a router takes for the same are the same.
 */
export function normalPath(path: string): string {
	if (!path.includes("%")) return path;
	return path.replaceAll(/%[\da-f]{2}/gi, (escape) => {
		const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
		return /[\w.~-]/.test(character) ? character : escape.toUpperCase();
	});
}

/** The path of a request's target, in its normal form. */
export function pathOf(target: string): string {
	const mark = target.indexOf("?");
	return normalPath(mark < 0 ? target : target.slice(0, mark));
}
