/** What is kept for long must not keep alive the larger buffer in which it was made. */
export function compact(bytes: Uint8Array): Uint8Array {
	return bytes.buffer.byteLength === bytes.length
		? bytes
		: Uint8Array.prototype.slice.call(bytes);
}
