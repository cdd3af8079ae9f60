import { type HeadLimits, refusalOf } from "./refuse.ts";

/**
 * A head that can be read in one way only. Equal ones of a connection are one object, so nobody changes it. Its list of fields
 * is frozen: what is made of it alone may be kept with it.
 */
export interface SimpleHead {
	/** All of it, with the empty line at its end. */
	readonly text: string;
	readonly method: string;
	readonly url: string;
	readonly rawHeaders: string[];
	/** The length of the body that follows. */
	readonly bodyBytes: number;
	/** Whether the client asks for no more on this connection. */
	readonly closes: boolean;
}

/** The path and the query of RFC 3986, 3.3 and 3.4. Of two slashes in front some make a host. */
const requestLine =
	/(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (\/(?!\/)[\w\-.~!$&'()*+,;=:@%/?]*) HTTP\/1\.1\r\n/y;

/** A token, a colon, and visible ASCII with blanks between. Nothing stands behind the value. */
const fieldLine =
	/([!#$%&'*+\-.^_`|~\dA-Za-z]+):[ \t]*((?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?)\r\n/y;

/** Up to 999,999,999. */
const plainLength = /^(?:0|[1-9]\d{0,8})$/;

/**
 * Reads a head that strict rules know whole. Null for any other, also for those that node:http would let through: whoever
 * judges these must be one, and it is node:http. `text` ends with the first empty line.
 */
export function simpleHeadOf(
	text: string,
	limits: HeadLimits,
): SimpleHead | null {
	// Names and values alone may have this length, so node:http would let longer ones through.
	if (text.length > limits.headerBytesMax) return null;
	requestLine.lastIndex = 0;
	const line = requestLine.exec(text);
	if (line === null) return null;
	const [, method = "", url = ""] = line;
	const rawHeaders = fieldsOf(text, requestLine.lastIndex);
	if (rawHeaders === null) return null;
	const said = connectionOf(rawHeaders);
	if (said === null) return null;
	const head = { ...{ text, method, url, rawHeaders }, ...said };
	// What would be refused is refused by the one who reads all that is doubtful.
	const refusal = refusalOf({ httpVersion: "1.1", ...head }, limits);
	return refusal === null ? head : null;
}

/** Names and values; null if a line is not a plain field. */
function fieldsOf(text: string, from: number): string[] | null {
	const rawHeaders: string[] = [];
	const end = text.length - 2;
	let at = from;
	while (at < end) {
		fieldLine.lastIndex = at;
		const line = fieldLine.exec(text);
		if (line === null) return null;
		at = fieldLine.lastIndex;
		rawHeaders.push(line[1] ?? "", line[2] ?? "");
	}
	Object.freeze(rawHeaders);
	return rawHeaders;
}

/** What the fields say of the body and of the connection; null if that is more than a length, and whether it is kept. */
function connectionOf(
	rawHeaders: readonly string[],
): Pick<SimpleHead, "bodyBytes" | "closes"> | null {
	let length: string | null = null;
	let connection: string | null = null;
	for (let at = 0; at < rawHeaders.length; at += 2) {
		const name = rawHeaders[at] ?? "";
		// For most names the length alone decides.
		if (!lengthsOfNames.has(name.length)) continue;
		const value = rawHeaders[at + 1] ?? "";
		switch (name.toLowerCase()) {
			case "content-length":
				if (length !== null || !plainLength.test(value)) return null;
				length = value;
				break;
			case "connection":
				if (connection !== null) return null;
				connection = value.toLowerCase();
				break;
			case "transfer-encoding":
			case "expect":
			case "upgrade":
			// The parser of node:http reads it as `connection`.
			case "proxy-connection":
				return null;
		}
	}
	const closes = connection === "close";
	const kept = connection === null || connection === "keep-alive";
	if (!closes && !kept) return null;
	return { bodyBytes: Number(length ?? 0), closes };
}

const lengthsOfNames: ReadonlySet<number> = new Set(
	[
		...["content-length", "connection", "transfer-encoding"],
		...["expect", "upgrade", "proxy-connection"],
	].map(({ length }) => length),
);
