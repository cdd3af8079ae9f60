import {
	connect as connectTcp,
	isIP,
	type LookupFunction,
	type OnReadOpts,
	type Socket,
	type TcpNetConnectOpts,
} from "node:net";
import {
	type ConnectionOptions,
	connect as connectTls,
	TLSSocket,
} from "node:tls";
import { getSystemErrorName } from "node:util";
import type { Clock } from "../../tasks/clock.ts";
import { Names } from "./names.ts";
import type { WireSettings } from "./wire.ts";

/**
 * Begins a connection. `onReady` is called when a request may be sent on it, with TLS only after the server was
 * verified.
 */
export type Connect = (onread: OnReadOpts, onReady: () => void) => Socket;

/** How long nothing may travel on a connection before the system asks whether the other side is still there. */
const probeMs = 60_000;

/**
 * How long one address may take before the next is tried (RFC 8305, 5). Node then gives up the first, unless it is the
 * last.
 */
const attemptMs = 250;

export function createConnect(
	{ origin, tls, nameServers }: WireSettings,
	clock: Clock,
): Connect {
	const { protocol, hostname, port } = new URL(origin);
	// An IPv6 address stands in brackets only in a URL.
	const host = hostname.replace(/^\[|\]$/g, "");
	const names = isIP(host) === 0 ? new Names(host, clock, nameServers) : null;
	const keptOpen = {
		host,
		noDelay: true,
		keepAlive: true,
		keepAliveInitialDelay: probeMs,
		autoSelectFamily: true,
		autoSelectFamilyAttemptTimeout: attemptMs,
		...(names !== null && { lookup: lookUpWith(names) }),
	};
	const begin = connectBy(protocol, port, host, tls, keptOpen);
	if (names === null) return begin;
	return (onread, onReady) => {
		const socket = begin(onread, onReady);
		return socket.once("connect", () => names.reached(socket.remoteAddress));
	};
}

/** Node asks for all addresses, because it is to try several. */
function lookUpWith(names: Names): LookupFunction {
	return (_host, _options, callback) =>
		names.find((error, addresses) => callback(error, [...addresses]));
}

function connectBy(
	protocol: string,
	port: string,
	host: string,
	tls: WireSettings["tls"],
	keptOpen: Omit<TcpNetConnectOpts, "port">,
): Connect {
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

/**
 * Whether a connection whose `end` has just come was ended by the other side itself. Anybody on the way can end a
 * connection, and only TLS's notice is the other side's own word (RFC 9112, 9.8). Node raises `end` for both. Before
 * that it reads on only after the notice: the end of the connection has stopped the reading. If we had paused it, only
 * bytes that were there before can have brought the end, so the notice was among them. Without Node's handle no end
 * counts.
 */
export function endedByPeer(socket: Socket): boolean {
	if (!(socket instanceof TLSSocket) || socket.isPaused()) return true;
	const { _handle: handle } = socket as unknown as NodeHandle;
	const code = handle?._parent?.readStart() ?? 0;
	return code < 0 && getSystemErrorName(code) === "EALREADY";
}

/** What Node's sockets have and its types do not show: TLS on the system's connection. */
interface NodeHandle {
	readonly _handle?: { readonly _parent?: { readStart(): number } } | null;
}
