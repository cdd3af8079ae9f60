import assert from "node:assert/strict";
import { test } from "node:test";
import {
	brotliCompressSync,
	constants,
	deflateRawSync,
	deflateSync,
	gzipSync,
	zstdCompressSync,
} from "node:zlib";
import {
	type Coding,
	decodeCodings,
	parseCodings,
} from "../../../src/core/body/codings.ts";
import { Memory } from "../../../src/core/memory.ts";
import { openScope, virtualClock } from "../../../src/tasks/index.ts";

const refuse = (words: string) => new Error(words);

function decode(
	codings: readonly Coding[],
	body: Uint8Array,
	bytesMax = 100_000,
	memory = new Memory(),
	scope = openScope({ clock: virtualClock() }),
): Promise<Uint8Array> {
	return decodeCodings(codings, body, { bytesMax, memory, refuse }, scope);
}

type Encode = (body: string | Uint8Array) => Uint8Array;
const fast = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };
const encoders: readonly (readonly [string, Coding, Encode])[] = [
	["gzip", "gzip", (body) => gzipSync(body)],
	["br", "br", (body) => brotliCompressSync(body, fast)],
	["zstd", "zstd", (body) => zstdCompressSync(body)],
	["deflate of zlib", "deflate", (body) => deflateSync(body)],
	["deflate without zlib", "deflate", (body) => deflateRawSync(body)],
];

for (const [name, coding, encode] of encoders) {
	test(`${name}: what was coded comes back, of whatever length`, async () => {
		for (const length of [1, 2, 3, 255, 65_536]) {
			const body = Buffer.from("облачно ".repeat(length)).subarray(0, length);
			assert.deepEqual(
				Buffer.from(await decode([coding], encode(body))),
				body,
				`${length}`,
			);
		}
	});

	test(`${name}: a body is bounded as decoded`, async () => {
		for (const length of [99_999, 100_000]) {
			const { length: decoded } = await decode(
				[coding],
				encode("x".repeat(length)),
			);
			assert.equal(decoded, length);
		}
		await assert.rejects(decode([coding], encode("x".repeat(100_001))), {
			message: "decodes to more than 100000 bytes (`maxBody`)",
		});
	});

	test(`${name}: a body that is cut at any byte is refused`, async () => {
		const whole = encode("облачно, облачно, ясно");
		for (let length = 1; length < whole.length; length++) {
			await assert.rejects(
				decode([coding], whole.subarray(0, length)),
				{ message: /^not / },
				`${length} of ${whole.length}`,
			);
		}
	});

	test(`${name}: bytes behind the end are refused`, async () => {
		const coded = encode("ясно");
		for (const more of ["x", "more"]) {
			const body = Buffer.concat([coded, Buffer.from(more)]);
			await assert.rejects(decode([coding], body), { message: /^not / });
		}
	});

	test(`${name}: a bomb is ended at the bound, long before its end`, async () => {
		const bomb = encode(Buffer.alloc(64 * 1024 * 1024));
		const before = process.memoryUsage().arrayBuffers;
		const memory = new Memory();
		await assert.rejects(decode([coding], bomb, 100_000, memory), {
			message: /decodes to more than/,
		});
		const taken = process.memoryUsage().arrayBuffers - before;
		assert.ok(taken < 12 * 1024 * 1024, `took ${taken} bytes`);
		assert.equal(memory.held, 0);
	});

	test(`${name}: decoding ends with the reason when it is cancelled`, async () => {
		const reason = new Error("the caller's");
		for (const when of ["before", "during"]) {
			const scope = openScope({ clock: virtualClock() });
			const memory = new Memory();
			if (when === "before") scope.cancel(reason);
			const body = encode("облачно");
			const decoding = decode([coding], body, 100, memory, scope);
			if (when === "during") scope.cancel(reason);
			await assert.rejects(decoding, (thrown) => thrown === reason);
			assert.equal(scope.listeners, 0);
			assert.equal(memory.held, 0);
		}
	});
}

test("codings come off in the order opposite to that in which they were applied", async () => {
	const body = zstdCompressSync(gzipSync("ясно"));
	const memory = new Memory();
	const decoded = await decode(["gzip", "zstd"], body, 1000, memory);
	assert.equal(Buffer.from(decoded).toString(), "ясно");
	assert.equal(memory.held, 0);
	await assert.rejects(decode(["zstd", "gzip"], body), {
		message: /^not gzip/,
	});
});

test("a bomb that a second coding would hide is ended at the bound", async () => {
	const memory = new Memory();
	const inner = Buffer.concat([deflateSync("x"), Buffer.alloc(32 << 20)]);
	await assert.rejects(
		decode(["deflate", "gzip"], gzipSync(inner), 1000, memory),
		{
			message: "decodes to more than 1000 bytes (`maxBody`)",
		},
	);
	assert.equal(memory.held, 0);
});

test("a window of zstd that takes more than 8 MiB is refused", async () => {
	const of = (log: number) =>
		zstdCompressSync(Buffer.alloc(32 << 20), {
			params: { [constants.ZSTD_c_windowLog]: log },
		});
	const bytesMax = 64 << 20;
	assert.equal((await decode(["zstd"], of(23), bytesMax)).length, 32 << 20);
	await assert.rejects(decode(["zstd"], of(24), bytesMax), {
		message: /^not zstd/,
	});
});

test("codings are recognised in any case, in lists, and no other", () => {
	const cases: [string, readonly Coding[] | string][] = [
		["", []],
		["Identity", []],
		[" GZip ", ["gzip"]],
		["x-gzip", ["gzip"]],
		["BR", ["br"]],
		["zstd", ["zstd"]],
		["deflate", ["deflate"]],
		["gzip, br", ["gzip", "br"]],
		["gzip,,identity,\tzstd", ["gzip", "zstd"]],
		["gzip,gzip,gzip,gzip", ["gzip", "gzip", "gzip", "gzip"]],
		["gzip,gzip,gzip,gzip,gzip", "more than 4 content-encodings"],
		["compress", "the content-encoding `compress` is not understood"],
		["gzip, dcb", "the content-encoding `dcb` is not understood"],
		['gz"ip', "the content-encoding is not understood"],
		["gzip;q=1", "the content-encoding is not understood"],
		["secret", "the content-encoding is not understood"],
		["__proto__", "the content-encoding is not understood"],
	];
	for (const [value, expected] of cases) {
		assert.deepEqual(parseCodings(value), expected, value);
	}
});
