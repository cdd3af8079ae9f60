import { GatewayError } from "../core/errors.ts";
import type { AnswerWriter } from "./carrier.ts";
import type { ClientConnection } from "./client-connection.ts";
import { ClientExchange, type IncomingHead } from "./client-exchange.ts";
import type { BodySource } from "./request-body.ts";
import type { Service } from "./service.ts";
import type { Upgrade } from "./upgrade.ts";

/**
 * The most requests of one connection whose answers are not yet out. One more is refused, and nothing after it is read.
 */
const unansweredMax = 16;

/** A request of HTTP/1.1 that has come on a connection, whoever has read it. */
interface Http1Request {
	readonly head: IncomingHead;
	readonly body: BodySource | null;
	/** The length of its body; Infinity if only the body's end says it, and 0 if it has none. */
	readonly bodyBytes: number;
	readonly answer: AnswerWriter;
	/** Whether nothing behind it is a request. */
	readonly isLast: boolean;
	/** Null: it may be answered. */
	readonly refusal?: GatewayError | null;
	/** It asks before it sends its body. */
	readonly holdsBody?: boolean;
	/** It may become a WebSocket. */
	readonly upgrade?: Upgrade | null;
}

/** Takes a request, which is answered when those before it are. */
export function receiveOn(
	connection: ClientConnection,
	service: Service,
	request: Http1Request,
): void {
	const { head, body, bodyBytes, answer, isLast } = request;
	const { refusal = null, holdsBody = false, upgrade = null } = request;
	const tooMany = connection.outstanding >= unansweredMax;
	const exchange = new ClientExchange({
		...{ head, body, bodyBytes, answer, upgrade },
		...{ carrier: connection, owner: service },
	});
	connection.begin(exchange);
	if (holdsBody) exchange.holdBody();
	if (isLast) connection.finish();
	const fault = refusal ?? (tooMany ? tooManyUnanswered() : null);
	service.receive(exchange, connection, head.url ?? "", fault);
}

function tooManyUnanswered(): GatewayError {
	const message = `more than ${unansweredMax} requests before the first answer`;
	const errors = [{ at: "connection", message }];
	return new GatewayError("too_many_requests", message, { errors });
}
