import { Decimal } from "../core/decimal.ts";
import type { ArithmeticOperator, OrderOperator, Span } from "./ast.ts";
import {
	compareDecimals,
	finite,
	isLong,
	numberOf,
	type Site,
	textOf,
} from "./site.ts";
import { chargeIndex, joined } from "./text-methods.ts";
import { asNumber, kindOf, memberOf, orNull } from "./values.ts";

/** The longest integer that arithmetic takes, in bits: 1233 decimal digits. */
const bitsMax = 4096;
const bigintEnd = 1n << BigInt(bitsMax);

/** The operands' spans, to name the one that is null. */
export interface Operands {
	readonly left: Span;
	readonly right: Span;
}

/** `+` of anything but two numbers. */
export function add(
	site: Site,
	a: unknown,
	b: unknown,
	operands: Operands,
): unknown {
	if (typeof a === "string" || typeof b === "string") {
		if (!isPrintable(a) || !isPrintable(b)) {
			return refuse(site, "+", a, b, operands);
		}
		return joined(site, textOf(site, a, "it"), textOf(site, b, "it"));
	}
	return compute(site, "+", a, b, operands);
}

function isPrintable(value: unknown): boolean {
	return typeof value !== "object" || value instanceof Decimal;
}

/** Arithmetic of two numbers, or of two integers too large for one; all else fails. */
export function compute(
	site: Site,
	operator: ArithmeticOperator,
	a: unknown,
	b: unknown,
	operands: Operands,
): number | bigint {
	if (typeof a === "number" && typeof b === "number") {
		return finite(site, ofNumbers(operator, a, b));
	}
	if (typeof a === "bigint" && typeof b === "bigint") {
		return ofBigints(site, operator, a, b);
	}
	if (isComputable(a) && isComputable(b)) {
		const left = numberOf(site, a, "it");
		return finite(site, ofNumbers(operator, left, numberOf(site, b, "it")));
	}
	return refuse(site, operator, a, b, operands);
}

/** Whether it is a number, or a decimal that a double stands for. */
function isComputable(value: unknown): boolean {
	return typeof asNumber(value) === "number";
}

function ofNumbers(operator: ArithmeticOperator, a: number, b: number): number {
	switch (operator) {
		case "+":
			return a + b;
		case "-":
			return a - b;
		case "*":
			return a * b;
		case "/":
			return a / b;
		case "%":
			return a % b;
		case "**":
			return a ** b;
	}
}

function ofBigints(
	site: Site,
	operator: ArithmeticOperator,
	a: bigint,
	b: bigint,
): bigint {
	site.charge(isLong(a) || isLong(b) ? 64 : 4);
	const result = integer(site, operator, a, b);
	if (result >= bigintEnd || result <= -bigintEnd) tooLong(site);
	return result;
}

function integer(
	site: Site,
	operator: ArithmeticOperator,
	a: bigint,
	b: bigint,
): bigint {
	switch (operator) {
		case "+":
			return a + b;
		case "-":
			return a - b;
		case "*":
			return a * b;
		case "/":
		case "%":
			if (b === 0n) site.fail("divides an integer by zero");
			return operator === "/" ? a / b : a % b;
		case "**":
			return power(site, a, b);
	}
}

function power(site: Site, base: bigint, exponent: bigint): bigint {
	if (exponent < 0n) site.fail("raises an integer to a negative power");
	const magnitude = base < 0n ? -base : base;
	if (magnitude > 1n) {
		// The result has at least so many bits, and at most twice as many. So nothing huge is ever made.
		const bits = BigInt(magnitude.toString(2).length - 1) * exponent;
		if (bits > BigInt(bitsMax)) tooLong(site);
	}
	site.charge(64);
	return base ** exponent;
}

function tooLong(site: Site): never {
	return site.fail(`gives an integer of more than ${bitsMax} bits`);
}

/** `<`, `>`, `<=`, `>=` of two numbers, whatever their size, or of two texts by code units; all else fails. */
export function isOrdered(
	site: Site,
	operator: OrderOperator,
	a: unknown,
	b: unknown,
	operands: Operands,
): boolean {
	if (isNumeric(a) && isNumeric(b)) return inOrder(operator, a, b);
	if (typeof a === "string" && typeof b === "string") {
		// The engine copies a text that was joined from parts before it compares it.
		site.chargeText(a.length + b.length);
		return inOrder(operator, a < b ? -1 : a > b ? 1 : 0, 0);
	}
	if (a instanceof Decimal || b instanceof Decimal) {
		const order = compareDecimals(site, a, b);
		if (order !== null) return inOrder(operator, order, 0);
	}
	return refuse(site, operator, a, b, operands);
}

function isNumeric(value: unknown): value is number | bigint {
	return typeof value === "number" || typeof value === "bigint";
}

function inOrder(
	operator: OrderOperator,
	a: number | bigint,
	b: number | bigint,
): boolean {
	switch (operator) {
		case "<":
			return a < b;
		case ">":
			return a > b;
		case "<=":
			return a <= b;
		case ">=":
			return a >= b;
	}
}

function refuse(
	site: Site,
	operator: string,
	a: unknown,
	b: unknown,
	{ left, right }: Operands,
): never {
	if (a === null) site.missing(site.nameOf(left));
	if (b === null) site.missing(site.nameOf(right));
	return site.fail(
		`\`${operator}\` does not take ${kindOf(a)} and ${kindOf(b)}`,
	);
}

/** `value[key]`: an own property or a character, else null. A null key finds nothing. */
export function elementOf(site: Site, value: unknown, key: unknown): unknown {
	if (typeof key === "number") {
		if (Array.isArray(value)) return orNull(value[key]);
		if (typeof value === "string") {
			chargeIndex(site, value);
			return value[key] ?? null;
		}
		return memberOf(value, String(key));
	}
	if (typeof key === "string") {
		site.chargeLookup(key);
		return memberOf(value, key);
	}
	if (key === null) return null;
	return memberOf(value, textOf(site, key, "the key"));
}
