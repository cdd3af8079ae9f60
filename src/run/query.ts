import type { FieldConfig } from "../config/config.ts";
import type { Given } from "./field.ts";

/** The texts given for each declared parameter of a target. Others are not looked at. */
export function queryOf(
	target: string,
	fields: readonly FieldConfig[],
): Given[] {
	const found: (string | null)[][] = fields.map(() => []);
	const mark = target.indexOf("?");
	if (mark < 0) return found;
	eachPair(target.slice(mark + 1), Number.POSITIVE_INFINITY, (name, value) => {
		const index = fields.findIndex(({ wireName }) => wireName === name);
		if (index >= 0) found[index]?.push(value());
	});
	return found;
}

/**
 * Calls `visit` for each pair `name=value` between `&`. A name or value is null if it is not percent-encoded UTF-8. Stops
 * at the pair beyond `pairsMax`. Returns how many pairs there are, that one and empty ones included.
 */
export function eachPair(
	text: string,
	pairsMax: number,
	visit: (name: string | null, value: () => string | null) => void,
): number {
	let count = 0;
	for (let at = 0; at <= text.length; ) {
		const next = text.indexOf("&", at);
		const end = next < 0 ? text.length : next;
		const pair = text.slice(at, end);
		at = end + 1;
		count++;
		if (count > pairsMax) return count;
		if (pair === "") continue;
		const equals = pair.indexOf("=");
		visit(decode(equals < 0 ? pair : pair.slice(0, equals)), () =>
			decode(equals < 0 ? "" : pair.slice(equals + 1)),
		);
	}
	return count;
}

/** Null if the text is not percent-encoded UTF-8, so that it is never read as another text. */
function decode(text: string): string | null {
	if (!text.includes("%") && !text.includes("+")) return text;
	try {
		return decodeURIComponent(withSpaces(text));
	} catch {
		return null;
	}
}

/**
 * Each plus becomes a space. In code units, because a MiB of `+%41` takes 2 ms so, 24 with `replaceAll`, 30 by `split` and `join`;
 * a MiB of `+` takes 2, 64 and 13.
 */
function withSpaces(text: string): string {
	if (!text.includes("+")) return text;
	const units = Buffer.from(text, "utf16le");
	for (let at = 0; at < units.length; at += 2) {
		if (units[at] === 0x2b && units[at + 1] === 0) units[at] = 0x20;
	}
	return units.toString("utf16le");
}
