import type { Transform } from "node:stream";
import { createBrotliDecompress, createGunzip } from "node:zlib";
import { createCollector } from "../../core/body/collector.ts";
import type { Memory } from "../../core/memory.ts";
import type { Scope } from "../../tasks/scope.ts";
import { invalid } from "./wire-errors.ts";

/** The content codings that an answer may have. */
export type Coding = "gzip" | "br";

/** The coding that a `content-encoding` names. Null for none, undefined for one that is not understood. */
export function parseCoding(value: string): Coding | null | undefined {
	switch (value.trim().toLowerCase()) {
		case "":
		case "identity":
			return null;
		case "gzip":
		case "x-gzip":
			return "gzip";
		case "br":
			return "br";
		default:
			return undefined;
	}
}

/** What bounds a body while it is decoded. */
interface DecodeBounds {
	readonly bytesMax: number;
	readonly memory: Memory;
}

/**
 * Decodes a whole body, off this thread. Stops as soon as it exceeds `bytesMax`, because a small body can decode to a
 * thousand times its size. Fails with `upstream_invalid` for a body that is broken, cut short or too long.
 */
export function decode(
	coding: Coding,
	body: Uint8Array,
	{ bytesMax, memory }: DecodeBounds,
	upstream: string,
	scope: Scope,
): Promise<Uint8Array> {
	if (scope.cancelled) return Promise.reject(scope.reason);
	return new Promise((resolve, reject) => {
		const decoder = createDecoder(coding);
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
				invalid(
					upstream,
					`decodes to more than ${bytesMax} bytes (\`maxBody\`)`,
				),
			);
		});
		decoder.on("error", (error) =>
			fail(invalid(upstream, `not ${coding}: ${error.message}`)),
		);
		decoder.on("end", () => {
			leave();
			resolve(decoded.bytes());
		});
		decoder.end(body);
	});
}

function createDecoder(coding: Coding): Transform {
	return coding === "gzip" ? createGunzip() : createBrotliDecompress();
}
