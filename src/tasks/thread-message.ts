import type { Transferable } from "node:worker_threads";
import type { PackedThrown } from "./thread-error.ts";

/** A job for a thread of a pool: the first message on a port that belongs to this job alone. */
export interface Job {
	/** The module, as the text of a URL. */
	readonly file: string;
	/** The name by which the module exports the function. */
	readonly name: string;
	readonly args: readonly unknown[];
	/** Given to the function after its arguments; null for none. */
	readonly context: JobContext | null;
}

export interface JobContext {
	readonly values: Readonly<Record<string, unknown>>;
	/** Names of functions that run on the pool's side. */
	readonly calls: readonly string[];
}

export type FromThread =
	| { readonly kind: "begun" }
	| {
			readonly kind: "call";
			readonly id: number;
			readonly name: string;
			readonly args: readonly unknown[];
	  }
	| { readonly kind: "returned"; readonly value: unknown }
	| { readonly kind: "threw"; readonly thrown: PackedThrown };

export type ToThread =
	| { readonly kind: "left" }
	| { readonly kind: "answered"; readonly id: number; readonly value: unknown }
	| {
			readonly kind: "failed";
			readonly id: number;
			readonly thrown: PackedThrown;
	  };

/** The same in every thread, whichever copy of this module made it. */
const mark = Symbol.for("sluice.transfer");

/** A value together with its parts that are moved, not copied, to another thread. */
export interface Transfer<T> {
	readonly [mark]: readonly Transferable[];
	readonly value: T;
}

/**
 * A function on a pool returns this to have parts of its value moved instead of copied: `transfer(pixels,
 * [pixels.buffer])`. The moved parts cannot be used in the thread any more.
 */
export function transfer<T>(
	value: T,
	moved: readonly Transferable[],
): Transfer<T> {
	return { [mark]: moved, value };
}

/** The value, and its parts that are moved. */
export function partsOf(returned: unknown): {
	readonly value: unknown;
	readonly moved: readonly Transferable[];
} {
	if (typeof returned === "object" && returned !== null && mark in returned) {
		const { value, [mark]: moved } = returned as Transfer<unknown>;
		return { value, moved };
	}
	return { value: returned, moved: [] };
}
