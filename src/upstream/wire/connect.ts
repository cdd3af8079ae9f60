import {
	connect as connectTcp,
	isIP,
	type OnReadOpts,
	type Socket,
} from "node:net";
import {
	type ConnectionOptions,
	connect as connectTls,
	TLSSocket,
} from "node:tls";
import { getSystemErrorName } from "node:util";
import type { Clock } from "../../tasks/clock.ts";
import { Names } from "./names.ts";
import { Race } from "./race.ts";
import type { WireSettings } from "./wire.ts";

/**
 * Begins a connection. Without `onread` its bytes come as events. `onReady` is called when a request may be sent on it, with TLS only after the server was verified.
 * Stop the race to end it before.
 */
export type Connect = (
	onread: OnReadOpts | null,
	onReady: (socket: Socket) => void,
	onFailed: (error: Error) => void,
) => Race;

/** How long nothing may travel on a connection before the system asks whether the other side is still there. */
const probeMs = 60_000;

export function createConnect(
	{ origin, tls, nameServers }: WireSettings,
	clock: Clock,
): Connect {
	const { protocol, hostname, port } = new URL(origin);
	// An IPv6 address stands in brackets only in a URL.
	const host = hostname.replace(/^\[|\]$/g, "");
	const open =
		protocol === "http:"
			? openPlain(Number(port || 80))
			: openSecure(Number(port || 443), host, tls);
	const names = isIP(host) === 0 ? new Names(host, clock, nameServers) : null;
	return (onread, onReady, onFailed) => {
		const race = new Race(
			(address, ready) => open(address, onread, ready),
			clock,
			(socket, address) => {
				names?.reached(address);
				onReady(socket);
			},
			onFailed,
		);
		if (names === null) race.begin([host]);
		else {
			names.find((error, addresses) => {
				if (error === null) race.begin(addresses);
				else race.lose(error);
			});
		}
		return race;
	};
}

type Open = (
	address: string,
	onread: OnReadOpts | null,
	onReady: () => void,
) => Socket;

const keptOpen = {
	noDelay: true,
	keepAlive: true,
	keepAliveInitialDelay: probeMs,
} as const;

function openPlain(port: number): Open {
	return (host, onread, onReady) =>
		connectTcp({ ...keptOpen, host, port, ...(onread && { onread }) }, onReady);
}

function openSecure(
	port: number,
	name: string,
	tls: WireSettings["tls"],
): Open {
	const options = {
		...keptOpen,
		...tls,
		port,
		// TLS asks for no server by address (RFC 6066, 3). The certificate is checked against the host all the same.
		servername: isIP(name) === 0 ? name : "",
		ALPNProtocols: ["http/1.1"],
	};
	let session: Buffer | undefined;
	return (host, onread, onReady) => {
		// The types do not show that it takes the options of a plain connection, too.
		const given = { host, session, ...(onread && { onread }) };
		const all = { ...options, ...given } as ConnectionOptions;
		return connectTls(all, onReady).on("session", (next) => {
			session = next;
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
