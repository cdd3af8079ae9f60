import { isStream } from "../../src/core/body/byte-stream.ts";
import { GatewayError } from "../../src/core/errors.ts";
import { RequestMemory } from "../../src/core/memory.ts";
import type { Gateway } from "../../src/gateway/gateway.ts";
import { openScope, type Scope } from "../../src/tasks/scope.ts";

/** One block of an event stream, as an EventSource reads it. */
export interface ReadEvent {
	readonly id: string | null;
	readonly event: string;
	/** The data as JSON; null for a comment. */
	readonly data: Told | null;
	readonly retry: number | null;
}

/** What the listeners of a channel are told. */
export interface Told {
	readonly event: string;
	readonly id?: string;
	readonly message?: unknown;
	readonly member?: unknown;
	readonly members?: readonly unknown[];
	readonly more?: number;
	readonly from?: string | null;
	readonly to?: string | null;
	readonly lost?: number | null;
	readonly reason?: string;
	readonly after?: string;
}

/** Reads events from a text that comes in pieces. */
export class EventReader {
	/** The last id, which a browser sends when it comes back. */
	lastId: string | null = null;
	#rest = "";

	read(text: string): ReadEvent[] {
		const blocks = (this.#rest + text).split("\n\n");
		this.#rest = blocks.pop() ?? "";
		return blocks.map((block) => this.#readBlock(block));
	}

	#readBlock(block: string): ReadEvent {
		let id: string | null = null;
		let event = "message";
		let retry: number | null = null;
		const data: string[] = [];
		for (const line of block.split("\n")) {
			const [, field = "", value = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
			if (field === "id") id = value;
			else if (field === "event") event = value;
			else if (field === "retry") retry = Number(value);
			else if (field === "data") data.push(value);
		}
		if (id !== null) this.lastId = id;
		const told = data.length === 0 ? null : JSON.parse(data.join("\n"));
		return { id, event, data: told, retry };
	}
}

/** Somebody who listens to a gateway without a port, over an event stream. */
export interface TestListener {
	readonly status: number;
	readonly events: ReadEvent[];
	/** What was told, without comments. */
	readonly told: Told[];
	readonly reader: EventReader;
	readonly scope: Scope;
	/** Whether the stream has ended by itself. */
	ended: boolean;
	/** Reads nothing more until `go`. */
	pause(): void;
	go(): void;
	/** The client is gone. */
	leave(): void;
	/** The server drains. */
	drain(): void;
}

export interface ListenOptions {
	readonly headers?: readonly string[];
	readonly ip?: string;
}

/** Resolves when the stream has begun, or was refused. It then has no events. */
export async function listenTo(
	gateway: Gateway,
	target: string,
	{ headers = [], ip = "127.0.0.1" }: ListenOptions = {},
): Promise<TestListener> {
	const { clock } = gateway;
	const scope = openScope({ clock });
	const accepting = openScope({ clock });
	const memory = new RequestMemory(gateway.memory);
	const response = await gateway.handle(
		{
			id: "listener",
			method: "GET",
			target,
			headers: ["accept", "text/event-stream", ...headers],
			ip,
			arrivedMs: clock.now(),
			memory,
			readBody: async () => new Uint8Array(),
			streamBody: () => null,
			onDrain: (callback) => accepting.onCancel(callback),
		},
		scope,
	);
	const reader = new EventReader();
	const events: ReadEvent[] = [];
	const told: Told[] = [];
	let going = Promise.resolve();
	let go = () => {};
	const listener: TestListener = {
		status: response.status,
		...{ events, told, reader, scope },
		ended: false,
		pause() {
			going = new Promise((resolve) => {
				go = resolve;
			});
		},
		go: () => go(),
		leave() {
			scope.cancel(new GatewayError("client_closed", "the client left"));
			memory.end();
		},
		drain: () => accepting.cancel("draining"),
	};
	const { body } = response;
	if (!isStream(body)) {
		memory.end();
		return listener;
	}
	const read = async () => {
		const decoder = new TextDecoder();
		for await (const piece of body) {
			const text = decoder.decode(piece, { stream: true });
			for (const event of reader.read(text)) {
				events.push(event);
				if (event.data !== null) told.push(event.data);
			}
			await going;
			if (scope.cancelled) return;
		}
		listener.ended = !scope.cancelled;
		if (listener.ended) memory.end();
	};
	void read();
	return listener;
}
