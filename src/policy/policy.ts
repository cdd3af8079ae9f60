import {
	type Decision,
	type DecisionReason,
	type Events,
	type PolicyKey,
	raise,
} from "../core/events.ts";
import type {
	StreamHead,
	StreamRequest,
	UpstreamRequest,
	UpstreamResponse,
} from "../core/http/messages.ts";
import type { Asker } from "../core/trail.ts";
import type { Clock } from "../tasks/clock.ts";
import type { Scope } from "../tasks/scope.ts";

/**
 * Asks an upstream, and tells `ended` of the end: once, perhaps before it returns. An answer may have any status. Without
 * an answer it fails with a GatewayError. When the scope is cancelled, the call ends at once with the scope's reason, and
 * leaves nothing behind. A call that throws has failed, and tells nothing.
 */
export type Call = (
	request: UpstreamRequest,
	scope: Scope,
	ended: CallEnd,
) => void;

/**
 * Hears how a call ends, by one of the two. Neither may throw. These are functions and no promise, because each promise
 * around a call costs it 0.3 µs. For code that waits there is `promised`.
 */
export interface CallEnd {
	answered(response: UpstreamResponse): void;
	failed(error: unknown): void;
}

/**
 * Sends one attempt of a call. It tells the end as a call does, but nothing bounds it: no scope and no timer. So whoever
 * sends it ends it.
 */
export type Send = (request: UpstreamRequest, ended: CallEnd) => SentCall;

/** An attempt that was sent. */
export interface SentCall {
	/** Ends it at once, with the reason as its failure. Does nothing if it is over. */
	end(reason: unknown): void;
}

/**
 * Passes a request on, and tells `ended` of the answer's head and of the end: as a call does, and with functions for the same
 * reason. When the scope is cancelled, it ends as a call does. For code that waits there is `promisedStream`.
 */
export type StreamCall = (
	request: StreamRequest,
	scope: Scope,
	ended: StreamEnd,
) => void;

/** Hears how a stream goes: the head comes at most once, and then one of the ends. None may throw. */
export interface StreamEnd {
	/** The head of the answer is there. Its body may still come. */
	head(head: StreamHead): void;
	/** The whole body has come. */
	done(): void;
	/** No head comes, or the body breaks off, with the error that its reader gets. */
	failed(error: unknown): void;
}

/** Protects a call: returns another call that may refuse, delay, repeat or bound it. Knows no other policy. */
export type Policy = (next: Call) => Call;

/** Protects a stream, from its start to the last byte of the answer. */
export type StreamPolicy = (next: StreamCall) => StreamCall;

/** Protects calls and streams alike, and counts both together. */
export interface Guard {
	readonly call: Policy;
	readonly stream: StreamPolicy;
}

/** A policy that counts how calls end, and hears if an answer that counted as good was of no use. */
export interface Blamable {
	/** Called once for each such answer, however many share it. */
	blame(response: UpstreamResponse, asker: Asker): void;
}

/** The means that a policy takes from its upstream. */
export interface PolicyContext {
	/** The upstream's name, which stands in the facts of errors and in events. */
	readonly upstream: string;
	readonly clock: Clock;
	readonly events: Events;
}

/** Reports what a policy did about a call. `number` is null if it is left out. */
export type ReportDecision<Policy extends PolicyKey> = (
	asker: Asker,
	decision: Decision<Policy>,
	reason: DecisionReason | null,
	number?: number | null,
) => void;

/**
 * Makes the function that reports the decisions of the policy with this config key, to listeners and to the trail of the
 * call. It costs nothing if nobody wants to know.
 */
export function createReporter<Policy extends PolicyKey>(
	policy: Policy,
	{ upstream, events: { policyDecided } }: PolicyContext,
): ReportDecision<Policy> {
	return ({ requestId, trail }, decision, reason, number = null) => {
		trail?.decided({ policy, decision, number, reason });
		if (policyDecided.length === 0) return;
		raise(policyDecided, {
			...{ requestId, upstream, policy },
			...{ decision, number, reason },
		});
	};
}
