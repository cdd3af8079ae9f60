import { GatewayError } from "../../core/errors.ts";
import type { AskAgain } from "../../core/http/messages.ts";
import type { AttemptTrail } from "../../core/trail.ts";
import type { Carried, UpstreamConnection } from "./connection.ts";
import type { ConnectionPool } from "./connection-pool.ts";
import type { Head } from "./head.ts";
import type { Receiver } from "./receiver.ts";
import type { Message } from "./request-writer.ts";
import type { Upload } from "./upload.ts";
import { brokenOff, invalid, wordsOf } from "./wire-errors.ts";

/** The request to be sent, and how to send it. */
export interface Sending {
	readonly method: string;
	/** A whole request, or one whose body is streamed. */
	readonly message: Message | Upload;
	/** Whether it may be sent again. */
	readonly repeatable: boolean;
	/** Whether it may be sent together with others on one connection. */
	readonly shares: boolean;
	/** The bound of the attempt, in milliseconds. */
	readonly timeoutMs: number;
	readonly onSent: (() => void) | null;
	readonly onAgain: AskAgain | null;
	readonly attempt: AttemptTrail | null;
}

/** One request on its way, and its answer. */
export class UpstreamExchange implements Carried {
	sent = false;
	awaited = false;
	readonly #pool: ConnectionPool;
	readonly #sending: Sending;
	readonly #receiver: Receiver;
	#connection: UpstreamConnection | null = null;
	#over = false;
	#sentOnKept = false;
	#repeated = false;

	constructor(pool: ConnectionPool, sending: Sending, receiver: Receiver) {
		this.#pool = pool;
		this.#sending = sending;
		this.#receiver = receiver;
	}

	begin(): void {
		this.#moveTo(this.#pool.take(this.#sending.shares));
	}

	get toHead(): boolean {
		return this.#sending.method === "HEAD";
	}

	get allSent(): boolean {
		const { message } = this.#sending;
		return !("send" in message) || message.done;
	}

	get timeoutMs(): number {
		return this.#sending.timeoutMs;
	}

	moveOn(): void {
		if (!this.#over && this.#mayRepeat()) this.#repeat();
	}

	send(connection: UpstreamConnection): void {
		this.sent = true;
		this.#sentOnKept = connection.kept;
		const { message, onSent, attempt } = this.#sending;
		attempt?.sent(connection.kept);
		if ("send" in message) {
			void message.send(connection.socket, (reason) =>
				this.fail(this.#translated(reason)),
			);
		} else if (message.bytes === null) connection.write(message.text);
		else connection.socket.write(message.bytes);
		// Whoever hears of it may send another call, which must come behind this one.
		if (!this.#repeated) onSent?.();
	}

	onHead(head: Head, hasBody: boolean): string | null {
		if (this.#over) return "it is over";
		const { message, attempt } = this.#sending;
		if (attempt !== null) {
			attempt.head(head.status);
			attempt.headRead = true;
		}
		if ("send" in message) message.onAnswer();
		return this.#receiver.onHead(
			head,
			hasBody,
			this.#connection as UpstreamConnection,
		);
	}

	onInterim({ status, headers }: Head): void {
		if (this.#over) return;
		const { message } = this.#sending;
		// It is about this request alone.
		if (status !== 100) this.#receiver.onInterim?.(status, headers);
		else if ("send" in message) message.proceed();
	}

	onData(memory: Buffer, from: number, to: number): string | null {
		if (this.#over) return "it is over";
		const { attempt } = this.#sending;
		if (attempt !== null) attempt.bytes += to - from;
		return this.#receiver.onData(memory, from, to);
	}

	afterRead(): void {
		this.#readOver();
		if (!this.#over) this.#receiver.afterRead?.();
	}

	complete(): void {
		if (this.#over) return;
		this.#end();
		try {
			this.#receiver.onEnd();
		} finally {
			this.#readOver();
		}
	}

	/** What comes from now on did not come with the head. */
	#readOver(): void {
		const { attempt } = this.#sending;
		if (attempt !== null) attempt.headRead = false;
	}

	refuse(why: string): void {
		if (this.#over) return;
		if (this.#mayRepeat()) this.#repeat();
		else this.fail(invalid(this.#pool.settings.name, why));
	}

	lost(error: Error | null): void {
		if (this.#over) return;
		if (!this.sent && this.#connection?.kept && !this.#pool.closed) {
			this.#moveTo(this.#pool.open());
		} else if (this.#mayRepeat()) {
			this.#repeat();
		} else {
			this.fail(this.#translated(error));
		}
	}

	/** The error of the request's own body is passed on as it is. */
	#translated(reason: unknown): unknown {
		if (reason instanceof GatewayError) return reason;
		const answered = this.sent && this.#answerBegun;
		const words =
			reason instanceof Error
				? wordsOf(reason, this.#pool.settings.originFrom)
				: "the upstream closed the connection";
		return brokenOff(this.#pool.settings.name, words, answered);
	}

	/** The upstream closed a kept connection just as the request came. It probably never looked at the request. */
	#mayRepeat(): boolean {
		if (!this.#sending.repeatable || this.#repeated) return false;
		if (!this.sent || !this.#sentOnKept || this.#pool.closed) return false;
		if (this.#answerBegun) return false;
		return this.#sending.onAgain?.(true) !== false;
	}

	get #answerBegun(): boolean {
		return this.awaited && this.#connection?.parser.begun === true;
	}

	#repeat(): void {
		this.#repeated = true;
		this.#moveTo(this.#pool.open());
	}

	/** Leaves its connection, if it has one. */
	#moveTo(connection: UpstreamConnection): void {
		this.#connection?.leave(this);
		this.#connection = connection;
		this.sent = false;
		this.awaited = false;
		connection.carry(this);
	}

	/** Ends the exchange on the wire, at once. Does nothing if it is over. */
	fail(reason: unknown): void {
		if (this.#over) return;
		this.#end();
		this.#connection?.leave(this);
		this.#receiver.onFail(reason);
	}

	#end(): void {
		this.#over = true;
		const { message } = this.#sending;
		if ("send" in message) message.stop();
	}
}
