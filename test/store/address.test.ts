import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	keyPrefix,
	parseStoreUrl,
	type StoreAddress,
	serverUrl,
} from "../../src/store/address.ts";

const parsed = (text: string): StoreAddress =>
	parseStoreUrl(text) ?? assert.fail(text);

describe("the address of a store", () => {
	it("is one server, or those who know it, with the usual ports", () => {
		const seeds = (text: string) => [parsed(text).kind, ...parsed(text).seeds];
		assert.deepEqual(seeds("redis://h"), ["server", "redis://h:6379"]);
		assert.deepEqual(seeds("rediss://u:p@h:1/3"), [
			"server",
			"rediss://u:p@h:1",
		]);
		assert.deepEqual(seeds("redis-sentinel://a,b:2,[::1]:3/main"), [
			"sentinel",
			...["redis://a:26379", "redis://b:2", "redis://[::1]:3"],
		]);
		assert.deepEqual(seeds("rediss-cluster://:p%40@a:1,b"), [
			"cluster",
			...["rediss://:p%40@a:1", "rediss://:p%40@b:6379"],
		]);
	});

	it("has a name and a database where these mean something", () => {
		const { name, database } = parsed("redis-sentinel://a/my.main-1/2");
		assert.deepEqual([name, database], ["my.main-1", "2"]);
		assert.equal(parsed("redis://h/15").database, "15");
	});

	it("keeps a password as it is written, also with an @", () => {
		assert.equal(parsed("redis://u:p@ss@h").user, "u:p@ss@");
	});

	it("is no other text", () => {
		for (const text of [
			...["", "h", "http://h", "redis:/h", "redis://", "redis://:p@"],
			...["redis://a,b", "redis://h/1/2", "redis://h/x", "redis://h?a=b"],
			...["redis-sentinel://a", "redis-sentinel://a/", "redis://h#a"],
			...["redis-sentinel://a/m/x", "redis-sentinel://a/m/1/2"],
			...["redis-sentinel://a,,b/m", "redis-sentinel://a,/m"],
			...["redis-cluster://a/1", "redis-cluster://a:99999", "redis-pool://a"],
		]) {
			assert.equal(parseStoreUrl(text), null, text);
		}
	});

	it("of a server that was found has the user, the database and TLS of what was written", () => {
		const address = parsed("rediss-sentinel://u:p@a/main/2");
		assert.equal(
			serverUrl(address, "10.0.0.1", "7"),
			"rediss://u:p@10.0.0.1:7/2",
		);
		assert.equal(
			serverUrl(address, "fd00::1", "7"),
			"rediss://u:p@[fd00::1]:7/2",
		);
	});

	it("says how keys begin: in a Cluster so that all are on one server", () => {
		assert.equal(keyPrefix("redis://h", "shop"), "shop:");
		assert.equal(keyPrefix("redis-sentinel://h/main", "shop"), "shop:");
		assert.equal(keyPrefix("rediss-cluster://h", "shop"), "{shop}:");
	});
});
