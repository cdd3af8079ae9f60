import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../core/http/messages.ts";
import type { Scope } from "../tasks/scope.ts";
import type { Call, CallEnd } from "./policy.ts";

/**
 * The end of a call as a policy hears it, and tells it on to the end around. The policy hears first and gives back what
 * it holds, so nothing of it is left, whatever the others do. Only the first end counts. As it is, it only tells on.
 */
export class PolicyEnd implements CallEnd {
	/** The end around. */
	protected readonly outer: CallEnd;
	#over = false;

	constructor(outer: CallEnd) {
		this.outer = outer;
	}

	/** Whether the end was told. */
	protected get over(): boolean {
		return this.#over;
	}

	/** Begins the call whose end this is, perhaps not for the first time. If the call throws, it has failed. */
	begin(call: Call, request: UpstreamRequest, scope: Scope): void {
		this.#over = false;
		try {
			call(request, scope, this);
		} catch (thrown) {
			// The call has told its end before, so this is a bug of an end around. To tell it as another end would hide it.
			if (this.#over) throw thrown;
			this.failed(thrown);
		}
	}

	answered(response: UpstreamResponse): void {
		if (this.#over) return;
		this.#over = true;
		let told: UpstreamResponse | null;
		try {
			told = this.onAnswered(response);
		} catch (fault) {
			this.outer.failed(fault);
			return;
		}
		if (told !== null) this.outer.answered(told);
	}

	failed(error: unknown): void {
		if (this.#over) return;
		this.#over = true;
		let told: UpstreamResponse | null;
		try {
			told = this.onFailed(error);
		} catch (fault) {
			this.outer.failed(fault);
			return;
		}
		if (told !== null) this.outer.answered(told);
	}

	/**
	 * The answer to tell on, or null if the policy goes on and tells an end later. An error that is thrown is told on as
	 * the failure. It must not tell the end itself.
	 */
	protected onAnswered(response: UpstreamResponse): UpstreamResponse | null {
		return response;
	}

	/** As `onAnswered`, for a failure. */
	protected onFailed(error: unknown): UpstreamResponse | null {
		throw error;
	}
}
