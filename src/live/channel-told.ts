import { printEvent } from "../core/http/event-stream.ts";

/** What listeners of a channel are told. The names are public: they stand in `event` of each. */
export type ToldKind = "start" | "message" | "gap" | "joined" | "left" | "end";

/** One thing that listeners are told, encoded once for all of them. */
export interface Told {
	readonly kind: ToldKind;
	/** A whole event of an event stream. */
	readonly event: Uint8Array;
	/** The JSON in it: what a WebSocket and a poll get. */
	readonly json: Uint8Array;
	/** The number of the message; 0 if it is none. */
	readonly offset: number;
}

interface Telling {
	/** With which a client of an event stream comes back. Absent: with the one before. */
	readonly id?: string;
	readonly offset?: number;
	readonly retryMs?: number;
}

/** `members` are those of the JSON besides `event`, already printed: `"id":"7k-1"`. Empty for none. */
export function tell(
	kind: ToldKind,
	members: string,
	{ id, offset = 0, retryMs }: Telling = {},
): Told {
	const json = `{"event":"${kind}"${members === "" ? "" : `,${members}`}}`;
	const text = printEvent({
		...(retryMs !== undefined && { retryMs }),
		...(id !== undefined && { id }),
		// A browser tells `onmessage` of events without a name.
		...(kind !== "message" && { event: kind }),
		data: json,
	});
	const event = Buffer.from(text);
	// The JSON is one line, and two line breaks follow it.
	const from = event.length - 2 - Buffer.byteLength(json);
	return { kind, event, json: event.subarray(from, event.length - 2), offset };
}

/** What a client is told when its listening is ended. */
export type EndReason = "closed" | "draining" | "slow";

/** `retryMs` says after how long it should come back. Scripts of a page read it in the JSON alone. */
export function tellEnd(
	reason: EndReason,
	after: string,
	retryMs: number,
): Told {
	const members = `"reason":"${reason}","after":"${after}","retry":${retryMs}`;
	return tell("end", members, { retryMs });
}
