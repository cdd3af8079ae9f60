import type { ErrorCode, GatewayError } from "./errors.ts";
import type { Tracer } from "./trace-ids.ts";
import type { AttemptTrail, CallTrail, Trail } from "./trail.ts";

/** One request has been answered, or its client has left. */
export interface RequestEnded {
	readonly requestId: string;
	/** Present if it is traced: the trace that its spans belong to. */
	readonly traceId?: string;
	readonly method: string;
	/**
	 * The route's key (`GET /weather/{id}`). Null if no route matched, or if the gateway refused the request before it
	 * looked. Never the request's own path.
	 */
	readonly route: string | null;
	/** The status sent; 499 if the client left. */
	readonly status: number;
	readonly durationMs: number;
	/** Why it failed, or null. May hold facts about upstreams: for operators only. */
	readonly error: GatewayError | null;
	/** The parts that a partial answer lacks; empty for a whole answer. */
	readonly missing: readonly StepFailure[];
	/**
	 * True if its client left after a write had been sent, so that the run went on to its end. Then `error` is
	 * `client_closed` if the run ended well.
	 */
	readonly outlived: boolean;
	/** The writes that it had sent, in that order, as far as they had come when it ended. */
	readonly writes: readonly StepWrite[];
	/** Null if its answer was not sent in parts, or failed before the first. */
	readonly parts: SentParts | null;
	/** Present if its client watched a live route or listened to a channel, and for a run for all who watch. */
	readonly watch?: WatchRole;
	/** Present if it is the run of a job, whose client has its answer later. */
	readonly job?: true;
	/**
	 * Present if its answer was a WebSocket: the code with which that was closed (RFC 6455, 7.4). 1005 if no code was given, 1006 if the
	 * connection was cut.
	 */
	readonly closeCode?: number;
}

/**
 * `run`: a run of the gateway's own, for all who watch. Else a client that watched or listened, until it left or was told that it ends:
 * by events, over WebSocket, or waiting for news.
 */
export type WatchRole = "run" | "events" | "websocket" | "wait";

/** An answer that was sent in parts. */
export interface SentParts {
	readonly face: PartsFace;
	/** How long after the request's arrival the first part was sent. */
	readonly firstMs: number;
}

/** The forms in which answers are sent in parts: lines of JSON, or events for browsers. */
export type PartsFace = "ndjson" | "events";

/** A write that a step has sent. */
export interface StepWrite {
	readonly step: string;
	/** Positions in the lists of the `each` and rounds of the `repeat` around it, outermost first; empty outside any. */
	readonly index: readonly number[];
	/**
	 * `done`: it was answered with 2xx. `refused`: with 4xx, at the first attempt. `unknown`: there was another answer, or
	 * none yet, so the write may have happened.
	 */
	readonly outcome: "done" | "refused" | "unknown";
}

/** The same, with the record of everything that was done for it. */
export interface TrailEnded extends RequestEnded {
	readonly trail: Trail;
}

/** A step that failed and was filled in by its fallback, or by null. */
export interface StepFailure {
	/** `now`, or `orders.items` for a step in a group. */
	readonly step: string;
	/** Positions in the lists of the `each` and rounds of the `repeat` around it, outermost first; empty outside any. */
	readonly index: readonly number[];
	readonly error: GatewayError;
	/** True if a stale answer of the cache stands in for the failed one, instead of a fallback or null. */
	readonly stale?: true;
}

/** A step whose value comes from a stale answer of the cache while a newer one is asked for. Nothing has failed. */
export interface StepStale extends Omit<StepFailure, "error"> {
	readonly error: null;
	readonly stale: true;
}

/** What an answer says about one of its parts. */
export type StepMark = StepFailure | StepStale;

/** A call of a step has ended, with all its attempts, well or not. */
export interface CallEnded {
	readonly requestId: string;
	readonly route: string;
	readonly step: string;
	/** Positions in the lists of the `each` and rounds of the `repeat` around it, outermost first; empty outside any. */
	readonly index: readonly number[];
	readonly upstream: string;
	/** Milliseconds from the request's arrival to the start of the call. */
	readonly startedMs: number;
	readonly durationMs: number;
	/** The upstream's status, or null if no answer came. */
	readonly status: number | null;
	readonly error: GatewayError | null;
	readonly trail: CallTrail;
}

/**
 * An attempt of a call has ended, well or not. Of a call that several share, it may end after the request that began
 * it.
 */
export interface AttemptEnded {
	readonly call: CallTrail;
	readonly attempt: AttemptTrail;
}

/** A write of a run that has failed was undone, or could not be. Of a write that was refused there is none. */
export interface UndoEnded {
	readonly requestId: string;
	readonly route: string;
	/** The step that has written. */
	readonly step: string;
	/** Positions in the lists of the `each` around it, outermost first; empty outside any. */
	readonly index: readonly number[];
	/** Why it could not be undone; null if it was. */
	readonly error: GatewayError | null;
	/** The write as it was sent, without its query: `POST flights /bookings`. */
	readonly write: string;
	/** The undo as it was sent, or would have been: `DELETE flights /bookings/7`. Null if it could not be made. */
	readonly undo: string | null;
	/** The first 2,000 characters of its body, without secrets; null if it has none. Holds data of the request or of an answer. */
	readonly body: string | null;
}

/**
 * What each policy can decide, by the policy's key in the config. The words are public and permanent: they may stand as
 * labels in metrics.
 */
export const policyDecisions = {
	cache: [
		"hit",
		"miss",
		"stale",
		"revalidated",
		"refresh_failed",
		"invalidated",
		"shared",
	],
	coalesce: ["joined"],
	retry: ["attempt", "no_time", "no_budget"],
	hedge: ["attempt", "won", "no_slot", "no_budget"],
	breaker: ["opened", "refused", "probe", "stays_open", "closed"],
	limiter: ["limit", "refused"],
	urls: ["chosen", "left_out"],
	auth: ["waited", "renewed", "failed"],
} as const satisfies Record<string, readonly string[]>;

export type PolicyKey = keyof typeof policyDecisions;

/** The words of one policy; without an argument those of all. */
export type Decision<Policy extends PolicyKey = PolicyKey> =
	(typeof policyDecisions)[Policy][number];

/** Why: the code of a failure, or what the policy saw. */
export type DecisionReason =
	| ErrorCode
	/** `hedge`: the first attempt takes longer than most. */
	| "slow"
	/** `cache`: a newer answer is being asked for. */
	| "refreshing"
	/** `limiter`: how its calls were answered lately. */
	| "answers_fast"
	| "answers_slowly";

/** A policy did something about a call besides passing it on. Never holds data of a request or an answer. */
export interface PolicyDecided {
	/** The client's request that the call was made for. For a shared call it is the first client's. */
	readonly requestId: string;
	readonly upstream: string;
	readonly policy: PolicyKey;
	readonly decision: Decision;
	/** Which attempt or which of the `urls`, counted from 1, or the new `limit`; null with every other decision. */
	readonly number: number | null;
	/** Null if the decision says it all. */
	readonly reason: DecisionReason | null;
}

/** How overloaded the gateway is, which decides what it leaves out or refuses: see docs/protection.md. */
export type LoadLevel = "normal" | "skipping" | "refusing";

/** Too many `requests` in progress, the `delay` of the event loop, or no `memory` left for new requests. */
export type OverloadReason = "requests" | "delay" | "memory";

/** The gateway begins or stops to leave out optional parts, or to refuse requests. */
export interface LoadChanged {
	readonly level: LoadLevel;
	/** Null if the overload is over. */
	readonly reason: OverloadReason | null;
}

/** Why the store is away. The words are public and permanent: they may stand as labels in metrics. */
export const storeFaults = [
	/** No connection could be made. */
	"unreachable",
	/** The connection ended. */
	"closed",
	/** It did not answer in time. */
	"slow",
	/** What came is no answer to what was asked. */
	"garbled",
	/** It does not know the user or the password, or forbids what was asked. */
	"denied",
	/** It takes no writes, because it is a replica. */
	"read_only",
	/** It has no memory left for writes. */
	"full",
	/** It is starting, or does something long. */
	"busy",
	/** It answers with another error. */
	"refused",
] as const;

export type StoreFault = (typeof storeFaults)[number];

/** A call of the store has ended: answered, refused, or given up. */
export interface StoreCalled {
	readonly durationMs: number;
}

/** The store cannot be used any more, or can be used again. It begins away, which is not told. */
export interface StoreChanged {
	readonly state: "up" | "away";
	/** Null if it is up. */
	readonly fault: StoreFault | null;
}

/** The keys or entries of an `auth` cannot be read again, or can be. What was read before goes on. */
export interface AuthChanged {
	/** Its name. */
	readonly auth: string;
	/** Null if it went well again. */
	readonly error: GatewayError | null;
}

/** The server's certificates were read again, because their files have changed. */
export interface CertificateChanged {
	/** `refused`: they cannot be used, and those before stay in force. */
	readonly outcome: "loaded" | "refused";
	/** Null if they are in force. Holds nothing of the files. */
	readonly fault: string | null;
	/** Those in force. */
	readonly certificates: readonly {
		/** The host whose clients get it; null for all others. */
		readonly name: string | null;
		/** The hosts that it is for. */
		readonly hosts: readonly string[];
		/** When it expires, in milliseconds since 1970. */
		readonly untilMs: number;
	}[];
}

type Listener<T> = (event: T) => void;

/**
 * The events of the request path, as lists of listeners. A maker of an event first looks whether its list is empty, so
 * that no event is built in vain.
 */
export interface Events {
	readonly requestEnded: Listener<RequestEnded>[];
	readonly trailEnded: Listener<TrailEnded>[];
	readonly callEnded: Listener<CallEnded>[];
	readonly attemptEnded: Listener<AttemptEnded>[];
	readonly policyDecided: Listener<PolicyDecided>[];
	readonly loadChanged: Listener<LoadChanged>[];
	readonly undoEnded: Listener<UndoEnded>[];
	readonly storeCalled: Listener<StoreCalled>[];
	readonly storeChanged: Listener<StoreChanged>[];
	readonly authChanged: Listener<AuthChanged>[];
	readonly certificateChanged: Listener<CertificateChanged>[];
	/** Empty if nobody makes spans of requests. There is one at most. */
	readonly tracers: Tracer[];
}

/** The events of one gateway. Two gateways share none. */
export function createEvents(): Events {
	return {
		requestEnded: [],
		trailEnded: [],
		callEnded: [],
		attemptEnded: [],
		policyDecided: [],
		loadChanged: [],
		undoEnded: [],
		storeCalled: [],
		storeChanged: [],
		authChanged: [],
		certificateChanged: [],
		tracers: [],
	};
}

/** Adds a listener. Gives its removal, which must not be called by a listener. */
export function listen<T>(
	listeners: Listener<T>[],
	listener: Listener<T>,
): () => void {
	listeners.push(listener);
	return () => {
		const at = listeners.indexOf(listener);
		if (at >= 0) listeners.splice(at, 1);
	};
}

/**
 * Calls every listener, in the order in which they were added. A listener must not throw, because its error would reach
 * the request.
 */
export function raise<T>(listeners: readonly Listener<T>[], event: T): void {
	for (const listener of listeners) listener(event);
}
