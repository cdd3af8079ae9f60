import { needScope } from "./misuse.ts";
import type { Scope } from "./scope.ts";

/** Waits that many milliseconds, not less; throws the scope's reason when it is cancelled first. */
export function sleep(ms: number, scope: Scope): Promise<void> {
	needScope(scope, `sleep(${Number(ms) || 10}, scope)`);
	if (scope.cancelled) return Promise.reject(scope.reason);
	return new Promise((resolve, reject) => {
		const timer = scope.clock.after(ms, () => {
			stopListening();
			resolve();
		});
		const stopListening = scope.onCancel((reason) => {
			timer.cancel();
			reject(reason);
		});
	});
}
