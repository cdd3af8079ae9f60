import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
	printEvent,
	type StreamEvent,
} from "../../../src/core/http/event-stream.ts";

interface Heard {
	readonly type: string;
	readonly data: string;
	readonly lastEventId: string;
}

/** What a page hears of a stream, and the time that its browser keeps, by the words of HTML 9.2.6. */
function hear(stream: string): { heard: Heard[]; retryMs: number | null } {
	const heard: Heard[] = [];
	let retryMs: number | null = null;
	let [data, type, lastEventId] = ["", "", ""];
	const lines = stream.split(/\r\n|\r|\n/);
	// What no blank line ends is dropped.
	for (const line of lines.slice(0, -1)) {
		if (line === "") {
			if (data !== "") {
				const event = { data: data.slice(0, -1), lastEventId };
				heard.push({ type: type || "message", ...event });
			}
			[data, type] = ["", ""];
			continue;
		}
		const colon = line.indexOf(":");
		const field = colon === -1 ? line : line.slice(0, colon);
		const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
		if (field === "data") data += `${value}\n`;
		if (field === "event") type = value;
		if (field === "id" && !value.includes("\0")) lastEventId = value;
		if (field === "retry" && /^\d+$/.test(value)) retryMs = Number(value);
	}
	return { heard, retryMs };
}

describe("an event of a stream", () => {
	it("is refused if its id or its name would be read as another", () => {
		for (const text of ["a\nb", "a\rb", "a\r\ndata: x", "\0"]) {
			assert.throws(() => printEvent({ id: text, data: "" }), RangeError);
			assert.throws(() => printEvent({ event: text, data: "" }), RangeError);
		}
	});

	it("is refused if its time is no number of whole milliseconds", () => {
		for (const retryMs of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 1e21])
			assert.throws(() => printEvent({ retryMs }), RangeError);
	});

	it("has a line for each that it is given, and ends with a blank one", () => {
		const event = { id: 7, event: "part", data: '{"a":1}', retryMs: 2000 };
		assert.equal(
			printEvent(event),
			'retry: 2000\nid: 7\nevent: part\ndata: {"a":1}\n\n',
		);
		assert.equal(printEvent({ comment: "" }), ": \n\n");
		assert.equal(printEvent({ data: "" }), "data: \n\n");
		assert.equal(printEvent({ id: "", data: "x" }), "id: \ndata: x\n\n");
	});

	it("is heard as it was given, whatever breaks of lines its data has", () => {
		const text = fc.string({
			unit: fc.constantFrom("\r", "\n", "a", ":", " ", "data", "\0", "é"),
		});
		const line = text.map((given) => given.replace(/[\r\n\0]/g, ""));
		const event = fc.record(
			{
				...{ id: line, event: line, data: text, comment: text },
				retryMs: fc.nat(),
			},
			{ requiredKeys: [] },
		);
		fc.assert(
			fc.property(fc.array(event), (events) => {
				const { heard, retryMs } = hear(events.map(printEvent).join(""));
				assert.deepEqual(heard, meant(events));
				const times = events.flatMap(({ retryMs }) => retryMs ?? []);
				assert.equal(retryMs, times.at(-1) ?? null);
			}),
			{ numRuns: 500 },
		);
	});
});

function meant(events: readonly StreamEvent[]): Heard[] {
	let lastEventId = "";
	return events.flatMap(({ id, event, data }) => {
		if (id !== undefined) lastEventId = String(id);
		if (data === undefined) return [];
		const lines = data.replace(/\r\n?/g, "\n");
		return [{ type: event || "message", data: lines, lastEventId }];
	});
}
