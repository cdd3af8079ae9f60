import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { folderWith, sluice } from "../kit/cli.ts";
import type { TestListener, Told } from "../kit/listeners.ts";
import {
	eventually,
	gatewayAt,
	messagesOf,
	roomsConfig,
	type SharedGateway,
} from "../kit/shared-rooms.ts";
import { startStore, type TestStore, withoutStore } from "../kit/store.ts";

const unknownGap = { event: "gap", from: null, to: null, lost: null };
const gapsOf = (told: readonly Told[]) =>
	told.filter(({ event }) => event === "gap");
const membersOf = ({ told }: TestListener) => {
	const members = new Set<unknown>(told[0]?.members);
	for (const { event, member } of told) {
		if (event === "joined") members.add(member);
		if (event === "left") members.delete(member);
	}
	return [...members].toSorted();
};

describe("channels that gateways share", { skip: withoutStore() }, () => {
	let store: TestStore;
	let open: SharedGateway[];

	beforeEach(async () => {
		store = await startStore();
		open = [];
	});
	afterEach(async () => {
		for (const one of open) await one[Symbol.asyncDispose]();
		await store[Symbol.asyncDispose]();
	});

	async function start(channel?: string, timeout?: string) {
		const one = await gatewayAt(store, channel, timeout);
		open.push(one);
		return one;
	}
	const hears = (listener: TestListener, ...messages: unknown[]) =>
		eventually(
			() => messagesOf(listener.told).length >= messages.length,
			() => listener.told,
		).then(() => assert.deepEqual(messagesOf(listener.told), messages));
	const sees = (listener: TestListener, ...members: string[]) =>
		eventually(
			() => String(membersOf(listener)) === String(members),
			() => listener.told,
		);

	it("tell each message once and in order, in every gateway, and count all listeners", async () => {
		const [a, b] = [await start(), await start()];
		const [ada, bob] = [await a.listen("ada"), await b.listen("bob")];
		await sees(ada, "ada", "bob");
		await sees(bob, "ada", "bob");
		const said: string[] = [];
		for (let n = 0; n < 50; n++) {
			const by = n % 2 ? a : b;
			const { status, id, shared, listeners } = await by.say(n);
			assert.deepEqual([status, shared], [200, true]);
			if (n === 49) assert.equal(listeners, 2);
			said.push(id);
		}
		const all = Array.from({ length: 50 }, (_, n) => n);
		for (const one of [ada, bob]) {
			await hears(one, ...all);
			const ids = one.told.flatMap(({ event, id }) =>
				event === "message" ? [id] : [],
			);
			assert.deepEqual(ids, said);
			assert.deepEqual(gapsOf(one.told), []);
		}
	});

	it("lose nothing that is kept when every gateway is started anew", async () => {
		const a = await start();
		const ada = await a.listen("ada");
		await a.say("one");
		await hears(ada, "one");
		ada.leave();
		await a.say("two");
		await a[Symbol.asyncDispose]();
		const b = await start();
		await b.say("three");
		const again = await b.listen("ada", ada.reader.lastId);
		await hears(again, "two", "three");
		assert.deepEqual(gapsOf(again.told), []);
		const { events } = await b.poll();
		assert.deepEqual(messagesOf(events), ["one", "two", "three"]);
	});

	it("tell exactly how many messages are not kept any more", async () => {
		const keep = ", keep: { last: 3 }";
		const [a, b] = [await start(keep), await start(keep)];
		const ada = await a.listen("ada");
		const { id } = await b.say(0);
		await hears(ada, 0);
		for (let n = 1; n <= 10; n++) await b.say(n);
		await hears(ada, ...Array(11).keys());
		ada.leave();
		const [epoch] = id.split("-");
		const gap = { from: `${epoch}-2`, to: `${epoch}-8`, lost: 7 };
		// The last one knew nothing of the room.
		for (const one of [a, b, await start(keep)]) {
			const again = await one.listen("ada", id);
			await hears(again, 8, 9, 10);
			assert.partialDeepStrictEqual(gapsOf(again.told), [gap]);
			again.leave();
		}
	});

	it("keep messages as long as they say, by the store's clock", async () => {
		const a = await start();
		// On a busy machine the store may be late, and then a message is not in it.
		await eventually(
			async () => (await a.say("old")).shared === true,
			"the store has the old message",
		);
		const keys = await store.command("KEYS", "*:log");
		const log = /sluice:\S+/.exec(keys)?.[0] as string;
		await store.command("DEL", log);
		const twoHoursAgo = String(Date.now() - 7_200_000);
		await store.command("XADD", log, "1-0", "t", twoHoursAgo, "m", '"old"');
		const b = await start();
		assert.deepEqual(messagesOf((await b.poll()).events), []);
		assert.equal(
			(await b.say("new")).shared,
			true,
			"the store has the new one",
		);
		assert.match(await store.command("XLEN", log), /:1/);
		const c = await start();
		assert.deepEqual(messagesOf((await c.poll()).events), ["new"]);
	});

	it("know that a member is there as long as it is in any gateway, and tell each change once", async () => {
		const [a, b, c] = [await start(), await start(), await start()];
		const watcher = await c.listen("watcher");
		const [first, second] = [await a.listen("ada"), await b.listen("ada")];
		await sees(watcher, "ada", "watcher");
		first.leave();
		await eventually(
			() => a.gateway.state().channels[0]?.members === 0,
			"it has left",
		);
		await b.say("still there");
		await hears(watcher, "still there");
		await sees(watcher, "ada", "watcher");
		second.leave();
		await sees(watcher, "watcher");
		const changes = watcher.told.filter(({ event }) =>
			/joined|left/.test(event),
		);
		assert.deepEqual(
			changes.map(({ event, member }) => [event, member]),
			[
				["joined", "ada"],
				["left", "ada"],
			],
		);
	});

	it("let one poll in turn in two gateways, and wait in both", async () => {
		const [a, b] = [await start(), await start()];
		const [ada, bob] = [await a.listen("ada"), await b.listen("bob")];
		await a.say("hello");
		let { after, events } = await a.poll("", 0);
		assert.deepEqual(messagesOf(events), ["hello"]);
		await sees(ada, "ada", "bob", "poll");
		await sees(bob, "ada", "bob", "poll");
		const polled: unknown[] = [];
		for (let n = 0; n < 6; n++) {
			const beganMs = performance.now();
			({ after, events } = await (n % 2 ? a : b).poll(`&after=${after}`, 1));
			polled.push([events.length, performance.now() - beganMs > 500]);
		}
		// The first hears that members have come.
		assert.deepEqual(polled.slice(1), Array(5).fill([0, true]));
	});

	describe("while the store is away", () => {
		// Shorter, a store that is there would be late on a busy machine, and its gateways apart before anything is done to it.
		const timeout = "500ms";

		it("are each gateway's own, and tell a gap to all when it is back", async () => {
			const [a, b] = [await start("", timeout), await start("", timeout)];
			const [ada, bob] = [await a.listen("ada"), await b.listen("bob")];
			await a.say("before");
			await Promise.all([hears(ada, "before"), hears(bob, "before")]);
			await store.kill();
			await Promise.all([a.until("away"), b.until("away")]);
			const said = await a.say("apart");
			assert.partialDeepStrictEqual(said, {
				...{ status: 200, shared: false, listeners: 1 },
			});
			assert.match(said.id, /^[0-9a-z]+-1~[0-9a-z]+-1$/);
			await hears(ada, "before", "apart");
			await store.restart();
			await Promise.all([a.until("up"), b.until("up")]);
			for (const one of [ada, bob]) {
				await eventually(
					() => gapsOf(one.told).length > 0,
					() => one.told,
				);
			}
			await eventually(() => membersOf(ada).length === 2, "both are there");
			await b.say("after");
			await hears(ada, "before", "apart", "after");
			await hears(bob, "before", "after");
			for (const one of [ada, bob]) {
				assert.ok(gapsOf(one.told).every(({ lost }) => lost === null));
				await sees(one, "ada", "bob");
			}
			assert.equal(a.gateway.state().store?.local.channels, 1);
		});

		it("go on without a gap if nothing was said meanwhile and nothing was lost", async () => {
			const [a, b] = [await start("", timeout), await start("", timeout)];
			const [ada, bob] = [await a.listen("ada"), await b.listen("bob")];
			await a.say("before");
			await Promise.all([hears(ada, "before"), hears(bob, "before")]);
			// One of them loses its connection, and misses what is said.
			store.stop();
			await a.until("away");
			store.goOn();
			await b.until("up");
			await eventually(
				() => b.gateway.state().store?.state === "up",
				"b is up",
			);
			await eventually(
				async () => (await b.say("meanwhile")).status === 200,
				"b may say something",
			);
			await a.until("up");
			await hears(ada, "before", "meanwhile");
			await hears(bob, "before", "meanwhile");
			assert.deepEqual([gapsOf(ada.told), gapsOf(bob.told)], [[], []]);
		});

		it("let one go on who comes back from another gateway, and tell nothing twice", async () => {
			const [a, b] = [await start("", timeout), await start("", timeout)];
			await a.say("one");
			const bob = await b.listen("bob");
			await hears(bob, "one");
			const after = bob.reader.lastId;
			bob.leave();
			await store.kill();
			await a.until("away");
			// This gateway knew nothing of the room.
			const away = await a.listen("bob", after);
			await a.say("apart");
			await hears(away, "apart");
			assert.deepEqual(gapsOf(away.told), []);
			const heard = away.reader.lastId;
			assert.ok(heard?.startsWith(`${after}~`));
			away.leave();
			const { events: none } = await a.poll(`&after=${heard}`);
			assert.deepEqual(none, []);
			// Nobody knows whether this one has heard it before.
			const polled = await a.poll(`&after=${after}`);
			assert.deepEqual(polled.events, [unknownGap]);
			const { events } = await a.poll(`&after=${polled.after}`);
			assert.deepEqual(events, []);
		});

		it("answer 504 if nobody can know whether a message is in the store, and tell it once at most", async () => {
			const [a, b] = [await start("", timeout), await start("", timeout)];
			const [ada, bob] = [await a.listen("ada"), await b.listen("bob")];
			await a.say("before");
			await Promise.all([hears(ada, "before"), hears(bob, "before")]);
			store.stop();
			const beganMs = performance.now();
			const { status, code } = await a.say("who knows");
			const tookMs = performance.now() - beganMs;
			assert.deepEqual([status, code], [504, "publish_unknown"]);
			assert.ok(tookMs < 5_000, `${tookMs} ms`);
			assert.partialDeepStrictEqual(await a.say("apart"), { shared: false });
			store.goOn();
			await Promise.all([a.until("up"), b.until("up")]);
			for (const one of [ada, bob]) {
				await eventually(
					() => gapsOf(one.told).length > 0,
					() => one.told,
				);
			}
			await b.say("after");
			await hears(ada, "before", "apart", "who knows", "after");
			await hears(bob, "before", "who knows", "after");
		});

		it("go on by themselves while its memory is full, and share again afterwards", async () => {
			// The store answers, so nothing depends on how long is waited for it.
			const [a, b] = [await start("", "1s"), await start("", "1s")];
			const [ada, bob] = [await a.listen("ada"), await b.listen("bob")];
			await sees(ada, "ada", "bob");
			await store.command("CONFIG", "SET", "maxmemory", "1");
			// The first finds out, and is not refused.
			assert.partialDeepStrictEqual(await a.say("apart"), {
				...{ status: 200, shared: false },
			});
			await a.until("away");
			await hears(ada, "apart");
			await store.command("CONFIG", "SET", "maxmemory", "0");
			await Promise.all([a.until("up"), b.until("up")]);
			await eventually(
				() => gapsOf(bob.told).length > 0,
				() => bob.told,
			);
			await b.say("after");
			await hears(ada, "apart", "after");
			await hears(bob, "after");
		});

		it("know of each of many messages whether a store whose memory is full has it", async () => {
			const [a, b] = [await start("", "1s"), await start("", "1s")];
			const [ada, bob] = [await a.listen("ada"), await b.listen("bob")];
			await sees(ada, "ada", "bob");
			// Then nothing else is to be told to the store.
			await eventually(
				async () => (await a.say("before")).listeners >= 2,
				"a knows of both listeners",
			);
			await store.command("CONFIG", "SET", "maxmemory", "1");
			// All are under way before the first is answered.
			store.stop();
			const saying = Array.from({ length: 40 }, (_, n) => a.say(n));
			await new Promise((resolve) => setTimeout(resolve, 100));
			store.goOn();
			const said = await Promise.all(saying);
			for (const { status, shared } of said) {
				assert.deepEqual([status, shared], [200, false]);
			}
			const told = () => messagesOf(ada.told).filter((one) => one !== "before");
			await eventually(
				() => told().length >= 40,
				() => ada.told,
			);
			assert.equal(new Set(told()).size, 40);
			await store.command("CONFIG", "SET", "maxmemory", "0");
			await Promise.all([a.until("up"), b.until("up")]);
			await b.say("after");
			await eventually(
				() => messagesOf(bob.told).at(-1) === "after",
				() => bob.told,
			);
			assert.deepEqual(
				new Set(messagesOf(bob.told)),
				new Set(["before", "after"]),
			);
		});
	});

	it("hear again within seconds of a store that has forgotten everything", async () => {
		const [a, b] = [await start(), await start()];
		const [ada, bob] = [await a.listen("ada"), await b.listen("bob")];
		await a.say("before");
		await Promise.all([hears(ada, "before"), hears(bob, "before")]);
		await store.command("FLUSHALL");
		await a.say("after");
		for (const one of [ada, bob]) {
			await hears(one, "before", "after");
			assert.partialDeepStrictEqual(gapsOf(one.told), [unknownGap]);
			await sees(one, "ada", "bob");
		}
	});

	it("take a gateway out that has died, with its members", async () => {
		const [a, b] = [await start(), await start()];
		const [ada, bob] = [await a.listen("ada"), await b.listen("bob")];
		await sees(ada, "ada", "bob");
		const known = new Set(await gatewaysOf(store));
		const config = `server: { port: 0 }\nadmin: false\n${roomsConfig(store.url)}`;
		using folder = folderWith({ "sluice.yaml": config });
		const command = sluice(["serve"], { cwd: folder.path });
		await command.printed("listening on ");
		const url = /listening on (\S+)/.exec(command.stdout())?.[1];
		const leaving = new AbortController();
		const headers = { accept: "text/event-stream" };
		// Whoever sees the second knows of both.
		for (const name of ["ada", "eve"]) {
			await fetch(`${url}/rooms/7?name=${name}`, {
				...{ headers, signal: leaving.signal },
			});
		}
		await sees(ada, "ada", "bob", "eve");
		const { listeners } = await a.say("hello");
		assert.equal(listeners, 4);
		command.process.kill("SIGKILL");
		await command.ended;
		leaving.abort();
		// As if the time had passed after which it counts as dead.
		const dead = (await gatewaysOf(store)).find((one) => !known.has(one));
		await store.command("ZADD", "sluice:gateways", "1", dead as string);
		await sees(ada, "ada", "bob");
		await sees(bob, "ada", "bob");
		assert.equal((await b.say("again")).listeners, 2);
	});

	for (const [what, forget] of [
		[
			"is not known in a room any more",
			(head: string, gateway: string) => ["HDEL", head, `at:${gateway}`],
		],
		[
			"was taken for dead",
			(_: string, gateway: string) => ["ZREM", "sluice:gateways", gateway],
		],
	] as const) {
		it(`let a gateway hear again within seconds that ${what}`, async () => {
			const [a, b] = [await start(), await start()];
			const [ada, bob] = [await a.listen("ada"), await b.listen("bob")];
			await sees(ada, "ada", "bob");
			await sees(bob, "ada", "bob");
			const head = (await headsOf(store))[0] as string;
			for (const gateway of await gatewaysOf(store)) {
				await store.command(...forget(head, gateway));
				await store.command("HDEL", head, `at:${gateway}`);
			}
			await store.command("DEL", `${head}:members`);
			await a.say("hello");
			await Promise.all([hears(ada, "hello"), hears(bob, "hello")]);
			assert.deepEqual([gapsOf(ada.told), gapsOf(bob.told)], [[], []]);
			const eve = await a.listen("eve");
			await eventually(
				() => membersOf(eve).length === 3 && membersOf(ada).length === 3,
				() => [eve.told, ada.told],
			);
		});
	}

	it("need one subscription for each gateway, however many rooms, and hear of all again after a loss of the connection", async () => {
		const [a, b] = [await start(), await start()];
		const rooms = Array.from({ length: 300 }, (_, n) => `r${n}`);
		const listeners = await Promise.all(
			rooms.map((room) => a.listen("ada", null, room)),
		);
		const inboxes = await store.command("PUBSUB", "CHANNELS", "sluice:inbox:*");
		assert.match(inboxes, /^\*2\r\n/);
		await store.command("CLIENT", "KILL", "TYPE", "pubsub");
		await Promise.all([a.until("away"), b.until("away")]);
		await Promise.all([a.until("up"), b.until("up")]);
		for (const room of rooms) {
			assert.equal((await b.say("hello", room)).shared, true);
		}
		for (const one of listeners) {
			await hears(one, "hello");
			assert.deepEqual(gapsOf(one.told), []);
		}
	});
});

async function gatewaysOf(store: TestStore): Promise<readonly string[]> {
	const listed = await store.command("ZRANGE", "sluice:gateways", "0", "-1");
	return listed.match(/[0-9a-f]{12}/g) ?? [];
}

async function headsOf(store: TestStore): Promise<readonly string[]> {
	const keys = await store.command("KEYS", "sluice:channel:*");
	return keys.match(/sluice:channel:[\w-]{27}(?=\r)/g) ?? [];
}
