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
	readonly id?: string | number;
	readonly message?: unknown;
	readonly member?: unknown;
	readonly members?: readonly unknown[];
	readonly more?: number;
	readonly from?: string | null;
	readonly to?: string | null;
	readonly lost?: number | null;
	readonly reason?: string;
	readonly after?: string;
	readonly retry?: number;
	/** Of a reply. */
	readonly status?: number;
	readonly body?: unknown;
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
	/** The lifetime in which its server takes requests. */
	readonly accepting: Scope;
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
	let paused = false;
	const listener: TestListener = {
		status: response.status,
		...{ events, told, reader, scope, accepting },
		ended: false,
		pause() {
			if (paused) return;
			paused = true;
			going = new Promise((resolve) => {
				go = resolve;
			});
		},
		go() {
			paused = false;
			go();
		},
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

/** Somebody who listens to a gateway without a port, over a WebSocket. */
export interface TestPeer {
	readonly status: number;
	/** The problem, if there is no WebSocket. */
	readonly code: unknown;
	/** What was told, and as what texts. */
	readonly told: Told[];
	readonly texts: string[];
	readonly scope: Scope;
	/** How this side was closed; null if it is open. */
	readonly closed: readonly [code: number, reason: string] | null;
	readonly messageBytesMax: number;
	/** Sends a frame. Resolves when the next one would be read. */
	say(frame: unknown): Promise<void>;
	sayBytes(bytes: Uint8Array): void;
	/** What waits for the client from now on: it takes nothing. */
	stall(bytes: number): void;
	/** It takes everything again. */
	take(): void;
	/** The client is gone. */
	leave(): void;
	/** The server drains. */
	drain(): void;
}

export async function connectTo(
	gateway: Gateway,
	target: string,
	{ headers = [], ip = "127.0.0.1" }: ListenOptions = {},
): Promise<TestPeer> {
	const { clock } = gateway;
	const scope = openScope({ clock });
	const memory = new RequestMemory(gateway.memory);
	const response = await gateway.handle(
		{
			id: "peer",
			method: "GET",
			target,
			headers: ["host", "gateway.test", ...headers],
			ip,
			arrivedMs: clock.now(),
			memory,
			readBody: async () => new Uint8Array(),
			streamBody: () => null,
			upgradable: true,
		},
		scope,
	);
	const told: Told[] = [];
	const texts: string[] = [];
	let closed: TestPeer["closed"] = null;
	let waitingBytes = 0;
	let stalled = false;
	const taken: (() => void)[] = [];
	const { session } = response;
	const listener = session?.open(
		{
			sendText(text) {
				if (closed !== null) return;
				const json = Buffer.from(text as string).toString();
				texts.push(json);
				told.push(JSON.parse(json) as Told);
				if (stalled) waitingBytes += json.length;
			},
			sendBytes() {},
			get waitingBytes() {
				return waitingBytes;
			},
			whenTaken(callback) {
				if (waitingBytes === 0) callback();
				else taken.push(callback);
			},
			close(code, reason) {
				closed ??= [code, reason];
			},
		},
		scope,
	);
	const end = (code: number, reason: unknown) => {
		scope.cancel(reason);
		listener?.onClosed(code, "");
		memory.end();
	};
	return {
		status: response.status,
		code: session ? null : JSON.parse(String(response.body)).code,
		...{ told, texts, scope },
		messageBytesMax: session?.messageBytesMax ?? 0,
		get closed() {
			return closed;
		},
		async say(frame) {
			const text = typeof frame === "string" ? frame : JSON.stringify(frame);
			await listener?.onMessage(Buffer.from(text), true);
		},
		sayBytes(bytes) {
			void listener?.onMessage(bytes, false);
		},
		stall(bytes) {
			stalled = true;
			waitingBytes = bytes;
		},
		take() {
			stalled = false;
			waitingBytes = 0;
			for (const callback of taken.splice(0)) callback();
		},
		leave: () => end(1006, new GatewayError("client_closed", "it left")),
		drain() {
			scope.cancel(new GatewayError("gateway_draining", "the server drains"));
			closed ??= [1001, "the server is ending"];
		},
	};
}
