import type { Memory } from "../../core/memory.ts";
import type { Send, StreamCall } from "../../policy/policy.ts";
import type { Clock } from "../../tasks/clock.ts";

/**
 * The TLS settings of an upstream, as PEM texts. Without `ca` the machine's own trust holds, and without `cert` there
 * is no client certificate.
 */
export interface TlsSettings {
	readonly ca?: string;
	readonly cert?: string;
	readonly key?: string;
}

export interface WireSettings {
	/** The upstream's name, which stands in the facts of every error. */
	readonly name: string;
	/** `scheme://host[:port]`. */
	readonly origin: string;
	/** Which of its upstream's URLs this is, from 0. Absent: its only one. */
	readonly url?: number;
	/** The variables from which the origin was read, in words. Absent or empty if the config says it. */
	readonly originFrom?: string;
	/** The value of `Host`. Null or absent: the origin's. TLS names the origin's host all the same. */
	readonly host?: string | null;
	/** The longest body of an answer, both as sent and as decoded. */
	readonly bodyBytesMax: number;
	/** All header fields and trailers of an answer. Absent: `headBytesMax`. */
	readonly headerBytesMax?: number;
	readonly tls: TlsSettings | null;
	/** How long a connection is used, in milliseconds. Absent: as long as it holds. */
	readonly connectionAgeMs?: number;
	/**
	 * How many calls that only read, and have no body, share a connection, if they are made in the same turn of the event loop.
	 * Absent: each call has a connection to itself.
	 */
	readonly pipelining?: number;
	/** The name servers, with their ports. Absent: the machine's. */
	readonly nameServers?: readonly string[];
}

/** How many connections there are, and how many of them carry nothing. */
export interface WireState {
	readonly connections: number;
	readonly idle: number;
}

/**
 * Sends calls to one origin. Each call has a connection to itself, unless calls that only read may follow each other on one
 * (`pipelining`, RFC 9112, 9.3.2). Its answer is collected, or passed on as it comes. The wire bounds neither time nor the
 * number of calls, and opens as many connections as there are calls at once, or fewer with `pipelining`. A kept connection
 * may turn out to be closed before a byte of the answer came: then an idempotent request is sent once more.
 */
export interface Wire {
	readonly send: Send;
	readonly stream: StreamCall;
	state(): WireState;
	/** Ends all connections. Calls that still run fail with `gateway_draining`. */
	close(): Promise<void>;
}

/**
 * Opens a wire; nothing is connected before the first call. The clock says when a connection at rest is too old, and the
 * memory counts answers while they come.
 */
export type OpenWire = (
	settings: WireSettings,
	clock: Clock,
	memory?: Memory,
) => Wire;
