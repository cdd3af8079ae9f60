import { surveyJson } from "../../src/core/json.ts";

/** JSON that takes long to read for its length, or for its values. */

export const mebi = 1 << 20;

/** So many bytes of a list at most, or of a map, with as many of these parts as fit. */
export function filled(
	bytes: number,
	part: (index: number) => string,
	[open, close] = "[]",
): string {
	const parts: string[] = [];
	let length = 2;
	for (let index = 0; ; index++) {
		const next = part(index);
		length += next.length + 1;
		if (length > bytes) return open + parts.join() + close;
		parts.push(next);
	}
}

/** A number that differs for each index, in few characters. */
export const short = (index: number) => index.toString(36);

/** Maps in each other, each with a key of its own. */
function nested(index: number): string {
	const keys = Array.from({ length: 60 }, (_, at) => short(60 * index + at));
	return `${keys.map((key) => `{"${key}":`).join("")}1${"}".repeat(60)}`;
}

export interface Kind {
	readonly title: string;
	readonly make: (bytes: number) => string;
	/** Whether 8 MiB have few values. Default: false. */
	readonly few?: boolean;
	/** Whether it is JSON. Default: true. */
	readonly valid?: boolean;
}

export const kinds: Kind[] = [
	{ title: "empty lists", make: (bytes) => filled(bytes, () => "[]") },
	{ title: "empty maps", make: (bytes) => filled(bytes, () => "{}") },
	{
		title: "maps with a key of their own each",
		make: (bytes) => filled(bytes, (index) => `{"${short(index)}":1}`),
	},
	{
		title: "maps with keys of their own in each other",
		make: (bytes) => filled(bytes, nested),
	},
	{
		title: "one map",
		make: (bytes) => filled(bytes, (index) => `"${short(index)}":1`, "{}"),
	},
	{
		title: "one map whose keys are indexes far apart",
		make: (bytes) => filled(bytes, (index) => `"${index * 1013}":1`, "{}"),
	},
	{
		title: "integers that need all their digits",
		make: (bytes) => filled(bytes, () => "123456789012345678"),
	},
	{
		title: "one such integer among empty texts",
		make: (bytes) =>
			filled(bytes, (index) => (index === 0 ? "123456789012345678" : '""')),
	},
	{
		title: "integers of 1,000 digits",
		make: (bytes) => filled(bytes, () => "9".repeat(1000)),
		few: true,
	},
	{
		title: "short texts with an escape",
		make: (bytes) => filled(bytes, (index) => `"\\n${short(index)}"`),
	},
	{
		title: "one text of escapes",
		make: (bytes) => `"${"\\u0000".repeat((bytes - 2) / 6)}"`,
		few: true,
	},
	{
		title: "escaped quotes behind a long integer",
		make: (bytes) => `[123456789012345678,"${'\\"'.repeat(bytes / 2 - 20)}"]`,
		few: true,
	},
	{
		title: "no JSON behind a million brackets",
		make: (bytes) => `[${"[],".repeat(bytes / 3 - 2)}`,
		valid: false,
	},
];

/** A text of that kind, of nearly so many values and keys and no more than so many bytes. */
export function filledUpTo(
	{ make }: Kind,
	values: number,
	bytes: number,
): string {
	const { values: ofMebi } = surveyJson(Buffer.from(make(mebi)));
	return make(Math.floor(Math.min(bytes, (0.9 * values * mebi) / ofMebi)));
}
