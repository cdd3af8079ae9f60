import { GatewayError } from "./errors.ts";

/** How deep JSON may nest, where a reader sets no other bound. */
export const nestingMax = 64;

/**
 * Reads JSON (RFC 8259). An integer that a double would not print back digit for digit becomes a bigint; a text
 * without a run of 16 digits pays one search for that. The last of two equal keys wins, as in JSON.parse, and
 * `__proto__` is an ordinary own key. Throws SyntaxError for what is not JSON, nests deeper than `nesting`, or holds
 * a number no double can hold (1e400).
 */
export function parseJson(text: string, nesting = nestingMax): unknown {
	if (nestsDeeper(text, nesting)) {
		throw new SyntaxError(`nested deeper than ${nesting} levels`);
	}
	if (!/\d{16}|[eE]\+?\d{3}/.test(text)) return JSON.parse(text);
	return JSON.parse(text, keepDigits);
}

/** Called by JSON.parse for each value, with the source text of the primitive ones. */
function keepDigits(
	_key: string,
	value: unknown,
	context?: { source?: string },
): unknown {
	if (typeof value !== "number" || context?.source === undefined) return value;
	if (!Number.isFinite(value)) throw new SyntaxError("a number is too large");
	const { source } = context;
	if (String(value) === source || !/^-?\d+$/.test(source)) return value;
	return source === "-0" ? value : BigInt(source);
}

/**
 * Whether lists and maps nest deeper than `most`. Counting the opening brackets answers it for most bodies; only a
 * text with more of them than `most` is walked.
 */
function nestsDeeper(text: string, most: number): boolean {
	if (openings(text, most) <= most) return false;
	let depth = 0;
	for (let at = 0; at < text.length; at++) {
		switch (text.charCodeAt(at)) {
			case 0x22: // a string: to its closing quote
				at = closingQuote(text, at + 1);
				break;
			case 0x5b:
			case 0x7b:
				if (++depth > most) return true;
				break;
			case 0x5d:
			case 0x7d:
				depth--;
				break;
		}
	}
	return false;
}

/** How many `[` and `{` there are, counted no further than one over `most`. */
function openings(text: string, most: number): number {
	let count = 0;
	for (const bracket of ["{", "["]) {
		let at = text.indexOf(bracket);
		while (at >= 0 && count <= most) {
			count++;
			at = text.indexOf(bracket, at + 1);
		}
	}
	return count;
}

function closingQuote(text: string, from: number): number {
	for (let at = from; ; ) {
		const quote = text.indexOf('"', at);
		if (quote < 0) return text.length;
		let backslashes = 0;
		while (text.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes++;
		if (backslashes % 2 === 0) return quote;
		at = quote + 1;
	}
}

/**
 * Writes JSON; bigints print their digits. `undefined` cannot occur in data, so the result is always a text.
 * Throws `step_failed` where data nests too deeply for the engine's stack.
 */
export function printJson(value: unknown): string {
	try {
		return JSON.stringify(value);
	} catch (error) {
		if (error instanceof RangeError) {
			throw new GatewayError("step_failed", "the value nests too deeply", {
				cause: error,
			});
		}
		// TypeError: there is a bigint in it. A replacer costs several times the plain call, so only then.
		return JSON.stringify(value, printDigits);
	}
}

function printDigits(_key: string, value: unknown): unknown {
	return typeof value === "bigint" ? rawJson(String(value)) : value;
}

/** ECMAScript's JSON.rawJSON, which TypeScript's library does not declare yet. */
const { rawJSON: rawJson } = JSON as unknown as {
	rawJSON(text: string): unknown;
};
