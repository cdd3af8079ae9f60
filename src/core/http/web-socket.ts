import type { Socket } from "node:net";
import { WebSocket } from "ws";
import type { LoopTurn } from "../../tasks/loop-turn.ts";
import type { Scope } from "../../tasks/scope.ts";
import { asGatewayError, GatewayError } from "../errors.ts";
import { networkOf } from "../ip.ts";
import type { RequestMemory } from "../memory.ts";
import type { Peer, Session, SessionListener } from "./session.ts";
import type { SharedFrame } from "./shared-frame.ts";

/** A WebSocket of `ws` that tells its session itself. A table of listeners for each would take a quarter of a kilobyte. */
export class SessionSocket extends WebSocket {
	/** Null: its listeners are told. */
	session: WebSocketSession | null = null;

	override emit(event: string | symbol, ...args: unknown[]): boolean {
		const { session } = this;
		if (session === null) return super.emit(event, ...args);
		const [first, second] = args;
		if (event === "message") session.onMessage(first as Buffer, !second);
		else if (event === "ping") session.onPing(first as Buffer);
		else if (event === "pong") session.onPong(first as Buffer);
		else if (event === "error") session.onFault(first as Error);
		else if (event === "close") {
			session.onEnd(first as number, (second as Buffer).toString());
		}
		return true;
	}
}

/** A socket under a session leads to it, so that one function listens to all of them. */
const sessionKey = Symbol("session");

interface SessionedSocket extends Socket {
	[sessionKey]?: WebSocketSession;
}

function countBytes(this: SessionedSocket, bytes: Uint8Array): void {
	this[sessionKey]?.onBytes(bytes.length);
}

/** How long the other side may take to answer a closing handshake. Then the connection is cut, when it is looked at. */
const closeMs = 5_000;

/** The time of `ws` for the same, if nobody looks any more. */
const unlookedCloseMs = 30_000;

/** A message may come in so many pieces, and in one more for each 64 bytes that it may have. */
const piecesMin = 1024;
const pieceBytes = 64;

/** The greatest bound that `ws` takes. */
const payloadMax = 2 ** 31 - 1;

/** How `ws` speaks, as a server and as a client, if messages to it may be so long. */
export function protocolOptions(messageBytesMax: number) {
	const piecesMax = piecesMin + Math.ceil(messageBytesMax / pieceBytes);
	return {
		// Each compressed connection takes some 300 KB more, and a few bytes could become many.
		perMessageDeflate: false,
		// A session answers pings itself, so that a flood of them makes no flood of answers.
		autoPong: false,
		allowSynchronousEvents: true,
		skipUTF8Validation: false,
		maxPayload: Math.min(messageBytesMax, payloadMax),
		maxFragments: piecesMax,
		maxBufferedChunks: piecesMax,
		closeTimeout: unlookedCloseMs,
	} as const;
}

/** The bounds of a session. */
export interface SessionBounds {
	/** After so long a silence the other side is asked whether it is there. If it says nothing for as long again, it is gone. */
	readonly heartbeatMs: number;
	/** How many bytes may wait for the other side, besides one message. */
	readonly waitingBytesMax: number;
}

/** What has happened in all sessions of one kind. */
export interface SessionCounts {
	open: number;
	/** Messages from the other side. */
	received: number;
	/** Messages to it. */
	sent: number;
	/** How many have ended, by their code. Codes of applications count as `3xxx` and `4xxx`. */
	readonly closed: Map<string, number>;
}

/** Who has sessions: a server, or a wire. */
export interface SessionOwner {
	readonly sessions: SessionCounts;
	readonly turn: LoopTurn;
	/** Of a server, whose frames are the same for all clients. Absent: each frame is masked by itself. */
	readonly shared?: SharedFrame;
	/** Called with errors that were thrown by mistake. */
	onInternal(thrown: unknown, requestId: string): void;
}

/** FIN, and the opcode of a text (RFC 6455, 5.2). */
const textOpcode = 0x81;

/** A short text as a whole frame of a server. To write it as it is takes less than to let `ws` write a head and the text. */
export function frameOf(text: Uint8Array): Uint8Array {
	const { length } = text;
	const headBytes = length < 126 ? 2 : 4;
	const frame = Buffer.allocUnsafeSlow(headBytes + length);
	frame[0] = textOpcode;
	if (headBytes === 2) frame[1] = length;
	else {
		frame[1] = 126;
		frame.writeUInt16BE(length, 2);
	}
	frame.set(text, headBytes);
	return frame;
}

/** What a session takes over from its request. */
export interface OpenedRequest {
	readonly id: string;
	readonly ip: string;
	readonly memory: RequestMemory;
	readonly scope: Scope;
	readonly bounds: SessionBounds;
	/** Called once, when the session has ended. */
	onEnd(): void;
}

/** So many pings are answered one by one. Of more only the last is (RFC 6455, 5.5.3). Both begin anew with each look. */
const pongsMax = 32;

/** More pings between two looks are a flood. */
const pingsMax = 1_000;

/** What a message takes of a turn of the event loop at least: 5 µs, in units of 100 ns. */
const messageCost = 50;

/** What a message that waits takes besides its bytes. */
const messageBytes = 128;

/** A control frame of a client takes so many bytes besides its payload: two, and the mask. */
const controlBytes = 6;

/** The longest reason in a closing frame (RFC 6455, 5.5). */
const reasonBytesMax = 123;

/** The faults of `ws` that end a connection with another code than 1002. */
const faultCodes: ReadonlyMap<unknown, number> = new Map([
	["WS_ERR_INVALID_UTF8", 1007],
	["WS_ERR_TOO_MANY_BUFFERED_PARTS", 1008],
	["WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH", 1009],
	["WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", 1009],
]);

const nothing = new Uint8Array(0);

const nobody: SessionListener = { onMessage() {}, onClosed() {} };

/**
 * One open WebSocket, and the bounds of what the other side may do. That is a client, or an upstream through a proxy. It has
 * ended when the connection is gone.
 */
export class WebSocketSession implements Peer {
	readonly #ws: SessionSocket;
	readonly #socket: Socket;
	readonly #owner: SessionOwner;
	readonly #request: OpenedRequest;
	#listener: SessionListener = nobody;
	/** The code with which this side has ended it; 0 before that. */
	#code = 0;
	#reason = "";
	#over = false;
	/** Bytes that have come, of which no message was made yet. */
	#comingBytes = 0;
	/** Messages that came with one that is still worked on. Null: there were never any. */
	#messages: [data: Uint8Array, isText: boolean][] | null = null;
	#busy = false;
	/** Called when nothing that came is worked on any more. Null as long as the connection is there. */
	#onWorked: (() => void) | null = null;
	/** Bytes that wait for the other side, as far as the memory counts them. */
	#countedBytes = 0;
	#onTaken: (() => void)[] | null = null;
	/** Whether it will hear when that is taken. */
	#watching = false;
	#heard = false;
	#asked = false;
	#silentMs = 0;
	#closingMs = 0;
	#pings = 0;
	#lastPing: Uint8Array | null = null;

	constructor(
		ws: SessionSocket,
		socket: Socket,
		owner: SessionOwner,
		request: OpenedRequest,
	) {
		this.#ws = ws;
		this.#socket = socket;
		this.#owner = owner;
		this.#request = request;
		ws.session = this;
		(socket as SessionedSocket)[sessionKey] = this;
		// Before the parser of `ws`, which makes messages of the bytes at once.
		socket.prependListener("data", countBytes);
		owner.sessions.open++;
	}

	begin(session: Session): void {
		try {
			this.#listener = session.open(this, this.#request.scope);
		} catch (thrown) {
			this.#fail(thrown);
		}
	}

	get #open(): boolean {
		return this.#code === 0 && this.#ws.readyState === WebSocket.OPEN;
	}

	/** Whether this side has ended it. The other may not have agreed yet. */
	get closing(): boolean {
		return this.#code !== 0;
	}

	sendText(text: string | Uint8Array): void {
		this.#send(text, false);
	}

	sendBytes(bytes: Uint8Array): void {
		this.#send(bytes, true);
	}

	#send(data: string | Uint8Array, binary: boolean): void {
		if (!this.#open) return;
		// Of most nothing waits. To look at what belongs to them alone takes as long as all the rest, because there are thousands.
		const waiting = this.waitingBytes;
		if (waiting > 0 && waiting > this.#request.bounds.waitingBytesMax) {
			this.close(1013, "takes too slowly what is sent");
			return;
		}
		this.#owner.sessions.sent++;
		const frame =
			binary || typeof data === "string"
				? null
				: (this.#owner.shared?.of(data) ?? null);
		// Without compression `ws` writes at once, too, so the order is kept.
		if (frame !== null) this.#socket.write(frame);
		else this.#ws.send(data, { binary });
		this.#countWaiting();
	}

	get waitingBytes(): number {
		return this.#socket.writableLength;
	}

	whenTaken(callback: () => void): void {
		if (this.#over) return;
		if (this.waitingBytes === 0) {
			callback();
			return;
		}
		this.#onTaken ??= [];
		this.#onTaken.push(callback);
		this.#watchWaiting();
	}

	/**
	 * Hears when what waits has been taken, by a piece of nothing behind it. To be told by each piece would take a tick of
	 * Node's each time, although nearly all are taken at once, and a function that each session holds.
	 */
	#watchWaiting(): void {
		if (this.#watching || !this.#socket.writable) return;
		this.#watching = true;
		this.#socket.write(nothing, () => {
			this.#watching = false;
			this.#countWaiting();
			if (this.#onTaken === null || this.waitingBytes > 0) return;
			const callbacks = this.#onTaken;
			this.#onTaken = null;
			for (const callback of callbacks) callback();
		});
	}

	#countWaiting(): void {
		const waiting = this.waitingBytes;
		if (waiting > 0) this.#watchWaiting();
		const more = waiting - this.#countedBytes;
		if (more === 0) return;
		const { memory } = this.#request;
		this.#countedBytes += more;
		if (more < 0) memory.give(-more);
		else {
			// They are held already, whether or not there is room for more.
			const room = memory.bytesMax > this.#countedBytes && !memory.short;
			memory.hold(more);
			if (!room) this.close(1013, "too much waits");
		}
	}

	close(code: number, reason: string): void {
		if (!this.#open) return;
		const ws = this.#ws;
		if (code === 1006) ws.terminate();
		else if (code === 1005) ws.close();
		else ws.close(code, reasonOf(reason));
		this.#ends(code, reason);
		// What the client says to it must be read.
		ws.resume();
	}

	/** No message is of interest any more. */
	#ends(code: number, reason: string): void {
		this.#code = code;
		this.#reason = reason;
		this.#forget();
	}

	#forget(): void {
		if (this.#messages === null) return;
		for (const [data] of this.#messages) this.#giveBack(data);
		this.#messages = null;
	}

	/** The connection is cut now. */
	leave(reason: GatewayError): void {
		if (this.#over) return;
		if (this.#code === 0) this.#ends(1006, reason.message);
		this.#finish(1006, reason.message);
	}

	/** The server ends, and this session with it. */
	drain(reason: GatewayError): void {
		this.#request.scope.cancel(reason);
		this.close(1001, "the server is ending: connect again");
	}

	/**
	 * Called every few seconds. Whoever is asked whether it is there has to say something, unless what it says is not
	 * read now.
	 */
	look(ms: number): void {
		this.#pings = 0;
		if (!this.#open) {
			this.#closingMs += ms;
			if (this.#closingMs > closeMs) this.#ws.terminate();
			return;
		}
		this.#countWaiting();
		if (this.#heard) {
			this.#heard = false;
			this.#asked = false;
			this.#silentMs = 0;
			return;
		}
		this.#silentMs += ms;
		if (this.#silentMs < this.#request.bounds.heartbeatMs) return;
		if (this.#asked && !this.#busy) {
			this.close(1006, "a ping was not answered");
			return;
		}
		this.#asked = true;
		this.#silentMs = 0;
		this.#ws.ping(undefined, false);
		this.#countWaiting();
	}

	onBytes(bytes: number): void {
		if (!this.#open) return;
		this.#heard = true;
		this.#comingBytes += bytes;
		const refusal = this.#request.memory.takeBody(bytes);
		if (refusal === null) return;
		// They were not taken.
		this.#comingBytes -= bytes;
		this.faulty = true;
		const tooLong = refusal.code === "request_too_large";
		this.close(tooLong ? 1009 : 1013, "there is no memory for the message");
	}

	onMessage(data: Uint8Array, isText: boolean): void {
		this.#came(this.#comingBytes);
		if (!this.#open) return;
		this.#owner.sessions.received++;
		const { turn } = this.#owner;
		turn.spent += messageCost;
		if (this.#busy) this.#wait(data, isText);
		else if (turn.hasTimeFor()) this.#hand(data, isText);
		else {
			this.#wait(data, isText);
			void this.#pause(turn.later(networkOf(this.#request.ip)));
		}
	}

	#wait(data: Uint8Array, isText: boolean): void {
		this.#messages ??= [];
		this.#messages.push([data, isText]);
		this.#request.memory.hold(data.length + messageBytes);
	}

	#giveBack(data: Uint8Array): void {
		this.#request.memory.give(data.length + messageBytes);
	}

	/** Bytes have become a frame. */
	#came(bytes: number): void {
		const whole = Math.min(bytes, this.#comingBytes);
		this.#comingBytes -= whole;
		this.#request.memory.give(whole);
	}

	#hand(data: Uint8Array, isText: boolean): void {
		try {
			const worked = this.#listener.onMessage(data, isText);
			if (worked !== undefined) void this.#pause(worked);
		} catch (thrown) {
			this.#fail(thrown);
		}
	}

	/** Reads nothing until the promise has settled. Then it goes on with the messages that wait. */
	async #pause(until: Promise<void>): Promise<void> {
		this.#busy = true;
		this.#ws.pause();
		try {
			await until;
		} catch (thrown) {
			this.#fail(thrown);
		}
		this.#busy = false;
		const { turn } = this.#owner;
		while (!this.#busy && this.#code === 0 && !this.#over) {
			const message = this.#messages?.shift();
			if (message === undefined) {
				this.#messages = null;
				if (this.#onWorked === null) this.#ws.resume();
				else this.#onWorked();
				return;
			}
			const [data, isText] = message;
			if (turn.hasTimeFor()) {
				turn.spent += messageCost;
				this.#giveBack(data);
				this.#hand(data, isText);
			} else {
				this.#messages?.unshift(message);
				void this.#pause(turn.later(networkOf(this.#request.ip)));
			}
		}
	}

	/** The session itself has failed. */
	#fail(thrown: unknown): void {
		if (this.#code !== 0 || this.#over) return;
		const error = asGatewayError(thrown);
		if (error.code === "internal") {
			this.#owner.onInternal(thrown, this.#request.id);
		}
		this.close(1011, "the session failed");
		this.#forget();
	}

	onPing(data: Uint8Array): void {
		this.#came(controlBytes + data.length);
		if (!this.#open) return;
		this.#pings++;
		if (this.#pings > pingsMax) this.close(1008, "too many pings");
		else if (this.#pings <= pongsMax) this.#pong(data);
		else {
			if (this.#lastPing === null) process.nextTick(() => this.#pongLast());
			this.#lastPing = data;
		}
	}

	#pongLast(): void {
		if (this.#open && this.#lastPing !== null) this.#pong(this.#lastPing);
		this.#lastPing = null;
	}

	#pong(data: Uint8Array): void {
		if (this.waitingBytes > this.#request.bounds.waitingBytesMax) return;
		this.#ws.pong(data, false);
		this.#countWaiting();
	}

	onPong(data: Uint8Array): void {
		this.#came(controlBytes + data.length);
	}

	/** Whether the other side has broken the protocol, or a bound of what it may send. */
	faulty = false;

	/** It is told so already. */
	onFault(error: Error & { readonly code?: unknown }): void {
		if (this.#code !== 0) return;
		this.faulty = true;
		this.#ends(faultCodes.get(error.code) ?? 1002, error.message);
	}

	/**
	 * The connection is gone. If the other side has ended it in order, what it had said before is worked on first, for as long
	 * as a closing handshake may take.
	 */
	onEnd(code: number, reason: string): void {
		if (this.#over || this.#onWorked !== null) return;
		const { scope } = this.#request;
		const inOrder = this.#code === 0 && code !== 1006;
		if (!this.#busy || !inOrder || scope.cancelled) {
			this.#finish(code, reason);
			return;
		}
		const end = () => {
			timer.cancel();
			stay();
			this.#finish(code, reason);
		};
		this.#onWorked = end;
		const timer = scope.clock.after(closeMs, end);
		const stay = scope.onCancel(end);
	}

	#finish(code: number, reason: string): void {
		if (this.#over) return;
		this.#over = true;
		const { sessions } = this.#owner;
		const { scope, id } = this.#request;
		const ended = this.#code || code;
		this.#forget();
		this.#onTaken = null;
		sessions.open--;
		const label = labelOf(ended);
		sessions.closed.set(label, (sessions.closed.get(label) ?? 0) + 1);
		try {
			this.#listener.onClosed(ended, this.#code === 0 ? reason : this.#reason);
		} catch (thrown) {
			this.#owner.onInternal(thrown, id);
		}
		scope.cancel(
			new GatewayError("client_closed", `the session ended with ${ended}`),
		);
		this.#request.onEnd();
	}
}

/** Never cut in the middle of a character. */
function reasonOf(text: string): string {
	const bytes = Buffer.from(text);
	if (bytes.length <= reasonBytesMax) return text;
	let end = reasonBytesMax;
	while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
	return bytes.toString("utf8", 0, end);
}

function labelOf(code: number): string {
	if (code < 1016) return String(code);
	if (code >= 3000 && code < 5000) return code < 4000 ? "3xxx" : "4xxx";
	return "other";
}
