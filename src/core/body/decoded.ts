import { type JsonSurvey, surveyJson } from "../json.ts";
import type { SharedMemory } from "../memory.ts";

/**
 * The values that several calls make of one body. Each is made once, at the first request for it, and deeply frozen.
 */
export interface Decoded {
	/** The value that `make` gives, or the error that it throws: the same for all callers that ask for this kind. */
	of(kind: "json" | "text", make: () => unknown): unknown;
	/** Whether the value has been made. */
	has(kind: "json" | "text"): boolean;
	/** What the body and the values take. */
	readonly memory: SharedMemory;
	/** What the JSON of the body is made of, counted once. */
	survey(body: Uint8Array): JsonSurvey;
}

type Made =
	| { readonly ok: true; readonly value: unknown }
	| { readonly ok: false; readonly error: unknown };

/**
 * The memory grows by the rough number of bytes of each new value. It has room for the value's text, which is kept if the
 * value is printed again. Then `onMade` is called.
 */
export function createDecoded(
	memory: SharedMemory,
	onMade: () => void = () => {},
): Decoded {
	const made: { json: Made | null; text: Made | null } = {
		json: null,
		text: null,
	};
	let survey: JsonSurvey | null = null;
	return {
		memory,
		has: (kind) => made[kind] !== null,
		survey(body) {
			survey ??= surveyJson(body);
			return survey;
		},
		of(kind, make) {
			const before = made[kind];
			const one = before ?? outcomeOf(make);
			made[kind] = one;
			if (!one.ok) throw one.error;
			if (before === null) {
				memory.grow(2 * freeze(one.value));
				onMade();
			}
			return one.value;
		},
	};
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
