import type { HeaderList } from "../../core/http/headers.ts";
import type { StreamHead, StreamRequest } from "../../core/http/messages.ts";
import { hasContent } from "../../core/http/status.ts";
import { verdictOfStatus } from "../verdict.ts";
import type { Flight } from "./intake.ts";
import type { Key } from "./keeper.ts";
import { KeptBody } from "./kept-body.ts";
import type { Miss } from "./misses.ts";
import { placeOf } from "./part.ts";
import type { CacheParts } from "./parts.ts";
import { withDate } from "./rules.ts";
import { isFramed } from "./streamed.ts";

/** The request whose answer is passed on. */
export interface Passing {
	readonly request: StreamRequest;
	readonly key: Key;
	/** Whether it asks for a part. */
	readonly ranged: boolean;
	/** Those who wait for its answer; null if nobody does. */
	readonly miss: Miss | null;
}

/** An answer on its way to its client. */
export interface Passed {
	readonly head: StreamHead;
	/** Its body, if it is collected; null if it is not kept. */
	readonly body: KeptBody | null;
	/** Whether it will be kept if all of it comes. False if its length is not known, because it may grow too long. */
	readonly stored: boolean;
}

/** The same answer; once the last byte of its body has been read it is kept, unless it had grown too long by then. */
export function keepWhilePassed(
	{ intake, memory }: CacheParts,
	{ request, key, ranged, miss }: Passing,
	head: StreamHead,
	flight: Flight,
): Passed {
	const { status } = head;
	const part = ranged && status === 206;
	const form = part ? "part" : "sent";
	const headers = withDate(head.headers);
	const { length } = head.body;
	// Other answers may be to the range: a 416 is of no use to those who ask for the whole.
	const forOthers = part ? fits(headers, length) : !ranged || status === 200;
	const { kept, served } = intake.foresee(
		form,
		key,
		{ status, headers },
		length,
	);
	const framed = isFramed(head);
	if (!forOthers || !kept || !framed) {
		if (forOthers && framed && !part) intake.outdate(key, head);
		const fails = verdictOfStatus(status).stale;
		miss?.end(fails);
		intake.notKept(key, fails);
		return { head, body: null, stored: false };
	}
	const body = new KeptBody(
		head.body,
		{
			bytesMax: intake.answerBytesMax,
			memory,
			request: request.memory ?? null,
		},
		{
			keep: (bytes) => {
				const response = { status, headers, body: bytes };
				if (part) intake.takePart(key, response, flight);
				else intake.take("sent", key, response, flight);
			},
			onOver(long) {
				miss?.end(!long);
				intake.notKept(key, !long);
			},
		},
	);
	// Other gateways are not to wait for a slow client.
	if (intake.isAwaited(key)) void body.hurry();
	if (miss !== null) letFollow(miss, body, { status, served });
	const known = length !== null || !hasContent(status);
	const stored = known && !flight.changed;
	return { head: { status, headers, body }, body, stored };
}

/** Whether a part says where it stands, and is as long as it says, as far as that is known. */
function fits(headers: HeaderList, length: number | null): boolean {
	const place = placeOf(headers);
	if (place === null) return false;
	return length === null || length === place.end - place.first;
}

function letFollow(
	miss: Miss,
	body: KeptBody,
	{ status, served }: { readonly status: number; readonly served: boolean },
): void {
	if (!served) miss.end(verdictOfStatus(status).stale);
	else if (miss.followed || !hasContent(status)) void body.hurry();
	else miss.onFollowed = () => void body.hurry();
}
