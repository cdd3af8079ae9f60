/**
 * An error on its way to another thread. Structured cloning would keep neither its class nor most of its properties.
 */
export interface PackedError {
	readonly name: string;
	readonly message: string;
	readonly stack: string;
	/** Its own properties, such as `code`, if they can be cloned. */
	readonly own: Readonly<Record<string, unknown>>;
	readonly cause: PackedThrown | null;
	/** The errors of an AggregateError; null for any other error. */
	readonly errors: readonly PackedThrown[] | null;
}

/** A thrown value: an error, any other value, or the number of an error that the other side itself had thrown. */
export type PackedThrown =
	| { readonly kind: "error"; readonly error: PackedError }
	| { readonly kind: "value"; readonly value: unknown }
	| { readonly kind: "known"; readonly id: number };

/** The number of an error that came from the other side; undefined for any other. */
export type NumberOf = (thrown: unknown) => number | undefined;

/** Causes deeper than this are left out, which also ends a cycle of causes. */
const depthMax = 8;

/** A thrown value as data that can be cloned. Never throws, for any value. */
export function packThrown(
	thrown: unknown,
	numberOf: NumberOf = () => undefined,
	depth = 0,
): PackedThrown {
	const id = numberOf(thrown);
	if (id !== undefined) return { kind: "known", id };
	try {
		if (!(thrown instanceof Error)) {
			return { kind: "value", value: structuredClone(thrown) };
		}
		return { kind: "error", error: packError(thrown, numberOf, depth) };
	} catch {
		return { kind: "value", value: wordsFor(thrown) };
	}
}

function packError(
	thrown: Error,
	numberOf: NumberOf,
	depth: number,
): PackedError {
	const inner = (one: unknown) => packThrown(one, numberOf, depth + 1);
	const { cause } = thrown;
	const goesOn = depth < depthMax;
	const isMany = goesOn && thrown instanceof AggregateError;
	return {
		name: String(thrown.name),
		message: String(thrown.message),
		stack: String(thrown.stack),
		own: clonable(thrown),
		cause: goesOn && cause !== undefined ? inner(cause) : null,
		errors: isMany ? thrown.errors.map(inner) : null,
	};
}

const carriedApart = new Set(["name", "message", "stack", "cause", "errors"]);

function clonable(thrown: Error): Record<string, unknown> {
	const entries = Object.entries(thrown).filter(
		([key]) => !carriedApart.has(key),
	);
	return Object.fromEntries(
		entries.flatMap(([key, value]) => {
			try {
				return [[key, structuredClone(value)]];
			} catch {
				return [];
			}
		}),
	);
}

function wordsFor(thrown: unknown): string {
	try {
		return String(thrown);
	} catch {
		return "a value that cannot be printed";
	}
}

/** The classes that are the same on both sides. */
const classes = new Map(
	[
		Error,
		EvalError,
		RangeError,
		ReferenceError,
		SyntaxError,
		TypeError,
		URIError,
	].map((one) => [one.name, one]),
);

/**
 * The value that was thrown on the other side. An error keeps its name, message, stack, causes and own properties, and
 * its class if the language has it. `known` gives the errors that this side had thrown itself.
 */
export function unpackThrown(
	packed: PackedThrown,
	known: (id: number) => unknown = () => undefined,
): unknown {
	if (packed.kind === "value") return packed.value;
	if (packed.kind === "known") return known(packed.id);
	const { name, message, stack, own, cause, errors } = packed.error;
	const error = errors
		? new AggregateError(errors.map((one) => unpackThrown(one, known)))
		: new (classes.get(name) ?? Error)();
	for (const [key, value] of Object.entries({ name, message, stack })) {
		if (Reflect.get(error, key) !== value) define(error, key, value, false);
	}
	if (cause !== null) define(error, "cause", unpackThrown(cause, known), false);
	for (const [key, value] of Object.entries(own)) {
		define(error, key, value, true);
	}
	return error;
}

/** Defined, not assigned: a property may have any name. */
function define(
	error: Error,
	key: string,
	value: unknown,
	enumerable: boolean,
): void {
	const property = { value, enumerable, writable: true, configurable: true };
	Object.defineProperty(error, key, property);
}
