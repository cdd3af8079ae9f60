import type { Writable } from "node:stream";
import type { GatewayError } from "../core/errors.ts";
import type { HeaderList } from "../core/http/headers.ts";
import type { ClientCertificate } from "../core/http/messages.ts";
import type { WebSocketSession } from "../core/http/web-socket.ts";
import type { ClientMemory, RequestMemory } from "../core/memory.ts";

/** A request whose answer is not yet out. */
export interface Unanswered {
	/** Whether its body is waited for. */
	readonly awaitsBody: boolean;
	/** Whether its body is still to come, and is not passed on while it comes. */
	readonly lacksBody: boolean;
	readonly arrivedMs: number;
	readonly memory: Pick<RequestMemory, "short">;
	/** The bytes on the connection can no longer be understood, or its body comes too slowly. */
	onFault(error: GatewayError): void;
	/** The client is gone, and this is why. */
	leave(reason: GatewayError): void;
	/** The bytes of its answer, once that was handed over whole. */
	readonly answerBytes: number;
	/** Whether the end of the connection would be the end of its answer, which is being written. */
	readonly unframed: boolean;
	/** It waits, and its head is held meanwhile. */
	holdHead(): void;
}

/** What carries a request and its answer: a connection of HTTP/1.1, or a stream of HTTP/2. */
export interface Carrier {
	/** The address of the other end, in canonical form; empty if the connection is gone already. */
	readonly peer: string;
	/** Where the memory of its requests is counted. */
	readonly client: ClientMemory;
	/** What the client has shown; null if none was asked for. */
	readonly certificate: ClientCertificate | null;
	/** Whether nothing can be sent on it any more. */
	readonly destroyed: boolean;
	/** Whether it ends with its next answer. */
	closing: boolean;
	/** Whether it would lose an answer if it ended while a body still comes. */
	readonly lingers: boolean;
	/** Nothing after the newest request is looked at. */
	finish(): void;
	/**
	 * Calls `begin` when the request may be answered: answers go out in the order of their requests. `short` if the request
	 * had to wait, and there was no memory for that.
	 */
	inTurn(exchange: Unanswered, begin: (short: boolean) => void): void;
	/** The fields of an answer that concern the connection. */
	fieldsFor(
		exchange: Unanswered,
		status: number,
		headers: HeaderList,
	): readonly string[];
	/** The answer was handed over, whole. */
	answered(exchange: Unanswered): void;
	/** The answer is out. */
	end(exchange: Unanswered): void;
	/** Ends it at once, so that an answer that is not whole does not look so. */
	cut(): void;
}

/** Writes an answer in one version of HTTP. */
export interface AnswerWriter {
	/** Whether its head was written. */
	readonly begun: boolean;
	/** Whether the end of its body can be told from the end of the connection. */
	readonly framed: boolean;
	/** Throws if a field cannot be written. Then nothing was written. */
	begin(status: number, fields: string[]): void;
	/** Sends the head before the body is there. */
	flush(): void;
	/** Gives what tells when there is room for more; null if there is some. */
	write(piece: string | Uint8Array): Writable | null;
	/** Calls back when all is out, or with the reason why it cannot be. */
	end(
		body: string | Uint8Array | null,
		onEnd: (error?: Error | null) => void,
	): void;
	/** Tells the client that its body is wanted. */
	proceed(): void;
	/** Sends an interim answer. It is only a hint, so a client that does not read does not get it. */
	inform(status: number, headers: HeaderList): void;
}

/** A connection of a client, in whatever version of HTTP. */
export interface Connection {
	/** Requests whose answer is not yet out. */
	readonly unanswered: number;
	/** True if it ends with its next answer, which says so. */
	closing: boolean;
	/** The WebSocket that it has become; null if it is none. */
	readonly session: WebSocketSession | null;
	/** Closes it if there is no request on it. */
	closeIfResting(): void;
	/** Cuts it. */
	leave(): void;
	/** The connection is gone. */
	gone(): void;
	/** Called every few seconds. True if the client may be taking its answer too slowly. */
	look(ms: number): boolean;
	/** Its number at the system; null if there is none. */
	readonly fd: number | null;
	/** Called after `look`, with the bytes that have not reached the client's system; null if nobody can tell. */
	lookCloser(ms: number, queuedBytes: number | null): void;
}
