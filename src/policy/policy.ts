import type {
	StreamRequest,
	UpstreamRequest,
	UpstreamResponse,
} from "../core/messages.ts";
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

/** Protects whatever takes a while, from its start to its end: calls and streams alike. */
export type Guard = <Request, Answer>(
	next: (request: Request, scope: Scope) => Promise<Answer>,
) => (request: Request, scope: Scope) => Promise<Answer>;
