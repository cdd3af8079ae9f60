import type { Socket } from "node:net";

/** The socket that carries one of TLS; null if it is none. Node has no public name for it. */
export function rawSocketOf(socket: Socket): Socket | null {
	return (socket as { _parent?: Socket | null })._parent ?? null;
}
