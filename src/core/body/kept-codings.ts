import type { AnswerCoding } from "../http/accept-encoding.ts";
import { compact } from "./compact.ts";
import type { Decoded } from "./decoded.ts";

/** The forms of a kept body in codings. They are kept beside it, for as long as it, and count in its memory. */
export class KeptCodings {
	readonly #body: Pick<Decoded, "grow">;
	readonly #kept = new Map<AnswerCoding, Uint8Array>();
	readonly #making = new Map<AnswerCoding, Promise<Uint8Array>>();

	constructor(body: Pick<Decoded, "grow">) {
		this.#body = body;
	}

	/** Null if it is not kept. */
	of(coding: AnswerCoding): Uint8Array | null {
		return this.#kept.get(coding) ?? null;
	}

	/** Keeps a form if there is room for it. Gives the bytes to send. */
	keep(coding: AnswerCoding, made: Uint8Array): Uint8Array {
		const before = this.#kept.get(coding);
		if (before !== undefined) return before;
		if (!this.#body.grow(made.length)) return made;
		const bytes = compact(made);
		this.#kept.set(coding, bytes);
		return bytes;
	}

	/** Makes a form once for all who want it meanwhile, and keeps it. */
	make(
		coding: AnswerCoding,
		make: () => Promise<Uint8Array>,
	): Promise<Uint8Array> {
		const before = this.#making.get(coding);
		if (before !== undefined) return before;
		const making = make()
			.then((bytes) => this.keep(coding, bytes))
			.finally(() => this.#making.delete(coding));
		this.#making.set(coding, making);
		return making;
	}
}
