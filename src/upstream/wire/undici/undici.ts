import { Collecting } from "../collect.ts";
import { Relay } from "../relay.ts";
import type { Wire, WireSettings } from "../wire.ts";
import { Connections, dispatchOf } from "./connections.ts";
import { Exchange, refusalToSend } from "./exchange.ts";
import { Upload } from "./upload.ts";

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
					upload: null,
				};
				const receiver = new Collecting(settings, scope, resolve, reject);
				new Exchange(connections, sending, scope, receiver).begin();
			});
		},
		stream(request, scope) {
			const refusal = refusalToSend(connections, scope);
			if (refusal !== null) return Promise.reject(refusal.reason);
			const { method, target, headers, idempotent } = request;
			return new Promise((resolve, reject) => {
				const upload = request.body && new Upload(request.body);
				const sending = {
					dispatch: dispatchOf(method, target, headers, upload),
					// A body that was read cannot be sent again.
					repeatable: idempotent && upload === null,
					onSent: null,
					upload,
				};
				const receiver = new Relay(request, resolve, reject, (reason) =>
					exchange.fail(reason),
				);
				const exchange = new Exchange(connections, sending, scope, receiver);
				exchange.begin();
			});
		},
		close: () => connections.close(),
	};
}
