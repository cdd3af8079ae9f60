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
	/** With which whoever has heard it comes back. Null: with the one before. */
	readonly id: string | null;
	/** Whether it is a message that the gateway says without its store. */
	readonly isApart: boolean;
}

interface Telling {
	/** With which a client of an event stream comes back. Absent: with the one before. */
	readonly id?: string;
	readonly offset?: number;
	readonly retryMs?: number;
	readonly isApart?: boolean;
}

/** `members` are those of the JSON besides `event`, already printed: `"id":"7k-1"`. Empty for none. */
export function tell(
	kind: ToldKind,
	members: string,
	{ id, offset = 0, retryMs, isApart = false }: Telling = {},
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
	const bytes = event.subarray(from, event.length - 2);
	return { kind, event, json: bytes, offset, id: id ?? null, isApart };
}

/** The same message under another id. */
export function toldAs({ kind, json, id, ...told }: Told, newId: string): Told {
	const text = Buffer.from(json).toString();
	const head = `{"event":"${kind}",`;
	const rest = text.slice(head.length + `"id":"${id}"`.length, -1);
	return tell(kind, `"id":"${newId}"${rest}`, { ...told, id: newId });
}

/** In the place of messages that are lost. */
export function tellGap(first: string, last: string, lost: number): Told {
	const members = `"from":"${first}","to":"${last}","lost":${lost}`;
	return tell("gap", members, { id: last });
}

/** Nobody knows what is lost before what comes next. */
export function tellUnknownGap(id: string): Told {
	return tell("gap", '"from":null,"to":null,"lost":null', { id });
}

/** What a client is told when its listening is ended. */
export type EndReason = "closed" | "draining" | "expired" | "slow";

/** `retryMs` says after how long it should come back. Scripts of a page read it in the JSON alone. */
export function tellEnd(
	reason: EndReason,
	after: string,
	retryMs: number,
): Told {
	const members = `"reason":"${reason}","after":"${after}","retry":${retryMs}`;
	return tell("end", members, { retryMs });
}
