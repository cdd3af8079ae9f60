import type { StreamHead, StreamRequest } from "../core/http/messages.ts";
import type { Scope } from "../tasks/scope.ts";
import type { StreamCall, StreamEnd } from "./policy.ts";

/** As `PolicyEnd`, for a stream. The policy hears of the head, too. */
export class StreamPolicyEnd implements StreamEnd {
	/** The end around. */
	protected readonly outer: StreamEnd;
	#over = false;

	constructor(outer: StreamEnd) {
		this.outer = outer;
	}

	/** Begins the stream whose end this is. If it throws, it has failed. */
	begin(call: StreamCall, request: StreamRequest, scope: Scope): void {
		try {
			call(request, scope, this);
		} catch (thrown) {
			// As in `PolicyEnd`.
			if (this.#over) throw thrown;
			this.failed(thrown);
		}
	}

	head(head: StreamHead): void {
		if (!this.#over) this.onHead(head);
	}

	done(): void {
		if (this.#over) return;
		this.#over = true;
		try {
			this.onDone();
		} catch (fault) {
			this.outer.failed(fault);
			return;
		}
		this.outer.done();
	}

	failed(error: unknown): void {
		if (this.#over) return;
		this.#over = true;
		let told: unknown;
		try {
			told = this.onFailed(error);
		} catch (fault) {
			told = fault;
		}
		this.outer.failed(told);
	}

	/** Tells the head on. */
	protected onHead(head: StreamHead): void {
		this.outer.head(head);
	}

	/** An error that is thrown is told on instead. */
	protected onDone(): void {}

	/** The error to tell on. An error that is thrown is told on instead. */
	protected onFailed(error: unknown): unknown {
		return error;
	}
}
