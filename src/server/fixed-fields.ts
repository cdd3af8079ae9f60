import { type HeaderList, headersWithout } from "../core/http/headers.ts";

/** Adds the fields of every answer to one, except those that it has. */
export type AddFixed = (fields: string[]) => void;

/** Null if there are none. Names are in lower case. */
export function createFixed(fixed: HeaderList): AddFixed | null {
	if (fixed.length === 0) return null;
	return (fields) => {
		const own = fields.length;
		for (let at = 0; at < fixed.length; at += 2) {
			const name = fixed[at] as string;
			if (!has(fields, own, name)) fields.push(name, fixed[at + 1] as string);
		}
	};
}

function has(fields: HeaderList, length: number, name: string): boolean {
	for (let at = 0; at < length; at += 2) {
		const other = fields[at] as string;
		if (other.length === name.length && other.toLowerCase() === name) {
			return true;
		}
	}
	return false;
}

/** Those that are said without TLS. A browser must not be told to use TLS alone by whoever can change what it reads (RFC 6797, 7.2). */
export function withoutTls(fixed: HeaderList): HeaderList {
	return headersWithout(fixed, (name) => name === "strict-transport-security");
}
