import type { ByteStream } from "../body/byte-stream.ts";
import type { Decoded } from "../body/decoded.ts";
import type { KeptCodings } from "../body/kept-codings.ts";
import type { GatewayError } from "../errors.ts";
import type { RequestMemory } from "../memory.ts";
import type { TraceIds } from "../trace-ids.ts";
import type { Asker, AttemptTrail, CallTrail } from "../trail.ts";
import type { HeaderList } from "./headers.ts";
import type { CallMethod } from "./method.ts";
import type { Session, Tunnel } from "./session.ts";

/** The certificate that a client has proved to own. One of the server's `clientCa` has issued it. */
export interface ClientCertificate {
	/** The parts of the subject's name, with commas between: `O=Example, CN=orders`. */
	readonly subject: string;
	readonly issuer: string;
	/** The other names, as OpenSSL writes them: `DNS:orders.internal, URI:spiffe://example/orders`. Empty if there is none. */
	readonly names: string;
	/** In hexadecimal, as its issuer gave it. */
	readonly serial: string;
	/** The SHA-256 of the certificate, in small hexadecimal letters. */
	readonly fingerprint: string;
	/** When it expires, in milliseconds since 1970. */
	readonly untilMs: number;
}

/** One request of a client, as the server hands it to the gateway. */
export interface GatewayRequest {
	/** Unique; stands in `X-Request-Id`, in problem documents and in the log. */
	readonly id: string;
	readonly method: string;
	/** The path and query as they came, percent-encoded: `/weather?city=%D0%9C`. Always begins with `/`. */
	readonly target: string;
	readonly headers: HeaderList;
	/** The client's address, or `nobody`. Never empty. */
	readonly ip: string;
	/** The scheme by which the client came; null or absent if it is not known. */
	readonly scheme?: "http" | "https" | null;
	/** What the client has shown; null or absent if its server asks for none. */
	readonly certificate?: ClientCertificate | null;
	/** Present if its server sees to it that the client takes the answer. */
	readonly paced?: true;
	/** When the request arrived, in milliseconds on the gateway's clock. The deadline counts from here. */
	readonly arrivedMs: number;
	/** Counts what is held for it. Whoever makes the request ends it. */
	readonly memory: RequestMemory;
	/**
	 * Reads the whole body, once. Fails with `request_too_large` as soon as it is known to exceed `bytesMax`, and with
	 * `client_closed` if the client leaves in the middle.
	 */
	readBody(bytesMax: number): Promise<Uint8Array>;
	/**
	 * The body as it comes, instead of `readBody`; null if there is none. Reading fails with `client_closed` if the
	 * client leaves in the middle, and with `request_invalid` if the bytes are no proper body.
	 */
	streamBody(): ByteStream | null;
	/**
	 * Sends an interim answer before the answer (RFC 9110, 15.2). It is only a hint, so a client that may not understand
	 * it, or does not read, does not get it. Absent if its server has no way to send one.
	 */
	inform?(status: number, headers: HeaderList): void;
	/**
	 * Calls back when its server drains and takes no more requests, at once if it does already. By then an answer without an
	 * end of its own has to end. Gives the removal. Absent if its server never drains.
	 */
	onDrain?(callback: () => void): () => void;
	/**
	 * Present if the client asks for a WebSocket in proper form, and its server can give it one: then an answer may have a
	 * `session`.
	 */
	readonly upgradable?: true;
}

/** The answer, ready to be written. */
export interface GatewayResponse {
	readonly status: number;
	readonly headers: HeaderList;
	/**
	 * Null if the status has no body. A whole body is never longer than one composition may be. A stream must be read to
	 * its end or left. If reading it fails, the client must not take the part that it got for the whole.
	 */
	readonly body: string | Uint8Array | ByteStream | null;
	/**
	 * Present if something of the request goes on after its answer, such as a write that was sent. Resolves when that has
	 * ended, and never rejects. Whoever made the request ends it, and its memory, not before.
	 */
	readonly ongoing?: Promise<void>;
	/** The conversation that follows. Only with status 101, and only if the request is `upgradable`. Its body is null. */
	readonly session?: Session;
	/** Present if the body is one that is kept and was asked for before: its coded forms, kept beside it. */
	readonly codings?: KeptCodings;
}

/** Names of header fields, or all of them. */
export type Identifying = readonly string[] | "all";

/** One call of a step to an upstream. It is complete: nothing in it is looked up or defaulted later. */
export interface UpstreamRequest extends Asker {
	/** Whoever sends it sets it before. A copy of the request only for that would cost every call. */
	trail?: CallTrail | null;
	readonly method: CallMethod;
	/** Path and query, encoded, from the upstream's origin: begins with `/`. */
	readonly target: string;
	readonly headers: HeaderList;
	/**
	 * Further header fields, as lines of a head with their ends. They say to which request the call belongs, so no policy
	 * looks at them. Absent: none.
	 */
	readonly along?: string;
	/** Writes the line that names the span of each attempt. Null or absent if the call is not traced. */
	readonly traced?: TraceIds | null;
	readonly body: string | null;
	/**
	 * The fields that are made of who asks, with names in lower case. A cache takes each for one that `Vary` names, because
	 * upstreams forget to. Absent: none.
	 */
	readonly identifying?: Identifying;
	/** Whether each character of the body stands for a byte (Latin-1). Absent: the body is a text, sent as UTF-8. */
	readonly binary?: boolean;
	/** Whether it only reads. Then equal calls may share an answer. */
	readonly safe: boolean;
	/** Whether sending it twice does what sending it once does. */
	readonly idempotent: boolean;
	/**
	 * The URLs to which attempts of this call were sent, as indexes. The choice of a URL adds its index. Null if the call
	 * is never sent again.
	 */
	readonly tried: number[] | null;
	/** The client's address. Clients that wait for an upstream take turns. */
	readonly client: string;
	/** Notes how this attempt goes. Null or absent if nobody wants to know. */
	readonly attempt?: AttemptTrail | null;
	/** The bound of one attempt, in milliseconds, from the moment when it has its connection slot. */
	readonly timeoutMs: number;
	/** Called as soon as an attempt was handed to its connection. From here on a write may have happened. */
	readonly onSent: (() => void) | null;
	/** After a wait for a slot: whether the cache has an answer by now, so that the call is not to be made. */
	readonly isKept?: () => boolean;
	/** Null if the call ends when nobody waits for it any more. A write that was sent goes on. */
	readonly onAgain: AskAgain | null;
}

/**
 * Asks whether another attempt of a write may be made: only while somebody still waits for it. If `beside` is false, the
 * attempts before have ended. Then the call is taken back as before the first one, until the next is sent.
 */
export type AskAgain = (beside: boolean) => boolean;

/** An upstream's whole answer with any status, decompressed, within the upstream's `maxBody`. */
export interface UpstreamResponse {
	readonly status: number;
	readonly headers: HeaderList;
	readonly body: Uint8Array;
	/** Which of the upstream's URLs gave it, from 0. Absent: its only one. */
	readonly url?: number;
	/** Present if several calls get this same answer: the values that they make of its body. */
	readonly decoded?: Decoded;
	/** Present if it came through a cache: how long it is fresh. */
	readonly freshness?: Freshness;
	/** Present if it came through a cache, which wants to know whether a step can use it. */
	readonly trial?: Trial;
}

/** Tells a cache what has become of an answer. */
export interface Trial {
	/** A step has made a value of it. */
	accept(): void;
	/**
	 * A step could not use it, so it is not kept for others. Gives a good stale answer to use instead, or null.
	 */
	refuse(error: GatewayError, asker: Asker): UpstreamResponse | null;
}

/** How long an answer of an upstream is fresh, as its cache knows. */
export interface Freshness {
	/**
	 * The instant on the clock until which it is fresh. In the past if it is stale, or if it must be validated each time.
	 */
	readonly untilMs: number;
	/** Who may keep an answer made from it: everybody, only its client, or nobody. */
	readonly sharing: "all" | "one" | "none";
	/**
	 * Null if it is not stale. Else the reason why asking anew failed, or a null reason while a new answer is on its way.
	 */
	readonly stale: { readonly error: GatewayError | null } | null;
}

/** One request passed on to an upstream. The body of neither side is ever held whole. */
export interface StreamRequest extends Asker {
	readonly method: string;
	/** Path and query, encoded, from the upstream's origin: begins with `/`. */
	readonly target: string;
	/** The header fields, without those that frame a message. The length belongs to the body. */
	readonly headers: HeaderList;
	/** As for a call. */
	readonly along?: string;
	/** As for a call. */
	readonly traced?: TraceIds | null;
	readonly body: ByteStream | null;
	/** Whether the upstream is asked if it wants the body, before a piece of it is read. Absent: no. */
	readonly expects?: boolean;
	/** Whether to send it twice does the same as to send it once. With a body it is never sent again. */
	readonly idempotent: boolean;
	/** As for a call. */
	readonly client: string;
	/** As for a call. */
	readonly attempt?: AttemptTrail | null;
	/** Counts the bytes of the answer that wait for their reader. Absent: nobody does. */
	readonly memory?: RequestMemory;
	/** How long the upstream may do nothing before the head of its answer is there, in milliseconds. */
	readonly timeoutMs: number;
	/** Whether a cache may keep the answer, and give it from what it keeps. Absent: no. */
	readonly cached?: boolean;
	/** As for a call. */
	readonly identifying?: Identifying;
	/** How long the upstream may keep the reader of the answer's body waiting, in milliseconds. */
	readonly idleMs: number;
	/** How long that reader may take nothing; null if somebody else sees to that. */
	readonly untakenMs: number | null;
	/** As for a call. */
	readonly isKept?: () => boolean;
	/** Whether the whole answer is asked for, for all who ask the same. Then one that gateways share will do. Absent: no. */
	readonly forAll?: boolean;
	/**
	 * Called for each interim answer other than 100, before the head. Absent or null: nobody wants them.
	 */
	readonly onInterim?: ((status: number, headers: HeaderList) => void) | null;
	/** Called with the reason why no more of the answer comes, before the reader of its body hears of it. Absent: nobody asks. */
	readonly onBroken?: (reason: unknown) => void;
	/** The wish for a WebSocket. Absent: the answer is one of HTTP in any case. */
	readonly upgrade?: UpgradeWish;
}

/** What an upstream is asked for if it is asked for a WebSocket. */
export interface UpgradeWish {
	/** The subprotocols that the client offers. */
	readonly protocols: readonly string[];
	/** The longest message that the upstream may send, in bytes. */
	readonly messageBytesMax: number;
}

/** The head of a final answer, of any status, and its body as it was sent: neither decoded nor bounded. */
export interface StreamHead {
	readonly status: number;
	readonly headers: HeaderList;
	/** Without pieces if the status or the method has no body. Then `length` is the length that it would have. */
	readonly body: ByteStream;
	/** Present if the upstream has agreed to a WebSocket, with 101. Then the stream lasts until that has ended. */
	readonly tunnel?: Tunnel;
	/** Present if the body is one that is kept whole: its coded forms, kept beside it. */
	readonly codings?: KeptCodings;
}
