import assert from "node:assert/strict";
import { describe, it } from "node:test";
import zlib from "node:zlib";
import fc from "fast-check";
import { answerCodings } from "../../src/core/http/accept-encoding.ts";
import { runOnce } from "../run/properties.ts";
import { configOf, randomRoute, scenario } from "../run/random-routes.ts";

const decoders = {
	gzip: zlib.gunzipSync,
	br: zlib.brotliDecompressSync,
	zstd: zlib.zstdDecompressSync,
};

describe("any route", () => {
	for (const coding of answerCodings) {
		it(`answers in ${coding} what it answers plainly, in 100 random routes`, async () => {
			let coded = 0;
			const property = fc.asyncProperty(
				randomRoute,
				scenario,
				async (route, scenario) => {
					const config = configOf(route);
					const plain = await runOnce(route, scenario, config);
					// Who refuses plain bytes gets short answers compressed, too.
					const fields = ["accept-encoding", `${coding}, identity;q=0`];
					const other = await runOnce(
						...([route, scenario, config, undefined, fields] as const),
					);
					other.kit.assertNothingLeft();
					const { status, body } = other.answer;
					assert.equal(status, plain.answer.status);
					if (other.answer.header("content-encoding") === null) {
						assert.equal(other.answer.text, plain.answer.text);
						return;
					}
					coded++;
					const bytes = decoders[coding](body as Uint8Array);
					assert.equal(bytes.toString(), plain.answer.text);
					assert.equal(other.answer.atMs, plain.answer.atMs);
				},
			);
			await fc.assert(property, { numRuns: 100 });
			assert.ok(coded > 10, `${coded} were coded`);
		});
	}
});
