import type { ByteStream } from "../body/byte-stream.ts";
import type { Decoded } from "../body/decoded.ts";
import type { GatewayError } from "../errors.ts";
import type { HeaderList } from "./headers.ts";
import type { CallMethod } from "./method.ts";

/** One request of a client, as the server hands it to the gateway. */
export interface GatewayRequest {
	/** Unique; stands in `X-Request-Id`, in problem documents and in the log. */
	readonly id: string;
	readonly method: string;
	/** The path and query as they came, percent-encoded: `/weather?city=%D0%9C`. Always begins with `/`. */
	readonly target: string;
	readonly headers: HeaderList;
	/** The client's address. */
	readonly ip: string;
	/** Milliseconds on the gateway's clock at which the request arrived: the deadline counts from here. */
	readonly arrivedMs: number;
	/**
	 * Reads the whole body, once. Fails with `request_too_large` beyond `bytesMax`, as soon as that is known, and with
	 * `client_closed` where the client leaves in the middle.
	 */
	readBody(bytesMax: number): Promise<Uint8Array>;
	/**
	 * The body as it comes, instead of `readBody`; null where there is none. Reading it fails with `client_closed` where
	 * the client leaves in the middle, and with `request_invalid` where what comes is no body.
	 */
	streamBody(): ByteStream | null;
}

/** The answer, ready to be written. */
export interface GatewayResponse {
	readonly status: number;
	readonly headers: HeaderList;
	/**
	 * Null where the status has no body. What is whole is never longer than what one composition may hold; a stream must
	 * be read to its end or left, and where reading it fails the client must not take what it got for the whole.
	 */
	readonly body: string | Uint8Array | ByteStream | null;
}

/** One call of a step to an upstream, complete: nothing in it is looked up or defaulted any more. */
export interface UpstreamRequest {
	readonly method: CallMethod;
	/** Path and query, encoded, from the upstream's origin: begins with `/`. */
	readonly target: string;
	readonly headers: HeaderList;
	readonly body: string | null;
	/** Whether it only reads: then equal ones may share an answer. */
	readonly safe: boolean;
	/** Whether sending it twice does what sending it once does. */
	readonly idempotent: boolean;
	/**
	 * Where attempts of this call have been sent to, as indexes of the upstream's URLs: whoever chooses one adds it. Null
	 * where nobody will send it again.
	 */
	readonly tried: number[] | null;
	/** The client's request it is made for, or for a shared call the first of them: for events only. */
	readonly requestId: string;
	/** Bound of one attempt, in milliseconds, from the moment it has its connection slot. */
	readonly timeoutMs: number;
	/** Called when the first byte of an attempt is about to be written: from here a write may have happened. */
	readonly onSent: (() => void) | null;
}

/** What an upstream answered: complete, decompressed, within the upstream's `maxBody`. Any status. */
export interface UpstreamResponse {
	readonly status: number;
	readonly headers: HeaderList;
	readonly body: Uint8Array;
	/** Where several calls are given this very answer: what they make of its body. */
	readonly decoded?: Decoded;
	/** Where it came through a cache that knows: how long it holds. */
	readonly freshness?: Freshness;
}

/** How long an answer of an upstream holds, as a cache knows it. */
export interface Freshness {
	/** The instant on the clock until which it is fresh; in the past where it is not, or must be validated each time. */
	readonly untilMs: number;
	/** Who may keep what is made of it: everybody, the one it is for, or nobody. */
	readonly sharing: "all" | "one" | "none";
	/** Null where it is not served beyond its time; else why asking anew failed, or null there where it is on its way. */
	readonly stale: { readonly error: GatewayError | null } | null;
}

/** One request passed on to an upstream, of which neither side's body is ever held whole. */
export interface StreamRequest {
	readonly method: string;
	/** Path and query, encoded, from the upstream's origin: begins with `/`. */
	readonly target: string;
	/** Without any that frame a message: the length is the body's. */
	readonly headers: HeaderList;
	readonly body: ByteStream | null;
	/** Whether sending it twice does what sending it once does. Never sent again where it has a body. */
	readonly idempotent: boolean;
	/** The client's request that is passed on: for events only. */
	readonly requestId: string;
	/** How long the upstream may do nothing before the head of its answer is there, in milliseconds. */
	readonly timeoutMs: number;
	/** Whether a cache may keep the answer, and give it from what it keeps. Absent: no. */
	readonly cached?: boolean;
	/** How long the answer's body may stand still, in milliseconds, whoever keeps it waiting. */
	readonly idleMs: number;
	/** Called once, when the head of the answer is there. */
	readonly onHead: (head: StreamHead) => void;
}

/** The head of a final answer, of any status, and its body as it was sent: neither decoded nor bounded. */
export interface StreamHead {
	readonly status: number;
	readonly headers: HeaderList;
	/** Of no pieces where the status or the method has no body; `length` then is what it would have been. */
	readonly body: ByteStream;
}
