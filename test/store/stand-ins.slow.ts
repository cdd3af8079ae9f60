import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { StoreChanged } from "../../src/core/events.ts";
import { keyPrefix } from "../../src/store/address.ts";
import { findScript, keepScript } from "../../src/store/answer-scripts.ts";
import { openRedis } from "../../src/store/redis.ts";
import { Store } from "../../src/store/store.ts";
import { realClock } from "../../src/tasks/clock.ts";
import { untilUp, withoutStore } from "../kit/store.ts";
import {
	startCluster,
	startSentinels,
	type TestStores,
} from "../kit/stores.ts";

/** A store at this address, as a gateway has it. */
function connected(url: string) {
	const changed: ((change: StoreChanged) => void)[] = [];
	const prefix = keyPrefix(url, "test");
	const store = new Store(
		{ prefix, timeoutMs: 1000 },
		{ clock: realClock(), changed, open: openRedis(url, prefix) },
	);
	return {
		...{ store, prefix },
		up: () => untilUp(store, changed),
		away: () =>
			new Promise<StoreChanged>((resolve) =>
				changed.push((change) => {
					if (change.state === "away") resolve(change);
				}),
			),
		set: (key: string, value: string) =>
			store.call(["SET", `${prefix}${key}`, value], (reply) => [reply]),
		get: (key: string) =>
			store.call(["GET", `${prefix}${key}`], (reply) => [
				Buffer.isBuffer(reply) ? reply.toString() : reply,
			]),
		[Symbol.dispose]: () => store.close(),
	};
}

/** Writes to the store that takes writes, lets it be killed, and writes to the one that stands in for it. */
async function outlivesItsWriter(stores: TestStores): Promise<void> {
	using one = connected(stores.url);
	await one.up();
	assert.deepEqual(await one.set("a", "1"), ["OK"]);
	// A script that takes several keys, by its digest and whole.
	const keys = ["answer", "lease", "mark", "all"].map(
		(key) => `${one.prefix}${key}`,
	);
	for (let times = 0; times < 2; times++) {
		const found = await one.store.script(
			findScript,
			keys,
			["token", "1"],
			(reply) => (Array.isArray(reply) ? reply.map(String) : null),
		);
		assert.ok(["ask", "wait"].includes(found[0] ?? ""), `${found}`);
	}
	await one.store.script(
		keepScript,
		keys,
		["token", ":", "60000", "answer"],
		(reply) => [reply],
	);
	const away = one.away();
	const writer = await stores.writer();
	await writer.kill();
	assert.ok(["closed", "slow"].includes((await away).fault ?? ""));
	await assert.rejects(one.set("a", "2"), "nothing waits meanwhile");
	await one.up();
	assert.deepEqual(await one.set("a", "3"), ["OK"]);
	assert.deepEqual(await one.get("a"), ["3"]);
	const standIn = await stores.writer();
	assert.notEqual(standIn.port, writer.port);
	await writer.restart();
	assert.deepEqual(await one.get("a"), ["3"]);
}

describe("stores that Sentinels watch", { skip: withoutStore() }, () => {
	let stores: TestStores;
	before(async () => {
		stores = await startSentinels("s3cret");
	});
	after(() => stores?.[Symbol.asyncDispose]());

	it("are found without a password, and want theirs themselves", async () => {
		using one = connected(stores.url);
		await one.up();
		assert.deepEqual(await one.set("a", "1"), ["OK"]);
		using other = connected(stores.url.replace("s3cret", "wrong"));
		await other.store.settled;
		assert.equal(other.store.state().fault, "denied");
	});

	it("are not found by a name that no Sentinel knows", async () => {
		using unknown = connected(`${stores.url}2`);
		await unknown.store.settled;
		assert.equal(unknown.store.state().fault, "refused");
	});

	it("are found by the next Sentinel if the first is away", async () => {
		using one = connected(stores.url.replace("127", "127.0.0.1:1,127"));
		await one.store.settled;
		assert.equal(one.store.state().fault, "unreachable");
		await one.up();
	});

	it("are replaced when one is killed, and the next one is found", () =>
		outlivesItsWriter(stores));
});

describe("stores of a Cluster", { skip: withoutStore() }, () => {
	it("have all keys on one, and its replica is found when that is killed", async () => {
		await using stores = await startCluster("{test}:");
		await outlivesItsWriter(stores);
	});
});
