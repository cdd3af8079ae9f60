import assert from "node:assert/strict";
import { test } from "node:test";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { GatewayError } from "../../src/core/errors.ts";
import { Memory } from "../../src/core/memory.ts";
import { openScope, virtualClock } from "../../src/tasks/index.ts";
import { decode, parseCoding } from "../../src/upstream/wire/decode.ts";

const bounds = (bytesMax: number) => ({ bytesMax, memory: new Memory() });

const tooLong = (error: unknown) =>
	error instanceof GatewayError && error.code === "upstream_invalid";

test("a bomb is ended at the bound, long before its end", async () => {
	const zeros = Buffer.alloc(64 * 1024 * 1024);
	const fast = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };
	const bombs = {
		gzip: gzipSync(zeros, { level: 1 }),
		br: brotliCompressSync(zeros, fast),
	};
	const scope = openScope({ clock: virtualClock() });
	for (const coding of ["gzip", "br"] as const) {
		const bomb = bombs[coding];
		const before = process.memoryUsage().arrayBuffers;
		await assert.rejects(
			decode(coding, bomb, bounds(100_000), "weather", scope),
			tooLong,
		);
		const taken = process.memoryUsage().arrayBuffers - before;
		assert.ok(taken < 8 * 1024 * 1024, `took ${taken} bytes`);
	}
	assert.equal(scope.listeners, 0);
});

test("decoding ends with the reason when it is cancelled", async () => {
	const reason = new Error("the caller's");
	for (const when of ["before", "during"]) {
		const scope = openScope({ clock: virtualClock() });
		if (when === "before") scope.cancel(reason);
		const decoding = decode(
			"gzip",
			gzipSync("облачно"),
			bounds(100),
			"weather",
			scope,
		);
		if (when === "during") scope.cancel(reason);
		await assert.rejects(decoding, (thrown) => thrown === reason);
		assert.equal(scope.listeners, 0);
	}
});

test("codings are recognised in any case, and no other", () => {
	assert.equal(parseCoding(" GZip "), "gzip");
	assert.equal(parseCoding("x-gzip"), "gzip");
	assert.equal(parseCoding("BR"), "br");
	assert.equal(parseCoding(""), null);
	assert.equal(parseCoding("Identity"), null);
	assert.equal(parseCoding("gzip, br"), undefined);
	assert.equal(parseCoding("deflate"), undefined);
});
