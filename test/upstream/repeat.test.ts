import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { GatewayError } from "../../src/core/errors.ts";
import type {
	StreamHead,
	UpstreamRequest,
} from "../../src/core/http/messages.ts";
import { openScope, realClock, type Scope } from "../../src/tasks/index.ts";
import { openWire } from "../../src/upstream/wire/open-wire.ts";
import type { Wire } from "../../src/upstream/wire/wire.ts";
import { type Promising, promisingWire, requestOf } from "../kit/policy.ts";
import { openPeer, type Peer, type Received } from "./peer.ts";

let stack: AsyncDisposableStack;
let scope: Scope;
let peer: Peer;
let wire: Promising<Wire>;
/** What becomes of the requests after the first, in turn; those after these are answered. */
let fates: ((received: Received) => void)[];
let seen: string[];

beforeEach(async () => {
	stack = new AsyncDisposableStack();
	scope = openScope({ clock: realClock() });
	seen = [];
	fates = [({ answer }) => answer("first")];
	peer = stack.use(
		await openPeer({
			onRequest: (received) => {
				seen.push(received.head[0] ?? "");
				const fate = fates.shift() ?? (({ answer }) => answer("again"));
				fate(received);
			},
		}),
	);
	const opened = openWire(
		{ name: "weather", origin: peer.origin, bodyBytesMax: 1000, tls: null },
		scope.clock,
	);
	stack.defer(() => opened.close());
	wire = promisingWire(opened);
});

afterEach(async () => {
	assert.equal(scope.listeners, 0, "a listener was left");
	await stack.disposeAsync();
});

function asked(changes: Partial<UpstreamRequest> = {}): UpstreamRequest {
	return requestOf({ idempotent: true, ...changes });
}

const closes = ({ socket }: Received) => void socket.end();
const resets = ({ socket }: Received) => void socket.resetAndDestroy();

function isUnreachable(error: unknown): boolean {
	return error instanceof GatewayError && error.code === "upstream_unreachable";
}

describe("a kept connection that the upstream closes just as a request comes", () => {
	for (const [name, fate] of Object.entries({ closes, resets })) {
		test(`lets an idempotent one be sent again, once, on a new one (it ${name})`, async () => {
			await wire.call(asked(), scope);
			fates.push(fate);
			const told: string[] = [];
			const request = asked({
				method: "PUT",
				body: "x",
				onSent: () => told.push("sent"),
			});
			const { body } = await wire.call(request, scope);
			assert.equal(String(Buffer.from(body)), "again");
			assert.equal(seen.length, 3);
			assert.equal(peer.connections, 2);
			assert.deepEqual(told, ["sent"]);
		});
	}

	test("fails an idempotent one whose second attempt fares no better", async () => {
		await wire.call(asked(), scope);
		fates.push(closes, closes);
		await assert.rejects(wire.call(asked(), scope), isUnreachable);
		assert.equal(seen.length, 3);
	});

	test("fails one that is not idempotent", async () => {
		await wire.call(asked(), scope);
		fates.push(closes);
		const request = asked({ method: "POST", idempotent: false });
		await assert.rejects(wire.call(request, scope), isUnreachable);
		assert.equal(seen.length, 2);
	});

	test("fails a write for which nobody waits any more", async () => {
		await wire.call(asked(), scope);
		fates.push(closes);
		const request = asked({ method: "PUT", onAgain: () => false });
		await assert.rejects(wire.call(request, scope), isUnreachable);
		assert.equal(seen.length, 2);
	});

	test("fails one whose answer had begun", async () => {
		await wire.call(asked(), scope);
		fates.push(({ socket }) => void socket.end("HTTP/1.1 200 OK\r\n"));
		await assert.rejects(wire.call(asked(), scope), GatewayError);
		assert.equal(seen.length, 2);
	});

	test("fails one that was given up meanwhile, and sends nothing more", async () => {
		await wire.call(asked(), scope);
		const inner = openScope({ parent: scope });
		const reason = new Error("given up");
		fates.push(({ socket }) => {
			inner.cancel(reason);
			socket.end();
		});
		await assert.rejects(wire.call(asked(), inner), reason);
		await wire.call(asked(), scope);
		assert.equal(seen.length, 3);
	});

	test("lets a stream be sent again where it has no body, and no other", async () => {
		const stream = (body: StreamHead["body"] | null) => {
			let head: StreamHead | null = null;
			const ended = wire.stream(
				{
					...asked(),
					body,
					idleMs: 1000,
					untakenMs: 1000,
					onHead: (came) => {
						head = came;
					},
				},
				scope,
			);
			return ended.then(() => head?.status);
		};
		await wire.call(asked(), scope);
		fates.push(closes);
		assert.equal(await stream(null), 200);
		fates.push(closes);
		const body = {
			length: 1,
			async *[Symbol.asyncIterator]() {
				yield Buffer.from("x");
			},
		};
		await assert.rejects(stream(body), isUnreachable);
		assert.equal(seen.length, 4);
	});
});

test("a new connection that is closed unanswered is not tried again", async () => {
	fates = [closes];
	await assert.rejects(wire.call(asked(), scope), isUnreachable);
	assert.equal(seen.length, 1);
});
