/** Longer nothing takes, on a busy machine either. A test that waited on would end without a word about what it waited for. */
const patienceMs = 50_000;

/**
 * Resolves when it holds, for what another process or the system does and nobody tells. It is asked every few milliseconds:
 * a loop that asks in each turn would take a whole core from those that it waits for. Fails with what `seen` gives if it does
 * not come to that.
 */
export async function until(
	holds: () => boolean | Promise<boolean>,
	seen: () => unknown = () => String(holds),
): Promise<void> {
	const endMs = performance.now() + patienceMs;
	while (!(await holds())) {
		if (performance.now() > endMs) {
			throw new Error(`it did not come to this in time: ${seen()}`);
		}
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
}
