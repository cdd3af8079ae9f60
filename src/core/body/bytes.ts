import { GatewayError } from "../errors.ts";

/**
 * A body that is no text: a value that expressions can pass on but not look into, and that cannot become JSON or text.
 * Its bytes must not be changed.
 */
export class Bytes {
	readonly #bytes: Uint8Array;

	constructor(bytes: Uint8Array) {
		this.#bytes = bytes;
	}

	get bytes(): Uint8Array {
		return this.#bytes;
	}

	/** Called by JSON.stringify: there is no JSON of bytes. */
	toJSON(): never {
		throw new GatewayError("step_failed", "bytes cannot become JSON");
	}
}
