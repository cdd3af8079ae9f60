/**
 * Without the blanks of HTTP around it (RFC 9110, 5.6.3): spaces and tabs, and no other white space. By two looks from the ends: a pattern
 * would look again from each blank of a run inside.
 */
export function withoutBlanks(text: string): string {
	let from = 0;
	let to = text.length;
	while (from < to && isBlank(text.charCodeAt(from))) from++;
	while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
	return text.slice(from, to);
}

function isBlank(code: number): boolean {
	return code === 0x20 || code === 0x09;
}
