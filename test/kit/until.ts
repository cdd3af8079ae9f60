/**
 * Resolves when it holds, for what another process or the system does and nobody tells. It is asked every few milliseconds:
 * a loop that asks in each turn would take a whole core from those that it waits for.
 */
export async function until(
	holds: () => boolean | Promise<boolean>,
): Promise<void> {
	while (!(await holds())) {
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
}
