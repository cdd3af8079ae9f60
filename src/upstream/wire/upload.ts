import type { Socket } from "node:net";
import type { ByteStream } from "../../core/body/byte-stream.ts";
import { GatewayError } from "../../core/errors.ts";
import type { Clock } from "../../tasks/clock.ts";

/** How long to wait for an upstream's word. */
export interface Expected {
	readonly clock: Clock;
	readonly ms: number;
}

/** Sends a request whose body comes piece by piece, as fast as the connection takes it. */
export class Upload {
	/** Whether the whole body was handed to the connection. */
	done = false;
	readonly #head: string;
	readonly #length: number | null;
	readonly #pieces: AsyncIterator<Uint8Array>;
	#stopped = false;
	#wake: () => void = () => {};

	/** Whether its first piece is at hand, so that the head leaves with it. */
	readonly #arrived: boolean;
	/** Null if the upstream need not say that it wants the body. */
	#expected: Expected | null;

	/** With `expected` no piece is read before the upstream says `100 Continue`, or has said nothing for that time. */
	constructor(head: string, body: ByteStream, expected: Expected | null) {
		this.#head = head;
		this.#length = body.length;
		this.#arrived = body.arrived === true;
		this.#pieces = body[Symbol.asyncIterator]();
		this.#expected = expected;
	}

	/** The upstream wants the body. */
	proceed(): void {
		this.#expected = null;
		this.#wake();
	}

	/** The final answer has come. Without its word before, the upstream does not want the body. */
	onAnswer(): void {
		if (this.#expected !== null) this.stop();
	}

	/** Never rejects. It calls `onFail`, unless it was stopped before. */
	async send(socket: Socket, onFail: (reason: unknown) => void): Promise<void> {
		const wake = () => this.#wake();
		socket.on("drain", wake);
		try {
			await this.#pump(socket);
		} catch (reason) {
			if (!this.#stopped) onFail(reason);
		} finally {
			socket.off("drain", wake);
		}
	}

	/** The exchange is over, whether or not all of it was sent. */
	stop(): void {
		if (this.#stopped) return;
		this.#stopped = true;
		this.#wake();
		// Its error concerns nobody here any more.
		this.#pieces.return?.().catch(() => {});
	}

	async #pump(socket: Socket): Promise<void> {
		let before = this.#head;
		let sent = 0;
		// The upstream may refuse the request, or answer, before a piece of the body has come.
		if (!this.#arrived) {
			socket.write(before, "latin1");
			before = "";
		}
		if (this.#expected !== null) await this.#wanted(this.#expected);
		if (this.#stopped) return;
		for (;;) {
			const { done, value: piece } = await this.#pieces.next();
			if (this.#stopped) return;
			if (done) break;
			if (piece.length === 0) continue;
			sent += piece.length;
			if (this.#length !== null && sent > this.#length) throw notAsAnnounced();
			const room = this.#write(socket, before, piece);
			before = "";
			if (!room) await this.#drained();
			if (this.#stopped) return;
		}
		if (this.#length !== null && sent < this.#length) throw notAsAnnounced();
		const last = this.#length === null ? "0\r\n\r\n" : "";
		if (before + last !== "") socket.write(before + last, "latin1");
		this.done = true;
	}

	/** Head, frame and piece leave together. */
	#write(socket: Socket, before: string, piece: Uint8Array): boolean {
		const chunked = this.#length === null;
		const start = chunked
			? `${before}${piece.length.toString(16)}\r\n`
			: before;
		socket.cork();
		if (start !== "") socket.write(start, "latin1");
		let room = socket.write(piece);
		if (chunked) room = socket.write("\r\n", "latin1");
		socket.uncork();
		return room;
	}

	/** Not every server says so (RFC 9110, 10.1.1), so after a while it is taken for granted. */
	async #wanted({ clock, ms }: Expected): Promise<void> {
		const timer = clock.after(ms, () => this.proceed());
		while (this.#expected !== null && !this.#stopped) await this.#drained();
		timer.cancel();
	}

	#drained(): Promise<void> {
		return new Promise((resolve) => {
			this.#wake = resolve;
		});
	}
}

function notAsAnnounced(): GatewayError {
	const message = "the request's body is not as long as announced";
	return new GatewayError("internal", message);
}
