const durationUnits: Record<string, number> = {
	ms: 1,
	s: 1000,
	m: 60_000,
	h: 3_600_000,
};

const sizeUnits: Record<string, number> = {
	B: 1,
	KiB: 1024,
	MiB: 1024 ** 2,
	GiB: 1024 ** 3,
};

/** Milliseconds of `250ms`, `1.5s`, `2m`, `1h`; null if the text is no positive duration. */
export function parseDuration(text: string): number | null {
	return parseQuantity(text, durationUnits);
}

/** The same with days, `7d`, for what is long past. */
export function parseDays(text: string): number | null {
	return parseQuantity(text, { ...durationUnits, d: 24 * 3_600_000 });
}

/** Bytes of `512B`, `64KiB`, `8MiB`, `1GiB`; null if the text is no positive size. */
export function parseSize(text: string): number | null {
	return parseQuantity(text, sizeUnits);
}

/** The shortest exact way to write a number of milliseconds: `1500` is `1500ms`, `2000` is `2s`. */
export function printDuration(ms: number): string {
	const fitting = Object.entries(durationUnits).findLast(
		([, size]) => ms % size === 0,
	);
	const [unit, size] = fitting ?? ["", 1];
	return `${ms / size}${unit}`;
}

function parseQuantity(
	text: string,
	units: Record<string, number>,
): number | null {
	const match = /^(\d{1,15}(?:\.\d{1,3})?)([A-Za-z]+)$/.exec(text);
	const unit = match?.[2];
	if (!match || unit === undefined || !Object.hasOwn(units, unit)) return null;
	const amount = Number(match[1]) * (units[unit] ?? 0);
	return amount > 0 && Number.isSafeInteger(amount) ? amount : null;
}
