import assert from "node:assert/strict";
import { type ErrorCode, GatewayError } from "../../src/core/errors.ts";
import {
	createEvents,
	type PolicyDecided,
	type PolicyKey,
} from "../../src/core/events.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../../src/core/http/messages.ts";
import type { Budget } from "../../src/policy/budget.ts";
import type {
	Call,
	PolicyContext,
	Send,
	StreamCall,
} from "../../src/policy/policy.ts";
import {
	type HeardRequest,
	type PromisedCall,
	type PromisedStream,
	promised,
	promisedStream,
	tellEnd,
} from "../../src/policy/promised.ts";
import {
	type Clock,
	type Outcome,
	openScope,
	type Scope,
	type VirtualClock,
	virtualClock,
} from "../../src/tasks/index.ts";
import type { Wire } from "../../src/upstream/wire/wire.ts";

/** What stands around one policy: a clock that the test moves on, a caller, and an upstream that answers as the test says. */
export interface PolicySetting {
	readonly clock: VirtualClock;
	readonly context: PolicyContext;
	/** The caller's. */
	readonly scope: Scope;
	readonly next: Call;
	/** The calls that reached the upstream, in order. */
	readonly begun: Begun[];
	readonly decided: PolicyDecided[];
	/** The decisions as words: `attempt 2: upstream_timeout`, `closed`. */
	readonly told: string[];
	/** Fails if a caller's scope has a listener or the clock a timer. */
	assertNothingLeft(scope?: Scope): void;
}

export interface Begun {
	readonly scope: Scope;
	readonly resolve: (answer: UpstreamResponse) => void;
	readonly reject: (error: unknown) => void;
}

/** Fails the call if another policy tells a decision; of null any does. */
export function policySetting(policy: PolicyKey | null): PolicySetting {
	const clock = virtualClock();
	const scope = openScope({ clock });
	const context = contextOf(clock);
	const { call: next, begun } = controlled();
	const decided: PolicyDecided[] = [];
	const told: string[] = [];
	context.events.policyDecided.push((event) => {
		assert.equal(event.policy, policy);
		assert.equal(event.upstream, context.upstream);
		decided.push(event);
		const { decision, number, reason } = event;
		const what = number === null ? decision : `${decision} ${number}`;
		told.push(reason === null ? what : `${what}: ${reason}`);
	});
	return {
		clock,
		context,
		scope,
		next,
		begun,
		decided,
		told,
		assertNothingLeft(caller = scope) {
			assert.equal(caller.listeners, 0, "a listener was left");
			assert.equal(clock.pending, 0, "a timer was left");
		},
	};
}

/** The context of a policy whose decisions nobody listens to. */
export function contextOf(clock: Clock): PolicyContext {
	return { upstream: "weather", clock, events: createEvents() };
}

/** A request to say something about; no policy may change it. */
export function requestOf(
	changes: Partial<UpstreamRequest> = {},
): UpstreamRequest {
	return Object.freeze({
		method: "GET",
		target: "/",
		headers: [],
		body: null,
		timeoutMs: 1000,
		safe: false,
		idempotent: false,
		tried: null,
		requestId: "test-request",
		client: "192.0.2.1",
		onSent: null,
		onAgain: null,
		...changes,
	});
}

/** The same, of what is passed on. */
export function streamRequestOf(
	changes: Partial<HeardRequest> & Pick<HeardRequest, "onHead">,
): HeardRequest {
	return {
		...requestOf(),
		body: null,
		idleMs: 1000,
		untakenMs: 1000,
		...changes,
	};
}

export const answer: UpstreamResponse = Object.freeze({
	status: 200,
	headers: [],
	body: new Uint8Array(0),
});

export function reply(status: number, ...headers: string[]): UpstreamResponse {
	return { ...answer, status, headers };
}

/** A failure as the wire or another policy raises it. */
export function fault(code: ErrorCode): GatewayError {
	return new GatewayError(code, "failed", { upstream: "weather" });
}

/** Null if it went well; fails where what was thrown is no error of ours. */
export function codeOf(outcome: Outcome<unknown>): ErrorCode | null {
	if (outcome.ok) return null;
	assert.ok(outcome.error instanceof GatewayError);
	return outcome.error.code;
}

/** A budget that always has some left. */
export const endless: Budget = { earn() {}, take: () => true };

/** A call that never answers, and ends as it must when it is cancelled. */
export const hangs: Call = (_request, scope, ended) => {
	scope.onCancel((reason) => ended.failed(reason));
};

/** An upstream that the test plays by promises. What it throws at once the call throws, too. */
export function played(upstream: PromisedCall): Call {
	return (request, scope, ended) => tellEnd(upstream(request, scope), ended);
}

/** The same upstream, whose calls and streams are promises. */
export function promising<
	T extends { readonly call: Call; readonly stream: StreamCall },
>(upstream: T): Promising<T> {
	const { call, stream } = upstream;
	return {
		...upstream,
		call: promised(call),
		stream: promisedStream(stream),
	};
}

/** The same wire, whose calls and streams are promises that end with their scope. */
export function promisingWire(wire: Wire): Promising<Wire> {
	return promising({ ...wire, call: inScope(wire.send) });
}

export type Promising<T> = Omit<T, "call" | "send" | "stream"> & {
	readonly call: PromisedCall;
	readonly stream: PromisedStream;
};

/** What a wire sends, as a call that nothing bounds but its scope. */
function inScope(send: Send): Call {
	return (request, scope, ended) => {
		if (scope.cancelled) throw scope.reason;
		let leave = () => {};
		const sent = send(request, {
			answered(response) {
				leave();
				ended.answered(response);
			},
			failed(error) {
				leave();
				ended.failed(error);
			},
		});
		leave = scope.onCancel((reason) => sent.end(reason));
	};
}

/** A call as a wire sends it. */
export function sentBy(call: Call, clock: Clock): Send {
	return (request, ended) => {
		const scope = openScope({ clock });
		call(request, scope, {
			answered(response) {
				scope.close();
				ended.answered(response);
			},
			failed(error) {
				scope.close();
				ended.failed(error);
			},
		});
		return { end: (reason) => scope.cancel(reason) };
	};
}

/** A call whose test decides when and how it ends; it too ends when it is cancelled. */
export function controlled(): { readonly call: Call; readonly begun: Begun[] } {
	const begun: Begun[] = [];
	const call: Call = (_request, scope, ended) => {
		const leave = scope.onCancel((reason) => ended.failed(reason));
		begun.push({
			scope,
			resolve: (value) => {
				leave();
				ended.answered(value);
			},
			reject: (error) => {
				leave();
				ended.failed(error);
			},
		});
	};
	return { call, begun };
}
