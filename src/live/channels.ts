import { randomBytes } from "node:crypto";
import type { ChannelConfig } from "../config/config.ts";
import { eventStreamType } from "../core/http/event-stream.ts";
import type { GatewayRequest, GatewayResponse } from "../core/http/messages.ts";
import { unsniffed } from "../core/http/problem.ts";
import type { Memory, Yielding } from "../core/memory.ts";
import type { ListenPlace } from "../run/listen.ts";
import { SharedChannels } from "../store/shared-channels.ts";
import type { Store } from "../store/store.ts";
import type { Clock, Timer } from "../tasks/clock.ts";
import { tellApart } from "../tasks/failure.ts";
import type { Scope } from "../tasks/scope.ts";
import { Channel, type ChannelState } from "./channel.ts";
import { ChannelEvents, type StreamOwner } from "./channel-events.ts";
import type { Listener } from "./channel-hearing.ts";
import { Place } from "./channel-place.ts";
import { answerPoll, pollCost } from "./channel-poll.ts";
import { ChannelSession, type Post } from "./channel-session.ts";
import type { Wanted } from "./listen-face.ts";

/** How often a stream is shown to be alive, at least every second time. Proxies cut what is silent for a minute. */
const heartbeatMs = 15_000;

/** How often old messages and unused instances are looked for. */
const tidyMs = 10_000;

/** Clients that are sent away come back after a second, spread over the next nine. */
const retryMinMs = 1_000;
const retrySpreadMs = 9_000;

export interface ChannelsOptions {
	readonly clock: Clock;
	readonly memory: Memory;
	/** Null if each gateway has its own channels. */
	readonly store: Store | null;
	readonly random?: () => number;
}

/** Somebody whose listening is ended because the server drains. */
type Ending = Pick<Listener, "end" | "wakeCost">;

/** The channels of one gateway, and who listens to them. */
export class Channels implements Yielding {
	/** In the order of the plan. */
	readonly all: readonly Channel[];
	/** Bytes of messages that are kept for later. */
	bytes = 0;
	readonly #clock: Clock;
	readonly #memory: Memory;
	readonly #random: () => number;
	readonly #leaveMemory: () => void;
	readonly #shared: SharedChannels | null;
	readonly #streams = new Set<ChannelEvents>();
	readonly #ending: Ending[] = [];
	#isEnding = false;
	#beating: Timer | null = null;
	#tidying: Timer | null = null;

	constructor(
		configs: readonly ChannelConfig[],
		{ clock, memory, store, random = Math.random }: ChannelsOptions,
	) {
		this.#clock = clock;
		this.#memory = memory;
		this.#random = random;
		this.#leaveMemory = memory.join(this);
		// Another process, or the next one, never gives the same ids.
		const own = randomBytes(5).toString("hex");
		let count = 0;
		const shared =
			store !== null && configs.length > 0 ? new SharedChannels(store) : null;
		this.#shared = shared;
		const context = {
			...{ clock, memory, shared },
			nextEpoch: () => `${own}${(count++).toString(36)}`,
			onKept: (bytes: number) => this.#keep(bytes),
			onInstance: () => this.#tidySoon(),
		};
		this.all = configs.map((config) => new Channel(config, context));
	}

	#keep(bytes: number): void {
		this.bytes += bytes;
		this.#memory.keep(bytes);
	}

	yield(bytes: number): void {
		let left = bytes;
		for (const channel of this.all) {
			if (left <= 0) return;
			left -= channel.shrink(left);
		}
	}

	/** Answers a client that listens, in the form that it wants. `createPost` makes what carries out its frames. Throws `channel_full` or `request_invalid`. */
	listen(
		place: ListenPlace,
		wanted: Wanted,
		request: GatewayRequest,
		scope: Scope,
		createPost: () => Post,
	): GatewayResponse | Promise<GatewayResponse> {
		const channel = this.all[place.channelIndex] as Channel;
		const listen = () =>
			this.#listen(channel, place, wanted, request, scope, createPost);
		const ready = channel.ready(place.instance, wanted.after);
		if (ready === null) return listen();
		return ready.then(() => {
			if (scope.cancelled) throw scope.reason;
			return listen();
		});
	}

	#listen(
		channel: Channel,
		{ instance, member }: ListenPlace,
		{ face, after, waitMs }: Wanted,
		request: GatewayRequest,
		scope: Scope,
		createPost: () => Post,
	): GatewayResponse | Promise<GatewayResponse> {
		const place = new Place(channel, instance, member);
		const onDrain = (callback: () => void) =>
			request.onDrain?.(callback) ?? nothing;
		if (face === "poll") {
			const endWith = (end: () => void) => () =>
				this.#endSoon({ end, wakeCost: pollCost });
			const wait =
				waitMs === null
					? null
					: {
							ms: waitMs,
							onDrain: (end: () => void) => onDrain(endWith(end)),
						};
			return answerPoll(place, after, wait, scope);
		}
		if (face === "session") {
			const post = createPost();
			const session = new ChannelSession(place, after, {
				post,
				retryMs: this.#retryMs,
				asking: scope,
			});
			return { status: 101, headers: [], body: null, session };
		}
		const body = new ChannelEvents(place, after, this.#streaming);
		this.#streams.add(body);
		this.#beatSoon();
		body.endWith(scope, this.#endOnDrain(body, request));
		return { status: 200, headers: eventHeaders, body };
	}

	/** A function of its own, because what it makes holds its surroundings for as long as the client listens. */
	#endOnDrain(body: ChannelEvents, request: GatewayRequest): () => void {
		return request.onDrain?.(() => this.#endSoon(body)) ?? nothing;
	}

	readonly #retryMs = (): number =>
		retryMinMs + Math.floor(this.#random() * retrySpreadMs);

	/** One for all who listen. */
	readonly #streaming: StreamOwner = {
		retryMs: this.#retryMs,
		onOver: (stream) => this.#streams.delete(stream),
	};

	#beatSoon(): void {
		this.#beating ??= this.#clock.aside(heartbeatMs, () => {
			this.#beating = null;
			if (this.#streams.size === 0) return;
			this.#beatSoon();
			void this.#inSlices(this.#streams, (stream) => stream.beat());
		});
	}

	#endSoon(one: Ending): void {
		this.#ending.push(one);
		if (this.#isEnding) return;
		this.#isEnding = true;
		void this.#endAll();
	}

	async #endAll(): Promise<void> {
		while (this.#ending.length > 0) {
			await this.#inSlices(this.#ending.splice(0), (one) =>
				one.end("draining"),
			);
		}
		this.#isEnding = false;
	}

	/** So that a turn of the loop is never long, however many there are. */
	async #inSlices<One extends Pick<Listener, "wakeCost">>(
		all: Iterable<One>,
		work: (one: One) => void,
	): Promise<void> {
		const { turn } = this.#clock;
		for (const one of all) {
			const { wakeCost } = one;
			if (!turn.hasTimeFor(wakeCost)) await turn.later("listeners", wakeCost);
			turn.spent += wakeCost;
			tellApart(() => work(one));
		}
	}

	#tidySoon(): void {
		this.#tidying ??= this.#clock.aside(tidyMs, () => {
			this.#tidying = null;
			let left = 0;
			for (const channel of this.all) left += channel.tidy();
			if (left > 0) this.#tidySoon();
		});
	}

	states(): readonly ChannelState[] {
		return this.all.map((channel) => channel.state());
	}

	/** Ends everybody's listening. Resolves when the other gateways know it, or the store is away. */
	async close(): Promise<void> {
		this.#beating?.cancel();
		this.#tidying?.cancel();
		// First, so that not each instance is left by itself.
		const left = this.#shared?.close();
		for (const channel of this.all) channel.close();
		this.#leaveMemory();
		await left;
	}
}

function nothing(): void {}

/** Proxies that hold an answer back until they have more of it read the last field. */
const eventHeaders = Object.freeze([
	...["content-type", eventStreamType, "cache-control", "no-store"],
	...unsniffed,
	...["x-accel-buffering", "no"],
]);
