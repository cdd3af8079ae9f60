/**
 * For each character of a scalar's value, its offset in the raw text. Walks both at once. An escape or a doubled quote
 * is one character. A fold of line break and indent is one space. Other indents are skipped.
 */
export function placesOf(value: string, raw: string): number[] {
	const quote = raw[0] === '"' || raw[0] === "'" ? raw[0] : "";
	let at = quote ? 1 : 0;
	if (raw[0] === "|" || raw[0] === ">") at = raw.indexOf("\n") + 1;
	const places: number[] = [];
	for (const character of value.split("")) {
		if (isSpace(character)) {
			places.push(at);
			at = afterSpace(raw, at, character, quote);
			continue;
		}
		while (isSpace(raw[at])) at++;
		while (quote === '"' && raw[at] === "\\" && raw[at + 1] === "\n") {
			at += 2;
			while (isSpace(raw[at])) at++;
		}
		places.push(at);
		at += widthOf(raw, at, quote);
	}
	return places;
}

function afterSpace(
	raw: string,
	at: number,
	character: string,
	quote: string,
): number {
	if (quote === '"' && raw[at] === "\\") return at + widthOf(raw, at, quote);
	if (raw[at] !== "\n" || character === "\n") return at + 1;
	let next = at + 1;
	while (isSpace(raw[next])) next++;
	return next;
}

/** How many raw characters make one character of the value. */
function widthOf(raw: string, at: number, quote: string): number {
	if (quote === "'" && raw[at] === "'") return 2;
	if (quote !== '"' || raw[at] !== "\\") return 1;
	const digits = { x: 2, u: 4, U: 8 }[raw[at + 1] ?? ""] ?? 0;
	return 2 + digits;
}

function isSpace(character: string | undefined): boolean {
	return character === " " || character === "\n" || character === "\t";
}
