import { type ByteStream, isStream } from "../core/body/byte-stream.ts";
import { createCollector } from "../core/body/collector.ts";
import { GatewayError } from "../core/errors.ts";
import { eachHeader } from "../core/http/headers.ts";
import type { GatewayRequest, GatewayResponse } from "../core/http/messages.ts";
import { hasContent } from "../core/http/status.ts";
import { nobody } from "../core/ip.ts";
import { type Memory, RequestMemory } from "../core/memory.ts";
import { requestIdOf } from "../core/request-id.ts";
import type { Clock } from "../tasks/clock.ts";
import { openScope, type Scope } from "../tasks/scope.ts";
import { cancelOnAbort } from "../tasks/signal.ts";

export interface FetchOptions {
	/** The client's address, `request.ip` in a config. Default: `unknown`, because a Request does not know it. */
	readonly ip?: string;
}

/** Answers a Web-standard request. */
export type Fetch = (
	request: Request,
	options?: FetchOptions,
) => Promise<Response>;

type Handle = (
	request: GatewayRequest,
	scope: Scope,
) => Promise<GatewayResponse>;

/**
 * A gateway's `handle` as a `fetch`. Never rejects. An aborted request is answered too, with a 499 that nobody reads, when
 * its run has ended.
 */
export function createFetch(
	handle: Handle,
	clock: Clock,
	memory: Memory,
): Fetch {
	return async (request, { ip = "" } = {}) => {
		const id = requestIdOf(request.headers.get("x-request-id"));
		const { pathname, search } = new URL(request.url);
		const scope = openScope({ clock });
		const held = new RequestMemory(memory);
		const stop = cancelOnAbort(scope, request.signal, clientLeft);
		const end = () => {
			stop();
			held.end();
			scope.close();
		};
		const response = await handle(
			{
				id,
				method: request.method,
				target: pathname + search,
				headers: [...request.headers].flat(),
				ip: (typeof ip === "string" && ip) || nobody,
				arrivedMs: clock.now(),
				memory: held,
				readBody: (bytesMax) => readBody(request, bytesMax, held, scope),
				streamBody: () => streamBody(request, scope),
			},
			scope,
		);
		const { ongoing } = response;
		const over = ongoing === undefined ? end : () => void ongoing.then(end);
		return responseOf(response, request.method, id, over);
	};
}

function clientLeft(): GatewayError {
	return new GatewayError("client_closed", "the client aborted its request");
}

/** `end` is called when the answer is out: at once, or when the body has been read or left. */
function responseOf(
	{ status, headers: fields, body }: GatewayResponse,
	method: string,
	id: string,
	end: () => void,
): Response {
	const headers = new Headers();
	eachHeader(fields, (name, value) => headers.append(name, value));
	headers.set("x-request-id", id);
	const sent = method === "HEAD" || !hasContent(status) ? null : body;
	if (isStream(sent)) {
		const stream = ReadableStream.from(untilRead(sent, end));
		return new Response(stream as ReadableStream, { status, headers });
	}
	end();
	return new Response(sent as string | Uint8Array<ArrayBuffer> | null, {
		status,
		headers,
	});
}

/** Not a generator: one that was never begun would not notice that its reader leaves. */
function untilRead(
	body: ByteStream,
	end: () => void,
): AsyncIterable<Uint8Array> {
	const pieces = body[Symbol.asyncIterator]();
	return {
		[Symbol.asyncIterator]: () => ({
			async next() {
				try {
					const piece = await pieces.next();
					if (piece.done) end();
					return piece;
				} catch (error) {
					end();
					throw error;
				}
			},
			async return() {
				end();
				await pieces.return?.();
				return { done: true, value: undefined };
			},
		}),
	};
}

function streamBody(
	{ body, headers }: Request,
	scope: Scope,
): ByteStream | null {
	if (body === null) return null;
	const length = headers.get("content-length");
	return {
		length: length === null ? null : Number(length),
		async *[Symbol.asyncIterator]() {
			for await (const chunk of body) {
				if (scope.cancelled) throw scope.reason;
				yield chunk;
			}
		},
	};
}

async function readBody(
	request: Request,
	bytesMax: number,
	memory: RequestMemory,
	scope: Scope,
): Promise<Uint8Array> {
	const collector = createCollector(bytesMax);
	if (request.body === null) return collector.bytes();
	const reader = request.body.getReader();
	// A reader that waits for the next chunk then gets the end of the body.
	const stop = scope.onCancel(() => void reader.cancel().catch(() => {}));
	try {
		for (;;) {
			const { done, value } = await reader.read().catch((cause: unknown) => {
				const words = "the request's body broke off";
				throw new GatewayError("client_closed", words, { cause });
			});
			if (scope.cancelled) throw scope.reason;
			if (done) return collector.bytes();
			const refusal = memory.takeBody(collector.growth(value.length));
			if (refusal === null && collector.add(value)) continue;
			void reader.cancel().catch(() => {});
			throw refusal ?? tooLong(bytesMax);
		}
	} finally {
		stop();
	}
}

function tooLong(bytesMax: number): GatewayError {
	const message = `the body is longer than ${bytesMax} bytes`;
	return new GatewayError("request_too_large", message);
}
