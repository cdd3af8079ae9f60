import { preferredType } from "../core/http/accept.ts";
import { eventStreamType } from "../core/http/event-stream.ts";
import { hasHeaderOf, headerOf } from "../core/http/headers.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import { preferredWaitOf } from "../core/http/prefer.ts";

/** How a client watches an answer. */
export type WatchFace =
	| { readonly kind: "events" }
	/** Over WebSocket. */
	| { readonly kind: "session" }
	/** Long polling: until the answer is another than the client has, or so long. */
	| { readonly kind: "wait"; readonly ms: number };

/** A longer wait would be cut by proxies, and the client would not hear why. */
const waitSecondsMax = 60;

const events: WatchFace = { kind: "events" };

const session: WatchFace = { kind: "session" };

const ifNoneMatch: ReadonlySet<string> = new Set(["if-none-match"]);

/** The face in which a client of a live route watches; null if it wants the answer once, at once. */
export function watchFaceOf({
	method,
	headers,
	upgradable,
}: GatewayRequest): WatchFace | null {
	if (method !== "GET") return null;
	if (upgradable) return session;
	const accept = headerOf(headers, "accept");
	if (accept !== null && accept !== "*/*") {
		const type = preferredType(headers, "application/json", streamTypes);
		if (type === eventStreamType) return events;
		if (type !== null) return null;
	}
	// A client that has nothing has nothing to wait for.
	if (!hasHeaderOf(headers, ifNoneMatch)) return null;
	const seconds = preferredWaitOf(headers) ?? 0;
	if (seconds === 0) return null;
	return { kind: "wait", ms: 1000 * Math.min(seconds, waitSecondsMax) };
}

/** The types that a live route sends besides JSON. The other one is in parts. */
const streamTypes = [eventStreamType, "application/x-ndjson"] as const;
