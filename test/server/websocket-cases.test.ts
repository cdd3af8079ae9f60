import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Session } from "../../src/core/http/session.ts";
import { listen } from "../../src/server/server.ts";
import { realClock } from "../../src/tasks/clock.ts";
import { serve } from "../kit/serve.ts";
import { serverDefaults } from "../kit/server-defaults.ts";
import {
	closing,
	frame,
	opcodes,
	openWebSocket,
	type WebSocketClient,
} from "../kit/websocket.ts";
import { startWebSocketUpstream } from "../kit/websocket-upstream.ts";
import { type Case, sections } from "./websocket-cases.ts";

const messageBytesMax = 16 * 2 ** 20;

const echo: Session = {
	protocol: null,
	messageBytesMax,
	open: (peer) => ({
		onMessage(data, isText) {
			if (isText) peer.sendText(data);
			else peer.sendBytes(data);
			return new Promise((resolve) => peer.whenTaken(resolve));
		},
		onClosed() {},
	}),
};

interface Target {
	readonly url: string;
	/** Whether nothing stands between the client and the echo. */
	readonly direct: boolean;
}

/** Each gives the address of an echo. */
const targets: [
	name: string,
	open: (stack: AsyncDisposableStack) => Promise<string>,
][] = [
	[
		"a session of the server",
		async (stack) => {
			const server = await listen({
				...serverDefaults,
				...{ host: "127.0.0.1", port: 0, clock: realClock() },
				handle: async () => ({
					...{ status: 101, headers: [], body: null, session: echo },
				}),
			});
			stack.defer(() => server.close());
			return server.url;
		},
	],
	[
		"an upstream through a proxy",
		async (stack) => {
			const upstream = stack.use(await startWebSocketUpstream());
			const served = stack.use(
				await serve({
					upstreams: { echo: { url: upstream.origin } },
					routes: {
						"GET /": {
							proxy: { to: "echo/", websocket: { maxMessage: "16MiB" } },
						},
					},
				}),
			);
			return served.url;
		},
	],
];

/** Sends everything, without more waiting for the other side than the system does. */
async function send(
	{ socket }: WebSocketClient,
	pieces: Case["send"],
): Promise<void> {
	for (const piece of pieces) {
		if (!socket.writable) return;
		socket.write(piece);
		if (pieces.length < 1000) await new Promise(setImmediate);
	}
}

async function holds(
	{ url, direct }: Target,
	{ send: pieces, expect = [], ends, open: isOpen = false }: Case,
) {
	using client = await openWebSocket(url);
	assert.equal(client.status, 101);
	const sent = send(client, pieces);
	let at = 0;
	for (;;) {
		if (ends === undefined && at === expect.length) break;
		const next = await client.next();
		if (next === null || next.opcode === opcodes.close) {
			assert.ok(ends !== undefined, `closed: ${next?.payload.toString("hex")}`);
			assert.ok(next !== null, "cut off");
			const { payload } = next;
			const code = payload.length === 0 ? 1005 : payload.readUInt16BE(0);
			assert.equal(code, ends);
			// The server answers what came before an end in order. Through a proxy the end may overtake the echo.
			if (ends === 1000 && direct && !isOpen) assert.equal(at, expect.length);
			client.send(frame(opcodes.close, payload));
			await client.gone();
			return;
		}
		const wanted = expect[at++];
		assert.ok(wanted, `too much: ${next.opcode}`);
		assert.equal(next.fin, true);
		assert.equal(next.rsv, 0);
		assert.equal(next.opcode, wanted.opcode);
		assert.equal(next.payload.length, wanted.payload.length);
		assert.ok(next.payload.equals(wanted.payload));
	}
	await sent;
	client.send(frame(opcodes.close, closing(1000)));
	assert.equal(await client.closed(), 1000);
	await client.gone();
}

for (const [index, [target, open]] of targets.entries()) {
	const direct = index === 0;
	describe(`over ${target}`, () => {
		const stack = new AsyncDisposableStack();
		let url = "";
		before(async () => {
			url = await open(stack);
		});
		after(() => stack.disposeAsync());
		for (const [section, cases] of sections) {
			describe(section, () => {
				for (const one of cases)
					test(one.name, () => holds({ url, direct }, one));
			});
		}
	});
}
