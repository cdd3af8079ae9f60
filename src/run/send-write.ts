import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../core/http/messages.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import { deadlineExceeded, type Run } from "./run.ts";
// Types only: the call that is sent may be a write.
import type { Caller } from "./send.ts";
import { SentWrite } from "./writes.ts";

/**
 * A write that was sent is not taken back: from then on only its own timeout and the deadline abort it. The step itself
 * still ends with its scope. So the write lives in the upstream's scope, and listens to the step's scope while no
 * attempt of it is under way. Its run goes on from then on, although the client leaves.
 */
export function sendWrite(
	{ upstream, step, index }: Caller,
	run: Run,
	request: UpstreamRequest,
	scope: Scope,
): Promise<UpstreamResponse> {
	const own = openScope({
		parent: upstream.scope,
		deadline: run.deadline,
		deadlineReason: deadlineExceeded,
	});
	const abort = (reason: unknown) => own.cancel(reason);
	let stopAborting = scope.onCancel(abort);
	const write = new SentWrite(step, index);
	return new Promise((resolve, reject) => {
		let stopWaiting: (() => void) | null = null;
		// Before, the call itself ends with the step, and its error says what it waited for.
		const onSent = () => {
			stopAborting();
			stopWaiting ??= scope.onCancel(reject);
			run.sent(write);
		};
		const onAgain = (beside: boolean) => {
			if (!beside) {
				stopAborting();
				stopAborting = scope.onCancel(abort);
			}
			return !scope.cancelled;
		};
		const ended = () => {
			stopAborting();
			stopWaiting?.();
			own.close();
			run.writeEnded(write);
		};
		upstream.call({ ...request, onSent, onAgain }, own).then(
			(response) => {
				write.answered(response.status);
				ended();
				resolve(response);
			},
			(error: unknown) => {
				ended();
				reject(error as Error);
			},
		);
	});
}
