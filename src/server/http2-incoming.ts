import type { ServerHttp2Stream } from "node:http2";
import type { IncomingHead } from "./client-exchange.ts";
import type { Http2Head } from "./http2-head.ts";
import type { BodySource } from "./request-body.ts";

/** A request of HTTP/2, as an exchange reads it. */
export class Http2Incoming implements IncomingHead, BodySource {
	readonly method: string;
	readonly url: string;
	readonly rawHeaders: string[];
	rawTrailers: string[] = [];
	/** The bytes of its body that have come. */
	bytesRead = 0;
	readonly #stream: ServerHttp2Stream;
	readonly #ends = new Map<() => void, () => void>();
	#counts = false;

	constructor(stream: ServerHttp2Stream, head: Http2Head) {
		this.method = head.method;
		this.url = head.url;
		this.rawHeaders = head.rawHeaders;
		this.#stream = stream;
		if (stream.endAfterHeaders) return;
		// Node's types do not know the fields in their order.
		stream.on("trailers", (...given: unknown[]) => {
			const fields = given[2] as readonly string[] | undefined;
			this.rawTrailers = [...(fields ?? [])];
		});
	}

	get complete(): boolean {
		const { endAfterHeaders, readableEnded, state } = this.#stream;
		return endAfterHeaders || readableEnded || state.remoteClose === 1;
	}

	get readableEnded(): boolean {
		return this.#stream.readableEnded;
	}

	get readableFlowing(): boolean | null {
		return this.#stream.readableFlowing;
	}

	on(event: "data", take: (chunk: Uint8Array) => void): this;
	on(event: "end", end: () => void): this;
	on(event: string, listener: (chunk: Uint8Array) => void): this {
		if (event === "end") {
			const end = listener as unknown as () => void;
			// Node says so, too, when the client takes its request back in the middle.
			const whole = () => {
				if (!this.#stream.closed) end();
			};
			this.#ends.set(end, whole);
			this.#stream.on("end", whole);
			return this;
		}
		if (!this.#counts) {
			this.#counts = true;
			this.#stream.on("data", (chunk: Uint8Array) => {
				this.bytesRead += chunk.length;
			});
		}
		this.#stream.on(event, listener);
		return this;
	}

	off(event: "data", take: (chunk: Uint8Array) => void): this;
	off(event: "end", end: () => void): this;
	off(event: string, listener: (chunk: Uint8Array) => void): this {
		const end = listener as unknown as () => void;
		this.#stream.off(event, this.#ends.get(end) ?? listener);
		this.#ends.delete(end);
		return this;
	}

	pause(): this {
		this.#stream.pause();
		return this;
	}

	resume(): this {
		this.#stream.resume();
		return this;
	}
}
