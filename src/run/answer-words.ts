import { headerOf } from "../core/http/headers.ts";
import { charsetIn, mediaTypeIn } from "../core/http/media-type.ts";
import type { UpstreamResponse } from "../core/http/messages.ts";
import { LineError } from "../core/json-lines.ts";
import { XmlError } from "../core/xml.ts";

/** An answer in words for the operator. They say what kind of answer it is, and show nothing of it. */

/** Why an answer cannot be read as JSON. `error` is what reading it threw. */
export function whyNotJson(response: UpstreamResponse, error: unknown): string {
	if (!(error instanceof SyntaxError))
		return `what is not UTF-8 ${of(response)}`;
	const { message } = error;
	if (message.startsWith("nested")) return `what is ${message} ${of(response)}`;
	if (message.startsWith("a number")) {
		return `JSON in which ${message} ${of(response)}`;
	}
	const kind = endsTooEarly(message, response.body)
		? cutJson
		: kindOf(response.body);
	return `what is not JSON: ${kind} ${of(response)}`;
}

/** Why an answer cannot be read as lines of JSON. */
export function whyNotLines(
	response: UpstreamResponse,
	error: unknown,
): string {
	if (!(error instanceof LineError)) return whyNotJson(response, error);
	const { line, last, cause } = error;
	const words = cause instanceof Error ? cause.message : "";
	const why = /^(nested|a number)/.test(words)
		? `: ${words}`
		: last
			? ", perhaps because it is cut"
			: "";
	return `lines of which line ${line} is not JSON${why} ${of(response)}`;
}

/** Why an answer cannot be read as a text. */
export function whyNotText(response: UpstreamResponse, error: unknown): string {
	const announced = charsetIn(headerOf(response.headers, "content-type"));
	if (error instanceof RangeError) {
		return `a text in a charset that is not known ${of(response)}`;
	}
	return announced === null
		? `what is not UTF-8 ${of(response)}`
		: `what is not in the charset that it announces ${of(response)}`;
}

/** Why an answer cannot be read as XML. */
export function whyNotXml(response: UpstreamResponse, error: unknown): string {
	return error instanceof XmlError
		? `${error.message} ${of(response)}`
		: whyNotText(response, error);
}

/** Servers of TLS that say by a status what a plain request is to them: nginx, Go, Apache. */
const plainToTls =
	/plain HTTP request was sent to HTTPS|HTTP request to an HTTPS server|plain HTTP to an SSL-enabled/;

/** What the body of an answer with the wrong status says of its cause; empty if nothing is known. */
export function hintOf({ status, body }: UpstreamResponse): string {
	if (status !== 400) return "";
	return plainToTls.test(beginOf(body, 1024))
		? ": it speaks TLS: write `https://`"
		: "";
}

/**
 * The first error of a GraphQL answer, which has status 200; null if it is none. Its message may hold data: what is quoted, or
 * is no word, is shown only if the author wrote it, too.
 */
export function graphqlError(
	answer: unknown,
	written: () => string,
): string | null {
	const { errors } = Object(answer) as { errors?: unknown };
	if (!Array.isArray(errors)) return null;
	const { message } = Object(errors[0]) as { message?: unknown };
	if (typeof message !== "string") return null;
	const own = written();
	return begunWords(message).replaceAll(noWord, (piece) =>
		own.includes(bare(piece)) ? piece : "…",
	);
}

/** Half a word would not be known for the secret that it is. */
function begunWords(text: string): string {
	if (text.length <= messageMax) return text;
	return text.slice(0, messageMax).replace(/\S+$/, "…");
}

const messageMax = 200;

/** Something quoted, or with a character that no word has. */
const noWord =
	/"[^"]*(?:"|$)|`[^`]*(?:`|$)|(?<!\p{L})'[^']*(?:'|$)|\S*[^\s\p{L}.,:;!?()'-]\S*/gu;

/** Without the quotes and marks around it. Nothing at all is in no text. */
function bare(piece: string): string {
	return piece.replaceAll(/^["'`(]+|["'`).,:;!?]+$/g, "") || "\0";
}

const cutJson = "JSON that is cut";

/** Whether the parser was content up to the end. */
function endsTooEarly(message: string, body: Uint8Array): boolean {
	if (/^Un(?:expected end|terminated)/.test(message)) return true;
	const [, position] = /at position (\d+)/.exec(message) ?? [];
	if (position === undefined) return false;
	return Number(position) >= Buffer.from(body).toString().trimEnd().length;
}

function kindOf(body: Uint8Array): string {
	if (body[0] === 0x1f && body[1] === 0x8b) return "gzip";
	const begin = beginOf(body, 256)
		.replace(/^\xef\xbb\xbf/, "")
		.trimStart();
	if (/^<(?:!doctype\s+html|html|head|body)\b/i.test(begin)) return "HTML";
	if (begin.startsWith("<")) return "XML or HTML";
	const closing = { "{": "}", "[": "]" }[begin.slice(0, 1)];
	if (closing === undefined) return "text";
	const end = Buffer.from(body.subarray(-256)).toString("latin1").trimEnd();
	return end.endsWith(closing) ? "JSON with a fault" : cutJson;
}

function beginOf(body: Uint8Array, bytes: number): string {
	return Buffer.from(body.subarray(0, bytes)).toString("latin1");
}

/** Status and media type. Only types that everybody knows are named: any other text could hold a part of a secret. */
function of({ status, headers }: UpstreamResponse): string {
	const media = mediaTypeIn(headerOf(headers, "content-type"));
	const words =
		media === null
			? "no media type"
			: knownTypes.has(media)
				? media
				: "a media type that is not well known";
	return `(status ${status}, ${words})`;
}

/** What services, and the servers in front of them, say of their answers. */
const knownTypes: ReadonlySet<string> = new Set([
	...["text/html", "text/plain", "text/xml", "text/csv", "text/css"],
	...["text/javascript", "text/markdown", "text/yaml", "text/event-stream"],
	...["application/json", "application/problem+json", "application/ld+json"],
	...["application/hal+json", "application/geo+json", "text/json"],
	...["application/vnd.api+json", "application/graphql-response+json"],
	...["application/fhir+json", "application/scim+json", "application/jwt"],
	...["application/x-ndjson", "application/ndjson", "application/jsonl"],
	...["application/json-seq", "application/stream+json"],
	...["application/xml", "application/xhtml+xml", "application/soap+xml"],
	...["application/atom+xml", "application/rss+xml", "application/gml+xml"],
	...["application/problem+xml", "application/javascript"],
	...["application/x-javascript", "application/yaml", "application/x-yaml"],
	...["application/x-www-form-urlencoded", "multipart/form-data"],
	...["multipart/mixed", "multipart/related", "application/octet-stream"],
	...["application/grpc", "application/grpc-web", "application/protobuf"],
	...["application/x-protobuf", "application/msgpack", "application/cbor"],
	...["application/x-msgpack", "application/pdf", "application/zip"],
	...["application/gzip", "application/x-gzip", "application/x-tar"],
	...["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"],
	...["image/svg+xml", "image/x-icon", "video/mp4", "audio/mpeg"],
]);
