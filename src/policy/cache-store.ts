import { LRUCache } from "lru-cache";
import type { HeaderList } from "../core/http/headers.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../core/http/messages.ts";
import { askedHeaders } from "./same-request.ts";

export interface StoreLimits {
	/** Answers, what was made of them and what finds them again, together. */
	readonly bytesMax: number;
	readonly entriesMax: number;
}

/** What finds an answer again: beside it the request's fields that it was chosen by. */
export type KeyedRequest = Pick<
	UpstreamRequest,
	"target" | "headers" | "body"
> & { readonly method: UpstreamRequest["method"] | typeof streamed };

/** The method by which what was streamed is kept: its bodies are as they were sent, and those of calls decompressed. */
export const streamed = "GET*";

/** An answer that is kept. Instants are the clock's. */
export interface Kept {
	readonly request: KeyedRequest;
	/** Its fields, and none of its trace's or connection's. */
	readonly asked: readonly string[];
	/** Names of the fields by which another request may differ; null: none may. */
	readonly vary: readonly string[] | null;
	readonly response: UpstreamResponse;
	/** The answer it was made of, by which those who shared a call know that it is kept already. */
	readonly origin: UpstreamResponse;
	/** What its age is counted from. */
	readonly bornMs: number;
	readonly freshUntilMs: number;
	readonly whileRevalidateUntilMs: number;
	readonly ifErrorUntilMs: number;
	/** What its decoded values take, which are made when somebody wants them. */
	readonly memory: { decodedBytes: number };
}

/** More variants of one address than this are a field that should not be in `Vary`. */
const variantsMax = 32;

/** What an entry and each of its answers take besides texts and bytes: measured with a heap of small ones, rounded up. */
const entryBytes = 256;
const keptBytes = 1024;

/**
 * Answers by what was asked. Bounded by bytes and by entries: those not asked for longest go. An entry is one method and
 * address, and body where there is one; in it are the answers to requests that differ in fields.
 */
export class CacheStore {
	readonly #entries: LRUCache<string, Entry>;
	/** Keys with a body, by address: what changes the address changes them all. */
	readonly #withBody = new Map<string, Set<string>>();

	constructor({ bytesMax, entriesMax }: StoreLimits) {
		this.#entries = new LRUCache<string, Entry>({
			max: entriesMax,
			maxSize: bytesMax,
			dispose: ({ kept }, _, reason) => {
				if (kept[0] && reason !== "set") this.#forgetBody(kept[0].request);
			},
		});
	}

	get bytes(): number {
		return this.#entries.calculatedSize;
	}

	get entries(): number {
		return this.#entries.size;
	}

	/** The answer to a request like this one, fresh or not. */
	find(request: KeyedRequest, method = request.method): Kept | null {
		const entry = this.#entries.get(keyOf(request, method));
		if (entry === undefined) return null;
		for (const kept of entry.kept) {
			if (matches(kept, request.headers)) return kept;
		}
		return null;
	}

	/** Keeps an answer instead of the one to the same request; gives up what was not asked for longest where it must. */
	keep(kept: Kept): void {
		const { request } = kept;
		const before = this.#entries.peek(keyOf(request))?.kept ?? [];
		const others = before.filter((other) => !matches(other, request.headers));
		this.#set(request, [kept, ...others].slice(0, variantsMax));
	}

	/** No longer gives this answer. */
	drop(kept: Kept): void {
		const { request } = kept;
		const before = this.#entries.peek(keyOf(request))?.kept ?? [];
		const others = before.filter((other) => other !== kept);
		if (others.length < before.length) this.#set(request, others);
	}

	/** Counts anew what the answer takes, when something has been made of it. */
	weigh(request: KeyedRequest, memory: Kept["memory"]): void {
		const kept = this.#entries.peek(keyOf(request))?.kept ?? [];
		if (kept.some((one) => one.memory === memory)) this.#set(request, kept);
	}

	/** Drops whatever was answered for an address. */
	invalidate(target: string): void {
		for (const key of [...(this.#withBody.get(target) ?? [])]) {
			this.#entries.delete(key);
		}
		this.#entries.delete(`GET ${target}`);
		this.#entries.delete(`HEAD ${target}`);
		this.#entries.delete(`${streamed} ${target}`);
	}

	#set(request: KeyedRequest, kept: readonly Kept[]): void {
		const key = keyOf(request);
		if (kept.length === 0) return void this.#entries.delete(key);
		// A new one each time: the library weighs what it does not know yet.
		this.#entries.set(key, { kept }, { size: sizeOf(key, kept) });
		if (request.body === null) return;
		// What is too large is not taken, and what stood there before is gone without a word.
		if (!this.#entries.has(key)) return this.#forgetBody(request);
		const keys = this.#withBody.get(request.target) ?? new Set();
		this.#withBody.set(request.target, keys.add(key));
	}

	#forgetBody(request: KeyedRequest): void {
		const { target, body } = request;
		const keys = body === null ? undefined : this.#withBody.get(target);
		keys?.delete(keyOf(request));
		if (keys?.size === 0) this.#withBody.delete(target);
	}
}

interface Entry {
	/** The one kept last first. */
	readonly kept: readonly Kept[];
}

/** A target begins with a slash; the length says where one before a body ends. */
function keyOf({ method, target, body }: KeyedRequest, as = method): string {
	if (body === null) return `${as} ${target}`;
	return `${as} ${target.length} ${target}${body}`;
}

function sizeOf(key: string, kept: readonly Kept[]): number {
	let bytes = entryBytes + 2 * key.length;
	for (const { asked, response, memory } of kept) {
		bytes += keptBytes + response.body.length + memory.decodedBytes;
		for (const text of asked) bytes += 2 * text.length;
		for (const text of response.headers) bytes += 2 * text.length;
	}
	return bytes;
}

/** Fields that differ from user to user, whether or not `Vary` names them. */
const credentials = ["authorization", "cookie"];

/** RFC 9111, 4.1. */
function matches({ asked, vary }: Kept, headers: HeaderList): boolean {
	if (vary === null) return isSame(asked, headers);
	for (const name of credentials) {
		if (!agrees(name, asked, headers)) return false;
	}
	for (const name of vary) {
		if (!agrees(name, asked, headers)) return false;
	}
	return true;
}

function isSame(asked: readonly string[], headers: HeaderList): boolean {
	const others = askedHeaders({ headers });
	if (others.length !== asked.length) return false;
	return others.every((text, at) => text === asked[at]);
}

/** Whether two requests have the same values of a field, in the same order. */
function agrees(name: string, asked: HeaderList, headers: HeaderList): boolean {
	let at = 0;
	for (let other = 0; other < headers.length; other += 2) {
		if (headers[other] !== name) continue;
		while (at < asked.length && asked[at] !== name) at += 2;
		if (at >= asked.length || asked[at + 1] !== headers[other + 1])
			return false;
		at += 2;
	}
	while (at < asked.length && asked[at] !== name) at += 2;
	return at >= asked.length;
}
