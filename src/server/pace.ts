import type { Socket } from "node:net";

/** In any time as long as this a client must send what the least rate asks for, while its body is waited for. */
const sendingGraceMs = 10_000;

/**
 * The same for taking an answer. It is longer, because a client's system tells in steps how much has been taken: at 3
 * KB/s one of 95 KB comes every 30 s (measured on Linux, on loopback).
 */
const takingGraceMs = 30_000;

export interface PaceOptions {
	/** Null: as long as something is sent or taken within `idleTimeoutMs`, any rate will do. */
	readonly leastBytesPerSecond: number | null;
	/** How long a client may take nothing of an answer. */
	readonly idleTimeoutMs: number;
}

/** How far the bytes of a client have come, on a connection or on one of its streams. */
export interface Flow {
	/** Those that have come from it. */
	readonly bytesRead: number;
	/** Whether some wait for it. */
	readonly waits: boolean;
	/** Those that were handed over and have left this process; null if there is nobody to take any. */
	readonly bytesLeft: number | null;
	/** The number of its socket at the system; null if it has none of its own. */
	readonly fd: number | null;
	/** How many bytes may leave before any of them is seen to. */
	readonly bytesUnseen: number;
}

/** The part of a socket's handle that says how far its bytes have come. */
interface Handle {
	/** Those that were handed over to be sent. */
	readonly bytesWritten: number;
	/** Those of them that the system has not taken yet. */
	readonly writeQueueSize: number;
	/** Its number at the system; below 0 or absent if there is none. */
	readonly fd?: number;
}

/** The flow of a connection. */
export function flowOf(socket: Socket): Flow {
	const handle = () => (socket as { _handle?: Handle | null })._handle ?? null;
	return {
		bytesUnseen: 0,
		get bytesRead() {
			return socket.bytesRead;
		},
		get waits() {
			return socket.writableLength > 0;
		},
		get bytesLeft() {
			const now = handle();
			return now && now.bytesWritten - now.writeQueueSize;
		},
		get fd() {
			const fd = handle()?.fd ?? -1;
			return fd < 0 ? null : fd;
		},
	};
}

/** An account that is charged as time passes and credited with bytes. Beyond a full one nothing is saved. */
class Credit {
	left: number;
	readonly max: number;
	readonly #perMs: number;
	bytesBefore: number;

	constructor(graceMs: number, perMs: number, bytes: number, more = 0) {
		this.max = graceMs * perMs + more;
		this.left = this.max;
		this.#perMs = perMs;
		this.bytesBefore = bytes;
	}

	/**
	 * `bytes` is their number since the beginning, or less: it may have been read while others were on their way. Returns
	 * whether there are more.
	 */
	pass(ms: number, bytes: number): boolean {
		const more = Math.max(0, bytes - this.bytesBefore);
		this.bytesBefore += more;
		this.left = Math.min(this.left + more - ms * this.#perMs, this.max);
		return more > 0;
	}
}

/**
 * How fast one client sends and takes. The connection is looked at every two seconds, and nothing is counted between. A
 * body counts while the server waits for it, and an answer while bytes of it wait to be taken.
 */
export class Pace {
	readonly #flow: Flow;
	readonly #idleTimeoutMs: number;
	readonly #perMs: number;
	readonly #sendingGraceMs: number;
	readonly #takingGraceMs: number;
	#sending: Credit | null = null;
	/** By what left this process. The system may hold megabytes of that, and takes them in large steps. */
	#taking: Credit | null = null;
	/** By what has reached the client's system. Asked for only if little has left this process. */
	#reaching: Credit | null = null;
	/** What had left this process when it was looked at. */
	#leftBytes = 0;
	/** How long nothing was seen to be taken of an answer that waits. Infinity if none was looked at. */
	stillMs = Number.POSITIVE_INFINITY;

	constructor(flow: Flow, { leastBytesPerSecond, idleTimeoutMs }: PaceOptions) {
		this.#flow = flow;
		this.#idleTimeoutMs = idleTimeoutMs;
		const off = leastBytesPerSecond === null;
		// One byte in all that time.
		this.#perMs = off ? 1 / idleTimeoutMs : leastBytesPerSecond / 1000;
		this.#takingGraceMs = off ? idleTimeoutMs : takingGraceMs;
		this.#sendingGraceMs = off ? idleTimeoutMs : sendingGraceMs;
	}

	/** The number of the socket at the system; null if there is none. */
	get fd(): number | null {
		return this.#flow.fd;
	}

	/** Time has passed in which a body may have been waited for. True if it comes too slowly. */
	isSendingSlowly(ms: number, awaited: boolean): boolean {
		if (!awaited) {
			this.#sending = null;
			return false;
		}
		const { bytesRead } = this.#flow;
		this.#sending ??= new Credit(this.#sendingGraceMs, this.#perMs, bytesRead);
		this.#sending.pass(ms, bytesRead);
		return this.#sending.left < 0;
	}

	/** Time has passed in which an answer may have been taken. True if little of it was seen to leave this process. */
	mayBeTakingSlowly(ms: number): boolean {
		const bytes = this.#flow.bytesLeft;
		if (bytes === null || !this.#flow.waits) {
			this.#taking = null;
			this.#reaching = null;
			this.stillMs = Number.POSITIVE_INFINITY;
			return false;
		}
		this.#leftBytes = bytes;
		if (this.#taking === null) {
			this.#taking = this.#creditFor(bytes);
			this.stillMs = 0;
			return false;
		}
		const moves = this.#taking.pass(ms, bytes);
		this.stillMs = moves ? 0 : this.stillMs + ms;
		const { left, max } = this.#taking;
		if (left < max / 2 || this.stillMs > this.#idleTimeoutMs / 4) return true;
		this.#reaching = null;
		return false;
	}

	/**
	 * `queuedBytes` have left this process and have not reached the client's system; null if nobody can tell. They were
	 * asked for after the look, so they may be too many and never too few. True if the client takes too little.
	 */
	isTakingSlowly(ms: number, queuedBytes: number | null): boolean {
		const taking = this.#taking;
		if (this.#flow.bytesLeft === null || taking === null) return false;
		if (queuedBytes === null) return taking.left < 0;
		const bytes = this.#leftBytes - queuedBytes;
		if (this.#reaching === null) {
			this.#reaching = this.#creditFor(bytes);
			this.#reaching.left = taking.left;
		} else if (this.#reaching.pass(ms, bytes)) this.stillMs = 0;
		return this.#reaching.left < 0;
	}

	#creditFor(bytes: number): Credit {
		const { bytesUnseen } = this.#flow;
		return new Credit(this.#takingGraceMs, this.#perMs, bytes, bytesUnseen);
	}
}
