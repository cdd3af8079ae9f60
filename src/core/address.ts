import { isIP, SocketAddress } from "node:net";

/** A range of addresses: all that agree with `address` in its first `prefix` bits. */
export interface Subnet {
	readonly address: string;
	readonly family: "ipv4" | "ipv6";
	readonly prefix: number;
}

/**
 * An IP address in its one canonical form, or null where the text is none. An IPv4 address that came mapped into IPv6
 * (`::ffff:192.0.2.1`, as a socket for both says it) is the IPv4 address it means; a zone (`%eth0`) is no address.
 */
export function parseAddress(text: string): string | null {
	const version = isIP(text);
	if (version === 4) return text;
	if (version === 0 || text.includes("%")) return null;
	const { address } = new SocketAddress({ address: text, family: "ipv6" });
	return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1] ?? address;
}

/** `10.0.0.0/8`, `fd00::/8`, or one address alone; null where it is neither. */
export function parseSubnet(text: string): Subnet | null {
	const [, given = "", bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
	const address = parseAddress(given);
	if (address === null) return null;
	const family = familyOf(address);
	// The bits of a mapped address would count from another start.
	if (family === "ipv4" && given.includes(":") && bits) return null;
	const longest = family === "ipv4" ? 32 : 128;
	const prefix = bits === undefined ? longest : Number(bits);
	return prefix > longest ? null : { address, family, prefix };
}

/** Of an address in canonical form. */
export function familyOf(address: string): "ipv4" | "ipv6" {
	return address.includes(":") ? "ipv6" : "ipv4";
}
