import { GatewayError } from "../core/errors.ts";
import { headerOf } from "../core/http/headers.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import { networkOf } from "../core/ip.ts";
import { leastCostOfReading } from "../core/json.ts";
import type { ContentReader } from "../run/content.ts";
import type { PreparedRoute } from "../run/prepare.ts";
import type { RequestValues } from "../run/request.ts";
import type { Scope } from "../tasks/scope.ts";
import type { Handling } from "./handling.ts";
import { uncoded } from "./uncoded.ts";

/** The whole body of a request that the route reads, without its codings. */
export function bodyToRead(
	request: GatewayRequest,
	content: ContentReader,
	route: PreparedRoute,
	handling: Handling,
	scope: Scope,
): Promise<Uint8Array> {
	const { headers } = request;
	const { bodyBytesMax } = handling.server;
	// A client that asks before it sends a body is refused at once if the body's type alone decides that.
	const asks = headerOf(headers, "expect") !== null;
	if (asks && Number(headerOf(headers, "content-length")) > 0) {
		content.refuseOtherMedia(headers);
	}
	const coded = request.readBody(bodyBytesMax);
	const isCoded = headerOf(headers, "content-encoding") !== null;
	const bytes = isCoded
		? coded.then((body) => {
				if (body.length === 0) return body;
				content.refuseOtherMedia(headers);
				return uncoded(request, body, bodyBytesMax, scope);
			})
		: coded;
	return inTime(bytes, request, route, handling);
}

/** The deadline counts from the request's arrival and includes its body: a slow client uses up its own time. */
function inTime(
	bytes: Promise<Uint8Array>,
	request: GatewayRequest,
	{ plan }: PreparedRoute,
	{ clock }: Handling,
): Promise<Uint8Array> {
	const leftMs = request.arrivedMs + plan.deadlineMs - clock.now();
	const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
	const timer = clock.after(leftMs, () => {
		const words = "the request's body did not arrive by the deadline";
		reject(new GatewayError("deadline_exceeded", words, { status: 408 }));
	});
	bytes.then(resolve, reject);
	return promise.finally(() => timer.cancel());
}

/** To read and to judge a body may each take as long as a turn of the loop may be, so both wait for their turn. */
export async function readWithBody(
	request: GatewayRequest,
	params: Readonly<Record<string, string>>,
	bytes: Uint8Array,
	{ requests }: PreparedRoute,
	{ server, clock: { turn } }: Handling,
): Promise<RequestValues> {
	const cost = leastCostOfReading(bytes.length);
	const client = networkOf(request.ip);
	if (!turn.hasTimeFor(cost)) await turn.later(client, cost);
	const { valuesMax } = server;
	const content =
		requests.content?.read(request, bytes, valuesMax, turn) ?? null;
	if (!turn.hasTimeFor()) await turn.later(client);
	return requests.read(request, params, content, turn);
}
