import { z } from "zod";
import { plain } from "../keys/kind.ts";

/** How an answer's body becomes a value. Of XML `lists` names the elements that are always lists. */
export type DecodeConfig =
	| { readonly kind: "bytes" | "json" | "lines" | "text" }
	| { readonly kind: "xml"; readonly lists: readonly string[] };

const words = ["json", "text", "lines", "xml", "bytes"] as const;
type Word = (typeof words)[number];

/** What an author writes. */
export type DecodeInput =
	| Word
	| { readonly xml: { readonly lists: readonly string[] } };

/** An element's name, or the last names of its path. */
const listName = /^[^\s/@#<>&"'=]+(?:\/[^\s/@#<>&"'=]+)*$/;

const decodeSchema = z.union(
	[
		z.enum(words),
		z.strictObject({
			xml: z.strictObject({
				lists: z
					.array(
						z.string().regex(listName, {
							error:
								"an element's name, or the last names of its path: `order/line`",
						}),
					)
					.min(1)
					.max(100),
			}),
		}),
	],
	{
		error:
			"`json`, `text`, `lines`, `xml`, `bytes`, or `{ xml: { lists: [item, order/line] } }` with names of elements",
	},
);

function decodeOf(written: DecodeInput): DecodeConfig {
	if (typeof written === "object") {
		return { kind: "xml", lists: written.xml.lists };
	}
	return written === "xml" ? { kind: "xml", lists: [] } : { kind: written };
}

export const decode = plain<DecodeInput, DecodeConfig>(decodeSchema, decodeOf);

/** As an author writes it; null for JSON. */
export function printDecode(decode: DecodeConfig): DecodeInput | null {
	if (decode.kind !== "xml") return decode.kind === "json" ? null : decode.kind;
	const { lists } = decode;
	return lists.length === 0 ? "xml" : { xml: { lists } };
}

/** The same, as a function of an author's gives it; null if it is nothing that an author can write. */
export function decodeGiven(written: DecodeInput): DecodeConfig | null {
	return decodeSchema.safeParse(written).success ? decodeOf(written) : null;
}
