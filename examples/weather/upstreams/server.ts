import { once } from "node:events";
import {
	createServer,
	type IncomingMessage,
	type RequestListener,
} from "node:http";
import type { AddressInfo } from "node:net";
import type { RunningUpstream, UpstreamOptions } from "../upstreams.ts";

/** A request as the services look at it, read to its end. */
export interface Request {
	readonly method: string;
	readonly path: string;
	readonly query: URLSearchParams;
	/** The media type, empty where none was sent. */
	readonly type: string;
	readonly body: string;
}

/** A whole answer; its length and date are added on the way out. */
export interface Answer {
	readonly status: number;
	readonly headers: Readonly<Record<string, string>>;
	readonly body: string;
}

/** An answer for people, as web frameworks give it where the API has none of its own. */
export function page(
	status: number,
	text: string,
	headers: Record<string, string> = {},
): Answer {
	return {
		status,
		headers: { "Content-Type": "text/html; charset=utf-8", ...headers },
		body: `<!doctype html><title>${text}</title>\n`,
	};
}

/** Listens, on loopback unless told otherwise, and answers each call after a latency drawn when it arrived. */
export async function listen(
	options: UpstreamOptions & { seed: number },
	respond: (request: Request) => Answer,
): Promise<RunningUpstream> {
	const stats = { calls: 0, inFlight: 0, maxInFlight: 0, aborted: 0 };
	const nextLatency = createLatency(
		options.seed,
		options.latencyMs ?? [100, 400],
	);
	const server = createServer(answerLater(respond, nextLatency, stats));
	const { port = 0, host = "127.0.0.1" } = options;
	server.listen(port, host);
	await once(server, "listening");
	const close = () => {
		const closed = new Promise<void>((resolve) =>
			server.close(() => resolve()),
		);
		server.closeAllConnections();
		return closed;
	};
	return {
		url: `http://${host}:${(server.address() as AddressInfo).port}`,
		stats,
		reset() {
			Object.assign(stats, {
				calls: 0,
				maxInFlight: stats.inFlight,
				aborted: 0,
			});
		},
		close,
		[Symbol.asyncDispose]: close,
	};
}

const bodyBytesMax = 1024 * 1024;

/** A call leaves the count when its answer is handed over: whoever has an answer is no longer in flight. */
function answerLater(
	respond: (request: Request) => Answer,
	nextLatency: () => number,
	stats: {
		calls: number;
		inFlight: number;
		maxInFlight: number;
		aborted: number;
	},
): RequestListener {
	return (incoming, outgoing) => {
		stats.calls++;
		stats.inFlight++;
		stats.maxInFlight = Math.max(stats.maxInFlight, stats.inFlight);
		const latencyMs = nextLatency();
		let timer: NodeJS.Timeout | undefined;
		let answered = false;

		const answer = (body: string, tooLarge: boolean) => {
			answered = true;
			stats.inFlight--;
			const answer = tooLarge
				? page(413, "Request Entity Too Large")
				: respond(readRequest(incoming, body));
			const length = Buffer.byteLength(answer.body);
			outgoing.writeHead(answer.status, {
				...answer.headers,
				"Content-Length": length,
			});
			outgoing.end(answer.body);
		};
		readBody(incoming, (body, tooLarge) => {
			timer = setTimeout(answer, latencyMs, body, tooLarge);
		});
		outgoing.on("close", () => {
			if (answered) return;
			clearTimeout(timer);
			stats.inFlight--;
			stats.aborted++;
		});
	};
}

/** What is over the limit is read, so that the client gets its answer, but not kept. */
function readBody(
	incoming: IncomingMessage,
	done: (body: string, tooLarge: boolean) => void,
): void {
	const chunks: Buffer[] = [];
	let size = 0;
	incoming.on("data", (chunk: Buffer) => {
		size += chunk.length;
		if (size <= bodyBytesMax) chunks.push(chunk);
	});
	incoming.on("end", () =>
		done(Buffer.concat(chunks).toString(), size > bodyBytesMax),
	);
}

function readRequest(
	{ method = "", url = "", headers }: IncomingMessage,
	body: string,
): Request {
	const [path = "", query = ""] = url.split(/\?(.*)/s);
	const [type = ""] = (headers["content-type"] ?? "").split(";");
	return {
		method,
		path,
		query: new URLSearchParams(query),
		type: type.trim().toLowerCase(),
		body,
	};
}

/** Draws latencies in whole milliseconds, both ends of the range included: the same seed, the same latencies. */
export function createLatency(
	seed: number,
	[shortest, longest]: readonly [number, number],
): () => number {
	const random = mulberry32(seed);
	return () => shortest + Math.floor(random() * (longest - shortest + 1));
}

/** Tommy Ettinger's generator: numbers from 0 up to 1, a 32-bit state, good enough to spread latencies. */
function mulberry32(seed: number): () => number {
	let state = seed | 0;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}
