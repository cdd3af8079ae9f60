import assert from "node:assert/strict";
import { isStream } from "../../src/core/body/byte-stream.ts";
import { GatewayError } from "../../src/core/errors.ts";
import { headerOf } from "../../src/core/http/headers.ts";
import type { GatewayResponse } from "../../src/core/http/messages.ts";
import { RequestMemory } from "../../src/core/memory.ts";
import { openScope, type Scope } from "../../src/tasks/scope.ts";
import type { TestGateway } from "./gateway.ts";

/** An event of a stream, as a browser reads it. */
export interface SeenEvent {
	readonly event: string;
	/** The id that a browser would send if it came back now. */
	readonly id: string;
	readonly data: unknown;
	/** The data as they came. */
	readonly raw: string;
	readonly retry: number | null;
	/** When it came, on the virtual clock. */
	readonly atMs: number;
}

/** A client that watches a route of a gateway without a port. */
export interface TestWatcher {
	/** Null until it is answered. */
	readonly response: GatewayResponse | null;
	readonly status: number | null;
	header(name: string): string | null;
	/** Of a whole answer. */
	readonly json: unknown;
	/** What has come so far. */
	readonly events: readonly SeenEvent[];
	readonly kinds: readonly string[];
	readonly comments: number;
	/** The answer as docs/live.md tells clients to put it together; undefined if none has come. */
	readonly value: unknown;
	/** Whether the last run is known to have failed. */
	readonly stale: boolean;
	/** Whether the stream has ended. */
	readonly over: boolean;
	readonly answeredMs: number | null;
	readonly scope: Scope;
	/** Reads nothing more until `resume`. */
	pause(): void;
	resume(): void;
	/** The client's connection is gone. */
	leave(): void;
	/** The server takes no more requests. */
	drain(): void;
}

export interface WatchOptions {
	readonly headers?: readonly string[];
	readonly ip?: string;
	readonly method?: string;
}

export const eventStream = ["accept", "text/event-stream"];

/** Begins to watch, by events unless the headers say otherwise. */
export function watch(
	{ gateway, clock }: TestGateway,
	target: string,
	{
		headers = eventStream,
		ip = "127.0.0.1",
		method = "GET",
	}: WatchOptions = {},
): TestWatcher {
	const scope = openScope({ clock });
	const draining = openScope({ clock });
	const memory = new RequestMemory(gateway.memory);
	const events: SeenEvent[] = [];
	let response: GatewayResponse | null = null;
	let answeredMs: number | null = null;
	let comments = 0;
	let over = false;
	let paused: PromiseWithResolvers<void> | null = null;
	let value: unknown;
	let stale = false;
	let lastId = "";
	const take = (block: string) => {
		const fields = block
			.split("\n")
			.map((line) => [
				line.slice(0, line.indexOf(":")),
				line.slice(line.indexOf(":") + 2),
			]);
		const field = (name: string) =>
			fields.find(([given]) => given === name)?.[1] ?? null;
		lastId = field("id") ?? lastId;
		const data = field("data");
		if (data === null) {
			comments++;
			return;
		}
		const event = field("event") ?? "message";
		const retry = field("retry");
		const read = JSON.parse(data);
		events.push({
			...{ event, id: lastId, data: read, raw: data, atMs: clock.now() },
			retry: retry === null ? null : Number(retry),
		});
		if (event === "answer") value = read;
		else if (event === "patch") value = merged(value, read);
		if (event === "problem") stale = true;
		else if (event !== "missing" && event !== "end") stale = false;
	};
	const read = async () => {
		response = await gateway.handle(
			{
				...{ id: "watcher", method, target, headers, ip, memory },
				arrivedMs: clock.now(),
				readBody: async () => new Uint8Array(),
				streamBody: () => null,
				onDrain: (callback) => draining.onCancel(callback),
			},
			scope,
		);
		answeredMs = clock.now();
		if (isStream(response.body)) {
			let text = "";
			try {
				for await (const piece of response.body) {
					text += new TextDecoder().decode(piece);
					const blocks = text.split("\n\n");
					text = blocks.pop() ?? "";
					for (const block of blocks) take(block);
					if (scope.cancelled) break;
					await paused?.promise;
				}
			} catch (reason) {
				// Whoever has left reads on in vain.
				assert.equal(reason, scope.reason);
			}
			assert.equal(text, "", "no event is cut");
		}
		over = true;
		memory.end();
		if (!scope.cancelled) scope.close();
	};
	void read();
	return {
		scope,
		events,
		get response() {
			return response;
		},
		get status() {
			return response?.status ?? null;
		},
		header: (name) => response && headerOf(response.headers, name),
		get json() {
			return JSON.parse(response?.body as string);
		},
		get kinds() {
			return events.map(({ event }) => event);
		},
		get comments() {
			return comments;
		},
		get value() {
			return value;
		},
		get stale() {
			return stale;
		},
		get over() {
			return over;
		},
		get answeredMs() {
			return answeredMs;
		},
		pause() {
			paused ??= Promise.withResolvers();
		},
		resume() {
			paused?.resolve();
			paused = null;
		},
		leave: () =>
			scope.cancel(new GatewayError("client_closed", "the client left")),
		drain: () => draining.cancel("draining"),
	};
}

/** RFC 7396, section 2, word for word. */
export function merged(target: unknown, patch: unknown): unknown {
	if (typeof patch !== "object" || patch === null || Array.isArray(patch)) {
		return patch;
	}
	const isMap =
		typeof target === "object" && target !== null && !Array.isArray(target);
	const result = new Map<string, unknown>(Object.entries(isMap ? target : {}));
	for (const [name, value] of Object.entries(patch)) {
		if (value === null) result.delete(name);
		else result.set(name, merged(result.get(name), value));
	}
	return Object.fromEntries(result);
}
