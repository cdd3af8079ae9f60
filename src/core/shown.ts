/**
 * A terminal obeys control characters, and some texts come from configs, file names and upstreams: they could hide a line, or
 * make up another. So these characters are shown as in JSON, `\u001b`, which changes no JSON. Files and pipes get them so,
 * too, because somebody may look at them later.
 */

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
