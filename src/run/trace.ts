import { isHeaderValue, onlyHeaderOf } from "../core/http/headers.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import {
	newSpanId,
	newTraceId,
	parentOf,
	stateOf,
	traceparentLine,
} from "../core/http/trace-context.ts";
import { familyOf, nobody, parseAddress } from "../core/ip.ts";
import type { TraceIds } from "../core/trace-ids.ts";

/**
 * The fields of a call that say to which request it belongs: W3C Trace Context (Level 1), `Via`, `X-Request-Id`, and for
 * whom it is made. They are lines of a head, because most of them are new in each call and nobody looks at them on the way.
 */

/** Which of these fields the gateway says. It sets none that an author sets. */
export interface Said {
	readonly requestId: boolean;
	readonly via: boolean;
	readonly traceparent: boolean;
	readonly tracestate: boolean;
	/** The names of `forwardedFields` that it says. Null: none of them. */
	readonly forwarded: ReadonlySet<string> | null;
}

/** The fields by which an upstream hears for whom it is asked. */
export const forwardedFields = [
	"forwarded",
	"x-forwarded-for",
	"x-forwarded-host",
	"x-forwarded-proto",
] as const;

/** `own` are the names of the fields that the author sets, in lower case. */
export function saidBeside(
	own: ReadonlySet<string>,
	upstream: { readonly forwarded: boolean },
): Said {
	return {
		requestId: !own.has("x-request-id"),
		via: !own.has("via"),
		traceparent: !own.has("traceparent"),
		// It belongs to its `traceparent`.
		tracestate: !own.has("traceparent") && !own.has("tracestate"),
		forwarded: upstream.forwarded
			? new Set(forwardedFields.filter((name) => !own.has(name)))
			: null,
	};
}

/** What the calls for one request have in common. `via` is the request's own way, up to this gateway. */
export class Trace {
	readonly #request: GatewayRequest;
	readonly #requestId: string;
	readonly #via: string;
	/** Null if the request is not traced. */
	readonly #ids: TraceIds | null;
	readonly #id: string;
	readonly #flags: string;
	readonly #state: string;

	constructor(request: GatewayRequest, via: string, ids: TraceIds | null) {
		const { id, headers } = request;
		this.#request = request;
		this.#requestId = isHeaderValue(id) ? `x-request-id: ${id}\r\n` : "";
		this.#via = `via: ${via}\r\n`;
		const parent = ids === null ? parentOf(headers) : ids.parent;
		this.#ids = ids?.sampled ? ids : null;
		this.#id = ids?.traceId ?? parent?.traceId ?? newTraceId();
		this.#flags = ids?.flags ?? parent?.flags ?? "00";
		// Without its parent it belongs to no trace (3.3).
		const state = parent === null ? "" : (ids?.state ?? stateOf(headers));
		this.#state = state === "" ? "" : `tracestate: ${state}\r\n`;
	}

	/** The lines of one call, each with its end. A call that is not traced has a parent id of its own. */
	linesOf(said: Said): string {
		let lines = said.requestId ? this.#requestId : "";
		if (said.via) lines += this.#via;
		if (said.traceparent && this.#ids === null) {
			lines += traceparentLine(this.#id, newSpanId(), this.#flags);
		}
		if (said.tracestate) lines += this.#state;
		return said.forwarded === null
			? lines
			: lines + forwardedLines(this.#request, said.forwarded);
	}

	/** What names the spans of a call's attempts; null if the request is not traced, or the author says the trace. */
	tracedBy(said: Said): TraceIds | null {
		return said.traceparent ? this.#ids : null;
	}
}

/** Only what the gateway itself knows (RFC 7239): whoever stands before it could have written the rest. */
function forwardedLines(
	{ ip, scheme, headers }: GatewayRequest,
	names: ReadonlySet<string>,
): string {
	// A program may give any text as its client's address.
	const client = parseAddress(ip) ?? nobody;
	const given = onlyHeaderOf(headers, "host") ?? "";
	const host = /^[\w.:[\]-]+$/.test(given) ? given : null;
	const node = familyOf(client) === "ipv6" ? `"[${client}]"` : client;
	const pairs = [`for=${node}`];
	// The quotes are for a port, which is no token.
	if (host !== null) pairs.push(`host="${host}"`);
	if (scheme) pairs.push(`proto=${scheme}`);
	const fields: readonly (readonly [string, string | null | undefined])[] = [
		["forwarded", pairs.join(";")],
		["x-forwarded-for", client],
		["x-forwarded-host", host],
		["x-forwarded-proto", scheme],
	];
	return fields
		.filter(([name, value]) => value && names.has(name))
		.map(([name, value]) => `${name}: ${value}\r\n`)
		.join("");
}
