/** A text without its quotes, or a number. */
interface JsonPlace {
	readonly from: number;
	readonly end: number;
	readonly isText: boolean;
	/** Whether it is a part of what was found, with its quotes. */
	readonly isWithin: boolean;
}

const quote = 0x22;
const backslash = 0x5c;

/** The texts and numbers of JSON that something was found in. `found` are places, from and to in turn, in their order. */
export function* placesIn(
	json: string,
	found: readonly number[],
): Generator<JsonPlace> {
	let next = 0;
	for (let at = 0; at < json.length && next < found.length; ) {
		const code = json.charCodeAt(at);
		const isText = code === quote;
		const from = isText ? at + 1 : at;
		if (!isText && !isOfNumber(code)) {
			at++;
			continue;
		}
		const end = isText ? endOfText(json, from) : endOfNumber(json, from);
		at = isText ? end + 1 : end;
		while (next < found.length && (found[next + 1] as number) <= from) {
			next += 2;
		}
		if (next >= found.length) return;
		const foundAt = found[next] as number;
		if (foundAt >= end) continue;
		const isWithin = foundAt < from && (found[next + 1] as number) > end;
		yield { from, end, isText, isWithin };
	}
}

function endOfText(json: string, from: number): number {
	let at = from;
	while (at < json.length) {
		const code = json.charCodeAt(at);
		if (code === quote) return at;
		at += code === backslash ? 2 : 1;
	}
	return json.length;
}

function endOfNumber(json: string, from: number): number {
	let at = from;
	while (at < json.length && isOfNumber(json.charCodeAt(at))) at++;
	return at;
}

/** Digits, and `+`, `-`, `.`, `E` and `e`. */
function isOfNumber(code: number): boolean {
	return (
		(code >= 0x30 && code <= 0x39) ||
		code === 0x2b ||
		code === 0x2d ||
		code === 0x2e ||
		code === 0x45 ||
		code === 0x65
	);
}
