import { z } from "zod";
import type { Origin } from "./input.ts";
import { plain } from "./kind.ts";

const originWords =
	"an origin as browsers write it, such as `https://app.example.com`: scheme, host and port alone; `https://*.example.com` is any one label there";

/** Scheme, host and port, as browsers write them. `*` is every origin, and stands for the first label of a host. */
function isOrigin(text: string): boolean {
	if (text === "*") return true;
	// With one label behind the star anybody could register a name.
	const named = text.replace(/^(https?:\/\/)\*(?=\.[^.]+\.[^.]+)/, "$1x");
	const url = URL.parse(named);
	return url !== null && /^https?:$/.test(url.protocol) && url.origin === named;
}

/** Pages that may do something, by where they come from. */
export const origins = plain<readonly Origin[], readonly string[]>(
	z
		.array(
			z.string({ error: originWords }).refine(isOrigin, {
				error: originWords,
			}),
			{ error: "a list of origins, or of `*` alone for all" },
		)
		.min(1, { error: "at least one, or leave the key out" })
		.refine((list) => list.length === 1 || !list.includes("*"), {
			error: "either `*` alone or the origins one by one",
		}),
	(written) => written,
);
