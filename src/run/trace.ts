import { randomFillSync } from "node:crypto";
import {
	allHeadersOf,
	type HeaderList,
	isHeaderValue,
	onlyHeaderOf,
} from "../core/http/headers.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import { familyOf, nobody, parseAddress } from "../core/ip.ts";

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
	readonly #id: string;
	readonly #flags: string;
	readonly #state: string;

	constructor(request: GatewayRequest, via: string) {
		const { id, headers } = request;
		this.#request = request;
		this.#requestId = isHeaderValue(id) ? `x-request-id: ${id}\r\n` : "";
		this.#via = `via: ${via}\r\n`;
		const parent = parentOf(headers);
		if (parent === null) {
			this.#id = randomHex(idLength);
			this.#flags = "00";
			// Without its parent it belongs to no trace (3.3).
			this.#state = "";
		} else {
			this.#id = parent.id;
			this.#flags = parent.flags;
			const state = stateOf(headers);
			this.#state = state === "" ? "" : `tracestate: ${state}\r\n`;
		}
	}

	/** The lines of one call, each with its end. The call has a parent id of its own. */
	linesOf(said: Said): string {
		let lines = said.requestId ? this.#requestId : "";
		if (said.via) lines += this.#via;
		if (said.traceparent) {
			lines += `traceparent: 00-${this.#id}-${randomHex(parentLength)}-${this.#flags}\r\n`;
		}
		if (said.tracestate) lines += this.#state;
		return said.forwarded === null
			? lines
			: lines + forwardedLines(this.#request, said.forwarded);
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

const idLength = 32;
const parentLength = 16;

/** Of a later version only what it has in common with this one (4.3). Version ff and an id of zeros are not valid. */
const traceparentPattern =
	/^(?!ff)([\da-f]{2})-((?!0{32})[\da-f]{32})-(?!0{16})[\da-f]{16}-([\da-f]{2})(-.*)?$/;

interface Parent {
	readonly id: string;
	readonly flags: string;
}

/** The trace that a client began. Null if there is none, if it is not well-formed, or if there are two. */
function parentOf(headers: HeaderList): Parent | null {
	const [line, second] = allHeadersOf(headers, "traceparent");
	if (line === undefined || second !== undefined) return null;
	const parts = traceparentPattern.exec(withoutBlanks(line));
	const [, version, id = "", flags = "", rest] = parts ?? [];
	if (parts === null || (version === "00" && rest !== undefined)) return null;
	// Only "sampled" and "random" are known; what another bit means, nobody can pass on.
	const known = Number.parseInt(flags, 16) & 0b11;
	return { id, flags: `0${known}` };
}

/** The lines of `tracestate` as one list (3.3.1). Empty if any member is not well-formed, because then none counts. */
function stateOf(headers: HeaderList): string {
	const members: string[] = [];
	for (const line of allHeadersOf(headers, "tracestate")) {
		for (const member of line.split(",")) {
			const text = withoutBlanks(member);
			// Empty members are allowed (3.3.1.1).
			if (text !== "") members.push(text);
			if (members.length > membersMax) return "";
		}
	}
	return members.every((member) => memberPattern.test(member))
		? members.join(",")
		: "";
}

/** A list has at most 32 members (3.3.1.1). */
const membersMax = 32;

/** A key, of one system or of a tenant of one, and a value of up to 256 characters that does not end in a space. */
const memberPattern =
	/^(?:[a-z][a-z\d_\-*/]{0,255}|[a-z\d][a-z\d_\-*/]{0,240}@[a-z][a-z\d_\-*/]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

function withoutBlanks(text: string): string {
	return text.replaceAll(/^[ \t]+|[ \t]+$/g, "");
}

/** Random digits, many at a time: to ask for eight bytes costs ten times as much as to take them from here. */
let digits = "";
let next = 0;
const bytes = Buffer.allocUnsafe(4096);

/** Hexadecimal, and not all zeros, which stand for no id. */
function randomHex(length: number): string {
	if (next + length > digits.length) {
		digits = randomFillSync(bytes).toString("hex");
		next = 0;
	}
	const text = digits.slice(next, next + length);
	next += length;
	return /[^0]/.test(text) ? text : randomHex(length);
}
