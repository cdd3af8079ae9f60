import { GatewayError } from "../core/errors.ts";
import { preferredType } from "../core/http/accept.ts";
import { eventStreamType } from "../core/http/event-stream.ts";
import { headerOf } from "../core/http/headers.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import { preferredWaitOf } from "../core/http/prefer.ts";
import { eachPair } from "../run/query.ts";
import { type MessageId, readMessageId } from "./channel-numbering.ts";

/** The longest wait of a poll. Proxies cut what is silent for a minute. */
const waitMsMax = 55_000;

/** How a client wants to listen. */
export interface Wanted {
	readonly face: "events" | "poll" | "session";
	/** The last message that it has; null for what is kept and what comes, `latest` for what comes alone. */
	readonly after: MessageId | "latest" | null;
	/** How long it would wait for the first message; null if not at all. */
	readonly waitMs: number | null;
}

/** Reads it from the request. Throws `request_invalid` if it is not clear where the client begins. */
export function wantedOf(request: GatewayRequest): Wanted {
	const { method, headers, target } = request;
	if (request.upgradable) {
		return { face: "session", after: afterIn(target), waitMs: null };
	}
	const asksForEvents =
		method !== "HEAD" &&
		preferredType(headers, "application/json", [eventStreamType]) !== null;
	// A browser that comes back asks for the same address, and says in the field how far it has come since.
	const came = asksForEvents ? headerOf(headers, "last-event-id") : null;
	const after =
		came === null || came === ""
			? afterIn(target)
			: idOf(came, "headers.last-event-id");
	if (asksForEvents) return { face: "events", after, waitMs: null };
	const seconds = method === "HEAD" ? null : preferredWaitOf(headers);
	const waitMs = seconds && Math.min(1000 * seconds, waitMsMax);
	return { face: "poll", after, waitMs };
}

function afterIn(target: string): MessageId | "latest" | null {
	const mark = target.indexOf("?");
	if (mark < 0) return null;
	let found: string | null = null;
	eachPair(target.slice(mark + 1), pairsMax, (name, value) => {
		if (name === "after") found ??= value() ?? "?";
	});
	if (found === null || found === "") return null;
	return found === "latest" ? "latest" : idOf(found, "query.after");
}

/** More parameters are not looked at. */
const pairsMax = 1000;

function idOf(text: string, at: string): MessageId {
	const id = readMessageId(text, at);
	if (id !== null) return id;
	const message = "is no id of a message";
	throw new GatewayError("request_invalid", `${at} ${message}`, {
		errors: [{ at, message }],
	});
}
