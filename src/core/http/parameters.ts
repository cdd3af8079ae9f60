/** A field's value with its parameters: `text/plain; charset="utf-8"`. */
export interface WithParameters {
	/** What stands before the parameters, in lower case. */
	readonly value: string;
	/**
	 * By names in lower case. A quoted value stands as between its quotes, with its backslashes, because senders of forms
	 * do not agree on what they mean.
	 */
	readonly parameters: ReadonlyMap<string, string>;
}

/** The most parameters, empty ones included. A few have a meaning. */
const parametersMax = 16;

/**
 * Reads a value with its parameters (RFC 9110, 5.6.6). Null if it is malformed, if a parameter stands twice, or if there
 * are more than 16.
 */
export function withParametersOf(text: string): WithParameters | null {
	const [start = "", value = ""] = head.exec(text) ?? [];
	if (value === "") return null;
	const parameters = new Map<string, string>();
	let at = start.length;
	for (let count = 1; at < text.length; count++) {
		if (count > parametersMax) return null;
		parameter.lastIndex = at;
		const found = parameter.exec(text);
		if (found === null) return null;
		at = parameter.lastIndex;
		const [, written, quoted, token = ""] = found;
		if (written === undefined) continue;
		const name = written.toLowerCase();
		if (parameters.has(name)) return null;
		parameters.set(name, quoted ?? token);
	}
	return { value: value.toLowerCase(), parameters };
}

const head = /^[\t ]*([^\t ;"]+)[\t ]*/;
const tokenSigns = "[!#$%&'*+\\-.^_`|~\\dA-Za-z]+";
/** A semicolon with nothing behind it is none. */
const parameter = new RegExp(
	`;[\\t ]*(?:(${tokenSigns})=(?:"((?:[^"\\\\]|\\\\.)*)"|(${tokenSigns}))[\\t ]*)?`,
	"y",
);
