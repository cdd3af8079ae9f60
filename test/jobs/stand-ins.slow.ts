import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { begin, ended, inStore, type ShownJob } from "../kit/jobs.ts";
import { withoutStore } from "../kit/store.ts";
import {
	startCluster,
	startSentinels,
	type TestStores,
} from "../kit/stores.ts";
import { json, startUpstream } from "../kit/upstream.ts";

const routes = (url: string) => `
upstreams: { shop: { url: ${url}, timeout: 1m } }
defaults: { deadline: 2m }
routes:
  POST /write/{n}:
    job: true
    steps: { a: { post: "shop/write/\${params.n}" } }
    respond: { n: "\${params.n}" }
`;

/** Jobs are taken on and run by two gateways while the server that takes writes is killed. */
async function outliveTheirWriter(stores: TestStores): Promise<void> {
	let release = () => {};
	const slow = new Promise<void>((resolve) => {
		release = resolve;
	});
	await using shop = await startUpstream(({ target }, response) => {
		if (target !== "/write/slow") return json(response, 1);
		void slow.then(() => json(response, 1));
	});
	const serve = inStore(stores.url, "test");
	await using one = await serve(routes(shop.url), "  queued: 2000");
	await using other = await serve(routes(shop.url), "  queued: 2000");
	// It runs while its store is another one.
	const first = await begin(one, "/write/slow", { method: "POST" });
	await shop.arrived(1);
	const jobs: ShownJob[] = [];
	const killed = Promise.withResolvers<void>();
	const clients = [one, other, one, other].map(async (served, client) => {
		for (let n = 0; n < 20; n++) {
			const name = `${client}-${n}`;
			for (;;) {
				const answer = await served.get(`/write/${name}`, {
					method: "POST",
					headers: { prefer: "respond-async", "idempotency-key": name },
				});
				if (answer.status === 202) {
					jobs.push(answer.json as ShownJob);
					break;
				}
				assert.equal(answer.status, 503, answer.text);
				await new Promise((resolve) => setTimeout(resolve, 50));
			}
			if (jobs.length === 30) killed.resolve();
		}
	});
	await killed.promise;
	const writer = await stores.writer();
	await writer.kill();
	await Promise.all(clients);
	assert.notEqual((await stores.writer()).port, writer.port);
	release();
	const all = [first, ...jobs];
	for (const job of all) {
		const after = await whenBack(() => ended(other, job));
		assert.equal(after.state, "done", JSON.stringify(after));
		assert.equal(after.begun, 1);
	}
	const calls = shop.seen.map(({ target }) => target).sort();
	assert.equal(new Set(calls).size, calls.length, `${calls}`);
	assert.equal(calls.length, 81);
}

/** The store may still be away. */
async function whenBack<Value>(ask: () => Promise<Value>): Promise<Value> {
	for (;;) {
		try {
			return await ask();
		} catch (error) {
			if (!String(error).includes("jobs_unavailable")) throw error;
			await new Promise((resolve) => setTimeout(resolve, 50));
		}
	}
}

describe("jobs in stores that stand in for each other", {
	skip: withoutStore(),
}, () => {
	test("are lost by no kill of the one that Sentinels know, and none is done twice", async () => {
		await using stores = await startSentinels("s3cret");
		await outliveTheirWriter(stores);
	});

	test("are lost by no kill of the one of a Cluster that has them, and none is done twice", async () => {
		await using stores = await startCluster("{test}:");
		await outliveTheirWriter(stores);
	});
});
