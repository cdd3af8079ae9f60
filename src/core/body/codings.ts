import type { Transform } from "node:stream";
// Not by name: an old Node, which has no zstd, must get as far as saying that it is too old.
import zlib from "node:zlib";
import type { Scope } from "../../tasks/scope.ts";
import { createCollector } from "./collector.ts";

/** The content codings that a body may have (RFC 9110, 8.4.1; RFC 8878 for `zstd`). */
export type Coding = "gzip" | "br" | "zstd" | "deflate";

/** The codings that are understood, as the value of `Accept-Encoding`. */
export const codingsUnderstood = "gzip, br, zstd, deflate";

/** Nobody codes a body more often, and each coding could blow it up again. */
const codingsMax = 4;

/**
 * The codings that a `content-encoding` names, in the order in which they were applied. A text is the one that is not
 * understood, in words.
 */
export function parseCodings(value: string): readonly Coding[] | string {
	const codings: Coding[] = [];
	for (const written of value.split(",")) {
		const name = written.trim().toLowerCase();
		// An empty element is none (RFC 9110, 5.6.1).
		if (name === "" || name === "identity") continue;
		const coding = codingOf(name);
		if (coding === null) {
			const told = otherCodings.has(name) ? ` \`${name}\`` : "";
			return `the content-encoding${told} is not understood`;
		}
		codings.push(coding);
		if (codings.length > codingsMax) {
			return `more than ${codingsMax} content-encodings`;
		}
	}
	return codings;
}

/** Those that have a name of their own (IANA), or are in use. Any other name could hold anything, so it is not told. */
const otherCodings: ReadonlySet<string> = new Set([
	"aes128gcm",
	"bzip2",
	"compress",
	"dcb",
	"dcz",
	"exi",
	"lz4",
	"lzma",
	"pack200-gzip",
	"snappy",
	"x-compress",
	"xz",
]);

function codingOf(name: string): Coding | null {
	switch (name) {
		case "gzip":
		case "x-gzip":
			return "gzip";
		case "br":
		case "zstd":
		case "deflate":
			return name;
		default:
			return null;
	}
}

/** The fault of an `accept-encoding` that asks for a coding which is then not understood; null if it has none. */
export function faultOfAccepted(value: string): string | null {
	const names = value.split(",").map((one) => one.replace(/;.*/, ""));
	const other = names
		.map((one) => one.trim().toLowerCase())
		.find((one) => one !== "" && one !== "identity" && codingOf(one) === null);
	return other === undefined
		? null
		: `a body in \`${other}\` could not be read: an answer may be in \`gzip\`, \`br\`, \`zstd\` or \`deflate\``;
}

/** What bounds a body while it is decoded, and the errors of one that cannot be. */
export interface DecodeBounds {
	readonly bytesMax: number;
	readonly memory: DecodeMemory;
	/** The error of a body that is broken, cut short or too long, in the words of its fault. */
	readonly refuse: (words: string, tooLong: boolean) => Error;
}

/** Counts what is decoded. */
export interface DecodeMemory {
	/** Whether there is room for the bytes, which are then taken. */
	take(bytes: number): boolean;
	give(bytes: number): void;
	readonly usedUp: Error;
}

/**
 * Decodes a whole body, off this thread: the coding that was applied last comes off first. Stops as soon as it exceeds
 * `bytesMax`, before the last coding too, because a small body can decode to a thousand times its size. So fails a body
 * that is broken, cut short or longer than its codings say.
 */
export async function decodeCodings(
	codings: readonly Coding[],
	coded: Uint8Array,
	bounds: DecodeBounds,
	scope: Scope,
): Promise<Uint8Array> {
	const { memory } = bounds;
	let body = coded;
	let taken = 0;
	try {
		for (const coding of codings.toReversed()) {
			body = await decode(coding, body, bounds, scope);
			memory.give(taken);
			taken = 0;
			if (!memory.take(body.length)) throw memory.usedUp;
			taken = body.length;
		}
		return body;
	} finally {
		memory.give(taken);
	}
}

function decode(
	coding: Coding,
	body: Uint8Array,
	{ bytesMax, memory, refuse }: DecodeBounds,
	scope: Scope,
): Promise<Uint8Array> {
	if (scope.cancelled) return Promise.reject(scope.reason);
	return new Promise((resolve, reject) => {
		const decoder = createDecoder(coding, body);
		const decoded = createCollector(bytesMax);
		let taken = 0;
		const leave = () => {
			leaveScope();
			memory.give(taken);
			taken = 0;
		};
		function fail(reason: unknown): void {
			leave();
			decoder.destroy();
			reject(reason);
		}
		const leaveScope = scope.onCancel(fail);
		decoder.on("data", (chunk: Uint8Array) => {
			const growth = decoded.growth(chunk.length);
			if (!memory.take(growth)) return fail(memory.usedUp);
			taken += growth;
			if (decoded.add(chunk)) return;
			fail(
				refuse(`decodes to more than ${bytesMax} bytes (\`maxBody\`)`, true),
			);
		});
		decoder.on("error", (error) =>
			fail(refuse(`not ${coding}: ${error.message}`, false)),
		);
		decoder.on("end", () => {
			if (decoder.bytesWritten < body.length) {
				fail(refuse(`not ${coding}: there are bytes behind its end`, false));
				return;
			}
			leave();
			resolve(decoded.bytes());
		});
		decoder.end(body);
	});
}

/** A window that decoders need not have (RFC 9659) would let a few bytes take 128 MiB. */
const zstdWindow = { params: { [zlib.constants.ZSTD_d_windowLogMax]: 23 } };

function createDecoder(
	coding: Coding,
	body: Uint8Array,
): Transform & { readonly bytesWritten: number } {
	switch (coding) {
		case "gzip":
			return zlib.createGunzip();
		case "br":
			return zlib.createBrotliDecompress();
		case "zstd":
			return zlib.createZstdDecompress(zstdWindow);
		case "deflate":
			return hasZlibHead(body) ? zlib.createInflate() : zlib.createInflateRaw();
	}
}

/**
 * `deflate` means the format of zlib (RFC 1950), and many servers send what is inside it (RFC 9110, 8.4.1.2). What is
 * inside cannot begin with these bits, because the padding of a stored block is zero.
 */
function hasZlibHead([first = 0, second = 0]: Uint8Array): boolean {
	return (first & 0x0f) === 8 && (256 * first + second) % 31 === 0;
}
