import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RequestMemory } from "../../src/core/memory.ts";
import { openScope } from "../../src/tasks/scope.ts";
import { testGateway } from "../kit/gateway.ts";
import { connectTo, type ListenOptions, listenTo } from "../kit/listeners.ts";

const routes = `
routes:
  GET /rooms/{id}:
    request: { query: { name?: { type: string, maxLength: 20 } } }
    listen: room/\${params.id}
  POST /rooms/{id}:
    rateLimit: { limit: 20, per: 1m }
    request:
      query: { name?: { type: string, maxLength: 20 } }
      cookies: { session?: { type: string, maxLength: 20 } }
      body: { type: object, required: [text] }
    steps:
      said:
        publish: room/\${params.id}
        message: { from: "\${query.name ?? cookies.session}", text: "\${body.text}" }
    respond: \${said}
    status: 201
`;

function rooms(channel = "{}", others = routes, more = "") {
	const test = testGateway(`${more}\nchannels:\n  room: ${channel}\n${others}`);
	const { gateway, clock } = test;
	return {
		...test,
		async connect(target = "/rooms/7?name=Ada", options: ListenOptions = {}) {
			const peer = await connectTo(gateway, target, options);
			await clock.advance(0);
			return {
				...peer,
				get closed() {
					return peer.closed;
				},
				async say(frame: unknown) {
					const said = peer.say(frame);
					await clock.advance(0);
					await said;
					await clock.advance(0);
				},
			};
		},
		channel: () => gateway.state().channels[0],
	};
}

const named = (name: string) => ({ headers: ["origin", name] });

describe("a client that listens over a WebSocket", () => {
	it("is told the same as by events", async () => {
		const { connect, gateway, clock, channel } = rooms(
			"{ presence: true }",
			routes.replace("listen:", 'member: "${query.name}"\n    listen:'),
		);
		const peer = await connect("/rooms/7?name=Ada");
		const listener = await listenTo(gateway, "/rooms/7?name=Bob");
		await clock.advance(0);
		await peer.say({ body: { text: "hello" } });
		assert.equal(peer.status, 101);
		const [start, joined, message] = peer.told.filter(
			({ event }) => event !== "reply",
		);
		assert.equal(start?.event, "start");
		assert.deepEqual(start?.members, ["Ada"]);
		assert.deepEqual(joined, { event: "joined", member: "Bob" });
		assert.equal(message?.event, "message");
		assert.deepEqual(listener.told[1], message);
		assert.equal(channel()?.listeners, 2);
		peer.leave();
		await clock.advance(0);
		assert.deepEqual(listener.told.at(-1), { event: "left", member: "Ada" });
		assert.equal(channel()?.listeners, 1);
		assert.equal(peer.scope.listeners, 0);
	});

	it("comes back with `after` of its address", async () => {
		const { connect, say } = withSay();
		const id = await say("a");
		await say("b");
		const { told } = await connect(`/rooms/7?name=Ada&after=${id}`);
		assert.deepEqual(
			told.map(({ event }) => event),
			["start", "message"],
		);
		const refused = await connect("/rooms/7?after=nothing");
		assert.deepEqual([refused.status, refused.code], [400, "request_invalid"]);
	});

	it("is told of its end when the server drains, and when the gateway closes", async () => {
		const { connect, channel, gateway, ended, clock } = rooms();
		const [one, other] = [await connect(), await connect()];
		one.drain();
		assert.partialDeepStrictEqual(one.told.at(-1), {
			...{ event: "end", reason: "draining" },
		});
		assert.equal(channel()?.listeners, 1);
		await gateway.close();
		assert.partialDeepStrictEqual(other.told.at(-1), {
			...{ event: "end", reason: "closed" },
		});
		// Not all at once.
		const retries = [one, other].map(({ told }) => told.at(-1)?.retry ?? 0);
		assert.ok(retries.every((ms) => ms >= 1_000 && ms < 10_000));
		assert.equal(other.closed?.[0], 1001);
		other.leave();
		one.leave();
		await clock.advance(0);
		assert.deepEqual(
			ended.map(({ status }) => status),
			[101, 101],
		);
		assert.equal(clock.pending, 0);
	});

	it("is told nothing while much waits for it, and misses nothing of it", async () => {
		const { connect, say } = withSay();
		const peer = await connect();
		peer.stall(16 * 1024);
		for (const text of ["a", "b", "c"]) await say(text);
		assert.equal(peer.told.length, 1);
		peer.take();
		assert.deepEqual(
			peer.told.flatMap(({ message }) => (message ? [message] : [])),
			["a", "b", "c"].map((text) => ({ from: "Bob", text })),
		);
		await say("d");
		assert.equal(peer.told.length, 5);
	});

	it("is closed with 1013 if it takes too little, and told with which id to come back", async () => {
		const { connect, say, channel } = withSay("{ waiting: { messages: 2 } }");
		const [peer, other] = [await connect(), await connect()];
		const id = await say("first");
		peer.stall(16 * 1024);
		for (const text of ["a", "b", "c"]) await say(text);
		const { event, reason, after } = peer.told.at(-1) ?? {};
		assert.deepEqual([event, reason, after], ["end", "slow", id]);
		assert.equal(peer.closed?.[0], 1013);
		assert.partialDeepStrictEqual(channel(), { listeners: 1, dropped: 1 });
		assert.equal(other.told.length, 5);
	});

	it("takes no place among the requests in progress", async () => {
		const { connect, gateway } = rooms();
		await connect();
		assert.equal(gateway.state().requests?.running, 0);
	});

	it("is one listener too many as any other", async () => {
		const { connect } = rooms("{ listeners: 1 }");
		await connect();
		const refused = await connect();
		assert.deepEqual([refused.status, refused.code], [503, "channel_full"]);
	});

	it("that never opens, because its connection was cut before, is forgotten", async () => {
		const { gateway, channel, clock } = rooms();
		const scope = openScope({ clock });
		const request = {
			...{ id: "peer", method: "GET", target: "/rooms/7", headers: [] },
			...{ ip: "127.0.0.1", arrivedMs: 0, upgradable: true as const },
			memory: new RequestMemory(gateway.memory),
			readBody: async () => new Uint8Array(),
			streamBody: () => null,
		};
		await gateway.handle(request, scope);
		assert.equal(channel()?.listeners, 1);
		scope.cancel("cut");
		assert.equal(channel()?.listeners, 0);
	});
});

/** Somebody else says something. */
function withSay(channel = "{}") {
	const test = rooms(channel);
	return {
		...test,
		async say(text: string): Promise<string> {
			const body = { text };
			const { answer } = test.send("/rooms/7?name=Bob", {
				...{ method: "POST", body },
			});
			await test.clock.advance(0);
			return ((await answer).json as { id: string }).id;
		},
	};
}

describe("a frame of a client", () => {
	it("is a POST to its own address, and its answer is a frame that names it", async () => {
		const { connect, ended } = rooms();
		const peer = await connect();
		await peer.say({ id: "x1", body: { text: "hello" } });
		const message = peer.told.find(({ event }) => event === "message");
		assert.deepEqual(message?.message, { from: "Ada", text: "hello" });
		assert.deepEqual(peer.told.at(-1), {
			...{ event: "reply", id: "x1", status: 201 },
			body: { id: message?.id, listeners: 1 },
		});
		assert.partialDeepStrictEqual(ended, [
			{ method: "POST", route: "POST /rooms/{id}", status: 201 },
		]);
	});

	it("without an id is named by its number", async () => {
		const { connect } = rooms();
		const peer = await connect();
		const body = { text: "a" };
		for (const frame of [{ body }, { body, id: 70 }, { body }]) {
			await peer.say(frame);
		}
		assert.deepEqual(
			peer.told.flatMap(({ event, id }) => (event === "reply" ? [id] : [])),
			[1, 70, 3],
		);
	});

	it("that the route refuses is answered with the problem", async () => {
		const { connect } = rooms();
		const peer = await connect();
		await peer.say({ id: "a", body: { texx: 1 } });
		const { status, body } = peer.told.at(-1) ?? {};
		assert.equal(status, 400);
		assert.partialDeepStrictEqual(body, {
			code: "request_invalid",
			errors: [{ at: "body/text" }],
		});
	});

	for (const [frame, message] of [
		["{", "is not JSON"],
		["[]", "is not an object"],
		["7", "is not an object"],
		["null", "is not an object"],
		["{}", "has no `body`"],
		[
			{ id: {}, body: 1 },
			"has an `id` that is no text of up to 100 characters and no whole number",
		],
		[
			{ id: "x".repeat(101), body: 1 },
			"has an `id` that is no text of up to 100 characters and no whole number",
		],
	] as const) {
		const shown = JSON.stringify(frame).slice(0, 40);
		it(`that is none is refused, and the next one read: ${shown}`, async () => {
			const { connect } = rooms();
			const peer = await connect();
			await peer.say(frame);
			assert.partialDeepStrictEqual(peer.told.at(-1), {
				...{ event: "reply", id: 1, status: 400 },
				body: { errors: [{ at: "frame", message }] },
			});
			await peer.say({ id: "x".repeat(100), body: { text: "well" } });
			assert.equal(peer.told.at(-1)?.status, 201);
		});
	}

	it("counts for the rate limit of its route", async () => {
		const { connect } = rooms();
		const peer = await connect();
		for (let at = 0; at < 20; at++) await peer.say({ body: { text: "a" } });
		assert.equal(peer.told.at(-1)?.status, 201);
		await peer.say({ body: { text: "a" } });
		assert.equal(peer.told.at(-1)?.status, 429);
	});

	it("carries the cookies with which the WebSocket was opened", async () => {
		const { connect } = rooms();
		const headers = ["cookie", "session=s1", "accept", "text/event-stream"];
		const peer = await connect("/rooms/7", { headers });
		await peer.say({ body: { text: "a" } });
		const message = peer.told.find(({ event }) => event === "message");
		assert.deepEqual(message?.message, { from: "s1", text: "a" });
	});

	it("may be as long as a message and 4 KiB", async () => {
		const { connect } = rooms("{ maxMessage: 1KiB }");
		assert.equal((await connect()).messageBytesMax, 5 * 1024);
	});

	it("of bytes ends the WebSocket with 1003", async () => {
		const { connect } = rooms();
		const peer = await connect();
		peer.sayBytes(new Uint8Array(3));
		assert.equal(peer.closed?.[0], 1003);
	});

	it("is answered with 404 or 405 where no route takes it", async () => {
		const { connect } = rooms(
			"{}",
			'routes:\n  GET /rooms/{id}: { listen: "room/${params.id}" }',
		);
		const peer = await connect("/rooms/7");
		await peer.say({ body: 1 });
		assert.equal(peer.told.at(-1)?.status, 405);
	});

	it("keeps the digits of large numbers", async () => {
		const { connect } = rooms(
			"{}",
			`
routes:
  GET /rooms/{id}: { listen: "room/\${params.id}" }
  POST /rooms/{id}:
    request: { body: {} }
    respond: "\${body}"
`,
		);
		const peer = await connect("/rooms/7");
		await peer.say('{"body":{"n":[12345678901234567890,0.10]}}');
		const sent = peer.texts.at(-1) ?? "";
		assert.ok(sent.endsWith('"body":{"n":[12345678901234567890,0.1]}}'), sent);
	});

	it("that is still worked on is aborted when its client leaves", async () => {
		const test = testGateway(
			`
upstreams: { users: { url: "http://users.test" } }
channels: { room: {} }
routes:
  GET /room: { listen: room }
  POST /room:
    request: { body: {} }
    steps: { user: { get: users/a } }
    respond: "\${user}"
`,
			() => ({ afterMs: 1_000 }),
		);
		const peer = await connectTo(test.gateway, "/room");
		const said = peer.say({ body: 1 });
		await test.clock.advance(10);
		peer.leave();
		await test.clock.advance(0);
		await said;
		assert.notEqual(test.calls[0]?.aborted, null);
		assert.equal(peer.told.length, 1);
		test.assertNothingLeft();
	});
});

describe("a page of another origin", () => {
	const refused = async (more: string, options: ListenOptions) => {
		const { connect } = rooms("{}", routes, more);
		return (await connect("/rooms/7", options)).status;
	};
	const cors = (credentials: boolean) =>
		`server: { cors: { origins: ["https://app.example"], credentials: ${credentials} } }`;

	it("may open no WebSocket", async () => {
		for (const origin of ["https://evil.example", "null", "http://gateway"]) {
			assert.equal(await refused("", named(origin)), 403);
		}
		assert.equal(await refused("", named("https://gateway.test")), 101);
		assert.equal(await refused("", {}), 101);
	});

	it("may if it may read answers, with cookies only if they may go along", async () => {
		const app = "https://app.example";
		const withCookie = { headers: ["origin", app, "cookie", "a=b"] };
		assert.equal(await refused(cors(false), named(app)), 101);
		assert.equal(await refused(cors(false), withCookie), 403);
		assert.equal(await refused(cors(true), withCookie), 101);
		assert.equal(await refused(cors(true), named("https://x.example")), 403);
	});
});
