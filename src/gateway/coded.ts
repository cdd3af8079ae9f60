import { type ByteStream, isStream } from "../core/body/byte-stream.ts";
import {
	CodedStream,
	codedAside,
	codedNow,
	coderBytes,
} from "../core/body/coded.ts";
import {
	type AnswerCoding,
	codingWishOf,
} from "../core/http/accept-encoding.ts";
import { eventStreamType } from "../core/http/event-stream.ts";
import { untrueOfCoded } from "../core/http/fields.ts";
import {
	allHeadersOf,
	eachHeader,
	type HeaderList,
	headerOf,
	namesIn,
} from "../core/http/headers.ts";
import { mediaTypeIn } from "../core/http/media-type.ts";
import type { GatewayResponse } from "../core/http/messages.ts";
import { hasContent } from "../core/http/status.ts";
import { networkOf } from "../core/ip.ts";
import type { RequestMemory } from "../core/memory.ts";
import type { Asked } from "./asked.ts";

/** A shorter answer fits into one packet as it is. */
const bytesMin = 1024;

/** A longer one is coded on a thread. To go there and back takes longer than to code a shorter one (`bench/compress`). */
const onLoopMax = 32 * 1024;

/** What it takes to code on the loop, in units of 100 ns: 30 µs, and 10 ns for each byte. */
const costOf = (bytes: number) => Math.ceil(300 + bytes / 10);

/** The answer in the coding that its client wants, if its route compresses and the answer may be changed. */
export function inCoding(
	response: GatewayResponse,
	asked: Asked,
): GatewayResponse | Promise<GatewayResponse> {
	const { status, headers, body } = response;
	if (!asked.route.compresses) return response;
	if (status === 304) return notModified(response, asked);
	if (body === null) return response;
	const { coding, refusesPlain } = codingWishOf(asked.request.headers);
	const isLong = isStream(body)
		? (body.length ?? bytesMin) >= bytesMin
		: hasBytes(body, bytesMin);
	if (!isLong && !(refusesPlain && coding !== null)) return response;
	if (!isCodable(response, asked)) return response;
	if (coding === null) return uncoded(response);
	const coded = { ...response, headers: codedHeaders(headers, coding) };
	if (isStream(body)) return codedStream(response, coded, body, coding, asked);
	const kept = response.codings?.of(coding);
	if (kept) return { ...coded, body: kept };
	return codedWhole(response, coded, body, coding, asked);
}

/** It repeats the fields of the answer that its client would have got (RFC 9110, 15.4.5). */
function notModified(
	response: GatewayResponse,
	{ request }: Asked,
): GatewayResponse {
	const { coding } = codingWishOf(request.headers);
	if (coding === null) return response;
	return { ...response, headers: varying(response.headers, weakened) };
}

function isCodable(
	{ status, headers, body }: GatewayResponse,
	{ request, route }: Asked,
): boolean {
	if (!hasContent(status) || status === 206) return false;
	if (headerOf(headers, "content-encoding") !== null) return false;
	if (headerOf(headers, "content-range") !== null) return false;
	// It holds for fields that would change.
	if (headerOf(headers, "signature-input") !== null) return false;
	const type = mediaTypeIn(headerOf(headers, "content-type")) ?? "";
	if (!isCompressible(type)) return false;
	// An endless one would hold a coder for as long as somebody listens, and its pieces would be coded for each.
	const { live, listen, proxy } = route;
	const isEndless = live !== null || listen !== null || proxy !== null;
	if (type === eventStreamType && isEndless && isStream(body)) return false;
	return [headers, request.headers].every(
		(fields) => !namesIn(fields, "cache-control").includes("no-transform"),
	);
}

/** Media types whose content is not compressed in itself. */
function isCompressible(type: string): boolean {
	return (
		type.startsWith("text/") ||
		type.endsWith("+json") ||
		type.endsWith("+xml") ||
		compressible.has(type)
	);
}

const compressible: ReadonlySet<string> = new Set(
	[
		...["ecmascript", "graphql", "javascript", "json", "json-seq"],
		...["ld+json", "manifest+json", "n-triples", "ndjson", "rtf"],
		...["sql", "toml", "vnd.ms-fontobject", "wasm", "x-javascript"],
		...["x-ndjson", "x-www-form-urlencoded", "x-yaml", "xml", "yaml"],
	].map((name) => `application/${name}`),
);

function hasBytes(body: string | Uint8Array, bytes: number): boolean {
	if (typeof body !== "string" || body.length >= bytes) {
		return body.length >= bytes;
	}
	// A sign takes three bytes at most.
	return 3 * body.length >= bytes && Buffer.byteLength(body) >= bytes;
}

/** Caches keep the answers for different codings apart. */
function varying(
	headers: HeaderList,
	change: (name: string, value: string) => string | null = unchanged,
): HeaderList {
	const named = allHeadersOf(headers, "vary");
	const varies = namesIn(headers, "vary").some(
		(name) => name === "*" || name === "accept-encoding",
	);
	const list: string[] = [];
	eachHeader(headers, (name, value) => {
		const lower = name.toLowerCase();
		if (lower === "vary" && !varies) return;
		const changed = change(lower, value);
		if (changed !== null) list.push(name, changed);
	});
	if (!varies) list.push("vary", [...named, "accept-encoding"].join(", "));
	return list;
}

function unchanged(_name: string, value: string): string {
	return value;
}

/**
 * The tag becomes a weak one: the bytes are others than those of the plain answer, and the content is the same (RFC 9110, 8.8.3).
 * `If-None-Match` compares weakly, so it holds for both. A range of the one is none of the other, and `If-Range` compares strongly.
 */
function weakened(name: string, value: string): string {
	return name === "etag" && value.startsWith('"') ? `W/${value}` : value;
}

function codedHeaders(headers: HeaderList, coding: AnswerCoding): HeaderList {
	const list = varying(headers, (name, value) =>
		untrueOfCoded.has(name) ? null : weakened(name, value),
	);
	return [...list, "content-encoding", coding];
}

function codedStream(
	plain: GatewayResponse,
	coded: GatewayResponse,
	body: ByteStream,
	coding: AnswerCoding,
	{ request }: Asked,
): GatewayResponse {
	const { memory } = request;
	const bytes = coderBytes[coding];
	if (!hasRoom(memory, bytes)) return uncoded(plain);
	const stream = new CodedStream(body, coding, () => memory.give(bytes));
	return { ...coded, body: stream };
}

async function codedWhole(
	plain: GatewayResponse,
	coded: GatewayResponse,
	body: string | Uint8Array,
	coding: AnswerCoding,
	{ request, handling }: Asked,
): Promise<GatewayResponse> {
	const { memory } = request;
	const { codings } = plain;
	const { turn } = handling.clock;
	const bytes = coderBytes[coding] + 2 * body.length;
	if (!hasRoom(memory, bytes)) return uncoded(plain);
	try {
		if (body.length > onLoopMax) {
			const make = () => codedAside(coding, body);
			const made = codings?.make(coding, make) ?? make();
			return withBody(coded, await made, coding, memory);
		}
		const cost = costOf(body.length);
		if (!turn.hasTimeFor(cost)) {
			await turn.later(networkOf(request.ip), cost);
			// Another one has made it meanwhile.
			const kept = codings?.of(coding);
			if (kept) return { ...coded, body: kept };
		}
		turn.spent += cost;
		const made = codedNow(coding, body);
		const sent = codings?.keep(coding, made) ?? made;
		return withBody(coded, sent, coding, memory);
	} finally {
		memory.give(bytes);
	}
}

/** Takes the bytes, if there is room for them. Without it the answer goes as it is. */
function hasRoom(memory: RequestMemory, bytes: number): boolean {
	try {
		memory.take(bytes);
		return true;
	} catch {
		return false;
	}
}

function uncoded(plain: GatewayResponse): GatewayResponse {
	return { ...plain, headers: varying(plain.headers) };
}

/** Unless they are kept, the bytes are this request's own, also if the plain answer is one that others share. */
function withBody(
	coded: GatewayResponse,
	body: Uint8Array,
	coding: AnswerCoding,
	memory: RequestMemory,
): GatewayResponse {
	if (coded.codings?.of(coding) !== body) memory.answerIsOwn();
	return { ...coded, body };
}
