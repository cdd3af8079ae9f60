/**
 * The end of a message about an unknown name: `` — did you mean `city`?``. Empty unless a known name is so near that
 * the author may have mistyped it. If names are equally near, the first wins.
 */
export function suggest(name: string, known: Iterable<string>): string {
	let nearest = "";
	let least = slipsAllowed(name) + 1;
	for (const candidate of known) {
		const slips = distance(name, candidate, least);
		if (slips < least) {
			least = slips;
			nearest = candidate;
		}
	}
	return nearest === "" ? "" : ` — did you mean \`${nearest}\`?`;
}

/** A third of the name may be wrong: always at least one letter, and never so many that any word would match. */
function slipsAllowed(name: string): number {
	return Math.min(4, Math.max(1, Math.floor(name.length / 3)));
}

/**
 * How many letters must be inserted, deleted, replaced or swapped with their neighbour to get from one name to the
 * other. A letter in the other case counts half. `least` or more means "too far".
 */
function distance(from: string, to: string, least: number): number {
	if (from === to) return 0;
	if (Math.abs(from.length - to.length) >= least) return least;
	if (from.toLowerCase() === to.toLowerCase()) return 0.5;
	const a = from.toLowerCase();
	const b = to.toLowerCase();
	let beforeLast: number[] = [];
	let last = Array.from({ length: b.length + 1 }, (_, column) => column);
	for (let row = 1; row <= a.length; row++) {
		const next = [row];
		for (let column = 1; column <= b.length; column++) {
			const same = a[row - 1] === b[column - 1];
			let slips = Math.min(
				(last[column] ?? 0) + 1,
				(next[column - 1] ?? 0) + 1,
				(last[column - 1] ?? 0) + (same ? 0 : 1),
			);
			if (a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
				slips = Math.min(slips, (beforeLast[column - 2] ?? 0) + 1);
			}
			next.push(slips);
		}
		// Every later row grows from these two.
		if (Math.min(...next, ...last) >= least) return least;
		beforeLast = last;
		last = next;
	}
	return last[b.length] ?? least;
}
