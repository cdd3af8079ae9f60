import assert from "node:assert/strict";
import { totalmem } from "node:os";
import { describe, it } from "node:test";
import { eachWorkerHas } from "../../src/cli/each-worker-has.ts";
import { checkText, configOrThrow } from "../../src/config/load.ts";
import { memoryOfProcess } from "../../src/gateway/memory-default.ts";

const owned = (yaml: string) =>
	eachWorkerHas(configOrThrow(checkText(yaml, "test.yaml", {})));

const hello = "GET /hello: { respond: hello }";

describe("what each worker has for itself", () => {
	it("is what the config has of it", () => {
		assert.deepEqual(owned(`routes: { ${hello} }`), ["server.connections"]);
		assert.deepEqual(
			owned(`
server: { memory: 64MiB }
rateLimit: { limit: 10, per: 1s }
upstreams: { users: { url: "http://users.test", cache: true, breaker: true } }
routes: { ${hello} }
`),
			[
				...["rateLimit", "cache", "breaker", "connections of upstreams"],
				...["server.connections", "server.memory"],
			],
		);
		assert.deepEqual(
			owned(`
channels: { room: {} }
routes:
  ${hello}
  GET /limited: { respond: 1, rateLimit: { limit: 1, per: 1s } }
`),
			["channels", "rateLimit", "server.connections"],
		);
		assert.deepEqual(
			owned(`
store: redis://127.0.0.1:6379
channels: { room: {} }
routes: { ${hello} }
`),
			["server.connections"],
		);
	});

	it("is a part of the memory that the process may have", (t) => {
		t.mock.method(process, "constrainedMemory", () => 2 ** 30);
		assert.equal(memoryOfProcess(4), 2 ** 26);
		assert.equal(memoryOfProcess(1_000), 2 ** 24);
		// Without a limit it is that of the machine.
		t.mock.method(process, "constrainedMemory", () => 0);
		assert.ok(memoryOfProcess(64) <= totalmem() / 4 / 64);
		assert.ok(memoryOfProcess(1) >= memoryOfProcess(2));
	});
});
