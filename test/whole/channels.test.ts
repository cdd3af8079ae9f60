import assert from "node:assert/strict";
import { once } from "node:events";
import { afterEach, beforeEach, describe, it } from "node:test";
import { EventSource } from "undici";
import { checkText, configOrThrow } from "../../src/config/load.ts";
import { createGateway, type Gateway } from "../../src/gateway/gateway.ts";
import { type RunningServer, serve } from "../../src/server/serve.ts";
import { EventReader, type Told } from "../kit/listeners.ts";
import { type AnswerStream, get } from "../kit/request.ts";
import { ask, type GetOptions } from "../kit/serve.ts";
import { only, transportTls } from "../kit/transport.ts";

const yaml = `
server: { hosts: ["*"] }
overload: false
channels:
  room: { presence: true }
routes:
  GET /rooms/{id}:
    request: { query: { name?: { type: string, maxLength: 20 } } }
    listen: room/\${params.id}
    member: { name: "\${query.name ?? 'somebody'}" }
  POST /rooms/{id}:
    request: { body: {} }
    steps:
      said: { publish: "room/\${params.id}", message: "\${body}" }
    respond: \${said}
    status: 201
`;

let gateway: Gateway;
let server: RunningServer;
let closing: (() => void)[];

beforeEach(async () => {
	closing = [];
	const config = configOrThrow(checkText(yaml, "test.yaml", {}));
	const settings = { ...config.server, tls: transportTls };
	gateway = createGateway({ ...config, server: settings });
	server = await serve(gateway, { port: 0, host: "127.0.0.1" });
});

afterEach(async () => {
	for (const close of closing) close();
	await server.close();
	await gateway.close();
});

const at = (path: string, options?: GetOptions) =>
	ask(server.url + path, options);

async function say(message: unknown, room = "7"): Promise<string> {
	const answer = await at(`/rooms/${room}`, {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify(message),
	});
	assert.equal(answer.status, 201, answer.text);
	return (answer.json as { id: string }).id;
}

interface Listening {
	readonly response: AnswerStream;
	readonly told: Told[];
	/** Resolves when something of that kind was told. */
	until(event: string): Promise<Told>;
	leave(): void;
}

/** Listens to events, and waits for the first. */
async function listen(path: string): Promise<Listening> {
	const headers = { accept: "text/event-stream" };
	const request = get(server.url + path, { headers, agent: false });
	request.on("error", () => {});
	closing.push(() => request.destroy());
	const [response] = (await once(request, "response")) as [AnswerStream];
	response.setEncoding("utf8");
	response.on("error", () => {});
	const reader = new EventReader();
	const told: Told[] = [];
	const waiting: (() => void)[] = [];
	response.on("data", (text: string) => {
		for (const { data } of reader.read(text)) if (data) told.push(data);
		for (const look of waiting.splice(0)) look();
	});
	const until = async (event: string): Promise<Told> => {
		for (;;) {
			const found = told.find((one) => one.event === event);
			if (found) return found;
			await new Promise<void>((resolve) => waiting.push(resolve));
		}
	};
	await until("start");
	return { response, told, until, leave: () => request.destroy() };
}

describe("a channel over real connections", () => {
	it("is read by an EventSource", async () => {
		await say("first");
		const source = new EventSource(`${server.url}/rooms/7?name=Ada`);
		closing.push(() => source.close());
		const heard: unknown[] = [];
		const enough = Promise.withResolvers<void>();
		source.onmessage = ({ data }: MessageEvent) => {
			heard.push((JSON.parse(data) as Told).message);
			if (heard.length === 3) enough.resolve();
		};
		const [start] = await once(source, "start");
		const told = JSON.parse((start as MessageEvent).data) as Told;
		assert.deepEqual(told.members, [{ name: "Ada" }]);
		await say("second");
		await say("third");
		await enough.promise;
		assert.deepEqual(heard, ["first", "second", "third"]);
	});

	it("tells who comes, and who goes at the moment when its connection is cut", async () => {
		const ada = await listen("/rooms/7?name=Ada");
		const bob = await listen("/rooms/7?name=Bob");
		const { member: came } = await ada.until("joined");
		assert.deepEqual(came, { name: "Bob" });
		assert.deepEqual((await bob.until("start")).members, [
			{ name: "Ada" },
			{ name: "Bob" },
		]);
		bob.leave();
		const { member: left } = await ada.until("left");
		assert.deepEqual(left, { name: "Bob" });
	});

	it("answers a poll that waits as soon as there is a message", async () => {
		const polled = at("/rooms/7?name=Ada", { headers: { prefer: "wait=50" } });
		const listener = await listen("/rooms/8");
		while (gateway.state().channels[0]?.listeners !== 2) {
			await new Promise(setImmediate);
		}
		const id = await say("hello");
		const { json, headers } = await polled;
		const { after, ...others } = json as { readonly after: string };
		assert.match(after, new RegExp(`^${id}\\.[0-9a-f]{8}$`));
		assert.equal(headers["preference-applied"], "wait=50");
		assert.deepEqual(others, {
			members: [{ name: "Ada" }],
			events: [{ event: "message", id, message: "hello" }],
		});
		assert.deepEqual(
			listener.told.map(({ event }) => event),
			["start"],
		);
	});

	it(
		"takes frames of a WebSocket for POSTs, and tells it the same",
		only.webSockets,
		async () => {
			const listener = await listen("/rooms/7?name=Bob");
			const address = `${server.url.replace("http", "ws")}/rooms/7?name=Ada`;
			const socket = new WebSocket(address);
			closing.push(() => socket.close());
			const opened = once(socket, "open");
			const told: Told[] = [];
			const replied = Promise.withResolvers<void>();
			socket.onmessage = ({ data }) => {
				const one = JSON.parse(data as string) as Told;
				told.push(one);
				if (one.event === "reply") replied.resolve();
			};
			const { member } = await listener.until("joined");
			assert.deepEqual(member, { name: "Ada" });
			// Others may hear of it before the client itself.
			await opened;
			socket.send(JSON.stringify({ id: 1, body: "hello" }));
			await replied.promise;
			const message = await listener.until("message");
			assert.equal(message.message, "hello");
			assert.deepEqual(
				told.map(({ event }) => event),
				["start", "message", "reply"],
			);
			assert.deepEqual(told[1], message);
			assert.deepEqual(told[2]?.body, { id: message.id, listeners: 2 });
			const closed = once(socket, "close");
			const finished = await server.drain(10_000, 0);
			const [{ code }] = (await closed) as [{ readonly code: number }];
			assert.deepEqual([finished, code], [true, 1001]);
			assert.partialDeepStrictEqual(told.at(-1), {
				...{ event: "end", reason: "draining", after: message.id },
			});
		},
	);

	it(
		"opens no WebSocket for a page of another origin",
		only.webSockets,
		async () => {
			const { status } = await at("/rooms/7", {
				headers: {
					...{ origin: "https://evil.example", connection: "Upgrade" },
					...{ upgrade: "websocket", "sec-websocket-version": "13" },
					"sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
				},
			});
			assert.equal(status, 403);
		},
	);

	it("ends its listeners with a reason when the server drains, and lets polls go", async () => {
		const listener = await listen("/rooms/7");
		const polled = at("/rooms/8", { headers: { prefer: "wait=50" } });
		while (gateway.state().channels[0]?.listeners !== 2) {
			await new Promise(setImmediate);
		}
		const ended = once(listener.response, "end");
		const finished = await server.drain(10_000, 0);
		assert.equal(finished, true);
		await ended;
		assert.equal(listener.told.at(-1)?.reason, "draining");
		assert.equal(listener.response.complete, true);
		assert.deepEqual(((await polled).json as { events: unknown }).events, []);
	});
});
