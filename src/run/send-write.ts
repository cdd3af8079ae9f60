import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../core/http/messages.ts";
import { pathOf } from "../core/http/path.ts";
import type { CallEnd } from "../policy/policy.ts";
import { PolicyEnd } from "../policy/policy-end.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import { deadlineExceeded, type Run } from "./run.ts";
// Types only: the call that is sent may be a write.
import type { Caller } from "./send.ts";
import { SentWrite } from "./sent-write.ts";

/**
 * A write that was sent is not taken back: from then on only its own timeout and the deadline abort it. The step itself
 * still ends with its scope. So the write lives in the upstream's scope, and listens to the step's scope while no
 * attempt of it is under way. Its run goes on from then on, although the client leaves.
 */
export function sendWrite(
	{ upstream, step, index, undoable }: Caller,
	run: Run,
	request: UpstreamRequest,
	scope: Scope,
	read: (response: UpstreamResponse) => unknown,
	ended: CallEnd,
): void {
	const own = openScope({
		parent: upstream.scope,
		deadline: run.deadline,
		deadlineReason: deadlineExceeded,
	});
	const abort = (reason: unknown) => own.cancel(reason);
	let stopAborting = scope.onCancel(abort);
	const write = undoable ?? new SentWrite(step, index);
	write.call = `${request.method} ${upstream.name} ${pathOf(request.target)}`;
	/** Its step has ended, but its undo needs the answer. */
	const readLate = async (response: UpstreamResponse) => {
		run.input.request.memory.hold(response.body.length);
		try {
			return await read(response);
		} catch {
			// The step has failed already.
			return null;
		}
	};
	let stopWaiting: (() => void) | null = null;
	let abandoned = false;
	const abandon = (reason: unknown) => {
		abandoned = true;
		ended.failed(reason);
	};
	// Before, the call itself ends with the step, and its error says what it waited for.
	const onSent = () => {
		stopAborting();
		stopWaiting ??= scope.onCancel(abandon);
		run.sent(write);
	};
	const onAgain = (beside: boolean) => {
		if (!beside) {
			stopAborting();
			stopAborting = scope.onCancel(abort);
		}
		return !scope.cancelled;
	};
	const over = () => {
		stopAborting();
		stopWaiting?.();
		own.close();
		run.writeEnded(write);
	};
	const end = new PolicyEnd({
		answered(response) {
			write.answered(response.status);
			over();
			undoable?.callEnded(abandoned ? readLate(response) : null);
			if (!abandoned) ended.answered(response);
		},
		failed(error) {
			over();
			undoable?.callEnded(null);
			if (!abandoned) ended.failed(error);
		},
	});
	end.begin(upstream.call, { ...request, onSent, onAgain }, own);
}
