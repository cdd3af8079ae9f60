/** `0.4 ms`, `42 ms`, `1.25 s`. An empty text for null. */
export function shownMs(ms: number | null): string {
	if (ms === null) return "";
	if (ms < 10) return `${trimmed(ms, 1)} ms`;
	if (ms < 1000) return `${Math.round(ms)} ms`;
	if (ms < 60_000) return `${trimmed(ms / 1000, 2)} s`;
	return `${trimmed(ms / 60_000, 1)} min`;
}

/** `512 B`, `1.5 KiB`. */
export function shownBytes(bytes: number): string {
	if (bytes < 1024) return `${bytes} B`;
	if (bytes < 2 ** 20) return `${trimmed(bytes / 1024, 1)} KiB`;
	if (bytes < 2 ** 30) return `${trimmed(bytes / 2 ** 20, 1)} MiB`;
	return `${trimmed(bytes / 2 ** 30, 1)} GiB`;
}

/** `0 %`, `0.2 %`, `12 %`: `part` of `whole`. A dash if there is nothing to be a part of. */
export function shownShare(part: number, whole: number): string {
	if (whole === 0) return "–";
	if (part === 0) return "0 %";
	const percent = (100 * part) / whole;
	return percent < 0.1
		? "< 0.1 %"
		: `${trimmed(percent, percent < 10 ? 1 : 0)} %`;
}

/** `1,234`, or `12.3 k` from ten thousand on. */
export function shownCount(count: number): string {
	if (count < 10_000) return Math.round(count).toLocaleString("en");
	if (count < 1e6) return `${trimmed(count / 1000, 1)} k`;
	return `${trimmed(count / 1e6, 1)} M`;
}

/** So many a second: `0.3/s`. */
export function shownRate(count: number, forMs: number): string {
	const rate = forMs > 0 ? (1000 * count) / forMs : 0;
	return `${rate < 10 ? trimmed(rate, 1) : shownCount(rate)}/s`;
}

/** `1 call`, `2 calls`. */
export function counted(
	count: number,
	word: string,
	several = `${word}s`,
): string {
	return `${shownCount(count)} ${count === 1 ? word : several}`;
}

/** `orders.items[2]`: a step, or an item of its list. */
export function shownStep(path: string, index: readonly number[]): string {
	return `${path}${index.map((at) => `[${at}]`).join("")}`;
}

/** The clock's time of day of this browser, to the millisecond: `14:03:59.120`. */
export function shownTime(at: string): string {
	const date = new Date(at);
	const two = (number: number) => String(number).padStart(2, "0");
	const seconds = [date.getHours(), date.getMinutes(), date.getSeconds()];
	const ms = String(date.getMilliseconds()).padStart(3, "0");
	return `${seconds.map(two).join(":")}.${ms}`;
}

function trimmed(value: number, digits: number): string {
	return String(Number(value.toFixed(digits)));
}
