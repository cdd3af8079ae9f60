import { GatewayError } from "../../core/errors.ts";
import { callFieldsRefused } from "../../core/http/fields.ts";
import { type HeaderList, isToken } from "../../core/http/headers.ts";
import { announcesBody } from "../../core/http/method.ts";

/** A request as bytes, or as a text of bytes. */
export interface Message {
	/** One character per byte. */
	readonly text: string;
	/** Instead of `text`, if that would need more than one byte per character. */
	readonly bytes: Buffer | null;
}

/** Makes the requests to one origin. */
export class RequestWriter {
	readonly #upstream: string;
	/** The text between the target and the first field. */
	readonly #keptOpen: string;
	readonly #closing: string;
	/** Names of fields that were found valid: the same few come again and again. */
	readonly #names = new Set<string>();
	/** Fields as text, kept for lists that never change: those of a step whose fields hold no data. */
	readonly #blocks = new WeakMap<HeaderList, string>();

	constructor(upstream: string, host: string) {
		this.#upstream = upstream;
		const start = ` HTTP/1.1\r\nhost: ${host}\r\nconnection: `;
		this.#keptOpen = `${start}keep-alive\r\n`;
		this.#closing = `${start}close\r\n`;
	}

	/** A whole request. `along` are further fields as lines. Throws `internal` if it cannot be sent, because data was judged long before it came here. */
	message(
		method: string,
		target: string,
		headers: HeaderList,
		along: string,
		body: string | null,
		binary = false,
	): Message {
		const head = this.#head(method, target, headers) + along;
		if (body === null || body === "") {
			const end = announcesBody(method) ? "content-length: 0\r\n\r\n" : "\r\n";
			return { text: head + end, bytes: null };
		}
		const length = binary ? body.length : Buffer.byteLength(body);
		const text = `${head}content-length: ${length}\r\n\r\n`;
		// If there are as many bytes as characters, the text is ASCII, which is the same in latin1.
		return length === body.length
			? { text: text + body, bytes: null }
			: { text: "", bytes: joined(text, body, length) };
	}

	/** The head of a request whose body is streamed. `length` is null if only the end of the body will tell it. */
	streamHead(
		method: string,
		target: string,
		headers: HeaderList,
		along: string,
		length: number | null,
	): string {
		const framing =
			length === null
				? "transfer-encoding: chunked"
				: `content-length: ${length}`;
		const head = this.#head(method, target, headers);
		return `${head}${along}${framing}\r\n\r\n`;
	}

	#head(method: string, target: string, headers: HeaderList): string {
		if (!isTarget.test(target)) throw this.#fault("the target is none");
		// Only the end of its connection reveals an answer to HEAD that has a body all the same.
		const start = method === "HEAD" ? this.#closing : this.#keptOpen;
		return `${method} ${target}${start}${this.#blockOf(headers)}`;
	}

	/** Kept if possible: to build and flatten the text of four fields takes as long as the rest of a request. */
	#blockOf(headers: HeaderList): string {
		const kept = this.#blocks.get(headers);
		if (kept !== undefined) return kept;
		const block = this.#print(headers);
		if (!Object.isFrozen(headers)) return block;
		// Flattened, because otherwise every write would put it together anew.
		const flat = Buffer.from(block, "latin1").toString("latin1");
		this.#blocks.set(headers, flat);
		return flat;
	}

	#print(headers: HeaderList): string {
		let block = "";
		// A loop of its own: this writes every request whose fields hold data.
		for (let at = 0; at < headers.length; at += 2) {
			const name = headers[at] as string;
			const value = headers[at + 1] as string;
			if (!this.#names.has(name)) this.#learn(name);
			if (notInValue.test(value)) throw this.#fault(`the value of ${name}`);
			block += `${name}: ${value}\r\n`;
		}
		return block;
	}

	#fault(what: string): GatewayError {
		const facts = { upstream: this.#upstream };
		return new GatewayError("internal", `not a request: ${what}`, facts);
	}

	#learn(name: string): void {
		if (!isToken(name)) throw this.#fault("the name of a header field");
		if (callFieldsRefused.has(name.toLowerCase()))
			throw this.#fault(`${name} is not set by hand`);
		if (this.#names.size < namesMax) this.#names.add(name);
	}
}

function joined(text: string, body: string, bodyBytes: number): Buffer {
	const bytes = Buffer.allocUnsafe(text.length + bodyBytes);
	bytes.write(text, "latin1");
	bytes.write(body, text.length);
	return bytes;
}

const namesMax = 256;

/** Path and query as they stand in a request: nothing in them can end its line. */
export const isTarget = /^\/[\x21-\x7e]*$/;
const notInValue = /[^\t\x20-\x7e\x80-\xff]/;
