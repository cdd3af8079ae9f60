/**
 * How many x ≤ y ≤ z there are with x² + y² + z² = n, by trying them all. It stands in a file of its own because a thread
 * has its own memory: not the function goes there but its name, and the thread imports the file.
 */
export function solutions(n: number): number {
	let found = 0;
	for (let x = 0; 3 * x * x <= n; x++) {
		for (let y = x; x * x + 2 * y * y <= n; y++) {
			if (Number.isInteger(Math.sqrt(n - x * x - y * y))) found++;
		}
	}
	return found;
}
