import type { ServerConfig } from "../config/config.ts";
import type { Clock } from "../tasks/clock.ts";
import { type Handle, listen, type Server } from "./server.ts";

/** What can be put on a port: a gateway, or whatever else answers requests in its way. */
export interface Served {
	readonly server: ServerConfig;
	readonly clock: Clock;
	readonly handle: Handle;
}

export interface ServeOptions {
	/** Instead of the config's; 0 for any that is free. */
	readonly port?: number;
	/** Instead of the config's. */
	readonly host?: string;
	/** Told of what is a bug, with the request's id or, where it belongs to none, an empty text. */
	readonly onInternal?: (error: unknown, requestId: string) => void;
}

/** A server that takes requests. */
export interface RunningServer extends Omit<Server, "drain"> {
	/**
	 * Stops accepting, answers what still comes over open connections with 503, and lets what runs finish, by default as
	 * long as the config says. True when everything was finished; else the rest was cut.
	 */
	drain(timeoutMs?: number): Promise<boolean>;
}

/**
 * Puts a gateway on a port, as its config's `server` says. Fails with the system's error where it cannot listen
 * (`EADDRINUSE`). Closing the server does not close the gateway.
 */
export async function serve(
	{ server: settings, clock, handle }: Served,
	{ port, host, onInternal }: ServeOptions = {},
): Promise<RunningServer> {
	const server = await listen({
		...settings,
		host: host ?? settings.host,
		port: port ?? settings.port,
		clock,
		handle,
		...(onInternal && { onInternal }),
	});
	return {
		...server,
		drain: (timeoutMs = settings.drainMs) => server.drain(timeoutMs),
	};
}
