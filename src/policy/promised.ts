import type {
	StreamHead,
	StreamRequest,
	UpstreamRequest,
	UpstreamResponse,
} from "../core/http/messages.ts";
import type { Scope } from "../tasks/scope.ts";
import type { Call, CallEnd, StreamCall, StreamPolicy } from "./policy.ts";

/** A call as a promise of its answer. */
export type PromisedCall = (
	request: UpstreamRequest,
	scope: Scope,
) => Promise<UpstreamResponse>;

/** Makes a call for code that waits for it. */
export function promised(call: Call): PromisedCall {
	return (request, scope) =>
		new Promise((answered, failed) => {
			call(request, scope, { answered, failed });
		});
}

/** Tells how a promise of an answer ends. */
export function tellEnd(
	answer: Promise<UpstreamResponse>,
	ended: CallEnd,
): void {
	answer.then(
		(response) => ended.answered(response),
		(error: unknown) => ended.failed(error),
	);
}

/** A request that is passed on by code that waits. */
export interface HeardRequest extends StreamRequest {
	/** Called once, when the head of the answer is there. Must not throw. */
	readonly onHead: (head: StreamHead) => void;
}

/** A stream as a promise: it settles when the whole body has come, or fails with the error that the body's reader gets. */
export type PromisedStream = (
	request: HeardRequest,
	scope: Scope,
) => Promise<void>;

/** Passes a request on for code that waits for it. */
export function promisedStream(call: StreamCall): PromisedStream {
	return (request, scope) =>
		new Promise((done, failed) => {
			const { onHead } = request;
			call(request, scope, { head: onHead, done, failed });
		});
}

/** A stream that code which waits has passed on, as any other. What it throws at once, the stream throws. */
export function toldStream(call: PromisedStream): StreamCall {
	return (request, scope, ended) => {
		const onHead = (head: StreamHead) => ended.head(head);
		call({ ...request, onHead }, scope).then(
			() => ended.done(),
			(error: unknown) => ended.failed(error),
		);
	};
}

/** Makes a policy of one that waits, which is the simpler form for what seldom stands around a stream. */
export function waitingPolicy(
	policy: (next: PromisedStream) => PromisedStream,
): StreamPolicy {
	return (next) => toldStream(policy(promisedStream(next)));
}
