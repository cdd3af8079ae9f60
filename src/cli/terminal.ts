/**
 * The only place that writes to a terminal. A terminal obeys control characters, and some texts come from configs, file
 * names and upstreams: they could hide a line, or make up another. So these characters are shown as in JSON, `\u001b`,
 * which changes no JSON. Files and pipes get them so, too, because somebody may look at them later.
 */

/** Writes to stdout, with a line break behind it. */
export function print(text: string): void {
	process.stdout.write(`${shown(text)}\n`);
}

/** Writes to stderr, with a line break behind it. */
export function printError(text: string): void {
	process.stderr.write(`${shown(text)}\n`);
}

/** Writes to stderr what has colours, with a line break behind it. The caller has shown its texts. */
export function printColoured(text: string): void {
	process.stderr.write(`${text}\n`);
}

/** Writes a body to stdout: to a terminal `forPeople`, else the body byte for byte. */
export function printBody(
	body: string | Uint8Array,
	forPeople: () => string,
): void {
	const { stdout } = process;
	stdout.write(stdout.isTTY ? `${shown(forPeople())}\n` : body);
}

/** Shows control characters instead of letting the terminal obey them. Line breaks and tabs stay. */
export function shown(text: string): string {
	return text.replaceAll("\r\n", "\n").replaceAll(obeyed, unicodeOf);
}

/** The same for a text that must stay one line. */
export function shownInOneLine(text: string): string {
	return shown(text).replaceAll(/[\n\t]/g, unicodeOf);
}

/** Control characters, what else some take for the end of a line, and what changes the order of others on a line. */
const obeyed =
	/[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

function unicodeOf(character: string): string {
	return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** JSON with a line per value. It works on the text, so that no number and no key changes. */
export function indentJson(text: string): string {
	const tokens =
		text.match(/"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+/g) ?? [];
	let depth = 0;
	const line = () => `\n${"  ".repeat(depth)}`;
	return tokens
		.map((token, index) => {
			switch (token) {
				case "{":
				case "[":
					depth++;
					return closing.has(tokens[index + 1]) ? token : token + line();
				case "}":
				case "]":
					depth--;
					return opening.has(tokens[index - 1]) ? token : line() + token;
				case ",":
					return token + line();
				case ":":
					return ": ";
				default:
					return token;
			}
		})
		.join("");
}

const opening: ReadonlySet<string | undefined> = new Set(["{", "["]);
const closing: ReadonlySet<string | undefined> = new Set(["}", "]"]);
