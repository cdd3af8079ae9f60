import type { FieldSchema, FormConfig } from "../config/config.ts";
import { Bytes } from "../core/body/bytes.ts";
import { decodeUtf8 } from "../core/charset.ts";
import { GatewayError, type RequestFault } from "../core/errors.ts";
import { isOneOf } from "../core/http/media-type.ts";
import { isBoundary, type Part, partsOf } from "../core/http/multipart.ts";
import type { WithParameters } from "../core/http/parameters.ts";
import type { RequestMemory } from "../core/memory.ts";
import { parseSize } from "../core/units.ts";
import type { LoopTurn } from "../tasks/loop-turn.ts";
import {
	type Given,
	prepareGiven,
	prepareScalar,
	type ReadOne,
} from "./field.ts";
import { eachPair } from "./query.ts";

/** The most fields of a form, also of those that no route declares. */
const formFieldsMax = 1000;

/** The media types in which forms come. */
export const formTypes = [
	"application/x-www-form-urlencoded",
	"multipart/form-data",
] as const;

/** The value of a field: a text, or a file. */
type FormValue = string | Part;

/** A form that was read. */
export interface Form {
	/** The values given for each declared field. */
	readonly given: readonly Given<FormValue>[];
	/** Why it could not be read; null if it could. */
	readonly fault: RequestFault | null;
}

/** Reads a form, and then judges what was read. */
export interface FormReader {
	/** `type` is the body's; null if there is no body. */
	read(
		type: WithParameters | null,
		bytes: Uint8Array,
		memory: RequestMemory,
		turn: LoopTurn,
	): Form;
	/** Gives the values by name, and adds their faults to `faults`. Null if the form is absent and may be. */
	judge(form: Form, absent: boolean, faults: RequestFault[]): unknown;
}

/** Coerces the fields of a form as parameters are coerced. */
export function prepareForm({ fields, required }: FormConfig): FormReader {
	const readers = fields.map((field) =>
		prepareGiven("form", field, prepareValue),
	);
	const names = new Map(fields.map(({ wireName }, at) => [wireName, at]));
	const areTexts = fields.map(({ schema: { items, decode } }) => {
		return (items?.decode ?? decode) === "text";
	});
	return {
		read(type, bytes, memory, turn) {
			const given = fields.map((): (FormValue | null)[] => []);
			const take: Take = (name) => {
				const at = name === null ? undefined : names.get(name);
				const values = at === undefined ? undefined : given[at];
				if (at === undefined || values === undefined) return null;
				return { values, isText: areTexts[at] === true };
			};
			// Decoding a field takes up to 300 ns, and a byte of it up to 10 ns.
			turn.spent += bytes.length >>> 3;
			const message =
				type === null
					? null
					: type.value === "multipart/form-data"
						? readParts(type, bytes, memory, turn, take)
						: readPairs(bytes, memory, turn, take);
			const fault = message === null ? null : { at: "form", message };
			return { given, fault };
		},
		judge({ given, fault }, absent, faults) {
			if (absent && !required) return null;
			const values: Record<string, unknown> = {};
			if (fault !== null) {
				// Without its fields: it would lack each of them.
				faults.push(fault);
				return values;
			}
			readers.forEach((read, at) => {
				read(given[at] ?? [], values, faults);
			});
			return values;
		},
	};
}

/** Where the values of a declared field are added; null if the field is not declared. */
type Take = (name: string | null) => {
	readonly values: (FormValue | null)[];
	/** Whether its files are read as texts. */
	readonly isText: boolean;
} | null;

function readPairs(
	bytes: Uint8Array,
	memory: RequestMemory,
	turn: LoopTurn,
	take: Take,
): string | null {
	const refusal = memory.takeBody(4 * bytes.length);
	if (refusal !== null) throw refusal;
	let text: string;
	try {
		text = decodeUtf8(bytes);
	} catch {
		return "is not UTF-8";
	}
	const count = eachPair(text, formFieldsMax, (name, value) => {
		take(name)?.values.push(value());
	});
	turn.spent += 3 * count;
	if (count > formFieldsMax) throw tooManyFields();
	return null;
}

/** Bytes for the values that describe a part: measured, and rounded up. */
const partBytes = 512;

function readParts(
	{ parameters }: WithParameters,
	bytes: Uint8Array,
	memory: RequestMemory,
	turn: LoopTurn,
	take: Take,
): string | null {
	const boundary = parameters.get("boundary") ?? "";
	if (!isBoundary(boundary)) return "has no boundary, or one that is none";
	const parts = partsOf(bytes, boundary, formFieldsMax);
	if (typeof parts === "string") return parts;
	turn.spent += 30 * parts.length;
	if (parts.length > formFieldsMax) throw tooManyFields();
	for (const part of parts) {
		const field = take(part.name);
		if (field === null) continue;
		const isFile = part.fileName !== null;
		const own = isFile && !field.isText ? 0 : 2 * part.bytes.length;
		const refusal = memory.takeBody(partBytes + own);
		if (refusal !== null) throw refusal;
		// The field of a file that nobody has chosen (WHATWG HTML, 4.10.22.4).
		if (isFile && part.fileName === "" && part.bytes.length === 0) continue;
		field.values.push(isFile ? part : textOf(part));
	}
	return null;
}

function tooManyFields(): GatewayError {
	const message = `has more than ${formFieldsMax} fields`;
	return new GatewayError("request_too_large", `the form ${message}`, {
		errors: [{ at: "form", message }],
	});
}

/** Null if it is not UTF-8, or does not say so. */
function textOf({ bytes, charset }: Part): string | null {
	if (charset !== null && !/^(?:utf-?8|us-ascii)$/.test(charset)) return null;
	try {
		return decodeUtf8(bytes);
	} catch {
		return null;
	}
}

function prepareValue(schema: FieldSchema): ReadOne<FormValue> {
	if (schema.type === "file") return prepareFile(schema);
	const read = prepareScalar(schema);
	return (given, say) => {
		if (typeof given === "string") return read(given, say);
		say("is a file");
		return null;
	};
}

function prepareFile({
	maxSize,
	types,
	decode = "bytes",
}: FieldSchema): ReadOne<FormValue> {
	const bytesMax = maxSize === undefined ? null : parseSize(maxSize);
	return (given, say) => {
		if (typeof given === "string") {
			say("is no file");
			return null;
		}
		const { fileName: name, type, bytes } = given;
		const size = bytes.length;
		if (bytesMax !== null && size > bytesMax) {
			say(`is longer than ${bytesMax} bytes`);
		}
		if (types && !isOneOf(type, types)) {
			say(`is not of type ${types.join(", ")}`);
		}
		if (decode === "bytes") {
			return { name, type, size, bytes: new Bytes(bytes) };
		}
		const text = textOf(given);
		if (text === null) say("is not UTF-8");
		return { name, type, size, text };
	};
}
