import { collecting } from "./collect.ts";
import { Connections, dispatchOf } from "./connections.ts";
import { Exchange, refusalToSend } from "./exchange.ts";
import { streaming } from "./stream.ts";
import type { Wire, WireSettings } from "./wire.ts";

/**
 * HTTP/1.1 by undici's client and a handler of our own: no signal, stream or headers object per call. One undici
 * client is one connection and carries one call at a time. undici's own pool would queue calls that have no connection
 * yet where nothing can reach them: given up, they would still wait there, and be connected for.
 */
export function undiciWire(settings: WireSettings): Wire {
	const connections = new Connections(settings);
	return {
		call(request, scope) {
			const refusal = refusalToSend(connections, scope);
			if (refusal !== null) return Promise.reject(refusal.reason);
			const { method, target, headers, body, idempotent, onSent } = request;
			return new Promise((resolve, reject) => {
				const sending = {
					dispatch: dispatchOf(method, target, headers, body),
					repeatable: idempotent,
					onSent,
				};
				const receiver = collecting(settings, scope, resolve, reject);
				new Exchange(connections, sending, scope, receiver).begin();
			});
		},
		stream(request, scope) {
			const refusal = refusalToSend(connections, scope);
			if (refusal !== null) return Promise.reject(refusal.reason);
			return streaming(connections, request, scope);
		},
		close: () => connections.close(),
	};
}
