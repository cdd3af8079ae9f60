import { once } from "node:events";
import {
	createServer,
	type IncomingHttpHeaders,
	type RequestListener,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";

/** A collector of OpenTelemetry on loopback, which takes spans by OTLP (HTTP, protobuf). */
export interface Collector extends AsyncDisposable {
	readonly url: string;
	/** All spans that came, in order. */
	readonly spans: readonly ReceivedSpan[];
	/** The attributes of the last resource. */
	readonly resource: Attributes;
	readonly requests: readonly ReceivedRequest[];
	/** Resolves when so many spans have come in all. */
	received(spans: number): Promise<void>;
	/** Resolves when so many requests have come in all. */
	asked(requests: number): Promise<void>;
}

interface ReceivedRequest {
	readonly path: string;
	readonly headers: IncomingHttpHeaders;
	/** As it was sent, without its coding. */
	readonly body: Buffer;
}

export type Attributes = Readonly<Record<string, unknown>>;

export interface ReceivedSpan {
	readonly name: string;
	readonly kind: string;
	readonly traceId: string;
	readonly spanId: string;
	/** Empty if it has none. */
	readonly parentSpanId: string;
	readonly traceState: string;
	readonly startMs: number;
	readonly endMs: number;
	readonly attributes: Attributes;
	readonly events: readonly {
		readonly name: string;
		readonly atMs: number;
		readonly attributes: Attributes;
	}[];
	readonly links: readonly {
		readonly spanId: string;
		readonly attributes: Attributes;
	}[];
	readonly failed: boolean;
}

/** What it answers: a status and a body. Null leaves the request hanging. */
export interface CollectorAnswer {
	readonly status?: number;
	readonly body?: string | Uint8Array;
}

export async function startCollector(
	answer: (count: number) => CollectorAnswer | null = () => ({}),
	tls: { readonly cert: string; readonly key: string } | null = null,
): Promise<Collector> {
	const spans: ReceivedSpan[] = [];
	const requests: ReceivedRequest[] = [];
	let resource: Attributes = {};
	const waiting = new Set<() => void>();
	const until = (done: () => boolean) =>
		new Promise<void>((resolve) => {
			const look = () => {
				if (!done()) return;
				waiting.delete(look);
				resolve();
			};
			waiting.add(look);
			look();
		});
	const listener: RequestListener = async (request, response) => {
		const pieces: Buffer[] = [];
		for await (const piece of request) pieces.push(piece);
		const sent = Buffer.concat(pieces);
		const { headers, url: path = "" } = request;
		const body =
			headers["content-encoding"] === "gzip" ? gunzipSync(sent) : sent;
		requests.push({ path, headers, body });
		const answered = answer(requests.length);
		const { status = 200, body: said = "" } = answered ?? {};
		if (answered !== null && status === 200) {
			const read = readRequest(body);
			spans.push(...read.spans);
			resource = read.resource;
		}
		if (answered !== null) response.writeHead(status).end(said);
		for (const look of waiting) look();
	};
	const server = tls ? createTlsServer(tls, listener) : createServer(listener);
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	return {
		url: `${tls ? "https" : "http"}://127.0.0.1:${port}`,
		spans,
		get resource() {
			return resource;
		},
		requests,
		received: (count) => until(() => spans.length >= count),
		asked: (count) => until(() => requests.length >= count),
		async [Symbol.asyncDispose]() {
			const closed = once(server, "close");
			server.close();
			server.closeAllConnections();
			await closed;
		},
	};
}

/** The fields of a message of protobuf, by their numbers. */
type Fields = ReadonlyMap<number, readonly (Buffer | bigint)[]>;

function fieldsOf(message: Buffer): Fields {
	const fields = new Map<number, (Buffer | bigint)[]>();
	let at = 0;
	const varint = () => {
		let value = 0n;
		for (let shift = 0n; ; shift += 7n) {
			const byte = message[at++] ?? 0;
			value |= BigInt(byte & 0x7f) << shift;
			if (byte < 0x80) return value;
		}
	};
	const valueOf = (type: number): Buffer | bigint => {
		if (type === 0) return varint();
		if (type === 1) return message.readBigUInt64LE((at += 8) - 8);
		if (type === 5) return BigInt(message.readUInt32LE((at += 4) - 4));
		const length = Number(varint());
		return message.subarray(at, (at += length));
	};
	while (at < message.length) {
		const tag = Number(varint());
		const values = fields.get(tag >> 3) ?? [];
		values.push(valueOf(tag & 7));
		fields.set(tag >> 3, values);
	}
	return fields;
}

function messagesIn(fields: Fields, number: number): Fields[] {
	return bytesIn(fields, number).map(fieldsOf);
}

function bytesIn(fields: Fields, number: number): Buffer[] {
	return (fields.get(number) ?? []) as Buffer[];
}

function textIn(fields: Fields, number: number): string {
	return bytesIn(fields, number)[0]?.toString() ?? "";
}

function hexIn(fields: Fields, number: number): string {
	return bytesIn(fields, number)[0]?.toString("hex") ?? "";
}

function msIn(fields: Fields, number: number): number {
	return Number(fields.get(number)?.[0] ?? 0n) / 1e6;
}

/** The numbers are those of opentelemetry/proto/trace/v1/trace.proto. */
function readRequest(body: Buffer) {
	const resources = messagesIn(fieldsOf(body), 1);
	const scopes = resources.flatMap((one) => messagesIn(one, 2));
	const [resource = new Map()] = resources.flatMap((one) => messagesIn(one, 1));
	return {
		resource: attributesIn(resource, 1),
		spans: scopes.flatMap((one) => messagesIn(one, 2)).map(readSpan),
	};
}

const kinds = ["", "INTERNAL", "SERVER", "CLIENT"];

function readSpan(span: Fields): ReceivedSpan {
	const [status = new Map()] = messagesIn(span, 15);
	return {
		traceId: hexIn(span, 1),
		spanId: hexIn(span, 2),
		traceState: textIn(span, 3),
		parentSpanId: hexIn(span, 4),
		name: textIn(span, 5),
		kind: kinds[Number(span.get(6)?.[0] ?? 0n)] ?? "",
		startMs: msIn(span, 7),
		endMs: msIn(span, 8),
		attributes: attributesIn(span, 9),
		events: messagesIn(span, 11).map((event) => ({
			atMs: msIn(event, 1),
			name: textIn(event, 2),
			attributes: attributesIn(event, 3),
		})),
		links: messagesIn(span, 13).map((link) => ({
			spanId: hexIn(link, 2),
			attributes: attributesIn(link, 4),
		})),
		failed: status.get(3)?.[0] === 2n,
	};
}

function attributesIn(fields: Fields, number: number): Attributes {
	return Object.fromEntries(
		messagesIn(fields, number).map((pair) => [
			textIn(pair, 1),
			valueOf(messagesIn(pair, 2)[0] ?? new Map()),
		]),
	);
}

function valueOf(value: Fields): unknown {
	const [[number, [first = 0n] = []] = [0]] = value;
	if (number === 1) return first.toString();
	if (number === 2) return first === 1n;
	if (number === 3) return Number(first);
	if (number === 4) {
		const bytes = Buffer.alloc(8);
		bytes.writeBigUInt64LE(first as bigint);
		return bytes.readDoubleLE();
	}
	return messagesIn(fieldsOf(first as Buffer), 1).map(valueOf);
}
