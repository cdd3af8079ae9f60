import type { HeaderList } from "../../core/http/headers.ts";

/** What becomes of an answer. A text that is given back says why the answer is none; then only `onFail` is called. */
export interface Receiver {
	/** `hasBody`: whether it may have a body, whatever its headers announce (RFC 9110, 6.4.1). */
	onHead(head: AnswerHead, hasBody: boolean, flow: Flow): string | null;
	/** The bytes are lent: when this returns, the memory holds others. */
	onData(memory: Buffer, from: number, to: number): string | null;
	/** All of it came, and the connection is given back. */
	onEnd(): void;
	onFail(reason: unknown): void;
}

/** Of a final answer; may be shared by many, and none may change it. */
export interface AnswerHead {
	readonly status: number;
	/** Names in lower case, values without the white space around them; those of a repeated name follow its first. */
	readonly headers: HeaderList;
	/** What `content-encoding` says; empty without. */
	readonly contentCoding: string;
	/** As announced; null where it was not. */
	readonly length: number | null;
}

/** The flow of an answer's body: may be told to pause when it has begun. */
export interface Flow {
	pause(): void;
	resume(): void;
}
