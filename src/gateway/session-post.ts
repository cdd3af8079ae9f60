import { hopFields } from "../core/http/fields.ts";
import { type HeaderList, headersWithout } from "../core/http/headers.ts";
import type { GatewayRequest, GatewayResponse } from "../core/http/messages.ts";
import type { Memory } from "../core/memory.ts";
import type { Clock } from "../tasks/clock.ts";
import type { Scope } from "../tasks/scope.ts";
import { completed } from "./plain-request.ts";

/** The means to carry out a request of a session. */
export interface Posting {
	readonly clock: Clock;
	readonly memory: Memory;
	readonly handle: (
		request: GatewayRequest,
		scope: Scope,
	) => Promise<GatewayResponse>;
}

/**
 * Makes a POST of each frame of a WebSocket, to the address at which it was opened, with the header fields and the
 * certificate with which it was opened. So the same rules hold as for any request. Nothing else of the opening request is held.
 */
export class SessionPost {
	readonly #target: string;
	readonly #headers: HeaderList;
	readonly #ip: string;
	readonly #scheme: GatewayRequest["scheme"];
	readonly #certificate: GatewayRequest["certificate"];
	readonly #posting: Posting;

	constructor(
		{ target, headers, ip, scheme = null, certificate = null }: GatewayRequest,
		posting: Posting,
	) {
		const own = headersWithout(headers, (name) => ofOpening(name));
		this.#target = target;
		// A list that has grown by pushing has room for more, which each session would hold.
		this.#headers = own.concat(contentType);
		this.#ip = ip;
		this.#scheme = scheme;
		this.#certificate = certificate;
		this.#posting = posting;
	}

	/** Never rejects. */
	async post(json: string, scope: Scope): Promise<GatewayResponse> {
		const { clock, memory, handle } = this.#posting;
		const [target, headers, ip] = [this.#target, this.#headers, this.#ip];
		const plain = { method: "POST", target, headers, body: json, ip };
		const request = {
			...completed(plain, clock, memory),
			scheme: this.#scheme ?? null,
			certificate: this.#certificate ?? null,
		};
		const response = await handle(request, scope);
		const end = () => request.memory.end();
		if (response.ongoing === undefined) end();
		else void response.ongoing.then(end);
		return response;
	}
}

const contentType = ["content-type", "application/json"];

/** Fields that speak of the connection, of another answer or of this one request. */
function ofOpening(name: string): boolean {
	return (
		hopFields.has(name) ||
		left.has(name) ||
		name.startsWith("sec-websocket-") ||
		name.startsWith("if-")
	);
}

const left: ReadonlySet<string> = new Set([
	...[
		"accept",
		"accept-encoding",
		"content-encoding",
		"content-length",
		"content-type",
	],
	...["expect", "last-event-id", "prefer", "range", "x-request-id"],
]);
