import { withoutBlanks } from "./blanks.ts";
import { allHeadersOf, decodedValue, type HeaderList } from "./headers.ts";

/**
 * The value of a cookie, or null. Of a name that is given twice the first counts: browsers send the cookie of the longest path first
 * (RFC 6265, 5.4).
 */
export function cookieOf(headers: HeaderList, name: string): string | null {
	for (const value of cookies(headers, name)) return value;
	return null;
}

/** All values of the cookies of this name, in the order in which they came. */
export function cookiesOf(headers: HeaderList, name: string): string[] {
	return [...cookies(headers, name)];
}

/**
 * RFC 6265, 4.2: pairs between semicolons. A value may stand in quotes, which are not part of it. A browser takes a name with
 * any other white space around it for another one, so it does not guard its prefix.
 */
function* cookies(headers: HeaderList, name: string): Generator<string> {
	for (const line of allHeadersOf(headers, "cookie")) {
		for (const pair of line.split(";")) {
			const equals = pair.indexOf("=");
			if (equals < 0 || withoutBlanks(pair.slice(0, equals)) !== name) continue;
			const value = withoutBlanks(pair.slice(equals + 1));
			yield decodedValue(value.replace(/^"(.*)"$/, "$1"));
		}
	}
}
