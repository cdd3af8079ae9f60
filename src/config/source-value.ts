import { isPlain } from "../core/body/data.ts";
import { nestingMax } from "../core/json.ts";
import { partsOfFrom } from "./from.ts";
import type { Problem } from "./problem.ts";
import {
	createMap,
	type EntrySource,
	type FunctionSource,
	faultOfKey,
	type ListSource,
	lastAtOrBefore,
	type MapSource,
	type ScalarSource,
	type Source,
	type SourceFile,
} from "./source.ts";

/**
 * Reads JavaScript values as the same tree that YAML becomes. Never throws: a value that is no data becomes a problem.
 * Every value has an offset as in a file: values stand one behind another, each as long as its text. An offset leads
 * back to a path.
 */
export function readValue(value: unknown): SourceFile {
	const reading: Reading = { marks: [], length: 0, problems: [] };
	const root = toSource(value, { reading, path: "", around: [] });
	return {
		root,
		problems: reading.problems,
		unreadable: new Set(),
		positionOf(offset) {
			const { marks } = reading;
			const index = lastAtOrBefore(marks, offset, ({ at }) => at);
			return { path: marks[index]?.path ?? "" };
		},
	};
}

interface Reading {
	/** In the order of their offsets. */
	readonly marks: { readonly at: number; readonly path: string }[];
	length: number;
	readonly problems: Problem[];
}

/** The position of a value. */
interface Branch {
	readonly reading: Reading;
	/** `routes["GET /x"].steps.now`; empty for the config itself. */
	readonly path: string;
	/** The objects around the value, outermost first. */
	readonly around: readonly object[];
}

/** Takes an offset for a value of so many characters. */
function offsetFor({ reading, path }: Branch, characters = 0): number {
	const at = reading.length;
	reading.marks.push({ at, path });
	reading.length += characters + 1;
	return at;
}

function refuse(branch: Branch, message: string): null {
	branch.reading.problems.push({ at: offsetFor(branch), message });
	return null;
}

function toSource(value: unknown, branch: Branch): Source | null {
	switch (typeof value) {
		case "string":
		case "number":
		case "boolean":
			return scalar(value, branch);
		case "function":
			return functionSource(value as FunctionSource["call"], null, branch);
		case "undefined":
			return refuse(branch, "there is no `undefined`: write null");
		case "bigint":
			return refuse(branch, `${value}n cannot stand in a config: quote it`);
		case "symbol":
			return refuse(branch, "a symbol is no data");
		case "object":
			return value === null ? scalar(null, branch) : fromObject(value, branch);
	}
}

function scalar(value: ScalarSource["value"], branch: Branch): ScalarSource {
	const text = String(value);
	const at = offsetFor(branch, text.length);
	return {
		kind: "scalar",
		at,
		value,
		text,
		placeOf: (character) => at + character,
	};
}

function functionSource(
	call: FunctionSource["call"],
	inputs: readonly unknown[] | null,
	branch: Branch,
): FunctionSource {
	const at = offsetFor(branch);
	return {
		kind: "function",
		at,
		call,
		inputs: inputs && inputs.map((input) => scalar(String(input), branch)),
	};
}

function fromObject(value: object, branch: Branch): Source | null {
	const parts = partsOfFrom(value);
	if (parts !== null) {
		const valid =
			Array.isArray(parts.inputs) && typeof parts.call === "function";
		return valid
			? functionSource(parts.call, parts.inputs, branch)
			: refuse(branch, "`from` takes a list of inputs and a function");
	}
	if (branch.around.includes(value)) {
		return refuse(branch, "this holds itself: write it out");
	}
	if (branch.around.length >= nestingMax) {
		return refuse(branch, `nested deeper than ${nestingMax} levels`);
	}
	if (Array.isArray(value)) return list(value, branch);
	return isPlain(value) ? map(value, branch) : refuse(branch, noData(value));
}

function noData(value: object): string {
	if (value instanceof Promise) return "a promise is no data: await it";
	const { name } = (value.constructor ?? {}) as { name?: string };
	return `${name ? `an object of class ${name}` : "an object with a prototype"} is no data: write a text, a list or a plain object`;
}

function list(items: readonly unknown[], branch: Branch): ListSource {
	const at = offsetFor(branch);
	const around = [...branch.around, items];
	// Not `map`, because it skips holes.
	const sources = Array.from(items, (item, index) =>
		toSource(item, { ...branch, path: `${branch.path}[${index}]`, around }),
	);
	return { kind: "list", at, items: sources.filter((item) => item !== null) };
}

function map(value: object, branch: Branch): MapSource {
	const at = offsetFor(branch);
	const around = [...branch.around, value];
	const entries: EntrySource[] = [];
	for (const key of Object.keys(value)) {
		const inner = {
			...branch,
			path: branch.path + accessOf(key, branch.path),
			around,
		};
		const property = Object.getOwnPropertyDescriptor(value, key);
		const fault = property?.get
			? "a getter is no data: write its value"
			: faultOfKey(key);
		if (fault !== null) {
			refuse(inner, fault);
			continue;
		}
		// Undefined counts as an absent key, as in JSON.
		if (property?.value === undefined) continue;
		const keyAt = offsetFor(inner);
		const source = toSource(property.value, inner);
		if (source) entries.push({ key, at: keyAt, value: source });
	}
	return createMap(at, entries);
}

/** A key as it follows the path to its map: `.timeout`, `["x-id"]`. */
export function accessOf(key: string, path: string): string {
	if (!/^[A-Za-z_$][\w$]*$/.test(key)) return `[${JSON.stringify(key)}]`;
	return path === "" ? key : `.${key}`;
}
