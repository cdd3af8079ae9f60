/** `JSON.rawJSON` is too young for TypeScript's library. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/**
 * A number with a fraction or an exponent whose digits a double does not keep, such as `1234567890123456.78`. It is data
 * like a bigint, and prints as it came.
 */
export class Decimal {
	readonly #text: string;
	#double: number | null | undefined = undefined;

	constructor(text: string) {
		this.#text = text;
	}

	/** The digits as they came, in the form of JSON. */
	get text(): string {
		return this.#text;
	}

	/**
	 * The double that the digits stand for, or null. Printed to as many digits, it gives the same ones. Senders who print 17
	 * digits of each double send such numbers: `52.520006600000002`.
	 */
	get double(): number | null {
		this.#double ??= doubleOf(this.#text);
		return this.#double;
	}

	/** The double that is nearest, which may have other digits. */
	valueOf(): number {
		return Number(this.#text);
	}

	toString(): string {
		return this.#text;
	}

	toJSON(): unknown {
		return rawJSON(this.#text);
	}
}

/** No number in JSON may have more characters, because reading and printing it takes time. */
export const digitsMax = 1000;

export function hasExponent(number: string): boolean {
	return number.includes("e") || number.includes("E");
}

/** Whether a number in the form of JSON has neither a fraction nor an exponent. */
export function isInteger(number: string): boolean {
	return !number.includes(".") && !hasExponent(number);
}

/** Whether a double prints a number in the form of JSON with the same value. */
export function keepsDigits(number: string, double = Number(number)): boolean {
	const { length } = number;
	// In a number as long, or with an exponent, digits may also be lost because it is small.
	if (length < 300 && !hasExponent(number)) {
		const digits = significantDigits(number);
		// A double keeps 15 digits, and prints 17 at most.
		if (digits <= 15) return true;
		if (digits > 17) return false;
	}
	return String(double) === number || isEqual(number, String(double));
}

/** How many digits there are from the first that is not zero to the last. */
function significantDigits(number: string): number {
	let count = 0;
	let last = 0;
	for (let at = 0; at < number.length; at++) {
		const code = number.charCodeAt(at);
		if (code < 0x30 || (code === 0x30 && count === 0)) continue;
		count++;
		if (code !== 0x30) last = count;
	}
	return last;
}

function doubleOf(text: string): number | null {
	const double = Number(text);
	const { digits } = partsOf(text);
	// More digits are beyond what the engine prints, and nobody prints so many of a double.
	if (digits.length > 100) return null;
	const printed = double.toPrecision(Math.max(1, digits.length));
	return isEqual(printed, text) ? double : null;
}

interface Parts {
	readonly negative: boolean;
	/** Without zeros at either end. Empty for zero. */
	readonly digits: string;
	/** The number is `0.digits` times ten to this power. */
	readonly exponent: number;
}

function partsOf(number: string): Parts {
	const [, sign = "", whole = "", fraction = "", power = "0"] =
		/^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(number) ?? [];
	const all = whole + fraction;
	let start = 0;
	while (all[start] === "0") start++;
	let end = all.length;
	while (end > start && all[end - 1] === "0") end--;
	return {
		negative: sign === "-",
		digits: all.slice(start, end),
		exponent: whole.length - start + Number(power),
	};
}

function isEqual(a: string, b: string): boolean {
	return compareNumbers(a, b) === 0;
}

/** The order of two numbers in the form of JSON, to their last digit. */
export function compareNumbers(a: string, b: string): number {
	const left = partsOf(a);
	const right = partsOf(b);
	const signs = signOf(left) - signOf(right);
	if (signs !== 0) return signs;
	return signOf(left) * compareSizes(left, right);
}

function signOf({ negative, digits }: Parts): number {
	if (digits === "") return 0;
	return negative ? -1 : 1;
}

function compareSizes(a: Parts, b: Parts): number {
	if (a.exponent !== b.exponent) return a.exponent - b.exponent;
	// Fractions of one, so their digits are in the order of texts.
	return a.digits < b.digits ? -1 : a.digits > b.digits ? 1 : 0;
}
