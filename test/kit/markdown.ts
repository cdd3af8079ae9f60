/** A fenced block of a page. */
export interface Fence {
	/** What stands behind the opening fence: the language, then words of our own. */
	readonly info: string;
	readonly text: string;
	readonly line: number;
}

export function fencesOf(markdown: string): Fence[] {
	const found = markdown.matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm);
	return Array.from(found, ({ 1: info = "", 2: text = "", index }) => ({
		info,
		text,
		line: lineOf(markdown, index),
	}));
}

export function lineOf(text: string, offset: number): number {
	return text.slice(0, offset).split("\n").length;
}
