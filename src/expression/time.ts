import { LRUCache } from "lru-cache";
import { parseHttpDate } from "../core/http/date.ts";
import { numberOf, type Site, textOf } from "./site.ts";
import { isMap } from "./values.ts";

/** The instants that RFC 3339 can write: the years 0 to 9999 of UTC, in milliseconds since 1970. */
const firstMs = -62_167_219_200_000;
const lastMs = 253_402_300_799_999;

/** No name of a zone or locale is as long. */
const nameLengthMax = 100;

/** `2026-11-29T10:00:00.000Z` */
export function isoTime(site: Site, time: unknown): string {
	const ms = timeOf(site, time);
	site.charge(10);
	return new Date(ms).toISOString();
}

/** `2026-11-29`: the day that it is in a zone, UTC if none is given. */
export function isoDate(site: Site, time: unknown, zone: unknown): string {
	const ms = timeOf(site, time);
	site.charge(10);
	const localMs =
		zone === undefined
			? ms
			: ms + offsetMs(site, textOf(site, zone, "the time zone"), ms);
	return new Date(inRange(site, localMs)).toISOString().slice(0, 10);
}

function timeOf(site: Site, value: unknown): number {
	return inRange(site, Math.trunc(numberOf(site, value, "the time")));
}

function inRange(site: Site, ms: number): number {
	if (ms >= firstMs && ms <= lastMs) return ms;
	return site.fail(
		"the time lies outside of the years 0 to 9999; it is in milliseconds since 1970",
	);
}

/** How far a zone's clocks are ahead of UTC at an instant. */
function offsetMs(site: Site, zone: string, ms: number): number {
	const format = formatterOf(site, "en-US", {
		timeZone: zone,
		timeZoneName: "longOffset",
	});
	const [, sign, hours = 0, minutes = 0, seconds = 0] =
		/GMT([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(format(ms)) ?? [];
	const s = 3600 * Number(hours) + 60 * Number(minutes) + Number(seconds);
	return sign === "-" ? -1000 * s : 1000 * s;
}

/* Reading */

/**
 * ISO 8601 as RFC 3339 writes it. Seconds may be left out, and the colon and minutes of an offset. A day alone is its
 * midnight in UTC.
 */
const isoForm =
	/^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d(?::?\d\d)?)?)?$/i;

/** An instant in milliseconds since 1970, of a time in ISO 8601 or of a date of HTTP. */
export function parseTime(site: Site, value: unknown): number {
	const text = textOf(site, value, "the time");
	site.charge(20 + (text.length >>> 4));
	const found = isoForm.exec(text);
	const ms = found === null ? parseHttpDate(text) : instantOf(site, found);
	if (Number.isNaN(ms)) {
		site.fail(
			"the text is no time, such as `2026-11-29`, `2026-11-29T10:00:00Z` or `Sun, 29 Nov 2026 10:00:00 GMT`",
		);
	}
	return ms;
}

/** NaN if there is no such day or time of day. */
function instantOf(site: Site, found: RegExpExecArray): number {
	const [, year, month, day, hours, minutes, seconds = 0, fraction] = found;
	const midnight = new Date(0);
	// Not `Date.UTC`, which takes the year 94 as 1994.
	midnight.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
	const isDay = midnight.getUTCDate() === Number(day);
	if (!isDay || midnight.getUTCMonth() !== Number(month) - 1) return Number.NaN;
	if (hours === undefined) return midnight.getTime();
	const offset = found[8];
	if (offset === undefined) {
		site.fail(
			"the time says no zone, so it is no instant: append `Z` if it is UTC, or its offset, such as `+03:00`",
		);
	}
	// A second of 60 is a leap second.
	if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 60) {
		return Number.NaN;
	}
	const s = 3600 * Number(hours) + 60 * Number(minutes) + Number(seconds);
	const ms = Number((fraction ?? "").slice(0, 3).padEnd(3, "0"));
	return midnight.getTime() + 1000 * s + ms - offsetOf(offset);
}

function offsetOf(offset: string): number {
	if (offset.toUpperCase() === "Z") return 0;
	const hours = Number(offset.slice(1, 3));
	const minutes = Number(offset.slice(3).replace(":", ""));
	if (hours > 23 || minutes > 59) return Number.NaN;
	return (offset.startsWith("-") ? -60_000 : 60_000) * (60 * hours + minutes);
}

/* Intl */

/** The options of `Intl.DateTimeFormat` that decide what it writes. */
export const timeOptions: ReadonlySet<string> = new Set([
	...["calendar", "dateStyle", "day", "dayPeriod", "era"],
	...["fractionalSecondDigits", "hour", "hour12", "hourCycle", "minute"],
	...["month", "numberingSystem", "second", "timeStyle", "timeZone"],
	...["timeZoneName", "weekday", "year"],
]);

type Options = Readonly<Record<string, string | number | boolean>>;

/** A time in the words of a language. In UTC unless `timeZone` says otherwise: the machine's zone is never asked. */
export function formatTime(
	site: Site,
	time: unknown,
	locale: unknown,
	options: unknown,
): string {
	const ms = timeOf(site, time);
	const language = textOf(site, locale, "the locale");
	const wanted = options === undefined ? {} : optionsOf(site, options);
	const made = formatterOf(site, language, wanted)(ms);
	site.checkText(made.length);
	return made;
}

function optionsOf(site: Site, given: unknown): Options {
	if (!isMap(given)) return site.wrong(given, "the options", "a map");
	const options: Record<string, string | number | boolean> = {};
	for (const key of Object.keys(given)) {
		site.charge(4);
		if (!timeOptions.has(key)) {
			site.fail(`an option is none of ${[...timeOptions].join(", ")}`);
		}
		const value = given[key];
		if (typeof value === "boolean" || typeof value === "number") {
			options[key] = value;
		} else options[key] = textOf(site, value, `\`${key}\``);
	}
	return options;
}

type Format = (ms: number) => string;

/** To make a formatter takes up to 500 µs, and it takes a kilobyte. So the last ones are kept, for the whole process. */
const formatters = new LRUCache<string, { cost: number; format: Format }>({
	max: 200,
});
const costOfMaking = 5000;

function formatterOf(site: Site, locale: string, options: Options): Format {
	const key = `${locale}\n${JSON.stringify(options)}`;
	site.charge(key.length >>> 3);
	let found = formatters.get(key);
	if (found === undefined) {
		site.charge(costOfMaking);
		const fault = faultOfLocale(locale) ?? faultOfOptions(locale, options);
		if (fault !== null) site.fail(fault);
		const made = createFormat(locale, options);
		const { calendar } = made.resolvedOptions();
		// Both compute the phases of the moon.
		const cost = calendar === "chinese" || calendar === "dangi" ? 2000 : 100;
		const format = (ms: number) => made.format(ms);
		found = { cost, format };
		formatters.set(key, found);
	}
	site.charge(found.cost);
	return found.format;
}

function createFormat(locale: string, options: Options): Intl.DateTimeFormat {
	// Equal data gives equal answers, on whatever machine.
	return new Intl.DateTimeFormat(locale, { timeZone: "UTC", ...options });
}

/** The fault of a locale; null if it has none. A locale that the engine does not know would be the machine's own. */
export function faultOfLocale(locale: string): string | null {
	const fault = "the locale is none that is known: write one such as `en-GB`";
	if (locale.length > nameLengthMax) return fault;
	try {
		const known = Intl.DateTimeFormat.supportedLocalesOf(locale);
		return known.length > 0 ? null : fault;
	} catch {
		return fault;
	}
}

/** The fault of options beside each other, which never repeats their values; null if they have none. */
export function faultOfOptions(
	locale: string,
	options: Options,
): string | null {
	const { timeZone } = options;
	if (timeZone !== undefined && !isZone(String(timeZone))) {
		return "the time zone is none that is known: write one such as `Europe/Berlin`, `+03:00` or `UTC`";
	}
	try {
		createFormat(locale, options);
		return null;
	} catch (error) {
		return error instanceof TypeError
			? "`dateStyle` and `timeStyle` stand without options for single parts"
			: `an option has a value that it does not take: ${Object.keys(options).join(", ")}`;
	}
}

export function isZone(zone: string): boolean {
	if (zone.length > nameLengthMax) return false;
	try {
		new Intl.DateTimeFormat("en-US", { timeZone: zone });
		return true;
	} catch {
		return false;
	}
}
