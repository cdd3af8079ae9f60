import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isStream } from "../../src/core/body/byte-stream.ts";
import type { Peer } from "../../src/core/http/session.ts";
import { RequestMemory } from "../../src/core/memory.ts";
import { openScope } from "../../src/tasks/scope.ts";
import { testGateway } from "../kit/gateway.ts";
import { serve } from "../kit/serve.ts";
import {
	audience,
	bearer,
	claimsWith,
	createIssuerKey,
	issuer,
	signed,
} from "../kit/tokens.ts";
import { openWebSocket } from "../kit/websocket.ts";

const key = createIssuerKey("a", "ES256");

function gatewayWith() {
	return testGateway(
		{
			auth: {
				users: {
					jwt: { issuer, audience, jwks: "https://login.test/k", leeway: "0s" },
				},
			},
			channels: { news: {} },
			routes: {
				"GET /live": { auth: "users", live: { every: "1h" }, respond: 1 },
				"GET /news": { auth: "users", listen: "news" },
			},
		},
		() => ({ json: { keys: [key.jwk] } }),
	);
}

/** What a client gets whose token ends after an hour, on a clock that stands still but for that. */
async function open(path: string, headers: readonly string[], upgrade = false) {
	const { gateway, clock } = gatewayWith();
	const exp = Math.floor(Date.now() / 1000) + 3_600;
	const scope = openScope({ clock });
	let response: Awaited<ReturnType<typeof gateway.handle>> | null = null;
	void gateway
		.handle(
			{
				...{ id: "r", method: "GET", target: path, ip: "127.0.0.1" },
				headers: [...bearer(signed(key, claimsWith({ exp }))), ...headers],
				arrivedMs: clock.now(),
				memory: new RequestMemory(gateway.memory),
				readBody: async () => new Uint8Array(),
				streamBody: () => null,
				...(upgrade && { upgradable: true as const }),
			},
			scope,
		)
		.then((given) => {
			response = given;
		});
	while (response === null) {
		await clock.advance(0);
		await new Promise((resolve) => setImmediate(resolve));
	}
	const answer = response as Awaited<ReturnType<typeof gateway.handle>>;
	return { gateway, clock, answer };
}

describe("credentials that end", () => {
	for (const path of ["/live", "/news"]) {
		test(`end the event stream of ${path}, which says why`, async () => {
			const accept = ["accept", "text/event-stream"];
			const { gateway, clock, answer } = await open(path, accept);
			assert.equal(answer.status, 200);
			assert.ok(isStream(answer.body));
			let text = "";
			let isOver = false;
			const reading = (async () => {
				for await (const piece of answer.body as AsyncIterable<Uint8Array>) {
					text += Buffer.from(piece).toString();
				}
				isOver = true;
			})();
			await clock.advance(3_000_000);
			assert.equal(isOver, false);
			assert.doesNotMatch(text, /event: end/);
			await clock.advance(601_000);
			await reading;
			assert.match(text, /event: end\ndata: .*"reason":"expired"/);
			await gateway.close();
		});

		test(`close the WebSocket of ${path} with 1008`, async () => {
			const upgrade = ["connection", "upgrade", "upgrade", "websocket"];
			const { gateway, clock, answer } = await open(path, upgrade, true);
			assert.equal(answer.status, 101);
			const closed: (readonly [number, string])[] = [];
			const peer: Peer = {
				sendText() {},
				sendBytes() {},
				waitingBytes: 0,
				whenTaken: (callback) => callback(),
				close: (code, reason) => void closed.push([code, reason]),
			};
			const listener = answer.session?.open(peer, openScope({ clock }));
			await clock.advance(3_000_000);
			assert.deepEqual(closed, []);
			await clock.advance(601_000);
			assert.deepEqual(closed, [[1008, "the credentials have ended"]]);
			listener?.onClosed(1008, "");
			await gateway.close();
		});
	}

	const listening = async () => {
		const opened = await open("/news", ["accept", "text/event-stream"]);
		const { body } = opened.answer;
		assert.ok(isStream(body) && body.flowTo);
		const seen = { text: "", ends: 0 };
		const flow = body.flowTo({
			take(piece) {
				seen.text += Buffer.from(piece).toString();
				return true;
			},
			ended: () => void seen.ends++,
		});
		const listeners = () => opened.gateway.state().channels[0]?.listeners;
		return { ...opened, flow, seen, listeners };
	};

	test("end a stream that hands its pieces over, which says why", async () => {
		const { gateway, clock, seen, listeners } = await listening();
		await clock.advance(3_000_000);
		assert.match(seen.text, /event: start/);
		assert.deepEqual([seen.ends, listeners()], [0, 1]);
		await clock.advance(601_000);
		assert.match(seen.text, /event: end\ndata: .*"reason":"expired"/);
		assert.deepEqual([seen.ends, listeners()], [1, 0]);
		await gateway.close();
	});

	test("tell nobody who has left a stream that hands its pieces over", async () => {
		const { gateway, clock, flow, seen, listeners } = await listening();
		flow.leave();
		assert.equal(listeners(), 0);
		await clock.advance(3_601_000);
		assert.doesNotMatch(seen.text, /event: end/);
		assert.equal(seen.ends, 0);
		await gateway.close();
	});
});

test("a token that ends beyond all time opens a stream and a WebSocket that go on", async () => {
	const keys = JSON.stringify({ keys: [key.jwk] });
	await using served = await serve({
		auth: { users: { jwt: { issuer, audience, keys } } },
		channels: { news: {} },
		routes: { "GET /news": { auth: "users", listen: "news" } },
	});
	for (const exp of [8.64e12, Number.MAX_SAFE_INTEGER, 1e305, 1.7e308]) {
		const [name, value] = bearer(signed(key, claimsWith({ exp })));
		const stop = new AbortController();
		const { status, body } = await fetch(`${served.url}/news`, {
			headers: { [`${name}`]: `${value}`, accept: "text/event-stream" },
			signal: stop.signal,
		});
		assert.equal(status, 200, `${exp}`);
		const { value: first } = (await body?.getReader().read()) ?? {};
		assert.doesNotMatch(String(Buffer.from(first ?? [])), /expired/);
		stop.abort();
		const line = `${name}: ${value}`;
		using client = await openWebSocket(`${served.url}/news`, [line]);
		assert.equal(client.status, 101, `${exp}`);
	}
});
