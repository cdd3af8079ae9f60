import assert from "node:assert/strict";
import { test } from "node:test";
import { repeatableRandom } from "../kit/random.ts";
import { spoiledAndCut } from "../server/spoiled-requests.ts";
import { TwoReaders } from "../server/two-readers.ts";

test("1,000,000 spoiled requests are read as node:http alone reads them", async (t) => {
	const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
	t.diagnostic(`SEED=${seed}`);
	const random = repeatableRandom(seed);
	const readers = new TwoReaders();
	for (let done = 0; done < 1_000_000; done += 10_000) {
		await readers.compare(spoiledAndCut(10_000, random));
	}
	t.diagnostic(JSON.stringify(readers.seen));
	assert.ok(readers.seen.ownAlone > 60_000);
});
