/**
 * Rows of cells as aligned text. A column is as wide as its widest cell. A column that is empty below its title is left
 * out.
 */
export function printColumns(rows: readonly (readonly string[])[]): string {
	const columns = rows[0]?.map((_, index) => index) ?? [];
	const used = columns.filter((column) =>
		rows.some((row, index) => (index > 0 || rows.length < 2) && row[column]),
	);
	const widths = columns.map((column) =>
		Math.max(...rows.map((row) => widthOf(row[column] ?? ""))),
	);
	return rows
		.map((row) =>
			used
				.map((column) => pad(row[column] ?? "", widths[column] ?? 0))
				.join("  ")
				.trimEnd(),
		)
		.join("\n");
}

/** Pads to a width in characters, each of which a terminal shows in one cell. */
export function pad(text: string, width: number): string {
	return text + " ".repeat(Math.max(0, width - widthOf(text)));
}

/** Counts characters, not units of UTF-16. */
export function widthOf(text: string): number {
	return [...text].length;
}
