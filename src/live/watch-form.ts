import { printEvent } from "../core/http/event-stream.ts";

/** How what a watcher is told is written: as events of a stream, or as frames of a WebSocket. */
export type Form = "events" | "frames";

/** The bytes that are sent, in order. Nothing comes between them. */
export type Pieces = readonly Uint8Array[];

/** Something that a watcher is told. */
export interface Told {
	readonly event: /** The whole answer. */
		| "answer"
		/** What makes it of the one before. */
		| "patch"
		/** What the answer before it lacks. */
		| "missing"
		/** A run has failed, and the answer before stands. */
		| "problem"
		/** A run has ended well again, with the same answer. */
		| "current"
		/** Nothing follows. */
		| "end";
	/** The ETag of the answer; null if what is told is no answer. */
	readonly id: string | null;
	readonly json: string;
	readonly retryMs?: number;
}

/** In a stream all of it is one piece, because a piece costs a write. A frame is a message of its own. */
export function printPieces(form: Form, told: readonly Told[]): Pieces {
	const texts = told.map(form === "events" ? printAsEvent : printAsFrame);
	const pieces = form === "events" ? [texts.join("")] : texts;
	return pieces.map((text) => Buffer.from(text));
}

function printAsEvent({ event, id, json, retryMs }: Told): string {
	return printEvent({
		...(retryMs !== undefined && { retryMs }),
		...(id !== null && { id }),
		...{ event, data: json },
	});
}

/** A client of a WebSocket has no field for the time after which it comes back. */
function printAsFrame({ event, id, json, retryMs }: Told): string {
	const tag = id === null ? "" : `,"id":${JSON.stringify(id)}`;
	const retry = retryMs === undefined ? "" : `,"retry":${retryMs}`;
	return `{"event":"${event}"${tag}${retry},"data":${json}}`;
}
