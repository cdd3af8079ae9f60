import type { HeaderList } from "../../core/http/headers.ts";

/** Takes an answer. A returned text says why it is no proper answer. After that only `onFail` is called. */
export interface Receiver {
	/** `hasBody` is true if it may have a body, whatever its headers announce (RFC 9110, 6.4.1). */
	onHead(head: AnswerHead, hasBody: boolean, flow: Flow): string | null;
	/** An interim answer other than 100, which may come before the head, several times. Absent: nobody wants it. */
	onInterim?(status: number, headers: HeaderList): void;
	/** The bytes are lent: after this returns, the memory holds others. */
	onData(memory: Buffer, from: number, to: number): string | null;
	/** All that has come so far was told, and the answer goes on. Absent: nobody wants to know. */
	afterRead?(): void;
	/** The whole answer came, and the connection is given back. */
	onEnd(): void;
	onFail(reason: unknown): void;
}

/** The head of a final answer. Many may share it, and none may change it. */
export interface AnswerHead {
	readonly status: number;
	/**
	 * Names in lower case, values without the white space around them. The values of a repeated name follow its first
	 * value.
	 */
	readonly headers: HeaderList;
	/** The value of `content-encoding`; empty without one. */
	readonly contentCoding: string;
	/** The announced length; null if there is none. */
	readonly length: number | null;
}

/** Controls the flow of an answer's body, once it has begun. */
export interface Flow {
	pause(): void;
	resume(): void;
}
