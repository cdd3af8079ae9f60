import zlib from "node:zlib";
import type { HeaderList } from "../core/http/headers.ts";

/** An answer as it stands in the store. Its age is that of when it was put there. */
export interface StoredAnswer {
	readonly status: number;
	readonly headers: HeaderList;
	readonly body: Uint8Array;
	readonly ageMs: number;
	/** How long it was to stay there. */
	readonly keptMs: number;
}

/** The format. Another one is another first byte, and what has an unknown one is no answer. */
const version = 1;

/** Bytes before the head: the format, the check sum of all that follows, and the head's length. */
const prefixBytes = 9;

/** A shorter body is not worth compressing. */
const compressedFrom = 1024;

/** The most bytes of an answer in the store. A longer one would keep everything else on the connection waiting. */
export const storedBytesMax = 128 * 1024;

/** No answer stays longer, so that nothing has to be known of a change for longer either. */
export const keptMsMax = 3_600_000;

/** Null if it is too long for the store. */
export async function packed(answer: StoredAnswer): Promise<Buffer | null> {
	const { status, headers, body, ageMs, keptMs } = answer;
	const coded =
		body.length < compressedFrom
			? null
			: await compressed(body).catch(() => null);
	const isShorter = coded !== null && coded.length < body.length;
	const sent = isShorter ? coded : body;
	const bytes = body.length;
	const head = Buffer.from(
		JSON.stringify({ status, headers, ageMs, keptMs, bytes, coded: isShorter }),
	);
	if (prefixBytes + head.length + sent.length > storedBytesMax) return null;
	const value = Buffer.alloc(prefixBytes + head.length + sent.length);
	value[0] = version;
	value.writeUInt32BE(head.length, 5);
	head.copy(value, prefixBytes);
	value.set(sent, prefixBytes + head.length);
	value.writeUInt32BE(zlib.crc32(value.subarray(5)), 1);
	return value;
}

/** Null if it is no answer that this program has put there, whole. `bytesMax` bounds its body. */
export async function unpacked(
	value: Buffer,
	bytesMax: number,
): Promise<StoredAnswer | null> {
	if (value.length < prefixBytes || value[0] !== version) return null;
	if (zlib.crc32(value.subarray(5)) !== value.readUInt32BE(1)) return null;
	const bodyAt = prefixBytes + value.readUInt32BE(5);
	const head = headOf(value.subarray(prefixBytes, bodyAt));
	if (head === null || bodyAt > value.length || head.bytes > bytesMax)
		return null;
	const { bytes, coded, ...known } = head;
	const sent = value.subarray(bodyAt);
	const body = coded ? await expanded(sent, bytes).catch(() => null) : sent;
	return body?.length === bytes ? { ...known, body: Buffer.from(body) } : null;
}

interface Head extends Omit<StoredAnswer, "body"> {
	readonly bytes: number;
	readonly coded: boolean;
}

function headOf(text: Buffer): Head | null {
	let read: unknown;
	try {
		read = JSON.parse(text.toString());
	} catch {
		return null;
	}
	const head = (read ?? {}) as Readonly<Record<string, unknown>>;
	const { status, headers, ageMs, keptMs, bytes, coded } = head;
	const isSound =
		isFrom(status, 200, 599) &&
		Number.isInteger(status) &&
		isFrom(ageMs, 0, Number.MAX_SAFE_INTEGER) &&
		isFrom(keptMs, 0, keptMsMax) &&
		isFrom(bytes, 0, Number.MAX_SAFE_INTEGER) &&
		typeof coded === "boolean" &&
		isHeaderList(headers);
	return isSound
		? ({ status, headers, ageMs, keptMs, bytes, coded } as Head)
		: null;
}

function isFrom(value: unknown, least: number, most: number): boolean {
	return typeof value === "number" && value >= least && value <= most;
}

/** Names and values that could stand in an answer. Some of them go on in requests, which must not break there. */
function isHeaderList(value: unknown): value is HeaderList {
	return (
		Array.isArray(value) &&
		value.length % 2 === 0 &&
		value.every(
			(text: unknown, at) =>
				typeof text === "string" &&
				(at % 2 === 0 ? fieldName : fieldValue).test(text),
		)
	);
}

const fieldName = /^[\w!#$%&'*+.^`|~-]+$/;
const fieldValue = /^[^\u0000-\u0008\u000a-\u001f\u007f\u0100-\uffff]*$/;

function compressed(body: Uint8Array): Promise<Buffer> {
	return new Promise((resolve, reject) =>
		zlib.zstdCompress(body, (error, bytes) =>
			error ? reject(error) : resolve(bytes),
		),
	);
}

function expanded(sent: Uint8Array, bytes: number): Promise<Buffer> {
	const bound = { maxOutputLength: Math.max(1, bytes) };
	return new Promise((resolve, reject) =>
		zlib.zstdDecompress(sent, bound, (error, body) =>
			error ? reject(error) : resolve(body),
		),
	);
}
