import { z } from "zod";
import { parseDays, parseDuration, parseSize } from "../../core/units.ts";
import type { Duration, Size } from "./input.ts";
import { asWritten, type Kind, plain } from "./kind.ts";

const hasHole = (text: string) => text.includes("${");

const durationWords = "a duration with its unit, such as `250ms`, `1s` or `2m`";
const sizeWords = "a size with its unit, such as `64KiB` or `8MiB`";

/** The refinements below as patterns, for editors, because a schema printed as JSON knows only patterns. */
const holePattern = "\\$\\{";
const quantityPattern = "\\d{1,15}(\\.\\d{1,3})?";
const durationPattern = `${quantityPattern}(ms|s|m|h)`;
const sizePattern = `${quantityPattern}(B|KiB|MiB|GiB)`;

function textWith(
	words: string,
	pattern: string,
	fits: (text: string) => boolean,
): z.ZodType {
	const error = ({ input }: { readonly input?: unknown }) =>
		words + quantityMeant(input, words, fits);
	return z.string({ error }).refine(fits, { error }).meta({ pattern });
}

/** The quantity that is meant by another spelling of it, in the units that are known here. Empty if none is. */
function quantityMeant(
	written: unknown,
	words: string,
	fits: (text: string) => boolean,
): string {
	const [, number, unit = ""] =
		/^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(String(written)) ?? [];
	if (number === undefined) return "";
	const known = words.startsWith(sizeWords) ? sizeUnits : durationUnits;
	const meant = known
		.filter(([spellings]) => spellings.includes(unit.toLowerCase()))
		.map(([, factor, own]) => `${Number(number) * factor}${own}`);
	const own = meant.filter((text) => text !== written && fits(text));
	return own.length > 0
		? `: write ${own.map((text) => `\`${text}\``).join(" or ")}`
		: "";
}

/** Spellings of a unit, how many of ours it is, and ours. An empty spelling is a number without a unit. */
type Units = readonly (readonly [
	spellings: readonly string[],
	factor: number,
	own: string,
])[];

const durationUnits: Units = [
	[["", "ms", "msec", "msecs", "millis", "milliseconds"], 1, "ms"],
	[["", "s", "sec", "secs", "second", "seconds"], 1, "s"],
	[["m", "min", "mins", "minute", "minutes"], 1, "m"],
	[["h", "hour", "hours"], 1, "h"],
	[["d", "day", "days"], 24, "h"],
];
const sizeUnits: Units = [
	[["", "b", "byte", "bytes"], 1, "B"],
	[["k", "kb", "kib"], 1, "KiB"],
	[["m", "mb", "mib"], 1, "MiB"],
	[["g", "gb", "gib"], 1, "GiB"],
];

/** A duration within bounds of its own, which `words` describe. */
function durationWhere(
	words: string,
	fits: (ms: number) => boolean,
): Kind<Duration, number, unknown, "Ms"> {
	const schema = textWith(words, `^${durationPattern}$`, (text) => {
		const ms = parseDuration(text);
		return ms !== null && fits(ms);
	});
	return plain(schema, (text) => parseDuration(text) ?? 0);
}

function sizeWhere(
	words: string,
	fits: (bytes: number) => boolean,
): Kind<Size, number, unknown, "BytesMax"> {
	const schema = textWith(words, `^${sizePattern}$`, (text) => {
		const bytes = parseSize(text);
		return bytes !== null && fits(bytes);
	});
	return plain(schema, (text) => parseSize(text) ?? 0);
}

export const duration = durationWhere(durationWords, () => true);

export const durationOrZero: Kind<Duration, number, unknown, "Ms"> = plain(
	textWith(
		`${durationWords}, or \`0s\``,
		`^${durationPattern}$`,
		(text) => isZero(text) || parseDuration(text) !== null,
	),
	(text) => parseDuration(text) ?? 0,
);

function isZero(text: string): boolean {
	return /^0(?:ms|s|m|h)$/.test(text);
}

/** How long clients may take. Node's timers count milliseconds in 31 bits. */
export const patience = durationWhere(
	`${durationWords}, at most \`1h\``,
	(ms) => ms <= 3_600_000,
);

/** How long something may take for which a request waits besides its work. */
export const briefly = durationWhere(
	"a duration from `1ms` to `1s`",
	(ms) => ms >= 1 && ms <= 1_000,
);

/** The length of a period or a pause of the gateway's own. */
export const period = durationWhere(
	"a duration from `100ms` to `10m`",
	(ms) => ms >= 100 && ms <= 600_000,
);

/** How often something happens again, for as long as somebody wants it. */
export const rhythm = durationWhere(
	"a duration from `100ms` to `24h`",
	(ms) => ms >= 100 && ms <= 24 * 3_600_000,
);

/** How long answers may be kept. A longer time is a mistake in the unit. */
export const keeping = durationWhere(
	"a duration from `1ms` to `720h`",
	(ms) => ms <= 720 * 3_600_000,
);

const dayMs = 86_400_000;
const dayWords = "a duration from `1m` to `3650d`, such as `12h` or `7d`";

/** How long a record of the past is kept. Nobody counts that in hours. */
export const days: Kind<Duration | `${number}d`, number, unknown, "Ms"> = plain(
	textWith(dayWords, `^${quantityPattern}(ms|s|m|h|d)$`, (text) => {
		const ms = parseDays(text) ?? 0;
		return ms >= 60_000 && ms <= 3650 * dayMs;
	}),
	(text) => parseDays(text) ?? 0,
);

/** A duration that clients are told in whole seconds. */
export const wholeSeconds = durationWhere(
	"a duration of whole seconds, from `1s` to `24h`, such as `1m`",
	(ms) => ms % 1000 === 0 && ms >= 1000 && ms <= 86_400_000,
);

export const size = sizeWhere(sizeWords, () => true);

/** Bytes per second, or null for any rate. */
export const rateOrFalse: Kind<
	Size | false,
	number | null,
	unknown,
	"BytesPerSecond"
> = plain(
	z.union([size.schema, z.literal(false)], {
		error: `${sizeWords}, for a second, or \`false\``,
	}),
	(written) => (written === false ? null : (parseSize(written) ?? 0)),
);

/** The least is what a database can work in. */
export const fileSize = sizeWhere(
	`${sizeWords}, at least \`8MiB\``,
	(bytes) => bytes >= 8 * 1024 ** 2,
);

export const heap = sizeWhere(
	`${sizeWords}, at least \`16MiB\``,
	(bytes) => bytes >= 16 * 1024 ** 2,
);

/** A default that upstreams inherit is kept as written, because an upstream's own may come from the environment. */
export const durationText = asWritten<Duration>(duration.schema);
export const sizeText = asWritten<Size>(size.schema);

/** A setting that may come from the environment is a text with a hole. It is judged when the environment is read. */
export const durationOrHole = textWith(
	durationWords,
	`${holePattern}|^${durationPattern}$`,
	(text) => hasHole(text) || parseDuration(text) !== null,
);
export const sizeOrHole = textWith(
	sizeWords,
	`${holePattern}|^${sizePattern}$`,
	(text) => hasHole(text) || parseSize(text) !== null,
);
const holeWords = "an expression of `env`, such as `${env.NAME}`";

/** A text with an expression in it. In a union its fault is one among others, so it ends the judging of its branch. */
export const hole = z
	.string({ error: holeWords })
	.refine(hasHole, { abort: true, error: holeWords })
	.meta({ pattern: holePattern });

export function countOrHole(most: number): z.ZodType {
	const error = `a whole number from 1 to ${most}, or an expression of \`env\``;
	const number = z.int({ error }).min(1, { error }).max(most, { error });
	return z.union([number, hole], { error });
}

export function count(most: number, least = 1): Kind<number, number> {
	const error = `a whole number from ${least} to ${most}`;
	return asWritten(z.int({ error }).min(least, { error }).max(most, { error }));
}

/** A number between two bounds, which may have decimals. */
export function numberFrom(least: number, most: number): Kind<number, number> {
	const error = `a number from ${least} to ${most}`;
	return asWritten(
		z.number({ error }).min(least, { error }).max(most, { error }),
	);
}

const shareWords = "a share above 0, at most 1, such as `0.5`";
export const share: Kind<number, number> = asWritten(
	z
		.number({ error: shareWords })
		.gt(0, { error: shareWords })
		.max(1, { error: shareWords }),
);

export const text: Kind<string, string> = asWritten(
	z
		.string({ error: "a text" })
		.refine((value) => !hasHole(value), {
			error: "a text as it stands: an expression cannot be here",
		})
		.meta({ not: { pattern: holePattern } }),
);

export const flag: Kind<boolean, boolean> = asWritten(
	z.boolean({ error: "`true` or `false`" }),
);

/** One of these words. */
export function oneOf<const Word extends string>(
	options: readonly Word[],
): Kind<Word, Word> {
	return asWritten(z.enum(options));
}

/** A list of texts that each fit `item`. */
export function listOf<Item>(
	item: z.ZodType,
	words: string,
): Kind<readonly Item[], readonly Item[]> {
	return asWritten(z.array(item, { error: words }));
}
