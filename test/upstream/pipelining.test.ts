import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import fc from "fast-check";
import { GatewayError } from "../../src/core/errors.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../../src/core/http/messages.ts";
import {
	openScope,
	outcomeOf,
	type Scope,
	type VirtualClock,
	virtualClock,
} from "../../src/tasks/index.ts";
import { openWire } from "../../src/upstream/wire/open-wire.ts";
import type { Wire } from "../../src/upstream/wire/wire.ts";
import { type Promising, promisingWire, requestOf } from "../kit/policy.ts";
import { unhandledIn } from "../kit/unhandled.ts";
import { gone, httpHead } from "./peer.ts";
import { type Asked, openServer, type Server } from "./pipelining-server.ts";

/** Calls of one turn of the loop that share a connection. */

const pipelining = 4;

let stack: AsyncDisposableStack;
let clock: VirtualClock;
let scope: Scope;
let server: Server;
let wire: Promising<Wire>;
/** The same, whose calls tell their ends. */
let sending: Wire;
/** Answers a request, in whatever way the test wants. */
let respond: (asked: Asked) => void;

beforeEach(async () => {
	stack = new AsyncDisposableStack();
	clock = virtualClock();
	scope = openScope({ clock });
	respond = ({ answer, target }) => answer(target);
	server = stack.use(await openServer((asked) => respond(asked)));
	const { origin } = server;
	const settings = { name: "weather", origin, bodyBytesMax: 1000, tls: null };
	const opened = openWire({ ...settings, pipelining }, clock);
	stack.defer(() => opened.close());
	sending = opened;
	wire = promisingWire(opened);
});

afterEach(async () => {
	await stack.disposeAsync();
	assert.equal(scope.listeners, 0, "a listener was left");
});

function read(changes: Partial<UpstreamRequest> = {}): UpstreamRequest {
	return requestOf({ safe: true, idempotent: true, ...changes });
}

async function textOf(
	request: UpstreamRequest,
	caller = scope,
): Promise<string> {
	const { body } = await wire.call(request, caller);
	return Buffer.from(body).toString();
}

/** Reads these, all in one turn. */
function readAll(...targets: string[]): Promise<string[]> {
	return Promise.all(targets.map((target) => textOf(read({ target }))));
}

/** So many connections that have carried a call, and have settled since. */
async function keptConnections(count = 1): Promise<void> {
	const first = Array.from({ length: count }, (_, at) => `/first/${at}`);
	await readAll(...first);
	assert.equal(server.connections, count);
	await turns();
	server.reads.length = 0;
	server.asked.length = 0;
}

async function turns(count = 4): Promise<void> {
	for (let turn = 0; turn < count; turn++) {
		await new Promise((resolve) => setImmediate(resolve));
	}
}

/** Answers nothing until `count` requests have come. */
function together(count: number): Promise<Asked[]> {
	const all: Asked[] = [];
	return new Promise((resolve) => {
		respond = (asked) => {
			if (all.push(asked) === count) resolve(all);
		};
	});
}

const failsWith = (code: string) => (error: unknown) =>
	error instanceof GatewayError && error.code === code;

describe("calls that only read, made in one turn of the loop", () => {
	test("go out together on a kept connection, and each gets its own answer", async () => {
		await keptConnections();
		assert.deepEqual(await readAll("/a", "/b", "/c"), ["/a", "/b", "/c"]);
		assert.deepEqual(server.reads, [["/a", "/b", "/c"]]);
		assert.equal(server.connections, 1);
	});

	test("are at most as many on a connection as the upstream says", async () => {
		await keptConnections(2);
		const targets = Array.from({ length: 7 }, (_, at) => `/${at}`);
		assert.deepEqual(await readAll(...targets), targets);
		assert.deepEqual(server.reads.toSorted(), [
			["/0", "/1", "/2", "/3"],
			["/4", "/5", "/6"],
		]);
		assert.equal(server.connections, 2);
	});

	test("each have a new connection if none has carried a call", async () => {
		await readAll("/a", "/b");
		assert.equal(server.connections, 2);
	});

	test("do not follow those of an earlier turn", async () => {
		await keptConnections();
		const held = together(2);
		const first = readAll("/a");
		await turns();
		const second = readAll("/b");
		for (const { answer, target } of await held) answer(target);
		assert.deepEqual(await Promise.all([first, second]), [["/a"], ["/b"]]);
		assert.equal(server.connections, 2);
	});

	test("get answers that come in one piece, or cut at any byte", async () => {
		await keptConnections();
		const answers = ["", "x".repeat(300), "é", "last"];
		const text = answers
			.map((body, at) => {
				const length = `content-length: ${Buffer.byteLength(body)}`;
				const head = httpHead(200, length);
				return (at === 1 ? httpHead(103, "link: </a>") : "") + head + body;
			})
			.join("");
		const bytes = Buffer.from(text);
		for (let cut = 1; cut < bytes.length; cut += 13) {
			const held = together(4);
			const got = readAll("/0", "/1", "/2", "/3");
			const { socket } = (await held)[0] as Asked;
			socket.write(bytes.subarray(0, cut));
			await turns(2);
			socket.write(bytes.subarray(cut));
			assert.deepEqual(await got, answers);
			await turns();
		}
		assert.equal(server.connections, 1);
	});
});

test("a call that is made as another is sent comes behind it", async () => {
	await keptConnections();
	let inner: Promise<string> | null = null;
	const onSent = () => {
		inner ??= textOf(read({ target: "/inner" }));
	};
	assert.equal(await textOf(read({ target: "/outer", onSent })), "/outer");
	assert.equal(await inner, "/inner");
	assert.deepEqual(server.reads, [["/outer", "/inner"]]);
});

describe("a connection of its own has", () => {
	const others: Record<string, Partial<UpstreamRequest>> = {
		"a write": { method: "POST", safe: false, idempotent: false },
		"an idempotent write": { method: "PUT", safe: false },
		"a read with a body": { method: "POST", body: "{}" },
		"a HEAD": { method: "HEAD" },
	};
	for (const [name, changes] of Object.entries(others)) {
		test(name, async () => {
			await keptConnections();
			const held = together(3);
			const all = [
				textOf(read({ target: "/a" })),
				textOf(read({ target: "/b", ...changes })),
				textOf(read({ target: "/c" })),
			];
			const asked = await held;
			const sockets = new Map(
				asked.map(({ target, socket }) => [target, socket]),
			);
			assert.equal(sockets.get("/a"), sockets.get("/c"));
			assert.notEqual(sockets.get("/a"), sockets.get("/b"));
			for (const { answer } of asked) answer("");
			await Promise.all(all);
		});
	}

	test("a call without `pipelining`", async () => {
		const { origin } = server;
		const opened = openWire(
			{ name: "weather", origin, bodyBytesMax: 1000, tls: null },
			virtualClock(),
		);
		stack.defer(() => opened.close());
		wire = promisingWire(opened);
		await keptConnections();
		await readAll("/a", "/b");
		assert.deepEqual(server.reads.toSorted(), [["/a"], ["/b"]]);
	});
});

describe("if a call ends before its answer", () => {
	/** Of three calls that were sent together the second has been given up. */
	async function secondLeaves(lastCaller = scope) {
		await keptConnections();
		const held = together(3);
		const inner = openScope({ parent: scope });
		const before = textOf(read({ target: "/a" }));
		const given = textOf(read({ target: "/b" }), inner);
		const behind = textOf(read({ target: "/c" }), lastCaller);
		const asked = await held;
		const reason = new Error("given up");
		inner.cancel(reason);
		await assert.rejects(given, reason);
		inner.close();
		return { before, behind, asked };
	}

	test("the one that is answered next takes the connection with it, and the others are sent again, alone", async () => {
		await keptConnections();
		const held = together(3);
		const inner = openScope({ parent: scope });
		const given = textOf(read({ target: "/a" }), inner);
		const others = readAll("/b", "/c");
		const [{ socket }] = (await held) as [Asked];
		respond = ({ answer, target }) => answer(`again ${target}`);
		const reason = new Error("given up");
		inner.cancel(reason);
		await assert.rejects(given, reason);
		assert.deepEqual(await others, ["again /b", "again /c"]);
		await gone(socket);
		assert.deepEqual(server.reads.slice(1).toSorted(), [["/b"], ["/c"]]);
		inner.close();
	});

	test("the others keep the connection, and its answer is dropped", async () => {
		const { before, behind, asked } = await secondLeaves();
		for (const { answer, target } of asked) answer(target);
		assert.deepEqual(await Promise.all([before, behind]), ["/a", "/c"]);
		assert.equal(server.asked.length, 3);
		await turns();
		respond = ({ answer, target }) => answer(target);
		assert.deepEqual(await readAll("/d"), ["/d"]);
		assert.equal(server.connections, 1);
	});

	test("an answer that nobody wants is not read for ever", async () => {
		const { before, behind, asked } = await secondLeaves();
		respond = ({ answer, target }) => answer(`again ${target}`);
		asked[0]?.answer("/a");
		asked[1]?.socket.write(httpHead(200, "content-length: 10000000"));
		asked[1]?.socket.write(Buffer.alloc(100_000));
		assert.deepEqual(await Promise.all([before, behind]), ["/a", "again /c"]);
		await gone(asked[1]?.socket as Socket);
	});

	test("the connection ends when nobody wants what is still to come", async () => {
		const last = openScope({ parent: scope });
		const { before, behind, asked } = await secondLeaves(last);
		asked[0]?.answer("/a");
		assert.equal(await before, "/a");
		const reason = new Error("given up");
		last.cancel(reason);
		await assert.rejects(behind, reason);
		await gone(asked[0]?.socket as Socket);
		last.close();
	});

	test("the connection ends when the last one that wants an answer has left", async () => {
		await keptConnections();
		const held = together(3);
		const inner = openScope({ parent: scope });
		const all = ["/a", "/b", "/c"].map((target) =>
			outcomeOf(textOf(read({ target }), inner)),
		);
		const [{ socket }] = (await held) as [Asked];
		inner.cancel(new Error("given up"));
		for (const { ok } of await Promise.all(all)) assert.equal(ok, false);
		await gone(socket);
		assert.equal(server.asked.length, 3);
		inner.close();
	});

	test("the connection does not wait for an answer that nobody wants", async () => {
		await keptConnections();
		const held = together(2);
		const inner = openScope({ parent: scope });
		const before = textOf(read({ target: "/a" }));
		const given = outcomeOf(textOf(read({ target: "/b" }), inner));
		const [{ socket, answer }] = (await held) as [Asked];
		inner.cancel(new Error("given up"));
		await given;
		answer("/a");
		assert.equal(await before, "/a");
		await gone(socket);
		inner.close();
	});

	for (const [which, name] of ["first", "second", "last"].entries()) {
		test(`in the very turn in which it was made, the others are sent without it (the ${name})`, async () => {
			await keptConnections();
			const inner = openScope({ parent: scope });
			const targets = ["/a", "/b", "/c"];
			const all = targets.map((target, at) =>
				outcomeOf(textOf(read({ target }), at === which ? inner : scope)),
			);
			inner.cancel(new Error("given up"));
			const outcomes = await Promise.all(all);
			const others = targets.toSpliced(which, 1);
			assert.deepEqual(
				outcomes.map((outcome) => outcome.ok && outcome.value),
				targets.map((target, at) => at !== which && target),
			);
			assert.deepEqual(server.reads, [others]);
			assert.equal(server.connections, 1);
			inner.close();
		});
	}

	test("in the very turn in which it was made, alone, its connection carries the next one", async () => {
		await keptConnections();
		const inner = openScope({ parent: scope });
		const given = outcomeOf(textOf(read({ target: "/a" }), inner));
		inner.cancel(new Error("given up"));
		await given;
		assert.deepEqual(await readAll("/b"), ["/b"]);
		await turns();
		assert.deepEqual(await readAll("/c", "/d"), ["/c", "/d"]);
		assert.equal(server.connections, 1);
		inner.close();
	});

	test("in the very turn in which it was made, nothing of it is sent", async () => {
		await keptConnections();
		const inner = openScope({ parent: scope });
		const given = outcomeOf(textOf(read({ target: "/a" }), inner));
		inner.cancel(new Error("given up"));
		assert.equal((await given).ok, false);
		await turns();
		assert.deepEqual(server.asked, []);
		inner.close();
	});
});

describe("if an answer is slow", () => {
	/** The second of three, with a timeout of a second. */
	async function slowSecond() {
		await keptConnections();
		const held = together(3);
		const timeoutMs = 1_000;
		const got = ["/a", "/b", "/c"].map((target) =>
			textOf(read({ target, timeoutMs })),
		);
		const asked = await held;
		respond = ({ answer, target }) => answer(`again ${target}`);
		asked[0]?.answer("/a");
		assert.equal(await got[0], "/a");
		return { got, asked };
	}

	test("those behind it are sent again after half of their timeout, alone", async () => {
		const { got, asked } = await slowSecond();
		await clock.advance(499);
		assert.equal(server.asked.length, 3);
		await clock.advance(1);
		assert.equal(await got[2], "again /c");
		assert.deepEqual(server.reads, [["/a", "/b", "/c"], ["/c"]]);
		asked[1]?.answer("/b");
		assert.equal(await got[1], "/b");
	});

	test("its connection carries others again when the answers that nobody wants have come", async () => {
		const { got, asked } = await slowSecond();
		await clock.advance(500);
		await got[2];
		for (const { answer, target } of asked.slice(1)) answer(target);
		assert.equal(await got[1], "/b");
		await turns();
		const before = server.connections;
		assert.deepEqual(await readAll("/d"), ["again /d"]);
		assert.equal(server.connections, before);
	});

	test("nobody is sent again whose caller has no more leave for it", async () => {
		await keptConnections();
		const held = together(2);
		const got = ["/a", "/b"].map((target) =>
			textOf(read({ target, timeoutMs: 1_000, onAgain: () => false })),
		);
		const asked = await held;
		await clock.advance(900);
		for (const { answer, target } of asked) answer(target);
		assert.deepEqual(await Promise.all(got), ["/a", "/b"]);
		assert.equal(server.asked.length, 2);
	});

	test("the time of calls that have their answers is not counted for later ones", async () => {
		await keptConnections();
		const timeoutMs = 1_000;
		const readBoth = () =>
			["/a", "/b"].map((target) => textOf(read({ target, timeoutMs })));
		await Promise.all(readBoth());
		await turns();
		await clock.advance(400);
		const held = together(2);
		const got = readBoth();
		const asked = await held;
		await clock.advance(200);
		for (const { answer, target } of asked) answer(target);
		assert.deepEqual(await Promise.all(got), ["/a", "/b"]);
		assert.equal(server.asked.length, 4);
		assert.equal(server.connections, 1);
	});
});

describe("if the upstream", () => {
	const endings: Record<string, (socket: Socket) => void> = {
		"closes in between": (socket) => void socket.end(),
		"resets in between": (socket) => void socket.resetAndDestroy(),
		"answers what is no HTTP": (socket) => void socket.write("Hello\r\n\r\n"),
	};
	for (const [name, ends] of Object.entries(endings)) {
		test(`${name}, those without an answer are sent again, alone`, async () => {
			await keptConnections();
			const held = together(3);
			const got = readAll("/a", "/b", "/c");
			const [first] = (await held) as [Asked];
			respond = ({ answer, target }) => answer(`again ${target}`);
			first.answer("/a");
			await turns();
			ends(first.socket);
			assert.deepEqual(await got, ["/a", "again /b", "again /c"]);
			assert.deepEqual(server.reads.slice(1).toSorted(), [["/b"], ["/c"]]);
		});
	}

	test("says that it closes, those behind are sent again", async () => {
		await keptConnections();
		const held = together(3);
		const got = readAll("/a", "/b", "/c");
		const [first] = (await held) as [Asked];
		respond = ({ answer, target }) => answer(`again ${target}`);
		first.answer("/a", "connection: close");
		assert.deepEqual(await got, ["/a", "again /b", "again /c"]);
	});

	test("says that it closes, those behind are sent again, also if whoever hears of the answer throws", async () => {
		await keptConnections();
		const held = together(3);
		const bug = new Error("of whoever hears");
		sending.send(read({ target: "/a" }), {
			answered() {
				throw bug;
			},
			failed: () => assert.fail("it was answered"),
		});
		const got = readAll("/b", "/c");
		const [first] = (await held) as [Asked];
		respond = ({ answer, target }) => answer(`again ${target}`);
		const seen = await unhandledIn(async () => {
			first.answer("/a", "connection: close");
			assert.deepEqual(await got, ["again /b", "again /c"]);
		});
		assert.deepEqual(seen, [bug]);
	});

	test("is asked by several at once, one that throws when it is sent keeps nobody from being sent", async () => {
		const bug = new Error("of whoever hears that it was sent");
		const answers = ["/a", "/b", "/c"].map((target) => {
			const { promise, resolve, reject } =
				Promise.withResolvers<UpstreamResponse>();
			const onSent = () => {
				if (target === "/a") throw bug;
			};
			const end = { answered: resolve, failed: reject };
			sending.send(read({ method: "POST", safe: false, target, onSent }), end);
			return promise;
		});
		const seen = await unhandledIn(async () => {
			for (const { status } of await Promise.all(answers)) {
				assert.equal(status, 200);
			}
		});
		assert.deepEqual(seen, [bug]);
	});

	test("breaks off in an answer, only its call fails", async () => {
		await keptConnections();
		const held = together(2);
		const [begun, behind] = ["/a", "/b"].map((target) =>
			outcomeOf(textOf(read({ target }))),
		);
		const [first] = (await held) as [Asked];
		respond = ({ answer, target }) => answer(`again ${target}`);
		first.socket.end(`${httpHead(200, "content-length: 9")}half`);
		const failed = await begun;
		assert.ok(failed && !failed.ok);
		assert.ok(failsWith("upstream_invalid")(failed.error), `${failed.error}`);
		assert.deepEqual(await behind, { ok: true, value: "again /b" });
	});

	test("closes each time, a call is sent twice at most", async () => {
		await keptConnections();
		respond = ({ socket }) => void socket.end();
		const all = ["/a", "/b"].map((target) =>
			assert.rejects(
				textOf(read({ target })),
				failsWith("upstream_unreachable"),
			),
		);
		await Promise.all(all);
		assert.equal(server.asked.length, 4);
	});

	test("speaks before it is asked, the calls that wait are sent on another connection", async () => {
		await keptConnections();
		const [socket] = server.sockets as [Socket];
		const late = httpHead(408, "content-length: 0");
		// It is read while the calls wait to be sent.
		socket.write(late);
		assert.deepEqual(await readAll("/a", "/b"), ["/a", "/b"]);
		assert.equal(socket.destroyed, true);
	});

	test("answers once too often, the connection carries nothing more", async () => {
		await keptConnections();
		const held = together(2);
		const got = readAll("/a", "/b");
		const asked = await held;
		for (const { answer, target } of asked) answer(target);
		asked[1]?.answer("/c");
		assert.deepEqual(await got, ["/a", "/b"]);
		await gone(asked[1]?.socket as Socket);
		respond = ({ answer, target }) => answer(target);
		assert.deepEqual(await readAll("/d"), ["/d"]);
	});
});

test("closing ends all calls of a connection", async () => {
	await keptConnections();
	const held = together(3);
	const all = ["/a", "/b", "/c"].map((target) =>
		assert.rejects(textOf(read({ target })), failsWith("gateway_draining")),
	);
	await held;
	await wire.close();
	await Promise.all(all);
});

test("whatever ends when, no call gets the answer of another, and none is lost", async () => {
	const fate = fc.constantFrom("answer", "slow", "leave", "close", "break");
	await fc.assert(
		fc.asyncProperty(
			fc.array(fc.array(fate, { minLength: 1, maxLength: 9 }), {
				minLength: 1,
				maxLength: 5,
			}),
			async (rounds) => {
				for (const [round, fates] of rounds.entries()) {
					const tried = new Map<string, number>();
					const scopes = fates.map(() => openScope({ parent: scope }));
					respond = (asked) => {
						const { target, socket, answer } = asked;
						const at = Number(target.split("/")[2]);
						const count = (tried.get(target) ?? 0) + 1;
						tried.set(target, count);
						// What is sent again is answered.
						const kind = count > 1 ? "answer" : fates[at];
						if (kind === "leave") scopes[at]?.cancel(new Error("left"));
						if (kind === "close") socket.end();
						else if (kind === "break") socket.destroy();
						else if (kind === "slow") setImmediate(() => answer(target));
						else answer(target);
					};
					const outcomes = await Promise.all(
						fates.map((_, at) =>
							outcomeOf(
								textOf(read({ target: `/${round}/${at}` }), scopes[at]),
							),
						),
					);
					for (const [at, outcome] of outcomes.entries()) {
						const kind = fates[at] ?? "";
						if (outcome.ok) assert.equal(outcome.value, `/${round}/${at}`);
						// Whoever is cut by others is sent again, alone.
						else assert.match(kind, /leave|close|break/);
					}
					for (const inner of scopes) inner.close();
					await turns();
				}
			},
		),
		{ numRuns: 60 },
	);
});
