/** The media type of a stream of events (HTML, 9.2). */
export const eventStreamType = "text/event-stream";

/** One block of an event stream. Without `data` a browser tells its page of nothing, but keeps `id` and `retryMs`. */
export interface StreamEvent {
	/** A client that comes back sends it in `Last-Event-ID`. */
	readonly id?: string | number;
	/** `message` if it is absent. */
	readonly event?: string;
	readonly data?: string;
	/** How long a client waits before it comes back, in whole milliseconds. */
	readonly retryMs?: number;
	/** Nobody is told of it. It shows that the stream is alive. */
	readonly comment?: string;
}

/** The text of an event. Throws a RangeError if a client would read another id, name or time than was given. */
export function printEvent(given: StreamEvent): string {
	const { comment, retryMs, id, event, data } = given;
	let text = "";
	if (comment !== undefined) text += linesOf(":", comment);
	if (retryMs !== undefined) text += `retry: ${wholeMs(retryMs)}\n`;
	if (id !== undefined) text += `id: ${oneLine(String(id))}\n`;
	if (event !== undefined) text += `event: ${oneLine(event)}\n`;
	if (data !== undefined) text += linesOf("data:", data);
	return `${text}\n`;
}

/** A client puts the lines together again, with `\n` for each break. Only one space after the colon is not part of a line. */
function linesOf(field: string, text: string): string {
	if (!lineBreak.test(text)) return `${field} ${text}\n`;
	const lines = text.split(lineBreak);
	return lines.map((line) => `${field} ${line}\n`).join("");
}

const lineBreak = /\r\n|\r|\n/;

/** Clients ignore an id with a NUL. */
function oneLine(text: string): string {
	if (!/[\r\n\0]/.test(text)) return text;
	throw new RangeError(`${JSON.stringify(text)} is more than one line`);
}

function wholeMs(ms: number): number {
	if (Number.isSafeInteger(ms) && ms >= 0) return ms;
	throw new RangeError(`${ms} is no number of whole milliseconds`);
}
