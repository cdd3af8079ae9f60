import { streamOf } from "../core/body/byte-stream.ts";
import { GatewayError } from "../core/errors.ts";
import type { HeaderList } from "../core/http/headers.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import { nobody } from "../core/ip.ts";
import { type Memory, RequestMemory } from "../core/memory.ts";
import { requestIdOf } from "../core/request-id.ts";
import type { Clock } from "../tasks/clock.ts";

/** A request whose body is complete, as an embedder has it, without a connection behind it. */
export interface PlainRequest {
	readonly method: string;
	/** The path and query, percent-encoded: `/weather?city=Oslo`. Begins with `/`. */
	readonly target: string;
	readonly headers?: HeaderList;
	readonly body?: string | Uint8Array;
	/** The client's address; default `unknown`. */
	readonly ip?: string;
	/** Default: a new one. */
	readonly id?: string;
}

/** The request as the gateway takes it. A request that the server has made has all fields already. */
export function completed(
	request: GatewayRequest | PlainRequest,
	clock: Clock,
	memory: Memory,
): GatewayRequest {
	if ("readBody" in request) return request;
	const { method, target, headers = [], ip = "", id, body = "" } = request;
	const bytes =
		typeof body === "string" ? new TextEncoder().encode(body) : body;
	return {
		id: requestIdOf(id),
		method,
		target,
		headers,
		ip: ip || nobody,
		arrivedMs: clock.now(),
		memory: new RequestMemory(memory),
		async readBody(bytesMax) {
			if (bytes.length <= bytesMax) return bytes;
			const words = `the body is longer than ${bytesMax} bytes`;
			throw new GatewayError("request_too_large", words);
		},
		streamBody: () => streamOf(bytes),
	};
}
