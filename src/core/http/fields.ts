import { type HeaderList, headersWithout, namesIn } from "./headers.ts";

/**
 * The properties of a header field for a gateway. Every rule about fields by name reads a column of the table below. So
 * two rules differ only where a row says so.
 */
type Purpose =
	/** It says where its message ends (RFC 9112, 6). If it comes twice, one message can be read as two. */
	| "frames"
	/** It stands once. Of two, some readers take the first and others the last (RFC 9110, 5.3). */
	| "single"
	/**
	 * HTTP itself sets it, for one connection (RFC 9110, 7.6.1). Nobody else sets it, and it passes to no other
	 * connection.
	 */
	| "hop"
	/** It is between a client and a proxy of the client's choice (RFC 9110, 11.7). No cache keeps it (RFC 9111, 3.1). */
	| "proxy"
	/** It says where a request goes. Only the config may decide that. */
	| "target"
	/** The gateway sets it itself, so that another's never passes. */
	| "own"
	/** The gateway sets it in every answer, so that nobody else sets it there. */
	| "answer"
	/**
	 * It holds for everything at the host that sends it, and for clients that host is the gateway. An upstream's own passes
	 * only by name.
	 */
	| "host-wide"
	/** It tells of the upstream's own machine, or commands the servers before it. It passes only by name. */
	| "inner"
	/**
	 * Anybody can write it, and some servers believe it about who asks or what is asked. A client's own passes only by
	 * name.
	 */
	| "believed"
	/** It belongs to the trace of one request (W3C Trace Context), and does not change the answer. */
	| "trace"
	/** It says who asks. The answer to one client does not belong to another. */
	| "credential"
	/** It asks for a part, or under a condition. The answer is of no use to others. */
	| "condition"
	/** It is about the body, its variants or its freshness. A client's own always passes a proxied route. */
	| "passes"
	/** It describes a body. A 304 brings none, so there the field says nothing about the kept body (RFC 9111, 3.2). */
	| "body"
	/** It is true of a body only while its coding is on. */
	| "coded"
	/** It says which bytes come, or how they are coded. Only who makes the bytes can say it. */
	| "bytes"
	/** It is true of one answer, and of no other. */
	| "one-answer";

/** Fields that begin with `content-` or `accept-` pass, too, except those that frame the message. */
const table: Readonly<Record<string, readonly Purpose[]>> = {
	accept: ["passes"],
	"accept-ranges": ["one-answer"],
	age: ["passes", "one-answer"],
	allow: ["one-answer"],
	"alt-svc": ["host-wide"],
	"authentication-info": ["one-answer"],
	authorization: ["credential", "single"],
	"cache-control": ["passes"],
	"clear-site-data": ["host-wide"],
	connection: ["hop"],
	"content-disposition": ["single"],
	"content-encoding": ["body", "coded", "bytes"],
	// The sender of a body sets its length.
	"content-length": ["frames", "hop", "coded"],
	"content-location": ["single"],
	"content-range": ["body", "single", "bytes"],
	"content-type": ["body", "single"],
	cookie: ["credential"],
	// The gateway's own answer has an instant of its own, because it is made of several answers.
	date: ["own", "answer"],
	etag: ["passes", "one-answer"],
	// Each side of the gateway waits for its own word. A proxied route asks its upstream anew.
	expect: ["hop"],
	expires: ["passes", "one-answer"],
	forwarded: ["believed"],
	host: ["target"],
	// HTTP/2 can have none of its own.
	"http2-settings": ["hop"],
	"if-match": ["condition", "passes"],
	"if-modified-since": ["condition", "passes"],
	"if-none-match": ["condition", "passes"],
	"if-range": ["condition", "passes"],
	"if-unmodified-since": ["condition", "passes"],
	"keep-alive": ["hop"],
	"last-modified": ["passes", "one-answer"],
	location: ["passes", "single", "one-answer"],
	nel: ["host-wide"],
	"proxy-authenticate": ["proxy", "one-answer"],
	"proxy-authentication-info": ["proxy", "one-answer"],
	// An author may set it of a call: then the upstream is the proxy, and answers by it.
	"proxy-authorization": ["proxy", "credential"],
	"proxy-connection": ["hop"],
	range: ["condition", "passes", "single"],
	// The upstream counts the gateway, and not the gateway's client.
	ratelimit: ["inner"],
	"ratelimit-policy": ["inner"],
	"report-to": ["host-wide"],
	"retry-after": ["passes", "one-answer"],
	server: ["inner", "one-answer"],
	"service-worker-allowed": ["host-wide"],
	"set-cookie": ["host-wide", "one-answer"],
	"sluice-complete": ["own", "answer"],
	"sluice-missing": ["own", "answer"],
	te: ["hop"],
	// Trailers end here, so the field that announces them does, too.
	trailer: ["hop"],
	// The gateway's own in a call; an author may set another there.
	traceparent: ["own", "trace"],
	tracestate: ["own", "trace"],
	"transfer-encoding": ["frames", "hop"],
	upgrade: ["hop"],
	vary: ["passes", "one-answer"],
	// A call's own has the client's before it, so that a loop is seen.
	via: ["own", "trace"],
	"www-authenticate": ["one-answer"],
	"x-aspnet-version": ["inner"],
	"x-aspnetmvc-version": ["inner"],
	"x-backend-server": ["inner"],
	// It says how the body is read. Without it a browser could take an upstream's text for a page.
	"x-content-type-options": ["passes"],
	"x-http-method": ["believed"],
	"x-http-method-override": ["believed"],
	"x-lighttpd-send-file": ["inner"],
	"x-method-override": ["believed"],
	"x-powered-by": ["inner"],
	"x-request-id": ["own", "answer"],
	"x-sendfile": ["inner"],
	"x-served-by": ["inner"],
};

function fieldsThat(...purposes: readonly Purpose[]): ReadonlySet<string> {
	const rows = Object.entries(table);
	return new Set(
		rows
			.filter(([, row]) => row.some((one) => purposes.includes(one)))
			.map(([name]) => name),
	);
}

/**
 * The fields that HTTP itself sets. An author sets none of them anywhere, and none passes from one side to the other.
 */
export const hopFields = fieldsThat("hop");

/** The fields that nobody may set for all calls of an upstream. `host` is none: only data must not choose it. */
export const upstreamFieldsRefused = hopFields;

/** The fields that nobody may set in a call. */
export const callFieldsRefused = fieldsThat("hop", "target");

/** The fields that nobody may set in an answer. */
export const answerFieldsRefused = fieldsThat("hop", "answer");

/** The fields that nobody may set in an answer whose body passes as it comes. */
export const proxiedFieldsRefused = fieldsThat("hop", "answer", "bytes");

const ofEveryAnswerRefused = fieldsThat("hop", "answer", "own", "one-answer");

/**
 * Whether a field may stand in every answer, whatever that is. What describes one answer may not, and what CORS alone writes,
 * because browsers refuse it if it comes twice. `name` is in lower case.
 */
export function maySayEverywhere(name: string): boolean {
	return !(
		ofEveryAnswerRefused.has(name) ||
		(name.startsWith("content-") && !everywhere.has(name)) ||
		name.startsWith("access-control-")
	);
}

/** Fields for browsers that begin as those that describe a body do. */
const everywhere: ReadonlySet<string> = new Set([
	"content-security-policy",
	"content-security-policy-report-only",
]);

/** The fields of one connection: its own, or that to a proxy of the client's. */
export const connectionFields = fieldsThat("hop", "proxy");

/** The fields that a proxied route never passes on, even if its config asks for it. */
export const neverPassed = fieldsThat("hop", "proxy", "target", "own");

const passed = fieldsThat("passes");
const withheld = fieldsThat("host-wide", "inner");
const believed = fieldsThat("believed");

/** Who asks, as other proxies say it: `X-Real-IP`, `X-Remote-User`. And what is asked: `X-Original-URL`. */
const believedKinds =
	/^x-(?:forwarded|original|rewrite|host|remote|ssl|auth-request|envoy)(?:-|$)|^remote-|-ip$/;

/** Whether a field of an answer passes a proxied route, if its config does not name it. `name` is in lower case. */
export function passesAnswer(name: string): boolean {
	// `Expires` and `Age` count from there (RFC 9110, 6.6.1). Another instant would add the difference of two clocks.
	if (name === "date") return true;
	return (
		!neverPassed.has(name) &&
		!withheld.has(name) &&
		// nginx takes these for commands.
		!name.startsWith("x-accel-")
	);
}

/**
 * Whether a client's field passes a route that passes all. Names with `_` are those with `-` to many servers, so that
 * one could replace a field of the config's. `name` is in lower case.
 */
export function passesWithAll(name: string): boolean {
	return !(
		neverPassed.has(name) ||
		believed.has(name) ||
		name.includes("_") ||
		believedKinds.test(name)
	);
}

/** Whether a client's field always passes a proxied route. `name` is in lower case. */
export function passesUnasked(name: string): boolean {
	return (
		passed.has(name) ||
		name.startsWith("accept-") ||
		(name.startsWith("content-") && !hopFields.has(name))
	);
}

/** The fields of this message that are for one connection: those that always are, and those that `Connection` names. */
export function hopFieldsOf(headers: HeaderList): ReadonlySet<string> {
	let named: Set<string> | null = null;
	for (const name of namesIn(headers, "connection")) {
		// Most connections name `keep-alive` or `close`, which is no field, and nothing else.
		if (name === "close" || hopFields.has(name)) continue;
		named ??= new Set(hopFields);
		named.add(name);
	}
	return named ?? hopFields;
}

/** The fields that the server writes for every answer. Not `date`, which Node writes if the answer has none. */
export const serverFields: ReadonlySet<string> = new Set([
	...hopFields,
	"x-request-id",
]);

/** With two of these in one message, its readers may disagree where it ends. */
export const framingFields = fieldsThat("frames");

/** With two of these in one message, its readers may disagree what it says. */
export const singleFields = fieldsThat("single");

/** Names that a CGI-like server behind us takes for one of HTTP's own: `content_length`, as `HTTP_CONTENT_LENGTH`. */
export const lookalikes: ReadonlySet<string> = new Set(
	[...hopFields]
		.filter((name) => name.includes("-"))
		.map((name) => name.replaceAll("-", "_")),
);

/** The fields in which two equal requests may differ. */
export const notAsked = fieldsThat("hop", "trace");

/** The fields that differ from user to user, whether or not an answer's `Vary` says so. */
export const credentialFields = fieldsThat("credential");

/** The credentials after which an answer is one user's unless it says otherwise (RFC 9111, 3.5). No cookie is. */
export const authenticatingFields = ["authorization", "proxy-authorization"];

/** A request with one of these asks for less than the whole answer, or for none. */
export const conditionFields = fieldsThat("condition");

/** The fields of an answer that are no longer true when its body is coded. The one who makes the bytes sets their length. */
export const untrueOfCoded: ReadonlySet<string> = new Set([
	...["accept-ranges", "content-digest", "content-length", "content-md5"],
	...["digest", "repr-digest"],
]);

/** The fields that are no longer true after a body was decoded. */
export const codedFields = fieldsThat("coded");

const notConfirmed = fieldsThat("hop", "proxy", "body");

/** The fields of a 304 that update the kept answer (RFC 9111, 3.2). */
export function fieldsConfirmed(headers: HeaderList): string[] {
	const hop = hopFieldsOf(headers);
	return headersWithout(
		headers,
		(name) => notConfirmed.has(name) || hop.has(name),
	);
}

/**
 * The fields of an answer that a 304 in its place repeats: all except those that describe its content (RFC 9110,
 * 15.4.5).
 */
export function fieldsOfNotModified(headers: HeaderList): string[] {
	return headersWithout(headers, describesContent);
}

function describesContent(name: string): boolean {
	return name.startsWith("content-") && name !== "content-location";
}
