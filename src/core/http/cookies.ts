import { allHeadersOf, decodedValue, type HeaderList } from "./headers.ts";

/**
 * The value of a cookie, or null. RFC 6265, 4.2: pairs between semicolons. A value may stand in quotes, which are not part
 * of it. Of a name that is given twice the first counts: browsers send the cookie of the longest path first (5.4).
 */
export function cookieOf(headers: HeaderList, name: string): string | null {
	for (const line of allHeadersOf(headers, "cookie")) {
		for (const pair of line.split(";")) {
			const equals = pair.indexOf("=");
			if (equals < 0 || pair.slice(0, equals).trim() !== name) continue;
			const value = pair.slice(equals + 1).trim();
			return decodedValue(value.replace(/^"(.*)"$/, "$1"));
		}
	}
	return null;
}
