import { Bytes } from "../core/body/bytes.ts";
import { codingsBeside } from "../core/body/decoded.ts";
import type { KeptCodings } from "../core/body/kept-codings.ts";
import { GatewayError } from "../core/errors.ts";
import type { StepMark } from "../core/events.ts";
import {
	type HeaderList,
	headerOf,
	headersWithout,
} from "../core/http/headers.ts";
import type { GatewayResponse } from "../core/http/messages.ts";
import { unsniffed } from "../core/http/problem.ts";
import { hasContent, isStatus } from "../core/http/status.ts";
import {
	checkLength,
	type PrintBound,
	printJson,
	tooLong,
} from "../core/json.ts";
import type { Frame } from "../expression/evaluate.ts";
import type { Fuel } from "../expression/fuel.ts";
import {
	readsOf,
	type Template,
	type TemplateEntry,
} from "../expression/template.ts";
import { type Inputs, inputsOf, type Layout, prepare } from "./layout.ts";
import { wellFormed } from "./sent-values.ts";
import { prepareHeaders } from "./target.ts";

/** Makes the answer of a frame that holds all values. `missing` are the marks of its parts, in plan order. */
export type PreparedMerge = (
	frame: Frame,
	missing: readonly StepMark[],
) => Merged;

/** An answer, with its parts that need not be made again. */
export interface Merged {
	readonly response: GatewayResponse;
	/** Null if its body is made anew each time. */
	readonly printed: Printed | null;
}

/** JSON of a value that never changes, kept as long as the value. */
export interface Printed {
	readonly text: string;
	/** Null until it is first needed. */
	etag: string | null;
	/** Its coded forms. Null until it is printed again, and if nobody keeps the value. */
	codings: KeptCodings | null;
}

/** The templates of an answer: a route's own, or a reply's. */
export interface AnswerTemplates {
	readonly status: Template;
	readonly headers: readonly TemplateEntry[];
	readonly body: Template;
	/** Whether an answer has no body if the value is null. */
	readonly mayBeEmpty: boolean;
}

/** The most missing parts that a partial answer names. */
export const missingNamedMax = 16;

/** The bound of an answer, whole or in parts. */
export function answerBound(bytesMax: number): PrintBound {
	return { bytesMax, what: "the answer (`maxAnswer` of the server)" };
}

/** Merging fails with `step_failed` if `status` is not a status that an answer may have. */
export function prepareMerge(
	templates: AnswerTemplates,
	bound: PrintBound,
	layout: Layout,
): PreparedMerge {
	const body = prepare(templates.body, layout);
	const inputs = inputsOf(readsOf(templates.body), layout);
	const status = prepare(templates.status, layout);
	const fixed = [unsniffed] as const;
	const headers = prepareHeaders(templates.headers, fixed, layout);
	const printOnce = createPrinter(bound);
	return (frame, missing) => {
		const statusValue = status(frame);
		if (!isStatus(statusValue)) throw badStatus();
		const own = headers(frame);
		if (!hasContent(statusValue)) {
			const marked = mark(own, missing);
			const response = { status: statusValue, body: null, headers: marked };
			return { response, printed: null };
		}
		const type = headerOf(own, "content-type");
		const value = body(frame);
		if (value === null && templates.mayBeEmpty) {
			const response = {
				status: statusValue,
				body: "",
				headers: mark(own, missing),
			};
			return { response, printed: null };
		}
		const printed = type === null ? printOnce(value, frame.fuel) : null;
		const codings = printed?.codings;
		return {
			printed,
			response: {
				status: statusValue,
				body: printed?.text ?? bodyOf(value, type, inputs, bound, frame.fuel),
				headers: mark(type === null ? withType(own) : own, missing),
				...(codings && { codings }),
			},
		};
	};
}

/** The failure of an answer whose status is not one. */
export function badStatus(): GatewayError {
	const words = "`status` is no number from 200 to 599";
	return new GatewayError("step_failed", words);
}

/** Prints a frozen value once. A cache or a plan always freezes a value to its depth. */
function createPrinter(
	bound: PrintBound,
): (value: unknown, fuel: Fuel) => Printed | null {
	const known = new WeakMap<object, Printed>();
	return (value, fuel) => {
		if (typeof value !== "object" || value === null) return null;
		const before = known.get(value);
		if (before !== undefined) {
			before.codings ??= codingsBeside(value);
			return before;
		}
		if (!Object.isFrozen(value)) return null;
		const text = printJson(value, fuel, bound);
		const printed = { text, etag: null, codings: null };
		known.set(value, printed);
		return printed;
	};
}

/** JSON, unless the author's content type is another. Then the text or the bytes themselves. */
function bodyOf(
	value: unknown,
	type: string | null,
	inputs: Inputs,
	bound: PrintBound,
	fuel: Fuel,
): string | Uint8Array {
	if (type === null || isJson(type)) {
		const text = printJson(value, fuel, bound);
		fuel.hold(costOfAnswer(text));
		return text;
	}
	if (typeof value === "string") {
		checkLength(value, bound);
		return wellFormed(value, inputs, "the answer");
	}
	if (value instanceof Bytes) {
		if (value.bytes.length > bound.bytesMax) throw tooLong(bound);
		return value.bytes;
	}
	throw new GatewayError(
		"step_failed",
		"the answer is neither text nor bytes, and its content type is not JSON",
	);
}

/** The memory of an answer until it is out: a text is copied into bytes when it is sent. */
export function costOfAnswer(body: string | Uint8Array | null): number {
	if (body === null) return 0;
	return typeof body === "string" ? 2 * body.length : body.length;
}

function isJson(contentType: string): boolean {
	const media = contentType.split(";", 1)[0]?.trim().toLowerCase() ?? "";
	return media.endsWith("/json") || media.endsWith("+json");
}

function withType(headers: HeaderList): HeaderList {
	return [...headers, "content-type", "application/json; charset=utf-8"];
}

/** Adds which parts the answer lacks. Nobody may keep it then. */
export function mark(
	headers: HeaderList,
	missing: readonly StepMark[],
): HeaderList {
	if (missing.length === 0) return [...headers, "sluice-complete", "?1"];
	const named = ["sluice-missing", printMissing(missing)];
	if (missing.every(({ error }) => error === null)) {
		return [...headers, "sluice-complete", "?1", ...named];
	}
	return [
		...headersWithout(headers, (name) => name === "cache-control"),
		"cache-control",
		"no-store",
		"sluice-complete",
		"?0",
		...named,
	];
}

/** A list of RFC 9651: `now;stale;error=upstream_timeout, cities;index=3;error=upstream_status`. */
function printMissing(missing: readonly StepMark[]): string {
	const named = missing
		.slice(0, missingNamedMax)
		.map(
			({ step, index, error, stale }) =>
				`${step}${printIndex(index)}${stale ? ";stale" : ""}${error ? `;error=${error.code}` : ""}`,
		);
	const more = missing.length - named.length;
	if (more > 0) named.push(`more;count=${more}`);
	return named.join(", ");
}

function printIndex(index: readonly number[]): string {
	if (index.length === 0) return "";
	return index.length === 1
		? `;index=${index[0]}`
		: `;index="${index.join(".")}"`;
}
