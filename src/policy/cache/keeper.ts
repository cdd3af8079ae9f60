import { LRUCache } from "lru-cache";
import type { BodyHolder } from "../../core/body/decoded.ts";
import { credentialFields } from "../../core/http/fields.ts";
import {
	agreeOn,
	agreeOnList,
	type HeaderList,
} from "../../core/http/headers.ts";
import type {
	UpstreamRequest,
	UpstreamResponse,
} from "../../core/http/messages.ts";
import { Memory, type SharedMemory, type Yielding } from "../../core/memory.ts";
import { askedHeaders } from "../same-request.ts";
import type { AnswerTrial } from "./trial.ts";

export interface KeeperOptions {
	/** The most bytes of everything that is kept: answers, values made from them, and keys. */
	readonly bytesMax: number;
	/** The most addresses that are kept; each may have 32 variants. */
	readonly entriesMax: number;
}

/** The request that finds an answer again, together with the answer's form. */
export type Key = Pick<
	UpstreamRequest,
	"method" | "target" | "headers" | "body" | "binary" | "identifying"
>;

/**
 * Calls keep bodies decoded, streams as they were sent, perhaps compressed: neither can be given for the other. A part
 * of what was sent can be given for nothing but a part of it.
 */
export type Form = "decoded" | "sent" | "part";

/** An answer that is kept. Instants are the clock's. */
export interface Kept {
	readonly form: Form;
	readonly key: Key;
	/** The request's fields, without those of its trace and its connection. */
	readonly asked: readonly string[];
	/** Names of the fields by which another request must agree; null: all. */
	readonly vary: readonly string[] | null;
	readonly response: UpstreamResponse;
	/** The answer that it was made from. Callers that shared a call see by it that the answer is kept already. */
	readonly origin: object;
	/** Its age is counted from here. */
	readonly bornMs: number;
	readonly freshUntilMs: number;
	readonly whileRevalidateUntilMs: number;
	readonly ifErrorUntilMs: number;
	/** Whether a request may ask for it after its time. */
	readonly mayBeStale: boolean;
	/** What it takes: its body, and its decoded values, which are made when they are first needed. */
	readonly memory: SharedMemory;
	/** Null if no step will use it. */
	readonly trial: AnswerTrial | null;
}

/** With more variants than this of one address, `Vary` names a field that it should not. */
const variantsMax = 32;

/** The memory of an entry and of each answer in it, besides texts and bytes: measured with a heap of small ones, rounded up. */
const entryBytes = 256;
const keptBytes = 1024;

/**
 * Answers by what was asked. Bounded by bytes and by entries: the answers that nobody asked for longest go first. An
 * entry is one form, method and address, and body if there is one. It holds the answers to requests that differ in
 * fields.
 */
export class Keeper implements Yielding {
	readonly #entries: LRUCache<string, Entry>;
	readonly memory: Memory;
	readonly #bytesMax: number;
	/** The bytes that the memory knows of. */
	#counted = 0;
	/** Keys with a body, by address. A change of the address changes them all. */
	readonly #withBody = new Map<string, Set<string>>();

	constructor({ bytesMax, entriesMax }: KeeperOptions, memory = new Memory()) {
		this.memory = memory;
		this.#bytesMax = bytesMax;
		memory.join(this);
		this.#entries = new LRUCache<string, Entry>({
			max: entriesMax,
			maxSize: bytesMax,
			dispose: ({ kept, memories }, _, reason) => {
				for (const memory of memories) memory.drop();
				if (kept[0] && reason !== "set") this.#forgetBody(kept[0]);
			},
		});
	}

	get bytes(): number {
		return this.#entries.calculatedSize;
	}

	yield(bytes: number): void {
		const most = this.bytes - bytes;
		while (this.bytes > most && this.entries > 0) this.#entries.pop();
		this.#count();
	}

	#count(): void {
		const more = this.bytes - this.#counted;
		this.#counted = this.bytes;
		this.memory.keep(more);
	}

	get entries(): number {
		return this.#entries.size;
	}

	/** The answer to a request like this one, fresh or not; `method` if it is another than the request's. */
	find(form: Form, key: Key, method = key.method): Kept | null {
		const entry = this.#entries.get(textOf(form, key, method));
		if (entry === undefined) return null;
		for (const kept of entry.kept) {
			if (matches(kept, key.headers)) return kept;
		}
		return null;
	}

	/** Whether any answer of this address is kept, to whatever fields. */
	knows(form: Form, key: Key): boolean {
		return this.#variants({ form, key }).length > 0;
	}

	/** Keeps an answer instead of the one to the same request. Others may be dropped for its room. */
	keep(kept: Kept): void {
		const { headers } = kept.key;
		const others = this.#variants(kept).filter(
			(other) => !matches(other, headers),
		);
		this.#set(kept, [kept, ...others].slice(0, variantsMax));
	}

	/** No longer gives this answer. */
	drop(kept: Kept): void {
		this.replace(kept, null);
	}

	/** Keeps another answer in the place of this one, or none. Nothing happens if this one is not kept any more. */
	replace(kept: Kept, instead: Kept | null): void {
		const before = this.#variants(kept);
		if (!before.includes(kept)) return;
		const others = before.filter((other) => other !== kept);
		this.#set(kept, instead === null ? others : [instead, ...others]);
	}

	/** Whether it is kept, perhaps as the good answer before one on trial. */
	has(kept: Kept): boolean {
		return this.#variants(kept).flatMap(withGood).includes(kept);
	}

	/** Counts anew how much memory an answer takes, after a value has been made from it. */
	weigh(keyed: Keyed, memory: Kept["memory"]): void {
		const kept = this.#variants(keyed);
		const all = kept.flatMap(withGood);
		if (all.some((one) => one.memory === memory)) this.#set(keyed, kept);
	}

	/** Who keeps an answer, for what is made of it. */
	holderOf(keyed: Keyed, memory: Kept["memory"]): BodyHolder {
		return {
			hasRoom: (bytes) => this.#hasRoom(keyed, memory, bytes),
			onGrown: () => this.weigh(keyed, memory),
		};
	}

	/** An entry that grew too long would be lost with all its answers. */
	#hasRoom(keyed: Keyed, memory: Kept["memory"], bytes: number): boolean {
		const all = this.#variants(keyed).flatMap(withGood);
		if (!all.some((one) => one.memory === memory)) return false;
		const size = sizeOf(textOf(keyed.form, keyed.key), all);
		return size + bytes <= this.#bytesMax;
	}

	/** Drops every answer for an address. */
	invalidate(target: string): void {
		for (const key of [...(this.#withBody.get(target) ?? [])]) {
			this.#entries.delete(key);
		}
		for (const method of ["GET", "HEAD"] as const) {
			const key = { method, target, headers: [], body: null };
			for (const form of ["decoded", "sent", "part"] as const) {
				this.#entries.delete(textOf(form, key));
			}
		}
		this.#count();
	}

	#variants({ form, key }: Keyed): readonly Kept[] {
		return this.#entries.peek(textOf(form, key))?.kept ?? [];
	}

	#set(keyed: Keyed, kept: readonly Kept[]): void {
		this.#replace(keyed, kept);
		this.#count();
	}

	#replace(keyed: Keyed, kept: readonly Kept[]): void {
		const { form, key } = keyed;
		const text = textOf(form, key);
		if (kept.length === 0) return void this.#entries.delete(text);
		// A new entry each time: the library weighs only entries that it does not know yet.
		const all = kept.flatMap(withGood);
		const memories = all.map(({ memory }) => memory);
		this.#entries.set(text, { kept, memories }, { size: sizeOf(text, all) });
		if (this.#entries.has(text)) for (const memory of memories) memory.keep();
		if (key.body === null) return;
		// The library refuses an entry that is too large, and silently drops the one before it.
		if (!this.#entries.has(text)) return this.#forgetBody(keyed);
		const texts = this.#withBody.get(key.target) ?? new Set();
		this.#withBody.set(key.target, texts.add(text));
	}

	#forgetBody({ form, key }: Keyed): void {
		const { target, body } = key;
		const texts = body === null ? undefined : this.#withBody.get(target);
		texts?.delete(textOf(form, key));
		if (texts?.size === 0) this.#withBody.delete(target);
	}
}

interface Entry {
	/** The most recently kept answer first. */
	readonly kept: readonly Kept[];
	/** What they take. Some have a good answer before them, which is held as long. */
	readonly memories: readonly SharedMemory[];
}

/** The position of an answer among the entries. */
type Keyed = Pick<Kept, "form" | "key">;

/** A target begins with a slash, so no two keys have one text. The length says where a target before a body ends. */
function textOf(
	form: Form,
	{ method, target, body, binary = false }: Key,
	as = method,
): string {
	const asked = form === "decoded" ? as : `${as} ${form}`;
	if (body === null) return `${asked} ${target}`;
	const kind = binary ? " bytes" : "";
	return `${asked}${kind} ${target.length} ${target}${body}`;
}

function withGood(kept: Kept): Kept[] {
	const good = kept.trial?.good ?? null;
	return good === null ? [kept] : [kept, good];
}

function sizeOf(key: string, kept: readonly Kept[]): number {
	let bytes = entryBytes + 2 * key.length;
	for (const { asked, response, memory } of kept) {
		bytes += keptBytes + memory.bytes;
		for (const text of asked) bytes += 2 * text.length;
		for (const text of response.headers) bytes += 2 * text.length;
	}
	return bytes;
}

/** RFC 9111, 4.1. */
function matches({ asked, vary }: Kept, headers: HeaderList): boolean {
	if (vary === null) return isSame(asked, headers);
	for (const name of credentialFields) {
		if (!agreeOn(name, asked, headers)) return false;
	}
	for (const name of vary) {
		if (!agreeOnList(name, asked, headers)) return false;
	}
	return true;
}

function isSame(asked: readonly string[], headers: HeaderList): boolean {
	const before = choosing(asked);
	const others = choosing(askedHeaders({ headers }));
	if (others.length !== before.length) return false;
	return others.every((text, at) => text === before[at]);
}

/** Without what a request says to caches. An answer that was asked for anew is one to all who ask for the same. */
function choosing(asked: readonly string[]): readonly string[] {
	if (!toCaches.some((name) => asked.includes(name))) return asked;
	return asked.filter(
		(_, at) => !toCaches.includes(asked[at - (at % 2)] as string),
	);
}

const toCaches: readonly string[] = ["cache-control", "pragma"];
