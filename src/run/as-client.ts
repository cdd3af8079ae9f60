import {
	type HeaderList,
	headersWithout,
	isFieldValue,
	onlyHeaderOf,
} from "../core/http/headers.ts";
import type { GatewayRequest } from "../core/http/messages.ts";

/**
 * The fields of a call that is made as the client itself: its own `Authorization`, and no other. They are part of the
 * call from its beginning, so that no cache gives its answer to another client.
 */
export function asClient(
	headers: HeaderList,
	{ headers: own }: Pick<GatewayRequest, "headers">,
): HeaderList {
	const value = onlyHeaderOf(own, "authorization");
	const others = headersWithout(headers, (name) => name === "authorization");
	return value !== null && isFieldValue(value)
		? [...others, "authorization", value]
		: others;
}
