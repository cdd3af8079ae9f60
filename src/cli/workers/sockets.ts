import { lookup } from "node:dns/promises";
import net, { type BoundSocket } from "node:net";
import { claimed, socketsMax } from "../../server/listeners.ts";

/** The sockets of a port, held for workers that accept from them. The holder accepts nothing. */
export interface HeldSockets {
	readonly host: string;
	readonly port: number;
	/** Their descriptors, for processes that are started. */
	readonly descriptors: readonly number[];
	/** The port closes when no worker has it open any more. */
	close(): void;
}

/** Whether Node and the system can hold a socket without accepting from it. */
export function canHoldSockets(): boolean {
	return net.BoundSocket !== undefined && process.platform !== "win32";
}

/**
 * Binds the port. A connection waits in the system until some worker takes it: one that ends, or hangs, takes none with it.
 * Fails with the system's error if the port cannot be had (`EADDRINUSE`).
 */
export async function holdSockets(where: {
	readonly host: string;
	readonly port: number;
}): Promise<HeldSockets> {
	const { address: host } = await lookup(where.host);
	const port = await claimed({ host, port: where.port });
	const sockets = bound(host, port);
	return {
		host,
		port,
		descriptors: sockets.map((socket) => socket.fd()),
		close() {
			for (const socket of sockets) socket.close();
		},
	};
}

/** One socket alone if the system cannot share a port among several. */
function bound(host: string, port: number): BoundSocket[] {
	const sockets: BoundSocket[] = [];
	try {
		while (sockets.length < socketsMax) {
			sockets.push(new net.BoundSocket({ host, port, reusePort: true }));
		}
		return sockets;
	} catch (error) {
		for (const socket of sockets) socket.close();
		const { code } = error as NodeJS.ErrnoException;
		if (code !== "ENOTSUP" && code !== "EINVAL") throw error;
		return [new net.BoundSocket({ host, port })];
	}
}
