import { compareNumbers, Decimal } from "../core/decimal.ts";
import { GatewayError } from "../core/errors.ts";
import type { Expression, Span } from "./ast.ts";
import type { Current } from "./preparation.ts";
import { asNumber, kindOf } from "./values.ts";

/** The longest text an expression may make, in UTF-16 code units. */
const textMax = 8 * 1024 * 1024;
/** The longest list an expression may make. */
export const listMax = 1_000_000;

/**
 * The longest text whose characters the engine hashes. The hash of a longer text is its length, so the engine compares
 * each with all others of that length.
 */
const hashedMax = 16_383;

/** Shorter texts are not counted as memory: their nodes are. */
const heldLengthMin = 1024;

/** One operation at its place in the source: what it costs, and how it fails. */
export class Site {
	readonly #current: Current;
	readonly #expression: Expression;
	readonly #span: Span;

	constructor(current: Current, expression: Expression, span: Span) {
		this.#current = current;
		this.#expression = expression;
		this.#span = span;
	}

	/** Counts work that the size of data decides. Fails when too much has been done. */
	charge(nodes: number): void {
		const { fuel } = this.#current;
		fuel.left -= nodes;
		if (fuel.left < 0) {
			throw this.#error("limit_exceeded", fuel.exhaust());
		}
	}

	/** Counts a text that was made. The engine takes one or two bytes for a character. */
	hold(length: number): void {
		if (length >= heldLengthMin) this.#current.fuel.hold(2 * length);
	}

	/** Counts a text that was joined from two, the longer one of `before`. Only what was not counted with that one. */
	holdJoined(length: number, before: number): void {
		const { fuel } = this.#current;
		fuel.hold(2 * (before === fuel.joined ? length - before : length));
		fuel.joined = length;
	}

	/** Counts copying, comparing or flattening so many characters. */
	chargeText(length: number): void {
		if (length >= 64) this.charge(length >>> 6);
	}

	/** Counts the look-up of a text by its hash. */
	chargeLookup(text: string): void {
		const { length } = text;
		this.charge(length > hashedMax ? length : 4 + (length >>> 4));
	}

	/** Counts making a list of so many items. */
	chargeList(length: number): void {
		this.checkList(length);
		this.charge(length >>> 1);
	}

	/** Fails if a list of this length is too long. */
	checkList(length: number): void {
		if (length > listMax) {
			this.fail(`would make a list of more than ${listMax} items`);
		}
	}

	/** Fails if a text of this length is too long. */
	checkText(length: number): void {
		if (length > textMax) {
			this.fail(`would make a text of more than ${textMax} characters`);
		}
	}

	/** Ends the evaluation with `step_failed`; the message begins with the source. */
	fail(problem: string, cause?: unknown): never {
		throw this.#error("step_failed", problem, cause);
	}

	/** Ends the evaluation with `reference_missing`. */
	missing(what: string): never {
		const problem = `${what} is null: write \`??\` and what to take then`;
		throw this.#error("reference_missing", problem);
	}

	/** Ends the evaluation because of a value of the wrong kind, null included. */
	wrong(value: unknown, what: string, wanted: string): never {
		if (value === null || value === undefined) this.missing(what);
		return this.fail(`${what} is ${kindOf(value)}, where ${wanted} is needed`);
	}

	/** A part of the source, as a name for its value: `` `query.city` ``. */
	nameOf({ at, end }: Span): string {
		const { source, ast } = this.#expression;
		return `\`${shortened(source.slice(at - ast.at, end - ast.at))}\``;
	}

	#error(
		code: "step_failed" | "reference_missing" | "limit_exceeded",
		problem: string,
		cause?: unknown,
	): GatewayError {
		const { ast } = this.#expression;
		const { at, end } = this.#span;
		const within =
			at > ast.at || end < ast.end ? ` in ${this.nameOf(ast)}` : "";
		return new GatewayError(
			code,
			`${this.nameOf(this.#span)}${within}: ${problem}`,
			{ offset: at, cause },
		);
	}
}

/** Long sources are cut, because a log line only has to show the place. */
function shortened(source: string): string {
	return source.length > 120 ? `${source.slice(0, 119)}…` : source;
}

/** A value that prints as text by itself; null, lists and maps fail. */
export function textOf(site: Site, value: unknown, what: string): string {
	switch (typeof value) {
		case "string":
			return value;
		case "number":
			// For a fraction the engine looks for the shortest digits.
			site.charge(Number.isInteger(value) ? 1 : 10);
			return String(value);
		case "boolean":
			return String(value);
		case "bigint":
			return digitsOf(site, value);
		case "object":
			if (!(value instanceof Decimal)) return site.wrong(value, what, "a text");
			site.charge(value.text.length >>> 6);
			return value.text;
		default:
			return site.wrong(value, what, "a text");
	}
}

/** Whether one operation on an integer takes microseconds. */
export function isLong(value: bigint): boolean {
	return value >= longEnd || value <= -longEnd;
}

const longEnd = 1n << 512n;

/** Printing digits takes time: 15 µs for 4096 bits. */
function digitsOf(site: Site, value: bigint): string {
	const digits = String(value);
	site.charge(digits.length >>> 3);
	return digits;
}

/** Fails at the site if the value is no number. `what` names the value in the message. */
export function numberOf(site: Site, value: unknown, what: string): number {
	if (typeof value === "number") return value;
	const number = asNumber(value);
	if (typeof number === "number") {
		site.charge(costOfDecimal);
		return number;
	}
	return site.wrong(value, what, "a number");
}

export function listOf(
	site: Site,
	value: unknown,
	what: string,
): readonly unknown[] {
	return Array.isArray(value) ? value : site.wrong(value, what, "a list");
}

/** The parts of a value that is spread or taken apart: the items of a list, or the characters of a text. */
export function itemsOf(
	site: Site,
	value: unknown,
	span: Span,
): readonly unknown[] {
	if (Array.isArray(value)) return value;
	if (typeof value !== "string") {
		return site.wrong(value, site.nameOf(span), "a list");
	}
	site.charge(value.length);
	return Array.from(value);
}

/** The number itself; NaN and infinity fail. */
export function finite(site: Site, value: number): number {
	if (Number.isFinite(value)) return value;
	return site.fail(
		Number.isNaN(value) ? "gives no number (NaN)" : "gives infinity",
	);
}

/** `===`, charged for the one comparison that takes long: two long texts of one length. */
export function isSame(site: Site, a: unknown, b: unknown): boolean {
	if (typeof a === "string" && typeof b === "string" && a.length === b.length) {
		site.chargeText(2 * a.length);
	}
	// 7n is the same number as 7: whether an integer is a bigint only shows how long it once was.
	if (typeof a === "bigint" && typeof b === "number") return a <= b && a >= b;
	if (typeof a === "number" && typeof b === "bigint") return a <= b && a >= b;
	if (a instanceof Decimal || b instanceof Decimal) {
		return compareDecimals(site, a, b) === 0;
	}
	return a === b;
}

/** To take a decimal apart takes some microseconds. */
const costOfDecimal = 50;

/** The order of two numbers of which one is a decimal, to the last digit; null if one of them is no number. */
export function compareDecimals(
	site: Site,
	a: unknown,
	b: unknown,
): number | null {
	site.charge(2 * costOfDecimal);
	const left = numberText(site, asNumber(a));
	const right = numberText(site, asNumber(b));
	return left === null || right === null ? null : compareNumbers(left, right);
}

/** A number as JSON writes it; null for any other value. */
function numberText(site: Site, value: unknown): string | null {
	const isNumber =
		typeof value === "number" ||
		typeof value === "bigint" ||
		value instanceof Decimal;
	return isNumber ? textOf(site, value, "the number") : null;
}

/** The order of two texts by code units, as with `<`. */
export function compareTexts(site: Site, a: string, b: string): number {
	site.chargeText(Math.min(a.length, b.length));
	return a < b ? -1 : a > b ? 1 : 0;
}
