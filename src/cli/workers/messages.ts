import type {
	Heard,
	Listening,
	Question,
	Said,
} from "../../admin/questions.ts";
import type { ErrorCode, ErrorFacts } from "../../core/errors.ts";
import type { FamilySamples } from "../../telemetry/metrics/exposition.ts";
import type { ServerFlags } from "../flags.ts";
import type { WorkerLoad } from "./balance.ts";

/** What a worker is told at its start, as JSON on its command line. */
export interface WorkerStart {
	/** The file of the config. */
	readonly file: string;
	readonly flags: ServerFlags;
	/** From 1. */
	readonly number: number;
	/** How many workers share the machine. */
	readonly count: number;
	/** Where its sockets are bound. */
	readonly host: string;
	readonly port: number;
	/** How many sockets it has been given, from `firstSocket` on. */
	readonly sockets: number;
	/** How many follow these, for the port of `server.tls.redirect`. */
	readonly redirectSockets: number;
}

/** The descriptor of a worker's first socket: after stdin, stdout, stderr and the channel to the primary. */
export const firstSocket = 4;

/** To a worker. */
export type ToWorker =
	| { readonly kind: "ping" }
	/** Closes so many connections with their next answers. */
	| { readonly kind: "let go"; readonly connections: number }
	/** Drains as after a signal. Without `delayMs` the config says it. */
	| { readonly kind: "drain"; readonly delayMs?: 0 }
	/** Leaves the port to the others, and ends. */
	| { readonly kind: "retire" }
	/** The keys of sessions of TLS, the same for all workers. Never on a command line, which others can read. */
	| { readonly kind: "ticket keys"; readonly keys: Uint8Array }
	/** Whether another worker has time for what this one would refuse. */
	| { readonly kind: "others"; readonly rest: boolean }
	/** Serves a connection that another worker has accepted. It comes with the message. */
	| { readonly kind: "take" }
	/** Cuts what still runs. */
	| { readonly kind: "cut" }
	| {
			readonly kind: "ask";
			readonly call: number;
			readonly question: Question;
	  }
	| {
			readonly kind: "listen";
			readonly call: number;
			readonly listening: Listening;
	  }
	/** Nobody waits for this answer any more, or listens. */
	| { readonly kind: "leave"; readonly call: number };

/** From a worker. */
export type FromWorker = Life | Saying;

/** What a worker says of its own life. */
type Life =
	/** It takes requests. `endingMs` is how long its end may take at most, once it was told. */
	| {
			readonly kind: "ready";
			readonly routes: number;
			readonly traces: boolean;
			readonly endingMs: number;
	  }
	/** It cannot begin, and ends now. `faults` are those of the config, or what failed. */
	| { readonly kind: "unfit"; readonly faults: readonly string[] }
	/** Whether all of its places are taken, so that it should be given no connections of others. */
	| { readonly kind: "full"; readonly full: boolean }
	/** A connection for which it has no place comes with the message. */
	| { readonly kind: "offer" }
	/** The answer to a ping, with how it was since the last one. */
	| { readonly kind: "pong"; readonly load: WorkerLoad };

/** What it says of its requests. */
export type Saying =
	| {
			readonly kind: "answered";
			readonly call: number;
			readonly value: Said[Question["kind"]];
	  }
	| {
			readonly kind: "refused";
			readonly call: number;
			readonly code: ErrorCode;
			readonly message: string;
			readonly facts: Omit<ErrorFacts, "cause">;
	  }
	| { readonly kind: "heard"; readonly call: number; readonly heard: Heard }
	/** All that it has counted. It ends now. */
	| { readonly kind: "counted"; readonly metrics: readonly FamilySamples[] };
