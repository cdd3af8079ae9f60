import type { SharedMemory } from "../memory.ts";
import { KeptCodings } from "./kept-codings.ts";

/** What a body is made of, as far as it decides what reading it takes. Counted before it is read. */
export interface Survey {
	/** Values and keys. */
	readonly values: number;
	/** The memory that the value takes, in bytes. */
	readonly memory: number;
}

/**
 * The values that several calls make of one body. Each is made once, at the first request for it, and deeply frozen. A
 * `kind` names one way of reading it: equal kinds make equal values.
 */
export interface Decoded {
	/** The value that `make` gives, or the error that it throws: the same for all callers that ask for this kind. */
	of(kind: string, make: () => unknown): unknown;
	/** Whether the value has been made. */
	has(kind: string): boolean;
	/** What the body and the values take. */
	readonly memory: SharedMemory;
	/** What the body is made of for this kind, counted once, or the error that counting it threw. */
	survey(kind: string, count: () => Survey): Survey;
	/** Takes so many bytes more for what is kept beside the body. False, and takes none, if nobody keeps it or has room for them. */
	grow(bytes: number): boolean;
	/** The body itself in codings. */
	readonly codings: KeptCodings;
}

/** Who keeps a body, if anybody does. */
export interface BodyHolder {
	/** Whether the body is kept, and would still be if it took so many bytes more. */
	hasRoom(bytes: number): boolean;
	/** The memory has grown. */
	onGrown(): void;
}

type Made =
	| { readonly ok: true; readonly value: unknown }
	| { readonly ok: false; readonly error: unknown };

/** Whose body a value was made of. */
const bodies = new WeakMap<object, Decoded>();

/** A place for the coded forms of a value's text. Null if the value was not made of a body that several calls share. */
export function codingsBeside(value: object): KeptCodings | null {
	const body = bodies.get(value);
	return body === undefined ? null : new KeptCodings(body);
}

const nobody: BodyHolder = { hasRoom: () => false, onGrown: () => {} };

/**
 * The memory grows by the rough number of bytes of each new value. It has room for the value's text, which is kept if the
 * value is printed again.
 */
export function createDecoded(
	memory: SharedMemory,
	holder: BodyHolder = nobody,
): Decoded {
	// Few, because the steps of a config say which kinds there are.
	const made = new Map<string, Made>();
	const surveys = new Map<string, Made>();
	let codings: KeptCodings | null = null;
	const decoded: Decoded = {
		memory,
		get codings() {
			codings ??= new KeptCodings(decoded);
			return codings;
		},
		grow(bytes) {
			if (!holder.hasRoom(bytes)) return false;
			memory.grow(bytes);
			holder.onGrown();
			return true;
		},
		has: (kind) => made.has(kind),
		survey(kind, count) {
			const one = surveys.get(kind) ?? outcomeOf(count);
			surveys.set(kind, one);
			if (!one.ok) throw one.error;
			return one.value as Survey;
		},
		of(kind, make) {
			const before = made.get(kind);
			const one = before ?? outcomeOf(make);
			made.set(kind, one);
			if (!one.ok) throw one.error;
			const { value } = one;
			if (before === undefined) {
				memory.grow(2 * freeze(value));
				holder.onGrown();
				if (typeof value === "object" && value) bodies.set(value, decoded);
			}
			return value;
		},
	};
	return decoded;
}

function outcomeOf(make: () => unknown): Made {
	try {
		return { ok: true, value: make() };
	} catch (error) {
		return { ok: false, error };
	}
}

/** The memory of a value, a slot and the head of an object in V8 on 64 bits, rounded up: measured, not promised. */
const slotBytes = 8;
const objectBytes = 56;
const textBytes = 24;

/** Freezes a value of JSON to its depth, and returns the bytes that it takes. */
function freeze(value: unknown): number {
	if (typeof value === "string") return textBytes + 2 * value.length;
	if (typeof value !== "object" || value === null) return slotBytes;
	let bytes = objectBytes;
	if (Array.isArray(value)) {
		for (const item of value) bytes += slotBytes + freeze(item);
	} else {
		// Keys are not counted: the engine has one text for all objects that have a key.
		for (const inner of Object.values(value)) {
			bytes += 2 * slotBytes + freeze(inner);
		}
	}
	Object.freeze(value);
	return bytes;
}
