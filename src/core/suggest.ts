/**
 * The end of a message about an unknown name: `` — did you mean `city`?`` where a known name is near enough to be a slip
 * of the hand, else nothing. Of equally near names the first wins.
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

/** A third of the name may be wrong, but always one letter and never so many that any word would do. */
function slipsAllowed(name: string): number {
	return Math.min(4, Math.max(1, Math.floor(name.length / 3)));
}

/**
 * Letters to insert, delete, replace or swap with their neighbour to get from one name to the other, where letters
 * that differ in case only count as equal but for half a slip. `least` and more all mean "too far".
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
		beforeLast = last;
		last = next;
	}
	return last[b.length] ?? least;
}
