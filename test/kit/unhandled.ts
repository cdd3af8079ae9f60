const kinds = ["unhandledRejection", "uncaughtException"] as const;

/** What `work` leaves as errors that nobody catches. The runner, which would fail the test for them, does not hear of them. */
export async function unhandledIn(
	work: () => Promise<void>,
): Promise<unknown[]> {
	const seen: unknown[] = [];
	const see = (error: unknown) => void seen.push(error);
	const others = kinds.map((kind) => process.listeners(kind as "exit"));
	for (const kind of kinds) {
		process.removeAllListeners(kind);
		process.on(kind, see);
	}
	try {
		await work();
		// Node tells of them when its queue of promises is empty.
		await new Promise((resolve) => setImmediate(resolve));
	} finally {
		for (const [at, kind] of kinds.entries()) {
			process.off(kind, see);
			for (const other of others[at] ?? []) process.on(kind as "exit", other);
		}
	}
	return seen;
}
