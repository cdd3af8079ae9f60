import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import { headerOf } from "../../src/core/http/headers.ts";
import type { Peer, SessionListener } from "../../src/core/http/session.ts";
import { RequestMemory } from "../../src/core/memory.ts";
import { openScope } from "../../src/tasks/scope.ts";
import { type Reply, type TestGateway, testRoute } from "../kit/gateway.ts";

/** The client's side of a WebSocket, without a server between. */
class FakePeer implements Peer {
	readonly texts: string[] = [];
	closed: [code: number, reason: string] | null = null;
	waitingBytes = 0;
	#taken: (() => void)[] = [];
	/** Whether what is sent waits. */
	slow = false;

	sendText(text: string | Uint8Array): void {
		if (this.closed !== null) return;
		this.texts.push(Buffer.from(text as Uint8Array).toString());
		if (this.slow) this.waitingBytes += text.length;
	}

	sendBytes(): void {
		assert.fail("frames are texts");
	}

	whenTaken(callback: () => void): void {
		if (this.waitingBytes === 0) callback();
		else this.#taken.push(callback);
	}

	take(): void {
		this.waitingBytes = 0;
		for (const callback of this.#taken.splice(0)) callback();
	}

	get waiting(): number {
		return this.#taken.length;
	}

	close(code: number, reason: string): void {
		this.closed ??= [code, reason];
	}

	get frames(): { event: string; id?: string; data: unknown }[] {
		return this.texts.map((text) => JSON.parse(text));
	}

	get kinds(): string[] {
		return this.frames.map(({ event }) => event);
	}
}

async function connect(kit: TestGateway, headers: readonly string[] = []) {
	const { gateway, clock } = kit;
	const scope = openScope({ clock });
	const memory = new RequestMemory(gateway.memory);
	const answer = gateway.handle(
		{
			...{ id: "session", method: "GET", target: "/x", headers, memory },
			...{ ip: "127.0.0.1", arrivedMs: clock.now(), upgradable: true },
			readBody: async () => new Uint8Array(),
			streamBody: () => null,
		},
		scope,
	);
	await clock.advance(0);
	const response = await answer;
	const peer = new FakePeer();
	const { session = null } = response;
	const listener: SessionListener | null = session?.open(peer, scope) ?? null;
	await clock.advance(0);
	return {
		response,
		peer,
		listener,
		scope,
		/** As the server does when the connection is gone. */
		leave(code = 1006) {
			listener?.onClosed(code, "");
			scope.cancel(new GatewayError("client_closed", "gone"));
			memory.end();
		},
		drain() {
			scope.cancel(new GatewayError("gateway_draining", "draining"));
			peer.close(1001, "the server is ending");
		},
	};
}

function liveRoute(
	reply: (nowMs: number) => Reply,
	route: object = {},
	server: object = {},
): TestGateway {
	const kit: TestGateway = testRoute(
		{ live: { every: "10s" }, steps: { a: { get: "users/a" } }, ...route },
		() => reply(kit.clock.now()),
		{ server },
	);
	return kit;
}

async function left(kit: TestGateway) {
	await kit.clock.advance(60_000);
	kit.assertNothingLeft();
	const [state] = kit.gateway.state().live;
	assert.equal(state?.watches, 0);
	assert.equal(state?.watchers, 0);
	assert.equal(kit.gateway.memory.held, 0);
}

describe("a live route over WebSocket", () => {
	it("sends the same as by events, a frame for each", async () => {
		const kit = liveRoute((ms) => {
			if (ms === 20_000) return { status: 500 };
			return { json: { n: ms >= 10_000 } };
		});
		const one = await connect(kit);
		assert.equal(one.response.status, 101);
		assert.equal(one.response.body, null);
		await kit.clock.advance(30_000);
		const { frames } = one.peer;
		const kinds = ["answer", "answer", "problem", "current"];
		assert.deepEqual(one.peer.kinds, kinds);
		assert.deepEqual(frames[1]?.data, { n: true });
		assert.deepEqual(frames[3], { event: "current", data: { stale: false } });
		assert.equal(frames[2]?.id, undefined);
		assert.match(frames[0]?.id ?? "", /^".+"$/);
		one.leave();
		assert.equal(kit.ended.at(-1)?.status, 101);
		await left(kit);
	});

	it("sends what an answer lacks as a frame of its own", async () => {
		const kit = liveRoute(() => ({ status: 500 }), {
			steps: { a: { get: "users/a", optional: true } },
			respond: ["${a}"],
		});
		const one = await connect(kit);
		assert.deepEqual(one.peer.kinds, ["answer", "missing"]);
		one.leave();
		await left(kit);
	});

	it("answers the problem by HTTP if the first run fails", async () => {
		const kit = liveRoute(() => ({ status: 500 }));
		const one = await connect(kit);
		assert.equal(one.response.status, 502);
		assert.equal(one.response.session, undefined);
		one.leave();
		await left(kit);
	});

	it("shares one run with others, and counts them", async () => {
		const kit = liveRoute(() => ({ json: 1 }));
		const two = [await connect(kit), await connect(kit)];
		await kit.clock.advance(25_000);
		assert.equal(kit.calls.length, 3);
		assert.equal(kit.gateway.state().live[0]?.watchers, 2);
		assert.equal(kit.gateway.state().requests?.running, 0);
		for (const one of two) one.leave();
		await left(kit);
	});

	it("gives a slow client the newest, and one thing at a time waits for it", async () => {
		const kit = liveRoute((ms) => ({ json: ms }));
		const one = await connect(kit);
		one.peer.slow = true;
		await kit.clock.advance(50_000);
		assert.deepEqual(
			one.peer.frames.map(({ data }) => data),
			[0, 10_000],
		);
		assert.equal(one.peer.waiting, 1);
		one.peer.take();
		assert.equal(one.peer.frames.at(-1)?.data, 50_000);
		assert.equal(one.peer.texts.length, 3);
		one.leave();
		await left(kit);
	});

	it("ends with a client that sends something", async () => {
		const kit = liveRoute(() => ({ json: 1 }));
		const one = await connect(kit);
		void one.listener?.onMessage(Buffer.from("ping"), true);
		assert.equal(one.peer.closed?.[0], 1008);
		one.leave(1008);
		await left(kit);
	});

	it("says why it ends when the server drains, before the connection is closed", async () => {
		const kit = liveRoute(() => ({ json: 1 }));
		const one = await connect(kit);
		one.drain();
		const last = one.peer.frames.at(-1) as { retry?: number; data: unknown };
		assert.deepEqual(last.data, { reason: "draining" });
		assert.ok((last.retry ?? 0) >= 1000);
		one.leave(1001);
		await left(kit);
	});

	it("ends when the gateway is closed", async () => {
		const kit = liveRoute(() => ({ json: 1 }));
		const one = await connect(kit);
		await kit.gateway.close();
		await kit.clock.advance(0);
		assert.equal(one.peer.kinds.at(-1), "end");
		assert.notEqual(one.peer.closed, null);
		one.leave(1001);
		assert.equal(kit.clock.pending, 0);
	});

	it("ends in good order if the answer's status is no 2xx any more", async () => {
		const kit = liveRoute((ms) => ({ json: ms < 10_000 ? 1 : null }), {
			steps: {
				a: { get: "users/a" },
				none: { when: "${a === null}", reply: { status: 404, body: null } },
			},
			respond: "${a}",
		});
		const one = await connect(kit);
		await kit.clock.advance(10_000);
		const data = { reason: "status", status: 404 };
		assert.deepEqual(one.peer.frames.at(-1), { event: "end", data });
		assert.deepEqual(one.peer.closed?.[0], 1000);
		one.leave(1000);
		await left(kit);
	});

	it("leaves nothing behind if the client is gone before it begins", async () => {
		const kit = liveRoute(() => ({ json: 1, afterMs: 100 }));
		const { clock } = kit;
		const scope = openScope({ clock });
		const memory = new RequestMemory(kit.gateway.memory);
		const answer = kit.gateway.handle(
			{
				...{ id: "session", method: "GET", target: "/x", headers: [], memory },
				...{ ip: "127.0.0.1", arrivedMs: clock.now(), upgradable: true },
				readBody: async () => new Uint8Array(),
				streamBody: () => null,
			},
			scope,
		);
		await clock.advance(100);
		assert.equal((await answer).status, 101);
		scope.cancel(new GatewayError("client_closed", "gone"));
		memory.end();
		await left(kit);
	});
});

describe("pages of other origins", () => {
	const page = ["host", "api.test", "origin", "https://app.test"];
	const cookies = {
		request: { cookies: { id: { type: "string", default: "" } } },
	};
	const statusOf = async (
		headers: readonly string[],
		cors: object | null,
		route: object = {},
	) => {
		const respond = { steps: {}, respond: 1 };
		const kit = liveRoute(
			() => ({}),
			{ ...respond, ...route },
			cors ? { cors } : {},
		);
		const { response, leave } = await connect(kit, headers);
		leave();
		await left(kit);
		if (response.status === 101) return 101;
		const body = JSON.parse(response.body as string);
		assert.equal(body.code, "foreign_origin");
		assert.equal(headerOf(response.headers, "upgrade"), null);
		return response.status;
	};

	it("may not open a WebSocket, unless they may read answers", async () => {
		assert.equal(await statusOf(page, null), 403);
		assert.equal(
			await statusOf(page, { origins: ["https://other.test"] }),
			403,
		);
		assert.equal(await statusOf(page, { origins: ["https://app.test"] }), 101);
		assert.equal(
			await statusOf(page, { origins: ["https://*.app.test"] }),
			403,
		);
		assert.equal(await statusOf(page, { origins: ["*"] }), 101);
		assert.equal(
			await statusOf(["host", "api.test", "origin", "null"], null),
			403,
		);
	});

	it("may not by one user's credentials, unless they may send them", async () => {
		const origins = ["https://app.test"];
		assert.equal(await statusOf(page, { origins }, cookies), 403);
		const credentials = true;
		assert.equal(await statusOf(page, { origins, credentials }, cookies), 101);
	});

	it("are none of the same host, and no programs", async () => {
		const same = ["host", "api.test", "origin", "https://api.test"];
		assert.equal(await statusOf(same, null, cookies), 101);
		assert.equal(await statusOf(["host", "api.test"], null, cookies), 101);
	});
});
