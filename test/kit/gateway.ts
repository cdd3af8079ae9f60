import assert from "node:assert/strict";
import type { Config } from "../../src/config/config.ts";
import { checkText, checkValue, configOrThrow } from "../../src/config/load.ts";
import { type ByteStream, isStream } from "../../src/core/body/byte-stream.ts";
import { GatewayError } from "../../src/core/errors.ts";
import type {
	CallEnded,
	RequestEnded,
	TrailEnded,
} from "../../src/core/events.ts";
import { headerOf } from "../../src/core/http/headers.ts";
import type {
	GatewayResponse,
	UpstreamRequest,
	UpstreamResponse,
} from "../../src/core/http/messages.ts";
import { RequestMemory } from "../../src/core/memory.ts";
import { createGateway, type Gateway } from "../../src/gateway/gateway.ts";
import { toldStream } from "../../src/policy/promised.ts";
import { type VirtualClock, virtualClock } from "../../src/tasks/clock.ts";
import { openScope, type Scope } from "../../src/tasks/scope.ts";
import { createUpstream, type Upstream } from "../../src/upstream/upstream.ts";
import { played, sentBy } from "./policy.ts";

/**
 * A whole gateway on a virtual clock, without a port or a socket: upstreams are a function of the call. Everything but
 * the wire is the real thing. What is passed on has no body, and its answer comes in one piece.
 */
export interface TestGateway {
	readonly gateway: Gateway;
	readonly clock: VirtualClock;
	/** Every call that reached the wire, in order. */
	readonly calls: readonly SeenCall[];
	/** What the gateway told of ended requests and calls. */
	readonly ended: readonly RequestEnded[];
	readonly callsEnded: readonly CallEnded[];
	/** The records of ended requests. */
	readonly trails: readonly TrailEnded[];
	/** Sends a request and moves the clock on until it is answered and nothing waits any more. */
	ask(target: string, options?: AskOptions): Promise<Answer>;
	/** Sends a request and leaves the clock to the test. */
	send(target: string, options?: AskOptions): Sent;
	/**
	 * Moves the clock on until nothing waits any more, and fails where a timer had to run out after all requests were
	 * answered and all calls had ended.
	 */
	settle(): Promise<void>;
	/** Fails where a timer, a listener or a call is left after all requests have ended. */
	assertNothingLeft(): void;
}

export interface AskOptions {
	/** The request's id. */
	readonly id?: string;
	readonly method?: string;
	readonly headers?: readonly string[];
	/** JSON; a text or bytes are sent as they are. */
	readonly body?: unknown;
	/** Null: none is announced. Default: `application/json` where there is a body. */
	readonly contentType?: string | null;
	/** How long the body takes to arrive. */
	readonly bodyAfterMs?: number;
}

export interface Sent {
	readonly answer: Promise<Answer>;
	/** The request's lifetime: cancelling it is the client leaving. */
	readonly scope: Scope;
	/** The client leaves. */
	leave(): void;
}

export interface Answer extends GatewayResponse {
	readonly text: string;
	/** The body as JSON; fails where it is none. */
	readonly json: unknown;
	/** The `code` of a problem document. */
	readonly code: unknown;
	/** The answer's header field, or null. */
	header(name: string): string | null;
	/** When it was answered to its end, on the virtual clock. */
	readonly atMs: number;
	/** The pieces of a body that came piece by piece, each with its time on the virtual clock. */
	readonly pieces: readonly { readonly text: string; readonly atMs: number }[];
}

export interface SeenCall {
	readonly upstream: string;
	/** Which of its URLs. */
	readonly origin: string;
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
	/** The body as JSON; `text` or `bytes` instead for what is none. */
	readonly json?: unknown;
	readonly text?: string;
	readonly bytes?: Uint8Array;
	/** How long it takes; Infinity for ever. Default 0. */
	readonly afterMs?: number;
	/** Thrown instead of an answer. */
	readonly error?: Error;
	/** Whether the request never leaves, as when no connection can be made. */
	readonly neverSent?: boolean;
}

export type Behaviour = (call: SeenCall) => Reply;

/** Takes a config as YAML, or as the object it stands for, or one that was loaded. */
export function testGateway(
	source: string | object | Config,
	behave: Behaviour = () => ({}),
	env: Record<string, string> = {},
	random: () => number = () => 0.5,
): TestGateway {
	const config = checkedConfig(source, env);
	const clock = virtualClock();
	const calls: SeenCall[] = [];
	const upstreams: Upstream[] = [];
	const scopes: Scope[] = [];
	const gateway = createGateway(config, {
		env,
		clock,
		openUpstream: (settings, context) => {
			const upstream = createUpstream(
				settings,
				{ ...context, random },
				({ name, origin, url }) => {
					const begin = (request: UpstreamRequest, scope: Scope) => {
						const call: SeenCall = {
							upstream: name,
							origin,
							request,
							startedMs: clock.now(),
							endedMs: null,
							aborted: null,
						};
						calls.push(call);
						const answer = carryOut(call, behave(call), scope);
						return url === undefined
							? answer
							: answer.then((response) => ({ ...response, url }));
					};
					return {
						send: sentBy(played(begin), clock),
						stream: toldStream(async (request, scope) => {
							const seen = request as unknown as UpstreamRequest;
							const { body, ...head } = await begin(seen, scope);
							request.onHead({ ...head, body: arrived(body) });
						}),
						state: () => ({ connections: 0, idle: 0 }),
						close: async () => {},
					};
				},
			);
			upstreams.push(upstream);
			return upstream;
		},
	});
	let answeredMs = 0;
	const ended: RequestEnded[] = [];
	const callsEnded: CallEnded[] = [];
	const trails: TrailEnded[] = [];
	gateway.events.requestEnded.push((event) => ended.push(event));
	gateway.events.callEnded.push((event) => callsEnded.push(event));
	gateway.events.trailEnded.push((event) => trails.push(event));
	function send(target: string, options: AskOptions = {}): Sent {
		const sent = sendTo(gateway, clock, target, options);
		scopes.push(sent.scope);
		void sent.answer.then(({ atMs }) => {
			answeredMs = atMs;
		});
		return sent;
	}
	async function settle(): Promise<void> {
		const ends = () => calls.map(({ endedMs }) => endedMs ?? 0);
		const startMs = clock.now();
		await clock.settle();
		const lastMs = Math.max(startMs, answeredMs, ...ends());
		assert.equal(clock.now(), lastMs, "a timer was left, and ran out");
	}
	function assertNothingLeft(): void {
		assert.equal(clock.pending, 0, "a timer is left");
		for (const scope of scopes) {
			assert.equal(scope.listeners, 0, "a request's scope has listeners left");
		}
		for (const { name, scope } of upstreams) {
			assert.equal(scope.listeners, 0, `${name}'s scope has listeners left`);
		}
		for (const { request, endedMs } of calls) {
			assert.notEqual(endedMs, null, `${request.target} still runs`);
		}
	}
	return {
		gateway,
		clock,
		calls,
		ended,
		callsEnded,
		trails,
		send,
		settle,
		async ask(target, options) {
			const { answer } = send(target, options);
			await settle();
			const done = await answer;
			assertNothingLeft();
			return done;
		},
		assertNothingLeft,
	};
}

/**
 * A gateway of one route. `GET /x` unless `key` says otherwise; its upstreams are `users`, `orders`, and `search`, whose
 * POSTs only read.
 */
export function testRoute(
	route: object,
	behave?: Behaviour,
	{
		key = "GET /x",
		upstreams = {},
		server = {},
		env = {},
	}: {
		key?: string;
		upstreams?: object;
		server?: object;
		env?: Record<string, string>;
	} = {},
): TestGateway {
	const config = {
		server,
		upstreams: {
			users: { url: "http://users.test", timeout: "2s" },
			orders: { url: "http://orders.test", timeout: "2s" },
			search: { url: "http://search.test", timeout: "2s", safe: true },
			...upstreams,
		},
		routes: { [key]: route },
	};
	return testGateway(config, behave, env);
}

/** Upstreams that reply by the path asked for; any other path answers null at once. */
export function byPath(replies: Record<string, Reply>): Behaviour {
	return ({ request }) => replies[pathOf(request.target)] ?? {};
}

function pathOf(target: string): string {
	return target.split("?", 1)[0] ?? "";
}

/** The paths of the calls, with what is asked of each. */
export function seen<T>(
	calls: readonly SeenCall[],
	what: (call: SeenCall) => T,
): Record<string, T> {
	return Object.fromEntries(
		calls.map((call) => [pathOf(call.request.target), what(call)]),
	);
}

/** Never answers. */
export const hanging: Reply = { afterMs: Number.POSITIVE_INFINITY };

function checkedConfig(
	source: string | object | Config,
	env: Record<string, string>,
): Config {
	if (typeof source === "object" && "functions" in source) return source;
	// YAML of the same would be read ten times as slowly, and hundreds of routes are drawn at random.
	return configOrThrow(
		typeof source === "string"
			? checkText(source, "test.yaml", env)
			: checkValue(source, "test", env),
	);
}

function carryOut(
	call: SeenCall,
	reply: Reply,
	scope: Scope,
): Promise<UpstreamResponse> {
	const { clock } = scope;
	const { afterMs = 0, error, neverSent = false } = reply;
	return new Promise((resolve, reject) => {
		const end = (finish: () => void) => {
			call.endedMs = clock.now();
			finish();
		};
		const abort = (reason: unknown) => {
			timer?.cancel();
			call.aborted = reason;
			end(() => reject(reason));
		};
		const answer = () => {
			stop();
			if (!error) call.request.attempt?.head(reply.status ?? 200);
			end(() => (error ? reject(error) : resolve(responseOf(reply))));
		};
		const timer = Number.isFinite(afterMs)
			? clock.after(afterMs, answer)
			: null;
		const stop = scope.onCancel(abort);
		if (!scope.cancelled && !neverSent) {
			call.request.onSent?.();
			call.request.attempt?.sent(true);
		}
	});
}

/** A body that came with its head. A longer one needs a socket. */
function arrived(bytes: Uint8Array): ByteStream {
	return {
		length: bytes.length,
		whole: () => bytes,
		async *[Symbol.asyncIterator]() {
			yield bytes;
		},
	};
}

function responseOf({
	status = 200,
	headers = [],
	json = null,
	text = JSON.stringify(json),
	bytes = new TextEncoder().encode(text),
}: Reply): UpstreamResponse {
	return { status, headers, body: bytes };
}

function sendTo(
	gateway: Gateway,
	clock: VirtualClock,
	target: string,
	options: AskOptions,
): Sent {
	const scope = openScope({ clock });
	const request = {
		id: options.id ?? "test-request",
		method: options.method ?? "GET",
		target,
		headers: headersOf(options),
		ip: "127.0.0.1",
		arrivedMs: clock.now(),
		memory: new RequestMemory(gateway.memory),
		readBody: (bytesMax: number) => readBody(options, bytesMax, clock),
		streamBody: () => null,
	};
	const answer = gateway.handle(request, scope).then(async (response) => {
		const { body } = response;
		const pieces: Answer["pieces"][number][] = [];
		if (isStream(body)) {
			// A client that has left reads no further.
			for await (const piece of body) {
				if (scope.cancelled) break;
				const text = new TextDecoder().decode(piece);
				pieces.push({ text, atMs: clock.now() });
			}
		}
		const text = isStream(body)
			? pieces.map((piece) => piece.text).join("")
			: typeof body === "string"
				? body
				: new TextDecoder().decode(body ?? noBody);
		return {
			...response,
			text,
			pieces,
			get json() {
				return JSON.parse(text);
			},
			get code() {
				return JSON.parse(text).code;
			},
			header: (name: string) => headerOf(response.headers, name),
			atMs: clock.now(),
		};
	});
	const leave = () =>
		scope.cancel(new GatewayError("client_closed", "the client left"));
	return { answer, scope, leave };
}

const noBody = new Uint8Array();

function headersOf({
	headers = [],
	body,
	contentType = body === undefined ? null : "application/json",
}: AskOptions): string[] {
	return contentType === null
		? [...headers]
		: ["content-type", contentType, ...headers];
}

async function readBody(
	{ body, bodyAfterMs = 0 }: AskOptions,
	bytesMax: number,
	clock: VirtualClock,
): Promise<Uint8Array> {
	if (bodyAfterMs > 0) {
		await new Promise<void>((resolve) => clock.after(bodyAfterMs, resolve));
	}
	const bytes = bytesOf(body);
	if (bytes.length <= bytesMax) return bytes;
	throw new GatewayError("request_too_large", "the body is too long");
}

function bytesOf(body: unknown): Uint8Array {
	if (body === undefined) return noBody;
	if (body instanceof Uint8Array) return body;
	return new TextEncoder().encode(
		typeof body === "string" ? body : JSON.stringify(body),
	);
}
