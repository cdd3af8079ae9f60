import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AskOptions, testGateway } from "../kit/gateway.ts";
import { listenTo, type Told } from "../kit/listeners.ts";

const routes = `
routes:
  GET /rooms/{id}:
    listen: room/\${params.id}
  POST /rooms/{id}:
    request: { body: {} }
    steps:
      said: { publish: "room/\${params.id}", message: "\${body}" }
    respond: \${said}
    status: 201
`;

/** A gateway with rooms, and what a client does with them. */
function rooms(channel = "{}", others = routes) {
	const test = testGateway(`channels:\n  room: ${channel}\n${others}`);
	const { gateway, clock } = test;
	const ask = async (target: string, options?: AskOptions) => {
		const { answer } = test.send(target, options);
		await clock.advance(0);
		return answer;
	};
	return {
		...test,
		ask,
		say: async (message: unknown, room = "7") => {
			const answering = gateway.handle({
				method: "POST",
				target: `/rooms/${room}`,
				headers: ["content-type", "application/json"],
				body: JSON.stringify(message),
			});
			await clock.advance(0);
			const { status, body } = await answering;
			assert.equal(status, 201, String(body));
			return (JSON.parse(String(body)) as { id: string }).id;
		},
		async listen(target = "/rooms/7", headers: readonly string[] = []) {
			const listener = await listenTo(gateway, target, { headers });
			await clock.advance(0);
			return listener;
		},
		async poll(target = "/rooms/7", headers: readonly string[] = []) {
			const answer = await ask(target, { headers });
			assert.equal(answer.status, 200, answer.text);
			return answer.json as Polled;
		},
		channel: () => gateway.state().channels[0],
	};
}

interface Polled {
	readonly after: string;
	readonly events: readonly Told[];
	readonly members?: readonly unknown[];
}

const messagesOf = (told: readonly Told[]) =>
	told.flatMap(({ event, message }) => (event === "message" ? [message] : []));

/** The id so many messages later. */
function idLater(id: string, by: number): string {
	const [epoch, offset] = id.split("-");
	return `${epoch}-${Number(offset) + by}`;
}

describe("a channel", () => {
	it("gives a message to everybody who listens, in the order in which they were published", async () => {
		const { listen, say, channel } = rooms();
		const [one, other] = [await listen(), await listen()];
		const elsewhere = await listen("/rooms/8");
		const ids = [await say("a"), await say({ b: 1 }), await say(null)];
		for (const { told } of [one, other]) {
			assert.deepEqual(
				told.slice(1),
				["a", { b: 1 }, null].map((message, index) => ({
					...{ event: "message", id: ids[index], message },
				})),
			);
		}
		assert.deepEqual(messagesOf(elsewhere.told), []);
		assert.partialDeepStrictEqual(channel(), {
			...{ name: "room", instances: 2, listeners: 3 },
			...{ published: 3, delivered: 6, dropped: 0 },
		});
	});

	it("numbers its messages, in each instance from 1 on", async () => {
		const { say } = rooms();
		const [first, second, third] = [
			...[await say("a"), await say("b"), await say("c", "8")],
		];
		assert.match(first ?? "", /^[0-9a-z]+-1$/);
		assert.equal(second, idLater(first ?? "", 1));
		assert.match(third ?? "", /-1$/);
		assert.notEqual(third, first);
	});

	it("tells the step that publishes its id, and how many listen", async () => {
		const { listen, ask, say } = rooms();
		const id = await say("a");
		await listen();
		await listen();
		const { json } = await ask("/rooms/7", { method: "POST", body: 1 });
		assert.deepEqual(json, { id: idLater(id, 1), listeners: 2 });
	});

	it("begins with what is kept, and says after which message", async () => {
		const { listen, say } = rooms("{ keep: { last: 2 } }");
		const id = await say("a");
		await say("b");
		await say("c");
		const { told, events } = await listen();
		assert.deepEqual(told[0], { event: "start", id });
		assert.deepEqual(messagesOf(told), ["b", "c"]);
		assert.deepEqual(
			events.map((event) => event.id),
			[id, idLater(id, 1), idLater(id, 2)],
		);
	});

	it("begins with what comes, if a client wants no more", async () => {
		const { listen, say } = rooms();
		const id = await say("a");
		const { told } = await listen("/rooms/7?after=latest");
		assert.deepEqual(told, [{ event: "start", id }]);
		await say("b");
		assert.deepEqual(messagesOf(told), ["b"]);
	});

	it("gives a client that comes back what it missed", async () => {
		const { listen, say } = rooms();
		const id = await say("a");
		await say("b");
		await say("c");
		const byField = await listen("/rooms/7", ["last-event-id", id]);
		const byQuery = await listen(`/rooms/7?after=${id}`);
		for (const { told } of [byField, byQuery]) {
			assert.deepEqual(told[0], { event: "start", id });
			assert.deepEqual(messagesOf(told), ["b", "c"]);
		}
	});

	it("takes the field of a browser that comes back for newer than the address", async () => {
		const { listen, say } = rooms();
		const id = await say("a");
		await say("b");
		const field = ["last-event-id", idLater(id, 1)];
		const { told } = await listen(`/rooms/7?after=${id}`, field);
		assert.deepEqual(messagesOf(told), []);
	});

	it("tells exactly which messages are lost", async () => {
		const { listen, say } = rooms("{ keep: { last: 2 } }");
		const id = await say(1);
		for (let at = 2; at <= 6; at++) await say(at);
		const { told, events } = await listen(`/rooms/7?after=${id}`);
		const [from, to] = [idLater(id, 1), idLater(id, 3)];
		assert.deepEqual(told[1], { event: "gap", from, to, lost: 3 });
		// Whoever is cut here comes back with what it knows by then.
		assert.equal(events[1]?.id, to);
		assert.deepEqual(messagesOf(told), [5, 6]);
	});

	it("says that nobody knows what is lost, if the id is of another process", async () => {
		const { listen, say } = rooms();
		await say("a");
		const { told } = await listen("/rooms/7?after=0123456789a-57");
		assert.deepEqual(told[1], {
			...{ event: "gap", from: null, to: null, lost: null },
		});
		assert.deepEqual(messagesOf(told), ["a"]);
	});

	it("keeps messages for as long as it says, to the millisecond", async () => {
		const { poll, say, clock } = rooms("{ keep: { for: 10s } }");
		await say("a");
		await clock.advance(9_999);
		assert.deepEqual(messagesOf((await poll()).events), ["a"]);
		await clock.advance(1);
		assert.deepEqual((await poll()).events, []);
	});

	it("keeps nothing if it says so, and still numbers", async () => {
		const { poll, say, channel } = rooms("{ keep: { last: 0 } }");
		const id = await say("a");
		assert.deepEqual(await poll(), { after: id, events: [] });
		assert.equal(channel()?.keptBytes, 0);
		const { events } = await poll(`/rooms/7?after=${idLater(id, -1)}`);
		assert.deepEqual(events, [{ event: "gap", from: id, to: id, lost: 1 }]);
	});
});

describe("a client that polls", () => {
	it("gets what is kept at once, if it does not say that it would wait", async () => {
		const { poll, say, ask } = rooms();
		const id = await say("a");
		const event = { event: "message", id, message: "a" };
		assert.deepEqual(await poll(), { after: id, events: [event] });
		const answer = await ask("/rooms/7");
		assert.equal(answer.header("cache-control"), "no-store");
		assert.equal(answer.header("preference-applied"), null);
		const head = await ask("/rooms/7", { method: "HEAD" });
		assert.equal(head.status, 200);
	});

	it("waits for the first message", async () => {
		const { send, say, clock, gateway } = rooms();
		const { answer } = send("/rooms/7", { headers: ["prefer", "wait=20"] });
		await clock.advance(5_000);
		assert.equal(gateway.state().requests?.running, 0);
		const id = await say("a");
		const { json, atMs, header } = await answer;
		assert.equal(atMs, 5_000);
		assert.equal(header("preference-applied"), "wait=20");
		const event = { event: "message", id, message: "a" };
		assert.deepEqual(json, { after: id, events: [event] });
	});

	it("gets an empty list when its wait is over, and then leaves nothing behind", async () => {
		const { send, clock, poll, settle, assertNothingLeft } = rooms();
		const { after } = await poll();
		const { answer } = send(`/rooms/7?after=${after}`, {
			headers: ["prefer", "wait=20"],
		});
		await clock.advance(20_000);
		const { status, json, atMs } = await answer;
		assert.deepEqual(
			[status, json, atMs],
			[200, { after, events: [] }, 20_000],
		);
		await settle();
		assertNothingLeft();
	});

	it("misses nothing between two answers", async () => {
		const { poll, say } = rooms();
		let after = (await poll()).after;
		const heard: unknown[] = [];
		for (let round = 0; round < 5; round++) {
			await say(`a${round}`);
			await say(`b${round}`);
			const wait = ["prefer", "wait=10"];
			const answer = await poll(`/rooms/7?after=${after}`, wait);
			heard.push(...messagesOf(answer.events));
			after = answer.after;
		}
		assert.deepEqual(
			heard,
			[0, 1, 2, 3, 4].flatMap((round) => [`a${round}`, `b${round}`]),
		);
	});

	it("is told if the member that it alone makes is too long, and that of a step fails", async () => {
		const { ask, channel } = rooms(
			"{ presence: true }",
			`
routes:
  GET /rooms/{id}:
    request: { query: { name?: { type: string } } }
    listen: room/\${params.id}
    member: { name: "\${query.name}" }
  GET /made/{id}:
    request: { query: { name?: { type: string } } }
    steps:
      own: { value: "\${query.name}" }
    listen: room/\${params.id}
    member: { name: "\${own}" }
`,
		);
		const long = (length: number) => "x".repeat(length - '{"name":""}'.length);
		assert.equal((await ask(`/rooms/7?name=${long(1024)}`)).status, 200);
		const byClient = await ask(`/rooms/7?name=${long(1025)}`);
		assert.deepEqual([byClient.status, byClient.code], [400, "limit_exceeded"]);
		const message = "makes a `member` that is longer than 1024 bytes";
		assert.partialDeepStrictEqual(byClient.json, {
			errors: [{ at: "query.name", message }],
		});
		const byStep = await ask(`/made/7?name=${long(1025)}`);
		assert.deepEqual([byStep.status, byStep.code], [500, "limit_exceeded"]);
		assert.equal(channel()?.listeners, 0);
	});

	it("hears at once who came or went between two answers", async () => {
		const { listen, poll, send, clock, channel } = rooms(
			"{ presence: true }",
			`
routes:
  GET /rooms/{id}:
    request: { query: { name?: { type: string } } }
    listen: room/\${params.id}
    member: \${query.name ?? 'somebody'}
`,
		);
		const now = ["prefer", "wait=0"];
		const wait = ["prefer", "wait=20"];
		const first = await poll("/rooms/7?name=Ada", now);
		assert.deepEqual(first.members, ["Ada"]);
		const bob = await listen("/rooms/7?name=Bob");
		const next = (after: string) => `/rooms/7?name=Ada&after=${after}`;
		const came = await poll(next(first.after), wait);
		assert.deepEqual([came.members, came.events], [["Ada", "Bob"], []]);
		bob.leave();
		await clock.advance(0);
		const went = await poll(next(came.after), wait);
		assert.deepEqual(went.members, ["Ada"]);
		// Now it knows all, and waits.
		const { answer } = send(next(went.after), { headers: wait });
		await clock.advance(19_000);
		assert.equal(channel()?.listeners, 1);
		await clock.advance(1_000);
		assert.deepEqual((await answer).json, went);
		// What a poll gave is an id for whoever listens, too.
		const other = await listen(next(went.after));
		assert.equal(other.told[0]?.event, "start");
	});

	it("waits no longer than a proxy before the gateway would", async () => {
		const { send, clock } = rooms();
		const { answer } = send("/rooms/7", { headers: ["prefer", "wait=3600"] });
		await clock.advance(55_000);
		assert.equal((await answer).header("preference-applied"), "wait=55");
	});

	it("waits for nothing any more when it has left", async () => {
		const { send, clock, channel, ended } = rooms();
		const { leave, answer } = send("/rooms/7", {
			headers: ["prefer", "wait=20"],
		});
		await clock.advance(1_000);
		assert.equal(channel()?.listeners, 1);
		leave();
		await clock.advance(0);
		assert.equal((await answer).code, "client_closed");
		assert.equal(channel()?.listeners, 0);
		assert.equal(clock.pending, 0);
		assert.equal(ended[0]?.status, 499);
	});

	it("gets no more than a megabyte at once, and the rest when it asks again", async () => {
		const { poll, say } = rooms("{ maxMessage: 1MiB }");
		const long = "x".repeat(600_000);
		for (const _ of [1, 2, 3]) await say(long);
		const first = await poll();
		assert.equal(first.events.length, 2);
		const rest = await poll(`/rooms/7?after=${first.after}`);
		assert.equal(rest.events.length, 1);
	});
});

describe("a client is refused with 400 that comes with", () => {
	for (const after of [
		...["x", "1", "abc-", "-1", "ABC-1", "abc-1x", "%FF"],
		...["abc-1.", "abc-1.1234567", "abc-1.1234567z"],
	]) {
		it(`what is no id: ${after}`, async () => {
			const { ask } = rooms();
			const answer = await ask(`/rooms/7?after=${after}`);
			assert.equal(answer.status, 400);
			assert.deepEqual((answer.json as { errors: unknown }).errors, [
				{ at: "query.after", message: "is no id of a message" },
			]);
		});
	}

	it("an id that was never given", async () => {
		const { say, listen, ask } = rooms();
		const later = idLater(await say("a"), 1);
		assert.equal((await ask(`/rooms/7?after=${later}`)).status, 400);
		const { status } = await listen("/rooms/7", ["last-event-id", later]);
		assert.equal(status, 400);
	});
});

describe("a message", () => {
	const schema =
		"{ message: { type: object, required: [text], properties: { text: { type: string, maxLength: 5 } } }, maxMessage: 61B }";

	/** As `routes`, but what is said is made of more than the client's input. */
	const made = routes
		.replace("steps:", 'steps:\n      own: { value: "${body}" }')
		.replace('"${body}" }\n    respond', '"${own}" }\n    respond');

	it("that a client alone makes must fit the schema of its channel, or it is told what does not fit", async () => {
		const { ask, channel, ended } = rooms(schema);
		const faulty = await ask("/rooms/7", {
			method: "POST",
			body: { text: "secret" },
		});
		assert.deepEqual([faulty.status, faulty.code], [400, "request_invalid"]);
		assert.partialDeepStrictEqual(faulty.json, {
			errors: [
				{
					at: "body",
					message:
						"makes a message that does not fit: `message/text` is longer than 5 characters",
				},
			],
		});
		const [end] = ended;
		assert.match(end?.error?.message ?? "", /`room`, at `message\/text`$/);
		assert.doesNotMatch(end?.error?.message ?? "", /secret/);
		assert.equal(channel()?.published, 0);
		assert.equal(channel()?.instances, 0);
	});

	it("that a client alone makes may be so long, and it is told how long", async () => {
		const { ask, ended, channel } = rooms("{ maxMessage: 61B }");
		const long = { method: "POST", body: { text: "x".repeat(100) } };
		const { status, code, json } = await ask("/rooms/7", long);
		assert.deepEqual([status, code], [400, "limit_exceeded"]);
		assert.partialDeepStrictEqual(json, {
			errors: [
				{ at: "body", message: "makes a message that is longer than 61 bytes" },
			],
		});
		assert.match(ended[0]?.error?.message ?? "", /`room` \(`maxMessage`\)/);
		assert.equal(channel()?.published, 0);
		const other = rooms("{ maxMessage: 61B }", made);
		const failed = await other.ask("/rooms/7", long);
		assert.deepEqual([failed.status, failed.code], [500, "limit_exceeded"]);
		assert.ok(!("errors" in (failed.json as object)));
	});

	it("must fit the schema of its channel, or its step fails", async () => {
		const { ask, channel, ended } = rooms(schema, made);
		const faulty = await ask("/rooms/7", {
			method: "POST",
			body: { text: "secret" },
		});
		assert.deepEqual([faulty.status, faulty.code], [500, "step_failed"]);
		const [end] = ended;
		assert.match(end?.error?.message ?? "", /`room`, at `message\/text`$/);
		assert.doesNotMatch(end?.error?.message ?? "", /secret/);
		assert.equal(channel()?.published, 0);
		assert.equal(channel()?.instances, 0);
	});

	it("may be as long as its channel says, and not a byte longer", async () => {
		const { ask, say } = rooms(schema);
		const padded = (length: number) => ({
			text: "ok",
			more: "é".repeat((length - 23) / 2),
		});
		assert.equal(Buffer.byteLength(JSON.stringify(padded(61))), 61);
		await say(padded(61));
		const body = padded(63);
		const answer = await ask("/rooms/7", { method: "POST", body });
		assert.deepEqual([answer.status, answer.code], [400, "limit_exceeded"]);
		const other = rooms(schema, made);
		const failed = await other.ask("/rooms/7", { method: "POST", body });
		assert.deepEqual([failed.status, failed.code], [500, "limit_exceeded"]);
	});

	it("that fails may be filled in as any step", async () => {
		const { ask } = rooms(
			schema,
			`
routes:
  POST /rooms/{id}:
    request: { body: {} }
    steps:
      said: { publish: "room/\${params.id}", message: "\${body}", optional: true }
    respond: { said: "\${said}" }
`,
		);
		const answer = await ask("/rooms/7", { method: "POST", body: 1 });
		assert.deepEqual(answer.json, { said: null });
		assert.equal(answer.header("sluice-complete"), "?0");
	});

	it("keeps the digits of large numbers", async () => {
		const { listen, ask } = rooms();
		const { events } = await listen();
		const body = new TextEncoder().encode('{"n":12345678901234567890}');
		await ask("/rooms/7", {
			...{ method: "POST", body, contentType: "application/json" },
		});
		assert.equal(events.length, 2);
	});
});

describe("the instance of a channel", () => {
	it("is one segment, whatever data say", async () => {
		const { listen, say } = rooms();
		const { told } = await listen("/rooms/a%2Fb");
		await say("in", "a%2Fb");
		await say("out", "a");
		assert.deepEqual(messagesOf(told), ["in"]);
	});

	for (const [room, what] of [
		["%2E%2E", "makes a path's segment empty, `.` or `..`"],
		["a%00b", "holds a NUL"],
		["a".repeat(257), "makes a name longer than 256 characters"],
	] as const) {
		it(`is refused if it ${what}`, async () => {
			const { ask, channel } = rooms();
			const answer = await ask(`/rooms/${room}`);
			assert.equal(answer.status, 400);
			assert.deepEqual((answer.json as { errors: unknown }).errors, [
				{ at: "params.id", message: what },
			]);
			const said = await ask(`/rooms/${room}`, { method: "POST", body: 1 });
			assert.equal(said.status, 400);
			assert.equal(channel()?.instances, 0);
		});
	}

	it("may have 256 characters", async () => {
		const { say } = rooms();
		await say(1, "a".repeat(256));
	});

	it("is never null", async () => {
		const { ask, ended } = rooms(
			"{}",
			`
routes:
  GET /rooms:
    request: { query: { id?: { type: string, maxLength: 20 } } }
    listen: room/\${query.id}
  POST /rooms:
    steps:
      none: { value: null }
      said: { publish: "room/\${none}", message: 1 }
    respond: \${said}
`,
		);
		assert.equal((await ask("/rooms")).status, 400);
		assert.equal((await ask("/rooms?id=")).status, 400);
		await ask("/rooms", { method: "POST" });
		assert.equal(ended[2]?.error?.code, "reference_missing");
	});

	it("vanishes when nobody has used it for a while, and its ids with it", async () => {
		const { listen, say, clock, channel, poll } = rooms(
			"{ keep: { for: 5s } }",
		);
		const id = await say("a");
		const listener = await listen();
		await clock.advance(200_000);
		assert.equal(channel()?.instances, 1);
		listener.leave();
		await clock.advance(200_000);
		assert.partialDeepStrictEqual(channel(), {
			...{ instances: 0, listeners: 0, keptBytes: 0 },
		});
		const { events } = await poll(`/rooms/7?after=${id}`);
		assert.equal(events[0]?.lost, null);
	});

	it("that is one too many is refused, unless nobody listens to another", async () => {
		const { ask, say, listen, clock } = rooms(
			"{ instances: 2, keep: { for: 5s } }",
		);
		const first = await listen("/rooms/1");
		await say("a", "1");
		const { leave } = await listen("/rooms/2");
		assert.equal((await ask("/rooms/3")).code, "channel_full");
		const said = await ask("/rooms/3", { method: "POST", body: 1 });
		assert.equal(said.status, 503);
		leave();
		await clock.advance(0);
		await say("b", "3");
		await listen("/rooms/3");
		assert.equal((await ask("/rooms/2")).code, "channel_full");
		await say("c", "1");
		assert.deepEqual(messagesOf(first.told), ["a", "c"]);
	});

	it("that only keeps messages gives way, and whoever comes back hears that they are lost", async () => {
		const { say, poll, listen, channel } = rooms("{ instances: 3 }");
		const id = await say("a", "1");
		await say("b", "2");
		await say("c", "1");
		await say("d", "3");
		// Nobody has used this one for longest: it is not the oldest.
		await say("e", "4");
		assert.equal(channel()?.instances, 3);
		assert.deepEqual(messagesOf((await poll("/rooms/1")).events), ["a", "c"]);
		await listen("/rooms/1");
		await say("f", "5");
		await say("g", "6");
		await say("h", "7");
		// With a listener it stays, although others were used later.
		const { events } = await poll(`/rooms/1?after=${id}`);
		assert.deepEqual(messagesOf(events), ["c"]);
		const lost = await poll(`/rooms/4?after=${id}`);
		assert.equal(lost.events[0]?.lost, null);
		assert.deepEqual(messagesOf(lost.events), []);
	});

	it("gives way after those that keep nothing", async () => {
		const { say, poll, ask, channel } = rooms("{ instances: 2 }");
		await say("a", "1");
		for (const room of [2, 3, 4]) {
			assert.equal((await ask(`/rooms/${room}`)).status, 200);
		}
		assert.equal(channel()?.instances, 2);
		assert.deepEqual(messagesOf((await poll("/rooms/1")).events), ["a"]);
	});

	it("whose member polls does not give way while the member is expected back", async () => {
		const { say, ask, poll, clock } = rooms(
			"{ instances: 1, presence: true }",
			`
routes:
  GET /rooms/{id}: { listen: "room/\${params.id}", member: ada }
  POST /rooms/{id}:
    request: { body: {} }
    steps:
      said: { publish: "room/\${params.id}", message: "\${body}" }
    respond: \${said}
    status: 201
`,
		);
		await say("a", "1");
		await poll("/rooms/1", ["prefer", "wait=0"]);
		assert.equal((await ask("/rooms/2")).code, "channel_full");
		await clock.advance(10_000);
		await say("b", "2");
		assert.deepEqual(messagesOf((await poll("/rooms/2")).events), ["b"]);
	});
});

describe("the bounds of a channel", () => {
	it("let so many listen, and no more", async () => {
		const { listen, channel } = rooms("{ listeners: 2 }");
		const first = await listen("/rooms/1");
		await listen("/rooms/2");
		const { status } = await listen("/rooms/2");
		assert.equal(status, 503);
		first.leave();
		assert.equal((await listen("/rooms/2")).status, 200);
		assert.equal(channel()?.listeners, 2);
	});

	it("let a slow listener lag by so many messages, and tell it when it is let go", async () => {
		const { listen, say, channel } = rooms("{ waiting: { messages: 3 } }");
		const [slow, other] = [await listen(), await listen()];
		slow.pause();
		const id = await say(0);
		for (const message of [1, 2, 3]) await say(message);
		assert.equal(channel()?.listeners, 2);
		assert.ok((channel()?.waitingBytes ?? 0) > 0);
		await say(4);
		assert.partialDeepStrictEqual(channel(), {
			...{ listeners: 1, dropped: 1, waitingBytes: 0 },
		});
		slow.go();
		await say(5);
		assert.deepEqual(messagesOf(slow.told), [0]);
		const retry = slow.events.at(-1)?.retry ?? 0;
		assert.deepEqual(slow.told.at(-1), {
			...{ event: "end", reason: "slow", after: id, retry },
		});
		assert.ok(retry >= 1000);
		assert.equal(slow.ended, true);
		assert.deepEqual([slow.scope.listeners, slow.accepting.listeners], [0, 0]);
		assert.deepEqual(messagesOf(other.told), [0, 1, 2, 3, 4, 5]);
		// It comes back with that id, and has missed nothing.
		const again = await listen(`/rooms/7?after=${id}`);
		assert.deepEqual(messagesOf(again.told), [1, 2, 3, 4, 5]);
	});

	it("let a slow listener lag by so many bytes", async () => {
		const { listen, say, channel } = rooms("{ waiting: { bytes: 1KiB } }");
		const slow = await listen();
		slow.pause();
		await say("");
		// An event without its message takes some 100 bytes.
		await say("x".repeat(850));
		assert.equal(channel()?.listeners, 1);
		await say("x".repeat(200));
		assert.equal(channel()?.listeners, 0);
	});

	it("drop kept messages if memory is short, and say so to whoever comes back", async () => {
		const { poll, say, gateway } = rooms("{ keep: { last: 100 } }");
		const id = await say(0);
		for (let at = 1; at < 100; at++) await say(at);
		const { memory } = gateway;
		const { kept } = memory;
		assert.ok(kept > 0);
		memory.held += memory.bytesMax - memory.held - kept / 2;
		assert.ok(memory.fits(0));
		assert.ok(memory.kept <= kept / 2);
		memory.held = 0;
		const { events } = await poll(`/rooms/7?after=${id}`);
		const [gap, ...rest] = events;
		assert.equal(gap?.event, "gap");
		assert.equal(1 + (gap?.lost ?? 0) + rest.length, 100);
	});

	it("give back all memory when everybody has gone", async () => {
		const { listen, say, gateway, clock, channel } = rooms(
			"{ keep: { for: 1s } }",
		);
		const listeners = [await listen(), await listen(), await listen()];
		listeners[0]?.pause();
		for (let at = 0; at < 20; at++) await say(at);
		assert.ok(gateway.memory.held > 0);
		for (const { leave } of listeners) leave();
		await clock.advance(100_000);
		assert.deepEqual([gateway.memory.held, gateway.memory.kept], [0, 0]);
		assert.equal(channel()?.instances, 0);
		assert.equal(clock.pending, 0);
	});
});

describe("an event stream", () => {
	it("shows that it is alive if nothing happens", async () => {
		const { listen, clock, say } = rooms();
		const { events } = await listen();
		await say("a");
		await clock.advance(30_000);
		const comments = () => events.filter(({ data }) => data === null).length;
		assert.equal(comments(), 1);
		await clock.advance(60_000);
		assert.equal(comments(), 5);
	});

	it("takes no place among the requests in progress", async () => {
		const { listen, gateway } = rooms();
		await listen();
		assert.equal(gateway.state().requests?.running, 0);
	});

	it("is an answer to a Web-standard request, too, which ends when nobody reads it any more", async () => {
		const { gateway, channel, clock } = rooms();
		const asked = gateway.fetch(
			new Request("http://gateway.test/rooms/7", {
				headers: { accept: "text/event-stream" },
			}),
		);
		await clock.advance(0);
		const { body } = await asked;
		const reader = body?.getReader();
		const { value } = (await reader?.read()) ?? {};
		assert.match(Buffer.from(value as Uint8Array).toString(), /event: start/);
		assert.equal(channel()?.listeners, 1);
		await reader?.cancel();
		await clock.advance(0);
		assert.equal(channel()?.listeners, 0);
	});

	it("ends with a reason when the server drains, and spreads those that come back", async () => {
		const { listen, channel, say } = rooms();
		const listeners = await Promise.all([1, 2, 3, 4, 5, 6].map(() => listen()));
		const id = await say("a");
		for (const { drain } of listeners) drain();
		await new Promise(setImmediate);
		const ends = listeners.map(({ events }) => events.at(-1));
		for (const end of ends) {
			const retry = end?.retry ?? 0;
			const told = { event: "end", reason: "draining", after: id, retry };
			assert.deepEqual(end?.data, told);
			assert.ok(retry >= 1_000 && retry < 10_000);
		}
		assert.ok(new Set(ends.map((end) => end?.retry)).size > 1);
		assert.ok(listeners.every(({ ended }) => ended));
		assert.equal(channel()?.listeners, 0);
	});

	it("ends when the gateway closes, and its request is told of", async () => {
		const { listen, gateway, ended, clock } = rooms();
		const { told, ended: over } = await listen();
		await gateway.close();
		await clock.advance(0);
		assert.equal(told.at(-1)?.reason, "closed");
		assert.equal(over, false);
		assert.deepEqual(
			ended.map(({ status, error }) => [status, error]),
			[[200, null]],
		);
		assert.equal(clock.pending, 0);
	});

	it("leaves nothing behind when its client leaves", async () => {
		const { listen, channel, ended, clock } = rooms();
		const { leave, scope, accepting } = await listen();
		assert.equal(accepting.listeners, 1);
		leave();
		await clock.advance(0);
		assert.equal(channel()?.listeners, 0);
		assert.equal(scope.listeners, 0);
		assert.equal(accepting.listeners, 0);
		assert.deepEqual(
			ended.map(({ status, error, watch }) => [status, error, watch]),
			[[200, null, "events"]],
		);
	});
});

describe("the steps of a route that listens", () => {
	const guarded = `
upstreams:
  users: { url: "http://users.test" }
routes:
  GET /rooms/{id}:
    deadline: 5s
    steps:
      user: { get: "users/users/\${params.id}" }
      refused: { when: "\${user.blocked}", reply: { status: 403, body: blocked } }
    listen: room/\${user.room}
`;
	const guardedRooms = (user: object, afterMs = 0) =>
		testGateway(`channels:\n  room: {}\n${guarded}`, () => ({
			...{ json: user, afterMs },
		}));

	it("say where it listens", async () => {
		const user = { blocked: false, room: "blue" };
		const { gateway, clock } = guardedRooms(user);
		const listening = listenTo(gateway, "/rooms/1");
		await clock.advance(0);
		const { told } = await listening;
		await clock.advance(0);
		assert.equal(told[0]?.event, "start");
	});

	it("may answer instead", async () => {
		const { send, gateway, clock } = guardedRooms({ blocked: true });
		const { answer } = send("/rooms/1", {
			headers: ["accept", "text/event-stream"],
		});
		await clock.advance(0);
		const { status, text } = await answer;
		assert.deepEqual([status, text], [403, '"blocked"']);
		assert.equal(gateway.state().channels[0]?.instances, 0);
	});

	it("must end well, and in time", async () => {
		const late = guardedRooms({ room: "blue" }, 60_000);
		const { answer } = late.send("/rooms/1");
		await late.clock.advance(5_000);
		assert.equal((await answer).status, 504);
		const wrong = guardedRooms({ room: null });
		const refused = wrong.send("/rooms/1");
		await wrong.clock.advance(0);
		assert.equal((await refused.answer).code, "reference_missing");
		assert.equal(wrong.gateway.state().requests?.running, 0);
	});
});

describe("a step that publishes", () => {
	it("counts as a write that is done, after which the run goes on without its client", async () => {
		const test = testGateway(
			`
channels:
  room: {}
upstreams:
  users: { url: "http://users.test" }
routes:
  POST /rooms:
    steps:
      said: { publish: room, message: 1 }
      noted: { post: users/notes, after: [said] }
    respond: \${noted}
`,
			() => ({ afterMs: 1_000, json: 1 }),
		);
		const { leave, answer } = test.send("/rooms", { method: "POST" });
		await test.clock.advance(100);
		leave();
		await test.clock.advance(5_000);
		await answer;
		const [end] = test.ended;
		assert.equal(end?.outlived, true);
		assert.deepEqual(
			end?.writes.map(({ step, outcome }) => [step, outcome]),
			[
				["said", "done"],
				["noted", "done"],
			],
		);
		test.assertNothingLeft();
	});

	it("counts as a call, so that a request cannot publish without end", async () => {
		const { ask, channel } = rooms(
			"{}",
			`
routes:
  POST /many:
    calls: 3
    request: { body: { type: array } }
    steps:
      said: { each: "\${body}", publish: room, message: "\${item}" }
    respond: \${said.length}
`,
		);
		const many = { method: "POST", body: [1, 2, 3] };
		assert.equal((await ask("/many", many)).json, 3);
		const more = await ask("/many", { method: "POST", body: [1, 2, 3, 4] });
		assert.equal(more.code, "limit_exceeded");
		assert.equal(channel()?.published, 6);
	});
});
