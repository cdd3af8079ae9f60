import type { StreamHead, StreamRequest } from "../../core/http/messages.ts";
import { hasContent } from "../../core/http/status.ts";
import { verdictOfStatus } from "../verdict.ts";
import type { Flight } from "./intake.ts";
import type { Key } from "./keeper.ts";
import { KeptBody } from "./kept-body.ts";
import type { Miss } from "./misses.ts";
import { type Place, placeOf } from "./part.ts";
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
	// Other answers may be to the range: a 416 is of no use to those who ask for the whole.
	if ((ranged && !part && status !== 200) || !isFramed(head)) {
		miss?.end(false);
		return { head, body: null, stored: false };
	}
	const headers = withDate(head.headers);
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
			onOver: (long) => miss?.end(!long),
		},
	);
	const { length } = head.body;
	const form = part ? "part" : "sent";
	const { kept, served } = intake.foresee(
		form,
		key,
		{ status, headers },
		length,
	);
	if (miss !== null) letFollow(miss, body, { status, served });
	const known = length !== null || !hasContent(status);
	const fits = !part || lengthOf(placeOf(headers)) === length;
	const stored = kept && known && fits && !flight.changed;
	return { head: { status, headers, body }, body, stored };
}

function lengthOf(place: Place | null): number {
	return place === null ? Number.NaN : place.end - place.first;
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
