import {
	type Decision,
	type DecisionReason,
	type Events,
	type PolicyKey,
	tell,
} from "../core/events.ts";
import type {
	StreamRequest,
	UpstreamRequest,
	UpstreamResponse,
} from "../core/http/messages.ts";
import type { Clock } from "../tasks/clock.ts";
import type { Scope } from "../tasks/scope.ts";

/**
 * Asks an upstream. Any status is an answer; what is none is thrown as a GatewayError. When the scope is cancelled the
 * call ends at once with the scope's reason, and leaves nothing behind.
 */
export type Call = (
	request: UpstreamRequest,
	scope: Scope,
) => Promise<UpstreamResponse>;

/**
 * Passes a request on. The head of the answer is told to the request's `onHead`; the promise settles when all of the
 * body has come, or fails with what its reader is failed with. When the scope is cancelled it ends as a call does.
 */
export type StreamCall = (
	request: StreamRequest,
	scope: Scope,
) => Promise<void>;

/** Protects a call: gives another that may refuse, wait, repeat or bound it. Knows no other policy. */
export type Policy = (next: Call) => Call;

/** Protects a stream, from its start to the last byte of the answer. */
export type StreamPolicy = (next: StreamCall) => StreamCall;

/** Protects calls and streams alike: what it counts, it counts of both together. */
export interface Guard {
	readonly call: Policy;
	readonly stream: StreamPolicy;
}

/** Where a policy stands: what it takes from its upstream. */
export interface PolicyPlace {
	/** The upstream's name: stands in the facts of errors and in events. */
	readonly upstream: string;
	readonly clock: Clock;
	readonly events: Events;
}

/** Says what a policy did about a call of a client's request. `number` is null if it is left out. */
export type TellDecision<Policy extends PolicyKey> = (
	requestId: string,
	decision: Decision<Policy>,
	reason: DecisionReason | null,
	number?: number,
) => void;

/** Tells decisions of the policy that stands at this key of the config; costs nothing where nobody listens. */
export function createTeller<Policy extends PolicyKey>(
	policy: Policy,
	{ upstream, events: { policyDecided } }: PolicyPlace,
): TellDecision<Policy> {
	return (requestId, decision, reason, number) => {
		if (policyDecided.length === 0) return;
		tell(policyDecided, {
			requestId,
			upstream,
			policy,
			decision,
			number: number ?? null,
			reason,
		});
	};
}
