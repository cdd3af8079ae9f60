/**
 * An error, taken apart into the failures that it is made of. Several may have left one scope. Two may have met where
 * `await using` left a block that had thrown. `isWhole` says where to stop.
 */
export function leavesOf(
	error: unknown,
	isWhole: (error: unknown) => boolean,
): unknown[] {
	if (isWhole(error)) return [error];
	if (error instanceof SuppressedError) {
		// The block's error came first.
		return [error.suppressed, error.error].flatMap((one) =>
			leavesOf(one, isWhole),
		);
	}
	if (error instanceof TaskFailures) {
		return error.errors.flatMap((one) => leavesOf(one, isWhole));
	}
	// Node's own functions wrap the reason of a signal in an AbortError.
	if (isAbortError(error) && isWhole(error.cause)) return [error.cause];
	return [error];
}

/** The one failure, or all failures as one error, the first in front. */
export function failureOf(failures: ReadonlySet<unknown>): unknown {
	const [first, ...others] = failures;
	return others.length === 0 ? first : new TaskFailures([...failures]);
}

/**
 * Tells one of many. If it throws, that is a bug of its own: the others are told all the same, and the bug is seen as the failure of
 * a promise that nobody waits for.
 */
export function tellApart(tell: () => void): void {
	try {
		tell();
	} catch (bug) {
		void Promise.reject(bug);
	}
}

/** Several failures that left one scope. Any other AggregateError is one failure. */
class TaskFailures extends AggregateError {
	constructor(errors: unknown[]) {
		const first = errors[0] instanceof Error ? errors[0].message : errors[0];
		super(errors, `${errors.length} failures, the first: ${String(first)}`);
	}
}

function isAbortError(error: unknown): error is Error {
	return (
		error instanceof Error && "code" in error && error.code === "ABORT_ERR"
	);
}
