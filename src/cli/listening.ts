import type { AdminOptions, AdminServer } from "../admin/admin.ts";
import { usualAdminPort } from "../admin/admin.ts";
import type { AdminConfig } from "../config/config.ts";
import { allRead } from "../core/all-read.ts";
import { GatewayError } from "../core/errors.ts";
import type { Log } from "../telemetry/log/log.ts";
import { logBug } from "../telemetry/log/log-events.ts";
import { printError } from "./terminal.ts";

/** Where and for whom an admin server listens, and who hears of its bugs. */
export type AdminDoor = Required<
	Pick<AdminOptions, "port" | "host" | "hosts" | "token" | "onInternal">
>;

/**
 * Opens the admin server. Null if nobody chose its port and another process has it. It failed if the config's own address
 * cannot be listened on. Then stderr says why. `beside` is for a process that may run beside the gateway of its config: that has the
 * port then, unless its own was chosen for it.
 */
export async function openAdmin(
	config: AdminConfig,
	log: Log,
	open: (door: AdminDoor) => Promise<AdminServer>,
	beside?: { readonly port: number | null },
): Promise<AdminServer | null | "failed"> {
	const { port: written, host, hosts, token, ...unread } = config;
	allRead(unread);
	const port = beside ? beside.port : written;
	const taken = port ?? written ?? usualAdminPort;
	try {
		return await open({
			...{ port: taken, host, hosts },
			token: token?.reveal() ?? null,
			onInternal: (error, requestId) =>
				logBug(log, error, { requestId }, "admin request failed"),
		});
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (port === null && code === "EADDRINUSE") {
			const why = beside
				? "its port is taken, so choose another with --admin-port"
				: "its usual port is taken, so choose another as `admin.port`";
			log.warn({ port: taken }, `there is no admin server: ${why}`);
			return null;
		}
		printError(
			`the admin server cannot listen on \`admin.host\` and port ${taken}: ${code}`,
		);
		return "failed";
	}
}

/** Where somebody wanted to listen, and how. */
export interface AskedPlace {
	/** What the command was told. The config's is named by its key, because it may come from the environment. */
	readonly host: string | undefined;
	readonly port: number;
	/** How another port is chosen, such as `with --port`. */
	readonly another: string | undefined;
}

export function cannotListen(
	error: NodeJS.ErrnoException,
	{ host, port: first, another = "with --port" }: AskedPlace,
): string {
	if (error instanceof GatewayError) return error.message;
	const { code } = error;
	const { port = first } = error as { port?: number };
	const how = port === first ? another : "as `server.tls.redirect`";
	switch (code) {
		case "EADDRINUSE":
			return `port ${port} is taken by another process: stop it, or choose another ${how}`;
		case "EACCES":
			return `listening on port ${port} is not allowed: ports below 1024 need rights`;
		case "EADDRNOTAVAIL":
		case "ENOTFOUND":
			return `${host ?? "`server.host`"} is no address of this machine`;
		default:
			return `cannot listen on ${host ?? "`server.host`"} and port ${port}: ${code}`;
	}
}
