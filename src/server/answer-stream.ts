import type { Writable } from "node:stream";
import type {
	ByteStream,
	PieceFlow,
	PieceTaker,
} from "../core/body/byte-stream.ts";
import type { RequestMemory } from "../core/memory.ts";
import type { Scope } from "../tasks/scope.ts";
import type { AnswerWriter } from "./carrier.ts";

/** The exchange whose answer has a body that comes piece by piece. */
export interface AnswerOwner {
	readonly memory: Pick<RequestMemory, "hold" | "give">;
	/** Whether the client is gone. */
	readonly over: boolean;
	/** The body has ended. */
	streamed(): void;
	/** The answer cannot become whole. */
	cut(): void;
}

/** Writes as fast as the client reads. An answer that breaks off must not look whole, so the connection is cut. */
export function writeAsItComes(
	body: ByteStream,
	owner: AnswerOwner,
	answer: AnswerWriter,
	scope: Scope,
): void {
	if (body.flowTo === undefined) void write(body, owner, answer, scope);
	else new AnswerFlow(owner, answer, scope).begin(body);
}

/** Thrown to leave the loop over an answer that cannot be written whole. */
const cut = new Error("the answer is cut");

async function write(
	body: ByteStream,
	owner: AnswerOwner,
	answer: AnswerWriter,
	scope: Scope,
): Promise<void> {
	try {
		let written = 0;
		for await (const chunk of body) {
			written += chunk.length;
			if (owner.over || written > (body.length ?? written)) throw cut;
			const from = answer.write(chunk);
			if (from === null) continue;
			owner.memory.hold(chunk.length);
			await drained(from, scope);
			owner.memory.give(chunk.length);
		}
		if (owner.over || written < (body.length ?? written)) throw cut;
	} catch {
		owner.cut();
		return;
	}
	owner.streamed();
}

function drained(from: Writable, scope: Scope): Promise<void> {
	return new Promise((resolve, reject) => {
		const resume = () => {
			leaveScope();
			resolve();
		};
		const leaveScope = scope.onCancel((reason) => {
			from.off("drain", resume);
			reject(reason);
		});
		from.once("drain", resume);
	});
}

/**
 * Writes the pieces of a body as they come, and no faster than the client reads. An object without closures, because each
 * listener has one for as long as it listens.
 */
class AnswerFlow implements PieceTaker {
	readonly #owner: AnswerOwner;
	readonly #answer: AnswerWriter;
	readonly #scope: Scope;
	#flow: PieceFlow | null = null;
	/** Whether the answer was cut off. */
	#over = false;
	/** Set while the client has to read before anything more is written. */
	#stopWaiting: (() => void) | null = null;

	constructor(owner: AnswerOwner, answer: AnswerWriter, scope: Scope) {
		this.#owner = owner;
		this.#answer = answer;
		this.#scope = scope;
	}

	/** The body must have `flowTo`. */
	begin(body: ByteStream): void {
		this.#flow = body.flowTo?.(this) ?? null;
	}

	take(piece: Uint8Array): boolean {
		if (this.#owner.over) return this.#breakOff();
		let from: Writable | null;
		try {
			from = this.#answer.write(piece);
		} catch {
			return this.#breakOff();
		}
		if (from === null) return true;
		this.#wait(from, piece.length);
		return false;
	}

	#breakOff(): false {
		this.#over = true;
		this.#stopWaiting?.();
		this.#flow?.leave();
		this.#owner.cut();
		return false;
	}

	/** A body that has given all it has hears of no client that goes, so this listens for itself meanwhile. */
	#wait(from: Writable, bytes: number): void {
		const { memory } = this.#owner;
		const goOn = () => {
			this.#stopWaiting?.();
			this.#flow?.goOn();
		};
		memory.hold(bytes);
		from.once("drain", goOn);
		let stopListening = () => {};
		this.#stopWaiting = () => {
			this.#stopWaiting = null;
			from.off("drain", goOn);
			stopListening();
			memory.give(bytes);
		};
		stopListening = this.#scope.onCancel(() => this.#breakOff());
	}

	ended(): void {
		if (this.#over) return;
		const waits = this.#stopWaiting !== null;
		this.#stopWaiting?.();
		const brokeOff = waits && this.#scope.cancelled;
		if (this.#owner.over || brokeOff) this.#owner.cut();
		else this.#owner.streamed();
	}
}
