import { GatewayError } from "../core/errors.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../core/http/messages.ts";
import { printDuration } from "../core/units.ts";
import type { Timer } from "../tasks/clock.ts";
import type { CancelTarget, Listening } from "../tasks/lifetime.ts";
import { listenTo, type Scope } from "../tasks/scope.ts";
import type { Call, Send, SentCall } from "./policy.ts";
import { PolicyEnd } from "./policy-end.ts";

/**
 * Bounds each attempt by its request's `timeoutMs`, counted from this call, and ends it with `upstream_timeout`. If the
 * outer scope is cancelled first, its reason is the error. `url` is the number of the URL in the trail.
 */
export function timeout(upstream: string, url = 0): (send: Send) => Call {
	return (send) =>
		function callInTime(request, scope, ended) {
			if (scope.cancelled) throw scope.reason;
			request.attempt?.placed(url);
			new BoundedAttempt(ended).send(send, request, scope, upstream);
		};
}

/**
 * An attempt that ends by itself, at its timeout or with its scope. It has a timer and a listener, where a scope of its own
 * would take three times as many objects.
 */
class BoundedAttempt extends PolicyEnd implements CancelTarget {
	#timer: Timer | null = null;
	#listening: Listening | null = null;
	#sent: SentCall | null = null;
	/** Why it is to end, if that was known before it was sent. */
	#cut: { readonly reason: unknown } | null = null;

	send(
		send: Send,
		request: UpstreamRequest,
		scope: Scope,
		upstream: string,
	): void {
		const { timeoutMs } = request;
		const { clock, deadline } = scope;
		// At an equal instant the outer scope gives the reason.
		if (clock.now() + timeoutMs < deadline) {
			this.#timer = clock.after(timeoutMs, () =>
				this.onCancelled(timedOut(upstream, timeoutMs)),
			);
		}
		this.#listening = listenTo(scope, this);
		try {
			this.#sent = send(request, this);
		} catch (thrown) {
			if (this.over) throw thrown;
			this.failed(thrown);
			return;
		}
		if (this.#cut !== null) this.#sent.end(this.#cut.reason);
	}

	onCancelled(reason: unknown): void {
		if (this.#sent === null) this.#cut = { reason };
		else this.#sent.end(reason);
	}

	protected override onAnswered(response: UpstreamResponse): UpstreamResponse {
		this.#leave();
		return response;
	}

	protected override onFailed(error: unknown): never {
		this.#leave();
		throw error;
	}

	#leave(): void {
		this.#timer?.cancel();
		this.#listening?.stop();
	}
}

function timedOut(upstream: string, timeoutMs: number): GatewayError {
	const message = `no answer within ${printDuration(timeoutMs)}`;
	return new GatewayError("upstream_timeout", message, { upstream });
}
