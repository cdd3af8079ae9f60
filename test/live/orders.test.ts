import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ChannelConfig } from "../../src/config/config.ts";
import type { ByteStream } from "../../src/core/body/byte-stream.ts";
import { GatewayError } from "../../src/core/errors.ts";
import type {
	GatewayRequest,
	GatewayResponse,
} from "../../src/core/http/messages.ts";
import { Memory } from "../../src/core/memory.ts";
import { Channel } from "../../src/live/channel.ts";
import type { Listener } from "../../src/live/channel-hearing.ts";
import { Place } from "../../src/live/channel-place.ts";
import { Channels } from "../../src/live/channels.ts";
import { type Ran, Watch, type Watcher } from "../../src/live/watch.ts";
import { openScope, virtualClock } from "../../src/tasks/index.ts";
import { unhandledIn } from "../kit/unhandled.ts";

/** What listeners and watchers do in the middle of being told. */

const bug = new Error("of whoever is told");

function configOf(changes: Partial<ChannelConfig> = {}): ChannelConfig {
	return {
		...{ name: "room", schema: null, presence: false },
		...{ keep: { last: 10, forMs: 60_000 }, messageBytesMax: 1_000 },
		...{ instancesMax: 10, listenersMax: 100 },
		waiting: { messagesMax: 100, bytesMax: 1_000 },
		...changes,
	};
}

function channelOf(changes: Partial<ChannelConfig> = {}) {
	const clock = virtualClock();
	const channel = new Channel(configOf(changes), {
		...{ clock, memory: new Memory(), shared: null, nextEpoch: () => "e" },
		...{ onKept() {}, onInstance() {} },
	});
	return { channel, clock };
}

/** A listener that takes what there is, and does more in the middle of it. */
class Acting implements Listener {
	readonly hearing;
	readonly wakeCost = 100;
	readonly ends: string[] = [];
	heard = 0;
	onWake = () => {};
	onEnd = () => {};
	readonly place: Place;

	constructor(channel: Channel) {
		this.place = new Place(channel, "1", null);
		this.hearing = this.place.hear("latest");
		this.place.join(this);
		this.place.rest(this);
	}

	wake(): void {
		this.onWake();
		while (this.hearing.next() !== null) this.heard++;
		this.place.rest(this);
	}

	end(reason: string): void {
		this.ends.push(reason);
		this.place.leave(this);
		this.onEnd();
	}
}

describe("a listener that throws", () => {
	test("when it is woken keeps nobody from hearing, now or later", async () => {
		const { channel, clock } = channelOf();
		const faulty = new Acting(channel);
		const others = [new Acting(channel), new Acting(channel)];
		faulty.onWake = () => {
			throw bug;
		};
		const seen = await unhandledIn(async () => {
			await channel.publish("1", "1");
			await clock.advance(0);
			await channel.publish("1", "2");
			await clock.advance(0);
		});
		assert.deepEqual(
			others.map(({ heard }) => heard),
			[2, 2],
		);
		assert.deepEqual(seen, [bug]);
	});

	test("when the channel ends keeps nobody from hearing of the end", async () => {
		const { channel } = channelOf();
		const [faulty, other] = [new Acting(channel), new Acting(channel)];
		faulty.onEnd = () => {
			throw bug;
		};
		const seen = await unhandledIn(async () => {
			channel.close();
		});
		assert.deepEqual([faulty.ends, other.ends], [["closed"], ["closed"]]);
		assert.deepEqual(seen, [bug]);
	});
});

test("one that is told that it is too slow may throw, and the others are told, and the message is published", async () => {
	const { channel, clock } = channelOf({
		waiting: { messagesMax: 1, bytesMax: 1_000 },
	});
	const [faulty, other] = [new Acting(channel), new Acting(channel)];
	for (const one of [faulty, other]) one.wake = () => {};
	faulty.onEnd = () => {
		throw bug;
	};
	const seen = await unhandledIn(async () => {
		for (const json of ["1", "2", "3"]) {
			await channel.publish("1", json);
			await clock.advance(0);
		}
	});
	assert.deepEqual([faulty.ends, other.ends], [["slow"], ["slow"]]);
	assert.deepEqual(seen, [bug]);
	assert.equal(channel.state().published, 3);
	assert.equal(channel.state().listeners, 0);
});

describe("a server that drains", () => {
	function listening(random: () => number) {
		const clock = virtualClock();
		const channels = new Channels([configOf()], {
			...{ clock, memory: new Memory(), store: null, random },
		});
		const scope = openScope({ clock });
		const draining = openScope({ clock });
		const onDrain = (callback: () => void) => draining.onCancel(callback);
		const listen = () =>
			channels.listen(
				{ channelIndex: 0, instance: "1", member: null },
				{ face: "events", after: "latest", waitMs: null },
				{ onDrain } as unknown as GatewayRequest,
				scope,
				() => assert.fail("posts"),
			) as GatewayResponse;
		return { channels, scope, draining, listen };
	}

	async function textOf({ body }: GatewayResponse): Promise<string> {
		let text = "";
		for await (const piece of body as ByteStream) {
			text += Buffer.from(piece).toString();
		}
		return text;
	}

	test("before somebody listens tells it the end, and nothing of its request is left", async () => {
		const { channels, scope, draining, listen } = listening(() => 0);
		draining.cancel(null);
		assert.match(await textOf(listen()), /"draining"/);
		assert.equal(scope.listeners, 0);
		await channels.close();
	});

	test("tells the end to the others if one that is told throws", async () => {
		let drawn = 0;
		const { channels, draining, listen } = listening(() => {
			if (drawn++ === 0) throw bug;
			return 0;
		});
		const [faulty, other] = [listen(), listen()];
		const seen = await unhandledIn(async () => draining.cancel(null));
		assert.match(await textOf(other), /"draining"/);
		assert.match(await textOf(listen()), /"draining"/);
		assert.deepEqual(seen, [bug]);
		await channels.close();
		assert.match(await textOf(faulty), /"closed"/);
	});
});

describe("a watch", () => {
	function watchOf() {
		const clock = virtualClock();
		const runs: PromiseWithResolvers<Ran>[] = [];
		let hear = () => {};
		const watch = new Watch(
			{
				...{ clock, memory: new Memory(), everyMs: 1_000, diff: false },
				...{ onKept() {}, onRun() {} },
			},
			{
				run() {
					const run = Promise.withResolvers<Ran>();
					runs.push(run);
					return run.promise;
				},
				hear(onMessage) {
					hear = onMessage;
					return () => {};
				},
			},
			() => {},
		);
		const answer = (body: string) =>
			runs.at(-1)?.resolve({
				requestId: "r",
				response: { status: 200, headers: [], body },
				error: null,
				made: { marks: [], untilMs: null } as unknown as Ran["made"],
			});
		return { clock, watch, runs, answer, message: () => hear() };
	}

	function watcherOf(wake: () => void): Watcher {
		return { ip: "192.0.2.1", streams: false, wake };
	}

	test("wakes the others, now and later, if one that is woken throws", async () => {
		const { clock, watch, answer } = watchOf();
		const woken: string[] = [];
		watch.join(
			watcherOf(() => {
				throw bug;
			}),
		);
		watch.join(watcherOf(() => woken.push("other")));
		const seen = await unhandledIn(async () => {
			answer("1");
			await clock.advance(1_000);
			answer("2");
			await clock.advance(0);
		});
		assert.deepEqual(woken, ["other", "other"]);
		assert.deepEqual(seen, [bug, bug]);
	});

	test("that is closed runs for nobody any more: not after a message, and not for one who comes", async () => {
		const { clock, watch, runs, answer, message } = watchOf();
		watch.join(watcherOf(() => {}));
		answer("1");
		await clock.advance(0);
		assert.equal(runs.length, 1);
		watch.close(new GatewayError("gateway_draining", "closed"));
		message();
		watch.join(watcherOf(() => {}));
		await clock.advance(10_000);
		assert.equal(runs.length, 1);
		assert.equal(clock.pending, 0);
	});

	test("that is closed before it has an answer gives whoever comes the reason", async () => {
		const { clock, watch } = watchOf();
		const reason = new GatewayError("gateway_draining", "closed");
		watch.close(reason);
		watch.join(watcherOf(() => {}));
		const first = watch.first(openScope({ clock }));
		await assert.rejects(first, (thrown) => thrown === reason);
	});
});
