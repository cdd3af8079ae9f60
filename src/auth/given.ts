import type { TokenPlace } from "../config/config.ts";
import { cookiesOf } from "../core/http/cookies.ts";
import { allHeadersOf } from "../core/http/headers.ts";
import type { GatewayRequest } from "../core/http/messages.ts";
import { Denial } from "./identity.ts";

/** Longer credentials are refused before anything is computed. */
const lengthMax = 16 * 1024;

/** The token or key at its place in a request. */
export function givenAt(
	{ in: where, name }: TokenPlace,
	{ headers, target }: GatewayRequest,
): string | Denial {
	switch (where) {
		case "header": {
			const given = allHeadersOf(headers, name);
			return name === "authorization" ? schemed("bearer", given) : only(given);
		}
		case "cookie":
			// A page below another name of the same site can put one of its own before the user's. The same one twice says the same.
			return only([...new Set(cookiesOf(headers, name))]);
		case "query": {
			const mark = target.indexOf("?");
			const pairs = new URLSearchParams(mark < 0 ? "" : target.slice(mark));
			return only(pairs.getAll(name));
		}
	}
}

/** What follows a scheme in `Authorization` (RFC 9110, 11.6.2). Another scheme belongs to somebody else. */
export function schemed(
	scheme: string,
	given: readonly string[],
): string | Denial {
	const parts = given.map((value) => /^([^ ]+) +(.+)$/.exec(value.trim()));
	const own = parts.filter((part) => part?.[1]?.toLowerCase() === scheme);
	// Of two fields nobody knows which one others believe.
	if (own.length > 0 && given.length > 1) {
		return new Denial("invalid", "there are two `authorization` fields");
	}
	return only(own.map((part) => part?.[2] ?? ""));
}

function only(given: readonly string[]): string | Denial {
	const [first, ...others] = given;
	if (first === undefined) return new Denial("absent", "there are none");
	if (others.length > 0) return new Denial("invalid", "they are given twice");
	if (first.length > lengthMax) return new Denial("invalid", "too long");
	return first;
}
