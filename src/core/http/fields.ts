import { type HeaderList, headersWithout, namesIn } from "./headers.ts";

/**
 * What a field of HTTP is to a gateway. Every rule about fields by name reads a column of the table below, so that two
 * rules differ only where a row says so.
 */
type Purpose =
	/** It says where its message ends (RFC 9112, 6): said twice it makes two messages of one. */
	| "frames"
	/** HTTP sets it, for one connection (RFC 9110, 7.6.1): it is set by nobody else, and passes to no other connection. */
	| "hop"
	/** It is between a client and a proxy of the client's choice (RFC 9110, 11.7). No cache keeps it (RFC 9111, 3.1). */
	| "proxy"
	/** It says where a request goes: the config alone does. */
	| "target"
	/** The gateway says it itself, so that another's never passes. */
	| "own"
	/** The gateway says it of every answer, so that nobody else sets it there. */
	| "answer"
	/** It belongs to the trace of one request (W3C Trace Context): it says nothing of what is asked. */
	| "trace"
	/** It says who asks: what is answered to one is not another's. */
	| "credential"
	/** It asks for a part, or only under a condition: the answer is of no use to others. */
	| "condition"
	/** It is about the body, its variants or its freshness: it passes a proxied route unasked, both ways. */
	| "passes"
	/** It describes a body, which a 304 does not bring: it says nothing of the body that is kept (RFC 9111, 3.2). */
	| "body"
	/** It is true of a body only while its coding is on. */
	| "coded";

/** Fields that begin with `content-` or `accept-` pass, too; what frames the message does not. */
const table: Readonly<Record<string, readonly Purpose[]>> = {
	accept: ["passes"],
	age: ["passes"],
	authorization: ["credential"],
	"cache-control": ["passes"],
	connection: ["hop"],
	"content-encoding": ["body", "coded"],
	// Whoever sends the body says its length.
	"content-length": ["frames", "hop", "coded"],
	"content-range": ["body"],
	"content-type": ["body"],
	cookie: ["credential"],
	// The instant of the answer is that of the gateway's own, made of several or kept.
	date: ["own", "answer"],
	etag: ["passes"],
	// End to end by RFC 9110, 10.1.1. But who takes the request answers 100 at once, so nothing is left to expect.
	expect: ["hop"],
	expires: ["passes"],
	host: ["target"],
	"if-match": ["condition", "passes"],
	"if-modified-since": ["condition", "passes"],
	"if-none-match": ["condition", "passes"],
	"if-range": ["condition", "passes"],
	"if-unmodified-since": ["condition", "passes"],
	"keep-alive": ["hop"],
	"last-modified": ["passes"],
	location: ["passes"],
	"proxy-authenticate": ["proxy"],
	"proxy-authentication-info": ["proxy"],
	// An author may set it of a call: then the upstream is the proxy, and answers by it.
	"proxy-authorization": ["proxy", "credential"],
	"proxy-connection": ["hop"],
	range: ["condition", "passes"],
	"retry-after": ["passes"],
	"sluice-complete": ["own", "answer"],
	"sluice-missing": ["own", "answer"],
	te: ["hop"],
	// Trailers end here, so the field that announces them does, too.
	trailer: ["hop"],
	// The gateway's own in a call; an author may set another there.
	traceparent: ["own", "trace"],
	tracestate: ["trace"],
	"transfer-encoding": ["frames", "hop"],
	upgrade: ["hop"],
	vary: ["passes"],
	"x-request-id": ["own", "answer"],
};

function fieldsThat(...purposes: readonly Purpose[]): ReadonlySet<string> {
	const rows = Object.entries(table);
	return new Set(
		rows
			.filter(([, row]) => row.some((one) => purposes.includes(one)))
			.map(([name]) => name),
	);
}

/** Set by HTTP itself: an author sets none of them anywhere, and none passes from one side to the other. */
export const hopFields = fieldsThat("hop");

/** What nobody may set of a call. */
export const callFieldsRefused = fieldsThat("hop", "target");

/** What nobody may set of an answer. */
export const answerFieldsRefused = fieldsThat("hop", "answer");

/** It belongs to one connection: its own, or that to a proxy of the client's. */
export const connectionFields = fieldsThat("hop", "proxy");

/** What a proxied route never passes on, though its config asks for it. */
export const neverPassed = fieldsThat("hop", "proxy", "target", "own");

const passed = fieldsThat("passes");

/** Whether a field passes a proxied route unasked, both ways; `name` in lower case. */
export function passesUnasked(name: string): boolean {
	return (
		passed.has(name) ||
		name.startsWith("accept-") ||
		(name.startsWith("content-") && !hopFields.has(name))
	);
}

/** The fields of this very message that are for one connection: those that always are, and those that `Connection` names. */
export function hopFieldsOf(headers: HeaderList): ReadonlySet<string> {
	const named = namesIn(headers, "connection");
	return named.length === 0 ? hopFields : new Set([...hopFields, ...named]);
}

/** What the server writes of every answer, whoever made it. Not `date`: node writes it where the answer has none. */
export const serverFields: ReadonlySet<string> = new Set([
	...hopFields,
	"x-request-id",
]);

/** Two of these in one message, and its readers disagree where it ends. */
export const framingFields = fieldsThat("frames");

/** Names that a CGI-like server behind us takes for one of HTTP's own: `content_length`, as `HTTP_CONTENT_LENGTH`. */
export const lookalikes: ReadonlySet<string> = new Set(
	[...hopFields]
		.filter((name) => name.includes("-"))
		.map((name) => name.replaceAll("-", "_")),
);

/** What two requests may differ in that ask for the same. */
export const notAsked = fieldsThat("hop", "trace");

/** What differs from user to user, whether or not an answer's `Vary` says so. */
export const credentialFields = fieldsThat("credential");

/** A request with one of these asks for less than the whole answer, or for none. */
export const conditionFields = fieldsThat("condition");

/** What is no longer true of a body whose coding was taken off. */
export const codedFields = fieldsThat("coded");

const notConfirmed = fieldsThat("hop", "proxy", "body");

/** The fields of a 304 that are news of the kept answer, which it confirms (RFC 9111, 3.2). */
export function fieldsConfirmed(headers: HeaderList): string[] {
	const hop = hopFieldsOf(headers);
	return headersWithout(
		headers,
		(name) => notConfirmed.has(name) || hop.has(name),
	);
}

/** The fields of an answer that a 304 in its place repeats: all but what describes its content (RFC 9110, 15.4.5). */
export function fieldsOfNotModified(headers: HeaderList): string[] {
	return headersWithout(headers, describesContent);
}

function describesContent(name: string): boolean {
	return name.startsWith("content-") && name !== "content-location";
}
