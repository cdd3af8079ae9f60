/** One server-sent event. */
export interface SentEvent {
	readonly event: string;
	readonly data: string;
	/** Null if the event has none. */
	readonly id: string | null;
}

/** More than any event of the gateway has. A line that never ends must not fill the browser. */
const pendingMax = 4 * 2 ** 20;

/**
 * Reads events from the pieces of a stream as they come, as HTML's section 9.2.6 has it. The result takes a piece, and gives the
 * events that it completes. It fails if an event is too long.
 */
export function createEventReader(): (piece: string) => SentEvent[] {
	let pending = "";
	return (piece) => {
		pending += piece;
		const blocks = pending.split(/\r\n\r\n|\n\n|\r\r/);
		pending = blocks.pop() ?? "";
		if (pending.length > pendingMax) throw new Error("an event is too long");
		return blocks.flatMap((block) => eventOf(block) ?? []);
	};
}

/** Null for a block of comments alone: it only keeps the connection. */
function eventOf(block: string): SentEvent | null {
	const data: string[] = [];
	let event = "message";
	let id: string | null = null;
	for (const line of block.split(/\r\n|\n|\r/)) {
		const [, name = "", value = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
		if (name === "data") data.push(value);
		if (name === "event") event = value;
		if (name === "id") id = value;
	}
	return data.length === 0 ? null : { event, data: data.join("\n"), id };
}
