import {
	connect as connectTcp,
	isIP,
	type OnReadOpts,
	type Socket,
} from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import type { WireSettings } from "./wire.ts";

/**
 * Begins a connection. `onReady` is called when a request may be sent on it, with TLS only after the server was
 * verified.
 */
export type Connect = (onread: OnReadOpts, onReady: () => void) => Socket;

/** How long nothing may travel on a connection before the system asks whether the other side is still there. */
const probeMs = 60_000;

export function createConnect({ origin, tls }: WireSettings): Connect {
	const { protocol, hostname, port } = new URL(origin);
	// An IPv6 address stands in brackets only in a URL.
	const host = hostname.replace(/^\[|\]$/g, "");
	const keptOpen = {
		host,
		noDelay: true,
		keepAlive: true,
		keepAliveInitialDelay: probeMs,
	};
	if (protocol === "http:") {
		const options = { ...keptOpen, port: Number(port || 80) };
		return (onread, onReady) => connectTcp({ ...options, onread }, onReady);
	}
	const options = {
		...keptOpen,
		...tls,
		port: Number(port || 443),
		// TLS asks for no server by address (RFC 6066, 3). The certificate is checked against the host all the same.
		servername: isIP(host) === 0 ? host : "",
		ALPNProtocols: ["http/1.1"],
	};
	let session: Buffer | undefined;
	return (onread, onReady) => {
		// The types do not show that it takes the options of a plain connection, too.
		const all = { ...options, session, onread } as ConnectionOptions;
		return connectTls(all, onReady).on("session", (given) => {
			session = given;
		});
	};
}
