import type { From } from "../from.ts";

/** A duration with its unit: `250ms`, `1.5s`, `2m`, `1h`. */
export type Duration =
	| `${number}ms`
	| `${number}s`
	| `${number}m`
	| `${number}h`;
/** A size with its unit: `512B`, `64KiB`, `8MiB`, `1GiB`. */
export type Size =
	| `${number}B`
	| `${number}KiB`
	| `${number}MiB`
	| `${number}GiB`;

/** A text that holds an expression of `env`. */
export type Hole = `${string}\${${string}`;

/**
 * Stands for an input whose type depends on the names that can be read there: data, a map of data, data that may also
 * read the call's answer or the step's failure, values by status, names of steps, the rounds of a call, or a call that undoes
 * another.
 */
export interface Written<
	What extends
		| "answer"
		| "answers"
		| "data"
		| "failure"
		| "map"
		| "rounds"
		| "steps"
		| "undo",
> {
	readonly written: What;
}

/** A value that may stand where data stands. `Input` are the names that a `from` may read there. */
export type Data<Input extends string = string> =
	| string
	| number
	| boolean
	| null
	| undefined
	| From<Input>
	| readonly Data<Input>[]
	| DataMap<Input>;
/** A map of names to such values. A name that ends in `?` is left out if its value is null. */
export interface DataMap<Input extends string> {
	readonly [key: string]: Data<Input>;
}

/** Scheme, host and port of pages, or `*` for any. */
export type Origin = "*" | `http://${string}` | `https://${string}`;
