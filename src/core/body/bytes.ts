import { GatewayError } from "../errors.ts";

/**
 * A body that is not text. Expressions can pass it on but cannot look into it, and it cannot become JSON or text. Its
 * bytes must not be changed.
 */
export class Bytes {
	readonly #bytes: Uint8Array;

	constructor(bytes: Uint8Array) {
		this.#bytes = bytes;
	}

	get bytes(): Uint8Array {
		return this.#bytes;
	}

	/** JSON.stringify calls it. Bytes have no JSON, so it throws. */
	toJSON(): never {
		throw new GatewayError("step_failed", "bytes cannot become JSON");
	}
}
