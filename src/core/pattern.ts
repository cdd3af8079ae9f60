import { RE2JS } from "re2js";

/**
 * Regular expressions of schemas. They are ECMAScript's with `u`, as JSON Schema says, and are carried out by an engine
 * whose time grows with the text alone. So what that cannot do, looking around and back, is refused.
 */
export interface Pattern {
	/** Whether the pattern is found anywhere in the text. */
	test(text: string): boolean;
}

/** Makes a pattern that has been judged. Throws if it has a fault. */
export function createPattern(source: string): Pattern {
	const translated = translate(source);
	if ("fault" in translated) throw new SyntaxError(translated.fault);
	return RE2JS.compile(translated.text);
}

/** What is wrong with a pattern, and what to write instead; null if it can be made. */
export function faultOfPattern(source: string): string | null {
	try {
		new RegExp(source, "u");
	} catch {
		return "this pattern is not a regular expression";
	}
	const translated = translate(source);
	if ("fault" in translated) return translated.fault;
	try {
		RE2JS.compile(translated.text);
		return null;
	} catch {
		return "this pattern repeats too much: at most 1000 times, counted over repeats inside repeats";
	}
}

type Translated = { readonly text: string } | { readonly fault: string };

/** Of the same meaning in RE2's syntax. The pattern is known to be ECMAScript's. */
function translate(source: string): Translated {
	let text = "";
	let inClass = false;
	for (let at = 0; at < source.length; ) {
		const token = tokenAt(source, at, inClass);
		at += token.length;
		const fault = inClass ? null : faultOfToken(token);
		if (fault !== null) return { fault };
		const made = inClass ? insideClass(token) : outsideClass(token);
		if (made === null) return { fault: unknownProperty(token) };
		text += made;
		if (inClass) inClass = token !== "]";
		else inClass = token === "[" || token === "[^";
	}
	return { text };
}

const escape =
	/\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|\\u\{[\da-fA-F]+\}|\\u[\da-fA-F]{4}|\\[pP]\{[^}]*\}|\\c[A-Za-z]|\\k<[^>]*>|\\[1-9]\d*|\\[^]/;
const opening = /\(\?<?[=!]|\(\?[a-z]*-?[a-z]*:|\[\^?\]|\[\^?/;
const tokens = {
	inside: new RegExp(`${escape.source}|[^]`, "uy"),
	outside: new RegExp(`${escape.source}|${opening.source}|[^]`, "uy"),
};

/** An escape, the beginning of a group or of a class, or one character. */
function tokenAt(source: string, at: number, inClass: boolean): string {
	const token = inClass ? tokens.inside : tokens.outside;
	token.lastIndex = at;
	return token.exec(source)?.[0] ?? source.slice(at);
}

function faultOfToken(token: string): string | null {
	if (/^\(\?<?[=!]/.test(token)) {
		return `this pattern looks around with \`${token}…)\`, which takes no bounded time: write what the text is, from start to end`;
	}
	if (/^\\(?:k<|[1-9])/.test(token)) {
		return `this pattern refers back with \`${token}\`, which takes no bounded time: write the parts out`;
	}
	if (/^\(\?[a-z-]+:/.test(token)) {
		return `this pattern sets flags with \`${token}\`: write both cases, as in \`[aA]\``;
	}
	return null;
}

function unknownProperty(token: string): string {
	return `this pattern names \`${token}\`, which is not known here: general categories and scripts are, such as \`\\p{L}\` and \`\\p{Script=Greek}\``;
}

/** ECMAScript's white space and line ends (ECMA-262, 12.2 and 12.3), as ranges of a class. */
const spaces =
	"\\t-\\r \\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}";
const noSpaces =
	"\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}";
const everything = "\\x{0}-\\x{10ffff}";

function outsideClass(token: string): string | null {
	switch (token) {
		case ".":
			return "[^\\n\\r\\x{2028}\\x{2029}]";
		case "\\s":
			return `[${spaces}]`;
		case "\\S":
			return `[${noSpaces}]`;
		case "[]":
			return `[^${everything}]`;
		case "[^]":
			return `[${everything}]`;
		default:
			return escaped(token);
	}
}

function insideClass(token: string): string | null {
	switch (token) {
		case "\\s":
			return spaces;
		case "\\S":
			return noSpaces;
		case "\\b":
			return "\\x{8}";
		// RE2 reads `[:alpha:]` there.
		case "[":
			return "\\[";
		default:
			return escaped(token);
	}
}

/** What both write alike stays. */
function escaped(token: string): string | null {
	if (/^\\u[^{]/.test(token) || token.startsWith("\\u{")) {
		return character(codeOf(token));
	}
	if (token.startsWith("\\c")) {
		return character((token.codePointAt(2) ?? 0) % 32);
	}
	if (token === "\\0") return character(0);
	return /^\\p/i.test(token) ? property(token) : token;
}

function character(code: number): string {
	return `\\x{${code.toString(16)}}`;
}

/** Of `\u0061`, of `\u{1F600}`, or of the two halves of a pair. */
function codeOf(token: string): number {
	const numbers = token
		.split(/\\u\{?/)
		.slice(1)
		.map((digits) => Number.parseInt(digits, 16));
	const [first = 0] = numbers;
	if (numbers.length === 1) return first;
	return String.fromCharCode(...numbers).codePointAt(0) ?? 0;
}

const longNames: Readonly<Record<string, string>> = {
	Letter: "L",
	Lowercase_Letter: "Ll",
	Mark: "M",
	Number: "N",
	Decimal_Number: "Nd",
	Punctuation: "P",
	Separator: "Z",
	Symbol: "S",
	Uppercase_Letter: "Lu",
};

/** Null for a property that the engine does not know. */
function property(token: string): string | null {
	const [, letter = "", named = ""] = /^\\([pP])\{(.*)\}$/.exec(token) ?? [];
	const name = named.replace(/^(?:Script|sc|General_Category|gc)=/, "");
	const made = `\\${letter}{${longNames[name] ?? name}}`;
	try {
		RE2JS.compile(made);
		return made;
	} catch {
		return null;
	}
}
