import type { Scope } from "../../tasks/scope.ts";

/** The other end of a WebSocket, as a session sees it. */
export interface Peer {
	/**
	 * Sends one message. A text may be given as its UTF-8 bytes, so that it is encoded once for many peers. Their content never
	 * changes.
	 */
	sendText(text: string | Uint8Array): void;
	sendBytes(bytes: Uint8Array): void;
	/** The bytes that were sent, but that the client's side has not taken yet. */
	readonly waitingBytes: number;
	/** Calls back once, as soon as nothing waits any more; at once if nothing does. Not after the end. */
	whenTaken(callback: () => void): void;
	/**
	 * Begins the closing handshake (RFC 6455, 7.1.2). `reason` is cut to 123 bytes. Code 1005 sends none, and 1006 cuts the
	 * connection. Later calls do nothing.
	 */
	close(code: number, reason: string): void;
}

/** What a session does with what its client sends. */
export interface SessionListener {
	/** No further message is read until the promise has settled. The bytes may be part of a larger memory: copy what you keep. */
	onMessage(data: Uint8Array, isText: boolean): void | Promise<void>;
	/** Called once, whoever ends it. 1005 if the client gave no code, 1006 if the connection was cut. */
	onClosed(code: number, reason: string): void;
}

/** What follows an answer with status 101: a conversation over WebSocket. Only the server knows the protocol. */
export interface Session {
	/** The subprotocol that was chosen of those that the client offers; null for none. */
	readonly protocol: string | null;
	/** The longest message that the client may send, in bytes; a longer one ends it with 1009. */
	readonly messageBytesMax: number;
	/** Begins it. The scope is cancelled when the connection is gone, when the server drains, or when the gateway closes. */
	open(peer: Peer, scope: Scope): SessionListener;
}

/** A WebSocket that an upstream has agreed to. */
export interface Tunnel {
	/** The subprotocol that the upstream has chosen of those that it was offered; null for none. */
	readonly protocol: string | null;
	/** Begins it, once. Nothing is read before. */
	open(listener: SessionListener): Peer;
}
