import { bytesOf } from "./path.ts";

/**
 * Servers read the name of a parameter in several ways. Some ignore its case, some separate parameters at `;`, too, some
 * take `key[]` for a list named `key`, and some leave out blanks, NUL and what is no UTF-8.
 */

/** Pieces of a query that somebody may take for a parameter of one of these names are left out. */
export function withoutParameters(
	query: string,
	names: ReadonlySet<string>,
): string {
	if (names.size === 0 || query === "") return query;
	const kept = query.split("&").flatMap((pair) => {
		if (!pair.includes(";")) return isNamed(pair, names) ? [] : [pair];
		const pieces = pair.split(";");
		const left = pieces.filter((piece) => !isNamed(piece, names));
		return left.length > 0 ? [left.join(";")] : [];
	});
	return kept.join("&");
}

/** The name as the most lenient reader takes it: names with the same one could be mistaken for each other. */
export function lenientName(name: string): string {
	// Twice, for a proxy before the server may decode it once.
	return bytesOf(bytesOf(name.replaceAll("+", " ")))
		.replace(/[[\0].*$/s, "")
		.replaceAll(/[^\x21-\x7e]/g, "")
		.replaceAll(".", "_")
		.toLowerCase();
}

function isNamed(pair: string, names: ReadonlySet<string>): boolean {
	const equals = pair.indexOf("=");
	return names.has(lenientName(equals < 0 ? pair : pair.slice(0, equals)));
}

/** A text as forms write it (application/x-www-form-urlencoded). */
export function formEncoded(text: string): string {
	return String(new URLSearchParams({ a: text })).slice("a=".length);
}
