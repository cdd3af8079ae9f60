/** Longer bytes are not copied into a frame that is held until the next one. */
const sharedBytesMax = 2 ** 16 - 1;

/**
 * The last bytes that went to several clients, with what the protocol puts around them. If the same bytes are sent again, they
 * are the same message, so their content must not change.
 */
export class SharedFrame {
	readonly #make: (bytes: Uint8Array) => Uint8Array;
	#bytes: Uint8Array | null = null;
	/** Null before they are sent for the second time. */
	#frame: Uint8Array | null = null;

	/** `make` is given at most 65,535 bytes. */
	constructor(make: (bytes: Uint8Array) => Uint8Array) {
		this.#make = make;
	}

	/** The frame of bytes that were the last ones, too; else null. */
	of(bytes: Uint8Array): Uint8Array | null {
		if (bytes === this.#bytes) {
			this.#frame ??= this.#make(bytes);
			return this.#frame;
		}
		this.#bytes = bytes.length > sharedBytesMax ? null : bytes;
		this.#frame = null;
		return null;
	}
}
