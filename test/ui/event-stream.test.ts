import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createEventReader } from "../../ui/src/event-stream.ts";

const text =
	': hello\n\nid: 7\nevent: request\ndata: {"a":\ndata: 1}\n\n: beat\n\nevent: rates\ndata: 2\n\n';
const events = [
	{ event: "request", data: '{"a":\n1}', id: "7" },
	{ event: "rates", data: "2", id: null },
];

describe("a reader of server-sent events", () => {
	it("gives the same events wherever the stream is cut", () => {
		for (let size = 1; size <= text.length; size++) {
			const read = createEventReader();
			const pieces = text.match(new RegExp(`[^]{1,${size}}`, "g")) ?? [];
			assert.deepEqual(pieces.flatMap(read), events, `pieces of ${size}`);
		}
	});

	it("takes the other ends of lines, too", () => {
		const read = createEventReader();
		assert.deepEqual(read(text.replaceAll("\n", "\r\n")), events);
	});

	it("gives no event before its end has come", () => {
		const read = createEventReader();
		assert.deepEqual(read("data: 1\n"), []);
		assert.deepEqual(read("\n"), [{ event: "message", data: "1", id: null }]);
	});

	it("does not hold a line that never ends", () => {
		const read = createEventReader();
		const piece = "x".repeat(2 ** 20);
		assert.throws(() => {
			for (let at = 0; at < 6; at++) read(piece);
		}, /too long/);
	});
});
