import { knowsEtag } from "../core/http/etag.ts";
import { eventStreamType } from "../core/http/event-stream.ts";
import {
	type HeaderList,
	headerOf,
	headersWithout,
} from "../core/http/headers.ts";
import type { GatewayRequest, GatewayResponse } from "../core/http/messages.ts";
import type { Clock } from "../tasks/clock.ts";
import type { Scope } from "../tasks/scope.ts";
import type { RouteWatches } from "./route-watches.ts";
import type { Watch, Watcher, WatchSource } from "./watch.ts";
import { WatchEvents } from "./watch-events.ts";
import type { WatchFace } from "./watch-face.ts";
import { WatchSession } from "./watch-session.ts";
import { type WatchState, withTag } from "./watch-state.ts";

/** A client's request for what it wants to watch. */
export interface Watching {
	readonly watches: RouteWatches;
	readonly key: string;
	readonly face: WatchFace;
	readonly request: GatewayRequest;
	/** Cancelled when the client leaves. */
	readonly scope: Scope;
	/** Cancelled when the gateway closes. */
	readonly closing: Scope;
	readonly source: WatchSource;
}

/** An answer to a client that watches, and the newest answer that it was made of. */
export interface Watched {
	readonly response: GatewayResponse;
	readonly state: WatchState;
}

/**
 * Answers a client that watches. Waits for the first run, if nobody has watched before. Rejects if that fails, with
 * `overloaded` if too many watch, and with the scope's reason.
 */
export function answerWatching(watching: Watching): Promise<Watched> {
	const { watches, key, face, source } = watching;
	const watch = watches.watchOf(key, source);
	switch (face.kind) {
		case "events":
			return answerByEvents(watch, watching);
		case "session":
			return answerBySession(watch, watching);
		case "wait":
			return answerInTime(watch, watching, face.ms);
	}
}

async function answerByEvents(
	watch: Watch,
	{ watches, request, scope, closing }: Watching,
): Promise<Watched> {
	const { ip, headers } = request;
	const etag = headerOf(headers, "last-event-id");
	const stops: (() => void)[] = [];
	const events = new WatchEvents(watch, scope.clock, { ip, etag }, () => {
		for (const stop of stops) stop();
	});
	stops.push(watches.join(watch, events));
	try {
		const state = await firstOf(watch, scope);
		if (!state.isGood) {
			events.leave();
			return { response: state.response, state };
		}
		stops.push(
			scope.onCancel((reason) => events.cut(reason)),
			closing.onCancel(() => events.end("closed")),
			request.onDrain?.(() => events.end("draining")) ?? nothing,
		);
		return { response: streamHead(state, events), state };
	} catch (error) {
		events.leave();
		throw error;
	}
}

function nothing(): void {}

/** Whoever leaves while it waits has nothing to listen for any more. */
async function firstOf(watch: Watch, scope: Scope): Promise<WatchState> {
	const state = await watch.first(scope);
	if (scope.cancelled) throw scope.reason;
	return state;
}

async function answerBySession(
	watch: Watch,
	{ watches, request, scope }: Watching,
): Promise<Watched> {
	const stops: (() => void)[] = [];
	const session = new WatchSession(watch, request.ip, () => {
		for (const stop of stops) stop();
	});
	stops.push(watches.join(watch, session));
	try {
		const state = await firstOf(watch, scope);
		if (!state.isGood) {
			session.onClosed();
			return { response: state.response, state };
		}
		// The client may leave before the conversation begins.
		session.onBegin = scope.onCancel(() => session.onClosed());
		const headers = ownFields(state.response.headers);
		return { response: { status: 101, headers, body: null, session }, state };
	} catch (error) {
		session.onClosed();
		throw error;
	}
}

/** The author's own fields are those of the answer with which the stream begins. */
function streamHead(state: WatchState, body: WatchEvents): GatewayResponse {
	const own = ownFields(state.response.headers);
	const headers = [...own, "content-type", eventStreamType, ...neverKept];
	return { status: 200, headers, body };
}

function ownFields(headers: HeaderList): string[] {
	return headersWithout(headers, (name) => ofOneAnswer.has(name));
}

const ofOneAnswer: ReadonlySet<string> = new Set([
	...["cache-control", "content-type", "etag", "expires", "last-modified"],
	...["sluice-complete", "sluice-missing", "vary"],
]);

/** Proxies that hold an answer back until they have more of it read the second field. */
const neverKept = ["cache-control", "no-store", "x-accel-buffering", "no"];

async function answerInTime(
	watch: Watch,
	{ watches, request, scope, closing }: Watching,
	ms: number,
): Promise<Watched> {
	const { headers, ip } = request;
	const { promise, resolve, reject } = Promise.withResolvers<void>();
	const isNew = ({ etag }: WatchState) => !knowsEtag(headers, etag);
	const watcher: Watcher = {
		ip,
		streams: false,
		wake() {
			if (watch.state !== null && isNew(watch.state)) resolve();
		},
	};
	const stops = [watches.join(watch, watcher)];
	try {
		const first = await firstOf(watch, scope);
		if (!isNew(first)) {
			stops.push(
				waited(scope.clock, ms, resolve),
				scope.onCancel(reject),
				closing.onCancel(() => resolve()),
				request.onDrain?.(resolve) ?? nothing,
			);
			await promise;
		}
		const state = watch.state ?? first;
		const applied = ["preference-applied", `wait=${ms / 1000}`] as const;
		return { response: timedResponse(state, isNew(state), applied), state };
	} finally {
		for (const stop of stops) stop();
	}
}

function waited(clock: Clock, ms: number, then: () => void): () => void {
	const timer = clock.after(ms, then);
	return () => timer.cancel();
}

/** A cache that kept it would answer the next client that waits, at once and in vain. */
function timedResponse(
	{ response, etag, isGood }: WatchState,
	isNew: boolean,
	applied: HeaderList,
): GatewayResponse {
	const fields = [...notKept, ...applied];
	if (!isNew) {
		return { status: 304, headers: ["etag", etag, ...fields], body: null };
	}
	const own = headersWithout(
		response.headers,
		(name) => name === "cache-control",
	);
	const headers = isGood ? withTag(own, etag) : own;
	return { ...response, headers: [...headers, ...fields] };
}

const notKept = ["cache-control", "no-store"];
