import type { Peer, Session, Tunnel } from "../core/http/session.ts";
import type { Clock, Timer } from "../tasks/clock.ts";
import type { PreparedWebSocket } from "./prepare-proxy.ts";

/** As many bytes may wait for one side while messages are read from the other. */
const waitingBytesMax = 64 * 1024;

/**
 * Passes the messages of a client and an upstream on to each other, each as fast as the other takes them. If one side ends, so
 * does the other: with the same code, or with one that says that a connection was cut.
 */
export function relayed(
	tunnel: Tunnel,
	{ messageBytesMax, idleMs }: PreparedWebSocket,
	clock: Clock,
): Session {
	return {
		protocol: tunnel.protocol,
		messageBytesMax,
		open(client) {
			let saidMs = clock.now();
			const rest = (ms: number): Timer =>
				clock.after(ms, () => {
					const leftMs = saidMs + idleMs - clock.now();
					if (leftMs > 0) {
						timer = rest(leftMs);
						return;
					}
					client.close(1001, "nobody said anything");
					upstream.close(1001, "nobody said anything");
				});
			let timer = rest(idleMs);
			const pass = (to: Peer, data: Uint8Array, isText: boolean) => {
				saidMs = clock.now();
				if (isText) to.sendText(data);
				else to.sendBytes(data);
				return whenTaken(to);
			};
			const upstream = tunnel.open({
				onMessage: (data, isText) => pass(client, data, isText),
				onClosed(code, reason) {
					timer.cancel();
					if (code === 1006) client.close(1011, "the upstream is gone");
					else client.close(code, reason);
				},
			});
			return {
				onMessage: (data, isText) => pass(upstream, data, isText),
				onClosed(code, reason) {
					timer.cancel();
					if (code === 1006) upstream.close(1001, "the client is gone");
					else upstream.close(code, reason);
				},
			};
		},
	};
}

/** Nothing if there is no need to wait. */
function whenTaken(to: Peer): void | Promise<void> {
	if (to.waitingBytes <= waitingBytesMax) return;
	return new Promise((resolve) => to.whenTaken(resolve));
}
