import type { Socket } from "node:net";
import type { ServerConfig } from "../config/config.ts";
import type { GatewayError } from "../core/errors.ts";
import { type Events, raise } from "../core/events.ts";
import { isLocal } from "../core/ip.ts";
import type { Memory } from "../core/memory.ts";
import type { Clock } from "../tasks/clock.ts";
import { type Handle, listen, type Server } from "./server.ts";

/**
 * How long a server of other machines takes requests after its health check fails. Kubernetes tells everybody within a
 * second or two. A server for this machine alone has nobody before it.
 */
const usualDelayMs = 5_000;

/** Anything that can be put on a port: a gateway, or another object that answers requests in the same way. */
export interface Served {
	readonly server: ServerConfig;
	readonly clock: Clock;
	readonly handle: Handle;
	/** Counts what its requests hold. */
	readonly memory: Memory;
	/** Where it is told that certificates were read again. Absent: nobody listens. */
	readonly events?: Pick<Events, "certificateChanged">;
}

export interface ServeOptions {
	/** Instead of the config's port; 0 takes any free one. */
	readonly port?: number;
	/** Instead of the config's host. */
	readonly host?: string;
	/** Descriptors of sockets that are bound there already, and that other processes may share. Default: it makes its own. */
	readonly sockets?: readonly number[];
	/** The same for the port of `tls.redirect`. */
	readonly redirectSockets?: readonly number[];
	/** Asked about each connection before anything is read of it. True: another process has it. */
	readonly handOver?: (socket: Socket) => boolean;
	/** Called with errors that are bugs, and with the request's id, or an empty text if there is no request. */
	readonly onInternal?: (error: unknown, requestId: string) => void;
	/** Called with requests that the server itself refused, and with their ids. The gateway never saw them. */
	readonly onRefused?: (error: GatewayError, requestId: string) => void;
}

/** A server that takes requests. */
export interface RunningServer extends Omit<Server, "drain" | "retire"> {
	/**
	 * Answers the health check with 503, and takes requests for the delay. Then it stops accepting connections, and answers
	 * further requests on open ones with 503. Lets running requests finish. Both times are by default those of the config.
	 * True if all of them finished; else the rest was cut.
	 */
	drain(timeoutMs?: number, delayMs?: number): Promise<boolean>;
	/**
	 * Leaves the port to other processes that share its sockets: accepts no more, and closes each connection with its next
	 * answer, or after the time of the config if it is at rest. True if all running requests finished.
	 */
	retire(): Promise<boolean>;
}

/**
 * Puts a gateway on a port, as its config's `server` says. Fails with the system's error if it cannot listen
 * (`EADDRINUSE`). Closing the server does not close the gateway.
 */
export async function serve(
	{ server: settings, clock, handle, memory, events }: Served,
	options: ServeOptions = {},
): Promise<RunningServer> {
	const { port, host, sockets, redirectSockets, ...hooks } = options;
	const { onInternal, onRefused, handOver } = hooks;
	// The gateway itself reads bodies, makes answers and bounds its memory. Only the command starts further processes.
	const {
		bodyBytesMax: _,
		valuesMax: _1,
		answerBytesMax: _2,
		...others
	} = settings;
	const { memoryBytesMax: _3, ...times } = others;
	const { drainMs, drainDelayMs, workers: _4, ...bounds } = times;
	const where = host ?? bounds.host;
	const server = await listen({
		...bounds,
		host: where,
		port: port ?? bounds.port,
		clock,
		handle,
		memory,
		...(sockets && { sockets }),
		...(redirectSockets && { redirectSockets }),
		...(events && {
			onCertificate: (event) => raise(events.certificateChanged, event),
		}),
		...(onInternal && { onInternal }),
		...(onRefused && { onRefused }),
		...(handOver && { handOver }),
	});
	return {
		...server,
		retire: () => server.retire(drainMs, drainDelayMs ?? usualDelayMs),
		drain: (
			timeoutMs = drainMs,
			delayMs = drainDelayMs ?? (isLocal(where) ? 0 : usualDelayMs),
		) => server.drain(timeoutMs, delayMs),
	};
}
