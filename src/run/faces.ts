import type { PartsFace } from "../core/events.ts";
import { preferredType } from "../core/http/accept.ts";
import { eventStreamType, printEvent } from "../core/http/event-stream.ts";
import { headerOf } from "../core/http/headers.ts";
import type { GatewayRequest, GatewayResponse } from "../core/http/messages.ts";

/** A form in which an answer is sent in parts. */
export interface Face {
	readonly name: PartsFace;
	readonly contentType: string;
	/** The text that shows that it is alive; null if the form has none. */
	readonly heartbeat: string | null;
	/** The text that sends one piece of JSON. `number` counts them from 1. */
	readonly print: (
		kind: "part" | "end",
		json: string,
		number: number,
	) => string;
}

const faces = {
	"application/x-ndjson": {
		name: "ndjson",
		// Not every reader of lines takes an empty one.
		heartbeat: null,
		contentType: "application/x-ndjson",
		print: (_, json) => `${json}\n`,
	},
	[eventStreamType]: {
		name: "events",
		heartbeat: printEvent({ comment: "waiting" }),
		contentType: eventStreamType,
		print: (event, data, id) => printEvent({ id, event, data }),
	},
} as const satisfies Record<string, Face>;

const types = Object.keys(faces) as (keyof typeof faces)[];

/** The face that a client asks for; null for the whole answer, which it gets unless it prefers another by name. */
export function faceFor({ method, headers }: GatewayRequest): Face | null {
	const accept = headerOf(headers, "accept");
	// Most clients ask for nothing or anything. An answer to HEAD has no parts.
	if (accept === null || accept === "*/*" || method === "HEAD") return null;
	const type = preferredType(headers, "application/json", types);
	return type && faces[type];
}

/** Whether a browser asks again because its stream has ended or was cut. To run the route again would do its work twice. */
export function isReconnecting(face: Face, request: GatewayRequest): boolean {
	const id = headerOf(request.headers, "last-event-id");
	return face === faces[eventStreamType] && id !== null;
}

/** The one answer after which an EventSource does not connect again (HTML, 9.2.3). */
export const noMoreEvents: GatewayResponse = Object.freeze({
	status: 204,
	headers: Object.freeze(["cache-control", "no-store"]),
	body: null,
});
