import type { JsonSurvey } from "../json.ts";

/**
 * The values that several calls make of one body. Each is made once, at the first request for it, and deeply frozen.
 */
export interface Decoded {
	/** The value that `make` gives, or the error that it throws: the same for all callers that ask for this kind. */
	of(kind: "json" | "text", make: () => unknown): unknown;
	/**
	 * How many calls share what is made. Each counts its part as memory. 0 if somebody else counts it, who keeps it longer
	 * than they do.
	 */
	readonly sharers: number;
	/** What its JSON is made of. `make` counts it, once. */
	survey(make: () => JsonSurvey): JsonSurvey;
}

type Made =
	| { readonly ok: true; readonly value: unknown }
	| { readonly ok: false; readonly error: unknown };

/**
 * `onMade` gets the rough number of bytes that a new value holds, and its text, which is kept with it if the value is
 * printed again.
 */
export function createDecoded(
	onMade: (bytes: number) => void = () => {},
	sharers = 0,
): Decoded {
	const made: { json: Made | null; text: Made | null } = {
		json: null,
		text: null,
	};
	let survey: JsonSurvey | null = null;
	return {
		sharers,
		survey(make) {
			survey ??= make();
			return survey;
		},
		of(kind, make) {
			const before = made[kind];
			const one = before ?? outcomeOf(make);
			made[kind] = one;
			if (!one.ok) throw one.error;
			if (before === null) onMade(2 * freeze(one.value));
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
