/** The width of a terminal that does not say its own, and of what is no terminal. */
export const usualColumns = 80;

/**
 * Rows of cells as aligned text, no wider than `width`. A column is as wide as its widest cell. The last column wraps, and
 * may hold several lines. A row of one cell is a line of its own.
 */
export function printColumns(
	rows: readonly (readonly string[])[],
	width: number,
): string {
	const last = Math.max(0, ...rows.map((row) => row.length - 1));
	const widths = Array.from({ length: last }, (_, column) =>
		Math.max(
			0,
			...rows.map((row) => (row.length > 1 ? widthOf(row[column] ?? "") : 0)),
		),
	);
	const before = widths.reduce((sum, one) => sum + one + 2, 0);
	return rows
		.map((row) => {
			if (row.length === 1) return wrapped(row[0] ?? "", width).join("\n");
			const cells = widths.map((one, column) => pad(row[column] ?? "", one));
			const lines = (row[last] ?? "")
				.split("\n")
				.flatMap((line) => wrapped(line, Math.max(widthMin, width - before)));
			const first = [...cells, lines[0] ?? ""].join("  ").trimEnd();
			const rest = lines.slice(1).map((line) => " ".repeat(before) + line);
			return [first, ...rest].join("\n");
		})
		.join("\n");
}

/** The last column is never narrower, however narrow the terminal is. */
const widthMin = 20;

/** The lines of a text, each of at most `width` characters. It breaks at spaces, and a longer word behind a slash. */
export function wrapped(text: string, width: number): string[] {
	const lines: string[] = [];
	let line = "";
	for (const word of text.split(" ").flatMap((one) => piecesOf(one, width))) {
		const joined =
			line === "" || word.glued ? line + word.text : `${line} ${word.text}`;
		if (widthOf(joined) <= width || line === "") {
			line = joined;
			continue;
		}
		lines.push(line);
		line = word.text;
	}
	return [...lines, line];
}

interface Piece {
	readonly text: string;
	/** Whether it follows the piece before it without a space. */
	readonly glued: boolean;
}

function piecesOf(word: string, width: number): Piece[] {
	if (widthOf(word) <= width) return [{ text: word, glued: false }];
	const parts = word
		.split(/(?<=\/)/)
		.flatMap((part) => part.match(new RegExp(`.{1,${width}}`, "gu")) ?? []);
	return parts.map((text, index) => ({ text, glued: index > 0 }));
}

/** Pads to a width in characters, each of which a terminal shows in one cell. */
export function pad(text: string, width: number): string {
	return text + " ".repeat(Math.max(0, width - widthOf(text)));
}

/** Counts characters, not units of UTF-16. */
export function widthOf(text: string): number {
	return [...text].length;
}
