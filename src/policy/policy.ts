import type { UpstreamRequest, UpstreamResponse } from "../core/messages.ts";
import type { Scope } from "../tasks/scope.ts";

/**
 * Asks an upstream. Any status is an answer; what is none is thrown as a GatewayError. When the scope is cancelled the
 * call ends at once with the scope's reason, and leaves nothing behind.
 */
export type Call = (
	request: UpstreamRequest,
	scope: Scope,
) => Promise<UpstreamResponse>;

/** Protects a call: gives another that may refuse, wait, repeat or bound it. Knows no other policy. */
export type Policy = (next: Call) => Call;
