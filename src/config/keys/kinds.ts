import { z } from "zod";
import { parseDuration, parseSize } from "../../core/units.ts";
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
	return z
		.string({ error: words })
		.refine(fits, { error: words })
		.meta({ pattern });
}

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

/** How long clients may take. Node's timers count milliseconds in 31 bits. */
export const patience = durationWhere(
	`${durationWords}, at most \`1h\``,
	(ms) => ms <= 3_600_000,
);

/** The length of a period or a pause of the gateway's own. */
export const period = durationWhere(
	"a duration from `100ms` to `10m`",
	(ms) => ms >= 100 && ms <= 600_000,
);

/** How long answers may be kept. A longer time is a mistake in the unit. */
export const keeping = durationWhere(
	"a duration from `1ms` to `720h`",
	(ms) => ms <= 720 * 3_600_000,
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
/** A text with an expression in it. In a union its fault is one among others, so it ends the judging of its branch. */
export const hole = z
	.string()
	.refine(hasHole, { abort: true })
	.meta({ pattern: holePattern });

export function countOrHole(most: number): z.ZodType {
	const error = `a whole number from 1 to ${most}, or an expression of \`env\``;
	return z.union([z.int().min(1).max(most), hole], { error });
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
