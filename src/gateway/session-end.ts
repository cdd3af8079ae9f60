import { GatewayError } from "../core/errors.ts";
import type { Session } from "../core/http/session.ts";
import type { Scope } from "../tasks/scope.ts";

/**
 * A session that tells of its end, once: when it was closed, when `asking` is cancelled before it has begun, or when it
 * could not begin. It ends when the gateway closes. A client whose connection was cut is `client_closed`.
 */
export function withSessionEnd(
	session: Session,
	asking: Scope,
	closing: Scope,
	onEnd: (error: unknown) => void,
): Session {
	const { protocol, messageBytesMax } = session;
	const begins = asking.onCancel(onEnd);
	return {
		protocol,
		messageBytesMax,
		open(peer, scope) {
			begins();
			const stay = closing.onCancel((reason) => {
				scope.cancel(reason);
				peer.close(1001, "the gateway was closed");
			});
			try {
				const listener = session.open(peer, scope);
				return {
					onMessage: (data, isText) => listener.onMessage(data, isText),
					onClosed(code, reason) {
						stay();
						try {
							listener.onClosed(code, reason);
						} finally {
							const why = scope.cancelled ? scope.reason : cut(reason);
							onEnd(code === 1006 ? why : null);
						}
					},
				};
			} catch (thrown) {
				stay();
				onEnd(thrown);
				throw thrown;
			}
		},
	};
}

function cut(reason: string): GatewayError {
	const message = reason || "the client's connection was cut";
	return new GatewayError("client_closed", message);
}
