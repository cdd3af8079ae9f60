import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { virtualClock } from "../../src/tasks/clock.ts";
import { Names } from "../../src/upstream/wire/names.ts";
import { type Answering, startDnsServer } from "../kit/dns-server.ts";

/** How a host's name becomes addresses. Every name server is on loopback. */

/** The addresses that are found, or the code of the failure. */
function find(names: Names): Promise<string[] | string> {
	return new Promise((resolve) =>
		names.find((error, addresses) => {
			const { code = "" } = (error ?? {}) as NodeJS.ErrnoException;
			resolve(error ? code : [...addresses]);
		}),
	);
}

async function withServer(
	answering: Answering,
	use: (about: {
		names: Names;
		clock: ReturnType<typeof virtualClock>;
		asked: readonly string[];
	}) => Promise<void>,
	host = "users.test",
) {
	await using server = await startDnsServer(answering);
	const clock = virtualClock();
	const names = new Names(host, clock, [server.address]);
	await use({ names, clock, asked: server.asked });
}

describe("a name", () => {
	test("is looked up in both families at once, and has all their addresses", () =>
		withServer(
			(type) => ({
				addresses: type === "A" ? ["127.0.0.1", "127.0.0.2"] : ["::1"],
			}),
			async ({ names, asked }) => {
				const all = ["::1", "127.0.0.1", "127.0.0.2"];
				assert.deepEqual(await find(names), all);
				assert.deepEqual(asked.toSorted(), ["A users.test", "AAAA users.test"]);
			},
		));

	test("is found by one family alone", () =>
		withServer(
			(type) => (type === "A" ? { addresses: ["127.0.0.1"] } : null),
			async ({ names }) => {
				assert.deepEqual(await find(names), ["127.0.0.1"]);
			},
		));

	for (const [silent, expected] of [
		["AAAA", ["127.0.0.1"]],
		["A", ["::1"]],
	] as const) {
		test(`is found soon if nobody answers for ${silent}`, () =>
			withServer(
				(type) =>
					type === silent
						? "hang"
						: { addresses: [type === "A" ? "127.0.0.1" : "::1"] },
				async ({ names, clock }) => {
					const found = find(names);
					// The other family has been found, and the clock alone ends the wait.
					while (clock.pending === 0) await new Promise(setImmediate);
					await clock.advance(50);
					assert.deepEqual(await found, expected);
				},
			));
	}

	test("is looked up once for all who ask at once, and again when its time is over", () =>
		withServer(
			(type) => ({ addresses: type === "A" ? ["127.0.0.1"] : [], ttl: 30 }),
			async ({ names, clock, asked }) => {
				await Promise.all([find(names), find(names), find(names)]);
				await find(names);
				await clock.advance(29_999);
				await find(names);
				assert.equal(asked.length, 2);
				await clock.advance(1);
				await find(names);
				assert.equal(asked.length, 4);
			},
		));

	test("has its new address when its time is over", () => {
		let address = "127.0.0.1";
		return withServer(
			(type) => ({ addresses: type === "A" ? [address] : [], ttl: 0 }),
			async ({ names, clock }) => {
				assert.deepEqual(await find(names), ["127.0.0.1"]);
				address = "127.0.0.9";
				assert.deepEqual(await find(names), ["127.0.0.1"]);
				await clock.advance(1_000);
				assert.deepEqual(await find(names), ["127.0.0.9"]);
			},
		);
	});

	test("keeps its last addresses if a later look-up fails", () => {
		let there = true;
		return withServer(
			(type) =>
				there ? { addresses: type === "A" ? ["127.0.0.1"] : [] } : null,
			async ({ names, clock }) => {
				await find(names);
				there = false;
				await clock.advance(60_000);
				assert.deepEqual(await find(names), ["127.0.0.1"]);
			},
		);
	});

	test("that is not there fails, and is not asked for by each call", () =>
		withServer(
			() => null,
			async ({ names, clock, asked }) => {
				assert.equal(await find(names), "ENOTFOUND");
				assert.equal(await find(names), "ENOTFOUND");
				assert.equal(asked.length, 2);
				await clock.advance(1_000);
				assert.equal(await find(names), "ENOTFOUND");
				assert.equal(asked.length, 4);
			},
		));

	test("has its families in turns", () =>
		withServer(
			(type) => ({
				addresses:
					type === "A"
						? ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
						: ["::1", "::2"],
			}),
			async ({ names }) => {
				assert.deepEqual(await find(names), [
					"::1",
					"127.0.0.1",
					"::2",
					"127.0.0.2",
					"127.0.0.3",
				]);
			},
		));

	for (const [count, expected] of [
		[31, 31],
		[32, 32],
		[33, 32],
	] as const) {
		test(`of ${count} addresses has ${expected} that are tried`, () =>
			withServer(
				(type) => ({
					addresses:
						type === "A"
							? Array.from({ length: count }, (_, at) => `127.0.0.${at + 1}`)
							: [],
				}),
				async ({ names }) => {
					const found = await find(names);
					assert.equal(found.length, expected);
					assert.equal(found[0], "127.0.0.1");
				},
			));
	}

	test("has the address first that was reached after another, for ten minutes", () =>
		withServer(
			(type) => ({
				addresses: type === "A" ? ["127.0.0.1", "127.0.0.2"] : ["::1"],
			}),
			async ({ names, clock, asked }) => {
				const usual = ["::1", "127.0.0.1", "127.0.0.2"];
				const reached = ["127.0.0.2", "::1", "127.0.0.1"];
				assert.deepEqual(await find(names), usual);
				for (const nothingNew of ["::1", "192.0.2.1"]) {
					names.reached(nothingNew);
					assert.deepEqual(await find(names), usual);
				}
				names.reached("127.0.0.2");
				assert.deepEqual(await find(names), reached);
				await clock.advance(599_999);
				assert.deepEqual(await find(names), reached);
				assert.equal(asked.length, 4);
				await clock.advance(60_000);
				assert.deepEqual(await find(names), usual);
			},
		));

	test("has the family first that was reached, if the address is gone", () => {
		let fours = ["127.0.0.1"];
		return withServer(
			(type) => ({ addresses: type === "A" ? fours : ["::1"] }),
			async ({ names, clock }) => {
				assert.deepEqual(await find(names), ["::1", "127.0.0.1"]);
				names.reached("127.0.0.1");
				fours = ["127.0.0.5"];
				await clock.advance(60_000);
				assert.deepEqual(await find(names), ["127.0.0.5", "::1"]);
			},
		);
	});

	for (const host of ["localhost", "LOCALHOST.", "api.localhost"]) {
		test(`that is ${host} is this machine, in both families, and no server is asked`, () =>
			withServer(
				() => null,
				async ({ names, asked }) => {
					assert.deepEqual(await find(names), ["::1", "127.0.0.1"]);
					assert.deepEqual(asked, []);
				},
				host,
			));
	}
});
