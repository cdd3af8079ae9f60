import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { StoreChanged, StoreFault } from "../../src/core/events.ts";
import {
	type Link,
	type OpenLink,
	StoreError,
	UnknownScript,
} from "../../src/store/link.ts";
import { Store } from "../../src/store/store.ts";
import { virtualClock } from "../../src/tasks/clock.ts";

/** What a store does with one command. */
type Answering = (words: readonly unknown[]) => Promise<unknown>;

const silent: Answering = () => new Promise(() => {});
const fine: Answering = async () => "OK";
const failing =
	(fault: StoreFault): Answering =>
	async () => {
		throw new StoreError(fault);
	};

/** A store over connections that the test answers for. */
function testStore({
	answer = fine,
	timeoutMs = 50,
}: {
	readonly answer?: Answering;
	readonly timeoutMs?: number;
} = {}) {
	const clock = virtualClock();
	const told: StoreChanged[] = [];
	const server = {
		answer,
		/** What happens to an attempt to connect; null lets it succeed. */
		refuse: null as StoreFault | "hangs" | "mute" | null,
		opened: 0,
		destroyed: 0,
		commands: [] as (readonly unknown[])[],
		channels: new Map<string, (message: string) => void>(),
		/** How many subscriptions more are answered. */
		subscribes: Number.POSITIVE_INFINITY,
		cut: (_fault: StoreFault) => {},
	};
	const open: OpenLink = async (onLost, onBegun, onReached) => {
		server.opened++;
		let over = false;
		const destroy = () => {
			if (!over) server.destroyed++;
			over = true;
		};
		onBegun(destroy);
		if (server.refuse === "mute") onReached();
		if (server.refuse === "hangs" || server.refuse === "mute") {
			await new Promise(() => {});
		}
		if (server.refuse !== null) {
			throw new StoreError(server.refuse as StoreFault);
		}
		server.cut = (fault) => {
			if (!over) onLost(fault);
		};
		const link: Link = {
			command(words) {
				server.commands.push(words);
				return server.answer(words);
			},
			async subscribe(channel, hear) {
				server.channels.set(channel, hear);
				if (server.subscribes-- <= 0) await new Promise(() => {});
			},
			destroy,
		};
		return link;
	};
	const options = { prefix: "test:", timeoutMs };
	const changed = [(change: StoreChanged) => void told.push(change)];
	const store = new Store(options, { clock, changed, open });
	const call = () => store.call(["GET", "x"], (reply) => reply);
	return { store, clock, told, server, call };
}

const faultOf = (promise: Promise<unknown>) =>
	promise.then(
		() => "answered",
		(error: StoreError) => error.fault,
	);

describe("a store", () => {
	it("that is there answers, and says nothing of having been connected to", async () => {
		const { store, clock, told, server, call } = testStore();
		assert.equal(store.state().state, "connecting");
		assert.equal(await faultOf(call()), "busy");
		await clock.advance(0);
		await store.settled;
		assert.equal(await call(), "OK");
		assert.equal(store.state().state, "up");
		assert.deepEqual(store.state().calls, { answered: 1, slow: 0, failed: 0 });
		assert.deepEqual(told, []);
		assert.deepEqual(server.commands[0], [
			...["SET", "test:probe", "1", "PX", "10000"],
		]);
	});

	it("that does not answer costs one call its timeout, and all others nothing", async () => {
		const { store, clock, told, server, call } = testStore();
		await clock.advance(0);
		server.answer = silent;
		await clock.advance(1);
		const first = faultOf(call());
		await clock.advance(20);
		const second = faultOf(call());
		await clock.advance(29);
		assert.equal(store.state().state, "up");
		await clock.advance(1);
		assert.equal(await first, "slow");
		assert.equal(await second, "slow");
		assert.equal(await faultOf(call()), "slow");
		assert.equal(server.commands.length, 3);
		assert.equal(server.destroyed, 1);
		assert.deepEqual(told, [{ state: "away", fault: "slow" }]);
		assert.equal(store.state().away.slow, 1);
		assert.deepEqual(store.state().calls, { answered: 0, slow: 1, failed: 1 });
	});

	it("that answers others in time is not left for one late answer, but for five in a row", async () => {
		const { store, clock, told, server, call } = testStore();
		await clock.advance(0);
		const lateThenGood = async () => {
			server.answer = silent;
			const late = faultOf(call());
			await clock.advance(10);
			server.answer = fine;
			await call();
			await clock.advance(40);
			assert.equal(await late, "slow");
		};
		for (let count = 0; count < 7; count++) await lateThenGood();
		assert.equal(store.state().state, "up");
		server.answer = silent;
		const all = [call(), call(), call(), call(), call()].map(faultOf);
		await clock.advance(10);
		server.answer = async () => {
			throw new UnknownScript();
		};
		// It is alive, but its answer is none in time.
		await call().catch(() => {});
		await clock.advance(40);
		assert.deepEqual(await Promise.all(all), Array(5).fill("slow"));
		assert.equal(told.length, 1);
	});

	it("comes back by itself within five seconds, and is told once each way", async () => {
		const { store, clock, told, server, call } = testStore();
		await clock.advance(0);
		server.refuse = "unreachable";
		server.cut("closed");
		for (let second = 0; second < 60; second++) {
			await clock.advance(1000);
			assert.equal(await faultOf(call()), "unreachable");
		}
		assert.deepEqual(told, [{ state: "away", fault: "closed" }]);
		assert.ok(server.opened > 20 && server.opened < 40, `${server.opened}`);
		server.refuse = null;
		await clock.advance(5000);
		assert.equal(await call(), "OK");
		assert.deepEqual(told.slice(1), [{ state: "up", fault: null }]);
		assert.equal(store.state().fault, null);
	});

	it("that is reached and answers nothing stays slow, and one that is not reached is unreachable", async () => {
		for (const [refuse, fault] of [
			["mute", "slow"],
			["hangs", "unreachable"],
		] as const) {
			const { store, clock, server } = testStore();
			await clock.advance(0);
			server.refuse = refuse;
			server.cut("slow");
			await clock.advance(10_000);
			assert.equal(store.state().fault, fault);
		}
	});

	it("that was away comes back within five seconds also if an attempt hangs", async () => {
		const { clock, server, call, told } = testStore();
		await clock.advance(0);
		server.refuse = "hangs";
		server.cut("closed");
		await clock.advance(30_000);
		assert.deepEqual(told, [{ state: "away", fault: "closed" }]);
		assert.ok(server.opened > 8, `${server.opened}`);
		assert.ok(server.opened - server.destroyed <= 1);
		server.refuse = null;
		await clock.advance(5000);
		assert.equal(await call(), "OK");
	});

	for (const fault of ["denied", "read_only", "full", "busy"] as const) {
		it(`that is ${fault} is away, and is not used before a write has succeeded`, async () => {
			const { store, clock, told, server, call } = testStore({
				answer: failing(fault),
			});
			await clock.advance(0);
			await store.settled;
			assert.deepEqual(told, [{ state: "away", fault }]);
			assert.equal(await faultOf(call()), fault);
			await clock.advance(10_000);
			assert.equal(server.destroyed, server.opened);
			server.answer = fine;
			await clock.advance(5000);
			assert.equal(await call(), "OK");
			server.answer = failing(fault);
			assert.equal(await faultOf(call()), fault);
			assert.equal(told.length, 3);
		});
	}

	describe("that refuses one call and still owes answers to others", () => {
		/** Calls that are answered by the test, in the order in which they were made. */
		async function owing(timeoutMs = 50) {
			const made = testStore({ timeoutMs });
			const { store, clock, server } = made;
			await clock.advance(0);
			const owed: PromiseWithResolvers<unknown>[] = [];
			server.answer = () => {
				owed.push(Promise.withResolvers());
				return (owed.at(-1) as PromiseWithResolvers<unknown>).promise;
			};
			const ask = (hasToKnow = false) =>
				store
					.call(["GET", "x"], (reply) => reply, hasToKnow)
					.catch(({ fault, undone }: StoreError) => ({ fault, undone }));
			const full = () => new StoreError("full", true);
			return { ...made, owed, ask, full };
		}

		it("is away at once, and gives them theirs before it lets the connection go", async () => {
			const { store, clock, told, server, owed, ask, full } = await owing();
			const [first, second, third, fourth] = [ask(), ask(), ask(true), ask()];
			owed[0]?.reject(full());
			assert.deepEqual(await first, { fault: "full", undone: true });
			assert.deepEqual(told, [{ state: "away", fault: "full" }]);
			assert.equal(store.up, false);
			assert.deepEqual(await ask(), { fault: "full", undone: true });
			owed[1]?.resolve("answered");
			assert.equal(await second, "answered");
			owed[2]?.reject(full());
			assert.deepEqual(await third, { fault: "full", undone: true });
			assert.equal(server.destroyed, 0);
			owed[3]?.reject(new UnknownScript());
			await fourth;
			assert.equal(server.destroyed, 1);
			assert.equal(told.length, 1);
			assert.equal(store.state().away.full, 1);
			assert.equal(clock.pending, 0);
		});

		it("waits for them no longer than its timeout", async () => {
			const { clock, told, server, owed, ask, full } = await owing();
			const first = ask();
			await clock.advance(20);
			const [second, third] = [ask(), ask(true)];
			owed[0]?.reject(full());
			await first;
			await clock.advance(49);
			assert.equal(server.destroyed, 0);
			await clock.advance(1);
			assert.equal(server.destroyed, 1);
			for (const { undone } of (await Promise.all([second, third])) as {
				readonly undone: boolean;
			}[]) {
				assert.equal(undone, false);
			}
			assert.equal(told.length, 1);
		});

		it("lets the connection go at once if it breaks or lies meanwhile", async () => {
			for (const [spoil, faults] of [
				["cut", ["closed", "closed"]],
				["lie", ["garbled", "garbled"]],
			] as const) {
				const { clock, told, server, owed, ask, store, full } = await owing();
				const first = ask();
				const second = store
					.call(["GET", "x"], () => null)
					.catch(({ fault }: StoreError) => fault);
				const third = ask();
				owed[0]?.reject(full());
				await first;
				if (spoil === "cut") server.cut("closed");
				else owed[1]?.resolve("?");
				const { fault } = (await third) as StoreError;
				assert.deepEqual([await second, fault], faults);
				assert.equal(server.destroyed, 1);
				assert.deepEqual(told, [{ state: "away", fault: "full" }]);
				assert.equal(clock.pending, 0);
			}
		});

		it("is heard on the old connection until there is another, and then on that alone", async () => {
			const { store, clock, told, server, owed, ask, full } =
				await owing(1_000);
			const heard: string[] = [];
			store.listen("news", (message) => void heard.push(message));
			const owe = server.answer;
			server.answer = fine;
			// It listens from the next connection on.
			server.cut("closed");
			await clock.advance(1_000);
			const old = server.channels.get("news");
			server.answer = owe;
			const [first] = [ask(), ask()];
			owed[0]?.reject(full());
			await first;
			old?.("one");
			server.answer = fine;
			const { destroyed } = server;
			await clock.advance(900);
			assert.equal(told.at(-1)?.state, "up");
			assert.equal(server.destroyed, destroyed);
			old?.("two");
			server.channels.get("news")?.("two");
			await clock.advance(100);
			assert.equal(server.destroyed, destroyed + 1);
			assert.deepEqual(heard, ["one", "two"]);
			assert.equal(await ask(), "OK");
		});

		it("is heard on the old connection for each channel until the other one has subscribed, and again if that ends", async () => {
			const { store, clock, server, owed, ask, full } = await owing(3_000);
			const heard: string[] = [];
			for (const channel of ["news", "rest"]) {
				store.listen(channel, (message) => void heard.push(message));
			}
			const owe = server.answer;
			server.answer = fine;
			server.cut("closed");
			await clock.advance(1_000);
			const [news, rest] = ["news", "rest"].map(
				(channel) => server.channels.get(channel) ?? assert.fail(),
			);
			server.answer = owe;
			const [first] = [ask(), ask()];
			owed[0]?.reject(full());
			await first;
			server.answer = fine;
			// The new connection gets its first subscription, and waits for the second.
			server.subscribes = 1;
			const { opened, destroyed } = server;
			while (server.opened === opened) await clock.advance(50);
			await clock.advance(50);
			assert.equal(store.up, false);
			news?.("one");
			server.channels.get("news")?.("one");
			rest?.("two");
			assert.deepEqual(heard, ["one", "two"]);
			await clock.advance(1_000);
			// Nobody answered it in time.
			assert.equal(server.destroyed, destroyed + 1);
			server.subscribes = 0;
			news?.("three");
			assert.deepEqual(heard, ["one", "two", "three"]);
			store.close();
		});

		it("ends with what it owes when it is closed", async () => {
			const { store, clock, server, owed, ask, full } = await owing();
			const [first, second] = [ask(), ask()];
			owed[0]?.reject(full());
			await first;
			store.close();
			assert.deepEqual(await second, { fault: "closed", undone: false });
			assert.equal(server.destroyed, 1);
			assert.equal(clock.pending, 0);
		});
	});

	it("whose answer is no answer to the question is left at once", async () => {
		const { store, clock, told } = testStore();
		await clock.advance(0);
		const lie = store.call(["GET", "x"], () => null);
		assert.equal(await faultOf(lie), "garbled");
		assert.deepEqual(told, [{ state: "away", fault: "garbled" }]);
	});

	it("runs a script whole if it does not know its digest, and stays", async () => {
		const { store, clock, told, server } = testStore();
		await clock.advance(0);
		server.answer = async ([name]) => {
			if (name === "EVALSHA") throw new UnknownScript();
			return 7;
		};
		const script = { text: "return 7", sha1: "abc" };
		const answer = await store.script(script, ["k"], ["a"], (reply) => reply);
		assert.equal(answer, 7);
		assert.deepEqual(server.commands.slice(1), [
			["EVALSHA", "abc", "1", "k", "a"],
			["EVAL", "return 7", "1", "k", "a"],
		]);
		assert.deepEqual(told, []);
	});

	it("is asked every five seconds whether it is there, if nobody else asks", async () => {
		const { clock, told, server, call } = testStore();
		await clock.advance(0);
		await clock.advance(4000);
		await call();
		const before = server.commands.length;
		await clock.advance(4999);
		assert.equal(server.commands.length, before);
		await clock.advance(1);
		assert.equal(server.commands.length, before + 1);
		server.answer = silent;
		await clock.advance(5051);
		assert.deepEqual(told, [{ state: "away", fault: "slow" }]);
	});

	it("has at most 1,024 calls waiting", async () => {
		const { store, clock, server, call } = testStore();
		await clock.advance(0);
		server.answer = silent;
		for (let count = 0; count < 1023; count++) void faultOf(call());
		assert.equal(store.up, true);
		void faultOf(call());
		assert.equal(store.up, false);
		assert.equal(await faultOf(call()), "busy");
		assert.equal(server.commands.length, 1025);
	});

	it("that is closed ends what waits, its connection and its timers", async () => {
		const { store, clock, told, server, call } = testStore();
		await clock.advance(0);
		server.answer = silent;
		const waiting = faultOf(call());
		store.close();
		assert.equal(await waiting, "closed");
		assert.equal(server.destroyed, 1);
		assert.equal(clock.pending, 0);
		await clock.advance(60_000);
		assert.equal(server.opened, 1);
		assert.equal(await faultOf(call()), "busy");
		assert.deepEqual(told, []);
	});

	it("that is closed while it is connected to, or away, tries no more", async () => {
		for (const refuse of ["hangs", "unreachable"] as const) {
			const { store, clock, server } = testStore();
			server.refuse = refuse;
			if (refuse === "hangs") store.close();
			await clock.advance(100);
			store.close();
			const { opened } = server;
			await clock.advance(60_000);
			assert.equal(server.opened, opened);
			assert.equal(server.destroyed, opened);
			await store.settled;
		}
	});
});
