import assert from "node:assert/strict";
import { PassThrough, type Writable } from "node:stream";
import { describe, it } from "node:test";
import type {
	ByteStream,
	PieceTaker,
} from "../../src/core/body/byte-stream.ts";
import { writeAsItComes } from "../../src/server/answer-stream.ts";
import type { AnswerWriter } from "../../src/server/carrier.ts";
import { virtualClock } from "../../src/tasks/clock.ts";
import { openScope } from "../../src/tasks/scope.ts";

/** An answer of a body that hands its pieces over, and what became of it. `write` says what the answer's `write` gives. */
function flowing(write: (piece: Uint8Array) => Writable | null) {
	const scope = openScope({ clock: virtualClock() });
	const seen = { held: 0, cut: 0, streamed: 0, goesOn: 0, left: 0 };
	const owner = {
		over: false,
		memory: {
			hold: (bytes: number) => void (seen.held += bytes),
			give: (bytes: number) => void (seen.held -= bytes),
		},
		cut: () => void seen.cut++,
		streamed: () => void seen.streamed++,
	};
	let taker: PieceTaker | null = null;
	const body: ByteStream = {
		length: null,
		[Symbol.asyncIterator]: () => assert.fail("it is not read"),
		flowTo(given) {
			taker = given;
			return {
				goOn: () => void seen.goesOn++,
				leave: () => void seen.left++,
			};
		},
	};
	const answer = { write, framed: true } as unknown as AnswerWriter;
	writeAsItComes(body, owner, answer, scope);
	return { scope, seen, owner, taker: taker as unknown as PieceTaker };
}

const piece = Buffer.from("piece");

describe("an answer whose body hands its pieces over", () => {
	it("goes on when its client has read, and holds memory until then", () => {
		const socket = new PassThrough();
		const { seen, taker } = flowing(() => socket);
		assert.equal(taker.take(piece), false);
		assert.deepEqual([seen.held, seen.goesOn], [piece.length, 0]);
		socket.emit("drain");
		assert.deepEqual([seen.held, seen.goesOn], [0, 1]);
		assert.equal(socket.listenerCount("drain"), 0);
		taker.ended();
		assert.deepEqual([seen.streamed, seen.cut], [1, 0]);
	});

	it("waits for nothing behind a client that reads", () => {
		const { seen, taker } = flowing(() => null);
		assert.equal(taker.take(piece), true);
		assert.equal(seen.held, 0);
	});

	it("is cut if it ends before a client has read that is gone, and listens no more", () => {
		const socket = new PassThrough();
		const { scope, seen, taker } = flowing(() => socket);
		taker.take(piece);
		scope.cancel(new Error("gone"));
		taker.ended();
		assert.deepEqual([seen.streamed, seen.cut], [0, 1]);
		assert.equal(socket.listenerCount("drain"), 0);
		socket.emit("drain");
		assert.equal(seen.goesOn, 0);
	});

	it("is left and cut when its client goes before it has read, also if nobody else hears of it", () => {
		const socket = new PassThrough();
		const { scope, seen, taker } = flowing(() => socket);
		taker.take(piece);
		scope.cancel(new Error("gone"));
		assert.deepEqual([seen.left, seen.cut, seen.held], [1, 1, 0]);
		assert.equal(socket.listenerCount("drain"), 0);
		assert.equal(scope.listeners, 0);
	});

	it("leaves no listener behind a client that has read", () => {
		const socket = new PassThrough();
		const { scope, seen, taker } = flowing(() => socket);
		taker.take(piece);
		assert.equal(scope.listeners, 1);
		socket.emit("drain");
		assert.equal(scope.listeners, 0);
		scope.cancel(new Error("gone"));
		assert.deepEqual([seen.left, seen.cut], [0, 0]);
	});

	it("is cut at once if its client was gone before a piece was written", () => {
		const { scope, seen, taker } = flowing(() => new PassThrough());
		scope.cancel(new Error("gone"));
		assert.equal(taker.take(piece), false);
		assert.deepEqual([seen.left, seen.cut, seen.held], [1, 1, 0]);
	});

	it("is left and cut if its client is gone, or a piece cannot be written", () => {
		const gone = flowing(() => assert.fail("nothing is written"));
		gone.owner.over = true;
		assert.equal(gone.taker.take(piece), false);
		assert.deepEqual([gone.seen.left, gone.seen.cut], [1, 1]);
		const failing = flowing(() => {
			throw new Error("it cannot be written");
		});
		assert.equal(failing.taker.take(piece), false);
		assert.deepEqual([failing.seen.left, failing.seen.cut], [1, 1]);
	});
});
