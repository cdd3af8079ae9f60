const months = "jan feb mar apr may jun jul aug sep oct nov dec".split(" ");
const month = `(${months.join("|")})`;
const day = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
const longDay = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day";
const time = "(\\d\\d):(\\d\\d):(\\d\\d)";

/** `Sun, 06 Nov 1994 08:49:37 GMT` */
const imf = new RegExp(`^${day}, (\\d\\d) ${month} (\\d{4}) ${time} GMT$`, "i");
/** `Sunday, 06-Nov-94 08:49:37 GMT` */
const rfc850 = new RegExp(
	`^${longDay}, (\\d\\d)-${month}-(\\d\\d) ${time} GMT$`,
	"i",
);
/** `Sun Nov  6 08:49:37 1994` */
const asctime = new RegExp(
	`^${day} ${month} ([ \\d]\\d) ${time} (\\d{4})$`,
	"i",
);

/**
 * An instant in milliseconds since 1970, from one of the three forms of RFC 9110, 5.6.7; NaN for any other text.
 * `Date.parse` would read much that other caches call invalid. The case of letters does not count (RFC 9111, 4.2).
 */
export function parseHttpDate(text: string): number {
	const usual = imf.exec(text);
	if (usual) {
		const [, date, name, year, ...clock] = usual;
		return instantOf(Number(year), name, date, clock);
	}
	const short = rfc850.exec(text);
	if (short) {
		const [, date, name, year, ...clock] = short;
		return instantOf(fullYear(Number(year)), name, date, clock);
	}
	const old = asctime.exec(text);
	if (old === null) return Number.NaN;
	const [, name, date, hours = "", minutes = "", seconds = "", year] = old;
	return instantOf(Number(year), name, date, [hours, minutes, seconds]);
}

/** RFC 9110, 5.6.7: a year of two digits is at most 50 years ahead. */
function fullYear(year: number): number {
	const now = new Date().getUTCFullYear();
	const full = now - (now % 100) + year;
	return full > now + 50 ? full - 100 : full;
}

function instantOf(
	year: number,
	name = "",
	date = "",
	clock: readonly string[],
): number {
	const [hours = 0, minutes = 0, seconds = 0] = clock.map(Number);
	// A second of 60 is a leap second.
	if (hours > 23 || minutes > 59 || seconds > 60) return Number.NaN;
	const dayOfMonth = Number(date);
	const midnight = new Date(0);
	// Not `Date.UTC`, which takes the year 94 as 1994.
	midnight.setUTCFullYear(year, months.indexOf(name.toLowerCase()), dayOfMonth);
	if (midnight.getUTCDate() !== dayOfMonth) return Number.NaN;
	return midnight.getTime() + 1000 * (3600 * hours + 60 * minutes + seconds);
}
