import type { Scope } from "./scope.ts";

/**
 * Cancels a scope when a signal is aborted, at once if it has been. `reasonOf` gives the reason then. Returns the
 * removal of the listener.
 */
export function cancelOnAbort(
	scope: Scope,
	signal: AbortSignal,
	reasonOf: () => unknown,
): () => void {
	const cancel = () => scope.cancel(reasonOf());
	if (signal.aborted) cancel();
	else signal.addEventListener("abort", cancel, { once: true });
	return () => signal.removeEventListener("abort", cancel);
}
