import { type ByteStream, isStream } from "../core/body/byte-stream.ts";
import type { StreamHead, UpstreamResponse } from "../core/http/messages.ts";
import type { Asker, AttemptTrail } from "../core/trail.ts";
import type { Scope } from "../tasks/scope.ts";
import type { CallEnd, Guard, StreamEnd } from "./policy.ts";
import { PolicyEnd } from "./policy-end.ts";
import { StreamPolicyEnd } from "./stream-end.ts";

/** Hears how one call or stream goes. */
export interface Attempt {
	/** The whole answer of a call is there, or the head of a stream's answer. */
	answered(status: number): void;
	/** It failed. A stream may fail after its head. */
	failed(error: unknown): void;
	/** It is over, well or not. Called once, last. */
	ended(): void;
}

/** The facts about a call or a stream that a guard may need before it lets it through. */
export interface Asked extends Asker {
	/** The client's address. */
	readonly client: string;
	readonly body: string | ByteStream | null;
	readonly isKept?: () => boolean;
	readonly attempt?: AttemptTrail | null;
}

/** Whether the body of a request still comes. Then its client decides how long the request takes. */
export function isComing(body: Asked["body"]): boolean {
	return isStream(body) && body.arrived !== true;
}

/**
 * Makes a guard from `begin`, which is called when a call begins. `begin` refuses by throwing, and may let the call
 * wait by a promise. Its result hears how the call ends. Without a promise the call goes on in the same turn.
 */
export function watching(
	begin: (request: Asked, scope: Scope) => Attempt | Promise<Attempt>,
): Guard {
	return {
		call: (next) =>
			function callWatched(request, scope, ended) {
				const begun = begin(request, scope);
				if (!(begun instanceof Promise)) {
					new WatchedEnd(begun, ended).begin(next, request, scope);
					return;
				}
				begun.then(
					(attempt) =>
						new WatchedEnd(attempt, ended).begin(next, request, scope),
					(refusal: unknown) => ended.failed(refusal),
				);
			},
		stream: (next) =>
			function streamWatched(request, scope, ended) {
				const begun = begin(request, scope);
				if (!(begun instanceof Promise)) {
					new WatchedStreamEnd(begun, ended).begin(next, request, scope);
					return;
				}
				begun.then(
					(attempt) =>
						new WatchedStreamEnd(attempt, ended).begin(next, request, scope),
					(refusal: unknown) => ended.failed(refusal),
				);
			},
	};
}

/** Lets an attempt hear how a call ends. */
class WatchedEnd extends PolicyEnd {
	readonly #attempt: Attempt;

	constructor(attempt: Attempt, outer: CallEnd) {
		super(outer);
		this.#attempt = attempt;
	}

	protected override onAnswered(response: UpstreamResponse): UpstreamResponse {
		try {
			this.#attempt.answered(response.status);
			return response;
		} finally {
			this.#attempt.ended();
		}
	}

	protected override onFailed(error: unknown): never {
		try {
			this.#attempt.failed(error);
			throw error;
		} finally {
			this.#attempt.ended();
		}
	}
}

/** Lets an attempt hear how a stream goes. */
class WatchedStreamEnd extends StreamPolicyEnd {
	readonly #attempt: Attempt;

	constructor(attempt: Attempt, outer: StreamEnd) {
		super(outer);
		this.#attempt = attempt;
	}

	protected override onHead(head: StreamHead): void {
		this.#attempt.answered(head.status);
		this.outer.head(head);
	}

	protected override onDone(): void {
		this.#attempt.ended();
	}

	protected override onFailed(error: unknown): unknown {
		try {
			this.#attempt.failed(error);
		} finally {
			this.#attempt.ended();
		}
		return error;
	}
}
