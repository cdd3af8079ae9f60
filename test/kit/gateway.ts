import assert from "node:assert/strict";
import { checkText, configOrThrow } from "../../src/config/load.ts";
import type { GatewayError } from "../../src/core/errors.ts";
import {
	type GatewayResponse,
	headerOf,
	type UpstreamRequest,
} from "../../src/core/messages.ts";
import { createGateway, type Gateway } from "../../src/gateway/gateway.ts";
import { type VirtualClock, virtualClock } from "../../src/tasks/clock.ts";
import { openScope, type Scope } from "../../src/tasks/scope.ts";
import { createUpstream } from "../../src/upstream/upstream.ts";

/**
 * A whole gateway on a virtual clock, without a port or a socket: upstreams are a function of the call. Everything but
 * the wire is the real thing.
 */
export interface TestGateway {
	readonly gateway: Gateway;
	readonly clock: VirtualClock;
	/** Every call that reached the wire, in order. */
	readonly calls: readonly SeenCall[];
	/** Sends a request and moves the clock on until it is answered and nothing waits any more. */
	ask(target: string, options?: AskOptions): Promise<Answer>;
	/** Sends a request and leaves the clock to the test. */
	send(target: string, options?: AskOptions): Sent;
}

export interface AskOptions {
	readonly method?: string;
	readonly headers?: readonly string[];
	readonly body?: unknown;
}

export interface Sent {
	readonly answer: Promise<Answer>;
	/** The request's lifetime: cancelling it is the client leaving. */
	readonly scope: Scope;
}

export interface Answer extends GatewayResponse {
	readonly json: unknown;
	/** The answer's header field, or null. */
	header(name: string): string | null;
	/** When it was answered, on the virtual clock. */
	readonly atMs: number;
}

export interface SeenCall {
	readonly upstream: string;
	readonly request: UpstreamRequest;
	readonly startedMs: number;
	endedMs: number | null;
	/** The reason it was aborted with; null where it was not. */
	aborted: unknown;
}

/** What an upstream does with a call. */
export interface Reply {
	readonly status?: number;
	readonly headers?: readonly string[];
	/** The body as JSON; `text` instead for what is none. */
	readonly json?: unknown;
	readonly text?: string;
	/** How long it takes; Infinity for ever. Default 0. */
	readonly afterMs?: number;
	/** Thrown instead of an answer. */
	readonly error?: GatewayError;
	/** Whether the request never leaves, as when no connection can be made. */
	readonly neverSent?: boolean;
}

export type Behaviour = (call: SeenCall) => Reply;

export function testGateway(
	yaml: string,
	behave: Behaviour = () => ({}),
	env: Record<string, string> = {},
): TestGateway {
	const clock = virtualClock();
	const calls: SeenCall[] = [];
	const config = configOrThrow(checkText(yaml, "test.yaml", env));
	const gateway = createGateway(config, {
		env,
		clock,
		openUpstream: (settings, clock) =>
			createUpstream(settings, clock, ({ name }) => ({
				call: (request, scope) => {
					const call: SeenCall = {
						upstream: name,
						request,
						startedMs: clock.now(),
						endedMs: null,
						aborted: null,
					};
					calls.push(call);
					return carryOut(call, behave(call), scope);
				},
				close: async () => {},
			})),
	});
	const send = (target: string, options: AskOptions = {}) =>
		sendTo(gateway, clock, target, options);
	return {
		gateway,
		clock,
		calls,
		send,
		async ask(target, options) {
			const { answer, scope } = send(target, options);
			await clock.settle();
			const done = await answer;
			assert.equal(scope.listeners, 0, "the request left listeners behind");
			assert.equal(clock.pending, 0, "the request left timers behind");
			return done;
		},
	};
}

function carryOut(call: SeenCall, reply: Reply, scope: Scope) {
	const { clock } = scope;
	return new Promise<{
		status: number;
		headers: readonly string[];
		body: Uint8Array;
	}>((resolve, reject) => {
		const end = (finish: () => void) => {
			call.endedMs = clock.now();
			finish();
		};
		const stop = scope.onCancel((reason) => {
			timer?.cancel();
			call.aborted = reason;
			end(() => reject(reason));
		});
		if (call.aborted !== null) return;
		if (!reply.neverSent) call.request.onSent?.();
		const finish = () => {
			stop();
			if (reply.error) return end(() => reject(reply.error));
			const text = reply.text ?? JSON.stringify(reply.json ?? null);
			const body = new TextEncoder().encode(text);
			const { status = 200, headers = [] } = reply;
			end(() => resolve({ status, headers, body }));
		};
		const { afterMs = 0 } = reply;
		const timer = Number.isFinite(afterMs)
			? clock.after(afterMs, finish)
			: null;
	});
}

function sendTo(
	gateway: Gateway,
	clock: VirtualClock,
	target: string,
	{ method = "GET", headers = [], body }: AskOptions,
): Sent {
	const scope = openScope({ clock });
	const bytes =
		body === undefined
			? new Uint8Array()
			: new TextEncoder().encode(
					typeof body === "string" ? body : JSON.stringify(body),
				);
	const own = body === undefined ? [] : ["content-type", "application/json"];
	const request = {
		id: "test-request",
		method,
		target,
		headers: [...own, ...headers],
		ip: "127.0.0.1",
		arrivedMs: clock.now(),
		readBody: async () => bytes,
	};
	const answer = gateway.handle(request, scope).then((response) => {
		const text = typeof response.body === "string" ? response.body : null;
		return {
			...response,
			json: text === null ? null : JSON.parse(text),
			header: (name: string) => headerOf(response.headers, name),
			atMs: clock.now(),
		};
	});
	return { answer, scope };
}
