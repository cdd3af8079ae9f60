import type { Transform } from "node:stream";
import { createBrotliDecompress, createGunzip } from "node:zlib";
import { createCollector } from "../../core/body/collector.ts";
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

/**
 * Decodes a whole body, off this thread. Stops as soon as it exceeds `bytesMax`, because a small body can decode to a
 * thousand times its size. Fails with `upstream_invalid` for a body that is broken, cut short or too long.
 */
export function decode(
	coding: Coding,
	body: Uint8Array,
	bytesMax: number,
	upstream: string,
	scope: Scope,
): Promise<Uint8Array> {
	if (scope.cancelled) return Promise.reject(scope.reason);
	return new Promise((resolve, reject) => {
		const decoder = createDecoder(coding);
		const decoded = createCollector(bytesMax);
		function fail(reason: unknown): void {
			leaveScope();
			decoder.destroy();
			reject(reason);
		}
		const leaveScope = scope.onCancel(fail);
		decoder.on("data", (chunk: Uint8Array) => {
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
			leaveScope();
			resolve(decoded.bytes());
		});
		decoder.end(body);
	});
}

function createDecoder(coding: Coding): Transform {
	return coding === "gzip" ? createGunzip() : createBrotliDecompress();
}
