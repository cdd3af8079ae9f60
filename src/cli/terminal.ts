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

/** Shows control characters instead of letting the terminal obey them; line breaks and tabs stay. */
export function withoutControls(text: string): string {
	return text
		.replaceAll("\r\n", "\n")
		.replaceAll(
			/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g,
			(character) =>
				`\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
		);
}
